"""Stability of characteristic polynomials as inequalities: Routh-Hurwitz and Lienard-Chipart for flows, Jury for maps.

Each condition is positive where stable and names the bifurcation on its zero set. Conditions are meant per
irreducible factor of the characteristic polynomial: those of the whole polynomial are products of them and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Any, Literal

from sympy import Add, Expr, Integer, Mul, S

from dynamics.errors import DerivationError
from dynamics.symbolic.determinants import determinant, determinant_of_named
from dynamics.symbolic.factors import cleared, factors_of, layout
from dynamics.symbolic.kernels import Bounds, RationalForm, rational_form
from dynamics.symbolic.radicals import factors_with_roots
from dynamics.symbolic.signs import has_long_factor, polynomial_sign, sign_of

__all__ = ["Condition", "hurwitz_conditions", "jury_conditions", "lienard_chipart_conditions", "real_root_conditions",
           "reduce_condition", "stability_of_factor"]

_LONG = 300  # terms that nobody reads, and that Python cannot compile as a sum when they are thousands
Kind = Literal["fold", "hopf", "period_doubling", "neimark_sacker"]


@dataclass(frozen=True)
class Condition:
    """One inequality of a stability region.

    Attributes
    ----------
    expression : Expr
        Positive where stable; the constants 1, -1, 0 where the bounds decide.
    kind : {"fold", "hopf", "period_doubling", "neimark_sacker"} or None
        Bifurcation on the zero set, at the border of the region; ``None`` for a condition that only selects the right
        component and has no bifurcation on the region's border.
    """

    expression: Expr
    kind: Kind | None


def reduce_condition(expression: Expr, bounds: Bounds | None = None, known: Sequence[Expr] = ()) -> Expr:
    """Return the simplest expression that has the same sign: factors of known sign and squares are dropped.

    Parameters
    ----------
    expression : Expr
    bounds : mapping of Symbol to (lower, upper), optional
        As for `dynamics.symbolic.signs.sign_of`.
    known : sequence of Expr, optional
        Further expressions known to be positive.

    Returns
    -------
    Expr
        Without denominators, integer coefficients without common factor; 1, -1 or 0 where the sign is decided.
        Where a dropped square vanishes, so does ``expression``.

    Examples
    --------
    >>> from sympy import Symbol
    >>> a, b = Symbol("a"), Symbol("b")
    >>> reduce_condition((a - b) * a**3 / (2 * b), {a: (0, None), b: (0, None)})
    a - b
    """
    form = rational_form([expression])
    return _reduced(form, form.elements[0], bounds or {}, known)


def _reduced(form: RationalForm, element: Any, bounds: Bounds, known: Sequence[Expr]) -> Expr:
    if not element:
        return S.Zero
    if form.relations:
        return _reduced_with_roots(form, element, bounds, known)
    content, factors = factors_of(element)
    sign, kept = (1 if content > 0 else -1), []
    for factor, power in factors:
        if power % 2 == 0:
            continue
        decided = polynomial_sign(form, factor, bounds, known)
        if decided is None:
            kept.append(factor)
        else:
            sign *= decided
    if not kept:
        return Integer(sign)
    return Mul(*(form.expression(-item if sign < 0 and not index else item) for index, item in enumerate(kept)))


def _reduced_with_roots(form: RationalForm, element: Any, bounds: Bounds, known: Sequence[Expr]) -> Expr:
    sign, factors = factors_with_roots(form, element)
    kept = []
    for factor, power in factors:
        decided = sign_of(factor, bounds, known) if power % 2 else 1
        if decided is None:
            kept.append(factor)
        else:
            sign *= decided
    if not kept or sign == 0:
        return Integer(sign)
    if sign < 0:
        kept[0] = Add(*(-term for term in Add.make_args(kept[0])))
    return Mul(*kept)


@dataclass(frozen=True)
class _Cleared:
    """A polynomial cleared of denominators; ``leading`` has the sign that is divided out."""

    form: RationalForm
    coefficients: tuple[Any, ...]
    leading: Any
    bounds: Bounds
    known: Sequence[Expr]

    @property
    def degree(self) -> int:
        return len(self.coefficients) - 1

    def entry(self, index: int) -> Any:
        return self.coefficients[index] if 0 <= index <= self.degree else self.form.field.ring.zero

    def coefficient_condition(self, index: int, kind: Kind | None) -> Condition:
        return self.condition(self.coefficients[index] * self.leading, kind)

    def minor_condition(self, order: int, kind: Kind | None) -> Condition:
        """Leading principal minor of the Hurwitz matrix of the monic polynomial; in the coefficients where it is long."""
        ring = self.form.field.ring
        rows = [[self.entry(2 * (column + 1) - (row + 1)) for column in range(order)] for row in range(order)]
        minor = determinant(rows, ring)
        signed = self.form.reduce(self.form.field(minor * self.leading if order % 2 else minor))
        if not has_long_factor(self.form, signed, _LONG, self.bounds, self.known):
            return Condition(_reduced(self.form, signed, self.bounds, self.known), kind)
        side = self.condition(self.leading, None).expression if order % 2 else S.One
        named = determinant_of_named(rows, lambda item: self.form.put_back(layout(self.form.field(item))))
        return Condition(side * named, kind)

    def condition(self, polynomial: Any, kind: Kind | None) -> Condition:
        element = self.form.reduce(self.form.field(polynomial))
        return Condition(_reduced(self.form, element, self.bounds, self.known), kind)


def _cleared(coefficients: Sequence[Expr], bounds: Bounds | None, known: Sequence[Expr]) -> _Cleared:
    if len(coefficients) < 2:
        raise DerivationError("Stability conditions need a polynomial of degree 1 or more.")
    form = rational_form(coefficients)
    if not form.elements[0]:
        raise DerivationError("The leading coefficient of the polynomial is zero.")
    whole = cleared(form.elements)
    return _Cleared(form, whole, whole[0], bounds or {}, known)


def _transformed(polynomial: _Cleared) -> _Cleared:
    """Under ``z = (1 + w)/(1 - w)``: the unit disc becomes the left half plane; w = 0 is z = 1, w = oo is z = -1."""
    degree = polynomial.degree
    ring = polynomial.form.field.ring
    result = []
    for power in range(degree, -1, -1):
        total = ring.zero
        for index, coefficient in enumerate(polynomial.coefficients):
            ups = degree - index  # (1 + w)**ups * (1 - w)**index
            weight = sum(comb(ups, power - taken) * comb(index, taken) * (-1) ** taken
                         for taken in range(index + 1) if 0 <= power - taken <= ups)
            total += coefficient * weight
        result.append(total)
    # the new leading coefficient has the sign of the old one wherever the period-doubling condition holds
    return _Cleared(polynomial.form, tuple(result), polynomial.leading, polynomial.bounds, polynomial.known)


def hurwitz_conditions(
    coefficients: Sequence[Expr], bounds: Bounds | None = None, known: Sequence[Expr] = ()
) -> tuple[Condition, ...]:
    """Return all Routh-Hurwitz conditions of a polynomial: minors 1 to n - 1 and the constant coefficient.

    Parameters
    ----------
    coefficients : sequence of Expr
        From the leading one (any nonzero, it is divided out) to the constant.
    bounds : mapping of Symbol to (lower, upper), optional
    known : sequence of Expr, optional
        Expressions known to be positive.

    Returns
    -------
    tuple of Condition
        All roots have negative real parts iff every expression is positive; those always true are left out.

    References
    ----------
    A. Hurwitz, Math. Ann. 46 (1895) 273-284, doi:10.1007/BF01446812.

    Examples
    --------
    >>> from sympy import Symbol
    >>> a, b, c = Symbol("a"), Symbol("b"), Symbol("c")
    >>> [(item.expression, item.kind) for item in hurwitz_conditions([1, a, b, c])]
    [(a, None), (a*b - c, 'hopf'), (c, 'fold')]
    """
    polynomial = _cleared([S.One * item for item in coefficients], bounds, known)
    degree = polynomial.degree
    minors = [polynomial.minor_condition(order, "hopf" if order == degree - 1 else None) for order in range(1, degree)]
    return _needed([*minors, polynomial.coefficient_condition(degree, "fold")])


def lienard_chipart_conditions(
    coefficients: Sequence[Expr], bounds: Bounds | None = None, known: Sequence[Expr] = ()
) -> tuple[Condition, ...]:
    """Return the Lienard-Chipart conditions: every second minor, and every second coefficient.

    Parameters
    ----------
    coefficients, bounds, known
        As for `hurwitz_conditions`.

    Returns
    -------
    tuple of Condition
        Equivalent to those of `hurwitz_conditions`, about half of the determinants; of the two possible choices of
        coefficients the one that leaves less to check.

    References
    ----------
    A. Lienard and M. H. Chipart, J. Math. Pures Appl. 10 (1914) 291-346; F. R. Gantmacher, The Theory of Matrices,
    vol. 2, chapter XV, section 13.

    Examples
    --------
    >>> from sympy import Symbol
    >>> a, b, c = (Symbol(name) for name in "abc")
    >>> positive = {a: (0, None), c: (0, None)}
    >>> [item.expression for item in lienard_chipart_conditions([1, a, b, c], positive)]
    [a*b - c]
    """
    return _needed(_lienard_chipart(_cleared([S.One * item for item in coefficients], bounds, known), "fold", "hopf"))


def _lienard_chipart(polynomial: _Cleared, constant: Kind, last_minor: Kind) -> list[Condition]:
    degree = polynomial.degree
    last = polynomial.coefficient_condition(degree, constant)
    if degree == 1:
        return [last]
    minors = [
        polynomial.minor_condition(order, last_minor if order == degree - 1 else None)
        for order in range(degree - 1, 0, -2)
    ]
    if degree == 2:
        return [last, *minors]
    # a cubic needs one of its two inner coefficients only: with the minor positive they have the same sign
    first = [polynomial.coefficient_condition(index, None) for index in range(degree - 2, 0, -2)]
    second = [polynomial.coefficient_condition(index, None) for index in range(degree - 1, 0, -2)]
    chosen = min(_needed(first), _needed(second), key=_size)
    return [last, *chosen, *minors]


def _size(conditions: Sequence[Condition]) -> int:
    return sum(1 + int(condition.expression.count_ops()) for condition in conditions)


def _needed(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    found: dict[Expr, Condition] = {}
    for condition in conditions:
        if condition.expression == 1:
            continue
        earlier = found.get(condition.expression)
        if earlier is None or earlier.kind is None:
            found[condition.expression] = condition
    return tuple(found.values())


def jury_conditions(
    coefficients: Sequence[Expr], bounds: Bounds | None = None, known: Sequence[Expr] = ()
) -> tuple[Condition, ...]:
    """Return conditions for all roots to lie inside the unit circle (stability of fixed points of maps).

    Parameters
    ----------
    coefficients, bounds, known
        As for `hurwitz_conditions`.

    Returns
    -------
    tuple of Condition
        ``p(1)`` (fold), ``(-1)**n p(-1)`` (period doubling), from degree 2 on the product over pairs of roots
        ``1 - z_i z_j`` (Neimark-Sacker), and, from degree 3 on, auxiliary ones.

    Notes
    -----
    Lienard-Chipart conditions after ``z = (1 + w)/(1 - w)``; equivalent to Jury's inner determinants.

    References
    ----------
    E. I. Jury, Theory and Application of the z-Transform Method, Wiley 1964.

    Examples
    --------
    >>> from sympy import Symbol
    >>> trace, determinant = Symbol("T"), Symbol("D")
    >>> [(item.expression, item.kind) for item in jury_conditions([1, -trace, determinant])]
    [(D - T + 1, 'fold'), (D + T + 1, 'period_doubling'), (1 - D, 'neimark_sacker')]
    """
    polynomial = _cleared([S.One * item for item in coefficients], bounds, known)
    transformed = _transformed(polynomial)
    flip = transformed.coefficient_condition(0, "period_doubling")
    constant = transformed.coefficient_condition(polynomial.degree, "fold")
    if polynomial.degree == 1 or flip.expression == 0:  # zero: -1 is a root whatever the parameters
        return _needed([constant, flip])
    return _needed([constant, flip, *_lienard_chipart(transformed, "fold", "neimark_sacker")[1:]])


def real_root_conditions(
    coefficients: Sequence[Expr],
    time: Literal["continuous", "discrete"] = "continuous",
    bounds: Bounds | None = None,
    known: Sequence[Expr] = (),
) -> tuple[Condition, ...]:
    """Return the conditions under which the roots of a polynomial, all of them real, are stable.

    Parameters
    ----------
    coefficients, time, bounds, known
        As for `stability_of_factor`.

    Returns
    -------
    tuple of Condition
        Real roots are negative iff all coefficients are positive (Descartes); for maps those of ``p(1 + w)`` and
        ``(-1)**n p(-1 - w)``. Never a Hopf or Neimark-Sacker bifurcation.

    Examples
    --------
    >>> from sympy import Symbol
    >>> a, b = Symbol("a"), Symbol("b")
    >>> [(item.expression, item.kind) for item in real_root_conditions([1, a, b])]
    [(b, 'fold'), (a, None)]
    """
    polynomial = _cleared([S.One * item for item in coefficients], bounds, known)
    degree = polynomial.degree
    sides: list[tuple[_Cleared, Kind]] = [(polynomial, "fold")]
    if time == "discrete":
        sides = [(_shifted(polynomial, 1), "fold"), (_shifted(polynomial, -1), "period_doubling")]
    borders = [side.coefficient_condition(degree, kind) for side, kind in sides]
    # inside of the region bounded by these, the others often hold
    inside = (*known, *(item.expression for item in borders if not item.expression.is_number))
    inner = [
        replace(side, known=inside).coefficient_condition(index, None)
        for side, _ in sides for index in range(degree - 1, 0, -1)
    ]
    return _needed([*borders, *inner])


def _shifted(polynomial: _Cleared, side: int) -> _Cleared:
    """Under ``z = side*(1 + w)``, times ``side**n``: real roots inside of this end of the unit interval have w < 0."""
    degree = polynomial.degree
    result = tuple(
        sum(
            (item * side**index * comb(degree - index, power)
             for index, item in enumerate(polynomial.coefficients) if power <= degree - index),
            polynomial.form.field.ring.zero,
        )
        for power in range(degree, -1, -1)
    )
    return _Cleared(polynomial.form, result, polynomial.leading, polynomial.bounds, polynomial.known)


def stability_of_factor(
    coefficients: Sequence[Expr],
    time: Literal["continuous", "discrete"] = "continuous",
    bounds: Bounds | None = None,
    known: Sequence[Expr] = (),
) -> tuple[Condition, ...]:
    """Return the minimal conditions under which all roots of one factor are stable.

    Parameters
    ----------
    coefficients : sequence of Expr
        Of an irreducible factor of the characteristic polynomial, from the leading one to the constant.
    time : {"continuous", "discrete"}
        Flow: negative real parts. Map: inside the unit circle.
    bounds : mapping of Symbol to (lower, upper), optional
    known : sequence of Expr, optional

    Returns
    -------
    tuple of Condition
        Empty if always stable; contains a negative constant if never.

    Examples
    --------
    >>> from sympy import Symbol
    >>> r = Symbol("r")
    >>> [item.expression for item in stability_of_factor([1, r - 2], "discrete")]
    [r - 1, 3 - r]
    """
    conditions = jury_conditions if time == "discrete" else lienard_chipart_conditions
    return conditions(coefficients, bounds, known)
