"""What any engine or solver hands back: Status, Trace, Solution."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, overload

import numpy as np
import numpy.typing as npt


class Status(enum.StrEnum):
    """How a run ended; a string, so that ``result.status == "diverged"`` holds."""

    STEPS_DONE = "steps_done"
    CONVERGED = "converged"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    RANK_DEFICIENT = "rank_deficient"


class Row(TypedDict):
    """One recorded moment of a run. `step` updates had been made when the rest was measured."""

    step: int
    loss: float
    excess: float | None
    gap: float | None
    lr: float
    gradient_norm: float
    coef: list[float]


class Trace(Sequence[Row]):
    """The recorded rows of a run, oldest first.

    A sequence of mappings, so that ``pandas.DataFrame(trace)`` and ``polars.DataFrame(trace)`` work;
    ``trace["loss"]`` is a column as an array.

    Examples
    --------
    >>> trace = Trace([{"step": 0, "loss": 2.0, "excess": None, "gap": None, "lr": 0.1,
    ...                 "gradient_norm": 1.0, "coef": [0.0, 1.0]}])
    >>> trace[0]["loss"], trace["step"]
    (2.0, array([0]))
    """

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self._rows = list(rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Trace: ...
    @overload
    def __getitem__(self, index: str) -> npt.NDArray[Any]: ...
    def __getitem__(self, index: int | slice | str) -> Row | Trace | npt.NDArray[Any]:
        if isinstance(index, str):
            return self._column(index)
        if isinstance(index, slice):
            return Trace(self._rows[index])
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]  # rows are mutable mappings

    def __repr__(self) -> str:
        return f"Trace({len(self)} rows)"

    def _column(self, name: str) -> npt.NDArray[Any]:
        if name not in Row.__annotations__:
            raise KeyError(f"{name!r} is not a column of the trace; it has {', '.join(Row.__annotations__)}")
        values = [row[name] for row in self._rows]  # type: ignore[literal-required]
        dtype = np.int64 if name == "step" else np.float64
        return np.array(values, dtype=dtype)  # None becomes nan


@dataclass(frozen=True)
class Optimum:
    """The least loss that any polynomial of the family reaches on the problem.

    Parameters
    ----------
    value : that loss; None where it is not solved.
    coef : its dense coefficients in the basis, lowest degree first; None where it is not solved, or where plain
        float64 coefficients in this basis do not reproduce it.
    kind : "exact" where it is solved; "best found" where the loss is not convex, so that a lower one may exist; None
        otherwise.
    is_zero : whether `value` is zero to rounding, so that no ratio to it means anything.
    """

    value: float | None = None
    coef: npt.NDArray[np.float64] | None = None
    kind: str | None = None
    is_zero: bool = False

    def excess(self, loss: float) -> float | None:
        """Return loss - optimum, or None where the optimum is not known or the loss is not finite."""
        return None if self.value is None or not math.isfinite(loss) else loss - self.value

    def gap(self, excess: float | None) -> float | None:
        """Return excess / optimum, or None where there is no excess or the optimum is zero to rounding."""
        if excess is None or self.value is None or self.is_zero or not math.isfinite(excess / self.value):
            return None
        return excess / self.value


@dataclass(frozen=True)
class Solution:
    """Coefficients and how they were found.

    Parameters
    ----------
    coef : dense coefficients in the basis, lowest degree first, shape (degree + 1,).
    loss, excess, gap : of `coef`, as the engine measured them.
    trace : recorded rows.
    status : how the run ended.
    message : one sentence for the user.
    steps : updates that led to `coef`.
    seconds : wall time of the updates.
    versions : of the libraries that took the steps.
    method : optimizer and schedule as they were found: "optimizer", "closure" (whether its step wants one),
        "schedule", "schedule_options", "schedule_loss" (whether its step wants the loss).
    """

    coef: npt.NDArray[np.float64]
    loss: float
    excess: float | None
    gap: float | None
    trace: Trace
    status: Status
    message: str
    steps: int
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    method: dict[str, Any] = field(default_factory=dict)
