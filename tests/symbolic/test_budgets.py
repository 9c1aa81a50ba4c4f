"""Estimates of algebra before it is done: bounds that are bounds, and refusals on their edges."""

from __future__ import annotations

import random

import pytest
from sympy import QQ, Add, Poly, ring, symbols

from dynamics.errors import DerivationError
from dynamics.symbolic import exact_solutions
from dynamics.symbolic.budgets import (
    EXPANDED,
    HERE,
    MOST,
    RESULTANT,
    BudgetError,
    check_elimination,
    check_expansion,
    check_points,
    expanded_terms,
)
from dynamics.symbolic.elimination import derive
from dynamics.symbolic.exact_solutions import numeric_in_time
from dynamics.symbolic.real_solutions import solve_numeric
from dynamics.symbolic.timelimit import with_time_limit

X, Y, Z = symbols("x y z")


def test_expanded_terms_bound_what_expansion_gives():
    generator = random.Random(1)
    for _ in range(60):
        expression = Add(*(generator.randint(1, 9) * X ** generator.randint(0, 3) * (Y + generator.randint(1, 3) * X) **
                           generator.randint(1, 3) * (1 + Z - X) ** generator.randint(0, 2) for _ in range(3)))
        assert len(Add.make_args(expression.expand())) <= expanded_terms(expression)
    assert expanded_terms((X + Y + Z) ** 3) == len(Poly((X + Y + Z) ** 3, X, Y, Z).terms())


def test_expansion_is_refused_beyond_its_budget():
    # three terms to the n have (n + 1)(n + 2)/2
    fits = next(n for n in range(1000) if (n + 2) * (n + 3) // 2 > EXPANDED)
    check_expansion([(X + Y + Z) ** fits])
    with pytest.raises(BudgetError, match="terms when it is multiplied out"):
        check_expansion([(X + Y + Z) ** (fits + 1)])
    with pytest.raises(DerivationError, match="multiplied out"):
        derive([(X + Y + Z + 1) ** 400 - X], [X])
    with pytest.raises(DerivationError, match="multiplied out"):
        solve_numeric([(X + Y + 1) ** 400 - X, X - Y], [X, Y])


def test_resultants_have_no_more_terms_than_estimated():
    generator = random.Random(2)
    over, *generators = ring("x, y, z, w", QQ)

    def some(terms: int):
        x, y, z = generators[:3]
        powers = [[generator.randint(0, highest) for highest in (2, 2, 1)] for _ in range(terms)]
        return sum((generator.randint(1, 5) * x**i * y**j * z**k for i, j, k in powers), over.zero)

    for _ in range(40):
        first, second = some(4), some(3)
        result = first.resultant(second)
        count = len(result.terms()) if hasattr(result, "terms") else 1
        products = len(first) ** max(second.degree(0), 0) * len(second) ** max(first.degree(0), 0)
        assert count <= products
        # the estimate refuses where it exceeds the budget, which is far above these
        check_elimination(first, second, 0, "x")
        assert products < RESULTANT


def test_eliminations_are_refused_beyond_their_budget():
    over, *generators = ring("x, " + ", ".join(f"a{k}" for k in range(40)), QQ)
    x, parameters = generators[0], generators[1:]

    def general(degree: int, first: int):
        return sum((parameters[first + k] * x**k for k in range(degree + 1)), over.zero)

    # n + 1 terms each: products of (n + 1)**(2n), fewer than monomials of forty parameters
    check_elimination(general(2, 0), general(2, 10), 0, "x")
    with pytest.raises(BudgetError, match="Eliminating x leads to a polynomial"):
        check_elimination(general(4, 0), general(4, 10), 0, "x")


def test_many_solutions_go_to_a_child_or_to_the_search():
    check_points([HERE], HERE)
    with pytest.raises(BudgetError, match=f"up to {HERE + 1} complex solutions"):
        check_points([HERE + 1], HERE)
    # two random curves of degree 6: 36 complex solutions
    curves = [X**6 + Y**6 + X * Y - 3, X**6 - 2 * Y**6 + X - Y**2]
    assert HERE < 36
    with pytest.raises(BudgetError):
        solve_numeric(curves, [X, Y], most=HERE)
    found = numeric_in_time(curves, [X, Y])
    assert found
    for root in found:
        assert max(abs(curve.xreplace(root)) for curve in curves) < 1e-20
    with pytest.raises(BudgetError, match="complex solutions"):
        numeric_in_time([X**30 + Y**29 - X * Y - 3, X**20 - 2 * Y**21 + X - Y**2], [X, Y])
    assert MOST < 30 * 21




def test_memory_is_kept():
    size = 3 * 1024**3
    with pytest.raises(BudgetError, match=r"more memory than 1 GiB"):
        with_time_limit(bytearray, size, seconds=60, memory=1024**3)
    assert with_time_limit(abs, -3, seconds=60, memory=1024**3) == 3


@pytest.mark.parametrize(("error", "sentence"), [(MemoryError, "more memory than there is"),
                                                 (RecursionError, "nested too deeply")])
def test_errors_of_the_machine_have_a_sentence(monkeypatch, error, sentence):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(exact_solutions, "derive", fails)
    with pytest.raises(BudgetError, match=sentence):
        exact_solutions.derivation_in_time([X**2 - Y], [X], {})
