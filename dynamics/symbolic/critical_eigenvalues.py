"""Which bifurcation a spectrum stands for, and how far a spectrum without one is from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dynamics.errors import DerivationError

__all__ = ["Critical", "balanced_size", "critical_eigenvalues"]

SIMPLE = 1e-9  # relative; the contract of the public functions
DOUBLE = 1e-12  # the product of two eigenvalues that should both be zero feels a perturbation linearly


@dataclass(frozen=True)
class Critical:
    """The critical part of a spectrum.

    Attributes
    ----------
    kind : str
        fold, hopf, bogdanov_takens, zero_hopf, hopf_hopf; of maps fold, period_doubling, neimark_sacker, fold_flip,
        resonance_1_1 to resonance_1_4. Degeneracies of the nonlinear terms are not seen here.
    eigenvalue : mpmath complex number
        Moved exactly to the imaginary axis or the unit circle.
    distance : float
        How far it was from there, relative.
    """

    kind: str
    eigenvalue: Any
    distance: float


def critical_eigenvalues(matrix: Any, time: str, scale: Any = 0) -> Critical:
    """Tell what bifurcation the Jacobian of a fixed point stands for.

    Parameters
    ----------
    matrix : mpmath matrix, shape (n, n)
    time : {"continuous", "discrete"}
    scale : mpmath number
        What counts as one for the eigenvalues, see `balanced_size`; by default the norm of the matrix.

    Returns
    -------
    Critical

    Raises
    ------
    DerivationError
        If no eigenvalue is within 1e-9, relative, of the imaginary axis or the unit circle, or too many are.
    """
    import mpmath

    found = [matrix[0, 0]] if matrix.rows == 1 else mpmath.eig(matrix, left=False, right=False)
    eigenvalues = [mpmath.mpc(item) for item in found]
    scale = scale or mpmath.mnorm(matrix, "F") or mpmath.mpf(1)
    return _of_flow(eigenvalues, scale) if time == "continuous" else _of_map(eigenvalues, scale)


def balanced_size(magnitudes: Sequence[Sequence[float]]) -> float:
    """Return the size of a matrix in the units of its states that make it smallest.

    Parameters
    ----------
    magnitudes : sequence of sequences of float, shape (n, n)
        Sizes of the terms that the entries are sums of; where they cancel, the entries themselves have no scale.

    Returns
    -------
    float
        Frobenius norm after balancing: one state in thousands and another in millionths do not hide the eigenvalues.

    References
    ----------
    E. E. Osborne, On pre-conditioning of matrices, J. ACM 7 (1960) 338-345, doi:10.1145/321043.321048.

    Examples
    --------
    >>> balanced_size([[0.0, 1e8], [1e-8, 0.0]])
    1.4142135623730951
    """
    entries = [list(map(float, row)) for row in magnitudes]
    size = len(entries)
    for _ in range(50):
        changed = False
        for k in range(size):
            row = math.sqrt(sum(entries[k][j] ** 2 for j in range(size) if j != k))
            column = math.sqrt(sum(entries[i][k] ** 2 for i in range(size) if i != k))
            if not (row and column) or abs(math.log(row / column)) < 1e-6:
                continue
            changed, factor = True, math.sqrt(row / column)
            for other in range(size):
                if other != k:
                    entries[k][other] /= factor
                    entries[other][k] *= factor
        if not changed:
            break
    return math.sqrt(sum(item**2 for row in entries for item in row))


def _double(eigenvalues: Sequence[Any], target: int, scale: Any) -> bool:
    nearest = sorted((item - target for item in eigenvalues), key=abs)[:2]
    return len(nearest) == 2 and abs(sum(nearest)) <= SIMPLE * scale and abs(nearest[0] * nearest[1]) <= DOUBLE * scale**2


def _of_flow(eigenvalues: Sequence[Any], scale: Any) -> Critical:
    from mpmath import mpc

    if _double(eigenvalues, 0, scale):
        return _with_others("bogdanov_takens", mpc(0), 0.0, sum(abs(z.real) <= SIMPLE * abs(z) for z in eigenvalues
                                                                if abs(z) > 1e-3 * scale))
    zeros = [z for z in eigenvalues if abs(z) <= SIMPLE * scale]
    pairs = [z for z in eigenvalues if z.imag > SIMPLE * scale and abs(z.real) <= SIMPLE * abs(z)]
    if len(zeros) <= 1 and len(zeros) + len(pairs) in (1, 2):
        kind = {(1, 0): "fold", (0, 1): "hopf", (1, 1): "zero_hopf", (0, 2): "hopf_hopf"}[len(zeros), len(pairs)]
        first = (pairs or zeros)[0]
        distance = abs(first.real) / abs(first) if pairs else abs(first) / scale
        return Critical(kind, mpc(0, first.imag) if pairs else mpc(0), float(distance))
    if len(zeros) + len(pairs) > 2 or len(zeros) > 1:
        raise DerivationError(f"{len(zeros)} zero eigenvalues and {len(pairs)} imaginary pairs at once are beyond "
                              "codimension two; eliminate conserved quantities first")
    oscillating = min((z for z in eigenvalues if z.imag > 0), key=lambda z: abs(z.real) / abs(z), default=None)
    real = min((z for z in eigenvalues if z.imag == 0), key=abs, default=None)
    parts = []
    if oscillating is not None:
        off = float(abs(oscillating.real) / abs(oscillating))
        parts.append(f"the Hopf condition (real part 0) is missed by the pair {_text(oscillating)}, by {off:.3g} relative")
    if real is not None:
        parts.append(f"the fold condition (eigenvalue 0) by {_text(real)}, {float(abs(real) / scale):.3g} relative")
    raise DerivationError("no eigenvalue is critical at this point: " + "; ".join(parts))


def _with_others(kind: str, eigenvalue: Any, distance: float, others: int) -> Critical:
    if others:
        raise DerivationError(f"besides the double eigenvalue of {kind}, others are critical: beyond codimension two")
    return Critical(kind, eigenvalue, distance)


def _of_map(eigenvalues: Sequence[Any], scale: Any) -> Critical:
    from mpmath import mpc

    scale = max(scale, 1)
    for target, kind in ((1, "resonance_1_1"), (-1, "resonance_1_2")):
        if _double(eigenvalues, target, scale):
            return Critical(kind, mpc(target), 0.0)
    plus, minus = ([z for z in eigenvalues if abs(z - target) <= SIMPLE] for target in (1, -1))
    pairs = [z for z in eigenvalues if z.imag > SIMPLE and abs(abs(z) - 1) <= SIMPLE]
    number = len(plus) + len(minus) + len(pairs)
    if number == 2 and len(plus) == len(minus) == 1:
        return Critical("fold_flip", mpc(1), float(abs(plus[0] - 1)))
    if number == 1 and pairs:
        on_circle = pairs[0] / abs(pairs[0])
        kind = next((f"resonance_1_{k}" for k in (3, 4) if abs(on_circle**k - 1) <= SIMPLE), "neimark_sacker")
        return Critical(kind, on_circle, float(abs(abs(pairs[0]) - 1)))
    if number == 1:
        target, kind = (1, "fold") if plus else (-1, "period_doubling")
        return Critical(kind, mpc(target), float(abs((plus or minus)[0] - target)))
    if number:
        raise DerivationError(f"{len(plus)} multipliers 1, {len(minus)} multipliers -1 and {len(pairs)} pairs on the unit "
                              "circle at once have no normal form here; eliminate conserved quantities first")
    nearest = min(eigenvalues, key=lambda z: abs(abs(z) - 1))
    name = "Neimark-Sacker" if nearest.imag else ("fold" if nearest.real > 0 else "period-doubling")
    raise DerivationError(f"no multiplier is critical at this point: the {name} condition (modulus 1) is missed by "
                          f"{_text(nearest)}, by {float(abs(abs(nearest) - 1)):.3g}")


def _text(value: Any) -> str:
    number = complex(value)
    return f"{number.real:.6g}" if number.imag == 0 else f"{number.real:.6g} +- {abs(number.imag):.6g}i"
