"""Defining systems of bifurcations: equations that have the bifurcation as a regular solution, solved by Newton's method.

Folds, Hopf points, flips and Neimark-Sacker points are fixed points where a matrix M made of the Jacobian A has rank
defect one or two. A bordered linear system turns that into one or two smooth scalar equations (minimally augmented
systems), with exact gradients by second derivatives of the equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.fixed_point_equations import FixedPointEquations
from dynamics.compiled.expansions import Expansion

__all__ = ["Bordered", "Polished", "bordered_at", "branch_point_system", "newton", "singular_values_of"]

Array = NDArray[np.float64]
EPSILON = float(np.finfo(float).eps)
MOST_UPDATES = 25
DEFECT = {"fold": 1, "period_doubling": 1, "hopf": 2, "neimark_sacker": 2}


@dataclass(frozen=True, eq=False)
class Polished:
    """A solution of a defining system.

    Attributes
    ----------
    solution : array
    residual : float
        Largest equation, relative to the size of its terms.
    error : array
        What rounding leaves uncertain in each unknown.
    jacobian : array
    """

    solution: Array
    residual: float
    error: Array
    jacobian: Array


def newton(system: Callable[[Array], tuple[Array, Array]], guess: Array, scale: Array) -> Polished | None:
    """Solve a square system to the end of double precision; None where Newton's method does not converge.

    Parameters
    ----------
    system : callable
        ``system(Z)`` -> (equations, Jacobian).
    guess : array, shape (N,)
    scale : array, shape (N,)
        Sizes below which changes do not matter.

    Returns
    -------
    Polished or None
    """
    place, before, quiet = np.array(guess, dtype=float), np.inf, 0
    for _ in range(MOST_UPDATES):
        values, jacobian = system(place)
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(jacobian))):
            return None
        rows = np.abs(jacobian).max(axis=1)
        rows[rows == 0] = 1.0
        try:
            update = -np.linalg.solve(jacobian / rows[:, None], values / rows)
        except np.linalg.LinAlgError:
            return None
        size = float(np.max(np.abs(update) / (scale + np.abs(place))))
        if not np.isfinite(size) or size > 1e3:
            return None
        place = place + update
        # rounding is reached when updates are tiny and no longer shrink; two of them in a row end it
        quiet = quiet + 1 if size <= 1e-9 else 0
        if size <= 4 * EPSILON or (quiet >= 2 and size > 0.2 * before) or quiet >= 4:
            return _judged(system, place)
        before = size
    return None


def _judged(system: Callable[[Array], tuple[Array, Array]], place: Array) -> Polished | None:
    values, jacobian = system(place)
    largest = np.abs(jacobian).max(axis=1)
    largest[largest == 0] = 1.0
    rounding = EPSILON * (np.abs(jacobian) @ np.abs(place))
    try:
        inverse = np.abs(np.linalg.inv(jacobian / largest[:, None]))
    except np.linalg.LinAlgError:
        return None
    residual = float(np.max(np.abs(values) / (rounding / EPSILON + largest)))
    error = inverse @ ((np.abs(values) + rounding) / largest)
    return Polished(place, residual, error, jacobian) if np.all(np.isfinite(error)) else None


@dataclass(frozen=True, eq=False)
class Bordered:
    """Where M(z, extra) loses rank: g = 0.

    Attributes
    ----------
    equations : FixedPointEquations
    kind : {"fold", "period_doubling", "hopf", "neimark_sacker"}
        M = A (maps: A - 1; the derivatives of H by the states), A + 1, A**2 + k, A**2 - 2 k A + 1; for the last two ``k``
        is the last unknown: the squared frequency of a flow, the cosine of the angle of a map.
    left, right : array, shape (n, defect)
        Borders.
    mix : array, shape (defect,)
    """

    equations: FixedPointEquations
    kind: str
    left: Array
    right: Array
    mix: Array

    @property
    def extra(self) -> bool:
        """Whether k is an unknown."""
        return DEFECT[self.kind] == 2

    def source(self, place: Array) -> Expansion:
        """What M is made of: derivatives of H for folds, which level sets of conserved quantities keep simple, else of f."""
        return self.equations.defining(place, 2) if self.kind == "fold" else self.equations.expansion(place, 2)

    def scalars(self, place: Array, expansion: Expansion) -> tuple[Array, Array, Array]:
        """``(g, gradient by the unknowns, v)`` at (z, k) with the expansion of ``source``; M v = 0 once g = 0."""
        n = self.equations.dimension
        a, second = expansion.first[:, :n], second_of(expansion)[:, :n, :]
        matrix = singular_matrix(self, a, place)
        defect = len(self.mix)
        zero = np.zeros((defect, defect))
        whole = np.block([[matrix, self.left], [self.right.T, zero]])
        size = np.abs(whole).max()
        solved = np.linalg.solve(whole, np.concatenate([np.zeros(n), self.mix]) if size else np.zeros(n + defect))
        v, g = solved[:n], solved[n:]
        adjoint = np.linalg.solve(whole.T, np.vstack([np.zeros((n, defect)), np.eye(defect)]))[:n]
        along = np.einsum("ijk,j->ik", second, v)
        if not self.extra:
            return g, -adjoint.T @ along, v
        quadratic = np.einsum("ijk,j->ik", second, a @ v) + a @ along
        if self.kind == "hopf":
            return g, -adjoint.T @ np.column_stack([quadratic, v]), v
        return g, -adjoint.T @ np.column_stack([quadratic - 2 * place[-1] * along, -2 * (a @ v)]), v

    def __call__(self, place: Array) -> tuple[Array, Array]:
        """Equations H = 0, g = 0 and their Jacobian; as many as there are unknowns when one parameter varies."""
        expansion = self.source(place)
        n, unknowns = self.equations.dimension, len(place)
        defining = expansion if self.kind == "fold" else self.equations.defining(place)
        values, first = defining.value, defining.first
        top = np.zeros((n, unknowns))
        top[:, :first.shape[1]] = first
        if not (np.all(np.isfinite(first)) and np.all(np.isfinite(second_of(expansion)))):
            rows = n + len(self.mix)
            return np.full(rows, np.nan), np.full((rows, unknowns), np.nan)
        try:
            g, gradient, _ = self.scalars(place, expansion)
        except np.linalg.LinAlgError:
            rows = n + len(self.mix)
            return np.full(rows, np.nan), np.full((rows, unknowns), np.nan)
        return np.concatenate([values, g]), np.vstack([top, gradient])


def second_of(expansion: Expansion) -> Array:
    """Second derivatives of an expansion of order two; zeros where it has none."""
    n, m = expansion.first.shape
    return np.zeros((n, m, m)) if expansion.second is None else expansion.second


def singular_matrix(bordered: Any, a: Array, place: Array) -> Array:
    """M at a place."""
    unit = np.eye(len(a))
    if bordered.kind == "fold":
        return a
    if bordered.kind == "period_doubling":
        return a + unit
    return a @ a + place[-1] * unit if bordered.kind == "hopf" else a @ a - 2 * place[-1] * a + unit


@dataclass(frozen=True, eq=False)
class _Bare:
    equations: FixedPointEquations
    kind: str


def bordered_at(equations: FixedPointEquations, kind: str, place: Array) -> Bordered | None:
    """Return the defining system with borders fit for a place; None where it has no finite derivatives.

    Parameters
    ----------
    equations : FixedPointEquations
    kind : {"fold", "period_doubling", "hopf", "neimark_sacker"}
    place : array
        States, varied parameters, and k for the last two kinds.

    Returns
    -------
    Bordered or None
    """
    n = equations.dimension
    defect = DEFECT[kind]
    if defect > n:
        return None
    a = equations.jacobian(place)[:, :n] if kind == "fold" else equations.matrix(place)
    matrix = singular_matrix(_Bare(equations, kind), a, place)
    if not np.all(np.isfinite(matrix)):
        return None
    left, _, right = np.linalg.svd(matrix)
    borders = left[:, n - defect:], right[n - defect:].T
    if defect == 1:
        return Bordered(equations, kind, *borders, np.ones(1))
    # M v = 0 for one v is enough, but at a double zero eigenvalue v must not be the eigenvector itself
    best, quality = None, -1.0
    for mix in ((1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.6, -0.8)):
        trial = Bordered(equations, kind, *borders, np.array(mix))
        _, jacobian = trial(place)
        smallest = singular_values_of(jacobian)[-1] if np.all(np.isfinite(jacobian)) else -1.0
        if smallest > quality:
            best, quality = trial, smallest
    return best


def singular_values_of(jacobian: Array) -> Array:
    """Singular values of a matrix with its rows scaled to size 1, largest first."""
    rows = np.abs(jacobian).max(axis=1)
    rows[rows == 0] = 1.0
    return np.asarray(np.linalg.svd(jacobian / rows[:, None], compute_uv=False), dtype=float)


def branch_point_system(equations: FixedPointEquations, left: Array) -> Callable[[Array], tuple[Array, Array]]:
    """Return Moore's system for branch points in (z, imperfection, left null vector); no imperfection: a branch point.

    Parameters
    ----------
    equations : FixedPointEquations
        Of one parameter.
    left : array, shape (n,)
        About the left null vector of the derivatives of H by z.

    Returns
    -------
    callable
        For `newton`.

    References
    ----------
    G. Moore, The numerical treatment of non-trivial bifurcation points, Numer. Funct. Anal. Optim. 2 (1980) 441-472,
    doi:10.1080/01630568008816071.
    """
    n = equations.dimension

    def system(place: Array) -> tuple[Array, Array]:
        z, imperfection, w = place[:n + 1], place[n + 1], place[n + 2:]
        expansion = equations.defining(z, 2)
        values, first = expansion.value, expansion.first
        size = 2 * n + 2
        equation, jacobian = np.zeros(size), np.zeros((size, size))
        equation[:n] = values + imperfection * left
        equation[n:2 * n + 1] = first.T @ w
        equation[-1] = left @ w - 1
        jacobian[:n, :n + 1], jacobian[:n, n + 1] = first, left
        jacobian[n:2 * n + 1, :n + 1] = np.tensordot(w, second_of(expansion), axes=1)
        jacobian[n:2 * n + 1, n + 2:] = first.T
        jacobian[-1, n + 2:] = left
        return equation, jacobian

    return system
