"""All real solutions of polynomial systems with rational coefficients: isolated exactly, refined to 30 digits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sympy import QQ, Dummy, Expr, Float, Poly, Rational, Symbol, groebner

from dynamics.errors import DerivationError
from dynamics.symbolic.budgets import MOST, check_expansion, check_points
from dynamics.symbolic.kernels import rational_form
from dynamics.symbolic.radicals import without_radicals
from dynamics.symbolic.triangular import Branch, rational_branches

__all__ = ["solve_numeric"]

_DIGITS = 30
_ATTEMPTS = 6
_ZERO = Float("1e-25", _DIGITS)


def solve_numeric(equations: Sequence[Expr], unknowns: Sequence[Symbol], *, most: int = MOST
                  ) -> tuple[dict[Symbol, Float], ...]:
    """Return all real solutions of equations with rational coefficients.

    Parameters
    ----------
    equations : sequence of Expr
        Each is to vanish; rational in the unknowns and in roots (radicals) of rational expressions, without other
        symbols. Floats are taken at their exact value.
    unknowns : sequence of Symbol
    most : int
        Complex solutions, by the product of degrees, up to which a Groebner basis is tried.

    Returns
    -------
    tuple of dict of Symbol to Float
        30 digits, sorted; complete, since the roots of one exact polynomial are isolated in disjoint intervals.

    Raises
    ------
    DerivationError
        If the equations are not algebraic in the unknowns, contain other symbols, or have infinitely many solutions or too
        many.

    Notes
    -----
    Factors and linear unknowns first; what remains is brought to the form ``g(t) = 0, x_i = h_i(t)`` by a Groebner
    basis with a separating linear form t (the shape lemma), so that real solutions and real roots of g correspond.
    A radical is one more unknown r with ``r**n = radicand``; solutions in which it is negative are left out.

    References
    ----------
    F. Rouillier, Applicable Algebra in Engineering, Communication and Computing 9 (1999) 433-461,
    doi:10.1007/s002000050114.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, y = Symbol("x"), Symbol("y")
    >>> [(round(float(s[x]), 6), round(float(s[y]), 6)) for s in solve_numeric([x**2 + y**2 - 5, x * y - 2], [x, y])]
    [(-2.0, -1.0), (-1.0, -2.0), (1.0, 2.0), (2.0, 1.0)]
    """
    check_expansion(equations)
    given, roots = without_radicals(equations, unknowns, numbers=True)
    names = (*unknowns, *roots)
    form = rational_form(given, names)
    foreign = [symbol for symbol in form.field.symbols if symbol not in names]
    if foreign:
        shown = ", ".join(sorted(str(form.kernels.get(symbol, symbol)) for symbol in foreign))
        raise DerivationError(
            f"The equations contain {shown}, so they are not rational with rational coefficients; "
            "give every parameter a value, or search a box numerically."
        )
    start = Branch(
        form.field.ring,
        tuple(element.numer for element in form.elements),
        names,
        nonzero=tuple(element.denom for element in form.elements),
    )
    found: list[dict[Symbol, Float]] = []
    for branch in rational_branches(start):
        for solution in _real_points(branch, most):
            if any(solution[root] < -_ZERO for root in roots):
                continue  # the other sign of a square root
            ordered = {name: solution[name] for name in unknowns}
            if not any(_same(ordered, other) for other in found):
                found.append(ordered)
    return tuple(sorted(found, key=lambda solution: [float(solution[name]) for name in unknowns]))


def _same(first: dict[Symbol, Float], second: dict[Symbol, Float]) -> bool:
    limit = Float("1e-20", _DIGITS)
    return all(abs(first[name] - second[name]) <= limit * (1 + abs(first[name])) for name in first)


def _real_points(branch: Branch, most: int) -> Iterator[dict[Symbol, Float]]:
    free = [
        name for name in branch.unknowns if not any(item.degree(branch.index(name)) > 0 for item in branch.equations)
    ]
    if free or (branch.unknowns and len(branch.equations) < len(branch.unknowns)):
        raise _infinite(free or list(branch.unknowns))
    parameter, polynomial, coordinates = _univariate(branch, most)
    # exact removal of points at which a cleared denominator vanishes
    for condition in branch.nonzero:
        value = _along(branch, condition, coordinates, parameter).rem(polynomial)
        polynomial = polynomial.quo(polynomial.gcd(value)) if not value.is_zero else polynomial.one
    for root in _isolated(polynomial):
        yield _point(branch, coordinates, root)


def _infinite(names: Sequence[Symbol]) -> DerivationError:
    return DerivationError(
        f"The equations have infinitely many solutions ({', '.join(str(name) for name in names)} not determined); "
        "fix a state or a conserved quantity."
    )


def _univariate(branch: Branch, most: int) -> tuple[Symbol, Any, dict[Symbol, Any]]:
    """A polynomial ``g(t)``, free of squares, and each open unknown as a polynomial in t."""
    names = branch.unknowns
    parameter = Dummy("t")
    variable = Poly(parameter, parameter, domain=QQ)
    if not names:
        return parameter, variable, {}
    if len(names) == 1:
        common = Poly(0, parameter, domain=QQ)
        for item in branch.equations:
            common = common.gcd(Poly(item.as_expr().xreplace({names[0]: parameter}), parameter, domain=QQ))
        return parameter, common.sqf_part(), {names[0]: variable}
    check_points([_degree(branch, item) for item in branch.equations], most)
    equations = [item.as_expr() for item in branch.equations]
    radical = False
    for attempt in range(_ATTEMPTS):
        # a generic linear form separates the points; the last unknown alone usually does
        weights = [(attempt * (position + 1)) ** 2 % 97 for position in range(len(names) - 1)] + [1]
        form = sum(weight * name for weight, name in zip(weights, names, strict=True))
        basis = groebner([*equations, parameter - form], *names, parameter, order="grevlex", domain=QQ)
        if basis.exprs == [1]:
            return parameter, Poly(1, parameter, domain=QQ), dict.fromkeys(names, variable)
        if not basis.is_zero_dimensional:
            raise _infinite(names)
        found = _shape(basis.fglm("lex"), names, parameter)
        if found is not None:
            return found
        if not radical:
            equations += [_minimal(equations, names, name) for name in names]
            radical = True
    raise DerivationError("No linear form separates the solutions; solve numerically in a box.")


def _degree(branch: Branch, polynomial: Any) -> int:
    """Total degree in the open unknowns."""
    places = [branch.index(name) for name in branch.unknowns]
    return max(sum(monomial[place] for place in places) for monomial in polynomial.monoms())


def _shape(basis: Any, names: Sequence[Symbol], parameter: Symbol) -> tuple[Symbol, Any, dict[Symbol, Any]] | None:
    coordinates = {}
    last = None
    for expression in basis.exprs:
        if expression.free_symbols <= {parameter}:
            last = Poly(expression, parameter, domain=QQ)
            continue
        polynomial = Poly(expression, *names, parameter, domain=QQ)
        exponents, coefficient = polynomial.LM(order="lex").exponents, polynomial.LC(order="lex")
        leading = [name for name, power in zip(names, exponents, strict=False) if power]
        if sum(exponents) != 1:
            return None
        rest = -(expression - coefficient * leading[0]) / coefficient
        if rest.expand().free_symbols - {parameter}:
            return None
        coordinates[leading[0]] = Poly(rest.expand(), parameter, domain=QQ)
    if last is None or len(coordinates) != len(names):
        return None
    return parameter, last.sqf_part(), coordinates


def _minimal(equations: Sequence[Expr], names: Sequence[Symbol], name: Symbol) -> Expr:
    """The square-free polynomial of one coordinate; adding all of them makes the ideal radical (Seidenberg)."""
    order = (*(other for other in names if other != name), name)
    basis = groebner(equations, *order, order="grevlex", domain=QQ).fglm("lex")
    single = next(item for item in basis.exprs if item.free_symbols <= {name})
    return Poly(single, name, domain=QQ).sqf_part().as_expr()


def _along(branch: Branch, polynomial: Any, coordinates: dict[Symbol, Any], parameter: Symbol) -> Any:
    """A polynomial of the branch on the curve of coordinates."""
    total = Poly(0, parameter, domain=QQ)
    names = branch.ring.symbols
    for monomial, coefficient in polynomial.terms():
        term = Poly(Rational(int(coefficient.numerator), int(coefficient.denominator)), parameter, domain=QQ)
        for name, power in zip(names, monomial, strict=True):
            if power:
                term *= coordinates[name] ** power
        total += term
    return total


def _isolated(polynomial: Any) -> list[tuple[Any, Any, Any]]:
    """Factor and isolating interval of each real root."""
    roots = []
    for factor, _ in polynomial.factor_list()[1]:
        for (low, high), _ in factor.intervals():
            roots.append((factor, low, high))
    return roots


def _point(branch: Branch, coordinates: dict[Symbol, Any], root: tuple[Any, Any, Any]) -> dict[Symbol, Float]:
    """Coordinates at a root; the working precision is raised until two precisions agree."""
    import mpmath

    digits, previous = 60, None
    while True:
        with mpmath.workdps(digits):
            at = _refined(*root)
            values: dict[Symbol, Any] = {name: _horner(item, at) for name, item in coordinates.items()}
            for name, above, below in reversed(branch.solved):
                values[name] = _value(branch, above, values) / _value(branch, below, values)
            agreed = previous is not None and all(
                abs(values[name] - previous[name]) <= mpmath.mpf(10) ** -(_DIGITS + 5) * (1 + abs(values[name]))
                for name in values
            )
            if agreed or digits > 4000:
                return {name: Float(value, _DIGITS) for name, value in values.items()}
            previous, digits = values, 2 * digits


def _refined(factor: Any, low: Any, high: Any) -> Any:
    """The root in an isolating interval, to the current precision: bisection, which cannot leave it."""
    import mpmath

    if factor.degree() == 1:
        a, b = factor.all_coeffs()
        return mpmath.mpf(int((-b / a).p)) / int((-b / a).q)
    if low == high:
        return mpmath.mpf(int(low.p)) / int(low.q)
    low, high = factor.refine_root(low, high, steps=12)
    coefficients = [mpmath.mpf(int(item.p)) / int(item.q) for item in factor.all_coeffs()]
    a, b = (mpmath.mpf(int(item.p)) / int(item.q) for item in (low, high))
    slope = [item * (len(coefficients) - 1 - power) for power, item in enumerate(coefficients[:-1])]
    at = (a + b) / 2
    below = mpmath.polyval(coefficients, a) < 0
    for _ in range(4 * mpmath.mp.prec):
        value = mpmath.polyval(coefficients, at)
        if (value < 0) == below:
            a = at
        else:
            b = at
        steepness = mpmath.polyval(slope, at)
        following = at - value / steepness if steepness else a
        if not a < following < b:
            following = (a + b) / 2
        if abs(following - at) <= mpmath.eps * 4 * (1 + abs(at)) * mpmath.mpf(2) ** -8 or b - a <= mpmath.eps * abs(b):
            return following
        at = following
    return at


def _horner(polynomial: Any, at: Any) -> Any:
    import mpmath

    return mpmath.polyval([mpmath.mpf(int(item.p)) / int(item.q) for item in polynomial.all_coeffs()], at)


def _value(branch: Branch, polynomial: Any, values: dict[Symbol, Any]) -> Any:
    import mpmath

    total = mpmath.mpf(0)
    for monomial, coefficient in polynomial.terms():
        term = mpmath.mpf(int(coefficient.numerator)) / int(coefficient.denominator)
        for name, power in zip(branch.ring.symbols, monomial, strict=True):
            if power:
                term *= values[name] ** power
        total += term
    return total
