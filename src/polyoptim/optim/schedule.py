"""The schedulers of torch.optim.lr_scheduler by name, and the user's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch.optim import lr_scheduler

from polyoptim.errors import ArgumentError
from polyoptim.optim.members import find, make, members, own_name


def schedules() -> dict[str, type]:
    """Return every scheduler class of the installed torch, by name."""
    return members(lr_scheduler, lr_scheduler.LRScheduler)


def find_schedule(wanted: Any) -> Callable[..., Any]:
    """Return the scheduler class of that name, in any letter case, or the user's own class or factory."""
    return find("schedule", wanted, schedules())


def make_schedule(maker: Callable[..., Any], optimizer: Any, options: Mapping[str, Any]) -> Any:
    """Return the scheduler.

    Where the class takes other schedulers, they are given as pairs (name, options).
    """
    ready = dict(options)
    if "schedulers" in ready:
        if not isinstance(ready["schedulers"], (list, tuple)):
            raise ArgumentError(f"schedulers must be a list of pairs (name, options), got {ready['schedulers']!r}.")
        ready["schedulers"] = [_member(pair, optimizer) for pair in ready["schedulers"]]
    parameters = list(inspect.signature(maker).parameters)
    if parameters and parameters[0] == "schedulers":  # ChainedScheduler takes them first, the optimizer after them
        inner = ready.pop("schedulers", None)
        if inner is None:
            raise ArgumentError(f"schedule {maker.__name__!r} needs schedulers: a list of pairs (name, options).")
        return make("schedule", maker, inner, {"optimizer": optimizer, **ready})
    with quiet_members(ready if "schedulers" in ready else None):
        return make("schedule", maker, optimizer, ready)


@contextmanager
def quiet_members(schedule: Any) -> Iterator[None]:
    """Ignore the warnings of a schedule with members: SequentialLR steps them as torch itself has deprecated."""
    if not (isinstance(schedule, Mapping) or hasattr(schedule, "_schedulers")):
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _member(pair: Any, optimizer: Any) -> Any:
    if isinstance(pair, str):
        pair = (pair, {})
    if not (isinstance(pair, Sequence) and len(pair) == 2 and isinstance(pair[1], Mapping)):
        raise ArgumentError(f"each of schedulers must be a pair (name, options), got {pair!r}.")
    return make_schedule(find_schedule(pair[0]), optimizer, pair[1])


def schedule_name(wanted: Any) -> Any:
    """Return the name as torch spells it, or the user's own object where it is none of torch's."""
    return own_name(wanted, find_schedule(wanted), schedules().values())


def wants_loss(schedule: Any) -> bool:
    """Tell whether ``step`` wants the loss (ReduceLROnPlateau)."""
    return "metrics" in inspect.signature(schedule.step).parameters
