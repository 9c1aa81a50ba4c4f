"""Observed daily falls, set against the falls at which the model's cascades start."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import data as price_data
from dynamics.analysis.observed_falls import compare_falls, worst_days
from dynamics.analysis.tail_risk import tail_index
from dynamics.errors import DataError, MissingExtraError
from dynamics.report.shocks import Shocks
from dynamics.report.tables import Column, Table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COMPARED", "LETTERS", "Market", "QuarterHours", "compare", "read"]

COMPARED = (1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
LETTERS = {"instantaneous": "(a)", "ramp": "(b)", "total_fall": "(c)"}
DAY = 86400.0


@dataclass(frozen=True)
class QuarterHours:
    """Fifteen-minute returns in one line."""

    count: int
    deviation: float
    yearly: float
    worst: tuple[tuple[str, float], ...]
    start: str
    end: str


@dataclass(frozen=True)
class Market:
    """Daily returns and what they say about the thresholds."""

    returns: xr.Dataset
    worst: xr.Dataset
    tail: xr.Dataset
    comparison: xr.Dataset
    quarter_hours: QuarterHours | None
    start: str
    end: str

    @property
    def origin(self) -> dict[str, Any]:
        """Where the prices come from: file, hash, source, licence, repairs, gaps."""
        keys = ("sample", "source", "licence", "source_file", "source_sha256", "repairs", "gaps", "excluded")
        return {key: self.returns.attrs[key] for key in keys if self.returns.attrs.get(key)}

    @property
    def split(self) -> tuple[tuple[float, str], ...]:
        """Leverages at which the criteria disagree, with the days between them."""
        leverage, days = self.comparison["leverage"].values, self.comparison["within_bracket"].values
        counts = self.comparison["count"]
        between = (counts.max("criterion") - counts.min("criterion")).values
        return tuple(
            (float(v), briefly(str(d), int(n), 3)) for v, d, n in zip(leverage, days, between, strict=True) if d
        )

    @property
    def finding(self) -> str:
        """One or two sentences: from which leverage on the worst days were fatal."""
        counts = self.comparison["count"].sel(criterion=["instantaneous", "total_fall"])
        leverage = self.comparison["leverage"].values
        sure = leverage[(counts > 0).all("criterion").values]
        worst = f"the worst day ({str(self.worst['date'].values[0])[:10]})"
        if not sure.size:
            return f"Even {worst} did not exceed the whole bracket of critical falls at any of the leverages compared."
        few, many = (int(extreme(counts.sel(leverage=leverage[-1]))) for extreme in (min, max))
        return (
            f"From leverage {sure[0]:g} on, {worst} exceeded the whole bracket of critical falls; at leverage "
            f"{leverage[-1]:g}, {few} day{'s' if few != 1 else ''} exceeded all of it and {many} its lower end."
        )


def read(
    data: str | Path | None = None, *, time_zone: str | None = None, repair: Sequence[str] = ()
) -> xr.Dataset | None:
    """read(data): daily log returns of a CSV file or of the sample; None where the sample is not installed.

    Parameters
    ----------
    data : path, optional
        A CSV file of daily prices; None takes the sample ``bitcoin_price``.
    time_zone : str, optional
    repair : sequence of str
        As for ``dynamics.data.read``.

    Returns
    -------
    xarray.Dataset or None

    Raises
    ------
    DataError
        If the file has faults, or its prices are not daily.
    """
    if data is None:
        try:
            prices = price_data.sample("bitcoin_price")
        except MissingExtraError:
            return None
    else:
        prices = price_data.read(data, time_zone=time_zone, repair=tuple(repair))
    returns = price_data.log_returns(prices)
    spacing = float(returns.attrs["spacing_seconds"])
    if abs(spacing / DAY - 1) > 0.1:
        raise DataError(
            f"{data}: the report compares daily falls, and these prices are {returns.attrs['frequency']} apart; "
            "give one row for each day"
        )
    return returns


def compare(
    returns: xr.Dataset, shocks: Shocks, *, quarter_hours: bool = True, bootstrap: int = 2000, seed: int = 0
) -> Market:
    """compare(returns, shocks): worst days, tail index, and for each leverage how often its thresholds were exceeded.

    Parameters
    ----------
    returns : xarray.Dataset
        Daily, from ``read``.
    shocks : Shocks
        The depleting curves are compared.
    quarter_hours : bool
        Also describe the 15-minute sample.
    bootstrap, seed : int

    Returns
    -------
    Market
    """
    import xarray as xr

    instant, ramp = shocks.curves["depletion_instantaneous"], shocks.curves["depletion_ramp"]
    grid = instant["target_leverage"].values
    chosen = np.isin(grid, COMPARED) if np.isin(grid, COMPARED).any() else np.ones(grid.size, dtype=bool)
    thresholds = xr.Dataset(
        {
            "instantaneous": ("leverage", instant["threshold"].values[chosen]),
            "ramp": ("leverage", ramp["threshold"].values[chosen]),
            "total_fall": ("leverage", ramp["fall"].values[chosen]),
        },
        coords={"leverage": grid[chosen]},
    )
    days = [str(t)[:10] for t in returns["time"].values[[0, -1]].astype("datetime64[D]")]
    return Market(
        returns=returns,
        worst=worst_days(returns, 10),
        tail=tail_index(returns, bootstrap=max(bootstrap // 2, 100), seed=seed),
        comparison=compare_falls(returns, thresholds, bootstrap=bootstrap, seed=seed),
        quarter_hours=_quarter_hours() if quarter_hours and "sample" in returns.attrs else None,
        start=days[0],
        end=days[1],
    )


def _quarter_hours() -> QuarterHours:
    returns = price_data.log_returns(price_data.sample("bitcoin_price_15min"))
    values, times = returns["log_return"].values, returns["time"].values
    deviation = float(np.std(values, ddof=1))
    order = np.argsort(values, kind="stable")[:3]
    worst = tuple((str(times[k].astype("datetime64[m]")).replace("T", " "), float(values[k])) for k in order)
    return QuarterHours(
        len(values), deviation, deviation * float(np.sqrt(365.25 * 96)), worst, str(times[0])[:10], str(times[-1])[:10]
    )


def worst_table(market: Market) -> Table:
    """Return the ten worst days."""
    worst = market.worst
    rows = tuple(
        (int(k), str(worst["date"].values[i])[:10], float(worst["log_return"][i]), float(worst["price_change"][i]))
        for i, k in enumerate(worst["rank"].values)
    )
    return Table(
        "worst_days",
        "Ten worst days",
        (
            Column("rank", "rank"),
            Column("date", "day"),
            Column("log_return", "log-return"),
            Column("price_change", "price change"),
        ),
        rows,
    )


def comparison_table(market: Market) -> Table:
    """Return, for each leverage and criterion, counts, monthly probabilities with intervals, and the verdict."""
    found = market.comparison
    percents = ("monthly_probability", "monthly_lower", "monthly_upper", "gpd_monthly_probability")
    rows = []
    for leverage in found["leverage"].values:
        for criterion in found["criterion"].values:
            cell = found.sel(leverage=leverage, criterion=criterion)
            days, count = str(cell["decided_by"].values), int(cell["count"])
            rows.append(
                (
                    float(leverage),
                    LETTERS[str(criterion)],
                    str(criterion),
                    float(cell["threshold"]),
                    count,
                    *(100 * float(cell[n]) for n in percents),
                    _verdict(cell),
                    str(cell["verdict_text"].values),
                    days,
                    briefly(days, count),
                )
            )
    return Table(
        "observed_falls",
        "Days with a fall at least as large as the threshold",
        (
            Column("leverage", "leverage", digits=0),
            Column("letter", "", where="page"),
            Column("criterion", "criterion", where="files"),
            Column("threshold", "fall"),
            Column("count", "days"),
            Column("monthly_probability_percent", "% a month", "%", 2),
            Column("monthly_lower_percent", "from", "%", 2),
            Column("monthly_upper_percent", "to", "%", 2),
            Column("gpd_monthly_probability_percent", "GPD", "%", 2),
            Column("verdict", "1 % a month?"),
            Column("verdict_text", "verdict in words", where="files"),
            Column("decided_by", "days that decide", where="files"),
            Column("first_days", "days that decide", where="page"),
        ),
        tuple(rows),
    )


def briefly(days: str, count: int, most: int = 1) -> str:
    """Return the first dates of a list such as ``2020-03-12 (0.4647), ...``, and how many more there are.

    Examples
    --------
    >>> briefly("2020-03-12 (0.4647), 2021-05-19 (0.1481)", 2), briefly("", 0)
    ('2020-03-12 and 1 more', '')
    """
    dates = re.findall(r"\d{4}-\d{2}-\d{2}", days)[:most]
    more = f" and {count - len(dates)} more" if count > len(dates) else ""
    return ", ".join(dates) + more if dates else ""


def _verdict(cell: Any) -> str:
    names = dict(zip(cell["verdict"].attrs["flag_values"], cell["verdict"].attrs["flag_meanings"].split(), strict=True))
    word = names[int(cell["verdict"])].replace("_", " ")
    return f"{word} (≤ {100 * float(cell['monthly_upper']):.2g} %)" if word.startswith("beyond") else word
