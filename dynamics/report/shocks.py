"""Critical shocks against leverage, and what is left to lose once equity is gone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dynamics.analysis.threshold_curves import OUTCOMES, critical_shocks
from dynamics.analysis.thresholds import cascade_threshold
from dynamics.analysis.trajectories import apply_shock, integrate
from dynamics.report.tables import Column, Table
from dynamics.report.theory import Theory
from dynamics.results import Threshold
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CURVES", "LEVERAGES", "CloseOut", "Shocks", "close_out_shortfall", "compute", "first_margin_call"]

LEVERAGES = (1.5, 1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5, 10)
CURVES = {
    "constant_instantaneous": "constant depth, at once",
    "constant_ramp": "constant depth, over a day",
    "depletion_instantaneous": "depleting, at once",
    "depletion_ramp": "depleting, over a day",
}
# Close to the limit the return to the fixed point takes thousands of days, and so does each trajectory of a search.
NEAREST = 0.92


@dataclass(frozen=True)
class CloseOut:
    """What happens to the position that is left when equity is gone, just past the threshold."""

    leverage: float
    shock: float
    time: float
    holdings: float
    shortfall: float


@dataclass(frozen=True)
class Shocks:
    """Critical shocks of the core model.

    Attributes
    ----------
    curves : mapping of str to xarray.Dataset
        Keys of ``CURVES``; results of ``critical_shocks`` with ``first_margin_call`` added.
    constant, depleting : Threshold
        At the current target leverage, both directions.
    close_outs : tuple of CloseOut
    """

    curves: Mapping[str, xr.Dataset]
    constant: Threshold
    depleting: Threshold
    close_outs: tuple[CloseOut, ...]
    tolerance: float

    def at(self, curve: str, leverage: float) -> float:
        """Critical shock of a curve at the leverage of its grid that is nearest."""
        found = self.curves[curve]["threshold"]
        return float(found.sel(target_leverage=leverage, method="nearest"))

    @property
    def voluntary(self) -> float | None:
        """Smallest leverage whose depleting threshold lies below the first margin call by more than the bracket."""
        curve = self.curves["depletion_instantaneous"]
        below = curve["threshold"].values < curve["first_margin_call"].values - self.tolerance
        found = curve["target_leverage"].values[below]
        return float(found[0]) if found.size else None

    @property
    def unsettled(self) -> int:
        """Points of the curves whose search did not decide, or whose outcome is not monotone in the shock."""
        doubtful = [OUTCOMES["not_settled"], OUTCOMES["open_bracket"], OUTCOMES["not_monotone"]]
        return int(sum(np.isin(c["status"].values, doubtful).sum() for c in self.curves.values()))


def compute(theory: Theory, leverages: Sequence[float] = LEVERAGES, tolerance: float = 2e-4) -> Shocks:
    """compute(theory): thresholds along target leverage, and at the current one.

    Parameters
    ----------
    theory : Theory
    leverages : sequence of float
        Those too close to the stability limit are left out; where fewer than two remain, four below it are taken.
    tolerance : float
        Of the curves; the thresholds at the current target leverage are ten times finer.

    Returns
    -------
    Shocks
    """
    usable = [float(value) for value in leverages if value <= NEAREST * theory.limit]
    if len(usable) < 2:  # the limit lies so low that another grid is needed
        usable = [1 + share * (theory.limit - 1) for share in (0.2, 0.4, 0.6, 0.8)]
    curves = {}
    for key in CURVES:
        system = theory.depleting if key.startswith("depletion") else theory.core
        curve = critical_shocks(
            system, "target_leverage", usable, ramp=1.0 if key.endswith("ramp") else 0.0, tolerance=tolerance
        )
        calls = [first_margin_call(value, theory.margin) for value in usable]
        curves[key] = curve.assign(first_margin_call=("target_leverage", calls, {"units": "1"}))
    constant, depleting = (cascade_threshold(s, tolerance=tolerance / 10) for s in (theory.core, theory.depleting))
    return Shocks(
        curves, constant, depleting, _close_outs(theory, curves["depletion_instantaneous"], tolerance), tolerance
    )


def first_margin_call(leverage: float, margin: float) -> float:
    """Fall of the log price that takes the equity ratio from 1/leverage to the maintenance margin.

    Examples
    --------
    >>> round(first_margin_call(5, 0.05), 10)
    0.1718502569
    """
    below = 1 - 1 / leverage
    return math.log((1 - margin) / below) if below > 0 and margin * leverage < 1 else math.nan


def close_out_shortfall(impact: float, holdings: float) -> float:
    """Fraction of the assets that selling all remaining holdings loses, starting from zero equity.

    Parameters
    ----------
    impact : float
        Log-price move per unit of initial holdings.
    holdings : float
        What is left, as a fraction of the initial holdings.

    Returns
    -------
    float
        1 - (1 - exp(-z))/z with z = impact*holdings: selling h' of h units moves the log price by -impact*h', so the
        proceeds are the integral of exp(-impact*h') over h' from 0 to h, against holdings worth h.

    Examples
    --------
    >>> round(close_out_shortfall(0.3, 1.0), 6), close_out_shortfall(0.0, 1.0)
    (0.136061, 0.0)
    """
    z = impact * holdings
    return 1 + math.expm1(-z) / z if z else 0.0


def _close_outs(theory: Theory, curve: xr.Dataset, tolerance: float) -> tuple[CloseOut, ...]:
    found = []
    for leverage in (1.5, 2, 3, 5, 8, 10):
        if leverage not in curve["target_leverage"].values:
            continue
        cell = curve.sel(target_leverage=leverage)
        if int(cell["status"]) not in (OUTCOMES["found"], OUTCOMES["insolvent_at_once"]):
            continue
        system = theory.depleting.with_parameters(target_leverage=leverage)
        found += _insolvency(system, leverage, float(cell["bracket_high"]), float(cell["at_once"]), tolerance)
    return tuple(found)


def _insolvency(system: System, leverage: float, shock: float, at_once: float, tolerance: float) -> list[CloseOut]:
    """What is left after the first shock, from the upper end of the bracket on, that leads to insolvency here, too."""
    impact = float(system.parameter_values["price_impact"])
    for size in (shock, shock + tolerance, shock + 2 * tolerance):
        if size >= at_once:
            return [CloseOut(leverage, at_once, 0.0, 1.0, close_out_shortfall(impact, 1.0))]
        run = integrate(system, 400.0, apply_shock(system, system.initial_state(), "price", size))
        if "insolvency" in run["event_name"].values:
            holdings = math.exp(float(run["log_holdings"][-1]))
            return [CloseOut(leverage, size, float(run["time"][-1]), holdings, close_out_shortfall(impact, holdings))]
    return []


def curve_table(shocks: Shocks) -> Table:
    """Return critical shocks against leverage: without feedback, first margin call, and the four curves."""
    first = next(iter(shocks.curves.values()))
    columns = [
        Column("target_leverage", "target leverage", digits=0),
        Column("without_feedback", "without feedback"),
        Column("first_margin_call", "first margin call"),
    ]
    data = [first["target_leverage"].values, first["at_once"].values, first["first_margin_call"].values]
    for key, title in CURVES.items():
        columns.append(Column(key, title))
        data.append(shocks.curves[key]["threshold"].values)
    columns.append(Column("depletion_ramp_fall", "fall seen over that day"))
    data.append(shocks.curves["depletion_ramp"]["fall"].values)
    return Table(
        "critical_shocks",
        "Critical falls of the log price against target leverage",
        tuple(columns),
        tuple(tuple(float(v) for v in row) for row in zip(*data, strict=True)),
    )


def close_out_table(shocks: Shocks) -> Table:
    """Return what is left at insolvency just past the threshold, and the loss of selling it."""
    return Table(
        "close_out",
        "Insolvency just past the threshold, with depletion",
        (
            Column("target_leverage", "target leverage", digits=0),
            Column("shock", "fall"),
            Column("time", "time to zero equity (day)", "day"),
            Column("holdings", "holdings left", digits=3),
            Column("shortfall", "close-out shortfall, share of assets", digits=3),
        ),
        tuple((c.leverage, c.shock, c.time, c.holdings, c.shortfall) for c in shocks.close_outs),
    )


def direction_table(shocks: Shocks) -> Table:
    """Return the thresholds at the current target leverage in both directions."""
    rows = []
    for depth, threshold in (("constant", shocks.constant), ("depletion", shocks.depleting)):
        for direction, found in (("fall", threshold), ("rise", threshold.opposite)):
            if found is not None:
                rows.append(
                    (
                        depth,
                        direction,
                        abs(found.value),
                        found.status,
                        found.after.get("forced_volume", math.nan),
                        found.after.get("net_sold", math.nan),
                    )
                )
    return Table(
        "both_directions",
        "Critical shock at the current target leverage, both directions",
        (
            Column("market_depth", "depth"),
            Column("direction", "direction"),
            Column("size", "size (log price)"),
            Column("status", "status"),
            Column("forced_volume", "force-sold just past it", digits=3),
            Column("net_sold", "net sold", digits=3),
        ),
        tuple(rows),
    )
