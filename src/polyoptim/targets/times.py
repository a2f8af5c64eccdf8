"""Moments in time as seconds, exactly: from NumPy, from Python's datetime, and from ISO 8601 text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import DataError

DAY = 86_400
BILLION = 10**9

# What pyarrow's CSV reader takes for a timestamp, so that both readers agree.
ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?)?",
    re.ASCII,
)

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": BILLION}


def parse_moment(text: str) -> tuple[int, bool] | None:
    """Return nanoseconds since 1970 in UTC, and whether a time zone is named; None where the text is no moment.

    Without a time zone the text is read as if it were UTC.

    >>> parse_moment("1970-01-02T01:00+01:00")
    (86400000000000, True)
    >>> parse_moment("1970-02-30") is None
    True
    """
    found = ISO.fullmatch(text)
    if not found:
        return None
    day, hours, minutes, seconds, fraction, utc, sign, east_hours, east_minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{hours or '00'}:{minutes or '00'}:{seconds or '00'}+00:00")
    except ValueError:
        return None
    east = 0
    if sign:
        if int(east_hours) > 23 or int(east_minutes or 0) > 59:
            return None
        east = (3600 * int(east_hours) + 60 * int(east_minutes or 0)) * (-1 if sign == "-" else 1)
    nanoseconds = int((fraction or "").ljust(9, "0"))
    return (_whole_seconds(moment) - east) * BILLION + nanoseconds, bool(utc or sign)


def moment_of(cell: Any) -> tuple[int, bool] | None:
    """Return nanoseconds since 1970 in UTC, and whether there is a time zone, of an object; None where it is no moment.

    Takes `datetime`, `date`, pandas' Timestamp and NumPy's datetime64.

    >>> moment_of(date(1970, 1, 2))
    (86400000000000, False)
    """
    if isinstance(cell, datetime):
        aware = cell.tzinfo is not None
        utc = cell.astimezone(UTC) if aware else cell.replace(tzinfo=UTC)
        rest = 1000 * cell.microsecond + int(getattr(cell, "nanosecond", 0))  # pandas counts further than Python
        return _whole_seconds(utc) * BILLION + rest, aware
    if isinstance(cell, date):
        return (cell - date(1970, 1, 1)).days * DAY * BILLION, False
    if isinstance(cell, np.datetime64) and not np.isnat(cell):
        ticks, per = _ticks(np.array([cell]), "the column")
        return int(ticks[0]) * (BILLION // per), False
    return None


def midnight(nanoseconds: int) -> int:
    """Return the midnight (UTC) before a moment, in seconds since 1970."""
    return nanoseconds // (DAY * BILLION) * DAY


def iso(seconds: int, zone: bool) -> str:
    """Return a moment, in seconds since 1970, as ISO 8601 text; with a Z where the data name a time zone.

    >>> iso(86400, True)
    '1970-01-02T00:00:00Z'
    """
    return str(np.datetime64(seconds, "s")) + ("Z" if zone else "")


def seconds_since(
    array: npt.NDArray[Any], origin: int, zone: bool, name: str, at: Callable[[int], str]
) -> npt.NDArray[np.float64]:
    """Return moments as seconds since `origin`, correctly rounded.

    Parameters
    ----------
    array : datetime64, or objects that are moments.
    origin : in seconds since 1970.
    zone : whether objects must name a time zone, or must not.
    name, at : what the column is called in messages, and the place of an index.
    """
    if array.dtype.kind == "M":
        ticks, per = _ticks(array, name)
        return _seconds(ticks, per, origin)
    if array.dtype.kind != "O":
        raise DataError(f"{name} holds numbers or text here, but dates and times before. Make it one or the other.")
    found = np.empty(len(array))
    for place, cell in enumerate(array):
        moment = moment_of(cell)
        if moment is None:
            raise DataError(f"{at(place)} is {cell!r}, not a date or time as before. Drop or repair that row.")
        if moment[1] != zone:
            raise DataError(f"{at(place)} is {str(cell)!r}, which {zone_clash(zone)}")
        found[place] = (moment[0] - origin * BILLION) / BILLION  # Python divides integers correctly rounded
    return found


def zone_clash(zone: bool) -> str:
    """Return what is wrong with a moment where the first one names a time zone, or does not."""
    if zone:
        return "names no time zone, but the first value does. Give all or none one."
    return "names a time zone, but the first value does not. Give all or none one."


def durations(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
    """Return timedelta64 as seconds, correctly rounded."""
    ticks, per = _ticks(array, name)
    return _seconds(ticks, per, 0)


def _whole_seconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def _ticks(array: npt.NDArray[Any], name: str) -> tuple[npt.NDArray[np.int64], int]:
    """Return a datetime64 or timedelta64 array as integers, and how many of them make a second."""
    unit, _ = np.datetime_data(array.dtype)
    if array.dtype.kind == "m" and unit in {"Y", "M"}:
        raise DataError(f"{name} holds {array.dtype}, which have no fixed length. Convert it to days.")
    unit = "s" if unit in {"Y", "M", "W", "D", "h", "m"} else unit
    if unit not in PER_SECOND:
        raise DataError(f"{name} holds {array.dtype}; times are read in units from years to nanoseconds. Convert it.")
    return array.astype(f"{array.dtype.kind}8[{unit}]").astype(np.int64), PER_SECOND[unit]


def _seconds(ticks: npt.NDArray[np.int64], per: int, origin: int) -> npt.NDArray[np.float64]:
    whole, part = np.divmod(ticks, per)
    whole -= origin
    # One division of exact numbers is correctly rounded. Where their product leaves 2**53 the sum is, too: part / per
    # errs by 2**-54 at most, while no multiple of 1e-9 but a tie itself comes within 4e-16 of a tie of doubles that
    # large, so that both fall on the same side.
    small = np.abs(whole) < 2**53 // per - 1
    return np.where(small, (whole * per + part) / per, whole + part / per)
