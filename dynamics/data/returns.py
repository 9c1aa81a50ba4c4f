"""From prices to log returns, without bridging gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynamics.data.stamps import describe_spacing, median_spacing
from dynamics.errors import DataError, SpecificationError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["log_returns"]


def log_returns(dataset: xr.Dataset, spacing: object = None, *, tolerance: float = 0.1) -> xr.Dataset:
    """Return the log return of each period, leaving out those that do not span one period.

    Parameters
    ----------
    dataset : xarray.Dataset
        Prices: variable ``close`` over the increasing dim ``time``, as `dynamics.data.read` gives them.
    spacing : timedelta or number, optional
        Length of a period (timedelta, numpy.timedelta64, or seconds); None takes the median spacing of the stamps.
    tolerance : float
        Largest relative deviation of a step from ``spacing``. 0.1 admits months of 28 to 31 days and days of 23 to
        25 hours; ``float("inf")`` keeps every step, as one may want for business days.

    Returns
    -------
    xarray.Dataset
        ``log_return`` (pure number) over ``time``, the end of each period. ``attrs["excluded"]`` lists the steps left
        out, each with its dates and its return; the attributes of ``dataset`` are kept.

    Raises
    ------
    DataError
        There is no ``close`` over ``time``, or fewer than two prices, or no step of the length of a period.
    SpecificationError
        ``spacing`` or ``tolerance`` is not positive.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.array(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[ns]")
    >>> prices = xr.Dataset({"close": ("time", [100.0, 50.0, 100.0, 120.0])}, coords={"time": days})
    >>> returns = log_returns(prices)
    >>> returns["log_return"].values.round(4).tolist()
    [-0.6931, 0.6931]
    >>> returns.attrs["excluded"]
    ['2020-01-03T00:00:00 to 2020-01-06T00:00:00 (3 days): 0.1823']
    """
    import xarray as xr

    if "close" not in dataset or dataset["close"].dims != ("time",) or "time" not in dataset.coords:
        raise DataError("log_returns: the dataset has no variable 'close' over the dim 'time'; see dynamics.data.read")
    if dataset.sizes["time"] < 2:
        raise DataError("log_returns: a return needs at least two prices")
    time = dataset["time"].values
    if not np.issubdtype(time.dtype, np.datetime64):
        raise DataError(f"log_returns: 'time' must be dates (datetime64), not {time.dtype}")
    stamps = time.astype("datetime64[ns]").astype(np.int64)
    close = dataset["close"].values.astype(float)
    if not np.all(np.isfinite(close) & (close > 0)):
        raise DataError("log_returns: every price must be positive and finite; drop the empty rows first")
    steps = np.diff(stamps)
    if np.any(steps <= 0):
        raise DataError("log_returns: the times must increase; sort them and drop duplicates first")
    period = median_spacing(stamps) if spacing is None else _nanoseconds(spacing)
    if not (period > 0 and tolerance >= 0):
        raise SpecificationError("log_returns: spacing must be positive and tolerance must not be negative")
    values = np.diff(np.log(close))
    kept = np.abs(steps - period) <= tolerance * period
    if not kept.any():
        raise DataError(
            f"log_returns: no step is {describe_spacing(period)} long; the median step is "
            f"{describe_spacing(median_spacing(stamps))}"
        )
    seconds = time.astype("datetime64[s]")
    excluded = [
        f"{seconds[i]} to {seconds[i + 1]} ({describe_spacing(int(steps[i]))}): {values[i]:.4f}"
        for i in np.flatnonzero(~kept)
    ]
    carried = {name: value for name, value in dataset.attrs.items() if name not in ("rows", "gaps", "frequency")}
    return xr.Dataset(
        {"log_return": ("time", values[kept], {"units": "1", "long_name": "log return"})},
        coords={"time": time[1:][kept]},
        attrs=carried
        | {
            "rows": int(kept.sum()),
            "frequency": describe_spacing(period),
            "spacing_seconds": period / 1e9,
            "excluded": excluded,
        },
    )


def _nanoseconds(spacing: object) -> int:
    """Turn a timedelta or a number of seconds into nanoseconds."""
    from datetime import timedelta

    if isinstance(spacing, timedelta):
        spacing = spacing.total_seconds()
    if isinstance(spacing, np.timedelta64):
        return int(spacing.astype("timedelta64[ns]").astype(np.int64))
    if isinstance(spacing, (int, float, np.integer, np.floating)) and np.isfinite(spacing):
        return round(float(spacing) * 1e9)
    raise SpecificationError(f"log_returns: spacing must be a timedelta or a number of seconds, not {spacing!r}")
