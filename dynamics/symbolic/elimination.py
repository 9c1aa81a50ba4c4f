"""All solutions of a system of equations in closed form, with generic parameters.

Equations are cleared of denominators, factored, and solved one unknown at a time; what no branch of this reaches is
reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product
from math import gcd
from typing import Any

from sympy import (
    Abs,
    Dummy,
    Expr,
    Integer,
    Max,
    Min,
    Piecewise,
    Pow,
    Rational,
    Symbol,
    exp,
    log,
    preorder_traversal,
    sign,
)

from dynamics.errors import DerivationError
from dynamics.symbolic.factors import factored, layout
from dynamics.symbolic.inversion import Inversion, without_kernels
from dynamics.symbolic.kernels import Bounds, RationalForm, composed, powers_of, rational_form
from dynamics.symbolic.real_solutions import solve_numeric
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.triangular import Branch, rational_branches, substituted, with_generator
from dynamics.symbolic.verification import distinct, satisfies

__all__ = ["Solution", "solve_numeric", "solve_system"]


@dataclass(frozen=True)
class Solution:
    """One solution, or one family of solutions, of a system.

    Attributes
    ----------
    values : dict of Symbol to Expr
        Each unknown in the parameters; a free unknown stands for itself.
    free : tuple of Symbol
        Unknowns that may take any value (a line, surface, ... of solutions).
    nonzero : tuple of Expr
        Expressions in the parameters (and free unknowns) that must not vanish for this to be a solution.
    """

    values: dict[Symbol, Expr]
    free: tuple[Symbol, ...] = ()
    nonzero: tuple[Expr, ...] = ()


def solve_system(
    equations: Sequence[Expr], unknowns: Sequence[Symbol], *, bounds: Bounds | None = None
) -> tuple[Solution, ...]:
    """Solve equations exactly; the other symbols are generic real parameters.

    Parameters
    ----------
    equations : sequence of Expr
        Each is to vanish; smooth.
    unknowns : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper), optional
        Of the parameters: complex solutions are dropped where the bounds prove them complex. A lower bound 0 counts as
        strictly positive. Bounds of unknowns do not filter: a solution outside of them is returned.

    Returns
    -------
    tuple of Solution
        All real solutions for generic parameters, verified by substitution, each once.

    Raises
    ------
    DerivationError
        If there is no closed form (degree above 2 without a decomposition, transcendental equations), or the
        equations are not smooth.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, y, r, k = (Symbol(name) for name in ("x", "y", "r", "k"))
    >>> for solution in solve_system([r * x * (1 - x / k) - x * y, y * (x - 1)], [x, y]):
    ...     print(solution.values)
    {x: 0, y: 0}
    {x: k, y: 0}
    {x: 1, y: r - r/k}
    """
    from dynamics import expressions

    bounds = dict(bounds or {})
    given = tuple(expressions.elementary(equation) for equation in equations)
    if any(item.has(Max, Min, Abs, sign, Piecewise) for item in given):
        raise DerivationError("The equations are not smooth; split them into regimes and solve in each of them.")
    found = [item for system in _alternatives(given, unknowns) for item in _solutions(system, given, unknowns, bounds)]
    return tuple(found[position] for position in distinct([(item.values, item.free) for item in found], bounds))


def _alternatives(equations: tuple[Expr, ...], unknowns: Sequence[Symbol]) -> Iterator[tuple[Expr, ...]]:
    """Systems of factors, where factors separate an unknown from a transcendental function of it: x*(exp(x) - a)."""
    form = rational_form(equations, unknowns)
    open_names = set(unknowns)
    if not any(kernel.free_symbols & open_names for kernel in form.kernels.values()):
        yield equations
        return
    choices: list[list[Expr]] = []
    for equation, element in zip(equations, form.elements, strict=True):
        factors = [form.expression(factor) for factor, _ in factored(element.numer)[1]] if element else []
        factors = [factor for factor in factors if factor.free_symbols & open_names]
        choices.append(factors if len(factors) > 1 else [equation])
    yield from product(*choices)


def _solutions(
    equations: tuple[Expr, ...], given: tuple[Expr, ...], unknowns: Sequence[Symbol], bounds: Bounds
) -> Iterator[Solution]:
    rational, names, inversions = without_kernels(equations, unknowns)
    form = rational_form([*rational, *_denominators(rational)], names)
    solver = _Solver(form, bounds)
    elements = form.elements
    start = Branch(
        form.field.ring,
        tuple(element.numer for element in elements[: len(rational)]),
        names,
        nonzero=(
            *(element.denom for element in elements[: len(rational)]),
            *(element.numer for element in elements[len(rational) :]),
        ),
        relations={symbol: (degree, base.numer, base.denom) for symbol, (degree, base) in form.relations.items()},
    )
    exact = equations is given and not inversions and not form.kernels
    for branch in solver.complete(start):
        solution = solver.solution(branch)
        whole = solution and _undo(solution, inversions, tuple(unknowns), bounds)
        # substitution in the fraction field is exact; kernels and radicals have branches, hence the check by numbers
        if whole is not None and (
            (exact and not branch.relations) or satisfies(given, whole.values, bounds, whole.free)
        ):
            yield whole


def _denominators(equations: Sequence[Expr]) -> list[Expr]:
    """Bases of negative powers as written, before cancellation hides them."""
    return list(
        dict.fromkeys(
            node.base
            for equation in equations
            for node in preorder_traversal(equation)
            if isinstance(node, Pow) and node.exp.is_Integer and node.exp.is_negative
        )
    )


def _undo(
    solution: Solution, inversions: tuple[Inversion, ...], unknowns: tuple[Symbol, ...], bounds: Bounds
) -> Solution | None:
    values, free = dict(solution.values), list(solution.free)
    for inversion in reversed(inversions):
        value = values[inversion.replacement]
        sign_here = sign_of(value, bounds)
        if (inversion.positive and sign_here == -1) or (inversion.nonzero and sign_here == 0):
            return None
        if inversion.replacement in free:
            free[free.index(inversion.replacement)] = inversion.unknown
            values = {
                name: _put_back(item, inversion) for name, item in values.items() if name != inversion.replacement
            }
            values[inversion.unknown] = inversion.unknown
        else:
            back = inversion.inverse.xreplace(values)
            # SymPy keeps log(exp(a)) because its symbols may be complex; here they are real
            logarithms = [node for node in back.atoms(log) if isinstance(node.args[0], exp)]
            values[inversion.unknown] = back.xreplace({node: node.args[0].args[0] for node in logarithms})
    return Solution({name: values[name] for name in unknowns}, tuple(free), solution.nonzero)


def _put_back(value: Expr, inversion: Inversion) -> Expr:
    if value.has(inversion.replacement):
        raise DerivationError(
            f"The solutions form a family in {inversion.unknown} that is not rational; fix one state or a conserved "
            "quantity and solve again."
        )
    return value


@dataclass
class _Solver:
    form: RationalForm
    bounds: Bounds
    roots: dict[Symbol, Expr] = field(default_factory=dict)

    def complete(self, branch: Branch) -> Iterator[Branch]:
        """Branches without equations left."""
        for part in rational_branches(branch):
            if part.equations:
                yield from self.nonlinear(part)
            else:
                yield part

    def nonlinear(self, branch: Branch) -> Iterator[Branch]:
        univariate: dict[Symbol, list[Any]] = {}
        for equation in branch.equations:
            names = branch.unknowns_in(equation)
            if len(names) == 1:
                univariate.setdefault(names[0], []).append(equation)
        for name, group in univariate.items():
            if len(group) > 1:
                index = branch.index(name)
                divisor, dividend = sorted(group, key=lambda item: item.degree(index))[:2]
                remainder = _pseudo_remainder(branch, dividend, divisor, index)
                rest = tuple(item for item in branch.equations if item is not dividend)
                yield from self.complete(replace(branch, equations=(remainder, *rest)))
                return
        if not univariate:
            yield from self.complete(
                replace(branch, equations=(self.consequence(branch, branch.equations), *branch.equations))
            )
            return
        name, (equation,) = min(univariate.items(), key=lambda item: item[1][0].degree(branch.index(item[0])))
        rest = tuple(item for item in branch.equations if item is not equation)
        for extended, numerator, denominator in self.radical_roots(replace(branch, equations=rest), name, equation):
            yield from self.complete(substituted(extended, name, numerator, denominator))

    def consequence(self, branch: Branch, equations: Sequence[Any]) -> Any:
        """A polynomial in one unknown that vanishes on all solutions, by resultants."""
        names = [name for name in branch.unknowns if any(item.degree(branch.index(name)) > 0 for item in equations)]
        single = [item for item in equations if len(branch.unknowns_in(item)) == 1]
        if single:
            return min(single, key=len)
        if len(equations) < 2:
            raise DerivationError(
                "The solutions form a curve or surface that has no closed form in the unknowns "
                f"{', '.join(name.name for name in names)}; fix one of them (a conserved quantity) and solve again."
            )
        counts = {
            name: (
                sum(item.degree(branch.index(name)) > 0 for item in equations) < 2,
                sum(max(item.degree(branch.index(name)), 0) for item in equations),
            )
            for name in names
        }
        name = min(names, key=lambda item: counts[item])
        index = branch.index(name)
        holders = sorted(
            (item for item in equations if item.degree(index) > 0), key=lambda item: (item.degree(index), len(item))
        )
        result = [item for item in equations if item.degree(index) <= 0]
        for other in holders[1:]:
            eliminated = branch.reduced(_resultant(branch, holders[0], other, name))
            if eliminated:
                parts = [item for item, _ in factored(eliminated)[1] if branch.unknowns_in(item)]
                if not parts:
                    return branch.ring.one
                result.append(reduce(lambda first, second: first * second, dict.fromkeys(parts)))
        return self.consequence(branch, result)

    def radical_roots(self, branch: Branch, name: Symbol, equation: Any) -> Iterator[tuple[Branch, Any, Any]]:
        """Real roots of an irreducible polynomial in one unknown, as numerator and denominator."""
        index = branch.index(name)
        parts = powers_of(equation, index)
        inner = gcd(*parts)
        degree = max(parts) // inner
        zero = branch.ring.zero
        if degree == 1:
            yield from self.power_roots(branch, inner, -parts.get(0, zero), parts[inner])
            return
        if degree > 2:
            raise DerivationError(
                f"An equation of degree {max(parts)} in {name.name} does not factor; it has no usable closed form. "
                "Give numbers for the parameters, then all real solutions are isolated numerically."
            )
        a, b, c = parts[2 * inner], parts.get(inner, zero), parts.get(0, zero)
        for extended, top, bottom in self.power_roots(branch, 2, b**2 - 4 * a * c, branch.ring.one):
            ring = extended.ring
            numerator = top - b.set_ring(ring) * bottom
            denominator = 2 * a.set_ring(ring) * bottom
            if inner == 1:
                yield extended, numerator, denominator
            else:
                yield from self.power_roots(extended, inner, numerator, denominator)

    def power_roots(self, branch: Branch, degree: int, above: Any, below: Any) -> Iterator[tuple[Branch, Any, Any]]:
        """Real roots of ``v**degree = above/below``; power factors are taken out of the radical."""
        if degree == 1:
            yield branch, above, below
            return
        radicand = branch.reduced(above * below ** (degree - 1))
        if not radicand:  # a multiple root, which factoring cannot see through a radical
            yield branch, branch.ring.zero, branch.ring.one
            return
        content, factors = factored(radicand)
        outside, inside = branch.ring.one, branch.ring.one
        for factor, power in factors:
            outside *= factor ** (power // degree)
            inside *= factor ** (power % degree)
        # content p/q = p*q**(degree-1) / q**degree
        whole = int(content.numerator) * int(content.denominator) ** (degree - 1)
        taken, _ = Pow(Integer(abs(whole)), Rational(1, degree)).as_coeff_Mul()
        outside *= branch.ring.domain(int(taken), int(content.denominator)) if taken.q == 1 else branch.ring.one
        inside *= branch.ring.domain(whole // int(taken) ** degree)
        base = self.put_back(layout(inside.ring.to_field()(inside)))
        direction = sign_of(base, self.bounds)
        if direction == -1 and degree % 2 == 0:
            return
        if degree % 2 == 0 or direction == 1:
            root = Pow(base, Rational(1, degree))
        elif direction == -1:
            root = -Pow(-base, Rational(1, degree))
        else:
            root = sign(base) * Pow(Abs(base), Rational(1, degree))
        generator = Dummy("root")
        self.roots[generator] = root
        extended = with_generator(branch, generator)
        ring = extended.ring
        relations = {**extended.relations, generator: (degree, inside.set_ring(ring), ring.one)}
        extended = replace(extended, relations=relations)
        numerator, denominator = outside.set_ring(ring) * ring.gens[-1], below.set_ring(ring)
        yield extended, numerator, denominator
        if degree % 2 == 0:
            yield extended, -numerator, denominator

    def put_back(self, expression: Expr) -> Expr:
        for symbol in reversed(self.roots):
            expression = expression.xreplace({symbol: self.roots[symbol]})
        for symbol in reversed(self.form.kernels):
            expression = expression.xreplace({symbol: self.form.kernels[symbol]})
        return expression

    def solution(self, branch: Branch) -> Solution | None:
        over = branch.ring.to_field()
        relations = {name: (degree, over(a) / over(b)) for name, (degree, a, b) in branch.relations.items()}
        form = RationalForm(over, (), {}, relations)
        values: dict[Symbol, Any] = {name: over.gens[branch.index(name)] for name in branch.unknowns}
        for name, above, below in reversed(branch.solved):
            numerator, denominator = (_evaluated(over, branch, item, values) for item in (above, below))
            denominator = form.reduce(denominator)
            if not denominator:
                return None
            values[name] = _rationalized(form, form.reduce(numerator / denominator))
        exact = {name: self.put_back(layout(value)) for name, value in values.items()}
        nonzero = []
        for polynomial in branch.nonzero:
            condition = self.put_back(polynomial.as_expr())
            if sign_of(condition, self.bounds) is None:
                nonzero.append(condition)
        return Solution(exact, branch.unknowns, tuple(nonzero))


def _pseudo_remainder(branch: Branch, dividend: Any, divisor: Any, index: int) -> Any:
    degree = divisor.degree(index)
    leading = powers_of(divisor, index)[degree]
    generator = branch.ring.gens[index]
    while dividend and dividend.degree(index) >= degree:
        power = dividend.degree(index)
        top = powers_of(dividend, index)[power]
        dividend = branch.reduced(leading * dividend - top * generator ** (power - degree) * divisor)
    return dividend


def _resultant(branch: Branch, first: Any, second: Any, name: Symbol) -> Any:
    others = tuple(symbol for symbol in branch.ring.symbols if symbol != name)
    ring = branch.ring.clone(symbols=(name, *others))
    result = first.set_ring(ring).resultant(second.set_ring(ring))
    return result.set_ring(branch.ring) if others else branch.ring(result)


def _evaluated(over: Any, branch: Branch, polynomial: Any, values: dict[Symbol, Any]) -> Any:
    result = over(polynomial)
    for name, value in values.items():
        index = branch.index(name)
        if value == over.gens[index]:
            continue
        result = composed(result, index, value)
    return result


def _rationalized(form: RationalForm, element: Any) -> Any:
    """Square roots moved from the denominator to the numerator."""
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
