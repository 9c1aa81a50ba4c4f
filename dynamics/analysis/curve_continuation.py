"""Curves of bifurcations in two parameters, with their points of codimension two."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.arclength import CurvePoint, trace
from dynamics.analysis.branch_following import regime_of
from dynamics.analysis.codimension_two import CURVES, ENDS
from dynamics.analysis.critical_tests import pair_factors, unstable_count
from dynamics.analysis.curve_points import Border, Curve, Row, rows_of
from dynamics.analysis.defining_systems import DEFECT, Bordered, bordered_at, newton
from dynamics.analysis.fixed_point_continuation import control_of
from dynamics.analysis.fixed_point_equations import FixedPointEquations, equations_of, limits_of, prepared
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.starting_points import checked_bounds, checked_box, start_values
from dynamics.analysis.treatability import treat
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError
from dynamics.results import Branch, SpecialPoint, provenance
from dynamics.results.branches import branch, numbered
from dynamics.systems import System

__all__ = ["continue_curve"]

Array = NDArray[np.float64]
# which curve a point of codimension two starts
_STARTS = {"cusp": "fold", "bogdanov_takens": "hopf", "generalized_hopf": "hopf", "zero_hopf": "hopf", "hopf_hopf": "hopf",
           "fold_flip": "period_doubling", "resonance_1_1": "neimark_sacker", "resonance_1_2": "neimark_sacker",
           "resonance_1_3": "neimark_sacker", "resonance_1_4": "neimark_sacker"}
_BORDER = "border between regimes"


def continue_curve(system: System, start: SpecialPoint, parameters: Sequence[str] = (),
                   bounds: Mapping[str, tuple[float, float]] | Sequence[tuple[float, float]] | None = None, *,
                   kind: str | None = None, box: Mapping[str, tuple[Any, Any]] | None = None, largest_step: float = 0.02,
                   most_steps: int = 5000, ignore: str | Sequence[str] = ()) -> Branch:
    """continue_curve(system, branch["HB1"], ("a", "b"), {"a": (0, 1), "b": (0, 2)}): a bifurcation in two parameters.

    Parameters
    ----------
    system : System
        Flow or map.
    start : SpecialPoint
        fold, hopf, period_doubling, neimark_sacker or border_collision of a fixed point; fold_of_cycles, period_doubling
        or neimark_sacker of a cycle (``continue_cycle_curve`` has its own options); or a point of codimension two,
        which starts the Hopf (Neimark-Sacker) curve through it where there is one.
    parameters : (str, str)
    bounds : mapping of str to (float, float), or two pairs, optional
        None: declared bounds, ten times the value of the start where there are none.
    kind : str, optional
        Of the curve, where a point of codimension two starts several: "fold", "hopf", "period_doubling", "neimark_sacker";
        at generalized Hopf points of flows also "fold_of_cycles".
    box : mapping of str to (lower, upper), optional
        Bounds of states.
    largest_step, most_steps, ignore
        As for `continue_fixed_points`.

    Returns
    -------
    Branch
        ``.table`` with both parameters, the states, and the frequency (``omega``) and first Lyapunov coefficient (``l1``) of
        Hopf points; ``branch["BT1"]``.

    Raises
    ------
    SpecificationError
        For a start or names that do not fit, or noise, jumps and resets.
    ConvergenceError
        If the start is no such bifurcation.

    Notes
    -----
    Minimally augmented systems with exact gradients. A Hopf curve ends in a Bogdanov-Takens point, a Neimark-Sacker curve in
    1:1 and 1:2 resonances: beyond them the pair is real (a neutral saddle).

    References
    ----------
    W. Govaerts, Numerical Methods for Bifurcations of Dynamical Equilibria (SIAM 2000), doi:10.1137/1.9780898719543.
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, 3rd ed. (2004), chapters 8-10, doi:10.1007/978-1-4757-3978-7.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="cusp", time="continuous", states={"x": 1}, parameters={"mu": 0, "r": 1},
    ...                    equations={"x": "mu + r*x - x**3"})
    >>> fold = dy.continue_fixed_points(system, "mu", (-1, 1))["LP1"]
    >>> curve = dy.continue_curve(system, fold, ("mu", "r"), {"mu": (-1, 1), "r": (-1, 2)})
    >>> [(point.label, point.kind) for point in curve.special_points]
    [('CP1', 'cusp')]
    """
    began, purpose = _time.perf_counter(), "continue_curve"
    needs_equations(system, purpose)
    treated = treat(system, purpose, ignore)
    system = treated.system
    if not isinstance(start, SpecialPoint):
        raise SpecificationError(f"{purpose}: start must be a SpecialPoint, such as branch['HB1'], not a "
                                 f"{type(start).__name__}")
    control = control_of(largest_step, most_steps)
    if kind is not None and not isinstance(kind, str):
        raise SpecificationError(f"{purpose}: kind must be a word, not {kind!r}")
    wanted = kind or _STARTS.get(start.kind, start.kind)
    parameters = arguments.names(parameters, f"{purpose}: parameters")
    if len(parameters) != 2:
        raise SpecificationError(f"{purpose}: parameters must be two names, not {parameters!r}")
    if getattr(system, "time", "") == "continuous" and start.period == start.period:
        from dynamics.analysis.cycle_curves import continue_cycle_curve  # collocation is loaded only for cycles

        limits_of_cycles = _bounds(system, parameters, bounds, start, purpose)
        limits_by_name = dict(zip(parameters, limits_of_cycles, strict=True))
        return treated.marked(continue_cycle_curve(system, start, parameters, limits_by_name,
                                                   largest_step=2.5 * largest_step, most_steps=min(most_steps, 400)))
    if (start.kind, kind, getattr(system, "time", "")) == ("generalized_hopf", "fold_of_cycles", "continuous"):
        pairs = _bounds(system, parameters, bounds, start, purpose)
        return treated.marked(_folds_of_cycles(system, start, parameters, pairs, box, largest_step, most_steps))
    period = 1 if start.period != start.period else int(start.period)
    system = prepared(system, parameters, purpose, period)
    known = [*CURVES[system.time], "border_collision"]
    if wanted not in known:
        raise SpecificationError(f"{purpose}: a point of kind '{start.kind}' starts no curve in two parameters here; those "
                                 f"of kind {', '.join(known)} do")
    pairs = _bounds(system, parameters, bounds, start, purpose)
    system, states, values = start_values(system, parameters, pairs, start, purpose)
    regimes = equations_of(system, parameters, [high - low for low, high in pairs], states, period)
    z = np.array([*states.values(), *values.values()])
    equations = regime_of(regimes, z) or regimes[0]
    curve, place, first_system = _begin(equations, wanted, start, z, purpose)
    limits = limits_of(equations, pairs, checked_box(system, box, purpose))
    jacobian = first_system(place)[1]
    tangent = np.linalg.svd(jacobian / curve.weights(place))[2][-1] / curve.weights(place)
    origin = CurvePoint(place, tangent, 0.0, control.first)
    renew = None if wanted == "border_collision" else curve.renewed
    halves, ends = [], []
    for sign in (1.0, -1.0):
        begin = replace(origin, tangent=sign * tangent)
        traced = trace(curve.problem(first_system), begin, control, limits, _stop(curve), renew)
        points = list(traced.points)
        end = traced.end
        if end == _BORDER:
            end = _cut(curve, points)
        halves.append(points)
        ends.append(end)
        if traced.closed:
            break
    points = halves[0]
    if len(halves) == 2:
        backward = [replace(p, tangent=-p.tangent, arclength=-p.arclength) for p in reversed(halves[1])]
        points, ends = [*backward[:-1], *points], ends[::-1]
    rows = rows_of(curve, points, control)
    ends = [_end_name(end, row) for end, row in zip(ends, (rows[0], rows[-1]), strict=False)]
    return treated.marked(_as_branch(curve, rows, ends, system, (parameters[0], parameters[1]), began))


def _folds_of_cycles(system: System, point: SpecialPoint, parameters: Sequence[str], pairs: Sequence[tuple[float, float]],
                     box: Mapping[str, tuple[Any, Any]] | None, largest_step: float, most_steps: int) -> Branch:
    from dynamics.analysis.cycle_curve_starts import fold_near_generalized_hopf  # collocation is loaded only for cycles

    limits = dict(zip(parameters, pairs, strict=True))
    hopf = continue_curve(system, point, parameters, limits, box=box, largest_step=largest_step, most_steps=most_steps)
    start = fold_near_generalized_hopf(system, point, hopf, parameters, limits)
    return continue_curve(system, start, parameters, limits, largest_step=largest_step, most_steps=most_steps)


def _bounds(system: System, parameters: Sequence[str], bounds: Any, start: SpecialPoint, purpose: str
            ) -> tuple[tuple[float, float], ...]:
    if isinstance(bounds, Mapping):
        given = dict(bounds)
    elif bounds is None:
        given = {}
    else:
        try:
            given = dict(zip(parameters, bounds, strict=True))
        except (TypeError, ValueError):
            raise SpecificationError(f"{purpose}: bounds must be a mapping, or two pairs (lower, upper)") from None
    for name in parameters:
        arguments.known_name(name, system.parameters, "parameter", system.name, purpose)
    for name in given:
        if name not in parameters:
            raise SpecificationError(f"{purpose}: bounds: '{name}' is none of the parameters {', '.join(parameters)}")
    found = []
    for name in parameters:
        if name in given:
            found.append(checked_bounds(system, name, given[name], purpose))
            continue
        value = start.parameters.get(name, float(system.parameter_values[name]))
        reach = 10 * max(abs(value), 1.0)
        low, high = (None if b is None else float(b) for b in system.parameters[name].bounds)
        found.append((value - reach if low is None else low, value + reach if high is None else high))
    return tuple(found)


def _begin(equations: FixedPointEquations, kind: str, start: SpecialPoint, z: Array, purpose: str
           ) -> tuple[Curve, Array, Bordered | Border]:
    """The curve, its start corrected with the smallest changes, and the equations with borders made there."""
    place = z
    if kind == "border_collision":
        values = np.abs(equations.conditions(z))
        if not len(values):
            raise SpecificationError(f"{purpose}: '{equations.system.name}' is smooth; it has no border collisions")
        system: Bordered | Border | None = Border(equations, int(np.argmin(values)))
    else:
        if DEFECT[kind] == 2:
            place = np.append(z, _k_of(equations, start, z))
        system = bordered_at(equations, kind, place)
    if system is None:
        raise ConvergenceError(f"{purpose}: the start is no {kind} of '{equations.system.name}'")
    curve = Curve(kind, equations, max(1e-2, abs(place[-1])) if kind == "hopf" else 1.0)
    for _ in range(20):
        values, jacobian = system(place)
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(jacobian))):
            break
        weights = curve.weights(place)
        update = -np.linalg.lstsq(jacobian / weights, values, rcond=None)[0] / weights
        place = place + update
        if np.linalg.norm(weights * update) <= 1e-11:
            if np.linalg.norm(weights[:len(z)] * (place[:len(z)] - z)) > 1e-3:
                break
            fresh = bordered_at(equations, kind, place) if isinstance(system, Bordered) else system
            return curve, place, fresh or system
    raise ConvergenceError(f"{purpose}: there is no {kind} of '{equations.system.name}' at the start")


def _k_of(equations: FixedPointEquations, start: SpecialPoint, z: Array) -> float:
    if start.kind == "bogdanov_takens":
        return 0.0
    if start.kind.startswith("resonance"):
        return {"1": 1.0, "2": -1.0, "3": -0.5, "4": 0.0}[start.kind[-1]]
    pairs = [pair for pair in pair_factors(equations.eigenvalues(z)) if pair[0].imag > 0]
    if not pairs:
        raise ConvergenceError("continue_curve: the start has no complex pair of eigenvalues")
    if equations.discrete:
        return float(min(pairs, key=lambda pair: abs(abs(pair[0]) - 1))[0].real)
    return float(min(pairs, key=lambda pair: abs(pair[0].real) / abs(pair[0]))[0].imag ** 2)


def _stop(curve: Curve) -> Callable[[CurvePoint, CurvePoint], str | None]:
    equations = curve.equations
    ended = {"hopf": lambda k: k < 0, "neimark_sacker": lambda k: abs(k) > 1}.get(curve.kind)

    def stop(previous: CurvePoint, current: CurvePoint) -> str | None:
        values = equations.conditions(current.position)
        if curve.kind == "border_collision" and len(values):
            values = np.delete(values, int(np.argmin(np.abs(values))))
        if len(values) and np.min(values) < -1e-9:
            return _BORDER
        if ended is not None and ended(current.position[-1]):
            return "the pair becomes real"
        return None

    return stop


def _cut(curve: Curve, points: list[CurvePoint]) -> str:
    """Put the end of a curve exactly on the border of its regime."""
    before, after = points[-2], points[-1]
    equations = curve.equations
    a, b = equations.conditions(before.position), equations.conditions(after.position)
    crossed = [(a[k] / (a[k] - b[k]), k) for k in range(len(a)) if b[k] < -1e-9 and a[k] > 0]
    points.pop()
    if not crossed or curve.kind == "border_collision":
        return "another border between regimes"
    share, which = min(crossed)
    bordered = bordered_at(equations, curve.kind, before.position)
    text = equations.regime.pattern[which][0].text
    if bordered is not None:
        def system(place: Array) -> tuple[Array, Array]:
            values, jacobian = bordered(place)
            slope = np.zeros(len(place))
            gradient = equations.condition_gradients(place)[which]
            slope[:len(gradient)] = gradient
            return np.append(values, equations.conditions(place)[which]), np.vstack([jacobian, slope])

        guess = before.position + share * (after.position - before.position)
        solved = newton(system, guess, 1 / curve.weights(guess))
        if solved is not None:
            length = float(np.linalg.norm(curve.weights(guess) * (solved.solution - before.position)))
            points.append(replace(after, position=solved.solution, arclength=before.arclength + length))
    return f"border between regimes: {text}"


def _end_name(end: str, row: Row) -> str:
    if end == "the pair becomes real":
        return f"{row.special.kind}: the pair becomes real" if row.special is not None and row.special.kind in ENDS else end
    return end


def _as_branch(curve: Curve, rows: Sequence[Row], ends: Sequence[str], system: System, parameters: tuple[str, str],
               began: float) -> Branch:
    equations, n = curve.equations, curve.equations.dimension
    if not rows:
        raise DerivationError("continue_curve: the start lies where the pair is real; it begins no curve")
    places = np.array([row.point.position for row in rows])
    eigenvalues = np.array([equations.eigenvalues(place) for place in places])
    columns: dict[str, Any] = {name: places[:, n + k] for k, name in enumerate(parameters)}
    columns |= {name: places[:, k] for k, name in enumerate(system.states)}
    if curve.kind == "hopf":
        columns["omega"] = np.sqrt(np.maximum(places[:, -1], 0.0))
        columns["l1"] = np.array([float(row.tests.get("generalized_hopf", math.nan)) for row in rows])
    elif curve.kind == "neimark_sacker":
        columns["angle"] = np.arccos(np.clip(places[:, -1], -1, 1))
    columns["unstable_count"] = np.array([unstable_count(item, equations.discrete) for item in eigenvalues])
    special = [(k, row.special) for k, row in enumerate(rows) if row.special is not None]
    labels = numbered(point for _, point in special)
    attributes = provenance("branch", system, method="pseudo-arclength, minimally augmented systems", status="completed",
                            wall_time_s=_time.perf_counter() - began, regime=equations.regime.name)
    units = {name: part.unit for name, part in system.parameters.items()} | {s: p.unit for s, p in system.states.items()}
    return branch(f"{curve.kind} curve", columns, parameters, [(k, p) for (k, _), p in zip(special, labels, strict=True)],
                  ends, attributes | {"ends": list(ends)}, eigenvalues=eigenvalues, time=system.time, units=units,
                  states=tuple(system.states))
