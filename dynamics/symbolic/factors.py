"""Elements of fraction fields factored, cleared of denominators, and written out in their shortest form."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sympy import QQ, Add, Dummy, Expr, Mul, Poly, Rational, S, Symbol

from dynamics.symbolic.kernels import powers_of
from dynamics.symbolic.residues import proved_coprime

__all__ = ["cleared", "factored", "factors_of", "layout"]

_SHORT = 4  # terms up to which a general factorisation costs little


def cleared(elements: Sequence[Any]) -> tuple[Any, ...]:
    """Multiply elements of a fraction field by their common denominator.

    Parameters
    ----------
    elements : sequence of FracElement
        Not empty.

    Returns
    -------
    tuple of PolyElement
    """
    over = elements[0].field
    common = over.ring.one
    for element in elements:
        common = common.lcm(element.denom)
    products = [element * over(common) for element in elements]
    # over the rationals the least common multiple is free of numbers; what is left below is a number
    return tuple(product.numer.quo_ground(product.denom.LC) for product in products)


@lru_cache(maxsize=4096)
def factored(polynomial: Any) -> tuple[Any, tuple[tuple[Any, int], ...]]:
    """Factor a ring element over the rational numbers.

    Parameters
    ----------
    polynomial : PolyElement
        Not zero.

    Returns
    -------
    content : rational number of the ring's domain
    factors : tuple of (PolyElement, int)
        Irreducible, with coprime integer coefficients, the leading one positive.
    """
    ring = polynomial.ring
    if polynomial.is_ground:
        return polynomial.LC, ()
    # A general factorisation costs milliseconds; almost everything a model yields is linear in some symbol after
    # monomials are taken out, and then only a content remains to be found.
    monomials = list(polynomial.keys())
    common = tuple(map(min, zip(*monomials, strict=True)))
    factors = [(ring.gens[index], power) for index, power in enumerate(common) if power]
    if any(common):
        polynomial = ring.from_dict(
            {tuple(a - b for a, b in zip(key, common, strict=True)): value for key, value in polynomial.items()}
        )
    if polynomial.is_ground:
        return polynomial.LC, tuple(factors)
    content, polynomial = polynomial.primitive()
    if polynomial.LC < 0:
        content, polynomial = -content, -polynomial
    linear = [
        min(((parts[1], parts.get(0, ring.zero)) for parts in [powers_of(polynomial, index)]), key=len)
        for index in range(len(ring.gens))
        if polynomial.degree(index) == 1
    ]
    if linear:
        slope, offset = min(linear, key=lambda pair: min(len(pair[0]), len(pair[1])))
        # one term in either part: the common factor could only be a monomial, and those are out already
        apart = min(len(slope), len(offset)) == 1 or proved_coprime([slope, offset])
        divisor = ring.one if apart else slope.gcd(offset)
        if divisor.is_ground:
            return content, (*factors, (polynomial, 1))
        rest = polynomial.exquo(divisor)
        scale, inner = factored(divisor)
        other, last = rest.primitive()
        if last.LC < 0:
            other, last = -other, -last
        counts = dict(inner)
        counts[last] = counts.get(last, 0) + 1
        return content * scale * other, (*factors, *counts.items())
    if len(polynomial) > _SHORT and _proved_irreducible(polynomial):
        return content, (*factors, (polynomial, 1))
    scale, general = polynomial.factor_list()
    for factor, power in general:
        inner_content, factor = factor.primitive()
        if factor.LC < 0:
            inner_content, factor = -inner_content, -factor
        scale *= inner_content**power
        factors.append((factor, power))
    return content * scale, tuple(factors)


def _proved_irreducible(polynomial: Any) -> bool:
    """Whether one specialisation to a single symbol proves that there are no factors; cheap, and usually succeeds.

    If all coefficients in one symbol are coprime and the polynomial stays irreducible, at full degree, when the other
    symbols are numbers, then it has no factors at all.
    """
    degrees = {index: polynomial.degree(index) for index in range(len(polynomial.ring.gens))}
    main = min((index for index in degrees if degrees[index] > 0), key=lambda index: degrees[index])
    coefficients = sorted(powers_of(polynomial, main).values(), key=len)
    if not proved_coprime(coefficients):
        return False
    variable = Dummy()
    for start in (2, -3):
        point = [start + (index * (index + 3)) // 2 for index in range(len(degrees))]
        image = [polynomial.ring.domain.zero] * (degrees[main] + 1)
        for monomial, coefficient in polynomial.terms():
            value = coefficient
            for index, power in enumerate(monomial):
                if power and index != main:
                    value *= point[index] ** power
            image[degrees[main] - monomial[main]] += value
        if image[0] and Poly(image, variable, domain=QQ).is_irreducible:
            return True
    return False


def factors_of(element: Any) -> tuple[Any, tuple[tuple[Any, int], ...]]:
    """Factor an element of a fraction field over the rational numbers.

    Parameters
    ----------
    element : FracElement
        Not zero.

    Returns
    -------
    content : rational number of the field's domain
    factors : tuple of (PolyElement, int)
        As in `factored`; exponents are negative in the denominator.
    """
    content, factors = factored(element.numer)
    below, divisors = factored(element.denom)
    return content / below, (*factors, *((factor, -power) for factor, power in divisors))


def layout(element: Any) -> Expr:
    """Write an element of a fraction field in the shortest of four ways.

    Factored; with the numerator expanded; as a sum of terms, each over the denominator and cancelled; or nested, as
    in ``1 + (1 + kappa/theta)/eta``.

    Parameters
    ----------
    element : FracElement

    Returns
    -------
    Expr
    """
    if not element:
        return S.Zero
    over = element.field
    content, factors = factors_of(element)
    number = Rational(int(content.numerator), int(content.denominator))
    candidates = [Mul(number, *(factor.as_expr() ** power for factor, power in factors))]
    if len(element.numer) > 1:
        below = over(element.denom)
        candidates.append(
            Add(
                *(
                    (over(element.numer.ring.from_dict({monomial: coefficient})) / below).as_expr()
                    for monomial, coefficient in element.numer.terms()
                )
            )
        )
        candidates.append(element.as_expr())
        if len(element.denom) == 1:
            ((shift, scale),) = element.denom.terms()
            candidates.append(
                _nested(
                    over.symbols,
                    {
                        tuple(a - b for a, b in zip(monomial, shift, strict=True)): coefficient / scale
                        for monomial, coefficient in element.numer.terms()
                    },
                )
            )
    return min(candidates, key=lambda candidate: candidate.count_ops())


def _nested(symbols: Sequence[Symbol], terms: dict[tuple[int, ...], Any]) -> Expr:
    """A sum of monomials (negative powers allowed), the most frequent factor taken out again and again."""
    frequency: dict[tuple[int, int], int] = {}
    for monomial in terms:
        for index, power in enumerate(monomial):
            if power:
                key = (index, 1 if power > 0 else -1)
                frequency[key] = frequency.get(key, 0) + 1
    best = max(frequency, key=lambda key: frequency[key], default=None)
    if len(terms) == 1 or best is None or frequency[best] < 2:
        return Add(
            *(
                Mul(
                    Rational(int(coefficient.numerator), int(coefficient.denominator)),
                    *(symbol**power for symbol, power in zip(symbols, monomial, strict=True)),
                )
                for monomial, coefficient in terms.items()
            )
        )
    index, step = best
    inner = {
        (*monomial[:index], monomial[index] - step, *monomial[index + 1 :]): coefficient
        for monomial, coefficient in terms.items()
        if monomial[index] * step > 0
    }
    rest = {monomial: coefficient for monomial, coefficient in terms.items() if monomial[index] * step <= 0}
    return Add(_nested(symbols, rest), Mul(symbols[index] ** step, _nested(symbols, inner)))
