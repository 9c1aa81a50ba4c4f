"""What values modulo a prime tell of polynomials: that they have no common factor, that one does not divide another."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

__all__ = ["proved_coprime", "without_factors"]

PRIME = 2**61 - 1  # residues multiply quickly, and few of them vanish by chance


def proved_coprime(polynomials: Sequence[Any]) -> bool:
    """Return whether polynomials are proved to have no common factor besides numbers.

    Parameters
    ----------
    polynomials : sequence of PolyElement
        Of one ring over the rational numbers; none is zero.

    Returns
    -------
    bool
        False: there is one, or the proof failed by bad luck.

    Notes
    -----
    A common factor that contains a generator v stays one, of the same degree in v, when the other generators become
    residues modulo a prime at which the leading coefficient in v does not vanish. So where the images are coprime for
    every v, no common factor contains any generator.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> proved_coprime([x**2 - y, x + y]), proved_coprime([x**2 - y**2, x + y])
    (True, False)
    """
    if any(item.is_ground for item in polynomials):
        return True
    point = _point(polynomials[0])
    common = [v for v in range(len(point)) if all(item.degree(v) > 0 for item in polynomials)]
    values = [_values(item, point) for item in polynomials]
    return all(_coprime_in(v, polynomials, values, point) for v in common)


def without_factors(polynomial: Any, factors: Sequence[Any]) -> Any:
    """Return a polynomial divided by known factors as often as they divide it.

    Parameters
    ----------
    polynomial : PolyElement
        Not zero.
    factors : sequence of PolyElement
        Not constant.

    Returns
    -------
    PolyElement

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> without_factors((x + y) ** 2 * (x - y), [x + y, x])
    x - y
    """
    for factor in factors:
        while not polynomial.is_ground and _may_divide(factor, polynomial):
            quotient, rest = polynomial.div(factor)
            if rest:
                break
            polynomial = quotient
    return polynomial


def _may_divide(factor: Any, polynomial: Any) -> bool:
    """Whether a polynomial vanishes at a random zero of a factor, modulo the prime; True where none is easily found."""
    point = _point(factor)
    linear = next((v for v in range(len(point)) if factor.degree(v) == 1), None)
    if linear is None:
        return True
    if polynomial.degree(linear) < 1:
        return False
    slope = offset = 0
    point[linear] = 1
    for monomial, value in _values(factor, point):
        if monomial[linear]:
            slope += value
        else:
            offset += value
    if not slope % PRIME:
        return True
    point[linear] = -offset * pow(slope, -1, PRIME) % PRIME
    return not sum(value for _, value in _values(polynomial, point)) % PRIME


def _point(polynomial: Any) -> list[int]:
    """A residue for each generator: always the same, so that answers do not depend on chance."""
    generator = Random(20240611)
    return [generator.randrange(2, PRIME) for _ in polynomial.ring.gens]


def _values(polynomial: Any, point: Sequence[int]) -> list[tuple[Any, int]]:
    """(monomial, value modulo the prime) of each term."""
    powers = [[1] for _ in point]
    found = []
    for monomial, coefficient in polynomial.terms():
        value = int(coefficient.numerator) * pow(int(coefficient.denominator), -1, PRIME) % PRIME
        for v, power in enumerate(monomial):
            known = powers[v]
            while len(known) <= power:
                known.append(known[-1] * point[v] % PRIME)
            if power:
                value = value * known[power] % PRIME
        found.append((monomial, value))
    return found


def _coprime_in(v: int, polynomials: Sequence[Any], values: Sequence[list[tuple[Any, int]]], point: Sequence[int]) -> bool:
    inverse = pow(point[v], -1, PRIME)
    shared: list[int] = []
    for polynomial, terms in zip(polynomials, values, strict=True):
        image = [0] * (polynomial.degree(v) + 1)
        for monomial, value in terms:
            power = monomial[v]
            image[power] = (image[power] + value * pow(inverse, power, PRIME)) % PRIME
        if not image[-1]:
            return False  # the leading coefficient vanishes here
        shared = _gcd(image, shared)
        if len(shared) == 1:
            return True
    return False


def _gcd(first: list[int], second: list[int]) -> list[int]:
    """Greatest common divisor of two polynomials modulo the prime, coefficients from the lowest power."""
    while second:
        first, second = second, _remainder(first, second)
    return first


def _remainder(dividend: list[int], divisor: list[int]) -> list[int]:
    rest = list(dividend)
    unit = pow(divisor[-1], -1, PRIME)
    while len(rest) >= len(divisor):
        times = rest[-1] * unit % PRIME
        shift = len(rest) - len(divisor)
        for k, coefficient in enumerate(divisor):
            rest[shift + k] = (rest[shift + k] - times * coefficient) % PRIME
        rest.pop()
    while rest and not rest[-1]:
        rest.pop()
    return rest
