"""Judge: when a run ends before its steps are done."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

from polyoptim.engines.plan import Plan
from polyoptim.solution import Row, Status

DIVERGED_RATIO = 1e6  # a loss this many times its start counts as diverged
CALM_UPDATES = 10  # one small change of the loss may be a turning point; so many in a row are not


class End(NamedTuple):
    """How a run ended, and a sentence about it."""

    status: Status
    message: str


class Judge:
    """Holds losses and gradients against the tolerances of a plan.

    Parameters
    ----------
    plan : the tolerances.
    exact : whether an update sees the loss of all samples.

    Attributes
    ----------
    start : the loss before the first update; not a number until it is known.
    calm : how often running the loss hardly changed, and what it was.
    """

    def __init__(self, plan: Plan, exact: bool) -> None:
        self._plan, self._exact = plan, exact
        self.start = math.nan
        self.calm: tuple[float, float] = (0.0, math.nan)

    @property
    def limit(self) -> float:
        """The largest loss that does not count as diverged."""
        if not math.isfinite(self.start):
            return math.nan
        largest = sys.float_info.max
        return largest if self.start <= 0 else min(DIVERGED_RATIO * self.start, largest)

    @property
    def tolerances(self) -> tuple[float, float]:
        """tol_loss, and the square of tol_gradient and a bit; -1 where an update is not judged by it."""
        loss, gradient = self._plan.tol_loss, self._plan.tol_gradient
        if not self._exact:
            return -1.0, -1.0
        return -1.0 if loss is None else loss, -1.0 if gradient is None else gradient * gradient * (1 + 1e-9)

    def passed(self, calm: Sequence[float]) -> None:
        """Take `calm` as updates that were made in one go have left it."""
        self.calm = (float(calm[0]), float(calm[1]))

    def divergence(self, loss: float, step: int) -> End | None:
        """Judge a loss after so many updates by its size."""
        if not math.isfinite(loss):
            trouble = "the loss is not finite"
        elif self.start > 0 and loss > DIVERGED_RATIO * self.start:
            trouble = f"the loss is {loss:.4g}, more than {DIVERGED_RATIO:.0e} times its start of {self.start:.4g}"
        else:
            return None
        return End(Status.DIVERGED, f"Diverged at step {step}: {trouble}.")

    def by_gradient(self, row: Row) -> End | None:
        """Judge the gradient of a row."""
        tolerance = self._plan.tol_gradient
        if tolerance is None or not row["gradient_norm"] <= tolerance:
            return None
        size = f"the norm of the gradient is {row['gradient_norm']:.3g}, at most tol_gradient = {tolerance!r}"
        return End(Status.CONVERGED, f"Converged after {row['step']} updates: {size}.")

    def by_loss(self, loss: float, made: int) -> End | None:
        """Judge the change of the loss."""
        tolerance = self._plan.tol_loss
        if tolerance is None:
            return None
        times, last = self.calm
        times = times + 1 if abs(loss - last) <= tolerance * abs(loss) else 0.0
        self.calm = (times, loss)
        if times < CALM_UPDATES:
            return None
        change = f"the loss changed by at most tol_loss = {tolerance!r} of itself {CALM_UPDATES} times running"
        return End(Status.CONVERGED, f"Converged after {made} updates: {change}.")
