"""Expressions as elements of a field of rational functions, radicals and transcendental parts being generators.

SymPy's general simplification is slow and unpredictable; arithmetic in a sparse fraction field is fast and canonical.
Whatever is not rational (``sqrt(K)``, ``exp(-r*T)``, ``k**n``) becomes a generator, with its algebraic relation
``generator**degree = base`` where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sympy import QQ, Add, Dummy, Expr, Float, Function, Integer, Mul, Pow, Rational, S, Symbol, exp
from sympy.polys.fields import FracField

__all__ = [
    "Bounds",
    "RationalForm",
    "composed",
    "evaluate_at",
    "exact_rational",
    "known_kernels",
    "powers_of",
    "rational_form",
    "rationalized",
    "replace_kernels",
]

_ABSENT = Dummy("absent")  # one symbol for all fields of numbers, so that SymPy builds that field once

Bounds = Mapping[Symbol, tuple[Any, Any]]


@dataclass(frozen=True)
class RationalForm:
    """Expressions as elements of one fraction field.

    Attributes
    ----------
    field : FracField
        Rational functions in the symbols and kernels, over the rational numbers.
    elements : tuple of FracElement
        One per expression, reduced by the relations.
    kernels : dict of Symbol to Expr
        Generator and the non-rational expression it stands for.
    relations : dict of Symbol to (int, FracElement)
        ``generator**degree`` and what it equals.
    """

    field: Any
    elements: tuple[Any, ...]
    kernels: dict[Symbol, Expr] = field(default_factory=dict)
    relations: dict[Symbol, tuple[int, Any]] = field(default_factory=dict)

    def reduce(self, element: Any) -> Any:
        """Return ``element`` with every power of a radical below its degree."""
        # later kernels contain earlier ones, so the relations are applied from the outermost inwards
        for symbol, (degree, base) in reversed(self.relations.items()):
            numerator, denominator = element.numer, element.denom
            index = self.field.symbols.index(symbol)
            if numerator.degree(index) >= degree or denominator.degree(index) >= degree:
                element = _lower(numerator, index, degree, base, self.field) / _lower(
                    denominator, index, degree, base, self.field
                )
        return element

    def expression(self, element: Any) -> Expr:
        """Return an element of the field, or a polynomial of its ring, as a SymPy expression with kernels put back."""
        return self.put_back(element.as_expr())

    def put_back(self, expression: Expr) -> Expr:
        """Return an expression in the generators with kernels in place of their generators."""
        # a kernel may contain generators of inner kernels: newest first
        for symbol in reversed(self.kernels):
            expression = expression.xreplace({symbol: self.kernels[symbol]})
        return expression


def _lower(polynomial: Any, index: int, degree: int, base: Any, over: Any) -> Any:
    result = over.zero
    generator = over.gens[index]
    for power, coefficient in powers_of(polynomial, index).items():
        result += (
            over.field_new(coefficient)
            * (base ** (power // degree) if power >= degree else over.one)
            * generator ** (power % degree)
        )
    return result


def powers_of(polynomial: Any, index: int) -> dict[int, Any]:
    """Return the coefficients of a ring element as polynomials in its other generators, by power of one generator.

    Parameters
    ----------
    polynomial : PolyElement
    index : int
        Position of the generator in the ring.

    Returns
    -------
    dict of int to PolyElement
    """
    ring = polynomial.ring
    parts: dict[int, Any] = {}
    for monomial, coefficient in polynomial.terms():
        power = monomial[index]
        rest = (*monomial[:index], 0, *monomial[index + 1 :])
        part = parts.get(power)
        if part is None:
            part = parts[power] = ring.zero
        part[rest] = coefficient
    return parts


def evaluate_at(polynomial: Any, index: int, numerator: Any, denominator: Any) -> Any:
    """Return ``denominator**degree * polynomial`` with one generator replaced by ``numerator/denominator``.

    Parameters
    ----------
    polynomial, numerator, denominator : PolyElement
    index : int
        Position of the generator that is replaced.

    Returns
    -------
    PolyElement
    """
    parts = powers_of(polynomial, index)
    degree = max(parts, default=0)
    if not degree:
        return polynomial
    result = polynomial.ring.zero
    for power, coefficient in parts.items():
        # a zero numerator has no zeroth power in SymPy's rings
        above = numerator**power if power else polynomial.ring.one
        result += coefficient * above * (denominator ** (degree - power) if power < degree else polynomial.ring.one)
    return result


def composed(element: Any, index: int, value: Any) -> Any:
    """Return an element of a fraction field with one generator replaced by another element.

    Parameters
    ----------
    element, value : FracElement
    index : int
        Position of the generator.

    Returns
    -------
    FracElement
        If the denominator vanishes, ZeroDivisionError is raised.
    """
    over = element.field
    parts = []
    for polynomial in (element.numer, element.denom):
        total = over.zero
        for power, coefficient in powers_of(polynomial, index).items():
            total += over(coefficient) * (value**power if power else over.one)
        parts.append(total)
    return parts[0] / parts[1]


def exact_rational(value: Any) -> Any:
    """Return a finite number as a SymPy rational, ``None`` for infinite, absent or irrational ones."""
    if value is None:
        return None
    if isinstance(value, (int, Integer)) and not isinstance(value, bool):
        return Integer(int(value))
    if isinstance(value, Rational):
        return value
    if isinstance(value, (float, Float)):
        return Rational(value) if abs(value) != S.Infinity and value == value else None
    return None


@dataclass
class _Replacement:
    kernels: dict[Symbol, Expr] = field(default_factory=dict)
    bases: dict[Symbol, tuple[int, Expr]] = field(default_factory=dict)
    known: dict[Expr, Symbol] = field(default_factory=dict)

    def symbol_for(self, kernel: Expr, degree: int = 0, base: Expr | None = None) -> Symbol:
        symbol = self.known.get(kernel)
        if symbol is None:
            symbol = Dummy(f"kernel{len(self.known)}")
            self.known[kernel] = symbol
            self.kernels[symbol] = kernel
            if base is not None:
                self.bases[symbol] = (degree, base)
        return symbol

    def walk(self, expression: Expr) -> Expr:
        if expression.is_Rational or expression.is_Symbol:
            return expression
        if expression.is_Float:
            return Rational(expression)
        if isinstance(expression, (Add, Mul)):
            return expression.func(*[self.walk(argument) for argument in expression.args])
        if isinstance(expression, exp):
            return self.power(None, expression.args[0])
        if isinstance(expression, Pow):
            return self.power(expression.base, expression.exp)
        return self.symbol_for(expression)

    def power(self, base: Expr | None, exponent: Expr) -> Expr:
        """Split ``base**(a + 2*b)`` into ``base**a * (base**b)**2``, so that related powers share generators."""
        factors = []
        for term in Add.make_args(exponent.expand()):
            coefficient, rest = term.as_coeff_Mul()
            if not coefficient.is_Rational:
                coefficient, rest = S.One, term
            if rest is S.One and base is not None:
                inner = self.walk(base)
                if coefficient.q == 1:
                    factors.append(inner**coefficient)
                    continue
                kernel = Pow(base, Rational(1, coefficient.q))
                factors.append(self.symbol_for(kernel, int(coefficient.q), inner) ** coefficient.p)
                continue
            root = rest / coefficient.q
            kernel = exp(root) if base is None else Pow(base, root)
            factors.append(self.symbol_for(kernel) ** coefficient.p)
        return Mul(*factors)


def replace_kernels(
    expressions: Iterable[Expr],
) -> tuple[tuple[Expr, ...], dict[Symbol, Expr], dict[Symbol, tuple[int, Expr]]]:
    """Return expressions rational in their symbols, the kernels introduced, and the relations of the radicals."""
    replacement = _Replacement()
    rational = tuple(replacement.walk(expression) for expression in expressions)
    return rational, replacement.kernels, replacement.bases


def rational_form(expressions: Iterable[Expr], symbols: Iterable[Symbol] = ()) -> RationalForm:
    """Write expressions as elements of one field of rational functions.

    Parameters
    ----------
    expressions : iterable of Expr
    symbols : iterable of Symbol
        Generators to have in any case.

    Returns
    -------
    RationalForm

    Examples
    --------
    >>> from sympy import Symbol, sqrt
    >>> x = Symbol("x")
    >>> form = rational_form([1 / (sqrt(x) - 1) - (sqrt(x) + 1) / (x - 1)])
    >>> form.reduce(form.elements[0])
    0
    """
    rational, kernels, bases = replace_kernels(expressions)
    found: set[Symbol] = set(symbols)
    for expression in (*rational, *[base for _, base in bases.values()]):
        found |= expression.free_symbols
    generators = sorted(found - set(kernels), key=lambda symbol: symbol.name) + list(kernels)
    if not generators:
        generators = [_ABSENT]
    over = FracField(generators, QQ, "lex")
    relations = {symbol: (degree, over.from_expr(base)) for symbol, (degree, base) in bases.items()}
    form = RationalForm(over, (), kernels, relations)
    return RationalForm(
        over, tuple(form.reduce(over.from_expr(expression)) for expression in rational), kernels, relations
    )


def known_kernels(expression: Expr) -> Expr:
    """Return an expression with the value of every function whose argument is a number identically.

    Parameters
    ----------
    expression : Expr

    Returns
    -------
    Expr

    Examples
    --------
    >>> from sympy import Symbol, tanh
    >>> a, b = Symbol("a"), Symbol("b")
    >>> known_kernels(tanh(a/(a + b) + b/(a + b) - 1) + tanh(a))
    tanh(a)
    """
    kernels = [node for node in expression.atoms(Function, Pow)
               if isinstance(node, Function) or not node.exp.is_Rational]
    # innermost first: a value within may be what makes the argument around it a number
    for kernel in sorted(kernels, key=lambda node: int(node.count_ops())):
        inner = kernel.args[0]
        if not inner.free_symbols:
            continue
        try:
            element = rational_form([inner]).elements[0]
        except ZeroDivisionError:
            continue
        if element.numer.is_ground and element.denom.is_ground:
            expression = expression.xreplace({kernel: kernel.func(element.as_expr(), *kernel.args[1:])})
    return expression


def rationalized(form: RationalForm, element: Any) -> Any:
    """Return an element of a form's field with square roots moved from the denominator to the numerator.

    Parameters
    ----------
    form : RationalForm
    element : FracElement

    Returns
    -------
    FracElement
    """
    over = form.field
    for symbol, (degree, _) in reversed(form.relations.items()):
        index = over.symbols.index(symbol)
        if degree == 2 and element.denom.degree(index) == 1:
            parts = powers_of(element.denom, index)
            conjugate = over(parts.get(0, over.ring.zero)) - over(parts[1]) * over.gens[index]
            below = form.reduce(over(element.denom) * conjugate)
            if below:
                element = form.reduce(over(element.numer) * conjugate) / below
    return element
