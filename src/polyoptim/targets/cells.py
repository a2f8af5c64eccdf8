"""Cells: some rows of a column of any library, as the values that are there and the places of those that are not."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from polyoptim.errors import DataError
from polyoptim.targets.reader import Plan, Wanted
from polyoptim.targets.reals import LARGEST_EXACT_INTEGER, as_array, is_real, reals
from polyoptim.targets.times import durations, moment_of, seconds_since, zone_clash


@dataclass(frozen=True)
class Cells:
    """Some rows of one column.

    Integers with missing values never pass through float64, where pandas, polars and pyarrow would round them.

    Parameters
    ----------
    present : the values that are there, shape (m,).
    absent : shape (n,), true where a value is missing; None where none is.
    word : what the library calls the first missing value.
    zone : whether moments have a time zone; None where each object says so itself.
    """

    present: npt.NDArray[Any]
    absent: npt.NDArray[np.bool] | None = None
    word: str = "null"
    zone: bool | None = None

    def values(self, wanted: Wanted, plan: Plan, name: str, at: Callable[[int], str]) -> npt.NDArray[Any]:
        """Return float64 with NaN, or labels with None, where a value is missing.

        Parameters
        ----------
        wanted, plan : what is made of them.
        name : the column in messages.
        at : the name of the place of a row, from its index.

        Raises
        ------
        DataError
            For the first row that cannot be used.
        """
        if self.present.ndim != 1:  # the structures of polars
            raise DataError(f"{name} must have one dimension, got shape {self.present.shape}. Pass one column.")
        places = None if self.absent is None else np.flatnonzero(~self.absent)
        found = self._converted(wanted, plan, name, at if places is None else lambda index: at(int(places[index])))
        if places is not None and self.absent is not None:
            label = wanted.kind == "label"
            spread: npt.NDArray[Any] = np.full(
                len(self.absent), None if label else np.nan, object if label else found.dtype
            )
            spread[places] = found
            found = spread
        if wanted.kind == "label":
            bad = np.zeros(len(found), bool) if self.absent is None or plan.drop else self.absent
        else:
            bad = np.isinf(found) if plan.drop else ~np.isfinite(found)
        if bad.any():
            place = int(np.argmax(bad))
            missing = self.absent is not None and bool(self.absent[place])
            said = self.word if missing else f"{found[place]}"
            way_out = "." if said.endswith("inf") else plan.way_out
            kind = "a label" if wanted.kind == "label" else "a finite number"
            raise DataError(f"{at(place)} is {said}, not {kind}. Drop or repair that row{way_out}")
        return found

    def _converted(self, wanted: Wanted, plan: Plan, name: str, at: Callable[[int], str]) -> npt.NDArray[Any]:
        if wanted.kind == "label":
            return labels(self.present, name, at)
        if wanted.kind == "moment":
            if self.zone is not None and self.zone != wanted.zone and len(self.present):
                raise DataError(f"{name} {zone_clash(wanted.zone)}")
            return seconds_since(self.present, wanted.origin, wanted.zone, name, at)
        if self.present.dtype.kind == "m" and not plan.numbers_only:
            return durations(self.present, name)
        if self.present.dtype.kind == "M" and not plan.numbers_only and len(self.present):
            raise DataError(f"{name} holds dates and times here, but numbers before. Make it one or the other.")
        return reals(self.present, name, at)


def numbered(name: str, start: int) -> Callable[[int], str]:
    """Return what names the rows of a column that come after the first `start`."""
    return lambda row: f"{name}[{start + row}]"


def labels(array: npt.NDArray[Any], name: str, at: Callable[[int], str]) -> npt.NDArray[Any]:
    """Return an array of text, integers or truth values as int64, or as objects: str and int."""
    kind = array.dtype.kind
    if kind == "i" or (kind == "u" and array.dtype.itemsize < 8):
        return array.astype(np.int64)
    if kind == "f" and ((array == np.floor(array)) & (np.abs(array) <= LARGEST_EXACT_INTEGER)).all():
        # integers beside missing values, which pandas and NumPy hold as floats
        array, kind = np.array([int(cell) for cell in array.tolist()], object), "O"
    if kind not in "UiubO":
        raise DataError(f"{name} holds {array.dtype}, not labels. Labels are text or integers; convert it first.")
    found = np.empty(len(array), object)
    for place, cell in enumerate(array.tolist()):
        if isinstance(cell, (bool, np.bool, str)):
            found[place] = str(cell)
        elif isinstance(cell, (int, np.integer)):
            found[place] = int(cell)
        else:
            said = reprlib.repr(cell)
            raise DataError(f"{at(place)} is {said}, not a label. Labels are text or integers; convert it first.")
    return found


def sliced(column: Any, start: int, stop: int) -> Cells:
    """Return the rows from `start` to `stop` of a column of pandas, polars, pyarrow or NumPy."""
    if hasattr(column, "iloc"):
        return _of_pandas(column.iloc[start:stop])
    if hasattr(column, "drop_nulls"):
        return _of_polars(column.slice(start, stop - start))
    if hasattr(column, "drop_null"):
        return of_arrow(column.slice(start, stop - start))
    return _of_numpy(column[start:stop])


def sliceable(values: Any, name: str) -> Any:
    """Return `values` as a column that `sliced` takes; what is not of a known library becomes a NumPy array."""
    if hasattr(values, "iloc"):
        if values.ndim != 1:
            raise DataError(f"{name} must have one dimension, got shape {values.shape}. Pass one column.")
        return values
    return values if hasattr(values, "drop_nulls") or hasattr(values, "drop_null") else as_array(values, name)


def first(cells: Cells) -> tuple[int, bool] | Literal["number"] | None:
    """Return the first value that is there, as `Reader.first` does."""
    if len(cells.present) == 0:
        return None
    moment = moment_of(cells.present[0])
    if moment is None:
        return "number"
    return moment if cells.zone is None else (moment[0], cells.zone)


def is_numeric(cells: Cells) -> bool:
    """Tell whether cells look like numbers, dates or times; their dtype decides, or the first object."""
    kind = cells.present.dtype.kind
    if kind != "O":
        return kind in "iufmM" and cells.present.ndim == 1
    return len(cells.present) > 0 and (is_real(cells.present[0]) or moment_of(cells.present[0]) is not None)


def _of_pandas(series: Any) -> Cells:
    zone = getattr(series.dtype, "tz", None) is not None
    if zone:
        series = series.dt.tz_convert(None)  # UTC without saying so, which NumPy can hold
    absent = series.isna().to_numpy(dtype=bool)
    if not absent.any():
        absent, word = None, ""
    else:
        word = str(series.iloc[int(np.argmax(absent))])
        series = series[~absent]
    present = series.to_numpy()
    return Cells(present, absent, word, zone if present.dtype.kind == "M" else None)


def _of_polars(series: Any) -> Cells:
    absent = series.is_null().to_numpy() if series.null_count() else None
    series = series.drop_nulls()
    # polars has no way from 128 bits to NumPy.
    wide = "Int128" in str(series.dtype)
    present = np.array(series.to_list(), object) if wide else series.to_numpy()
    zone = getattr(series.dtype, "time_zone", None) is not None
    return Cells(present, absent, "null", zone if present.dtype.kind == "M" else None)


def of_arrow(array: Any) -> Cells:
    """Return an array of pyarrow, or a chunked one, as cells."""
    if hasattr(array, "combine_chunks") and hasattr(array, "chunks"):
        array = array.combine_chunks()
    if hasattr(array.type, "value_type") and hasattr(array.type, "index_type"):  # a dictionary
        array = array.cast(array.type.value_type)
    absent = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    if absent is not None:
        array = array.drop_null()
    zone = getattr(array.type, "tz", None) is not None
    present = _decimals(array) if str(array.type).startswith("decimal128") else array.to_numpy(zero_copy_only=False)
    return Cells(present, absent, "null", zone if present.dtype.kind == "M" else None)


def _decimals(array: Any) -> npt.NDArray[Any]:
    """Return decimals as doubles, correctly rounded; as Python's Decimal where there are too many digits for that."""
    scale = array.type.scale
    if len(array) == 0:
        return np.zeros(0)
    words = np.frombuffer(array.buffers()[1], "<i8")[2 * array.offset :][: 2 * len(array)]
    low, high = words[0::2], words[1::2]
    small = (high == low >> 63) & (low <= LARGEST_EXACT_INTEGER) & (low >= -LARGEST_EXACT_INTEGER)
    if 0 <= scale <= 22 and small.all():
        return np.asarray(low / 10.0**scale)  # a quotient of two exact doubles, rounded once
    return np.array(array.to_pylist(), object)


def _of_numpy(array: npt.NDArray[Any]) -> Cells:
    absent = np.zeros(len(array), bool)
    word = "masked"
    if isinstance(array, np.ma.MaskedArray):
        absent = np.ma.getmaskarray(array).copy()
        array = array.data
    if not absent.any():
        if array.dtype.kind == "O":
            absent = np.array([_is_missing(cell) for cell in array], bool)
        elif array.dtype.kind in "mM":
            absent = np.isnat(array)
        elif array.dtype.kind == "f":
            absent = np.isnan(array)
        word = str(array[np.argmax(absent)]) if absent.any() else ""
    zone = False if array.dtype.kind == "M" else None
    return Cells(array[~absent], absent, word, zone) if absent.any() else Cells(array, None, word, zone)


def _is_missing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:  # pandas' own, unequal to everything
        return True
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    return (
        cell.is_nan() if isinstance(cell, Decimal) else isinstance(cell, (float, np.floating)) and bool(np.isnan(cell))
    )
