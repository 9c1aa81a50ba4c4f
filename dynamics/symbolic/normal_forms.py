"""Cubic coefficients at critical complex pairs in closed form: Hopf (flows) and Neimark-Sacker (maps), any dimension.

Projection formulas over the field of rational functions of the parameters, extended by the critical eigenvalue alone, so the
result is one factored formula. One parameter is eliminated by the bifurcation condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from sympy import Expr, Mul, Pow, Rational, S, Symbol, sqrt

from dynamics.errors import DerivationError
from dynamics.symbolic.factors import factors_of
from dynamics.symbolic.kernels import Bounds, RationalForm, rational_form
from dynamics.symbolic.polynomial import CharacteristicFactor, jacobian_matrix
from dynamics.symbolic.quadratic_extension import QuadraticExtension, kernel_vector, solve_linear
from dynamics.symbolic.signs import sign_of

__all__ = ["MultilinearForms", "critical_pair", "multilinear_forms", "pair_coefficient", "scalar_coefficient"]


@dataclass(frozen=True)
class MultilinearForms:
    """Derivatives of the equations at a point: the Jacobian, and the nonzero second and third ones.

    Attributes
    ----------
    matrix : tuple of tuples of Expr, shape (n, n)
    second : tuple of (i, j, k, Expr)
        Equation i, states j <= k.
    third : tuple of (i, j, k, l, Expr)
        Equation i, states j <= k <= l.
    """

    matrix: tuple[tuple[Expr, ...], ...]
    second: tuple[tuple[int, int, int, Expr], ...]
    third: tuple[tuple[int, int, int, int, Expr], ...]

    def replaced(self, values: Mapping[Symbol, Expr]) -> MultilinearForms:
        """The same with symbols replaced."""
        return self.mapped(lambda item: item.xreplace(values))

    def mapped(self, change: Callable[[Expr], Expr]) -> MultilinearForms:
        """The same with a function applied to every entry."""
        return MultilinearForms(
            tuple(tuple(change(item) for item in row) for row in self.matrix),
            tuple((i, j, k, change(item)) for i, j, k, item in self.second),
            tuple((i, j, k, m, change(item)) for i, j, k, m, item in self.third))


def multilinear_forms(fields: Sequence[Expr], states: Sequence[Symbol], point: Mapping[Symbol, Expr]) -> MultilinearForms:
    """Return the first three derivatives of the equations at a point.

    Parameters
    ----------
    fields : sequence of Expr
        As many as there are states, or conserved quantities.
    states : sequence of Symbol, length n
    point : mapping of Symbol to Expr

    Returns
    -------
    MultilinearForms

    Examples
    --------
    >>> from sympy import Integer, Symbol
    >>> x, a = Symbol("x"), Symbol("a")
    >>> forms = multilinear_forms([a*x - x**3], [x], {x: Integer(0)})
    >>> forms.matrix, forms.second, forms.third
    (((a,),), (), ((0, 0, 0, 0, -6),))
    """
    first = jacobian_matrix(fields, states)
    size, count, second, third = len(states), len(fields), [], []
    for i in range(count):
        for j in range(size):
            for k in range(j, size):
                twice = first[i, j].diff(states[k])
                if twice == 0:
                    continue
                if (value := twice.xreplace(point)) != 0:
                    second.append((i, j, k, value))
                for m in range(k, size):
                    if (value := twice.diff(states[m]).xreplace(point)) != 0:
                        third.append((i, j, k, m, value))
    here = first.xreplace(dict(point))
    return MultilinearForms(tuple(tuple(here[i, j] for j in range(size)) for i in range(count)), tuple(second), tuple(third))


def critical_pair(factor: CharacteristicFactor, time: str) -> tuple[Expr, Expr] | None:
    """Return sum and product of the critical pair of a factor on its Hopf or Neimark-Sacker set.

    Parameters
    ----------
    factor : CharacteristicFactor
    time : {"continuous", "discrete"}

    Returns
    -------
    (Expr, Expr) or None
        Rational in the coefficients; ``None`` where the degree is too high for that.

    Examples
    --------
    >>> from sympy import Integer, Symbol
    >>> a, b, c = Symbol("a"), Symbol("b"), Symbol("c")
    >>> critical_pair(CharacteristicFactor((Integer(1), a, b, c)), "continuous")
    (0, b)
    """
    c = factor.coefficients
    if time == "continuous":
        # the even and the odd part of the polynomial share the root -omega**2
        products = {2: lambda: c[2], 3: lambda: c[2], 4: lambda: c[3] / c[1]}
        return (S.Zero, products[factor.degree]()) if factor.degree in products else None
    if factor.degree == 2:
        return (-c[1], S.One)
    # z**3 + c1 z**2 + c2 z + c3 = (z**2 - t z + 1)(z + c3): t = c3 - c1
    return (c[3] - c[1], S.One) if factor.degree == 3 else None


def pair_coefficient(forms: MultilinearForms, pair: tuple[Expr, Expr], time: str, bounds: Bounds | None = None,
                     level: MultilinearForms | None = None) -> Expr:
    """Return the cubic coefficient at a critical pair as one factored expression.

    Parameters
    ----------
    forms : MultilinearForms
        On the bifurcation set: the pair is an exact eigenvalue of ``forms.matrix`` for all values of the symbols left.
    pair : (Expr, Expr)
        Sum and product of the two eigenvalues.
    time : {"continuous", "discrete"}
    bounds : mapping of Symbol to (lower, upper), optional
        Square roots are taken where they make the sign of the root sure.
    level : MultilinearForms, optional
        Of conserved quantities, row by row, with independent gradients: the coefficient is that on their level set.

    Returns
    -------
    Expr
        First Lyapunov coefficient ``Re(c1)/omega`` of a flow, ``Re(conj(mu) c1)`` of a map, <q, q> = <p, q> = 1.

    Raises
    ------
    DerivationError
        If the pair is none of the matrix, or another eigenvalue is critical for all parameters.

    References
    ----------
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, 3rd ed. (2004), sections 5.4.1 and 5.4.2,
    doi:10.1007/978-1-4757-3978-7.

    Examples
    --------
    >>> from sympy import Integer, Symbol
    >>> x, y, a = Symbol("x"), Symbol("y"), Symbol("a")
    >>> forms = multilinear_forms([-y + a*x**3, x], [x, y], {x: Integer(0), y: Integer(0)})
    >>> pair_coefficient(forms, (Integer(0), Integer(1)), "continuous")
    3*a/4
    """
    form, parts, pair_elements = _over_one_field(forms, level, pair)
    over = QuadraticExtension(form, *pair_elements)
    squared, size_of_q = _cubic(over, parts, time)
    if time == "continuous":
        value = form.reduce(over.real_part(squared) / (2 * size_of_q))
        return _factored(form, value) / _root(form, over.norm, bounds or {})
    turned = over.multiply(over.conjugate((form.field.zero, form.field.one)), squared)
    return _factored(form, form.reduce(over.real_part(turned) / (2 * size_of_q)))


def scalar_coefficient(forms: MultilinearForms, eigenvalue: int, power: int, bounds: Bounds | None = None,
                       level: MultilinearForms | None = None) -> Expr:
    """Return the coefficient of w**2 or w**3 at a real critical eigenvalue as one factored expression.

    Parameters
    ----------
    forms : MultilinearForms
        On the bifurcation set: ``eigenvalue`` is an exact eigenvalue of ``forms.matrix``.
    eigenvalue : {0, 1, -1}
        0 for flows, 1 or -1 for maps.
    power : {2, 3}
        The cubic coefficient supposes that the quadratic one vanishes.
    bounds : mapping of Symbol to (lower, upper), optional
    level : MultilinearForms, optional
        Of conserved quantities, as for `pair_coefficient`; for eigenvalue -1.

    Returns
    -------
    Expr
        With <q, q> = <p, q> = 1; the quadratic coefficient changes its sign with q.

    Raises
    ------
    DerivationError
        If the eigenvalue is none of the matrix, or not simple.

    Examples
    --------
    >>> from sympy import Integer, Symbol
    >>> x, a = Symbol("x"), Symbol("a")
    >>> scalar_coefficient(multilinear_forms([x - a*x**2], [x], {x: Integer(0)}), 1, 2)
    -a
    """
    form, parts, _ = _over_one_field(forms, level, ())
    matrix, second, third, size = parts.matrix, parts.second, parts.third, len(parts.matrix)
    zero, one = form.field.zero, form.field.one
    singular = [[item - (one * eigenvalue if i == j else zero) for j, item in enumerate(row)]
                for i, row in enumerate(matrix)]
    q, p = kernel_vector(form, singular), kernel_vector(form, _transposed(singular))
    overlap, length = (form.reduce(sum((a * b for a, b in zip(x, q, strict=True)), zero)) for x in (p, q))
    if not overlap:
        raise DerivationError("the critical eigenvalue is not simple")
    forced = _symmetric(form, second, (q, q))
    if power == 2:
        value = sum((a * b for a, b in zip(p, forced, strict=True)), zero) / (overlap * 2)
        return _factored(form, form.reduce(value)) / _root(form, length, bounds or {})
    if eigenvalue == -1:
        regular = [[-item + (one if i == j else zero) for j, item in enumerate(row)] for i, row in enumerate(matrix)]
        h2 = _on_level(form, regular, forced, parts, _symmetric(form, parts.level_second, (q, q), len(parts.gradients)))
    else:
        bordered = [[*row, q[i]] for i, row in enumerate(singular)] + [[*p, zero]]
        h2 = solve_linear(form, bordered, [[*(-item for item in forced), zero]])[0][:size]
    total = [x * 3 + y for x, y in zip(_symmetric(form, second, (q, h2)), _symmetric(form, third, (q, q, q)), strict=True)]
    value = sum((a * b for a, b in zip(p, total, strict=True)), zero) / (overlap * length * 6)
    return _factored(form, form.reduce(value))


@dataclass(frozen=True)
class _Parts:
    """The derivatives as elements of one field; gradients and second derivatives of the conserved quantities."""

    matrix: list[list[Any]]
    second: list[tuple[Any, ...]]
    third: list[tuple[Any, ...]]
    gradients: list[list[Any]]
    level_second: list[tuple[Any, ...]]


def _over_one_field(forms: MultilinearForms, level: MultilinearForms | None, others: Sequence[Expr]
                    ) -> tuple[RationalForm, _Parts, list[Any]]:
    level = level or MultilinearForms((), (), ())
    groups = [[item for row in forms.matrix for item in row], [item[-1] for item in forms.second],
              [item[-1] for item in forms.third], [item for row in level.matrix for item in row],
              [item[-1] for item in level.second], list(others)]
    form = rational_form([item for group in groups for item in group])
    elements = iter(form.elements)
    matrix, second, third, gradients, bent, rest = ([next(elements) for _ in group] for group in groups)
    size = len(forms.matrix)

    def indexed(terms: Any, values: list[Any]) -> list[tuple[Any, ...]]:
        return [(*item[:-1], value) for item, value in zip(terms, values, strict=True)]

    def rows(values: list[Any]) -> list[list[Any]]:
        return [values[start : start + size] for start in range(0, len(values), size)]

    parts = _Parts(rows(matrix), indexed(forms.second, second), indexed(forms.third, third), rows(gradients),
                   indexed(level.second, bent))
    return form, parts, rest


def _on_level(form: RationalForm, matrix: Any, right: list[Any], parts: _Parts, bent: list[Any]) -> list[Any]:
    """Solve a system that is singular along the conserved quantities; the level set tells where on the line h belongs."""
    zero, rows = form.field.zero, parts.gradients
    if not rows:
        return solve_linear(form, matrix, [right])[0]
    size = len(matrix)
    bordered = [[*row, *(gradient[i] for gradient in rows)] for i, row in enumerate(matrix)]
    bordered += [[*gradient, *(zero for _ in rows)] for gradient in rows]
    solution = solve_linear(form, bordered, [[*right, *(-item for item in bent)]])[0]
    if any(form.reduce(item) for item in solution[size:]):
        raise DerivationError("the quantity is not conserved for all values of the symbols")
    return solution[:size]


def _symmetric(form: RationalForm, terms: Any, vectors: Any, count: int | None = None) -> list[Any]:
    """A symmetric multilinear form, given by its sorted indices, of vectors over the field."""
    result = [form.field.zero] * (len(vectors[0]) if count is None else count)
    for i, *indices, value in terms:
        for order in set(permutations(indices)):
            product = value
            for vector, index in zip(vectors, order, strict=True):
                product = product * vector[index]
            result[i] = form.reduce(result[i] + product)
    return result


def _cubic(over: QuadraticExtension, parts: _Parts, time: str) -> tuple[Any, Any]:
    """``<p, C(q,q,q~) + 2 B(q,h11) + B(q~,h20)>`` with <p, q> = 1, and <q, q>, for q of any length."""
    form, matrix, size = over.form, parts.matrix, len(parts.matrix)
    zero, one = form.field.zero, form.field.one
    identity = [[one if i == j else zero for j in range(size)] for i in range(size)]
    square = _product(form, matrix, matrix)
    singular = _combined(form, (one, square), (-over.trace, matrix), (over.norm, identity))
    # (A - s)(A - s~) = 0 on the kernel, so (A - s~) of any of its vectors is an eigenvector
    eigenvalue = (zero, one)
    right, left = kernel_vector(form, singular), kernel_vector(form, _transposed(singular))
    q, p = (_eigenvector(over, part, vector) for part, vector in ((matrix, right), (_transposed(matrix), left)))
    overlap = over.dot(p, q)
    if not any(overlap):
        raise DerivationError("the critical eigenvalue is not simple")
    scale = over.inverse(overlap)
    p = [over.multiply(scale, item) for item in p]
    conjugate = [over.conjugate(item) for item in q]

    def bilinear(v: Any, w: Any, terms: Any = parts.second, count: int = size) -> Any:
        result = [over.number(zero)] * count
        for i, j, k, value in terms:
            pairs = {(j, k), (k, j)}
            for a, b in pairs:
                result[i] = over.add(result[i], over.multiply(over.number(value), over.multiply(v[a], w[b])))
        return result

    mean = [-item[0] for item in bilinear(q, conjugate)]
    shifted = matrix if time == "continuous" else _combined(form, (one, matrix), (-one, identity))
    bent = [item[0] for item in bilinear(q, conjugate, parts.level_second, len(parts.gradients))]
    h11 = [over.number(item) for item in _on_level(form, shifted, mean, parts, bent)]
    resonant = (zero, one + one) if time == "continuous" else over.multiply(eigenvalue, eigenvalue)
    double = over.conjugate(resonant)
    # (r - A)(r~ - A) has entries in the field
    twice = over.real_part(resonant) * 2
    real = _combined(form, (one, square), (-twice, matrix), (over.absolute_square(resonant), identity))
    forced = bilinear(q, q)
    solutions = solve_linear(form, real, [[item[0] for item in forced], [item[1] for item in forced]])
    solved = list(zip(*solutions, strict=True))
    image = over.apply(matrix, solved)
    h20 = [over.add(over.multiply(double, item), (-moved[0], -moved[1])) for item, moved in zip(solved, image, strict=True)]
    total = [over.add(x, over.add(x, y)) for x, y in zip(bilinear(q, h11), bilinear(conjugate, h20), strict=True)]
    for i, j, k, m, value in parts.third:
        for a, b, c in {(j, k, m), (j, m, k), (k, j, m), (k, m, j), (m, j, k), (m, k, j)}:
            product = over.multiply(over.multiply(q[a], q[b]), over.multiply(conjugate[c], over.number(value)))
            total[i] = over.add(total[i], product)
    length = zero
    for item in q:
        length = form.reduce(length + over.absolute_square(item))
    return over.dot(p, total), length


def _eigenvector(over: QuadraticExtension, matrix: Any, vector: Any) -> Any:
    image = over.apply(matrix, [over.number(item) for item in vector])
    minus = over.conjugate((over.form.field.zero, -over.form.field.one))
    return [over.add(moved, over.multiply(minus, over.number(item))) for moved, item in zip(image, vector, strict=True)]


def _product(form: RationalForm, left: Any, right: Any) -> Any:
    columns = _transposed(right)
    return [[form.reduce(sum((a * b for a, b in zip(row, column, strict=True)), form.field.zero)) for column in columns]
            for row in left]


def _combined(form: RationalForm, *terms: tuple[Any, Any]) -> Any:
    size = len(terms[0][1])
    return [[form.reduce(sum((factor * part[i][j] for factor, part in terms), form.field.zero)) for j in range(size)]
            for i in range(size)]


def _transposed(matrix: Any) -> Any:
    return [list(column) for column in zip(*matrix, strict=True)]


def _root(form: RationalForm, element: Any, bounds: Bounds) -> Expr:
    """Square root of a positive element; squares of factors of known sign are taken out."""
    content, factors = factors_of(element)
    outside, inside = [], [Rational(int(content.numerator), int(content.denominator))]
    for factor, power in factors:
        base = form.expression(factor)
        sign = sign_of(base, bounds) if abs(power) > 1 else None
        if sign:
            outside.append((sign * base) ** (abs(power) // 2 * (1 if power > 0 else -1)))
            power = (power % 2) if power > 0 else -(-power % 2)
        inside.append(base**power)
    return Mul(*outside) * sqrt(Mul(*inside))


def _factored(form: RationalForm, element: Any) -> Expr:
    if not element:
        return S.Zero
    content, factors = factors_of(element)
    number = Rational(int(content.numerator), int(content.denominator))
    return Mul(number, *(Pow(form.expression(factor), power) for factor, power in factors))
