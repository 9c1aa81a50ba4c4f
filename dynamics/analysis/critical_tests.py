"""Numbers that change sign where a fixed point on a branch bifurcates, computed from its eigenvalues and its tangent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.arclength import CurvePoint
from dynamics.analysis.fixed_point_equations import FixedPointEquations

__all__ = ["TESTS", "Sample", "pair_factors", "sample", "unstable_count"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
TESTS = {"continuous": ("fold", "branch_point", "hopf"),
         "discrete": ("fold", "branch_point", "period_doubling", "neimark_sacker")}
REAL = 1e-9


@dataclass(frozen=True, eq=False)
class Sample:
    """A point on a branch with its eigenvalues and the values of the tests."""

    point: CurvePoint
    eigenvalues: Complex
    tests: dict[str, float]

    @property
    def position(self) -> Array:
        """States and parameter."""
        return self.point.position


def sample(equations: FixedPointEquations, point: CurvePoint) -> Sample:
    """Return eigenvalues and tests at a point of a branch."""
    z = point.position
    n = equations.dimension
    eigenvalues = equations.eigenvalues(z)
    tests = {"fold": float(point.tangent[n] * equations.weights(z)[n]), "branch_point": _determinant(equations, point)}
    if equations.discrete:
        tests["period_doubling"] = _signed([(1 + x.real) / (1 + abs(x)) for x in eigenvalues if x.imag == 0])
        tests["neimark_sacker"] = _signed([_real(x * y - 1) / (1 + abs(x * y)) for x, y in pair_factors(eigenvalues)])
    else:
        tests["hopf"] = _signed([_real(x + y) / (abs(x) + abs(y) or 1.0) for x, y in pair_factors(eigenvalues)])
    return Sample(point, eigenvalues, tests)


def pair_factors(eigenvalues: Complex) -> Iterator[tuple[complex, complex]]:
    """Pairs of eigenvalues whose sum and product are real: two real ones, or a complex one with its conjugate.

    Examples
    --------
    >>> import numpy as np
    >>> list(pair_factors(np.array([1+2j, 1-2j, 3+0j])))
    [((1+2j), (1-2j))]
    """
    listed = [complex(x) for x in eigenvalues]
    yield from combinations([x for x in listed if x.imag == 0], 2)
    yield from ((x, x.conjugate()) for x in listed if x.imag > 0)


def _real(value: complex) -> float:
    return value.real


def _signed(factors: list[float]) -> float:
    """The smallest factor in size, with the sign of the product: continuous, and zero where any factor is."""
    if not factors:
        return 1.0
    sign = -1.0 if sum(f < 0 for f in factors) % 2 else 1.0
    return sign * min(abs(f) for f in factors)


def _determinant(equations: FixedPointEquations, point: CurvePoint) -> float:
    """Of the derivatives of H and the tangent; its sign changes at simple branch points only."""
    weights = equations.weights(point.position)
    # in scaled unknowns, so that the size does not depend on units
    matrix = np.vstack([equations.jacobian(point.position) / weights, weights * point.tangent])
    if not np.all(np.isfinite(matrix)):
        return float("nan")
    rows = np.abs(matrix).max(axis=1)
    rows[rows == 0] = 1.0
    return float(np.linalg.det(matrix / rows[:, None]))


def unstable_count(eigenvalues: Complex, discrete: bool) -> int:
    """Number of eigenvalues on the unstable side."""
    return int(np.sum(np.abs(eigenvalues) > 1 + REAL if discrete else eigenvalues.real > 0))
