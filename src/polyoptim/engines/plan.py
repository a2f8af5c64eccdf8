"""Plan: what an engine is told about a run beside the problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    callbacks : called with each recorded row; one that returns True, or raises StopIteration, stops the run. One
        with methods ``on_begin(steps)`` or ``on_step(step, loss)`` gets the start and every update too.
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
    callbacks: Sequence[Callback] = ()
