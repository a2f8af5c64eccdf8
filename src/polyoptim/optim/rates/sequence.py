"""The lr of every update, all at once or one at a time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.optim.rates.composition import Member, make_member
from polyoptim.optim.rates.form import Group, number


@dataclass(frozen=True)
class Rates:
    """What a schedule gives.

    Parameters
    ----------
    lr : the learning rate of each update.
    momentum : the momentum of each update, or beta1 where the optimizer has betas; None where it stays as it is.
    """

    lr: array[float]
    momentum: array[float] | None = None


def rates(
    name: str, options: Mapping[str, Any], lr: float, steps: int, hyper: Mapping[str, Any] | None = None
) -> Rates:
    """Return the lr of the updates 0, …, steps - 1, as 8 bytes each.

    Parameters
    ----------
    name : the schedule, as torch spells it, in any letter case.
    options : its options, with torch's names and defaults. SequentialLR and ChainedScheduler take `schedulers` as pairs
        (name, options).
    lr : the optimizer's lr. Making a schedule may already change it for update 0.
    steps : how many updates are made.
    hyper : the optimizer's options, of which momentum and betas matter: CyclicLR and OneCycleLR may move them.

    Raises
    ------
    UnknownNameError
        For a schedule or an option that torch does not have, with the nearest.
    ArgumentError
        For a value that torch refuses, in the beginning or on the way. The schedule is stepped after each update, the
        last one too, so that what torch would refuse there is refused here.

    Examples
    --------
    >>> list(rates("StepLR", {"step_size": 2, "gamma": 0.5}, lr=1.0, steps=5).lr)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    >>> warm = ("LinearLR", {"start_factor": 0.5, "total_iters": 2})
    >>> list(rates("SequentialLR", {"schedulers": [warm, ("ConstantLR", {})], "milestones": [3]}, lr=6.0, steps=5).lr)
    [3.0, 4.5, 6.0, 2.0, 2.0]
    """
    if not isinstance(steps, int) or steps < 0:
        raise ArgumentError(f"steps must be an integer >= 0, got {steps!r}.")
    schedule = Schedule(name, options, lr, hyper)
    found, momenta = array("d"), array("d")
    for _ in range(steps):
        found.append(schedule.lr)
        if schedule.cycles:
            momenta.append(schedule.momentum or 0.0)
        schedule.step()
    return Rates(found, momenta if schedule.cycles else None)


class Schedule:
    """A schedule as it goes from update to update; the parameters are those of ``rates``."""

    def __init__(
        self, name: str, options: Mapping[str, Any], lr: float, hyper: Mapping[str, Any] | None = None
    ) -> None:
        if number("lr", lr) < 0:
            raise ArgumentError(f"lr must be a number >= 0, got {lr!r}.")
        hyper = hyper or {}
        momentum = hyper["betas"][0] if "betas" in hyper else hyper.get("momentum")
        self._group = Group(float(lr), momentum)
        self._member: Member = make_member((name, options), self._group)

    @property
    def lr(self) -> float:
        """The lr of the next update."""
        return self._group.lr

    @property
    def momentum(self) -> float | None:
        """The momentum, or beta1, of the next update; None where the optimizer has neither."""
        return self._group.momentum

    @property
    def cycles(self) -> bool:
        """Whether the schedule moves the momentum."""
        return self._group.cycled

    def step(self) -> float:
        """Go on to the next update and return its lr."""
        self._member.step()
        return self._group.lr

    def snapshot(self) -> dict[str, Any]:
        """Return the state as numbers in lists and mappings, for `restore`."""
        return {"group": dict(vars(self._group)), "member": self._member.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` of the same schedule returned."""
        vars(self._group).update(state["group"])
        self._member.restore(state["member"])
