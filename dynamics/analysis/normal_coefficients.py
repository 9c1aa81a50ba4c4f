"""Normal-form coefficients from arrays of derivatives, in double precision: fast, and for iterated maps as well.

The conventions are those of `normal_form`: <q, q> = <p, q> = 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.expansions import Expansion

__all__ = ["flip_coefficient", "null_vectors", "pair_coefficient", "parameter_coefficients", "zero_coefficients"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def null_vectors(matrix: NDArray, value: complex = 0.0) -> tuple[NDArray, NDArray]:
    """Return ``(q, p)``: right and left null vectors of ``matrix - value`` with <q, q> = 1 and ``p @ q = 1``.

    ``p`` is a row, already conjugated; the largest component of ``q`` is positive. Where the eigenvalue is not simple, p is
    not finite.
    """
    left, _, right = np.linalg.svd(matrix - value * np.eye(len(matrix)))
    q, p = right[-1].conj(), left[:, -1].conj()
    largest = int(np.argmax(np.abs(q)))
    q = q * (abs(q[largest]) / q[largest])
    overlap = p @ q
    return q, p / overlap if abs(overlap) > 1e-12 else np.full(len(q), np.nan)


def _forms(expansion: Expansion, n: int) -> tuple[Array, Array, Array]:
    second, third = expansion.second, expansion.third
    if second is None or third is None:
        raise ValueError("an expansion to third order is needed")
    return expansion.first[:, :n], second[:, :n, :n], third[:, :n, :n, :n]


def _two(form: Array, u: NDArray, v: NDArray) -> NDArray:
    return np.asarray(form @ v @ u)


def _three(form: Array, u: NDArray, v: NDArray, w: NDArray) -> NDArray:
    return np.asarray(form @ w @ v @ u)


def _bordered(matrix: NDArray, q: NDArray, p: NDArray, right: NDArray) -> tuple[NDArray, complex]:
    """``(h, c)`` with matrix h + c q = right, p h = 0."""
    whole = np.block([[matrix, q[:, None]], [p[None, :], np.zeros((1, 1))]])
    solved = np.linalg.solve(whole, np.append(right, 0.0))
    return solved[:-1], solved[-1]


def zero_coefficients(expansion: Expansion, n: int, discrete: bool) -> tuple[float, float]:
    """Return ``(a, c)`` of w**2 and w**3 at an eigenvalue 0 (flow) or 1 (map)."""
    a, b, c = _forms(expansion, n)
    shifted = a - np.eye(n) if discrete else a
    q, p = null_vectors(shifted)
    h, quadratic = _bordered(-shifted, q, p, _two(b, q, q) / 2)
    return float(np.real(quadratic)), float(np.real(p @ (_three(c, q, q, q) / 6 + _two(b, q, h))))


def parameter_coefficients(expansion: Expansion, n: int, discrete: bool, column: int) -> tuple[float, float]:
    """Return ``(s, r)`` of the parameter in a column, and of the parameter times w, at an eigenvalue 0 (flow) or 1 (map)."""
    a, b, _ = _forms(expansion, n)
    shifted = a - np.eye(n) if discrete else a
    q, p = null_vectors(shifted)
    h, speed = _bordered(-shifted, q, p, expansion.first[:, column])
    second = expansion.second
    mixed = second[:, :n, column] @ q if second is not None else np.zeros(n)
    return float(np.real(speed)), float(np.real(p @ (_two(b, q, h) + mixed)))


def _still(expansion: Expansion, n: int, discrete: bool, level: Expansion | None, u: NDArray, v: NDArray) -> NDArray:
    """The second-order term of the manifold that does not turn: on the level set of conserved quantities, where given."""
    if level is not None and level.second is not None:
        return np.asarray(-np.linalg.solve(level.first[:, :n], _two(level.second[:, :n, :n], u, v)))
    a, b, _ = _forms(expansion, n)
    return np.asarray(np.linalg.solve(np.eye(n) - a if discrete else -a, _two(b, u, v)))


def flip_coefficient(expansion: Expansion, n: int, level: Expansion | None = None) -> float:
    """Return b of w -> -w + b w**3 at a multiplier -1; ``level`` as for `pair_coefficient`."""
    a, b, c = _forms(expansion, n)
    q, p = null_vectors(a + np.eye(n))
    h = _still(expansion, n, True, level, q, q) / 2
    return float(p @ (_three(c, q, q, q) / 6 + _two(b, q, h)))


def pair_coefficient(expansion: Expansion, n: int, value: complex, discrete: bool, level: Expansion | None = None) -> float:
    """Return l1 = Re(c1)/omega at a pair i omega (flow), d = Re(conj(mu) c1) at a pair mu (map).

    Where quantities are conserved, ``level`` is the expansion of the equations with their levels in place of redundant rows.

    References
    ----------
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, 3rd ed. (2004), sections 5.4.1 and 5.4.2,
    doi:10.1007/978-1-4757-3978-7.
    """
    a, b, c = _forms(expansion, n)
    q, p = null_vectors(a.astype(complex), value)
    unit = np.eye(n)
    still = _still(expansion, n, discrete, level, q, q.conj())
    double = np.linalg.solve((value**2 if discrete else 2 * value) * unit - a, _two(b, q, q))
    total = _three(c, q, q, q.conj()) + 2 * _two(b, q, still) + _two(b, q.conj(), double)
    cubic = (p @ total) / 2
    return float((np.conj(value) * cubic).real if discrete else (cubic / value.imag).real)
