"""What residues prove of polynomials, against SymPy's own greatest common divisors."""

from __future__ import annotations

import random

from sympy import QQ, ring

from dynamics.symbolic.residues import PRIME, proved_coprime, without_factors

_, X, Y, Z, W = ring("x, y, z, w", QQ)


def some(generator: random.Random, terms: int = 4):
    found = Y.ring.zero
    while not found or found.is_ground:
        for _ in range(terms):
            powers = [generator.randint(0, 2) for _ in range(4)]
            coefficient = QQ(generator.randint(-5, 5), generator.randint(1, 4))
            found += coefficient * X ** powers[0] * Y ** powers[1] * Z ** powers[2] * W ** powers[3]
    return found


def test_coprime_is_said_only_where_it_is_true():
    generator = random.Random(3)
    proved = 0
    for number in range(120):
        first, second = some(generator), some(generator)
        if number % 2:
            common = some(generator, 2)
            first, second = first * common, second * common
        truth = first.gcd(second).is_ground
        said = proved_coprime([first, second])
        assert truth or not said
        proved += said
    assert proved > 40


def test_a_common_factor_of_two_of_three_is_none():
    assert proved_coprime([X * (X + Y), Y * (X + Y), Z * X + 1])
    assert not proved_coprime([X * (X + Y), Y * (X + Y), Z * (X + Y)])
    assert proved_coprime([X + 1, X.ring(7)])
    # two that agree modulo the prime are not proved to be coprime
    assert not proved_coprime([X + 1, X + 1 + PRIME])


def test_known_factors_are_divided_out_as_often_as_they_occur():
    generator = random.Random(8)
    for _ in range(40):
        known = [X + 2 * Y, Z**2 + W, X * W - 3]
        powers = [generator.randint(0, 3) for _ in known]
        rest = X * Y + Z * W + 5
        product = rest
        for factor, power in zip(known, powers, strict=True):
            product *= factor**power
        assert without_factors(product, known) == rest
    assert without_factors(X**2 - Y**2, [X + Y, X - Y]).is_ground
    assert without_factors(X + Y, [X - Y, Z]) == X + Y
