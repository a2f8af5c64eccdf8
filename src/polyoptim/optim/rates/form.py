"""What a schedule is told, what it gives back, and how its options are read."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.registry import unknown

StepFunction = Callable[[int], float]

# torch also takes a list with one value for each group of parameters. There is one group here, so a list of one.
Each = float
EachFunction = StepFunction


@dataclass
class Group:
    """What schedules share, and overwrite for each other: torch's group of parameters.

    Parameters
    ----------
    lr : the learning rate in force.
    momentum : the optimizer's momentum, or beta1 where it has betas; None where it has neither.
    """

    lr: float
    momentum: float | None = None
    initial_lr: float | None = field(default=None, init=False)
    max_lr: float = field(default=0.0, init=False)
    min_lr: float = field(default=0.0, init=False)
    max_momentum: float = field(default=0.0, init=False)
    base_momentum: float = field(default=0.0, init=False)
    cycled: bool = field(default=False, init=False)

    def base(self) -> float:
        """Return the lr that the schedules start from: the one that the first of them found."""
        if self.initial_lr is None:
            self.initial_lr = self.lr
        return self.initial_lr

    def cycle(self, base_momentum: float, max_momentum: float) -> None:
        """Give the momentum to a schedule that moves it between these two."""
        if self.momentum is None:
            raise ArgumentError(
                "cycle_momentum needs an optimizer with momentum or betas. Use cycle_momentum=False, SGD or Adam."
            )
        self.momentum = self.max_momentum = max_momentum
        self.base_momentum = base_momentum
        self.cycled = True


@dataclass(frozen=True)
class Form:
    """A schedule, in the two ways that torch has.

    Parameters
    ----------
    closed : the lr at step t, from t alone; None where there is no such form.
    chain : the lr at step t from the lr before it, which other schedules may have changed. torch takes these steps, and
        where ``1 + cos`` or ``1 - t / T`` is small they round differently from `closed`; so they are taken here too.
    waits : whether the lr stays as it is while the schedule is made, which is step 0.
    momentum : the momentum at step t, where the schedule moves it.
    made : the lr left by making the schedule, where it is another than step 0 gives.
    from_zero : whether its count goes on at 0 where it was undone more than once, as schedules within schedules are
        while they are made; the others then go on below zero.
    """

    closed: StepFunction | None
    chain: Callable[[int, float], float]
    waits: bool = False
    momentum: StepFunction | None = None
    made: float | None = None
    from_zero: bool = False


def direct(closed: StepFunction, momentum: StepFunction | None = None, made: float | None = None) -> Form:
    """Return the form of a schedule that does not look at the lr before."""
    return Form(closed, lambda t, _lr: closed(t), momentum=momentum, made=made)


def bind(name: str, maker: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` as arguments of `maker`, after its first.

    Raises
    ------
    UnknownNameError
        For an option that `maker` does not have, with the nearest.
    ArgumentError
        For one that is missing, is no number, or is a list for several groups.
    """
    accepted = dict(list(inspect.signature(maker).parameters.items())[1:])
    for option in options:
        if option not in accepted:
            raise unknown(f"{name} option", option, accepted)
    missing = [option for option, known in accepted.items() if known.default is known.empty and option not in options]
    if missing:
        raise ArgumentError(f"schedule {name!r} needs {', '.join(missing)}.")
    return {option: _read(option, value, str(accepted[option].annotation)) for option, value in options.items()}


def number(option: str, value: Any) -> Any:
    """Return `value` where it is a number."""
    # numpy's scalars are registered as Real; NaN is the number that differs from itself.
    if not isinstance(value, numbers.Real) or value != value:
        raise ArgumentError(f"{option} must be a number, got {value!r}.")
    return value


def read_milestones(milestones: Any) -> list[int]:
    """Return the steps at which a schedule changes, in the order given, which torch leaves to the user."""
    if isinstance(milestones, (str, bytes, Mapping)) or not isinstance(milestones, Iterable):
        raise ArgumentError(f"milestones must be a list of steps such as [30, 80], got {milestones!r}.")
    return [number("each of milestones", milestone) for milestone in milestones]


def _read(option: str, value: Any, kind: str) -> Any:
    if kind.startswith("Each") and isinstance(value, (list, tuple)):
        if len(value) != 1:
            raise ArgumentError(f"{option} must be one value, for the one group of parameters, got {len(value)}.")
        value = value[0]
    if "Function" in kind:
        if not (callable(value) or (value is None and "None" in kind)):
            raise ArgumentError(f"{option} must be a function of the step, got {value!r}.")
        return value
    if kind.startswith(("Each", "float", "int")) and not (value is None and "None" in kind):
        return number(option, value)
    return value
