"""How much algebra is worth its time and memory: estimates made before the work, and refusals that name them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sympy import Add, Expr, Mul, Pow, Rational, Symbol

from dynamics.errors import DerivationError

__all__ = ["EXPANDED", "HERE", "MOST", "RESULTANT", "BudgetError", "check_elimination", "check_expansion", "check_points",
           "check_powers", "expanded_terms"]

# Terms of an expanded equation: some seconds where none of them meet, and nothing closed comes of it. The bound is a loose
# one for products of sums: the longest equation of a packaged model has 59,000 by it, and 5,032 in truth.
EXPANDED = 60_000
RESULTANT = 4_000  # terms a resultant may have: above some hundred it takes seconds, and it grows with their square
HERE = 30  # complex solutions by degrees up to which a Groebner basis takes less than the start of a child process
MOST = 400  # complex solutions beyond which no basis is finished in a minute
# Degree of what powers with fractions become when the unknown is replaced by a root of it: x**0.5783 makes it 10000. Such
# polynomials are factored in dense form: 2 to 4 seconds at degree 160, more than 30 at 1000.
HIGHEST = 300
_HUGE = 10**12  # numbers of terms that need not be told apart


class BudgetError(DerivationError):
    """The algebra would take more than it is worth; nothing is known of what it would have found."""


def expanded_terms(expression: Expr) -> int:
    """Return a bound of the number of terms of an expression when it is multiplied out.

    Functions count as symbols, and denominators as numerators.

    Examples
    --------
    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> expanded_terms((x + y) ** 2 * (1 + x)), expanded_terms((x + y + 1) ** 40)
    (6, 861)
    """
    if isinstance(expression, Add):
        return min(_HUGE, sum(expanded_terms(argument) for argument in expression.args))
    if isinstance(expression, Mul):
        product = 1
        for argument in expression.args:
            product = min(_HUGE, product * expanded_terms(argument))
        return product
    if isinstance(expression, Pow) and expression.exp.is_Integer:
        inner, power = expanded_terms(expression.base), abs(int(expression.exp))
        if inner == 1:
            return 1
        return math.comb(inner + power - 1, power) if inner + power < 10_000 else _HUGE
    return 1


def check_expansion(equations: Iterable[Expr]) -> None:
    """Refuse equations that are too long when multiplied out.

    Raises
    ------
    BudgetError
    """
    terms = max((expanded_terms(equation) for equation in equations), default=0)
    if terms > EXPANDED:
        raise BudgetError(f"An equation has up to {terms:.2g} terms when it is multiplied out, and at most {EXPANDED} are; "
                          "search a box numerically, or write it with fewer powers of sums.")


def check_elimination(first: Any, second: Any, index: int, name: str) -> None:
    """Refuse a resultant that may have too many terms.

    Parameters
    ----------
    first, second : PolyElement
    index : int
        Of the generator that is eliminated.
    name : str

    Raises
    ------
    BudgetError
    """
    below, above = (max(item.degree(index), 0) for item in (first, second))
    products = _power(len(first), above) * _power(len(second), below)
    monomials = 1
    for other in range(len(first.ring.gens)):
        if other != index:
            highest = above * max(first.degree(other), 0) + below * max(second.degree(other), 0)
            monomials = min(_HUGE, monomials * (highest + 1))
    terms = min(products, monomials)
    if terms > RESULTANT:
        raise BudgetError(f"Eliminating {name} leads to a polynomial of up to {terms:.2g} terms, and at most {RESULTANT} "
                          "are worked out. Give numbers for some of the parameters, or search a box numerically.")


def check_powers(equations: Iterable[Expr], unknowns: Iterable[Symbol]) -> None:
    """Refuse powers whose fractions have no small common denominator: their polynomials would be of huge degree.

    Raises
    ------
    BudgetError
    """
    names = set(unknowns)
    powers = {node for equation in equations for node in equation.atoms(Pow) if node.base.free_symbols & names}
    by_base: dict[Expr, list[Rational]] = {}
    for node in powers:
        if node.exp.is_Rational:
            by_base.setdefault(node.base, []).append(node.exp)
    for base, exponents in by_base.items():
        denominator = math.lcm(*(int(exponent.q) for exponent in exponents))
        largest = max(1, *(abs(exponent) for exponent in exponents))
        degree = int(denominator * largest)
        if denominator > 1 and degree > HIGHEST:
            raise BudgetError(f"The powers of {base} make a polynomial of degree {degree} when fractions are cleared, and "
                              f"at most {HIGHEST} is worked with. Give exponents with fewer digits, or search a box "
                              "numerically.")


def check_points(degrees: Iterable[int], most: int) -> None:
    """Refuse a polynomial system with too many complex solutions, by the product of its degrees (Bezout).

    Raises
    ------
    BudgetError
    """
    count = math.prod(degrees)
    if count > most:
        raise BudgetError(f"The equations have up to {count} complex solutions, and at most {most} are isolated one by one; "
                          "search a box numerically.")


def _power(base: int, exponent: int) -> int:
    return _HUGE if exponent * math.log10(max(base, 1)) > 12 else base**exponent
