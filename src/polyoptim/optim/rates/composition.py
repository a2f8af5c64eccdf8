"""The table of schedules, and how torch puts them one after another or on top of each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from polyoptim.errors import ArgumentError
from polyoptim.optim.rates import cosine, cycle, decay
from polyoptim.optim.rates.form import Form, Group, bind, read_milestones
from polyoptim.registry import match

FORMS: dict[str, Callable[..., Form]] = {
    "ConstantLR": decay.constant_lr,
    "CosineAnnealingLR": cosine.cosine_annealing_lr,
    "CosineAnnealingWarmRestarts": cosine.cosine_annealing_warm_restarts,
    "CyclicLR": cycle.cyclic_lr,
    "ExponentialLR": decay.exponential_lr,
    "LambdaLR": decay.lambda_lr,
    "LinearLR": decay.linear_lr,
    "MultiStepLR": decay.multi_step_lr,
    "MultiplicativeLR": decay.multiplicative_lr,
    "OneCycleLR": cycle.one_cycle_lr,
    "PolynomialLR": decay.polynomial_lr,
    "StepLR": decay.step_lr,
}


class Member(Protocol):
    """What a schedule does among others."""

    def step(self) -> None:
        """Go on by one step."""

    def begin(self) -> None:
        """Take step 0 again, as SequentialLR asks of its first member."""

    def restart(self) -> None:
        """Take step 0, as SequentialLR asks of a member at its milestone."""

    def undo(self) -> None:
        """Go one step back, leaving the lr as it is."""

    def snapshot(self) -> Any:
        """Return how far it is, for `restore`."""

    def restore(self, state: Any) -> None:
        """Go on from what `snapshot` returned."""


class _Single:
    """A schedule from the table."""

    def __init__(self, name: str, options: Mapping[str, Any], group: Group) -> None:
        self._name, self._options, self._group, self._t = name, options, group, -1
        bound = bind(name, FORMS[name], options)
        self._form: Form = self._refusing(lambda: FORMS[name](group, **bound))
        self.begin()
        if self._form.made is not None:
            group.lr = self._form.made

    def begin(self) -> None:
        self._forward()
        self._set(lambda: self._group.lr if self._form.waits else self._chained())

    def step(self) -> None:
        self._forward()
        self._set(self._chained)

    def _forward(self) -> None:
        self._t = 0 if self._form.from_zero and self._t < 0 else self._t + 1

    def restart(self) -> None:
        self._t = 0
        closed = self._form.closed
        self._set(self._chained if closed is None else lambda: closed(0))

    def undo(self) -> None:
        self._t -= 1

    def snapshot(self) -> int:
        return self._t

    def restore(self, state: int) -> None:
        self._t = state

    def _chained(self) -> float:
        return self._form.chain(self._t, self._group.lr)

    def _set(self, lr: Callable[[], float]) -> None:
        momentum = self._form.momentum
        self._group.lr = self._refusing(lambda: float(lr()))
        if momentum is not None:
            self._group.momentum = self._refusing(lambda: momentum(self._t))

    def _refusing(self, made: Callable[[], Any]) -> Any:
        """Return ``made()``; where Python refuses, as it would in torch's scheduler, say which schedule and where."""
        try:
            return made()
        except ArgumentError:
            raise
        except (ArithmeticError, TypeError, ValueError) as error:
            given = ", ".join(f"{option}={value!r}" for option, value in self._options.items())
            raise ArgumentError(
                f"schedule {self._name!r} has no lr at its step {max(self._t, 0)}: {error} (with {given})."
            ) from error


class _Chained:
    """ChainedScheduler: each changes the lr that the one before it left."""

    def __init__(self, members: list[Member]) -> None:
        self._members = members

    def step(self) -> None:
        for member in self._members:
            member.step()

    begin = step

    def restart(self) -> None:
        _refuse_restart("ChainedScheduler")

    def undo(self) -> None:
        for member in self._members:
            member.undo()

    def snapshot(self) -> list[Any]:
        return [member.snapshot() for member in self._members]

    def restore(self, state: Sequence[Any]) -> None:
        for member, own in zip(self._members, state, strict=True):
            member.restore(own)


class _Sequential:
    """SequentialLR: one after another; the next one starts anew from the initial lr at its milestone."""

    def __init__(self, members: list[Member], milestones: Sequence[int], group: Group) -> None:
        self._members, self._milestones, self._t = members, milestones, 0
        group.lr = group.base()
        self.undo()
        members[bisect_right(milestones, 0)].begin()

    def step(self) -> None:
        self._t += 1
        index = bisect_right(self._milestones, self._t)
        if index > 0 and self._milestones[index - 1] == self._t:
            self._members[index].restart()
        else:
            self._members[index].step()

    # Its own count goes on while its members' go back; torch does the same.
    begin = step

    def restart(self) -> None:
        _refuse_restart("SequentialLR")

    def undo(self) -> None:
        for member in self._members:
            member.undo()

    def snapshot(self) -> list[Any]:
        return [self._t, [member.snapshot() for member in self._members]]

    def restore(self, state: Sequence[Any]) -> None:
        self._t, members = state
        for member, own in zip(self._members, members, strict=True):
            member.restore(own)


def _refuse_restart(name: str) -> None:
    raise ArgumentError(
        f"SequentialLR cannot go over to a {name}, which has no step 0 of its own. Let it come first, or name its "
        "members directly."
    )


def _chained(group: Group, schedulers: Sequence[Any]) -> _Chained:
    return _Chained(_members(group, schedulers))


def _sequential(group: Group, schedulers: Sequence[Any], milestones: Sequence[int]) -> _Sequential:
    members = _members(group, schedulers)
    times = read_milestones(milestones)
    if len(times) != len(members) - 1:
        raise ArgumentError(
            f"milestones must be one fewer than the {len(members)} schedulers, got {len(times)}: each is the step "
            "at which the next one begins."
        )
    return _Sequential(members, times, group)


def _members(group: Group, schedulers: Any) -> list[Member]:
    if not isinstance(schedulers, (list, tuple)) or not schedulers:
        raise ArgumentError(f"schedulers must be a list of pairs (name, options), got {schedulers!r}.")
    return [make_member(pair, group) for pair in schedulers]


COMPOSED: dict[str, Callable[..., Member]] = {"ChainedScheduler": _chained, "SequentialLR": _sequential}
LOOKS_AT_LOSS = "ReduceLROnPlateau"


def make_member(pair: Any, group: Group) -> Member:
    """Return the schedule of a pair (name, options) with its step 0 taken; a name alone has no options."""
    if isinstance(pair, str):
        pair = (pair, {})
    if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[1], Mapping)):
        raise ArgumentError(f"a schedule must be a pair (name, options), got {pair!r}.")
    name, options = match("schedule", pair[0], [*FORMS, *COMPOSED, LOOKS_AT_LOSS]), pair[1]
    if name == LOOKS_AT_LOSS:
        raise ArgumentError(f"{name} looks at the loss, so its lr is not known beforehand. Use it alone, as a Plateau.")
    if name in COMPOSED:
        return COMPOSED[name](group, **bind(name, COMPOSED[name], options))
    return _Single(name, options, group)
