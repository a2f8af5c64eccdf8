"""Front: polynomials of several degrees, formats and schemes, with their errors and costs; the best are marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError
from polyoptim.registry import Registry
from polyoptim.result import Result
from polyoptim.solution import Status
from polyoptim.tables import Table, plain

# Tables and pictures are loaded when they are first asked for.
VIEWS = Registry(
    "view",
    {"report": "polyoptim.frontier.tables:report", "figure": "polyoptim.frontier.pictures:figure"},
    extra={"figure": "plot"},
)
CRITERIA = ("max_ulp", "total_error_bound", "sup_error")  # what is least, the first that all points have in common


@dataclass(frozen=True, eq=False)
class Point:
    """One polynomial in one scheme.

    Parameters
    ----------
    number : its place in the table, from 1 on.
    degree, powers : the highest power, and those that may appear.
    format, compute_format, output_format : of the coefficients; of x and every operation; of the value in the end. None
        where nothing is rounded.
    scheme, fma : in which order it is evaluated, and whether a product and a sum are rounded once.
    status : "converged"; "failed" where there is no such polynomial; "interrupted" where it was not made, or its search
        was cut short.
    reason : why it failed; empty where it did not.
    result : the whole result, which can be exported; None where there is none.
    best : whether no other point is at least as good in its error, its depth and its number of operations, and better
        in one of them.
    """

    number: int
    degree: int
    powers: tuple[int, ...]
    format: str
    compute_format: str | None
    output_format: str | None
    scheme: str
    fma: bool
    status: Status
    reason: str = ""
    result: Result | None = None
    fma_count: int | None = None
    mul_count: int | None = None
    add_count: int | None = None
    depth: int | None = None
    best: bool = False

    @property
    def operations(self) -> int | None:
        """How many operations it takes: FMA, multiplications and additions, one each."""
        if self.fma_count is None or self.mul_count is None or self.add_count is None:
            return None
        return self.fma_count + self.mul_count + self.add_count

    @property
    def sup_error(self) -> float | None:
        """The largest error in exact arithmetic."""
        return None if self.result is None else self.result.sup_error

    @property
    def sup_error_kind(self) -> str | None:
        """How that was obtained: "proved" or "sampled"."""
        return None if self.result is None else self.result.sup_error_kind

    @property
    def total_error_bound(self) -> float | None:
        """A proved bound of the error with rounding; None where there is none."""
        return None if self.result is None else self.result.total_error_bound

    @property
    def max_ulp(self) -> float | None:
        """The largest error in units in the last place of the output, of the inputs that were tried."""
        return None if self.result is None else self.result.max_ulp

    @property
    def max_ulp_kind(self) -> str | None:
        """How that was obtained: "exhaustive", or "sampled" where the inputs are only some of the format's."""
        return None if self.result is None else self.result.max_ulp_kind

    @property
    def flips(self) -> float | None:
        """The share of results that are not the correctly rounded ones."""
        return None if self.result is None else self.result.flips

    @property
    def seconds(self) -> float | None:
        """Wall time; that of the coefficients and their proof is shared by all schemes with the same ones."""
        return None if self.result is None else self.result.seconds

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON, with its coefficients as they stand in their format."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("result", "powers")}
        own["status"] = str(self.status)
        found = {name: plain(getattr(self, name)) for name in FOUND}
        exact = None if self.result is None else list(self.result.coef_hex or ())
        notes = [] if self.result is None else list(self.result.notes)
        return {
            **own,
            "powers": list(self.powers),
            "operations": self.operations,
            **found,
            "coef_hex": exact,
            "notes": notes,
        }


FOUND = ("sup_error", "sup_error_kind", "total_error_bound", "max_ulp", "max_ulp_kind", "flips", "seconds")
COSTS = ("fma_count", "mul_count", "add_count", "operations", "depth")


@dataclass(frozen=True, eq=False)
class Front(Table):
    """Polynomials for one function, each with its error and its cost.

    Parameters
    ----------
    target : what was approximated: "kind" (expression, callable), its "text", and the "domains", as texts.
    arguments : all that front() was given.
    points : all of them, those that failed included, by degree, format and scheme.
    criterion : by which error points are compared: "max_ulp", or "flips" where these are made least, where all that
        were made have it in one output format; else "total_error_bound" where all have it, else "sup_error". Where
        code computes some, those that no code computes ("real") are not compared.
    seconds : wall time of all.
    notes : sentences about what the user should know.

    Examples
    --------
    >>> from polyoptim import front
    >>> found = front("2**x", domain=(0, 1), degrees=[1, 2, 3], formats="bfloat16", error="relative")
    >>> [(point.number, point.degree, point.scheme) for point in found.best]
    [(1, 1, 'horner'), (2, 1, 'estrin'), (3, 2, 'horner'), (5, 3, 'horner')]
    """

    target: Mapping[str, Any]
    arguments: Mapping[str, Any]
    points: tuple[Point, ...]
    criterion: str
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> tuple[Point, ...]:
        """The points that no other beats."""
        return tuple(point for point in self.points if point.best)

    @property
    def made(self) -> tuple[Point, ...]:
        """The points that have a result."""
        return tuple(point for point in self.points if point.result is not None)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C left points that were not made, or cut the search of one short."""
        return any(point.status == Status.INTERRUPTED for point in self.points)

    @property
    def status(self) -> Status:
        """How it ended: interrupted; failed where no point could be made; converged."""
        if self.interrupted:
            return Status.INTERRUPTED
        return Status.CONVERGED if self.made else Status.FAILED

    def point(self, number: int) -> Point:
        """Return the point of that number.

        Raises
        ------
        ArgumentError
            Where there is none, or it has no result.
        """
        if not 1 <= number <= len(self.points):
            raise ArgumentError(f"there is no point {number}. They are numbered from 1 to {len(self.points)}.")
        found = self.points[number - 1]
        if found.result is None:
            said = found.reason or "It was not made, for the front was interrupted."
            raise ArgumentError(f"point {number} has no polynomial: {said}")
        return found

    def error_of(self, point: Point) -> float:
        """Return the error by which a point is compared; not a number where it has none."""
        found = getattr(point, self.criterion)
        return math.nan if found is None else float(found)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one array a column, one entry a point; what is not known is not a number, or empty."""
        words = ("number", "degree", "format", "compute_format", "output_format", "scheme", "fma", "best")
        table = {name: np.array([_word(getattr(point, name)) for point in self.points]) for name in words}
        for name in (*FOUND, *COSTS):
            column = [getattr(point, name) for point in self.points]
            if name.endswith("_kind"):
                table[name] = np.array([_word(value) for value in column])
            elif name in COSTS and None not in column:
                table[name] = np.array(column, dtype=np.int64)
            else:
                table[name] = np.array([math.nan if value is None else value for value in column], dtype=np.float64)
        table["status"] = np.array([str(point.status) for point in self.points])
        table["reason"] = np.array([point.reason for point in self.points])
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return the front for JSON; what is not finite is None."""
        return {
            "verb": "front",
            "target": dict(self.target),
            **{name: plain(value) for name, value in self.arguments.items()},
            "status": str(self.status),
            "criterion": self.criterion,
            "best": [point.number for point in self.best],
            "points": [point.to_dict() for point in self.points],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }

    def report(self) -> str:
        """Return what a person wants to know, as text; the best points are marked."""
        return VIEWS["report"](self)  # type: ignore[no-any-return]

    def plot(self, path: Any = None) -> Any:
        """Return a matplotlib figure: the error over operations and over depth; with `path` saved too."""
        return VIEWS["figure"](self, path)

    def __repr__(self) -> str:
        return f"<Front of {self.target['text']}: {len(self.points)} points, {len(self.best)} of them best>"


def _word(value: Any) -> Any:
    return "" if value is None else value


def compared(points: Sequence[Point]) -> list[Point]:
    """Return the points that are compared: those with a result; where code computes some, no others."""
    made = [point for point in points if point.result is not None]
    return [point for point in made if point.compute_format is not None] or made


def criterion_of(points: Sequence[Point], objective: str) -> str:
    """Return the error that all points have in common; what is counted in units of the output, of one format only."""
    outputs = {point.output_format for point in points}
    for name in (*(["flips"] if objective == "flips" else []), *CRITERIA[:-1]):
        known = all(getattr(point, name) is not None for point in points)
        if points and known and (name == "total_error_bound" or len(outputs) == 1):
            return name
    return CRITERIA[-1]


def unbeaten(rows: Sequence[Sequence[float]]) -> list[bool]:
    """Tell of each row whether no other is at most as large in every column, and smaller in one.

    >>> unbeaten([(1, 5), (2, 3), (2, 4), (3, 3), (1, 5)])
    [True, True, False, False, True]
    """
    ordered = sorted({tuple(row) for row in rows})  # a row that beats another comes before it
    kept: list[tuple[float, ...]] = []
    for row in ordered:
        if not any(all(a <= b for a, b in zip(other, row, strict=True)) for other in kept):
            kept.append(row)
    best = set(kept)
    return [tuple(row) in best for row in rows]
