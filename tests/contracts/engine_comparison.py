"""A random system through kernel, arrays, ``integrate`` and plain SciPy; disagreements, and what explains them.

The reference shares nothing with the package: its field is the text of the equations, read with ``ast`` and run as Python.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field

import numpy as np
from random_systems import DURATION, RandomSystem
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from sympy import Symbol

import dynamics as dy
from dynamics.compiled.code import joined_powers
from dynamics.compiled.functions import functions_of
from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows
from dynamics.compiled.lanes import LaneProblem, LaneStatus, integrate_lanes
from dynamics.errors import IntegrationError
from dynamics.symbolic.polynomial import jacobian_matrix

TOLERANCE = {"kernel": 3e-6, "integrate": 3e-6, "arrays": 1e-4}  # of states and times of events
AT_THE_END = 1e-4       # an event so near to the end, or to another one that ends the path, may fall on either side of it
ROUNDING = 1e-15        # a level so near to zero at the start has the sign of its rounding, which differs between engines
SAMPLES = 1200          # points on which the reference looks for events
MOST_EVALUATIONS = 60_000  # of the reference, which needs a few thousand; a path that slides along a border needs more
TIGHT = 1e-10           # tolerance of the arrays where they are asked again
MOST_STEPS = {"kernel": 20_000, "arrays": 2_000}
EVERYTHING = ("kernel", "arrays", "integrate", "regimes")
STARTS_OF_X, VALUES_OF_A = [0.2, 0.57, 1.0], [-0.3, 0.2, 0.3]  # of the diagram
DIRECTIONS = {"falling": -1, "rising": 1, "both": 0}
TIME = Symbol("time")


# ---- the reference --------------------------------------------------------------------------------------------------

def _hill(x, k, n):
    return 0.0 if x == 0 else x**n / (k**n + x**n)


FUNCTIONS = {
    "exp": math.exp, "log": math.log, "log1p": math.log1p, "expm1": math.expm1, "sqrt": math.sqrt, "sin": math.sin,
    "cos": math.cos, "tanh": math.tanh, "atan": math.atan, "abs": abs, "min": min, "max": max, "erf": math.erf,
    "sign": lambda z: float(z > 0) - float(z < 0), "ramp": lambda z: max(0.0, z), "hill": _hill,
    "logistic": lambda z: 1 / (1 + math.exp(-z)), "softplus": lambda z, s=1.0: s * math.log1p(math.exp(z / s)),
}


def _compiled(text, names):
    """A function of the named values, in this order."""
    tree = ast.parse(text.strip(), mode="eval")
    arguments = ast.arguments(posonlyargs=[], args=[ast.arg(n) for n in names], kwonlyargs=[], kw_defaults=[], defaults=[])
    whole = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, tree.body)))
    return eval(compile(whole, text, "eval"), {"__builtins__": {}, **FUNCTIONS})  # noqa: S307 - made by random_systems


class SlidesError(Exception):
    """A path that goes to and fro across a border."""


class Reference:
    """The equations as Python; lags are chains of states behind the declared ones."""

    def __init__(self, system: RandomSystem) -> None:
        parts = system.parts
        self.definitions = {}
        self.chain = None
        for name, text in parts["definitions"].items():
            if text.startswith("lag("):
                argument, span, stages = ast.parse(text, mode="eval").body.args
                self.chain = (name, ast.unparse(argument), span.value, stages.value)
        self.count = self.chain[3] if self.chain else 0
        self.states = [*parts["states"], *(f"_stage{k}" for k in range(self.count))]
        self.names = [*self.states, *parts["parameters"], "time"]
        inner = {n: t for n, t in parts["definitions"].items() if not t.startswith("lag(")}
        if self.chain:
            inner[self.chain[0]] = f"_stage{self.count - 1}"
        equations = list(parts["equations"].values())
        if self.chain:
            _, argument, span, stages = self.chain
            before = [argument, *(f"_stage{k}" for k in range(stages - 1))]
            equations += [f"({b} - _stage{k})*{stages}/{span}" for k, b in enumerate(before)]
        self.rates = [self._function(t, inner) for t in equations]
        self.events = [(self._function(t, inner), DIRECTIONS[d], terminal) for t, d, terminal in parts["events"].values()]
        self.input = self._function(self.chain[1], {}) if self.chain else None

    def _function(self, text, inner):
        """Definitions stand for their text in parentheses."""
        class Put(ast.NodeTransformer):
            def visit_Name(self, node):
                return ast.parse(f"({inner[node.id]})", mode="eval").body if node.id in inner else node

        tree = Put().visit(ast.parse(text.strip(), mode="eval"))
        return _compiled(ast.unparse(tree), self.names)

    def start(self, given, values):
        state = [float(v) for v in given.values()]
        if self.chain:
            state += [float(self.input(*state, *([0.0] * self.count), *values, 0.0))] * self.count
        return np.array(state)

    def field(self, values):
        rates, left = self.rates, iter(range(MOST_EVALUATIONS))

        def function(t, y):
            if next(left, None) is None:
                raise SlidesError
            arguments = (*y.tolist(), *values, t)
            return [rate(*arguments) for rate in rates]
        return function

    def at_the_start(self, start, values):
        """Which events are zero at the start but for rounding."""
        levels = np.array([function(*start.tolist(), *values, 0.0) for function, *_ in self.events], dtype=float)
        return np.abs(levels) <= ROUNDING * (1 + np.abs(start).max())

    def over(self, start, values):
        """Whether a terminal event has happened before the start: there ``integrate`` ends at once."""
        return any(terminal and function(*start.tolist(), *values, 0.0) * direction > 0
                   for function, direction, terminal in self.events)

    def run(self, start, values, tolerance=1e-10, method="DOP853"):
        """(final time, final state, counts, first times, terminal event or None, crossings of all events)."""
        path = solve_ivp(self.field(values), (0.0, DURATION), start, method=method, rtol=tolerance, atol=tolerance * 1e-2,
                         dense_output=True, max_step=0.25)
        times = np.unique(np.concatenate([path.t, np.linspace(0, path.t[-1], SAMPLES)]))
        states = path.sol(times)
        states[:, np.searchsorted(times, path.t)] = path.y
        crossings = []
        for number, (function, direction, terminal) in enumerate(self.events):
            def level(t, function=function):
                return function(*path.sol(t).tolist(), *values, t)

            levels = np.array([function(*s, *values, t) for s, t in zip(states.T.tolist(), times.tolist(), strict=True)])
            falls = (levels[:-1] > 0) & (levels[1:] <= 0) & (direction <= 0)
            rises = (levels[:-1] < 0) & (levels[1:] >= 0) & (direction >= 0)
            for k in np.flatnonzero(falls | rises):
                a, b = level(times[k]), level(times[k + 1])
                at = brentq(level, times[k], times[k + 1], xtol=1e-13) if a * b < 0 else self._reached(
                    level, times[k], times[k + 1], levels[k])
                crossings.append((float(at), number, terminal))
        crossings.sort()
        end, ended = path.t[-1], None
        for at, number, terminal in crossings:
            if terminal:
                end, ended = at, number
                break
        counts, first = np.zeros(len(self.events), int), np.full(len(self.events), np.nan)
        for at, number, _ in crossings:
            if at <= end:
                counts[number] += 1
                first[number] = np.fmin(first[number], at)
        return Outcome(float(end), np.asarray(path.sol(end)), counts, first, ended, path.status == 0, crossings)

    @staticmethod
    def _reached(level, low, high, at_low):
        """Where a level that stays at zero reaches it."""
        sign = 1 if at_low > 0 else -1
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if level(middle) * sign > 0 else (low, middle)
        return high


@dataclass
class Outcome:
    """How one path ended."""

    end: float
    state: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    ended: int | None
    whole: bool = True
    crossings: list = field(default_factory=list)
    message: str = ""


# ---- the package ------------------------------------------------------------------------------------------------------

def built(system: RandomSystem) -> dy.System:
    parts = dict(system.parts)
    parts["events"] = {n: dy.Event(t, direction=d, terminal=e) for n, (t, d, e) in parts["events"].items()}
    if "shocks" in parts:
        parts["shocks"] = {n: dy.Shock(assign) for n, assign in parts["shocks"].items()}
    return dy.System(**parts)


def by_lanes(system: dy.System, starts, values, duration=DURATION, engines=("kernel", "arrays"), tolerance=1e-7):
    """Name of the engine -> outcomes of all lanes; ``tolerance`` is that of the arrays."""
    functions = functions_of(system)
    states, parameters = [Symbol(n) for n in functions.names], [Symbol(n) for n in functions.parameter_names]
    field_ = [system.resolve(system.field[n]) for n in functions.names]
    events = [system.resolve(e) for e, _ in system._parsed.events.values()]
    directions = tuple(DIRECTIONS[e.direction] for e in system.events.values())
    terminal = tuple(e.terminal for e in system.events.values())
    y, p = np.array(starts).T, np.array(values).reshape(len(starts), -1).T
    results = {}
    if "kernel" in engines:
        problem = FlowProblem(tuple(states), tuple(parameters), tuple(field_), tuple(events), directions, terminal)
        results["kernel"] = integrate_flows(problem, y, p, duration, relative_tolerance=1e-9, absolute_tolerance=1e-11,
                                            max_steps=MOST_STEPS["kernel"])
    if "arrays" in engines:
        slope = functions.lane_function([e.diff(TIME) for e in field_])
        jacobian = functions.lane_function([joined_powers(e) for e in jacobian_matrix(field_, states)])
        watched = functions.lane_function(events)
        n = len(states)
        problem = LaneProblem(
            functions.lane_function(field_), lambda t, y, p: jacobian(t, y, p).reshape(n, n, -1), watched, directions,
            terminal, time_derivative=slope)
        results["arrays"] = integrate_lanes(problem, y, p, duration, relative_tolerance=tolerance,
                                            absolute_tolerance=1e-2 * tolerance, max_steps=MOST_STEPS["arrays"])
    return {engine: [_of_lane(result, k) for k in range(len(starts))] for engine, result in results.items()}


def _of_lane(result, k):
    ended = int(result.event_index[k])
    whole = result.status[k] in (LaneStatus.COMPLETED, LaneStatus.EVENT)
    return Outcome(result.final_time[k], result.final_state[:, k], result.event_counts[:, k], result.event_time[:, k],
                   ended if ended >= 0 else None, bool(whole), message=LaneStatus(result.status[k]).name)


def alone(system: dy.System, start, values) -> Outcome:
    names = list(system.states)
    try:
        run = dy.integrate(system, DURATION, dict(zip(names, start, strict=True)),
                           dict(zip(system.parameters, values, strict=True)), times=[0.0, DURATION],
                           relative_tolerance=1e-9, absolute_tolerance=1e-11)
        whole, message = True, ""
    except IntegrationError as error:
        return Outcome(math.nan, np.full(len(names), math.nan), None, None, None, False, message=str(error))
    times, happened = run["event_time"].values, run["event_name"].values.tolist()
    declared = list(system.events)
    counts = np.array([happened.count(n) for n in declared])
    first = np.array([min((t for t, h in zip(times, happened, strict=True) if h == n), default=math.nan) for n in declared])
    ended = next((k for k, n in enumerate(declared) if system.events[n].terminal and counts[k]), None)
    end = first[ended] if ended is not None else DURATION
    state = None if ended is not None else np.array([float(run[n].values[-1]) for n in names])
    return Outcome(float(end), state, counts, first, ended, whole, message=message)


# ---- judgement ----------------------------------------------------------------------------------------------------------

def differs(outcome: Outcome, reference: Outcome, tolerance: float) -> str:
    """How an outcome differs from the reference; empty where it does not."""
    if not outcome.whole:
        return f"did not end: {outcome.message}"
    if outcome.ended != reference.ended:
        return f"ended by {outcome.ended}, not {reference.ended}"
    if abs(outcome.end - reference.end) > tolerance:
        return f"ended at {outcome.end}, not {reference.end}"
    if not np.array_equal(outcome.counts, reference.counts):
        return f"{outcome.counts.tolist()} events, not {reference.counts.tolist()}"
    if not np.allclose(outcome.first, reference.first, rtol=0, atol=tolerance, equal_nan=True):
        return f"events at {outcome.first.tolist()}, not {reference.first.tolist()}"
    if outcome.state is not None:
        size = len(outcome.state)
        error = np.abs(outcome.state - reference.state[:size]) / (1 + np.abs(reference.state[:size]))
        if not error.max() <= tolerance:
            return f"state {outcome.state.tolist()}, not {reference.state[:size].tolist()}"
    return ""


def compared(system: RandomSystem, engines=EVERYTHING) -> list[tuple[int, str, str, str]]:
    """(lane, engine, disagreement, explanation or "") of everything that is not as in the reference."""
    made, reference = built(system), Reference(system)
    values = [list(v.values()) for v in system.values]
    starts = []
    for start, p in zip(system.starts, values, strict=True):
        if system.shock is not None:
            name, size = system.shock
            (state, text), = system.parts["shocks"][name].items()
            shocked = _compiled(text, [*start, "magnitude", *system.parts["parameters"]])
            after = {**start, state: shocked(*start.values(), size, *p)}
            with_values = made.with_parameters(dict(zip(made.parameters, p, strict=True)))
            mine = dy.apply_shock(with_values, start, name, size)
            if any(mine[n] != after[n] for n in after):
                return [(0, "apply_shock", f"{mine}, not {after}", "")]
            start = after
        starts.append(reference.start(start, p))
    lanes = by_lanes(made, starts, values, engines=engines)
    found = regimes_compared(system, made) if "regimes" in engines and "first" in system.parts["events"] else []
    for k, (start, p) in enumerate(zip(starts, values, strict=True)):
        try:
            right = reference.run(start, p)
        except SlidesError:
            found.append((k, "reference", "needs too many steps", "slides along a border"))
            continue
        outcomes = {engine: results[k] for engine, results in lanes.items()}
        if "integrate" in engines and not reference.over(start, p):
            outcomes["integrate"] = alone(made, start, p)
        for engine, outcome in outcomes.items():
            what = differs(outcome, right, TOLERANCE[engine])
            if what:
                why = explanation(reference, start, p, right, outcome)
                if not why and engine == "arrays":
                    # they watch no borders: two jumps within one step may not be felt
                    (tight,) = by_lanes(made, [start], [p], engines=[engine], tolerance=TIGHT)[engine]
                    why = "" if differs(tight, right, TOLERANCE[engine]) else "agrees at a tighter tolerance"
                found.append((k, engine, what, why))
    return found


def regimes_compared(system: RandomSystem, made: dy.System) -> list[tuple[int, str, str, str]]:
    """Disagreements of the two engines about the regimes of a small diagram that starts on borders too."""
    if _slides_in_the_diagram(system):
        # the arrays follow such a path for minutes
        return [(0, "reference", "needs too many steps in a diagram", "slides along a border")]

    def regimes(engine, tolerance):
        return dy.phase_diagram(
            made, ("x", STARTS_OF_X), ("a", VALUES_OF_A), event="first", duration=DURATION, engine=engine,
            initial_state=system.starts[0], relative_tolerance=tolerance,
            absolute_tolerance=1e-3 * tolerance)["regime"].values

    kernel, arrays = (regimes(engine, 1e-6) for engine in ("kernel", "numpy"))
    if np.array_equal(kernel, arrays):
        return []
    what = f"{kernel.tolist()}, arrays {arrays.tolist()}"
    if np.array_equal(regimes("kernel", 1e-9), regimes("numpy", 1e-8)):
        return [(0, "regimes", what, "agree at a tighter tolerance")]
    rows, columns = np.nonzero(kernel != arrays)
    rounded = all(_at_the_start(system, STARTS_OF_X[column], VALUES_OF_A[row])
                  for row, column in zip(rows, columns, strict=True))
    return [(0, "regimes", what, "an event at the start, but for rounding" if rounded else "")]


def _at_the_start(system: RandomSystem, x: float, a: float) -> bool:
    """Whether the event of a diagram is at the start of one of its cells."""
    reference = Reference(system)
    values = list({**system.parts["parameters"], "a": a}.values())
    start = reference.start({**system.starts[0], "x": x}, values)
    event = list(system.parts["events"]).index("first")
    return bool(reference.at_the_start(start, values)[event])


def _slides_in_the_diagram(system: RandomSystem) -> bool:
    """Whether any path of the diagram goes to and fro across a border."""
    reference = Reference(system)
    for x in STARTS_OF_X:
        for a in VALUES_OF_A:
            values = list({**system.parts["parameters"], "a": a}.values())
            try:
                reference.run(reference.start({**system.starts[0], "x": x}, values), values, 1e-6)
            except SlidesError:
                return True
    return False


def explanation(reference: Reference, start, values, right: Outcome, outcome: Outcome) -> str:
    """The name of what makes an outcome depend on the last digits; empty where nothing does."""
    if not right.whole:
        return "the reference broke off"
    at_the_start = reference.at_the_start(start, values)
    other = np.array([]) if outcome.counts is None else outcome.counts != right.counts
    if other.any() and np.all(at_the_start[other]):
        return "an event at the start, but for rounding"
    near = [at for at, *_ in right.crossings if at != right.end and abs(at - right.end) < AT_THE_END]
    if near and not np.array_equal(outcome.counts, right.counts):
        return "an event at the end"
    try:
        others = [reference.run(start, values, 1e-8), reference.run(start, values, 1e-11, "RK45")]
    except SlidesError:
        return "slides along a border"
    if any(differs(o, right, 1e-6) for o in others):
        return "sensitive: the reference depends on its tolerance"
    return ""
