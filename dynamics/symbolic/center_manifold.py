"""Normal-form coefficients in numbers of 30 digits: the homological equation solved order by order on the centre manifold.

For a critical pair the manifold is ``x = x0 + z q + conj(z q) + sum h_jk z**j conj(z)**k`` and on it
``dz/dt = i omega z + c1 z |z|**2 + c2 z |z|**4`` (for maps ``z -> mu z + c1 z |z|**2``). The vectors are normalised:
<q, q> = <p, q> = 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympy import Expr, Symbol

from dynamics.errors import DerivationError
from dynamics.symbolic.jets import Jet, evaluate_jets

__all__ = ["LocalMap", "bogdanov_takens_coefficients", "critical_vectors", "line_coefficients", "pair_coefficients",
           "parameter_coefficients", "scalar_coefficients"]

DIGITS = 50  # eigenvectors and resolvents lose some; 30 are left
NOT_CONSERVED = 1e-12  # of the size of the terms; the critical parameters may be known to 1e-9 only, the quantity exactly


@dataclass(frozen=True)
class LocalMap:
    """Equations and a point, all in numbers.

    Attributes
    ----------
    fields : tuple of Expr
        Right-hand sides (flow) or images (map), in the states only.
    states : tuple of Symbol
    point : tuple of mpmath numbers
    invariants : tuple of Expr
        Conserved quantities with independent gradients at the point; the motion stays on their level set.
    """

    fields: tuple[Expr, ...]
    states: tuple[Symbol, ...]
    point: tuple[Any, ...]
    invariants: tuple[Expr, ...] = ()

    def series(self, displacement: Mapping[Any, Sequence[Any]], order: int) -> list[Jet]:
        """Series of the fields where the displacement from the point is a series with vector coefficients."""
        return self._series(self.fields, displacement, order)

    def _series(self, expressions: Sequence[Expr], displacement: Mapping[Any, Sequence[Any]], order: int) -> list[Jet]:
        origin = (0,) * len(next(iter(displacement)))
        jets = {}
        for index, state in enumerate(self.states):
            jets[state] = {origin: self.point[index], **{key: vector[index] for key, vector in displacement.items()}}
        return evaluate_jets(expressions, jets, order)

    def coefficient(self, series: Sequence[Jet], key: tuple[int, ...]) -> Any:
        """One coefficient of a series of the fields, as a column."""
        from mpmath import matrix

        return matrix([item.get(key, 0) for item in series])

    def jacobian(self) -> Any:
        """Matrix of first derivatives, shape (n, n)."""
        return self._first(self.fields)

    def gradients(self) -> Any:
        """Gradients of the conserved quantities, shape (k, n)."""
        return self._first(self.invariants)

    def _first(self, expressions: Sequence[Expr]) -> Any:
        from mpmath import matrix, mpf

        size = len(self.states)
        units = {tuple(int(i == j) for j in range(size)): [mpf(int(i == j)) for j in range(size)] for i in range(size)}
        series = self._series(expressions, units, 1)
        return matrix([[item.get(key, 0) for key in units] for item in series])

    def on_level(self, resolvent: Any, right: Any, displacement: Mapping[Any, Sequence[Any]], key: tuple[int, ...]) -> Any:
        """Solve for the coefficient ``key`` of the displacement where the linear part is singular along the invariants.

        The equations leave open where along the line of fixed points the centre lies; the level set tells.
        """
        import mpmath

        if not self.invariants:
            return _solve(resolvent, right)
        rows, size = self.gradients(), resolvent.rows
        level = self.coefficient(self._series(self.invariants, displacement, sum(key)), key)
        count = rows.rows
        whole, column = mpmath.matrix(size + count, size + count), mpmath.matrix(size + count, 1)
        for i in range(size):
            column[i] = right[i]
            for j in range(size):
                whole[i, j] = resolvent[i, j]
            for k in range(count):
                whole[i, size + k] = whole[size + k, i] = rows[k, i]
        for k in range(count):
            column[size + k] = -level[k]
        solved = _solve(whole, column)
        missed = mpmath.norm(solved[size:, 0]) * mpmath.mnorm(rows, "F")
        if missed > NOT_CONSERVED * (mpmath.norm(column) or 1):
            raise DerivationError("the conserved quantity is none: the second-order terms drive the state off its level set")
        return solved[:size, 0]


def critical_vectors(matrix: Any, eigenvalue: Any) -> tuple[Any, Any]:
    """Return ``(q, p)``: right and left null vectors of ``matrix - eigenvalue`` with <q, q> = <p, q> = 1.

    Parameters
    ----------
    matrix : mpmath matrix, shape (n, n)
    eigenvalue : mpmath number
        Simple.

    Returns
    -------
    q : mpmath matrix, shape (n, 1)
        Its largest component is positive.
    p : mpmath matrix, shape (1, n)
        A row, already conjugated: ``p*matrix = eigenvalue*p``.

    Raises
    ------
    DerivationError
        If the eigenvalue is not simple.
    """
    import mpmath

    shifted = matrix - eigenvalue * mpmath.eye(matrix.rows)
    left, _, right = mpmath.svd_c(mpmath.matrix(shifted))
    last = matrix.rows - 1
    q = right[last, :].H
    p = left[:, last].H
    largest = max(range(matrix.rows), key=lambda i: abs(q[i]))
    q *= abs(q[largest]) / q[largest]
    overlap = (p * q)[0]
    if abs(overlap) < mpmath.mpf(10) ** -12:
        raise DerivationError("the critical eigenvalue is not simple; its eigenvectors are orthogonal")
    return q, p / overlap


def _bordered(matrix: Any, q: Any, p: Any, right: Any) -> tuple[Any, Any]:
    """``(h, c)`` with ``matrix*h + c*q = right`` and ``p*h = 0``, for a matrix that is singular along q."""
    import mpmath

    size = matrix.rows
    whole = mpmath.matrix(size + 1, size + 1)
    column = mpmath.matrix(size + 1, 1)
    for i in range(size):
        for j in range(size):
            whole[i, j] = matrix[i, j]
        whole[i, size], whole[size, i], column[i] = q[i], p[i], right[i]
    solved = _solve(whole, column)
    return solved[:size, 0], solved[size]


def _solve(matrix: Any, right: Any) -> Any:
    import mpmath

    try:
        return mpmath.lu_solve(matrix, right)
    except ZeroDivisionError:
        raise DerivationError("a further eigenvalue is critical at the point, by a conserved quantity, a line of fixed "
                              "points or a resonance; this normal form does not hold there") from None


def pair_coefficients(local: LocalMap, matrix: Any, eigenvalue: Any, time: str, order: int = 3) -> tuple[Any, ...]:
    """Return ``(c1,)`` or ``(c1, c2)`` at a critical complex pair.

    Parameters
    ----------
    local : LocalMap
    matrix : mpmath matrix, shape (n, n)
    eigenvalue : mpmath complex number
        Exactly on the imaginary axis (flow) or the unit circle (map).
    time : {"continuous", "discrete"}
    order : {3, 5}
        5 gives ``c2`` too, for flows.

    Returns
    -------
    tuple of complex
        Coefficients of z|z|**2 and z|z|**4.

    Raises
    ------
    DerivationError
        If another eigenvalue is critical.

    References
    ----------
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, 3rd ed. (2004), sections 5.4 and 8.7,
    doi:10.1007/978-1-4757-3978-7.
    """
    import mpmath

    q, p = critical_vectors(matrix, eigenvalue)
    manifold: dict[tuple[int, int], Any] = {(1, 0): q, (0, 1): q.conjugate()}
    found: dict[tuple[int, int], Any] = {}
    unit = mpmath.eye(matrix.rows)
    for degree in range(2, order + 1):
        series = local.series(manifold, degree)
        fresh = {}
        for k in range(degree // 2 + 1):
            j = degree - k
            right = local.coefficient(series, (j, k))
            # the linear part of the new unknowns is on the left; what known coefficients of dz/dt carry is on the right
            for (m, n), vector in manifold.items():
                for (a, b), value in found.items():
                    # d/dz h_mn z^m conj(z)^n times value z^a conj(z)^b, and the conjugate
                    if (m + a - 1, n + b) == (j, k):
                        right -= m * value * vector
                    if (m + b, n + a - 1) == (j, k):
                        right -= n * mpmath.conj(value) * vector
            if time == "continuous":
                resolvent = (j - k) * eigenvalue * unit - matrix
            else:
                resolvent = eigenvalue**j * mpmath.conj(eigenvalue) ** k * unit - matrix
            if j - k == 1:
                fresh[j, k], found[j, k] = _bordered(resolvent, q, p, right)
            elif j == k:
                fresh[j, k] = local.on_level(resolvent, right, manifold, (j, k))
            else:
                fresh[j, k] = _solve(resolvent, right)
        for (j, k), vector in fresh.items():
            manifold[j, k] = vector
            if j != k:
                manifold[k, j] = vector.conjugate()
    return tuple(found[key] for key in sorted(found))


def line_coefficients(local: LocalMap, matrix: Any, eigenvalue: Any, time: str) -> tuple[Any, Any]:
    """Return ``(r, s)`` at a critical pair on a line of fixed points that no conserved quantity crosses.

    Parameters
    ----------
    local : LocalMap
    matrix : mpmath matrix, shape (n, n)
    eigenvalue : mpmath complex number
    time : {"continuous", "discrete"}

    Returns
    -------
    r, s : mpmath numbers
        Of ``dz/dt = (i omega + r y) z``, ``dy/dt = s |z|**2`` with y along the line; unit vectors, the largest component of
        that along the line positive. For maps ``z -> mu (1 + r y) z``, ``y -> y + s |z|**2``.

    References
    ----------
    B. Fiedler, S. Liebscher, J. C. Alexander, Generic Hopf bifurcation from lines of equilibria without parameters: I.
    Theory, J. Differential Equations 167 (2000) 16-35, doi:10.1006/jdeq.2000.3779.
    """
    import mpmath

    q, p = critical_vectors(matrix, eigenvalue)
    along, across = _real_vectors(matrix, 1 if time == "discrete" else 0)
    drift = local.coefficient(local.series({(1, 0): q, (0, 1): q.conjugate()}, 2), (1, 1))
    mixed = local.coefficient(local.series({(1, 0): q, (0, 1): along}, 2), (1, 1))
    growth = (p * mixed)[0]
    if time == "discrete":
        growth *= mpmath.conj(eigenvalue)
    return mpmath.re(growth), mpmath.re((across * drift)[0])


def scalar_coefficients(local: LocalMap, matrix: Any, eigenvalue: int) -> tuple[Any, Any]:
    """Return coefficients ``(a, c)`` of w**2 and w**3 at one critical real eigenvalue: 0 (flow), 1 or -1 (map).

    Parameters
    ----------
    local : LocalMap
    matrix : mpmath matrix, shape (n, n)
    eigenvalue : {0, 1, -1}

    Returns
    -------
    a, c : mpmath numbers
        ``a`` is 0 for -1, where no quadratic term is resonant.
    """
    import mpmath

    q, p = _real_vectors(matrix, eigenvalue)
    unit = mpmath.eye(matrix.rows)
    second = local.coefficient(local.series({(1,): q}, 2), (2,))
    if eigenvalue == -1:
        quadratic, h2 = mpmath.mpf(0), local.on_level(unit - matrix, second, {(1,): q}, (2,))
    else:
        h2, quadratic = _bordered(eigenvalue * unit - matrix, q, p, second)
    third = local.coefficient(local.series({(1,): q, (2,): h2}, 3), (3,))
    return quadratic, (p * third)[0]


def _real_vectors(matrix: Any, eigenvalue: int) -> tuple[Any, Any]:
    q, p = critical_vectors(matrix, eigenvalue)
    return q.apply(lambda item: item.real), p.apply(lambda item: item.real)


def parameter_coefficients(local: LocalMap, matrix: Any, eigenvalue: int, extended: LocalMap) -> tuple[Any, Any]:
    """Return ``(s, r)``: coefficients of the parameter, and of the parameter times w, at a critical eigenvalue 0 or 1.

    Parameters
    ----------
    local : LocalMap
    matrix : mpmath matrix, shape (n, n)
    eigenvalue : {0, 1}
    extended : LocalMap
        The same equations with the parameter as a last state.

    Returns
    -------
    s, r : mpmath numbers
        ``r`` on the manifold that follows the parameter.
    """
    import mpmath

    q, p = _real_vectors(matrix, eigenvalue)
    size = matrix.rows
    still = [mpmath.mpf(0)] * size
    along = {(1, 0): [*q, mpmath.mpf(0)], (0, 1): [*still, mpmath.mpf(1)]}
    shift = local.coefficient(extended.series(along, 1), (0, 1))[:size, 0]
    h01, speed = _bordered(eigenvalue * mpmath.eye(size) - matrix, q, p, shift)
    along[0, 1] = [*h01, mpmath.mpf(1)]
    mixed = local.coefficient(extended.series(along, 2), (1, 1))[:size, 0]
    return speed, (p * mixed)[0]


def bogdanov_takens_coefficients(local: LocalMap, matrix: Any) -> tuple[Any, Any]:
    """Return ``(a, b)`` of dw0/dt = w1, dw1/dt = a w0**2 + b w0 w1 at a double zero eigenvalue.

    Parameters
    ----------
    local : LocalMap
    matrix : mpmath matrix, shape (n, n)

    Returns
    -------
    a, b : mpmath numbers
        With <q0, q0> = 1, <q1, q0> = 0; both change sign with q0, whose largest component is positive.

    References
    ----------
    Yu. A. Kuznetsov, Practical computation of normal forms on center manifolds at degenerate Bogdanov-Takens bifurcations,
    Int. J. Bifurcation Chaos 15 (2005) 3535-3546, doi:10.1142/S0218127405014209.
    """
    import mpmath

    size = matrix.rows
    left, _, right = mpmath.svd_r(mpmath.matrix(matrix))
    q0, p1 = right[size - 1, :].T, left[:, size - 1].T
    largest = max(range(size), key=lambda i: abs(q0[i]))
    q0 *= mpmath.sign(q0[largest])
    q1, _ = _bordered(matrix, p1.T, q0.T, q0)
    p1 /= (p1 * q1)[0]
    p0, _ = _bordered(matrix.T, q0, p1, p1.T)
    p0 = p0.T - (p0.T * q1)[0] * p1
    series = local.series({(1, 0): q0, (0, 1): q1}, 2)
    pure, mixed = local.coefficient(series, (2, 0)), local.coefficient(series, (1, 1))
    return (p1 * pure)[0], (p1 * mixed)[0] + 2 * (p0 * pure)[0]
