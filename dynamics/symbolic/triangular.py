"""Polynomial systems split into branches by factors and linear substitutions: exact, no radicals.

The engine below `elimination` and `real_solutions`. Equations are elements of one sparse polynomial ring over the
rational numbers whose generators are unknowns, parameters and radicals; parameters are generic, so a polynomial in
parameters alone counts as nonzero unless it is zero identically.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sympy import Symbol

from dynamics.symbolic.factors import factored
from dynamics.symbolic.kernels import composed, evaluate_at, powers_of
from dynamics.symbolic.residues import without_factors

__all__ = [
    "Branch",
    "Relation",
    "pseudo_remainder",
    "rational_branches",
    "reparametrized",
    "resultant",
    "substituted",
    "with_generator",
]

_LONG = 40  # terms from which a division costs less than a factorisation

Relation = tuple[int, Any, Any]  # degree, numerator, denominator: generator**degree = numerator/denominator


@dataclass(frozen=True)
class Branch:
    """One alternative of a system that is being solved.

    Attributes
    ----------
    ring : PolyRing
    equations : tuple of PolyElement
        Each must vanish.
    unknowns : tuple of Symbol
        Not yet expressed.
    solved : tuple of (Symbol, PolyElement, PolyElement)
        Unknown, numerator, denominator, in unknowns that were open at that moment.
    nonzero : tuple of PolyElement
        Irreducible polynomials that must not vanish (cleared denominators).
    relations : dict of Symbol to (int, PolyElement, PolyElement)
        Powers of the radicals among the generators.
    assumed : dict of PolyElement to None
        Polynomials in parameters alone that were taken to be nonzero on the way: where one of them is zero there may be
        other solutions. One for all branches of a system; it fills as they are solved.
    """

    ring: Any
    equations: tuple[Any, ...]
    unknowns: tuple[Symbol, ...]
    solved: tuple[tuple[Symbol, Any, Any], ...] = ()
    nonzero: tuple[Any, ...] = ()
    relations: dict[Symbol, Relation] = field(default_factory=dict)
    assumed: dict[Any, None] = field(default_factory=dict)

    def index(self, symbol: Symbol) -> int:
        """Position of a generator."""
        return self.ring.symbols.index(symbol)

    def unknowns_in(self, polynomial: Any) -> tuple[Symbol, ...]:
        """The open unknowns that occur in a polynomial."""
        return tuple(symbol for symbol in self.unknowns if polynomial.degree(self.index(symbol)) > 0)

    def open_factors(self, polynomial: Any) -> list[Any]:
        """Irreducible factors with unknowns in them; those in parameters alone are noted as assumed."""
        found = []
        for factor in _irreducible(polynomial):
            if self.unknowns_in(factor):
                found.append(factor)
            else:
                self.assumed[factor] = None
        return found

    def reduced(self, polynomial: Any) -> Any:
        """Return a polynomial, up to a nonzero factor, with powers of radicals below their degrees."""
        for symbol, (degree, numerator, denominator) in reversed(self.relations.items()):
            index = self.index(symbol)
            while polynomial.degree(index) >= degree:
                parts = powers_of(polynomial, index)
                highest = max(parts) // degree
                generator = self.ring.gens[index]
                polynomial = self.ring.zero
                for power, coefficient in parts.items():
                    times = power // degree
                    lowered = coefficient * generator ** (power % degree)
                    if times:
                        lowered *= numerator**times
                    polynomial += lowered * denominator ** (highest - times)
        return polynomial


def with_generator(branch: Branch, symbol: Symbol) -> Branch:
    """Return the same branch over a ring that has one more generator."""
    ring = branch.ring.clone(symbols=(*branch.ring.symbols, symbol))
    return Branch(
        ring,
        tuple(item.set_ring(ring) for item in branch.equations),
        branch.unknowns,
        tuple((name, above.set_ring(ring), below.set_ring(ring)) for name, above, below in branch.solved),
        tuple(item.set_ring(ring) for item in branch.nonzero),
        {
            name: (degree, above.set_ring(ring), below.set_ring(ring))
            for name, (degree, above, below) in branch.relations.items()
        },
        branch.assumed,
    )


def rational_branches(branch: Branch, narrowed: Callable[[Branch], Branch] | None = None) -> Iterator[Branch]:
    """Split into branches in which no equation factors and none is linear in an unknown.

    Parameters
    ----------
    branch : Branch
    narrowed : callable, optional
        Adds equations that are known besides those of the branch; called for every branch after a step.

    Yields
    ------
    Branch
        Inconsistent ones are left out; a finished one has no equations.

    Notes
    -----
    A linear equation ``a*v + b = 0`` with unknowns in ``a`` splits into ``v = -b/a, a != 0`` and ``a = b = 0``.
    """
    pending = [branch]
    while pending:
        prepared = _prepared(pending.pop())
        if isinstance(prepared, list):
            pending.extend(reversed(prepared))
            continue
        if prepared is None:
            continue
        step = _linear_step(prepared)
        if step is None:
            yield prepared
        else:
            pending.extend(item if narrowed is None else narrowed(item) for item in reversed(step))


def _irreducible(polynomial: Any) -> list[Any]:
    return [factor for factor, _ in factored(polynomial)[1]]


def _prepared(branch: Branch) -> Branch | list[Branch] | None:
    """Equations irreducible and free of nonzero factors; a list when one splits; ``None`` if inconsistent."""
    nonzero: dict[Any, None] = {}
    for polynomial in branch.nonzero:
        polynomial = branch.reduced(polynomial)
        if not polynomial:
            return None
        nonzero.update(dict.fromkeys(_irreducible(polynomial)))
        branch.open_factors(polynomial)
    equations: dict[Any, None] = {}
    queue = list(branch.equations)
    while queue:
        polynomial = branch.reduced(queue.pop(0))
        if not polynomial:
            continue
        if len(polynomial) > _LONG:
            # substitutions multiply by what they divide by; what is known need not be found again
            polynomial = without_factors(polynomial, list(nonzero))
        factors = [item for item in branch.open_factors(polynomial) if item not in nonzero]
        if not factors:
            return None
        if len(factors) > 1:
            rest = (*equations, *queue)
            return [replace(branch, equations=(factor, *rest), nonzero=tuple(nonzero)) for factor in factors]
        equations[factors[0]] = None
    return replace(branch, equations=tuple(equations), nonzero=tuple(nonzero))


def _linear_step(branch: Branch) -> list[Branch] | None:
    best: tuple[tuple[int, int, int], Any, Symbol, Any, Any] | None = None
    for equation in branch.equations:
        for order, symbol in enumerate(branch.unknowns_in(equation)):
            index = branch.index(symbol)
            if equation.degree(index) != 1:
                continue
            parts = powers_of(equation, index)
            slope, offset = parts[1], parts.get(0, branch.ring.zero)
            cost = (int(bool(branch.unknowns_in(slope))), len(equation) + 2 * len(slope), order)
            if best is None or cost < best[0]:
                best = (cost, equation, symbol, slope, offset)
    if best is None:
        return None
    (conditional, _, _), equation, symbol, slope, offset = best
    rest = tuple(other for other in branch.equations if other is not equation)
    result = [substituted(replace(branch, equations=rest), symbol, -offset, slope)]
    if conditional:
        result.append(replace(branch, equations=(slope, offset, *rest)))
    return result


def substituted(branch: Branch, symbol: Symbol, numerator: Any, denominator: Any) -> Branch:
    """Return the branch with an unknown expressed as ``numerator/denominator``, the denominator nonzero."""
    index = branch.index(symbol)
    return replace(
        branch,
        equations=tuple(evaluate_at(item, index, numerator, denominator) for item in branch.equations),
        unknowns=tuple(name for name in branch.unknowns if name != symbol),
        solved=(*branch.solved, (symbol, numerator, denominator)),
        nonzero=(*(evaluate_at(item, index, numerator, denominator) for item in branch.nonzero), denominator),
    )


def pseudo_remainder(branch: Branch, dividend: Any, divisor: Any, index: int) -> Any:
    """Return the remainder of a division in one generator, up to factors of the divisor's leading coefficient."""
    degree = divisor.degree(index)
    leading = powers_of(divisor, index)[degree]
    branch.open_factors(leading)
    generator = branch.ring.gens[index]
    while dividend and dividend.degree(index) >= degree:
        power = dividend.degree(index)
        top = powers_of(dividend, index)[power]
        dividend = branch.reduced(leading * dividend - top * generator ** (power - degree) * divisor)
    return dividend


def resultant(branch: Branch, first: Any, second: Any, name: Symbol) -> Any:
    """Return the resultant of two polynomials with respect to an unknown."""
    others = tuple(symbol for symbol in branch.ring.symbols if symbol != name)
    ring = branch.ring.clone(symbols=(name, *others))
    result = first.set_ring(ring).resultant(second.set_ring(ring))
    return result.set_ring(branch.ring) if others else branch.ring(result)


def reparametrized(branch: Branch, symbol: Symbol, numerator: Any, denominator: Any) -> Branch:
    """Return the branch with a parameter written as ``numerator/denominator`` in other generators."""
    index = branch.index(symbol)
    branch.open_factors(denominator)
    over = branch.ring.to_field()
    value = over(numerator) / over(denominator)

    def fraction(above: Any, below: Any) -> tuple[Any, Any]:
        element = composed(over(above) / over(below), index, value)
        return element.numer, element.denom

    return replace(
        branch,
        equations=tuple(evaluate_at(item, index, numerator, denominator) for item in branch.equations),
        solved=tuple((name, *fraction(above, below)) for name, above, below in branch.solved),
        nonzero=tuple(evaluate_at(item, index, numerator, denominator) for item in branch.nonzero),
        relations={name: (degree, *fraction(above, below)) for name, (degree, above, below) in branch.relations.items()},
    )
