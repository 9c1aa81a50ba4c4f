"""Two holders after the same shock, one of whom is ruined by margin calls and not by the first mark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynamics.analysis.trajectories import apply_shock, integrate
from dynamics.report.shocks import Shocks, first_margin_call
from dynamics.report.tables import Column, Table
from dynamics.report.theory import Theory

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Cascades", "compute"]

PAIRS = ((1.5, 2.5), (2, 3), (3, 5), (5, 8), (1.5, 2), (4, 5))
DAYS = 10.0


@dataclass(frozen=True)
class Cascades:
    """The same fall of the log price at two target leverages.

    Attributes
    ----------
    low, high : float
        Target leverages: one survives, one does not.
    shock : float
        Above the threshold of ``high``, below what takes all of its equity at once.
    survivor, ruined : xarray.Dataset
        Trajectories with depletion.
    without_calls : str
        What becomes of ``high`` after the same shock when nothing is force-closed: "survives" or "insolvent".
    """

    low: float
    high: float
    shock: float
    low_threshold: float
    high_threshold: float
    high_call: float
    high_at_once: float
    survivor: xr.Dataset
    ruined: xr.Dataset
    without_calls: str

    @property
    def equity_after_shock(self) -> float:
        """Equity ratio of the ruined holder just after the shock, before any sale."""
        return float(self.ruined["equity_ratio"][0])

    @property
    def minutes(self) -> float:
        """Time from the shock to zero equity."""
        return float(self.ruined["time"][-1]) * 24 * 60

    @property
    def force_sold(self) -> float:
        """Forced sales of the ruined holder until then, in units of the initial holdings."""
        return float(self.ruined.attrs["measures"]["forced_volume"])


def compute(theory: Theory, shocks: Shocks) -> Cascades | None:
    """compute(theory, shocks): choose leverages and a shock by the thresholds, and integrate.

    Parameters
    ----------
    theory : Theory
    shocks : Shocks

    Returns
    -------
    Cascades or None
        None where forced sales decide at no pair of leverages (without price impact, for example).
    """
    curve = shocks.curves["depletion_instantaneous"]
    grid = curve["target_leverage"].values
    for low, high in PAIRS:
        if low not in grid or high not in grid:
            continue
        low_threshold, high_threshold = (float(curve["threshold"].sel(target_leverage=v)) for v in (low, high))
        at_once = float(curve["at_once"].sel(target_leverage=high))
        shock = _between(high_threshold + 2 * shocks.tolerance, min(at_once, low_threshold - 2 * shocks.tolerance))
        if shock is None:
            continue
        systems = [theory.depleting.with_parameters(target_leverage=v) for v in (low, high)]
        runs = [integrate(s, DAYS, apply_shock(s, s.initial_state(), "price", shock)) for s in systems]
        if "insolvency" in runs[0]["event_name"].values or "insolvency" not in runs[1]["event_name"].values:
            continue
        calm = systems[1].with_parameters(liquidation_rate=0)
        other = integrate(calm, 20 * DAYS, apply_shock(calm, calm.initial_state(), "price", shock))
        return Cascades(
            low,
            high,
            shock,
            low_threshold,
            high_threshold,
            first_margin_call(high, theory.margin),
            at_once,
            runs[0],
            runs[1],
            "insolvent" if "insolvency" in other["event_name"].values else "survives",
        )
    return None


def _between(low: float, high: float) -> float | None:
    """The middle of an interval, with as few digits as stay inside it."""
    if not low < high:
        return None
    middle = (low + high) / 2
    return next((round(middle, d) for d in range(1, 8) if low < round(middle, d) < high), None)


def cascade_table(cascades: Cascades) -> Table:
    """Return the two runs side by side."""
    rows = []
    for leverage, threshold, run in (
        (cascades.low, cascades.low_threshold, cascades.survivor),
        (cascades.high, cascades.high_threshold, cascades.ruined),
    ):
        measures = run.attrs["measures"]
        died = "insolvency" in run["event_name"].values
        rows.append(
            (
                leverage,
                threshold,
                cascades.shock,
                float(run["equity_ratio"][0]),
                measures["forced_volume"],
                measures["net_sold"],
                "insolvent" if died else "survives",
                float(run["time"][-1]) if died else math.nan,
            )
        )
    return Table(
        "cascades",
        "The same shock at two leverages, with depletion",
        (
            Column("target_leverage", "target leverage", digits=0),
            Column("threshold", "critical fall"),
            Column("shock", "fall"),
            Column("equity_after_shock", "equity ratio after it"),
            Column("forced_volume", "force-sold", digits=3),
            Column("net_sold", "net sold", digits=3),
            Column("outcome", "outcome"),
            Column("insolvent_after", "after (day)", "day"),
        ),
        tuple(rows),
    )
