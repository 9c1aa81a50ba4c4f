"""Branches of polynomial systems completed by square roots and other radicals, with generic parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import combinations
from math import gcd
from typing import Any

from sympy import Abs, Dummy, Expr, Integer, Pow, Rational, Symbol, sign

from dynamics.errors import DerivationError
from dynamics.symbolic.budgets import check_elimination
from dynamics.symbolic.factors import factored, layout
from dynamics.symbolic.kernels import Bounds, RationalForm, composed, powers_of, rationalized
from dynamics.symbolic.radicals import denested, linear_parameter
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.triangular import (
    Branch,
    pseudo_remainder,
    rational_branches,
    reparametrized,
    resultant,
    substituted,
    with_generator,
)

__all__ = ["RootBranches"]

_EXPANDED = 200  # terms of an equation above which its discriminant is not factored
_USABLE = 400  # terms of a radicand that nobody would read


@dataclass
class RootBranches:
    """Closed forms of what no factor and no linear equation decides: roots of quadratics and of pure powers.

    Attributes
    ----------
    form : RationalForm
        Of the equations.
    bounds : mapping of Symbol to (lower, upper)
    nonnegative : tuple of Symbol
        Unknowns that stand for radicals; where one is a negative multiple of another both are zero.
    roots : dict of Symbol to Expr
        Generators that were added, and the radicals they stand for.
    lowered : dict of Symbol to (int, PolyElement)
        For roots that took the place of a parameter: the degree, and the polynomial in the parameter they are a root of.
    """

    form: RationalForm
    bounds: Bounds
    nonnegative: tuple[Symbol, ...] = ()
    roots: dict[Symbol, Expr] = field(default_factory=dict)
    lowered: dict[Symbol, tuple[int, Any]] = field(default_factory=dict)

    def complete(self, branch: Branch) -> Iterator[Branch]:
        """Branches without equations left."""
        for part in rational_branches(branch, self.narrowed if len(self.nonnegative) > 1 else None):
            if part.equations:
                yield from self.nonlinear(part)
            else:
                yield part

    def narrowed(self, branch: Branch) -> Branch:
        """The branch with two radicals set to zero where they have opposite signs, however the rest is solved."""
        values = self.values(branch, RationalForm(branch.ring.to_field(), (), {}, {}))
        found = [values[name] for name in self.nonnegative if values and values[name]]
        for first, second in combinations(found, 2):
            ratio = first / second
            if ratio.denom.is_ground and ratio.numer.is_ground and ratio.numer.LC < 0:
                return replace(branch, equations=(*branch.equations, first.numer.set_ring(branch.ring)))
        return branch

    def with_parameters_as_powers(self, branch: Branch) -> Branch:
        """The branch with radicals of parameters in place of these parameters, where that is rational."""
        for root, (degree, base, below) in list(branch.relations.items()):
            barred = (*branch.unknowns, *self.form.kernels)
            chosen = linear_parameter(branch.relations[root][1], barred) if below == 1 else None
            if chosen is not None and branch.relations[root][2] == 1:
                symbol, slope, offset = chosen
                self.lowered[root] = (degree, base)
                relations = {name: item for name, item in branch.relations.items() if name != root}
                power = branch.ring.gens[branch.index(root)] ** degree
                branch = reparametrized(replace(branch, relations=relations), symbol, power - offset, slope)
        return branch

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
                remainder = pseudo_remainder(branch, dividend, divisor, index)
                rest = tuple(item for item in branch.equations if item is not dividend)
                yield from self.complete(replace(branch, equations=(remainder, *rest)))
                return
        if not univariate:
            squares = self.square_discriminant(branch)
            if squares is not None:
                yield from self.quadratic(branch, *squares)
                return
            yield from self.complete(
                replace(branch, equations=(self.consequence(branch, branch.equations), *branch.equations))
            )
            return
        name, (equation,) = min(univariate.items(), key=lambda item: item[1][0].degree(branch.index(item[0])))
        yield from self.with_roots(branch, name, equation)

    def with_roots(self, branch: Branch, name: Symbol, equation: Any) -> Iterator[Branch]:
        rest = tuple(item for item in branch.equations if item is not equation)
        for extended, numerator, denominator in self.radical_roots(replace(branch, equations=rest), name, equation):
            # a common factor that only the new root shows would multiply everything it is put into
            numerator, denominator = numerator.cancel(denominator)
            yield from self.complete(substituted(extended, name, numerator, denominator))

    def square_discriminant(self, branch: Branch) -> tuple[Any, Symbol] | None:
        """An equation that is a product of two linear ones over a square root of parameters, and the unknown."""
        for equation in branch.equations:
            for name in branch.unknowns_in(equation):
                if equation.degree(branch.index(name)) != 2 or len(equation) > _EXPANDED:
                    continue
                parts = powers_of(equation, branch.index(name))
                zero = branch.ring.zero
                found = branch.reduced(parts.get(1, zero) ** 2 - 4 * parts[2] * parts.get(0, zero))
                if found and all(power % 2 == 0 or not branch.unknowns_in(item) for item, power in factored(found)[1]):
                    return equation, name
        return None

    def quadratic(self, branch: Branch, equation: Any, name: Symbol) -> Iterator[Branch]:
        parts = powers_of(equation, branch.index(name))
        yield from self.with_roots(branch, name, equation)
        if branch.unknowns_in(parts[2]):
            rest = tuple(item for item in branch.equations if item is not equation)
            linear = equation - parts[2] * branch.ring.gens[branch.index(name)] ** 2
            yield from self.complete(replace(branch, equations=(parts[2], linear, *rest)))

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
            check_elimination(holders[0], other, index, name.name)
            eliminated = branch.reduced(resultant(branch, holders[0], other, name))
            if eliminated:
                parts = branch.open_factors(eliminated)
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
        # unknowns of their own carry the coefficients through a change of parameters
        above, below, one = Dummy("above"), Dummy("below"), branch.ring.one
        carried = replace(branch, solved=(*branch.solved, (above, b, one), (below, 2 * a, one)))
        for extended, top, bottom in self.power_roots(carried, 2, b**2 - 4 * a * c, branch.ring.one):
            (_, b_top, b_bottom), (_, a_top, a_bottom) = extended.solved[-2:]
            extended = replace(extended, solved=extended.solved[:-2])
            numerator = (top * b_bottom - b_top * bottom) * a_bottom
            denominator = a_top * b_bottom * bottom
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
        if len(radicand) > _USABLE:
            raise DerivationError(
                f"A root of a polynomial of {len(radicand)} terms is no usable closed form. "
                "Give numbers for some of the parameters, or solve numerically."
            )
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
            branch.assumed[inside] = None  # on its bounds a parameter may make this zero, and the root real
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
        inside, numerator, denominator = (item.set_ring(ring) for item in (inside, outside, below))
        chosen = linear_parameter(inside, (*extended.unknowns, *self.roots, *self.form.kernels))
        if chosen is None:
            relations = {**extended.relations, generator: (degree, inside, ring.one)}
            extended = replace(extended, relations=relations)
            numerator *= ring.gens[-1]
        else:
            # with the root in place of the parameter everything is rational, and every common factor shows
            symbol, slope, offset = chosen
            self.lowered[generator] = (degree, inside)
            extended = replace(extended, solved=(*extended.solved, (generator, numerator, denominator)))
            extended = reparametrized(extended, symbol, ring.gens[-1] ** degree - offset, slope)
            _, numerator, denominator = extended.solved[-1]
            numerator *= ring.gens[-1]
            extended = replace(extended, solved=extended.solved[:-1])
        yield extended, numerator, denominator
        if degree % 2 == 0:
            yield extended, -numerator, denominator

    def put_back(self, expression: Expr) -> Expr:
        for symbol in reversed(self.roots):
            expression = expression.xreplace({symbol: self.roots[symbol]})
        for symbol in reversed(self.form.kernels):
            expression = expression.xreplace({symbol: self.form.kernels[symbol]})
        return expression

    def written(self, form: RationalForm, lowered: RationalForm, value: Any) -> Expr:
        """The shorter of two forms: common factors of roots cancelled, or denominators free of roots."""
        plain = denested(self.put_back(layout(rationalized(lowered, lowered.reduce(value)))), self.bounds)
        if lowered.relations.keys() == form.relations.keys():
            return plain
        short = denested(self.put_back(layout(value)), self.bounds)
        return min(short, plain, key=lambda item: item.count_ops())

    def assumed(self, branch: Branch) -> list[Expr]:
        """What was taken not to be zero, in the parameters."""
        return [self.put_back(item.as_expr()) for item in branch.assumed]

    def values(self, branch: Branch, form: RationalForm) -> dict[Symbol, Any] | None:
        """Every unknown as an element of a field, in the open ones; ``None`` where a denominator is zero."""
        values: dict[Symbol, Any] = {name: form.field.gens[branch.index(name)] for name in branch.unknowns}
        for name, above, below in reversed(branch.solved):
            numerator, denominator = (_evaluated(form.field, branch, item, values) for item in (above, below))
            denominator = form.reduce(denominator)
            if not denominator:
                return None
            values[name] = form.reduce(numerator / denominator)
        return values

    def solution(self, branch: Branch) -> tuple[dict[Symbol, Expr], tuple[Symbol, ...], tuple[Expr, ...]] | None:
        """Values of the unknowns, the free ones, and what must not vanish; ``None`` where a denominator is zero."""
        over = branch.ring.to_field()
        relations = {name: (degree, over(a) / over(b)) for name, (degree, a, b) in branch.relations.items()}
        form = RationalForm(over, (), {}, relations)
        values = self.values(branch, form)
        if values is None:
            return None
        lowered = RationalForm(over, (), {}, relations | {
            name: (degree, over(base.set_ring(branch.ring))) for name, (degree, base) in self.lowered.items()
            if name in branch.ring.symbols})
        exact = {name: self.written(form, lowered, value) for name, value in values.items()}
        nonzero = []
        for polynomial in branch.nonzero:
            condition = self.put_back(polynomial.as_expr())
            if sign_of(condition, self.bounds) is None:
                nonzero.append(condition)
        return exact, branch.unknowns, tuple(nonzero)


def _evaluated(over: Any, branch: Branch, polynomial: Any, values: dict[Symbol, Any]) -> Any:
    result = over(polynomial)
    for name, value in values.items():
        index = branch.index(name)
        if value == over.gens[index]:
            continue
        result = composed(result, index, value)
    return result
