"""What a dropped file holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyoptim.errors import ArgumentError, DataError, PolyoptimError
from polyoptim.targets.source import Source, open_source
from polyoptim.web.query import BadRequestError

LOOKED_AT = 200  # rows that decide whether a column holds numbers
MOST_COLUMNS = 200


def columns(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of a file: all names, and those that begin with numbers or times.

    Raises
    ------
    BadRequestError
        Where it cannot be read, or has no two columns of numbers.
    """
    name = Path(values.get("data", "")).name
    if not name:
        raise BadRequestError({"data": "there is no file. Drop a .csv or a .parquet file on the page."})
    try:
        source = open_source(name)
        names = list(source.names)[:MOST_COLUMNS]
        numbers = [column for column in names if _is_number(source, column)]
    except PolyoptimError as error:
        raise BadRequestError({"data": str(error)}) from None
    if len(numbers) < 2:
        raise BadRequestError(
            {"data": f"{name} has {len(numbers)} columns of numbers among {', '.join(names)}; two are wanted, x and y."}
        )
    return {"names": names, "numbers": numbers}


def _is_number(source: Source, name: str) -> bool:
    try:
        return len(next(source.select({"x": name}, missing="drop").chunks(LOOKED_AT))["x"]) > 0
    except (DataError, ArgumentError, StopIteration):
        return False
