"""The rule and the schedule of a run without torch: the numbers that the rule gets at each update."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np

from polyoptim.engines.plan import Plan, described_schedule, with_functions
from polyoptim.optim.rates.composition import COMPOSED, FORMS
from polyoptim.optim.rates.plateau import make_plateau
from polyoptim.optim.rates.sequence import Schedule
from polyoptim.optim.rule import Floats
from polyoptim.optim.rules import RULES
from polyoptim.registry import match
from polyoptim.targets.expression import parse

PLATEAU = "ReduceLROnPlateau"


class Method:
    """The rule and the schedule of a plan.

    Attributes
    ----------
    rule, flags, hyper : the rule, its flags, and its numbers.
    looks_at_loss : whether the next learning rate depends on the loss, so that none is known in advance.
    momentum : the name of the number that the schedule moves beside lr, or None.
    """

    def __init__(self, plan: Plan) -> None:
        self.rule = RULES[plan.optimizer]
        given = dict(plan.optimizer_options) | ({} if plan.lr is None else {"lr": plan.lr})
        options = self.rule.check(given)
        self._schedule: Schedule | None = None
        self._plateau: Any = None
        self._coming: deque[tuple[float, float]] = deque()  # lr and momentum of the next updates, where known
        # Where the schedule stood when the first of them were drawn, and how many have been made since.
        self._drawn_at: dict[str, Any] = {}
        self._since = 0
        if plan.schedule is not None:
            schedule_options = with_functions(plan.schedule_options, _function_of_step)
            if plan.schedule.casefold() == PLATEAU.casefold():
                self._plateau = make_plateau(schedule_options, options["lr"])
            else:
                self._schedule = Schedule(plan.schedule, schedule_options, options["lr"], options)
        cycles = self._schedule is not None and self._schedule.cycles
        if self._schedule is not None and cycles:  # the schedule has moved the momentum already
            options = _with_momentum(options, self._schedule.momentum)
        self.hyper, self.flags = self.rule.read(options) if cycles else self.rule.numbers(options)
        if cycles and "cycled" in self.flags:
            self.flags["cycled"] = True
        names = self.rule.hyper
        self.momentum = next((name for name in ("beta1", "momentum") if cycles and name in names), None)
        self._lr = names.index("lr")
        self._moved = None if self.momentum is None else names.index(self.momentum)

    @property
    def looks_at_loss(self) -> bool:
        """Whether the schedule has to see each loss."""
        return self._plateau is not None

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        if self._plateau is not None:
            return float(self._plateau.lr)
        return self._now()[0] if self._schedule else self.hyper[self._lr]

    def numbers(self) -> Floats:
        """Return the rule's numbers for the next update."""
        if self._schedule is None and self._plateau is None:
            return tuple(self.hyper)
        numbers = list(self.hyper)
        numbers[self._lr] = self.lr
        if self._moved is not None:
            numbers[self._moved] = self._now()[1]
        return tuple(numbers)

    def moved(self, numbers: Floats) -> tuple[float, float]:
        """Return lr and, where a schedule moves it, momentum among the rule's numbers."""
        return numbers[self._lr], 0.0 if self._moved is None else numbers[self._moved]

    def coming(self, count: int) -> tuple[list[float], list[float]]:
        """Return lr and momentum of the next `count` updates, or one of each where they stay."""
        if self._schedule is None:
            return [self.lr], [0.0]
        if not self._coming:
            self._drawn_at, self._since = self._schedule.snapshot(), 0
        while len(self._coming) < count:
            self._coming.append((self._schedule.lr, float(self._schedule.momentum or 0.0)))
            self._schedule.step()
        taken = list(islice(self._coming, count))
        return [lr for lr, _ in taken], [momentum for _, momentum in taken]

    def advance(self, loss: float) -> None:
        """Step the schedule after an update that saw `loss`."""
        if self._plateau is not None:
            self._plateau.step(loss)
        else:
            self.skip(1)

    def skip(self, count: int) -> None:
        """Step the schedule after so many updates."""
        if self._schedule is None:
            return
        for _ in range(count):
            if self._coming:
                self._coming.popleft()
                self._since += 1
            else:
                self._schedule.step()

    def snapshot(self) -> dict[str, Any]:
        """Return where the schedule stands, without what is drawn ahead of the updates."""
        if self._plateau is not None:
            return {"plateau": self._plateau.snapshot()}
        if self._schedule is None:
            return {}
        if self._coming:
            return {"schedule": self._drawn_at, "since": self._since}
        return {"schedule": self._schedule.snapshot(), "since": 0}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        if self._plateau is not None:
            self._plateau.restore(state["plateau"])
        if self._schedule is not None:
            self._coming.clear()
            self._schedule.restore(state["schedule"])
            self.skip(state["since"])

    def described(self, plan: Plan) -> dict[str, Any]:
        """Return the optimizer and the schedule as they were found."""
        return {
            "optimizer": self.rule.name if self.rule.in_torch else {"object": self.rule.name},
            "closure": self.rule.reevaluates,
            **described_schedule(plan.schedule, plan.schedule_options, _spelled),
            "schedule_loss": self.looks_at_loss,
        }

    def _now(self) -> tuple[float, float]:
        assert self._schedule is not None  # noqa: S101
        return self._coming[0] if self._coming else (self._schedule.lr, float(self._schedule.momentum or 0.0))


def _spelled(name: str) -> str:
    return match("schedule", name, [*FORMS, *COMPOSED, PLATEAU])


def _with_momentum(options: Mapping[str, Any], momentum: float | None) -> dict[str, Any]:
    if "betas" in options:
        return {**options, "betas": (momentum, options["betas"][1])}
    return {**options, "momentum": momentum}


def _function_of_step(text: str) -> Callable[[int], float]:
    expression = parse(text)
    return lambda step: float(expression.evaluate("numpy", np.array(float(step))))
