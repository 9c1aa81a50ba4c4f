"""Monte Carlo of noisy flows: extremes, final states, first passages, quantiles with confidence intervals."""

from __future__ import annotations

import math
import sys
import time as _time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.noisy_paths import NoisyPaths, ended_paths, follow_paths
from dynamics.analysis.start_sides import terminal_behind
from dynamics.analysis.step_bias import corrected, watch_of
from dynamics.analysis.work_budget import check_length, check_numbers
from dynamics.compiled.functions import functions_of
from dynamics.compiled.noise_equations import METHODS
from dynamics.compiled.noise_steps import stepper_of
from dynamics.compiled.random_streams import LARGEST_COUNT
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results import provenance
from dynamics.results.provenance import STATUS, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["simulate"]

Array = NDArray[np.float64]
CONFIDENCE = 0.95
BOUNDS = ("estimate", "low", "high")
MISSED = "estimated difference that watching without pause would make"


def simulate(system: System, duration: float, time_step: float, paths: int, seed: int = 0, *,
             method: str = "euler_maruyama", initial_state: Mapping[str, Any] | None = None,
             parameters: Mapping[str, Any] | None = None, stored_paths: int = 0,
             quantiles: Sequence[float] = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99),
             threads: int | None = None) -> xr.Dataset:
    """simulate(system, duration, time_step, paths): many paths of a flow with noise (Ito) and Poisson jumps.

    Parameters
    ----------
    system : System
        Continuous time, with ``noise`` or ``jumps``.
    duration : float
        In the system's time unit.
    time_step : float
        Made a little smaller where it does not divide the duration; the one used is in ``attrs``.
    paths : int
    seed : int
        The numbers of a path depend on the seed and on the path's place alone: a run with more paths begins with the
        same ones.
    method : {"euler_maruyama", "milstein", "stochastic_runge_kutta"}
        Of strong order 0.5, 1 and 1.5. Milstein's method needs noise sources that commute. The Runge-Kutta method
        (SRI1W1 of [3]_) needs sources that do not act on one another's amplitudes: one source, additive noise, or a source
        of its own for each state; it takes two drifts and four amplitudes a step.
    initial_state : mapping of str to float, optional
        Replaces declared initial values by name.
    parameters : mapping of str to float, optional
        Replaces parameter values by name.
    stored_paths : int
        So many paths, from the first, are kept whole.
    quantiles : sequence of float
        Inside (0, 1).
    threads : int, optional
        Of compiled code; None: one for each processor. The numbers are the same for any.

    Returns
    -------
    xarray.Dataset
        Dim ``path``: ``final_x``, ``max_x``, ``min_x`` of each state and observable x, ``end_time``, ``status``; dims
        (event, path): ``first_passage_time`` (nan: never) and ``passage_count``; dims (..., bound): quantiles
        ``final_x_quantile``, ``max_x_quantile``, ``min_x_quantile``, ``first_passage_time_quantile`` (inf: later than
        the duration, or never) and ``event_probability``, each with its estimate and a 95 % confidence interval, which
        includes what steps miss: ``step_bias_estimate`` (event) of the probabilities, ``first_passage_time_``,
        ``max_x_`` and ``min_x_step_bias_estimate`` of the quantiles are what watching without pause would add to the
        estimates (nan: not known); dims (stored_path, time): the stored paths, nan after their end.

    Raises
    ------
    SpecificationError
        For a map, a system without noise and jumps, indexed states, names that do not exist, numbers that cannot be.

    Notes
    -----
    The intervals of quantiles are distribution-free: they are order statistics, chosen by the binomial distribution; nan
    where there are too few paths for one. Those of probabilities are Clopper and Pearson's. They measure the number of
    paths; what steps miss is added to them. Paths that become invalid are left out of both, and ``message`` says how
    many there were.

    Extremes and events are seen at the ends of steps; a passage is placed by a straight line between two of them. A
    passage and a return inside one step are missed: for a barrier and noise of amplitude s the effect is, to leading
    order, that of a barrier 0.5826 s sqrt(step) farther away [2]_. How much that is, is measured on the same paths, by
    barriers that are so much nearer; intervals reach from the lower to the upper one of both, estimates are those at the
    ends of steps. The error of the steps themselves, of first order in the step, is not among it. Jumps happen at the
    ends of steps, as many as a Poisson number of mean rate * step.

    A seed gives the same numbers for any grouping of the paths: each has a stream of its own. Compiled code follows the
    paths where it can be had; stored paths take arrays. The two differ by rounding;
    ``attrs["engine"]`` says which it was.

    References
    ----------
    .. [1] Kloeden, Platen (1992). Numerical solution of stochastic differential equations.
       https://doi.org/10.1007/978-3-662-12616-5
    .. [2] Broadie, Glasserman, Kou (1997). A continuity correction for discrete barrier options.
       https://doi.org/10.1111/1467-9965.00035
    .. [3] Roessler (2010). Runge-Kutta methods for the strong approximation of solutions of stochastic differential
       equations. SIAM J. Numer. Anal. 48, 922. https://doi.org/10.1137/09076636X

    Examples
    --------
    >>> import dynamics as dy
    >>> gap = dy.System(name="gap", time="continuous", states={"x": 1.0}, parameters={"k": 2.0, "s": 0.5},
    ...                 equations={"x": "-k*x"}, noise={"news": {"x": "s"}})
    >>> run = dy.simulate(gap, duration=3, time_step=0.01, paths=2000, seed=1)
    >>> abs(float(run["final_x"].var()) - 0.5**2 / 4) < 0.01
    True
    """
    started = _time.perf_counter()
    _noisy(system)
    if parameters is not None:
        system = system.with_parameters(parameters)
    most = LARGEST_COUNT - 1
    duration, time_step = arguments.positive(duration, "duration"), arguments.positive(time_step, "time_step")
    paths, seed = arguments.whole(paths, "paths", 1, most), arguments.whole(seed, "seed", 0, most)
    stored_paths = arguments.whole(stored_paths, "stored_paths", 0, paths)
    threads = None if threads is None else arguments.whole(threads, "threads", 1, most)
    if not isinstance(method, str) or method not in METHODS:
        raise SpecificationError(f"'{method}' is not a method.{did_you_mean(str(method), METHODS)} There are "
                                 f"{', '.join(METHODS)}")
    levels = _levels(quantiles)
    # a step that divides the duration up to rounding is kept
    ratio = duration / time_step * (1 - 1e-12)
    steps = max(1, math.ceil(min(ratio, sys.float_info.max)))
    if steps >= LARGEST_COUNT:
        raise SpecificationError(f"{float(steps):g} steps are too many; take a larger time_step than {time_step:g}")
    _check_memory(system, paths, stored_paths, steps)
    h = duration / steps
    functions = functions_of(system)
    start = functions.initial_state(system, initial_state)
    stepper = stepper_of(system, method, start)
    behind = int(terminal_behind(system, lambda y: functions.events(0.0, y[:, 0], stepper.p)[:, None], start[:, None])[0])
    closer: Mapping[str, Array] | None = None
    if behind >= 0:
        found = ended_paths(system, stepper, start, steps, paths, stored_paths, behind)
        # nothing moves, so that steps miss nothing
        closer = {"largest": found.largest, "smallest": found.smallest, "passage": found.passage}
    else:
        watch = watch_of(system)
        found = follow_paths(system, stepper, start, h, steps, paths, seed, stored_paths, threads=threads, watch=watch)
        if watch is not None and found.seen is not None:
            closer = corrected(system, watch, found.seen, found, start, h)
    failed = int(np.sum(found.status == STATUS["invalid_state"]))
    attributes = provenance(
        "simulation", system, initial_state={n: float(v) for n, v in functions.split(start).items()}, method=method,
        duration=duration, time_step=h, steps=steps, paths=paths, seed=seed, confidence=CONFIDENCE, engine=found.engine,
        status="completed" if not failed else "invalid_state",
        message=f"{failed} of {paths} paths became invalid and are left out of quantiles and probabilities" if failed
        else f"the start lies beyond the event '{list(system.events)[behind]}'" if behind >= 0
        else "all paths reached the end or a terminal event")
    result = _dataset(system, found, closer, h, levels, attributes)
    result.attrs["message"] += _missed(result)
    result.attrs["wall_time_s"] = _time.perf_counter() - started
    return result


def _missed(result: xr.Dataset) -> str:
    """Say what steps miss of the probabilities of events."""
    bias = {str(name): float(value) for name, value in zip(result["event"].values, result["step_bias_estimate"].values,
                                                           strict=True) if value != 0 and math.isfinite(value)}
    if result["step_bias_estimate"].isnull().any():
        return "; what steps miss of events and extremes is not known"
    if not bias:
        return ""
    listed = ", ".join(f"{value:+.2g} ({name})" for name, value in bias.items())
    return ("; events are seen at the ends of steps, without pause their probabilities would differ by about "
            f"{listed}, which the intervals include")


def _dataset(system: System, found: NoisyPaths, closer: Mapping[str, Array] | None, h: float, levels: Array,
             attributes: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    good = found.status != STATUS["invalid_state"]
    ranks = _ranks(int(good.sum()), levels)
    described = {n: {"units": s.unit, "long_name": s.meaning or n.replace("_", " ")} for n, s in system.states.items()}
    described |= {n: {"units": "1", "long_name": n.replace("_", " ")} for n in system.observables}
    variables: dict[str, Any] = {}
    for row, (name, about) in enumerate(described.items()):
        for prefix, word, values in (("final", "final", found.final[row]), ("max", "largest", found.largest[row]),
                                     ("min", "smallest", found.smallest[row])):
            more = {**about, "long_name": f"{word} {about['long_name']}"}
            variables[f"{prefix}_{name}"] = ("path", values, more)
            known = _picked(values[good], ranks)
            other = {"max": "largest", "min": "smallest"}.get(prefix)
            if other is not None:
                beyond = None if closer is None else closer[other][row][good]
                known, bias = _widened(known, beyond, lambda seen: _picked(seen, ranks))
                variables[f"{prefix}_{name}_step_bias_estimate"] = ("quantile", bias, {**more, "long_name": MISSED})
            variables[f"{prefix}_{name}_quantile"] = (("quantile", "bound"), known, more)
        if found.stored.shape[1]:
            variables[name] = (("stored_path", "time"), found.stored[row], about)
    in_time = {"units": system.time_unit}
    earlier = None if closer is None else closer["passage"][:, good]
    times, probabilities = _of_events(found.passage[:, good], earlier, ranks)
    variables |= {
        "end_time": ("path", found.end_time, in_time),
        "status": ("path", found.status.astype(np.int8), status_attributes()),
        "first_passage_time": (("event", "path"), found.passage, in_time),
        "passage_count": (("event", "path"), found.counts, {"units": "1"}),
        "first_passage_time_quantile": (("event", "quantile", "bound"), times[0], in_time),
        "first_passage_time_step_bias_estimate": (("event", "quantile"), times[1], {**in_time, "long_name": MISSED}),
        "event_probability": (("event", "bound"), probabilities[0],
                              {"units": "1", "long_name": "probability of the event within the duration"}),
        "step_bias_estimate": ("event", probabilities[1], {"units": "1", "long_name": MISSED})}
    coordinates: dict[str, Any] = {"path": np.arange(found.final.shape[1]), "quantile": levels, "bound": list(BOUNDS),
                                   "event": np.array(list(system.events), dtype=str)}
    if found.stored.shape[1]:
        coordinates |= {"stored_path": np.arange(found.stored.shape[1]),
                        "time": ("time", np.arange(found.stored.shape[2]) * h, in_time | {"long_name": "time"})}
    return xr.Dataset(variables, coords=coordinates, attrs=dict(attributes))


def _of_events(passage: Array, closer: Array | None, ranks: NDArray[np.int64]
               ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Quantiles of times and probabilities of events, with their intervals, and what steps miss of each."""
    times, probabilities = np.empty((len(passage), len(ranks), len(BOUNDS))), np.empty((len(passage), len(BOUNDS)))
    late, missed = np.empty((len(passage), len(ranks))), np.empty(len(passage))
    for event, row in enumerate(passage):
        earlier = None if closer is None else closer[event]
        times[event], late[event] = _widened(_quantiles(row, ranks), earlier, lambda seen: _quantiles(seen, ranks))
        share, bias = _widened(_shares(row), earlier, _shares)
        probabilities[event], missed[event] = share[0], bias[0]
    return (times, late), (probabilities, missed)


def _quantiles(passage: Array, ranks: NDArray[np.int64]) -> Array:
    return _picked(np.where(np.isnan(passage), np.inf, passage), ranks)


def _widened(known: Array, beyond: Array | None, numbers: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return numbers whose intervals include what they would be without pauses between steps, and the differences.

    Parameters
    ----------
    known : array, shape (numbers, bound)
        As seen.
    beyond : array, optional
        What watching without pause would have seen; None: not known, the differences are nan.
    numbers : callable
        Makes numbers of it.
    """
    if beyond is None:
        return known, np.full(len(known), np.nan)
    without = numbers(beyond)
    low, high = np.minimum(known[:, 1], without[:, 1]), np.maximum(known[:, 2], without[:, 2])
    with np.errstate(invalid="ignore"):
        bias = np.where(known[:, 0] == without[:, 0], 0.0, without[:, 0] - known[:, 0])
    return np.stack([known[:, 0], low, high], axis=1), bias


def _ranks(count: int, levels: Array) -> NDArray[np.int64]:
    """Ranks (from 1) of the order statistics: estimate, low, high for each level; 0 or count + 1 where there is none.

    The number of values below the quantile is binomial: X_(l) <= quantile < X_(u) if l <= number <= u - 1.
    """
    from scipy.stats import binom

    outside = (1 - CONFIDENCE) / 2
    low, high = binom.ppf(outside, count, levels), binom.ppf(1 - outside, count, levels) + 1
    estimate = np.clip(np.ceil(count * levels * (1 - 1e-12)), 1, max(count, 1))
    return np.stack([estimate, low, high], axis=1).astype(np.int64) if count else np.zeros((len(levels), 3), np.int64)


def _picked(values: Array, ranks: NDArray[np.int64]) -> Array:
    """Return the order statistics of ``ranks``; nan where there is none."""
    known = np.concatenate([[np.nan], np.sort(values), [np.nan]])
    return np.asarray(known[ranks])


def _shares(passage: Array) -> Array:
    return np.array([_probability(int(np.isfinite(passage).sum()), passage.size)])


def _probability(hits: int, count: int) -> list[float]:
    """Return a share and its interval, after Clopper and Pearson."""
    from scipy.special import betaincinv

    if not count:
        return [math.nan] * len(BOUNDS)
    outside = (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, count - hits + 1, outside)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - outside)) if hits < count else 1.0
    return [hits / count, low, high]


def _noisy(system: Any) -> None:
    if not isinstance(system, System):
        raise SpecificationError(f"simulate needs a System, not {type(system).__name__}; a Process is stepped with iterate")
    if system.time != "continuous":
        raise SpecificationError(f"'{system.name}' is a map (time = 'discrete'); use iterate(system, steps)")
    if not system.noise and not system.jumps:
        raise SpecificationError(f"'{system.name}' has neither noise nor jumps: all its paths are one; use "
                                 "integrate(system, duration)")
    if system.indices:
        raise SpecificationError(f"'{system.name}' has indexed states; simulate system.expand() instead")


def _check_memory(system: System, paths: int, stored_paths: int, steps: int) -> None:
    """Final, largest and smallest values of all paths are kept, first passages of events, and whole paths as asked."""
    quantities = len(system.states) + len(system.observables)
    each = 3 * quantities + len(system.events)
    check_numbers(paths * each, f"{each} numbers of each of {paths} paths", "take fewer paths")
    advice = "take fewer stored_paths or a larger time_step"
    check_numbers(stored_paths * (steps + 1) * quantities, f"{stored_paths} stored paths of {steps} steps", advice)


def _levels(quantiles: Sequence[float]) -> Array:
    check_length(quantiles, "quantiles")
    try:
        levels = np.asarray(quantiles, dtype=float).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        levels = np.array([np.nan])
    if not np.all((levels > 0) & (levels < 1)):
        raise SpecificationError(f"quantiles must be numbers between 0 and 1, not {quantiles!r}")
    return levels
