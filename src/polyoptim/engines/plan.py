"""Plan: what an engine is told about a run beside the problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polyoptim.engines.keeper import Keeper
from polyoptim.errors import ArgumentError
from polyoptim.quadratic import Quadratic
from polyoptim.solution import Optimum, Row

DEFAULT_RATE = 1e-3
Callback = Callable[[Row], Any]
# Options of schedulers that are functions of the step; as text they are expressions in x.
STEP_FUNCTIONS = ("lr_lambda", "scale_fn")


@dataclass(frozen=True)
class Plan:
    """How a run goes.

    Parameters
    ----------
    optimizer, optimizer_options : a name, class or factory, and what it is given beside lr.
    lr : learning rate; None takes the optimizer's own default.
    schedule, schedule_options : a name, class or factory, or None.
    steps : updates at most.
    batch_size : samples an update sees, or None for all.
    every : a row is recorded after every so many updates.
    tol_loss : converged where the loss changed by at most tol_loss · |loss| in each of 10 updates running.
    tol_gradient : converged where the norm of the gradient is at most this.
    seed : of the run's own generator.
    dtype, device : of parameters and samples.
    optimum : the least loss, for excess and gap.
    quadratic : the squared loss without the samples; None for other losses, or where it overflows.
    callbacks : called with each recorded row; one that returns True, or raises StopIteration, stops the run. One
        with methods ``on_begin(steps)`` or ``on_step(step, loss)`` gets the start and every update too; where
        it has ``seldom = True``, an engine may tell it of some updates only. One with ``on_resume(step)`` gets that
        before the start where the run goes on from a checkpoint.
    keeper : writes the checkpoints, and has the one to go on from; None without.
    """

    optimizer: Any
    optimizer_options: Mapping[str, Any]
    lr: float | None
    schedule: Any
    schedule_options: Mapping[str, Any]
    steps: int
    batch_size: int | None
    every: int
    tol_loss: float | None
    tol_gradient: float | None
    seed: int
    dtype: str
    device: str
    optimum: Optimum = field(default_factory=Optimum)
    quadratic: Quadratic | None = None
    callbacks: Sequence[Callback] = ()
    keeper: Keeper | None = None


def overflow(optimum: Optimum, basis: str, degree: int) -> ArgumentError:
    """Return the error for a squared loss that no floats can hold."""
    if optimum.value is None:
        return ArgumentError("the squared loss overflows on these samples. Scale y.")
    return ArgumentError(
        f"the columns of the basis {basis!r} of degree {degree} overflow on the samples. Use basis='chebyshev'."
    )


def with_functions(options: Any, function_of_step: Callable[[str], Callable[[int], float]]) -> Any:
    """Return options in which a text for a function of the step, ``lr_lambda="0.99**x"``, has become that function."""
    if isinstance(options, Mapping):
        return {
            name: function_of_step(str(value))
            if name in STEP_FUNCTIONS and isinstance(value, (str, int, float))
            else with_functions(value, function_of_step)
            for name, value in options.items()
        }
    if isinstance(options, (list, tuple)):
        return [with_functions(value, function_of_step) for value in options]
    return options


def described_schedule(wanted: Any, options: Mapping[str, Any], spell: Callable[[Any], Any]) -> dict[str, Any]:
    """Return {"schedule", "schedule_options"} with the names, those of members too, as `spell` gives them."""
    if wanted is None:
        return {"schedule": None, "schedule_options": {}}
    ready = dict(options)
    if "schedulers" in ready:
        pairs = [(pair, {}) if isinstance(pair, str) else pair for pair in ready["schedulers"]]
        ready["schedulers"] = [list(described_schedule(name, own, spell).values()) for name, own in pairs]
    return {"schedule": spell(wanted), "schedule_options": ready}
