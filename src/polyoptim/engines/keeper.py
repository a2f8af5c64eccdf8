"""Keeper: when a run writes its checkpoints, and what becomes of one that cannot be written."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polyoptim.errors import ArgumentError, CheckpointError
from polyoptim.solution import Row
from polyoptim.targets.expression import integer, number

LOOK = 0.1  # seconds between two looks at the clock, at most


class Keeper:
    """Writes the checkpoints of one run when their time has come.

    Parameters
    ----------
    write : writes a state after so many updates, or raises CheckpointError.
    every : updates between two checkpoints, or seconds as a float.
    state, step : what a run goes on from, and how many updates it had made; None and 0 at the beginning.
    notes : sentences about it for the user. Those about `state` are kept in the checkpoints that follow.
    """

    def __init__(
        self,
        write: Callable[[Mapping[str, Any], int], None],
        every: int | float,
        state: Mapping[str, Any] | None = None,
        step: int = 0,
        notes: Sequence[str] = (),
    ) -> None:
        self._write = write
        self._steps = every if isinstance(every, int) else None
        self._seconds = None if isinstance(every, int) else every
        self.state, self.step = state, step
        self._kept = [] if state is None else list(dict.fromkeys([*state["notes"], *notes]))
        self._notes = list(notes) if state is None else self._kept
        self._failures: list[str] = []
        self._last = (step, bool(state and state["watch"]["end"]))
        self._written = self._looked = time.monotonic()
        self._made = step
        self._chunk = 1

    @property
    def notes(self) -> list[str]:
        """Sentences about the checkpoints of the run."""
        if not self._failures:
            return self._notes
        others = len(self._failures) - 1
        more = f" So it was with {others} more." if others else ""
        first = self._failures[0]
        return [*self._notes, f"{first[0].upper()}{first[1:]}{more} The run went on without."]

    def ahead(self, made: int) -> int:
        """Return how many updates may be made, after so many, before `due` is asked again."""
        return self._chunk if self._steps is None else min(self._chunk, self._steps - made % self._steps)

    def due(self, made: int) -> bool:
        """Tell whether a checkpoint is to be written after so many updates; look at the clock."""
        now, look = time.monotonic(), LOOK
        if self._seconds is not None:
            look = min(LOOK, self._seconds)
        if now - self._looked > look:
            self._chunk = max((made - self._made) // 2, 1)
        elif now - self._looked < look / 4:
            self._chunk = max(self._chunk, 2 * (made - self._made))
        due = now - self._written >= self._seconds if self._seconds is not None else self._comes(made)
        self._looked, self._made = now, made
        return due

    def _comes(self, made: int) -> bool:
        return self._steps is not None and made // self._steps > self._made // self._steps

    def save(self, state: Mapping[str, Any], made: int, ended: bool = False) -> None:
        """Write a state, unless it is the one that was written last; a place that fails does not fail the run."""
        if (made, ended) == self._last:
            return
        try:
            self._write({**state, "notes": self._kept}, made)
        except CheckpointError as error:
            self._failures.append(str(error))
            if len(self._failures) == 1:
                warnings.warn(f"{error} The run goes on without.", RuntimeWarning, stacklevel=2)
        else:
            self._last = (made, ended)
        self._written = self._looked = time.monotonic()


def read_every(value: Any) -> int | float:
    """Return how often a checkpoint is written: an integer for updates, a float for seconds, as in "30s".

    >>> read_every("1000"), read_every("0.5s"), read_every("2*60s")
    (1000, 0.5, 120.0)
    """
    text = value.strip() if isinstance(value, str) else ""
    if not text.endswith("s"):
        return integer(value, "checkpoint_every", minimum=1)
    seconds = number(text[:-1], "checkpoint_every")
    if seconds <= 0:
        raise ArgumentError(f"checkpoint_every must be above 0 seconds, got {value!r}.")
    return seconds


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return rows column by column, which is shorter on disk."""
    return {name: [row[name] for row in rows] for name in sorted(Row.__annotations__)}  # type: ignore[literal-required]


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return the rows; the inverse of `columns_of`."""
    names = list(Row.__annotations__)
    return [dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)]  # type: ignore[misc]
