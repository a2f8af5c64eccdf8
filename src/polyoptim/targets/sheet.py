"""Sheet: the columns that a fit reads, wherever they stand, as parts of x, y and weight."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError, DataError
from polyoptim.registry import Registry, match
from polyoptim.targets.partitions import Local, Part, Partitions, joined
from polyoptim.targets.samples import LARGEST_KEPT, Samples, check_lengths, column, columns_of
from polyoptim.targets.selection import Selection
from polyoptim.targets.source import Source, is_table, open_source

Array = npt.NDArray[np.float64]

# Numbers that are kept in memory between two passes over files; what is more is read again.
LARGEST_HELD = 1 << 25
# What a result says of arrays.
ARRAYS = {"kind": "arrays", "text": "arrays"}
# Loaded late: dask is slow to import, and optional.
FAR = Registry("keyword", {"scheduler": "polyoptim.distributed.sheet:open_cluster"}, extra={"scheduler": "distributed"})


class Sheet:
    """x, y and weight of a fit.

    Attributes
    ----------
    x : the names of the columns of x.
    about : what a result says of it.
    notes : sentences for the user.
    held : whether all rows are in memory, so that another pass costs nothing to speak of.
    labels : of the rows of the last pass, in parts, where there is a column of groups.
    """

    def __init__(self, x: Sequence[str], about: Mapping[str, Any], notes: Sequence[str]) -> None:
        self.x, self.about, self.notes = list(x), dict(about), list(notes)
        self.held = False
        self.labels: list[npt.NDArray[Any]] = []

    def parts(self) -> Iterator[Part]:
        """Yield all rows, in parts; may be called again and again."""
        raise NotImplementedError

    def whole(self) -> Part:
        """Return all rows at once."""
        return joined(list(self.parts()))

    def rows(self, threads: int) -> Partitions:
        """Return all rows as a table that is reduced by so many threads."""
        return Local(self.parts, threads)

    def close(self) -> None:
        """Let go of what a fit does not need any more."""

    def texts(self) -> Iterator[dict[str, list[Any]]]:
        """Yield the cells of all rows by role, exact as text or numbers."""
        raise NotImplementedError

    def extent(self) -> tuple[list[tuple[float, float]], tuple[float, float], int] | None:
        """Return the ranges of x and of y and the number of rows where they are known without a pass, else None."""
        return None

    def rationals(self) -> tuple[list[list[Fraction]], list[Fraction], list[Fraction] | None]:
        """Return x, y and weight as rational numbers: decimals of a CSV file as they stand there."""
        found: dict[str, list[Fraction]] = {}
        for cells in self.texts():
            for role, values in cells.items():
                found.setdefault(role, []).extend(map(Fraction, values))
        x = [found[role] for role in roles(len(self.x))]
        weight = found.get("weight")
        if "sigma" in found:
            weight = [1 / value**2 for value in found["sigma"]]
        return x, found["y"], weight

    def samples(self) -> Samples | None:
        """Return some of the rows, spread over all, where x has one column."""
        if len(self.x) > 1:
            return None
        kept: list[Part] = []
        stride = 1
        for part in self.parts():
            kept.append(_thinned(part, stride))
            while sum(len(one.y) for one in kept) > 2 * LARGEST_KEPT:
                kept, stride = [_thinned(one, 2) for one in kept], 2 * stride
        weights = [one.weight for one in kept if one.weight is not None]
        weight = np.concatenate(weights) if weights else None
        x, y = np.concatenate([one.x[0] for one in kept]), np.concatenate([one.y for one in kept])
        return Samples(x, y, weight).thinned(LARGEST_KEPT)


def _thinned(part: Part, stride: int) -> Part:
    if stride == 1:
        return part
    weight = None if part.weight is None else part.weight[::stride]
    return Part([column[::stride] for column in part.x], part.y[::stride], weight)


class ArraySheet(Sheet):
    """Arrays in memory."""

    def __init__(
        self,
        columns: Mapping[str, Array],
        x: Sequence[str],
        about: Mapping[str, Any],
        labels: Sequence[npt.NDArray[Any]] = (),
    ) -> None:
        super().__init__(x, about, [])
        self._columns, self.held, self.labels = columns, True, list(labels)
        self._rows = rows_of(columns, len(x), 0)

    def parts(self) -> Iterator[Part]:
        """Yield all rows."""
        yield self._rows

    def texts(self) -> Iterator[dict[str, list[Any]]]:
        """Yield the floats, which are rational numbers too."""
        yield {role: values.tolist() for role, values in self._columns.items()}


class FileSheet(Sheet):
    """Columns of a file or a table, read as often as wanted; few are kept."""

    def __init__(self, selection: Selection, x: Sequence[str], about: Mapping[str, Any], notes: Sequence[str]) -> None:
        super().__init__(x, about, notes)
        self.selection = selection
        self._kept: list[Part] = []

    def parts(self) -> Iterator[Part]:
        """Yield all rows; a first pass keeps them where they are few."""
        if self.held:
            yield from self._kept
            return
        kept: list[Part] = []
        first = numbers = 0
        self.labels = []
        for chunk in self.selection.chunks():
            if "by" in chunk:
                self.labels.append(chunk.pop("by"))
            rows = rows_of(chunk, len(self.x), first)
            first += len(rows.y)
            numbers += len(chunk) * len(rows.y)
            kept = [*kept, rows] if numbers <= LARGEST_HELD else []
            yield rows
        if numbers <= LARGEST_HELD:
            self._kept, self.held = kept, True
        self.notes = self.noted(self.notes)

    def noted(self, notes: Sequence[str]) -> list[str]:
        """Return notes and, where rows were left out of a pass, one on how many."""
        count = self.selection.dropped
        said = f"{count} {'row' if count == 1 else 'rows'} with a missing value left out."
        return [*(note for note in notes if note != said), *([said] if count else [])]

    def extent(self) -> tuple[list[tuple[float, float]], tuple[float, float], int] | None:
        """Return what the statistics of Parquet files say; with weights a range may have rows of weight 0."""
        rows, bounds = self.selection.rows(), self.selection.bounds()
        x = roles(len(self.x))
        if not rows or bounds is None or set(bounds) != {*x, "y"}:
            return None
        return [bounds[role] for role in x], bounds["y"], rows

    def texts(self) -> Iterator[dict[str, list[Any]]]:
        """Yield the cells as they stand in a CSV file."""
        yield from self.selection.texts()


def is_collection(value: Any) -> bool:
    """Tell whether a value is one of dask's collections, without importing dask."""
    in_memory = hasattr(value, "chunks") and value.chunks is None  # an array of xarray
    return hasattr(value, "__dask_graph__") and not in_memory


def open_sheet(
    data: Any, y: Any, x: Any, weight: Any, sigma: Any, missing: str, by: Any = None, scheduler: Any = None
) -> Sheet:
    """Return the columns of a fit.

    Parameters
    ----------
    data, y, x, weight, sigma, missing, by, scheduler : as `fit` takes them.
    """
    match("missing", missing, ("raise", "drop"))
    how: Literal["raise", "drop"] = "drop" if missing == "drop" else "raise"
    if weight is not None and sigma is not None:
        raise ArgumentError("weight and sigma cannot both be given: weight is 1/sigma². Give one of them.")
    others = {role: value for role, value in (("weight", weight), ("sigma", sigma), ("by", by)) if value is not None}
    if scheduler is not None or any(map(is_collection, (data, y, weight, sigma))):
        sheet: Sheet = FAR["scheduler"](data, y, x, others, how, scheduler)
        return sheet
    if isinstance(data, (str, os.PathLike)):
        return of_source(open_source(data), str(data), y, x, others, how)
    if is_table(data):
        return of_source(open_source(data), "a table", y, x, others, how)
    return _of_arrays(data, y, x, others, how)


def of_source(
    source: Source, text: str, y: Any, x: Any, others: Mapping[str, Any], missing: Literal["raise", "drop"]
) -> FileSheet:
    """Return columns of a source, which a result calls `text`."""
    names, notes = _chosen(source, x, y, others)
    wanted = {**dict(zip(roles(len(names) - 1), names[:-1], strict=True)), "y": names[-1], **others}
    selection = source.select(wanted, missing=missing)
    about: dict[str, Any] = {"kind": "table", "text": text, "y": names[-1]}
    about["x"] = names[:-1] if len(names) > 2 else names[0]
    for role, origin in selection.origins.items():
        name = wanted[role]
        notes.append(f"{name} counts seconds from {origin}.")
        about.setdefault("origins", {})[name] = origin
    return FileSheet(selection, names[:-1], {**about, **others}, notes)


def _chosen(source: Source, x: Any, y: Any, others: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of the columns of x and of y, and a note where the user did not choose them."""
    given = [] if x is None else list(x) if isinstance(x, (list, tuple)) else [x]
    if given and y is not None:
        return [*given, y], []
    free = [name for name in source.numeric() if name not in given and name != y and name not in others.values()]
    wanted = (not given) + (y is None)
    if len(free) < wanted:
        raise ArgumentError(
            f"{source.what} has too few numeric columns to choose x and y from. Its columns: {', '.join(source.names)}."
        )
    chosen = [*(given or [free.pop(0)]), y if y is not None else free.pop(0)]
    return chosen, [f"x is {', '.join(map(repr, chosen[:-1]))} and y is {chosen[-1]!r}, as the columns were not named."]


def _of_arrays(data: Any, y: Any, x: Any, others: Mapping[str, Any], missing: Literal["raise", "drop"]) -> Sheet:
    given, names = arrays_by_role(data, y, x, others)
    if missing == "raise" and not any(_is_moments(values) for role, values in given.items() if role != "by"):
        columns = {role: column(values, role, share=True) for role, values in given.items() if role != "by"}
        labels = _labels(given["by"]) if "by" in given else []
        check_lengths(**columns, **({"by": range(sum(map(len, labels)))} if labels else {}))
        return ArraySheet(columns, names, ARRAYS, labels)
    return of_roles(open_source(given), names, missing)


def arrays_by_role(data: Any, y: Any, x: Any, others: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of arrays by role, and the names of those of x."""
    if y is None:
        what = f"a {type(data).__name__} is neither a file nor a table"
        raise ArgumentError(f"{what}. For arrays give x and y: fit(x, y).")
    if x is not None:
        raise ArgumentError("x names a column of a table; with arrays write fit(x, y).")
    inputs = columns_of(data)
    return {**inputs, "y": y, **others}, list(inputs)


def of_roles(source: Source, names: Sequence[str], missing: Literal["raise", "drop"]) -> FileSheet:
    """Return arrays that a source has under the names of their roles; `names` are those of the columns of x."""
    selection = source.select({role: role for role in source.names}, missing=missing)
    notes = [f"{role} counts seconds from {origin}." for role, origin in selection.origins.items()]
    return FileSheet(selection, names, ARRAYS | ({"origins": dict(selection.origins)} if notes else {}), notes)


def _labels(values: Any) -> list[npt.NDArray[Any]]:
    if type(values) is np.ndarray and values.dtype == np.int64 and values.ndim == 1 and len(values):
        return [values]  # they are only read
    return [chunk["by"] for chunk in open_source({"by": values}).select({"by": "by"}).chunks()]


def _is_moments(values: Any) -> bool:
    first = values[0] if isinstance(values, (list, tuple)) and values else None
    return getattr(getattr(values, "dtype", None), "kind", "") == "M" or hasattr(first, "isoformat")


def roles(width: int) -> list[str]:
    """Return the names of the columns of x in a plan."""
    return ["x"] if width == 1 else [f"x{place + 1}" for place in range(width)]


def rows_of(columns: Mapping[str, Array], width: int, first: int) -> Part:
    """Return rows, with their weights checked; `first` is the place of the first one in all."""
    weight = columns.get("weight")
    if weight is not None and (weight < 0).any():
        place = int(np.argmax(weight < 0))
        raise DataError(f"weight[{first + place}] is {weight[place]}, but a weight must be >= 0.")
    sigma = columns.get("sigma")
    if sigma is not None:
        if not (sigma > 0).all():
            place = int(np.argmax(~(sigma > 0)))
            raise DataError(f"sigma[{first + place}] is {sigma[place]}, but a standard deviation must be > 0.")
        with np.errstate(over="ignore", divide="ignore"):
            weight = 1.0 / np.square(sigma)
        if not np.isfinite(weight).all():
            place = int(np.argmax(~np.isfinite(weight)))
            raise DataError(f"sigma[{first + place}] is {sigma[place]}, too small: its weight overflows. Scale y.")
    return Part([columns[role] for role in roles(width)], columns["y"], weight)
