"""Watch: what is recorded of a run, what is kept of it on disk, and how it ends, whoever takes the steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from polyoptim.engines.interrupts import Interrupts
from polyoptim.engines.judge import CALM_UPDATES, DIVERGED_RATIO, End, Judge
from polyoptim.engines.keeper import columns_of, rows_of
from polyoptim.engines.plan import Plan
from polyoptim.solution import Row, Solution, Status, Trace

# Rows that are recorded between two looks at Ctrl-C, where nobody is told of them.
ROWS_AT_A_TIME = 64

__all__ = ["CALM_UPDATES", "DIVERGED_RATIO", "End", "Run", "Watch"]


class Run(Protocol):
    """What an engine is to a watch."""

    def measure(self) -> Row:
        """Return the row of the present coefficients on all samples."""

    def snapshot(self) -> dict[str, Any]:
        """Return all that the next updates depend on, in plain lists, numbers and texts."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""


@dataclass
class Watch:
    """Follows one run.

    Before each update an engine calls `pause`, and `before` with a row of the present coefficients where `wants_row`
    says so. It sets `torn`, makes its update, calls `after` with the loss that this update saw, steps its schedule, and
    calls `tell`. Each but `pause` may return the end. Of many updates in one go, `passed` does the rest.

    Parameters
    ----------
    plan : steps, tolerances, callbacks, checkpoints.
    run : measures, and may be kept on disk.
    exact : whether the loss that an update sees is that of all samples; not so with minibatches, which are therefore
        judged at recorded rows only.

    Attributes
    ----------
    made : updates made so far.
    torn : whether an update is half made, so that no checkpoint can hold it.
    """

    plan: Plan
    run: Run
    exact: bool

    def __post_init__(self) -> None:
        self.made = 0
        self.torn = True
        self.rows: list[Row] = []
        self.start: Row | None = None
        self._judge = Judge(self.plan, self.exact)
        self._interrupts = Interrupts()
        self._seconds = 0.0  # of earlier processes
        watching = [callback for callback in self.plan.callbacks if hasattr(callback, "on_step")]
        self._on_step = [callback.on_step for callback in watching]
        judged = self.plan.tol_loss is not None or self.plan.tol_gradient is not None
        self._unasked = not self.plan.callbacks and (self.exact or not judged)
        self.every_update = any(not getattr(callback, "seldom", False) for callback in watching)

    def follow(self, loop: Callable[[], End | None]) -> Solution:
        """Run `loop`, which takes the steps, and return what was recorded; Ctrl-C ends it and keeps what there is."""
        with self._interrupts:
            return self._followed(loop)

    def _followed(self, loop: Callable[[], End | None]) -> Solution:
        self._began = time.perf_counter()
        ended: End | None = None  # by the loop
        try:
            ended = self._begin()
            ended = ended or loop() or End(Status.STEPS_DONE, f"All {self.plan.steps} steps were done.")
            self._interrupts.check()
            self._save(ended)
            end = self._finish(ended)
        except KeyboardInterrupt:
            end = End(Status.INTERRUPTED, f"Interrupted after {self.made} updates; what there is was kept.")
            with suppress(KeyboardInterrupt):
                self._save(ended)
        seconds = self._elapsed()
        kept = self._keep(end.status)
        message = end.message
        if end.status is Status.DIVERGED:
            message += f" The state after {kept['step']} updates, the best recorded one, was kept."
        return Solution(
            coef=np.array(kept["coef"]),
            loss=kept["loss"],
            excess=kept["excess"],
            gap=kept["gap"],
            trace=Trace(self.rows),
            status=end.status,
            message=message,
            steps=kept["step"],
            seconds=seconds,
        )

    @property
    def recording(self) -> bool:
        """Whether a row is recorded before the next update."""
        return self.made % self.plan.every == self.plan.every - 1

    @property
    def wants_row(self) -> bool:
        """Whether `before` is to be called before the next update."""
        return self.recording or (self.exact and self.plan.tol_gradient is not None)

    def row(
        self,
        loss: float,
        lr: float,
        gradient_norm: float,
        coef: list[float],
        excess: float | None = None,
        ahead: int = 0,
    ) -> Row:
        """Return the row of the present moment, or of so many updates ahead.

        Where `excess` is known by itself it has digits that the difference of two sums would have lost.
        """
        optimum = self.plan.optimum
        known = excess if excess is not None and math.isfinite(excess) else optimum.excess(loss)
        return {
            "step": self.made + ahead,
            "loss": loss,
            "excess": known,
            "gap": optimum.gap(known),
            "lr": lr,
            "gradient_norm": gradient_norm,
            "coef": coef,
        }

    def pause(self) -> None:
        """Hear Ctrl-C, and write a checkpoint where its time has come: the run is whole now."""
        self.torn = False
        self._interrupts.check()
        keeper = self.plan.keeper
        if keeper is not None and keeper.due(self.made):
            keeper.save(self._state(None), self.made)

    def before(self, row: Row) -> End | None:
        """Take the row before an update: record it where its turn has come, and judge the gradient."""
        if self.recording and self._record(row):
            return End(Status.STOPPED, f"A callback stopped the run after {self.made} updates.")
        return self._judge.by_gradient(row)

    def after(self, loss: float, row: Row | None) -> End | None:
        """Count an update that saw `loss`; judge the loss. `row` is what `before` was given, if it was."""
        recorded = self.recording
        self.made += 1
        if end := self._judge.divergence(loss, self.made - 1):
            return end
        if self.exact or recorded:
            return self._judge.by_loss(loss if row is None else row["loss"], self.made)
        return None

    def quiet(self, recorded: bool) -> int:
        """Return how many updates an engine may make in one go: those before the next one that is recorded.

        Where nobody is told of rows and none of them is judged, more: see `marks`.

        It has to stop before an update whose loss is above `limit` or not a number, and before one at which a
        tolerance may be reached; and to `pause` first.

        Parameters
        ----------
        recorded : whether the row of this moment has been recorded, so that the present update is one of them.
        """
        if self.every_update or (recorded and not self.exact and self.plan.tol_loss is not None):
            return 0
        ahead = self._next_row(recorded) + (ROWS_AT_A_TIME * self.plan.every if self._unasked else 0)
        ahead = min(ahead, self.plan.steps - self.made)
        return ahead if self.plan.keeper is None else min(ahead, self.plan.keeper.ahead(self.made))

    def marks(self, recorded: bool, count: int) -> range:
        """Return which of the next `count` updates begin with a row, to be `recorded` when they have been made."""
        return range(self._next_row(recorded), count, self.plan.every)

    def _next_row(self, recorded: bool) -> int:
        """Return how many updates come before the next row; `recorded` tells whether that of this moment is there."""
        ahead = self.plan.every - 1 - self.made % self.plan.every
        return self.plan.every if recorded and not ahead else ahead

    @property
    def limit(self) -> float:
        """The largest loss that does not count as diverged."""
        return self._judge.limit

    @property
    def tolerances(self) -> tuple[float, float]:
        """tol_loss, and the square of tol_gradient and a bit; -1 where an update is not judged by it."""
        return self._judge.tolerances

    @property
    def calm(self) -> tuple[float, float]:
        """How often running the loss hardly changed, and what it was."""
        return self._judge.calm

    def passed(self, made: int, calm: Sequence[float], rows: Sequence[Row]) -> End | None:
        """Count updates that were made in one go, and record the rows among them.

        `calm` is as the updates left it; its last number is the loss that they saw.
        """
        self.rows += rows
        self.made += made
        self.torn = False
        if self.exact:
            self._judge.passed(calm)
        return self.tell(float(calm[1])) if made else None

    def tell(self, loss: float) -> End | None:
        """Tell the callbacks of an update that saw `loss`."""
        self.torn = False
        try:
            for watch in self._on_step:
                watch(self.made, loss)
        except StopIteration:
            return End(Status.STOPPED, f"A callback stopped the run after {self.made} updates.")
        return None

    def _begin(self) -> End | None:
        """Make the callbacks ready, and the run from its checkpoint where it has one; return how that one has ended."""
        keeper = self.plan.keeper
        state = None if keeper is None else keeper.state
        end = None if state is None else self._restore(state)
        for callback in self.plan.callbacks:
            if state is not None and hasattr(callback, "on_resume"):
                callback.on_resume(self.made)
            if hasattr(callback, "on_begin"):
                callback.on_begin(self.plan.steps)
        if state is None:
            self.start = self.run.measure()
            self._judge.start = self.start["loss"]
        self.torn = False
        return end

    def _restore(self, state: Mapping[str, Any]) -> End | None:
        own = state["watch"]
        self.made, self._seconds, self.rows = own["made"], own["seconds"], rows_of(own["rows"])
        self.start = rows_of(own["start"])[0]
        self._judge.start, self._judge.calm = self.start["loss"], (own["calm"][0], own["calm"][1])
        self.run.restore(state["run"])
        return End(Status(own["end"][0]), own["end"][1]) if own["end"] else None

    def _state(self, end: End | None) -> dict[str, Any]:
        """Return the run as it stands. A row of this moment is left out: it is recorded again."""
        assert self.start is not None  # noqa: S101
        return {
            "watch": {
                "made": self.made,
                "rows": columns_of([row for row in self.rows if row["step"] < self.made]),
                "start": columns_of([self.start]),
                "calm": [*self.calm],
                "seconds": self._elapsed(),
                "end": None if end is None else [str(end.status), end.message],
            },
            "run": self.run.snapshot(),
        }

    def _save(self, ended: End | None) -> None:
        """Write the last checkpoint: an end that more steps would not change is part of it."""
        final = ended is not None and ended.status in (Status.CONVERGED, Status.DIVERGED)
        if self.plan.keeper is not None and self.start is not None and (final or not self.torn):
            self.plan.keeper.save(self._state(ended if final else None), self.made, final)

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._began

    def _finish(self, end: End) -> End:
        """Record the last row and judge it."""
        if end.status is Status.DIVERGED or (self.rows and self.rows[-1]["step"] == self.made):
            return end
        row = self.run.measure()
        if trouble := self._judge.divergence(row["loss"], self.made):
            return trouble
        self._record(row)
        return (self._judge.by_gradient(row) or end) if end.status is Status.STEPS_DONE else end

    def _keep(self, status: Status) -> Row:
        """Return the row whose coefficients are the result."""
        if status is Status.DIVERGED and self.start is not None:
            later = [row for row in self.rows if row["step"] > 0 and math.isfinite(row["loss"])]
            self.rows = [self.start, *later]
            return min(reversed(self.rows), key=lambda row: row["loss"])
        if not (self.rows and self.rows[-1]["step"] == self.made):  # interrupted
            self.rows.append(self.run.measure())
        return self.rows[-1]

    def _record(self, row: Row) -> bool:
        """Append the row and tell whether a callback wants to stop."""
        self.rows.append(row)
        stop = False
        for callback in self.plan.callbacks:
            try:
                own: Row = {**row, "coef": [*row["coef"]]}  # the callback's to keep, and to change
                answer: Any = callback(own)
            except StopIteration:
                answer = True
            stop |= isinstance(answer, (bool, np.bool_)) and bool(answer)
        return stop
