"""Managing exposure: the largest leverage, or position, whose probability of a cascade stays under a level."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.lane_thresholds import OUTCOMES, lane_thresholds
from dynamics.analysis.run_arguments import asked_events, check_run, check_shock_name
from dynamics.analysis.tail_risk import check_draws, exceedance, series
from dynamics.analysis.treatability import treat
from dynamics.errors import SpecificationError
from dynamics.results import provenance, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

Array = NDArray[np.float64]

__all__ = ["exposure"]

VERDICTS = {"found": 0, "all_below": 1, "none_below": 2}
UNKNOWN = [OUTCOMES[name] for name in ("not_settled", "open_bracket", "no_fixed_point")]
_ROUNDS, _FINER = 3, 17


def exposure(
    system: System,
    along: Mapping[str, Sequence[float]],
    returns: xr.Dataset | xr.DataArray | ArrayLike,
    probability: float = 0.01,
    *,
    periods: float = 30.0,
    shock: str = "price",
    event: str | Sequence[str] | None = None,
    ramp: float = 0.0,
    block: int | None = None,
    bootstrap: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    ignore: str | Sequence[str] = (),
) -> xr.Dataset:
    """exposure(system, along={"target_leverage": array}, returns=returns): how far to go for a given cascade probability.

    A cascade starts when a fall reaches the critical shock of the model; how often falls of that size occur is counted in
    ``returns``. Along a path through the parameters, from small to large exposure, the last point is looked for up to which
    the probability within ``periods`` stays at or below ``probability``.

    Parameters
    ----------
    system : System
        Continuous time, fixed points in closed form.
    along : mapping of str to sequence of float, each of shape (step,)
        Parameters that change together. Leverage alone: ``{"target_leverage": leverage}``. Leverage of a given equity in a
        market of given depth (currency that moves the log price by one): add ``"price_impact": leverage*equity/depth``, so
        that a larger position also moves the price more.
    returns : xarray.Dataset, xarray.DataArray or array_like, shape (time,)
        Log returns, one per period; of a Dataset, its variable ``log_return``.
    probability : float
        Of at least one critical fall within ``periods``.
    periods : float
        Number of periods of the returns; 30 daily returns are a month.
    shock : str
        The shock whose critical size is compared with falls.
    event : str or sequence of str, optional
        What is to be avoided: one event, several, or "any" terminal one. None: every terminal event.
    ramp : float
        Spread the shock over this time; 0 is instantaneous (the cautious reading of an observed fall).
    block, bootstrap, confidence, seed
        Of the intervals, as in ``exceedance``.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Over the first parameter of the path: the others, ``critical_shock`` (0: unstable without any shock; nan: none, no
        fall is critical), ``probability`` with ``probability_lower`` and ``probability_upper`` within the periods (the wider
        of bootstrap and exact interval), ``count`` (falls observed), ``status`` of the threshold. Over ``criterion``
        ("estimate": the probability itself is under the level; "cautious": the upper end of its interval is):
        ``largest_<parameter>`` and ``verdict``: found; all_below (the whole path is, the largest is its end); none_below
        (nan).

    Raises
    ------
    SpecificationError
        For unknown names, numbers that cannot be, and noise, jumps and resets of the model.
    DataError
        The returns are not a finite series.

    Notes
    -----
    The critical shock is that of a market at rest, and falls are taken as if each met such a market. A rise can bankrupt,
    too; it is not counted. Where no fall of the size was ever observed the estimate is zero, and only the cautious
    criterion says something. Where shocks of some sizes were not decided the critical shock and the probability are nan, and
    the interval spans from the smallest size proved critical to the largest proved harmless: the undecided are never counted
    as harmless.

    Examples
    --------
    >>> import dynamics as dy, numpy as np
    >>> calm = 0.03 * np.random.default_rng(1).standard_t(4, 1000)
    >>> answer = dy.exposure(dy.models.load("deleveraging"), {"target_leverage": [1.5, 3.0, 5.0, 8.0]}, calm,
    ...                      probability=0.2, bootstrap=100)
    >>> answer["largest_target_leverage"].values.round(1).tolist()   # of the estimate, and cautiously
    [6.2, 4.5]
    """
    import xarray as xr

    started = _time.perf_counter()
    treated = treat(system, "exposure", ignore)
    system = treated.system
    path = _path(system, along)
    check_shock_name(system, shock, needed=True)
    asked = asked_events(system, event)
    ramp = check_run(system, ramp=ramp).ramp
    probability = arguments.share(probability, "exposure: probability")
    periods = arguments.positive(periods, "exposure: periods")
    observed = series(returns, "exposure")
    check_draws("exposure", confidence, bootstrap, seed, len(observed))
    block = None if block is None else arguments.whole(block, "exposure: block", 1, len(observed))
    options = {"block": block, "bootstrap": bootstrap, "confidence": confidence, "seed": seed}
    market = _Market(system, returns, periods, shock, asked, ramp, options)
    table = market.at(path)
    largest, verdicts = [], []
    for column in ("probability", "probability_upper"):
        point, verdict = market.last_below(path, table, column, probability)
        largest.append(point)
        verdicts.append(VERDICTS[verdict])
    first = next(iter(path))
    about = {name: {"units": part.unit, "long_name": part.meaning or name.replace("_", " ")}
             for name, part in system.parameters.items() if name in path}
    texts = {"critical_shock": "critical shock", "probability": f"probability of a critical fall within {periods:g} periods",
             "probability_lower": "lower end of its interval", "probability_upper": "upper end of its interval",
             "count": "observed falls of at least the critical shock"}
    variables: dict[str, Any] = {name: (first, values, about[name]) for name, values in path.items() if name != first}
    variables |= {name: (first, table[name], {"units": "1", "long_name": text}) for name, text in texts.items()}
    variables["status"] = (first, table["status"].astype(np.int8), status_attributes(OUTCOMES))
    for name in path:
        variables[f"largest_{name}"] = ("criterion", [point.get(name, np.nan) for point in largest],
                                        {"units": about[name]["units"], "long_name": f"largest {name.replace('_', ' ')}"})
    variables["verdict"] = ("criterion", np.array(verdicts, dtype=np.int8), status_attributes(VERDICTS))
    return xr.Dataset(
        variables, coords={first: (first, path[first], about[first]), "criterion": ["estimate", "cautious"]},
        attrs=provenance("exposure", system, ignored=treated.ignored,
                         method="critical shocks against observed falls", probability=probability,
                         periods=periods, shock=shock, event=", ".join(asked), ramp=ramp,
                         confidence=confidence, bootstrap=bootstrap, seed=seed,
                         trajectories=market.trajectories, wall_time_s=_time.perf_counter() - started))


def _path(system: System, along: Mapping[str, Sequence[float]]) -> dict[str, Array]:
    """Return the arrays of the path, of one length, within the bounds of the parameters, the first one increasing."""
    if not isinstance(system, System) or system.time != "continuous":
        raise SpecificationError("exposure needs a System in continuous time")
    given = arguments.mapping(along, "exposure: along")
    for name in given:
        arguments.known_name(name, system.parameters, "parameter", system.name, "exposure: along")
    path = {name: arguments.numbers(values, f"exposure: along['{name}']") for name, values in given.items()}
    if not path or len({values.shape for values in path.values()}) != 1 or next(iter(path.values())).ndim != 1:
        raise SpecificationError("exposure: along needs at least one parameter, and lists of one length for all of them")
    if np.any(np.diff(next(iter(path.values()))) <= 0):
        raise SpecificationError("exposure: the first parameter of the path must increase from point to point")
    for name, values in path.items():
        if not (values.size and np.all(np.isfinite(values))):
            raise SpecificationError(f"exposure: along['{name}'] must be finite numbers")
        for value in (values.min(), values.max()):
            system.with_parameters({name: float(value)})  # bounds are an interval: its ends decide
    return path


class _Market:
    """Critical shocks of a model and the observed frequency of falls as large."""

    def __init__(self, system: System, returns: Any, periods: float, shock: str, event: tuple[str, ...], ramp: float,
                 options: Mapping[str, Any]) -> None:
        self.system, self.returns, self.periods = system, returns, periods
        self.shock, self.event, self.ramp, self.options = shock, event, ramp, dict(options)
        self.trajectories = 0

    def at(self, path: Mapping[str, Array]) -> dict[str, Array]:
        """Critical shocks and probabilities at each point of a path."""
        steps = next(iter(path.values())).size
        search = lane_thresholds(Ensemble(self.system, path, steps), self.shock, self.event, ramp=self.ramp, tolerance=1e-6)
        self.trajectories += search.trajectories
        critical = search.value
        table: dict[str, Any] = {"critical_shock": critical, "status": search.status, "count": np.zeros(steps)}
        # without a threshold no fall starts a cascade; at a threshold of zero each one does
        certain = np.where(critical == 0, 1.0, 0.0)
        table |= {name: certain.copy() for name in ("probability", "probability_lower", "probability_upper")}
        table["count"][critical == 0] = np.nan
        unknown = np.isin(search.status, UNKNOWN)
        known = np.isfinite(critical) & (critical > 0) & ~unknown
        if known.any():
            levels, position = np.unique(critical[known], return_inverse=True)
            seen = exceedance(self.returns, levels, **self.options)
            lower = np.fmin(seen["probability_lower"], seen["exact_lower"])
            upper = np.fmax(seen["probability_upper"], seen["exact_upper"])
            for name, values in (("probability", seen["probability"]), ("probability_lower", lower),
                                 ("probability_upper", upper)):
                table[name][known] = -np.expm1(self.periods * np.log1p(-np.asarray(values)[position]))
            table["count"][known] = np.asarray(seen["count"])[position]
        for name in ("probability", "probability_lower", "probability_upper"):
            table[name][unknown] = np.nan
        self._between(table, np.flatnonzero(search.status == OUTCOMES["open_bracket"]), search.low, search.high)
        return table

    def _between(self, table: dict[str, Any], open_: NDArray[np.intp], low: Array, high: Array) -> None:
        """Where shocks between two proved ones were not decided: at least as probable as the upper, at most as the lower."""
        for k in open_:
            table["probability_lower"][k] = self._interval(float(high[k]))[0]
            table["probability_upper"][k] = self._interval(float(low[k]))[1] if low[k] > 0 else 1.0

    def _interval(self, size: float) -> tuple[float, float]:
        """Interval of the probability of at least one fall of this size within the periods."""
        seen = exceedance(self.returns, np.array([size]), **self.options)
        lower = np.fmin(seen["probability_lower"], seen["exact_lower"])
        upper = np.fmax(seen["probability_upper"], seen["exact_upper"])
        ends = [-np.expm1(self.periods * np.log1p(-float(np.asarray(end)[0]))) for end in (lower, upper)]
        return float(ends[0]), float(ends[1])

    def last_below(self, path: Mapping[str, Array], table: Mapping[str, Array], column: str, level: float
                   ) -> tuple[dict[str, float], str]:
        """The last point up to which a column stays at or below the level, between the points of the path."""
        below = table[column] <= level  # nan, not determined, is not below
        if below.all():
            return {name: float(values[-1]) for name, values in path.items()}, "all_below"
        if not below[0]:
            return {}, "none_below"
        first = int(np.argmin(below))
        ends = {name: (values[first - 1], values[first]) for name, values in path.items()}
        for _ in range(_ROUNDS):
            finer = {name: np.linspace(*pair, _FINER) for name, pair in ends.items()}
            below = self.at(finer)[column] <= level
            # the ends are known, and need not be judged again
            below[0], below[-1] = True, False
            first = int(np.argmin(below))
            ends = {name: (values[first - 1], values[first]) for name, values in finer.items()}
        return {name: float(pair[0]) for name, pair in ends.items()}, "found"
