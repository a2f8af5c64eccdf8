"""Who makes the updates of a run without torch: a rule as it stands, or a loop written from it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from polyoptim.engines.method import Method
from polyoptim.engines.traces import flat, ordered, shaped, unflat
from polyoptim.optim.rule import Floats, Tensors, vector_step

# No update before which coefficients are noted.
NOWHERE = range(-1, -1)
Evaluate = Callable[[list[float]], tuple[float, list[float]]]


class Steps(Protocol):
    """The coefficients of a run, the state of its rule, and updates of both."""

    @property
    def coef(self) -> list[float]:
        """The coefficients in the order of the powers."""

    def one(self, first: int, numbers: Floats) -> float:
        """Make an update by these numbers of the rule, after `first` others; return the loss that it saw."""

    def snapshot(self) -> Any:
        """Return the state of the rule as numbers in lists, for `restore`."""

    def restore(self, coef: Sequence[float], state: Any) -> None:
        """Take coefficients and a state as `snapshot` returned it."""


class RuleSteps:
    """Updates by the rule as it stands, one at a time."""

    def __init__(self, method: Method, coef: Sequence[float], bias: bool, evaluate: Evaluate) -> None:
        self._rule, self._bias, self._own = method.rule, bias, evaluate
        begin, self._step = vector_step(method.rule, method.flags)
        self._tensors = shaped(coef, bias)
        self._state = begin(self._tensors, method.hyper)

    @property
    def coef(self) -> list[float]:
        """The coefficients in the order of the powers."""
        return ordered(self._tensors, self._bias)

    def one(self, first: int, numbers: Floats) -> float:
        """Make an update and return the loss that it saw."""
        loss, self._tensors, self._state = self._step(
            float(first + 1), self._tensors, self._state, numbers, self._evaluate
        )
        return loss

    def snapshot(self) -> Any:
        """Return the state of the rule: in one row, as `LoopSteps` does, or as it is where no loop has this rule."""
        return self._state if self._rule.reevaluates else flat(self._rule, self._state, self._bias)

    def restore(self, coef: Sequence[float], state: Any) -> None:
        """Take coefficients and a state."""
        self._tensors = shaped(coef, self._bias)
        known = self._state
        self._state = state if self._rule.reevaluates else unflat(self._rule, state, known, self._bias)

    def _evaluate(self, tensors: Tensors) -> tuple[float, Tensors]:
        loss, gradient = self._own(ordered(tensors, self._bias))
        return loss, shaped(gradient, self._bias)


class LoopSteps:
    """Updates by a loop: as many as wanted in one go.

    Parameters
    ----------
    method : rule and schedule.
    coef : the start, in the order of the powers.
    bias : whether there is a constant.
    advance : the loop; it takes the parameters of ``kernels.UPDATES``.
    compiled : whether it wants arrays, rather than lists.

    Attributes
    ----------
    noted : the coefficients before the updates that `many` was told to mark, as far as it came.
    """

    def __init__(
        self, method: Method, coef: Sequence[float], bias: bool, advance: Callable[..., int], compiled: bool
    ) -> None:
        begin, _ = vector_step(method.rule, method.flags)
        self._method, self._advance = method, advance
        self._row: Callable[[Sequence[float]], Any] = _array if compiled else list
        self._coef = self._row(coef)
        self._state = self._row(flat(method.rule, begin(shaped(coef, bias), method.hyper), bias))
        self._hyper, self._none, self._calm = self._row(method.hyper), self._row([0.0]), self._row([0.0, 0.0])
        self._work = self._row([0.0] * (2 * len(coef) + 2))
        self.noted: list[list[float]] = []

    @property
    def coef(self) -> list[float]:
        """The coefficients in the order of the powers."""
        return [float(value) for value in self._coef]

    def one(self, first: int, numbers: Floats) -> float:
        """Make an update and return the loss that it saw; none is made where that is not a number."""
        lr, momentum = self._method.moved(numbers)
        self._calm[0] = self._calm[1] = np.nan
        self._advance(
            self._coef, self._state, self._hyper, self._row([lr]), 0, self._row([momentum]), 0,
            first, 1, sys.float_info.max, -1.0, -1.0, self._calm, self._work, -1, 1, self._none,
        )  # fmt: skip
        return float(self._calm[1])

    def many(
        self,
        first: int,
        count: int,
        limit: float,
        tolerances: tuple[float, float],
        calm: tuple[float, float],
        marks: range = NOWHERE,
    ) -> tuple[int, list[float]]:
        """Make up to `count` updates; return how many were made, and what became of `calm`.

        The coefficients are noted before the updates that `marks` counts from the first of these on.
        """
        lrs, momenta = self._method.coming(count)
        columns = len(self._coef)
        noted = self._row([0.0] * (len(marks) * columns))
        self._calm[0], self._calm[1] = calm
        made = self._advance(
            self._coef, self._state, self._hyper,
            self._row(lrs), int(len(lrs) > 1), self._row(momenta), int(len(momenta) > 1),
            first, count, limit, *tolerances, self._calm, self._work, marks.start, marks.step, noted,
        )  # fmt: skip
        floats = list(map(float, noted))
        self.noted = [floats[place : place + columns] for place in range(0, len(floats), columns)]
        return int(made), [float(value) for value in self._calm]

    def snapshot(self) -> list[float]:
        """Return the state of the rule."""
        return [float(value) for value in self._state]

    def restore(self, coef: Sequence[float], state: Any) -> None:
        """Take coefficients and a state."""
        self._coef, self._state = self._row(coef), self._row(state)


def _array(values: Sequence[float]) -> Any:
    return np.array(values, dtype=np.float64)
