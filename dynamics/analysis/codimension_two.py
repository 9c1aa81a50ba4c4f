"""Points of codimension two on curves of folds, Hopf, flip and Neimark-Sacker points: tests, polish, coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Rational, Symbol

from dynamics.analysis.critical_tests import pair_factors
from dynamics.analysis.defining_systems import DEFECT, Bordered, Polished, bordered_at, newton
from dynamics.analysis.fixed_point_equations import FixedPointEquations
from dynamics.analysis.normal_coefficients import pair_coefficient, zero_coefficients
from dynamics.errors import DerivationError

__all__ = ["CURVES", "ENDS", "base_kind", "coefficients", "is_generalized_hopf", "polished_point", "tests_at"]

Array = NDArray[np.float64]
# kinds of curve, the points looked for on them, by time
CURVES = {"continuous": {"fold": ("cusp", "bogdanov_takens", "zero_hopf"),
                         "hopf": ("bogdanov_takens", "generalized_hopf", "zero_hopf", "hopf_hopf")},
          "discrete": {"fold": ("cusp", "resonance_1_1", "fold_flip"),
                       "period_doubling": ("resonance_1_2", "fold_flip"),
                       "neimark_sacker": ("resonance_1_1", "resonance_1_2", "resonance_1_3", "resonance_1_4")}}
ENDS = ("bogdanov_takens", "resonance_1_1", "resonance_1_2")  # where a complex pair becomes two real eigenvalues
LEAST_SQUARE = 1e-12  # of the frequency, next to the squares of the derivatives: below, it is rounding
_COSINES = {"resonance_1_1": 1.0, "resonance_1_2": -1.0, "resonance_1_3": -0.5, "resonance_1_4": 0.0}


def tests_at(equations: FixedPointEquations, kind: str, place: Array, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tests at a point of a curve, and under "vectors" what keeps their signs from jumping.

    Parameters
    ----------
    equations : FixedPointEquations
    kind : str
        Of the curve.
    place : array
        States, two parameters, and k for Hopf and Neimark-Sacker curves.
    before : mapping
        The tests of the point before; empty at the first.
    """
    n, found = equations.dimension, dict[str, Any]()
    eigenvalues = equations.eigenvalues(place)
    if DEFECT[kind] == 1:
        value = {"fold": 1.0 if equations.discrete else 0.0, "period_doubling": -1.0}[kind]
        expansion = equations.defining(place, 2) if kind == "fold" else equations.expansion(place, 2)
        a = expansion.first[:, :n]
        left, _, right = np.linalg.svd(a if kind == "fold" else a + np.eye(n))
        q, p = right[-1], left[:, -1]
        if "vectors" in before:
            q, p = (x if x @ y >= 0 else -x for x, y in zip((q, p), before["vectors"], strict=True))
        found["vectors"] = (q, p)
        found["resonance_1_2" if kind == "period_doubling" else
              "resonance_1_1" if equations.discrete else "bogdanov_takens"] = float(p @ q)
        second = expansion.second
        if kind == "fold" and second is not None:
            found["cusp"] = float(p @ (second[:, :n, :n] @ q @ q))
        rest = np.delete(eigenvalues, int(np.argmin(np.abs(eigenvalues - value))))
        if equations.discrete:
            other = -1.0 if kind == "fold" else 1.0
            found["fold_flip"] = _smallest([(x.real - other) / (1 + abs(x)) for x in rest if x.imag == 0])
        else:
            found["zero_hopf"] = _smallest([(x + y).real / (abs(x) + abs(y) or 1.0) for x, y in pair_factors(rest)])
        return found
    k = float(place[-1])
    if equations.discrete:
        return {name: k - cosine for name, cosine in _COSINES.items()}
    found["bogdanov_takens"] = k
    found["generalized_hopf"] = lyapunov_at(equations, place) if k > 0 else math.nan
    critical = complex(0, math.sqrt(k)) if k > 0 else complex(math.sqrt(-k))
    rest = np.delete(eigenvalues, int(np.argmin(np.abs(eigenvalues - critical))))
    rest = np.delete(rest, int(np.argmin(np.abs(rest + critical))))
    found["zero_hopf"] = _smallest([x.real / (1e-3 + abs(critical) + abs(x)) for x in rest if x.imag == 0])
    found["hopf_hopf"] = _smallest([(x + y).real / (abs(x) + abs(y) or 1.0) for x, y in pair_factors(rest)])
    return found


def _smallest(factors: Sequence[float]) -> float:
    sign = -1.0 if sum(f < 0 for f in factors) % 2 else 1.0
    return sign * min((abs(f) for f in factors), default=1.0)


def lyapunov_at(equations: FixedPointEquations, place: Array) -> float:
    """First Lyapunov coefficient on a Hopf curve; nan where it is singular or the frequency is lost in rounding."""
    n = equations.dimension
    try:
        with np.errstate(all="ignore"):
            expansion = equations.expansion(place, 3)
            if place[-1] <= LEAST_SQUARE * float(np.sum(expansion.first[:, :n] ** 2)):
                return math.nan
            return pair_coefficient(expansion, n, complex(0, math.sqrt(place[-1])), False,
                                    equations.defining(place, 2) if equations.conserved else None)
    except (np.linalg.LinAlgError, ValueError):
        return math.nan


def base_kind(kind: str, curve: str) -> str:
    """The kind of curve whose equations a point of codimension two is polished with."""
    return {"bogdanov_takens": "hopf", "resonance_1_1": "neimark_sacker", "resonance_1_2": "neimark_sacker",
            "zero_hopf": "hopf"}.get(kind, curve)


def polished_point(equations: FixedPointEquations, kind: str, curve: str, guess: Array, scale: Array) -> Polished | None:
    """Solve the defining system of a point of codimension two; unknowns are states, two parameters, then k where it has one.

    Parameters
    ----------
    equations : FixedPointEquations
        Of two parameters.
    kind : str
        Of the point.
    curve : str
        Kind of the curve it was met on.
    guess : array
        A point of the curve.
    scale : array, shape (n + 2,)

    Returns
    -------
    Polished or None

    Notes
    -----
    All equations are exact. Derivatives of cusp and Lyapunov coefficients are central differences, which slows Newton's last
    steps and leaves the solution as it is.
    """
    n, base = equations.dimension, base_kind(kind, curve)
    start, sizes = guess, scale
    if DEFECT[base] == 2:
        start = guess if DEFECT[curve] == 2 else np.append(guess, _start_of_k(equations, kind, guess))
        sizes = np.append(scale, max(1e-3, abs(start[-1])))
    bordered = bordered_at(equations, base, start)
    if bordered is None:
        return None
    if kind == "hopf_hopf":
        return _double_hopf(equations, bordered, start, sizes)
    last = _last_row(equations, kind, bordered, start)
    if last is None:
        return None

    def system(place: Array) -> tuple[Array, Array]:
        values, jacobian = bordered(place)
        value, slope = last(place)
        return np.append(values, value), np.vstack([jacobian, slope])

    found = newton(system, start, sizes)
    return found if found is None or np.all(np.isfinite(found.solution[:n])) else None


def _start_of_k(equations: FixedPointEquations, kind: str, guess: Array) -> float:
    if kind in _COSINES:
        return _COSINES[kind]
    if kind == "bogdanov_takens":
        return 0.0
    pairs = list(pair_factors(equations.eigenvalues(guess)))
    pairs = [pair for pair in pairs if pair[0].imag > 0] or pairs
    best = min(pairs, key=lambda pair: abs((pair[0] + pair[1]).real) / (abs(pair[0]) + abs(pair[1]) or 1.0))
    return float((best[0] * best[1]).real)


def _last_row(equations: FixedPointEquations, kind: str, bordered: Bordered, start: Array
              ) -> Callable[[Array], tuple[float, Array]] | None:
    size = len(start)
    if kind in _COSINES or kind == "bogdanov_takens":
        unit = np.zeros(size)
        unit[-1] = 1.0
        target = _COSINES.get(kind, 0.0)
        return lambda place: (float(place[-1] - target), unit)
    if kind in ("zero_hopf", "fold_flip"):
        other = bordered_at(equations, {"zero_hopf": "fold", "fold_flip": "period_doubling"}[kind]
                            if bordered.kind != "period_doubling" else "fold", start[:equations.dimension + 2])
        if other is None:
            return None

        def scalar(place: Array) -> tuple[float, Array]:
            z = place[:equations.dimension + 2]
            g, gradient, _ = other.scalars(z, other.source(z))
            return float(g[0]), np.append(gradient[0], np.zeros(size - len(z)))

        return scalar

    def value(place: Array) -> float:
        if kind == "generalized_hopf":
            return lyapunov_at(equations, place) if place[-1] > 0 else math.nan
        expansion = equations.defining(place, 2)
        n = equations.dimension
        a = expansion.first[:, :n]
        whole = np.block([[a, bordered.left], [bordered.right.T, np.zeros((1, 1))]])
        unit = np.append(np.zeros(n), 1.0)
        v, w = np.linalg.solve(whole, unit)[:n], np.linalg.solve(whole.T, unit)[:n]
        second = expansion.second
        return float(w @ (second[:, :n, :n] @ v @ v)) if second is not None else math.nan

    steps = 1e-6 * (np.abs(start) + np.append(equations.scale, np.full(size - equations.dimension, 1e-2)))

    def differenced(place: Array) -> tuple[float, Array]:
        slope = np.array([(value(place + step) - value(place - step)) / (2 * step[k])
                          for k, step in enumerate(np.diag(steps))])
        return value(place), slope

    return differenced


def _double_hopf(equations: FixedPointEquations, first: Bordered, start: Array, sizes: Array) -> Polished | None:
    n = equations.dimension
    pairs = [pair for pair in pair_factors(equations.eigenvalues(start)) if pair[0].imag > 0]
    others = sorted(pairs, key=lambda pair: abs(abs(pair[0]) ** 2 - start[-1]))[1:]
    if not others:
        return None
    squared = abs(min(others, key=lambda pair: abs(pair[0].real) / abs(pair[0]))[0]) ** 2
    z = start[:n + 2]
    second = bordered_at(equations, "hopf", np.append(z, squared))
    if second is None:
        return None

    def system(place: Array) -> tuple[Array, Array]:
        values, jacobian = first(place[:-1])
        other = np.append(place[:n + 2], place[-1])
        extra, slope = second(other)
        top = np.column_stack([jacobian, np.zeros(len(jacobian))])
        bottom = np.column_stack([slope[n:, :n + 2], np.zeros((2, 1)), slope[n:, -1:]])
        return np.concatenate([values, extra[n:]]), np.vstack([top, bottom])

    return newton(system, np.append(start, squared), np.append(sizes, max(1e-3, squared)))


def coefficients(equations: FixedPointEquations, kind: str, place: Array) -> tuple[dict[str, float], str]:
    """Return normal-form coefficients by name, and a remark.

    Cusp: c of w**3; Bogdanov-Takens: a, b; generalized Hopf: l2 and omega. Others have their frequencies only.
    """
    n = equations.dimension
    if kind == "cusp":
        c = zero_coefficients(equations.expansion(place, 3), n, equations.discrete)[1]
        return {"c": c}, ""
    if equations.discrete:
        return {}, ""
    if kind in ("zero_hopf", "hopf_hopf"):
        found = {"omega": math.sqrt(abs(place[n + 2]))}
        return found | ({"omega2": math.sqrt(abs(place[n + 3]))} if kind == "hopf_hopf" else {}), ""
    try:
        if kind == "bogdanov_takens":
            a, b = _in_many_digits(equations, place, kind)
            return {"a": a, "b": b}, ""
        l2, = _in_many_digits(equations, place, kind)
        return {"omega": math.sqrt(place[-1]), "l2": l2}, ""
    except DerivationError as error:
        return {}, str(error)


def is_generalized_hopf(equations: FixedPointEquations, place: Array, around: float) -> bool:
    """Whether the first Lyapunov coefficient is zero also in many digits, next to its size ``around`` this place.

    Towards a Bogdanov-Takens point terms that grow as the frequency falls cancel, and rounding decides the sign.
    """
    try:
        (l1,) = _in_many_digits(equations, place, "hopf")
    except DerivationError:
        return True
    return abs(l1) <= max(1e-2 * around, 1e-10)


def _in_many_digits(equations: FixedPointEquations, place: Array, kind: str) -> tuple[float, ...]:
    """Coefficients by power series in multiple precision."""
    import mpmath

    from dynamics.symbolic.center_manifold import DIGITS, LocalMap, bogdanov_takens_coefficients, pair_coefficients

    values = {Symbol(name): Rational(value) for name, value in equations.parameters_of(place).items()}
    fields = tuple(e.xreplace(values) for e in equations.regime.expressions)
    with mpmath.workdps(DIGITS):
        local = LocalMap(fields, tuple(Symbol(name) for name in equations.system.states),
                         tuple(mpmath.mpf(float(x)) for x in place[:equations.dimension]))
        matrix = local.jacobian()
        if kind == "bogdanov_takens":
            return tuple(float(x) for x in bogdanov_takens_coefficients(local, matrix))
        value = mpmath.mpc(0, mpmath.sqrt(mpmath.mpf(float(place[-1]))))
        order = 3 if kind == "hopf" else 5
        return (float((pair_coefficients(local, matrix, value, "continuous", order)[-1] / value.imag).real),)

