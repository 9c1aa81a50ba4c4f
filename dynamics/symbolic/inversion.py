"""Unknowns inside ``exp``, ``log``, ``tanh`` or powers, replaced by new unknowns in which equations are rational."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import Any

from sympy import Add, Dummy, Expr, Mul, Pow, Rational, S, Symbol, exp, log, tanh

from dynamics.errors import DerivationError

__all__ = ["Inversion", "without_kernels"]


@dataclass(frozen=True)
class Inversion:
    """An unknown, the unknown that took its place, and the way back.

    Attributes
    ----------
    unknown : Symbol
    replacement : Symbol
    inverse : Expr
        The unknown in terms of the replacement (and possibly other unknowns).
    positive : bool
        Whether the replacement takes no negative values.
    nonzero : bool
        Whether it does not vanish either (an exponential).
    slope : Expr
        Of the kernel's argument in the unknown; the way back divides by it.
    """

    unknown: Symbol
    replacement: Symbol
    inverse: Expr
    positive: bool
    nonzero: bool = False
    slope: Expr = S.One


def without_kernels(
    equations: Sequence[Expr], unknowns: Sequence[Symbol]
) -> tuple[tuple[Expr, ...], tuple[Symbol, ...], tuple[Inversion, ...]]:
    """Replace unknowns that occur only through one invertible kernel.

    Parameters
    ----------
    equations : sequence of Expr
    unknowns : sequence of Symbol

    Returns
    -------
    equations : tuple of Expr
        Rational in the new unknowns.
    unknowns : tuple of Symbol
    inversions : tuple of Inversion
        In the order in which they were made; undo them last to first.

    Raises
    ------
    DerivationError
        If an unknown occurs both inside and outside of a transcendental function, or in several.

    Examples
    --------
    >>> from sympy import Symbol, exp
    >>> x, a = Symbol("x"), Symbol("a")
    >>> equations, unknowns, inversions = without_kernels([exp(2 * x) - a * exp(x)], [x])
    >>> inversions[0].inverse.subs(inversions[0].replacement, a)
    log(a)
    """
    current = tuple(equations)
    names = tuple(unknowns)
    inversions: list[Inversion] = []
    for _ in range(4 * len(names) + 4):
        current = tuple(_exponential_powers(item, set(names)) for item in current)
        kernels = {kernel: None for item in current for kernel in _kernels(item, set(names))}
        if not kernels:
            return current, names, tuple(inversions)
        for name in names:
            step = _step(current, name, [kernel for kernel in kernels if kernel.has(name)])
            if step is not None:
                current, inversion = step
                inversions.append(inversion)
                names = tuple(inversion.replacement if item == name else item for item in names)
                break
        else:
            break
    raise DerivationError(
        f"The equations are transcendental in {', '.join(sorted(str(name) for name in unknowns))} "
        f"({next(iter(kernels))} and other terms); they have no closed-form solution. "
        "Give numbers for the parameters and a box, and solve numerically."
    )


def _exponential_powers(expression: Expr, names: set[Symbol]) -> Expr:
    """Write ``k**v`` as ``exp(v*log(k))``."""
    powers = [node for node in expression.atoms(Pow) if node.exp.free_symbols & names and node.base is not S.Exp1]
    return expression.xreplace({node: exp(node.exp * log(node.base)) for node in powers})


def _kernels(expression: Expr, names: set[Symbol]) -> Iterator[Expr]:
    """Innermost parts that are not rational in the names."""
    if not expression.free_symbols & names or expression.is_Symbol:
        return
    inner = False
    for argument in expression.args:
        for kernel in _kernels(argument, names):
            inner = True
            yield kernel
    if inner or isinstance(expression, (Add, Mul)):
        return
    if isinstance(expression, Pow) and not isinstance(expression, exp) and expression.exp.is_Integer:
        return
    yield expression


def _linear(expression: Expr, name: Symbol) -> tuple[Expr, Expr] | None:
    """``(a, b)`` with ``expression = a*name + b`` and both free of the name."""
    slope = expression.diff(name)
    if slope.has(name):
        slope = slope.expand()
        if slope.has(name):
            return None
    offset = expression.xreplace({name: S.Zero})
    return (slope, offset) if slope != 0 and not offset.has(S.NaN, S.ComplexInfinity) else None


def _step(equations: tuple[Expr, ...], name: Symbol, kernels: list[Expr]) -> tuple[tuple[Expr, ...], Inversion] | None:
    if not kernels:
        return None
    replacement = Dummy(name.name)
    hidden = {kernel: Dummy() for kernel in kernels}
    outside = any(item.xreplace(hidden).has(name) for item in equations)
    found: tuple[dict[Expr, Expr], Expr, bool] | None = None
    if all(isinstance(kernel, exp) for kernel in kernels):
        found = None if outside else _exponentials(kernels, name, replacement)
    elif all(isinstance(kernel, Pow) for kernel in kernels):
        found = _powers(kernels, name, replacement, outside)
    elif len(kernels) == 1 and not outside:
        found = _single(kernels[0], name, replacement)
    if found is None:
        return None
    replacements, inverse, positive = found
    inner = kernels[0].base if isinstance(kernels[0], Pow) and not isinstance(kernels[0], exp) else kernels[0].args[0]
    line = _linear(inner.expand() if isinstance(kernels[0], exp) else inner, name)
    replaced = (item.xreplace(replacements) for item in equations)
    return tuple(item.xreplace({name: inverse}) for item in replaced), Inversion(
        name, replacement, inverse, positive, all(isinstance(kernel, exp) for kernel in kernels),
        line[0] if line is not None else S.One
    )


_Found = tuple[dict[Expr, Expr], Expr, bool]


def _exponentials(kernels: list[Expr], name: Symbol, replacement: Symbol) -> _Found | None:
    lines = [_linear(kernel.args[0].expand(), name) for kernel in kernels]
    first = lines[0]
    if first is None:
        return None
    ratios: list[Any] = []
    for line in lines:
        ratio = (line[0] / first[0]).cancel() if line is not None else None
        if ratio is None or not ratio.is_Rational:
            return None
        ratios.append(ratio)
    unit = Rational(gcd(*(int(ratio.p) for ratio in ratios)), lcm(*(int(ratio.q) for ratio in ratios)))
    replacements = {
        kernel: replacement ** (ratio / unit) * exp(line[1])
        for kernel, ratio, line in zip(kernels, ratios, lines, strict=True)
        if line is not None
    }
    return replacements, log(replacement) / (first[0] * unit), True


def _powers(kernels: list[Expr], name: Symbol, replacement: Symbol, outside: bool) -> _Found | None:
    base = kernels[0].base
    line = _linear(base, name)
    if line is None or any(kernel.base != base for kernel in kernels):
        return None
    exponents = [kernel.exp for kernel in kernels]
    if all(exponent.is_Rational for exponent in exponents):
        degree = lcm(*(int(exponent.q) for exponent in exponents))
        replacements = {kernel: replacement ** (kernel.exp * degree) for kernel in kernels}
        return replacements, (replacement**degree - line[1]) / line[0], True
    if outside:
        return None
    ratios = [(exponent / exponents[0]).cancel() for exponent in exponents]
    if not all(ratio.is_Rational for ratio in ratios):
        return None
    unit = Rational(gcd(*(int(ratio.p) for ratio in ratios)), lcm(*(int(ratio.q) for ratio in ratios)))
    replacements = {kernel: replacement ** (ratio / unit) for kernel, ratio in zip(kernels, ratios, strict=True)}
    return replacements, (replacement ** (1 / (exponents[0] * unit)) - line[1]) / line[0], True


def _single(kernel: Expr, name: Symbol, replacement: Symbol) -> _Found | None:
    line = _linear(kernel.args[0], name)
    if line is None:
        return None
    if isinstance(kernel, log):
        inner, positive = exp(replacement), False
    elif isinstance(kernel, tanh):
        inner, positive = log((1 + replacement) / (1 - replacement)) / 2, False
    else:
        return None
    return {kernel: replacement}, (inner - line[1]) / line[0], positive
