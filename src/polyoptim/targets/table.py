"""Columns of a table: a CSV file, a data frame of any library, or a mapping of columns."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError, DataError
from polyoptim.registry import nearest
from polyoptim.targets.samples import column


def is_table(target: Any) -> bool:
    """Tell whether `target` has named columns: a mapping, or a data frame of pandas, polars or pyarrow."""
    if isinstance(target, Mapping):
        return True
    return hasattr(target, "__getitem__") and (hasattr(target, "columns") or hasattr(target, "column_names"))


def is_file(target: Any) -> bool:
    """Tell whether `target` is a file: a path, a text that ends in .csv, or the name of a file that exists."""
    if isinstance(target, Path):
        return True
    if not isinstance(target, str):
        return False
    if target.lower().endswith(".csv"):
        return True
    try:
        return Path(target).is_file()
    except (OSError, ValueError):  # a text that no file system takes as a name
        return False


def read(target: Any, wanted: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float64] | None]:
    """Return columns of a table as float64 arrays of shape (rows,).

    Parameters
    ----------
    target : a path of a CSV file with a header, or a table.
    wanted : argument name ("x", "y", "weight") to column name; None where the argument was not given.

    Raises
    ------
    ArgumentError
        Where x or y is not given, or there is no such column (suggests the nearest).
    DataError
        For a cell that is not a finite number: file, line, column and text.
    """
    rows: Iterator[tuple[int, list[str]]] | None = None
    if is_file(target):
        what = str(target)
        rows = _rows(Path(target))
        header = _header(rows, what)
    else:
        what = "the table"
        labels = list(getattr(target, "column_names", None) or getattr(target, "columns", target))
        header = [str(label) for label in labels]
    # A data frame may have whole numbers for labels.
    names = {role: str(name) if type(name) is int else name for role, name in wanted.items() if name is not None}
    _check_names(names, wanted, header, what)
    if rows is not None:
        found = _parse(rows, header, names, what)
    else:
        found = {
            role: column(_column(target, labels[header.index(name)]), f"column {name!r}")
            for role, name in names.items()
        }
    return {role: found.get(role) for role in wanted}


def _column(table: Any, label: Any) -> Any:
    try:
        return table[label]
    except (TypeError, KeyError, ValueError) as error:  # a lazy frame, say
        raise DataError(f"column {label!r} of the table cannot be read: {error}. Collect the table first.") from None


def _check_names(names: Mapping[str, Any], wanted: Mapping[str, str | None], header: list[str], what: str) -> None:
    wrong = [
        f"{role} is not given: name a column of {what}." for role in ("x", "y") if role in wanted and role not in names
    ]
    for role, name in names.items():
        if not isinstance(name, str):
            wrong.append(f"{role} must be the name of a column of {what}, got {type(name).__name__}.")
        elif name not in header:
            guess = nearest(name, header)
            wrong.append(f"{what} has no column {name!r} ({role})" + (f"; did you mean {guess!r}?" if guess else "."))
        elif header.count(name) > 1:
            wrong.append(f"{what} has {header.count(name)} columns named {name!r} ({role}). Rename them.")
    if wrong:
        raise ArgumentError(f"{' '.join(wrong)} Its columns: {', '.join(header)}.")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a CSV file; `line` is where the row begins, counted from 1."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            line = 1
            for row in reader:
                yield line, row
                line = reader.line_num + 1
    except FileNotFoundError:
        raise DataError(
            f"there is no file {str(path)!r}. Check the path, or write the target as an expression."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}). Save it as CSV in UTF-8.") from None
    except ValueError as error:  # a NUL character in the name
        raise DataError(f"{str(path)!r} is not the name of a file: {error}.") from None
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}. Repair that line.") from None


def _header(rows: Iterable[tuple[int, list[str]]], what: str) -> list[str]:
    for _, row in rows:
        if row:
            return [name.strip() for name in row]
    raise DataError(f"{what} is empty. It needs a line of column names and then the numbers.")


def _parse(
    rows: Iterable[tuple[int, list[str]]], header: list[str], names: Mapping[str, str], what: str
) -> dict[str, npt.NDArray[np.float64]]:
    places = {role: header.index(name) for role, name in names.items()}
    values: dict[str, list[float]] = {role: [] for role in places}
    for line, row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{what}, line {line}: {len(row)} cells, but the header has {len(header)}. Repair that line."
            )
        for role, place in places.items():
            at = line + sum(cell.count("\n") for cell in row[:place])  # a quoted cell may hold line ends
            values[role].append(_number(row[place], f"{what}, line {at}, column {header[place]!r}"))
    if not all(values.values()):
        raise DataError(f"{what} has a header but no rows. Give at least one sample.")
    return {role: np.array(found) for role, found in values.items()}


def _number(text: str, where: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan  # Python reads 1_000, no CSV means it
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: {text!r} is not a finite number. Repair or drop that row.")
    return value
