"""Quadratic forms that fall along a stable linear flow: solutions Q of Lyapunov's equation J'Q + QJ = -1, for many J."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["form_of", "pull", "solved"]

Array = NDArray[np.float64]
LARGEST_SOLVED = 6        # states up to which Lyapunov's equation is solved as one linear system
DOUBLINGS = 60            # of the sum that solves it for more states: enough for rates that differ by 2**60
PRECISION = 64 * 2.0**-52  # share of the sum below which a further term no longer counts


def solved(matrix: Array, right: Array) -> Array:
    """Solutions for right-hand sides of shape (lanes, n, columns); nan where there are none."""
    if not matrix.shape[-1]:
        return right
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        # a zero eigenvalue that is not simple: no projection exists
        fine = np.abs(np.linalg.det(matrix)) > 0
        found = np.full(right.shape, np.nan)
        found[fine] = np.linalg.solve(matrix[fine], right[fine])
        return found


def pull(jacobian: Array, away: Array) -> Array:
    """Q z, shape (n, lanes), of the solutions Q of J'Q + QJ = -1, with J of shape (n, n, lanes).

    Q is the integral of exp(J't) exp(Jt), and exp(Jt) a polynomial in J whose coefficients depend on the characteristic
    polynomial of J alone. For up to three states their integrals have closed forms, ten times as fast as linear systems.
    """
    n = len(away)
    if n > 3:
        return np.einsum("kij,jk->ik", form_of(jacobian.transpose(2, 0, 1)), away)
    powers = [away]
    for _ in range(n - 1):
        powers.append(np.einsum("ijk,jk->ik", jacobian, powers[-1]))
    weights = (_weights_of_one, _weights_of_two, _weights_of_three)[n - 1](jacobian)
    found = np.zeros_like(away)
    for j in reversed(range(n)):
        found = np.einsum("jik,jk->ik", jacobian, found)
        for k in range(n):
            found = found + weights[min(j, k), max(j, k)] * powers[k]
    return found


def _weights_of_one(a: Array) -> dict[tuple[int, int], Array]:
    return {(0, 0): -0.5 / a[0, 0]}


def _weights_of_two(a: Array) -> dict[tuple[int, int], Array]:
    first = -(a[0, 0] + a[1, 1])
    last = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
    return {(0, 0): 0.5 / first + 0.5 * first / last, (0, 1): 0.5 / last, (1, 1): 0.5 / (first * last)}


def _weights_of_three(a: Array) -> dict[tuple[int, int], Array]:
    """Of s**3 + c1 s**2 + c2 s + c3, with the determinant of Hurwitz c1 c2 - c3."""
    minors = [a[i, i] * a[j, j] - a[i, j] * a[j, i] for i, j in ((0, 1), (0, 2), (1, 2))]
    c1 = -(a[0, 0] + a[1, 1] + a[2, 2])
    c2 = minors[0] + minors[1] + minors[2]
    c3 = -(a[0, 0] * minors[2] - a[0, 1] * (a[1, 0] * a[2, 2] - a[1, 2] * a[2, 0])
           + a[0, 2] * (a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0]))
    share = 0.5 / (c3 * (c1 * c2 - c3))
    return {(0, 0): (c1 * c1 * c3 + c2 * (c1 * c2 - c3)) * share, (0, 1): c1 * c1 * c2 * share, (0, 2): 0.5 / c3,
            (1, 1): c1 * (c1 * c1 + c2) * share - 0.5 / c3, (1, 2): c1 * c1 * share, (2, 2): c1 * share}


def form_of(matrix: Array) -> Array:
    """Solutions Q of J'Q + QJ = -1 for stable matrices of shape (lanes, n, n)."""
    lanes, n = matrix.shape[:2]
    if n > LARGEST_SOLVED:
        return _summed(matrix)
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    number = {pair: k for k, pair in enumerate(pairs)}
    system = np.zeros((lanes, len(pairs), len(pairs)))
    right = np.array([-1.0 if i == j else 0.0 for i, j in pairs])
    for (i, j), row in number.items():
        for k in range(n):
            system[:, row, number[min(k, j), max(k, j)]] += matrix[:, k, i]
            system[:, row, number[min(i, k), max(i, k)]] += matrix[:, k, j]
    found = solved(system, np.broadcast_to(right[:, None], (lanes, len(pairs), 1)))[..., 0]
    form = np.empty((lanes, n, n))
    for (i, j), row in number.items():
        form[:, i, j] = found[:, row]
        form[:, j, i] = found[:, row]
    return form


def _summed(matrix: Array) -> Array:
    """The same by the doubled sum of Smith, whose work grows with the third power of the number of states."""
    one = np.eye(matrix.shape[1])
    shift = np.sqrt(np.sum(matrix**2, axis=(1, 2)))[:, None, None]
    inverse = np.linalg.inv(shift * one - matrix)
    turn = inverse @ (shift * one + matrix)
    form = 2.0 * shift * inverse.transpose(0, 2, 1) @ inverse
    for _ in range(DOUBLINGS):
        more = turn.transpose(0, 2, 1) @ form @ turn
        form = form + more
        turn = turn @ turn
        if not np.any(np.abs(more) > PRECISION * np.abs(form).max(axis=(1, 2), keepdims=True)):
            break
    return form
