"""Time stamps of data files: ISO 8601 texts and epoch numbers to nanoseconds in UTC; spacing and gaps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from dynamics.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Stamp", "describe_spacing", "find_gaps", "median_spacing", "parse_stamp", "time_zone_named"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_EPOCH_NUMBER = re.compile(r"\d{1,20}(\.\d{1,9})?", re.ASCII)
# Each range holds the years 1973 to 5138 in its unit, so a number fits one of them only.
_EPOCH_UNITS = (
    ("epoch seconds", 10**8, 10**9),
    ("epoch milliseconds", 10**11, 10**6),
    ("epoch microseconds", 10**14, 10**3),
    ("epoch nanoseconds", 10**17, 1),
)
_SECOND = 10**9
_UNITS = ((86400 * _SECOND, "day"), (3600 * _SECOND, "hour"), (60 * _SECOND, "minute"), (_SECOND, "second"))


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment: nanoseconds since 1970 in UTC, how it was written, and its offset from UTC as written."""

    nanoseconds: int
    form: str
    offset: str = ""


def time_zone_named(name: str | None) -> tzinfo | None:
    """Return the time zone of an IANA name such as ``Europe/London``.

    Raises
    ------
    SpecificationError
        There is no time zone of that name.
    """
    from zoneinfo import ZoneInfo

    if name is None:
        return None
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise SpecificationError(
            f"time_zone: there is no time zone {name!r}; give an IANA name such as 'Europe/London', or None for UTC"
        ) from None


def parse_stamp(text: str, zone: tzinfo | None = None) -> Stamp:
    """Read one time stamp.

    Parameters
    ----------
    text : str
        An ISO 8601 date or date and time, or a number of seconds, milliseconds, microseconds or nanoseconds since
        1970 (told apart by magnitude; years from 1973).
    zone : tzinfo, optional
        Time zone of stamps that carry no offset; None reads them as UTC.

    Returns
    -------
    Stamp
        ``form`` is ``"no offset"``, ``"offset"`` or ``"epoch <unit>"``.

    Raises
    ------
    ValueError
        With a text that completes the sentence "line, column: ...".

    Examples
    --------
    >>> parse_stamp("1577836800000")
    Stamp(nanoseconds=1577836800000000000, form='epoch milliseconds', offset='+00:00')
    >>> parse_stamp("2020-01-01 01:00+01:00").nanoseconds == parse_stamp("2020-01-01").nanoseconds
    True
    """
    if _EPOCH_NUMBER.fullmatch(text):
        return _from_epoch(text)
    match = _ISO.fullmatch(text)
    if not match:
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise ValueError(f"{shown!r} is not a date; write 2020-03-12 or 2020-03-12 13:45+00:00, or epoch milliseconds")
    date, clock, fraction, offset = match.groups()
    if offset in ("Z", "UTC"):
        offset = "+00:00"
    try:
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00'}{offset or ''}")
        if moment.tzinfo is None:
            moment = _localise(moment, zone or UTC)
        elapsed = moment - _EPOCH
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a moment ({error})") from None
    if not 1678 <= moment.year <= 2261:
        raise ValueError(f"{text!r} lies outside the years 1678 to 2261 that nanosecond stamps can hold")
    seconds = elapsed.days * 86400 + elapsed.seconds
    nanoseconds = seconds * _SECOND + int((fraction or "0").ljust(9, "0"))
    if offset is None:
        return Stamp(nanoseconds, "no offset")
    return Stamp(nanoseconds, "offset", offset if ":" in offset else f"{offset[:3]}:{offset[3:]}")


def median_spacing(nanoseconds: NDArray[np.int64]) -> int:
    """Return the median distance between successive stamps, in nanoseconds (0 for fewer than two stamps)."""
    return int(np.median(np.diff(nanoseconds))) if len(nanoseconds) > 1 else 0


def describe_spacing(nanoseconds: int) -> str:
    """Say a duration in its largest whole unit.

    Examples
    --------
    >>> describe_spacing(900 * 10**9)
    '15 minutes'
    """
    for size, name in _UNITS:
        if nanoseconds >= size and nanoseconds % size == 0:
            number = nanoseconds // size
            return f"{number} {name}" + ("" if number == 1 else "s")
    return f"{nanoseconds / _SECOND:g} seconds"


def find_gaps(nanoseconds: NDArray[np.int64], spacing: int) -> list[str]:
    """List the places where more than one and a half spacings pass between successive stamps, as text."""
    steps = np.diff(nanoseconds)
    gaps = []
    for index in np.flatnonzero(steps > 1.5 * spacing) if spacing > 0 else ():
        start, end = (np.datetime64(int(nanoseconds[i]), "ns").astype("datetime64[s]") for i in (index, index + 1))
        gaps.append(f"{start} to {end}: {round(int(steps[index]) / spacing) - 1} missing")
    return gaps


def _from_epoch(text: str) -> Stamp:
    """Tell the unit of an epoch number by its magnitude."""
    number = Decimal(text)
    for form, smallest, factor in _EPOCH_UNITS:
        if smallest <= number < 1000 * smallest:
            nanoseconds = int(number * factor)
            if nanoseconds >= 2**63:
                break
            return Stamp(nanoseconds, form, "+00:00")
    raise ValueError(
        f"{text!r} is neither an ISO date nor seconds, milliseconds, microseconds or nanoseconds since 1970 "
        "(in the years 1973 to 2261)"
    )


def _localise(moment: datetime, zone: tzinfo) -> datetime:
    """Attach a time zone, refusing the hour that a clock change skips or repeats."""
    early, late = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if early.utcoffset() != late.utcoffset():
        raise ValueError(f"the clock change in {zone} skips or repeats it; give stamps with an offset")
    return early
