"""What the fused engine makes of a run of torch: whether asking costs little, and the answer as a sentence."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from polyoptim.compiler import single_run
from polyoptim.engines.plan import Plan
from polyoptim.optim.rules import RULES
from polyoptim.problem import Problem
from polyoptim.solution import Solution, Status

Answer = TypeVar("Answer")

SHARE, LONGEST = 0.1, 1.0  # of the seconds that torch took; seconds at most
PATIENCE = 20.0  # seconds of a run beside which loading a compiled loop is little
# Seconds, measured on one core of a server of 2023: what a comparison takes at least, a row, an update on data.
SETUP, ROW, DATA_UPDATE = 3e-3, 60e-6, 60e-6
A_SAMPLE, A_SWAP = 4e-9, 2e-7  # of one column; of a permutation in plain Python
PLAIN_FACTOR = 30  # how many times as fast a compiled loop is as the same loop in plain Python
EVALUATIONS = 30  # of a rule that evaluates the loss again


def how(problem: Problem, plan: Plan, seconds: float) -> str:
    """Return "plain" or "compiled" where the fused engine makes these updates in a small part of `seconds`, else ""."""
    budget = min(SHARE * seconds, LONGEST)
    setup, updates = _estimate(problem, plan)
    if setup + updates <= budget:
        return "plain"
    ready = "numba" in sys.modules and seconds >= PATIENCE
    return "compiled" if ready and setup + updates / PLAIN_FACTOR <= budget else ""


def _estimate(problem: Problem, plan: Plan) -> tuple[float, float]:
    """Return the seconds before the updates, with those of the rows, and the seconds of the updates."""
    m, n = len(problem.powers), len(problem.samples)
    update = 2.5e-7 * m * m + 3e-7 * m
    row = ROW
    if plan.batch_size is not None or not problem.is_squared:
        seen = min(plan.batch_size or n, n)
        update = DATA_UPDATE + seen * m * A_SAMPLE + (0 if plan.batch_size is None else seen * A_SWAP)
        row += n * m * A_SAMPLE
    if RULES[plan.optimizer].reevaluates:
        update *= EVALUATIONS
    return SETUP + n * m * 5 * A_SAMPLE + row * (plan.steps / plan.every + 2), update * plan.steps


def apart(make: Callable[[], Answer], way: str) -> Answer:
    """Return what `make` returns where loops are plain, or as worth the while; nothing is compiled for plain ones."""

    def made() -> Answer:
        single_run.set(way == "plain")
        return make()

    return copy_context().run(made)


def sentence(reference: Solution, ours: Solution, single: bool) -> str | None:
    """Return how long the fused engine took and how far its losses are from torch's.

    None where the two have not made the same updates to the end.

    Parameters
    ----------
    reference, ours : of torch, and of the fused engine.
    single : whether torch computed in float32.
    """
    steps = [row["step"] for row in reference.trace]
    if ours.status is not Status.STEPS_DONE or [row["step"] for row in ours.trace] != steps or not ours.seconds > 0:
        return None
    pairs = zip(reference.trace["loss"].tolist(), ours.trace["loss"].tolist(), strict=True)
    differences = [abs(a - b) / (max(abs(a), abs(b)) or 1.0) for a, b in pairs]
    if not all(map(math.isfinite, differences)):
        return None
    ratio = reference.seconds / ours.seconds
    times = f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"
    where = "in float64 " if single else ""
    return (
        f"The fused engine makes these {reference.steps} updates in {ours.seconds:.2g} s, "
        f"{times} times as fast; {where}its losses differ by at most "
        f"{max(differences):.1g} (relative)."
    )
