"""Cubic coefficients at critical complex pairs in closed form: Hopf (flows) and Neimark-Sacker (maps), any dimension.

Projection formulas over the field of rational functions of the parameters, extended by the critical eigenvalue alone, so the
result is one factored formula. One parameter is eliminated by the bifurcation condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        return MultilinearForms(
            tuple(tuple(item.xreplace(values) for item in row) for row in self.matrix),
            tuple((i, j, k, item.xreplace(values)) for i, j, k, item in self.second),
            tuple((i, j, k, m, item.xreplace(values)) for i, j, k, m, item in self.third))


def multilinear_forms(fields: Sequence[Expr], states: Sequence[Symbol], point: Mapping[Symbol, Expr]) -> MultilinearForms:
    """Return the first three derivatives of the equations at a point.

    Parameters
    ----------
    fields : sequence of Expr, length n
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
    size, second, third = len(states), [], []
    for i in range(size):
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
    return MultilinearForms(tuple(tuple(here[i, j] for j in range(size)) for i in range(size)), tuple(second), tuple(third))


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


def pair_coefficient(forms: MultilinearForms, pair: tuple[Expr, Expr], time: str, bounds: Bounds | None = None) -> Expr:
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
    size = len(forms.matrix)
    entries = [item for row in forms.matrix for item in row]
    form = rational_form([*entries, *(item[-1] for item in forms.second), *(item[-1] for item in forms.third), *pair])
    elements = list(form.elements)
    matrix = [elements[row * size : (row + 1) * size] for row in range(size)]
    start = size * size
    second = [(*item[:-1], value) for item, value in zip(forms.second, elements[start:], strict=False)]
    third = [(*item[:-1], value) for item, value in zip(forms.third, elements[start + len(second) :], strict=False)]
    over = QuadraticExtension(form, elements[-2], elements[-1])
    squared, size_of_q = _cubic(over, matrix, second, third, time)
    if time == "continuous":
        value = form.reduce(over.real_part(squared) / (2 * size_of_q))
        return _factored(form, value) / _root(form, over.norm, bounds or {})
    turned = over.multiply(over.conjugate((form.field.zero, form.field.one)), squared)
    return _factored(form, form.reduce(over.real_part(turned) / (2 * size_of_q)))


def scalar_coefficient(forms: MultilinearForms, eigenvalue: int, power: int, bounds: Bounds | None = None) -> Expr:
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
    size = len(forms.matrix)
    entries = [item for row in forms.matrix for item in row]
    form = rational_form([*entries, *(item[-1] for item in forms.second), *(item[-1] for item in forms.third)])
    elements = list(form.elements)
    zero, one = form.field.zero, form.field.one
    matrix = [elements[row * size : (row + 1) * size] for row in range(size)]
    start = size * size
    second = [(*item[:-1], value) for item, value in zip(forms.second, elements[start:], strict=False)]
    third = [(*item[:-1], value) for item, value in zip(forms.third, elements[start + len(second) :], strict=False)]
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
        h2 = solve_linear(form, regular, [forced])[0]
    else:
        bordered = [[*row, q[i]] for i, row in enumerate(singular)] + [[*p, zero]]
        h2 = solve_linear(form, bordered, [[*(-item for item in forced), zero]])[0][:size]
    total = [x * 3 + y for x, y in zip(_symmetric(form, second, (q, h2)), _symmetric(form, third, (q, q, q)), strict=True)]
    value = sum((a * b for a, b in zip(p, total, strict=True)), zero) / (overlap * length * 6)
    return _factored(form, form.reduce(value))


def _symmetric(form: RationalForm, terms: Any, vectors: Any) -> list[Any]:
    """A symmetric multilinear form, given by its sorted indices, of vectors over the field."""
    result = [form.field.zero] * len(vectors[0])
    for i, *indices, value in terms:
        for order in set(permutations(indices)):
            product = value
            for vector, index in zip(vectors, order, strict=True):
                product = product * vector[index]
            result[i] = form.reduce(result[i] + product)
    return result


def _cubic(over: QuadraticExtension, matrix: Any, second: Any, third: Any, time: str) -> tuple[Any, Any]:
    """``<p, C(q,q,q~) + 2 B(q,h11) + B(q~,h20)>`` with <p, q> = 1, and <q, q>, for q of any length."""
    form, size = over.form, len(matrix)
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

    def bilinear(v: Any, w: Any) -> Any:
        result = [over.number(zero)] * size
        for i, j, k, value in second:
            pairs = {(j, k), (k, j)}
            for a, b in pairs:
                result[i] = over.add(result[i], over.multiply(over.number(value), over.multiply(v[a], w[b])))
        return result

    mean = [item[0] for item in bilinear(q, conjugate)]
    shifted = matrix if time == "continuous" else _combined(form, (one, matrix), (-one, identity))
    h11 = [over.number(-item) for item in solve_linear(form, shifted, [mean])[0]]
    resonant = (zero, one + one) if time == "continuous" else over.multiply(eigenvalue, eigenvalue)
    double = over.conjugate(resonant)
    # (r - A)(r~ - A) has entries in the field
    twice = over.real_part(resonant) * 2
    real = _combined(form, (one, square), (-twice, matrix), (over.absolute_square(resonant), identity))
    forced = bilinear(q, q)
    parts = solve_linear(form, real, [[item[0] for item in forced], [item[1] for item in forced]])
    solved = list(zip(parts[0], parts[1], strict=True))
    image = over.apply(matrix, solved)
    h20 = [over.add(over.multiply(double, item), (-moved[0], -moved[1])) for item, moved in zip(solved, image, strict=True)]
    total = [over.add(x, over.add(x, y)) for x, y in zip(bilinear(q, h11), bilinear(conjugate, h20), strict=True)]
    for i, j, k, m, value in third:
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
