"""The phase diagram of price impact and target leverage, and how theory fares against simulation in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dynamics.analysis.regimes import REGIMES, phase_diagram
from dynamics.report.tables import Column, Table
from dynamics.report.theory import Theory

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Diagram", "compute"]

SHOCK = 0.1


@dataclass(frozen=True)
class Diagram:
    """A phase diagram with its comparison.

    Attributes
    ----------
    at_once_leverage : float
        Above it the shock alone takes all equity: 1/(1 - exp(-shock)).
    margin_call_leverage : float
        Above it the shock alone leads to margin calls: 1/(1 - (1 - u_m) exp(-shock)).
    agreeing, comparable : int
        Cells below the venue limit where eigenvalues agree with the closed-form critical leverage, and all cells there.
    """

    dataset: xr.Dataset
    shock: float
    at_once_leverage: float
    margin_call_leverage: float
    agreeing: int
    comparable: int

    @property
    def counts(self) -> dict[str, int]:
        """Regime to number of cells, for regimes that occur."""
        values, counts = np.unique(self.dataset["regime"].values, return_counts=True)
        names = {flag: name for name, flag in REGIMES.items()}
        return {names[int(v)]: int(c) for v, c in zip(values, counts, strict=True)}

    @property
    def smallest_fatal_leverage(self) -> float:
        """Smallest leverage on the grid with a stable fixed point and a cascade after the shock; nan if none."""
        rows = np.nonzero((self.dataset["regime"].values == REGIMES["cascades_after_shock"]).any(axis=1))[0]
        return float(self.dataset["target_leverage"].values[rows[0]]) if rows.size else math.nan


def compute(theory: Theory, cells: int = 64, shock: float = SHOCK) -> Diagram:
    """compute(theory): regimes of the depleting system over price impact and target leverage.

    Parameters
    ----------
    theory : Theory
    cells : int
        Along each axis.
    shock : float
        Instantaneous fall of the log price in every cell.

    Returns
    -------
    Diagram
    """
    impact, leverage = np.geomspace(0.02, 1.5, cells), np.geomspace(1.5, 40, cells)
    found = phase_diagram(
        theory.depleting, ("price_impact", impact.tolist()), ("target_leverage", leverage.tolist()), magnitude=shock
    )
    values = theory.core.parameter_values
    with np.errstate(divide="ignore"):
        critical = 1 + (1 + np.divide(values["reversion"], values["adjustment"])) / impact
    below = leverage[:, None] < 1 / theory.margin
    comparable = np.broadcast_to(below, found["growth_rate"].shape)
    same = (found["growth_rate"].values > 0) == (leverage[:, None] > critical[None, :])
    return Diagram(
        found,
        shock,
        1 / -math.expm1(-shock),
        1 / (1 - (1 - theory.margin) * math.exp(-shock)),
        int(np.sum(same & comparable)),
        int(np.sum(comparable)),
    )


def regime_table(diagram: Diagram) -> Table:
    """Return how many cells are in which regime, and what each means."""
    meanings = {
        "stable": "the shock dies out",
        "cascades_after_shock": "the shock leaves equity, and the cascade takes it",
        "unstable": "no shock is needed: the fixed point is unstable (eigenvalues)",
        "insolvent_at_once": "the shock alone takes all equity",
        "target_above_venue_limit": "the shock dies out, but forced sales never stop: the target is beyond 1/u_m",
        "not_settled": "not decided within the time simulated",
        "no_fixed_point": "no admissible fixed point to start from",
        "invalid": "the trajectory broke down",
        "not_run": "not simulated",
        "ended_by_other_event": "another terminal event ended the run before it settled or lost its equity",
        "other_attractor": "the shock dies out, but at another attractor than the one it started from",
    }
    rows = tuple((name.replace("_", " "), count, meanings[name]) for name, count in diagram.counts.items())
    return Table(
        "regimes",
        "Regimes of the phase diagram",
        (Column("regime", "regime"), Column("cells", "cells"), Column("meaning", "meaning")),
        rows,
    )
