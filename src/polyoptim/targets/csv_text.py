"""CSV as Python reads it: rows of text with their lines, and what a cell may be."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import DataError
from polyoptim.targets.reader import BATCH, Plan, Wanted
from polyoptim.targets.times import BILLION, parse_moment, zone_clash

# What stands for a value that is not there, blanks around it aside.
MISSING = ("", "NA", "NaN", "nan", "null", "None")

LONGEST_SHOWN = 80


def rows(lines: Iterable[str], line: int, what: str, width: int | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row but the blank ones; `line` is where the row begins.

    Parameters
    ----------
    lines : with their ends.
    line : number of the first.
    what : the file in messages.
    width : how many cells a row has; None for the header.

    Raises
    ------
    DataError
        For a row with another number of cells, or with quotes that do not close.
    """
    reader = csv.reader(lines, strict=True)
    start = line
    try:
        for row in reader:
            if row:
                if width is not None and len(row) != width:
                    raise DataError(
                        f"{what}, line {start}: {len(row)} cell{'s'[: len(row) != 1]}, "
                        f"but the header has {width}. Repair that line."
                    )
                yield start, row
            start = line + reader.line_num
    except csv.Error as error:
        raise DataError(f"{what}, line {line + reader.line_num - 1}: {error}. Repair that line.") from None


def number(text: str) -> float:
    """Return the finite double nearest to a decimal, or NaN where the text is none."""
    try:
        value = float(text) if "_" not in text else math.nan  # Python reads 1_000, no CSV means it
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


class CellReader:
    """Makes values of the wanted cells of rows.

    Parameters
    ----------
    header : the column names.
    plan : what is wanted.
    what : the file in messages.
    """

    def __init__(self, header: tuple[str, ...], plan: Plan, what: str) -> None:
        self._header = header
        self._plan = plan
        self._what = what
        self._places = {wanted: header.index(wanted.name) for wanted in plan.columns}

    def batches(self, found: Iterable[tuple[int, list[str]]]) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Yield the values of rows by role; NaN, or None with labels, for a missing one."""
        cells: dict[Wanted, list[Any]] = {wanted: [] for wanted in self._places}
        count = 0
        for line, row in found:
            for wanted, place in self._places.items():
                cells[wanted].append(self._value(wanted, row[place].strip(), line, row))
            count += 1
            if count == BATCH:
                yield self._arrays(cells)
                cells, count = {wanted: [] for wanted in self._places}, 0
        if count:
            yield self._arrays(cells)

    def texts(self, found: Iterable[tuple[int, list[str]]]) -> Iterator[dict[str, list[str]]]:
        """Yield the decimals of rows by role, those of moments in seconds; rows with a missing value are left out."""
        kept: dict[str, list[str]] = {wanted.role: [] for wanted in self._places}
        for line, row in found:
            texts = {wanted: row[place].strip() for wanted, place in self._places.items()}
            values = [self._value(wanted, text, line, row) for wanted, text in texts.items()]
            if any(value is None or value != value for value in values):
                continue
            for wanted, text in texts.items():
                kept[wanted.role].append(_decimal(text, wanted.origin) if wanted.kind == "moment" else text)
            if len(next(iter(kept.values()))) == BATCH:
                yield kept
                kept = {role: [] for role in kept}
        if any(kept.values()):
            yield kept

    def _arrays(self, cells: dict[Wanted, list[Any]]) -> dict[str, npt.NDArray[Any]]:
        return {
            wanted.role: np.array(values, object if wanted.kind == "label" else np.float64)
            for wanted, values in cells.items()
        }

    def _value(self, wanted: Wanted, text: str, line: int, row: list[str]) -> Any:
        if wanted.kind == "number":
            value = number(text)
            if value == value:
                return value
            wrong = "is not a finite number"
        elif wanted.kind == "moment":
            moment = parse_moment(text)
            if moment is not None and moment[1] == wanted.zone:
                return (moment[0] - wanted.origin * BILLION) / BILLION  # Python divides integers correctly rounded
            wrong = "is not a date or time as the first value is" if moment is None else zone_clash(wanted.zone)
        elif text not in MISSING:
            return text
        else:
            wrong = "is not a label"
        missing = text in MISSING
        if missing and self._plan.drop:
            return None if wanted.kind == "label" else math.nan
        place = self._header.index(wanted.name)
        at = line + sum(cell.count("\n") for cell in row[:place])  # a quoted cell may hold line ends
        way_out = self._plan.way_out if missing else "."
        wrong = wrong.rstrip(".")
        raise DataError(
            f"{self._what}, line {at}, column {wanted.name!r}: {_shown(row[place])} {wrong}. "
            f"Repair or drop that row{way_out}"
        )


def _decimal(text: str, origin: int) -> str:
    moment = parse_moment(text)
    nanoseconds = (moment[0] if moment else 0) - origin * BILLION
    whole, rest = divmod(abs(nanoseconds), BILLION)
    return f"{'-' if nanoseconds < 0 else ''}{whole}.{rest:09d}"


def _shown(text: str) -> str:
    return repr(text) if len(text) <= LONGEST_SHOWN else repr(text[:LONGEST_SHOWN]) + "…"
