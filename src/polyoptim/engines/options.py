"""Options: what a caller may write about a run, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from polyoptim.arguments import read_options, read_size
from polyoptim.engines.keeper import read_every
from polyoptim.engines.plan import DEFAULT_RATE, Callback
from polyoptim.errors import ArgumentError
from polyoptim.losses import Loss, find_loss
from polyoptim.targets.expression import number


def check_agreement(schedule: Any, schedule_options: Any, mapped: Any, strict: Any) -> None:
    """Raise ArgumentError for arguments that do not go together, and for truth values that are none."""
    if schedule is None and schedule_options:
        raise ArgumentError("schedule_options are given without a schedule. Name one, or leave them out.")
    if mapped is not None and not isinstance(mapped, bool):
        raise ArgumentError(f"mapped must be True, False or None, got {mapped!r}.")
    if not isinstance(strict, bool):
        raise ArgumentError(f"strict must be True or False, got {strict!r}.")


def read_rate(lr: Any, options: Any) -> float | None:
    """Return the learning rate, which may stand among the optimizer's options too."""
    if isinstance(options, Mapping) and "lr" in options:
        if lr not in (None, DEFAULT_RATE):
            raise ArgumentError(f"lr is given twice: {lr!r}, and {options['lr']!r} in optimizer_options. Give it once.")
        lr = options["lr"]
    return None if lr is None else read_size(lr, "lr")


def without_rate(options: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's options but for lr."""
    return {name: value for name, value in options.items() if name != "lr"}


def read_loss(loss: Any, options: Any) -> tuple[Loss | Any, Mapping[str, Any]]:
    """Return a loss by name with all its options, or the user's own with those given."""
    given = read_options(options, "loss_options")
    if isinstance(loss, str):
        found = find_loss(loss)
        return found, found.check({name: number(value, name) for name, value in given.items()})
    if not callable(loss):
        raise ArgumentError(f"loss must be a name or a torch.nn.Module, got {loss!r}.")
    if given and not isinstance(loss, type):
        raise ArgumentError("loss_options belong to a loss by name or a class; this loss is made already.")
    return loss, given


def read_checkpoint(checkpoint: Any, every: Any, resume: Any) -> int | float:
    """Return how often a checkpoint is written: an integer for updates, a float for seconds."""
    if not isinstance(resume, bool):
        raise ArgumentError(f"resume must be True or False, got {resume!r}.")
    if resume and checkpoint is None:
        raise ArgumentError("resume needs the folder of the checkpoints. Give checkpoint too.")
    return read_every(every)


def read_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """Return the callbacks; one may be given alone."""
    if not callable(callbacks) and not isinstance(callbacks, Iterable):
        raise ArgumentError(f"callbacks must be a list of functions of a row, got {callbacks!r}.")
    found = (callbacks,) if callable(callbacks) else tuple(callbacks)
    for callback in found:
        if not callable(callback):
            raise ArgumentError(f"each of callbacks must be a function of a row, got {callback!r}.")
    return found
