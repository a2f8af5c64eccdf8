"""Watch: what is recorded of a run and when it ends, whoever takes the steps."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from polyoptim.engines.plan import Plan
from polyoptim.solution import Row, Solution, Status, Trace

DIVERGED_RATIO = 1e6  # a loss this many times its start counts as diverged
CALM_UPDATES = 10  # one small change of the loss may be a turning point; so many in a row are not


class End(NamedTuple):
    """How a run ended, and a sentence about it."""

    status: Status
    message: str


@dataclass
class Watch:
    """Follows one run.

    An engine calls `before` with a row of the present coefficients where `wants_row` says so, makes its update, and
    calls `after` with the loss that this update saw; either may return the end.

    Parameters
    ----------
    plan : steps, tolerances, callbacks.
    measure : returns the row of the present coefficients on all samples.
    exact : whether the loss that an update sees is that of all samples; not so with minibatches, which are therefore
        judged at recorded rows only.
    """

    plan: Plan
    measure: Callable[[], Row]
    exact: bool

    def __post_init__(self) -> None:
        self.made = 0  # updates made so far
        self.rows: list[Row] = []
        self.start: Row | None = None
        self._calm, self._last = 0, math.nan
        watching = [callback for callback in self.plan.callbacks if hasattr(callback, "on_step")]
        self._on_step = [callback.on_step for callback in watching]
        self.every_update = any(not getattr(callback, "seldom", False) for callback in watching)

    def follow(self, loop: Callable[[], End | None]) -> Solution:
        """Run `loop`, which takes the steps, and return what was recorded; Ctrl-C ends it and keeps what there is."""
        begin = time.perf_counter()
        try:
            for callback in self.plan.callbacks:
                if hasattr(callback, "on_begin"):
                    callback.on_begin(self.plan.steps)
            self.start = self.measure()
            end = self._finish(loop() or End(Status.STEPS_DONE, f"All {self.plan.steps} steps were done."))
        except KeyboardInterrupt:
            end = End(Status.INTERRUPTED, f"Interrupted after {self.made} updates; what there is was kept.")
        seconds = time.perf_counter() - begin
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

    def row(self, loss: float, lr: float, gradient_norm: float, coef: list[float]) -> Row:
        """Return the row of the present moment."""
        optimum = self.plan.optimum
        return {
            "step": self.made,
            "loss": loss,
            "excess": optimum.excess(loss),
            "gap": optimum.gap(loss),
            "lr": lr,
            "gradient_norm": gradient_norm,
            "coef": coef,
        }

    def before(self, row: Row) -> End | None:
        """Take the row before an update: record it where its turn has come, and judge the gradient."""
        if self.recording and self._record(row):
            return End(Status.STOPPED, f"A callback stopped the run after {self.made} updates.")
        return self._by_gradient(row)

    def after(self, loss: float, row: Row | None) -> End | None:
        """Count an update that saw `loss`; judge the loss. `row` is what `before` was given, if it was."""
        recorded = self.recording
        self.made += 1
        if trouble := self._diverges(loss):
            return End(Status.DIVERGED, f"Diverged at step {self.made - 1}: {trouble}.")
        if self.exact or recorded:
            end = self._by_loss(loss if row is None else row["loss"])
            if end:
                return end
        return self._tell(loss)

    @property
    def quiet(self) -> int:
        """How many updates lie ahead of the next one that is recorded; an engine may make them in one go.

        It has to stop before an update whose loss is above `limit` or not a number, and before one at which a
        tolerance may be reached.
        """
        recorded = self.plan.every - 1 - self.made % self.plan.every
        return 0 if self.every_update else min(recorded, self.plan.steps - self.made)

    @property
    def limit(self) -> float:
        """The largest loss that does not count as diverged."""
        start = math.nan if self.start is None else self.start["loss"]
        largest = sys.float_info.max
        return largest if start <= 0 else min(DIVERGED_RATIO * start, largest) if math.isfinite(start) else math.nan

    @property
    def tolerances(self) -> tuple[float, float]:
        """tol_loss, and the square of tol_gradient and a bit; -1 where an update is not judged by it."""
        loss, gradient = self.plan.tol_loss, self.plan.tol_gradient
        if not self.exact:
            return -1.0, -1.0
        return -1.0 if loss is None else loss, -1.0 if gradient is None else gradient * gradient * (1 + 1e-9)

    @property
    def calm(self) -> tuple[float, float]:
        """How often running the loss hardly changed, and what it was."""
        return float(self._calm), self._last

    def passed(self, made: int, calm: Sequence[float]) -> End | None:
        """Count updates that were made in one go; `calm` is as they left it, its last number the loss they saw."""
        self.made += made
        self._calm, self._last = int(calm[0]), calm[1]
        return self._tell(self._last) if made else None

    def _tell(self, loss: float) -> End | None:
        try:
            for watch in self._on_step:
                watch(self.made, loss)
        except StopIteration:
            return End(Status.STOPPED, f"A callback stopped the run after {self.made} updates.")
        return None

    def _finish(self, end: End) -> End:
        """Record the last row and judge it."""
        if end.status is Status.DIVERGED or (self.rows and self.rows[-1]["step"] == self.made):
            return end
        row = self.measure()
        if trouble := self._diverges(row["loss"]):
            return End(Status.DIVERGED, f"Diverged at step {self.made}: {trouble}.")
        self._record(row)
        return (self._by_gradient(row) or end) if end.status is Status.STEPS_DONE else end

    def _keep(self, status: Status) -> Row:
        """Return the row whose coefficients are the result."""
        if status is Status.DIVERGED and self.start is not None:
            later = [row for row in self.rows if row["step"] > 0 and math.isfinite(row["loss"])]
            self.rows = [self.start, *later]
            return min(reversed(self.rows), key=lambda row: row["loss"])
        if not (self.rows and self.rows[-1]["step"] == self.made):  # interrupted
            self.rows.append(self.measure())
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

    def _diverges(self, loss: float) -> str:
        start = math.nan if self.start is None else self.start["loss"]
        if not math.isfinite(loss):
            return "the loss is not finite"
        if start > 0 and loss > DIVERGED_RATIO * start:
            return f"the loss is {loss:.4g}, more than {DIVERGED_RATIO:.0e} times its start of {start:.4g}"
        return ""

    def _by_gradient(self, row: Row) -> End | None:
        tolerance = self.plan.tol_gradient
        if tolerance is None or not row["gradient_norm"] <= tolerance:
            return None
        size = f"the norm of the gradient is {row['gradient_norm']:.3g}, at most tol_gradient = {tolerance!r}"
        return End(Status.CONVERGED, f"Converged after {self.made} updates: {size}.")

    def _by_loss(self, loss: float) -> End | None:
        tolerance = self.plan.tol_loss
        if tolerance is None:
            return None
        self._calm = self._calm + 1 if abs(loss - self._last) <= tolerance * abs(loss) else 0
        self._last = loss
        if self._calm < CALM_UPDATES:
            return None
        change = f"the loss changed by at most tol_loss = {tolerance!r} of itself {CALM_UPDATES} times running"
        return End(Status.CONVERGED, f"Converged after {self.made} updates: {change}.")
