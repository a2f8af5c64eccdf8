"""polyoptim's contestants: its engine "fused", and its engine "torch" for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from setting import HIGHEST_RATE, LOWEST_RATE, Array, Setting, start
from timing import Contestant

import polyoptim
from polyoptim import quadratic
from polyoptim.engines.loops import on_quadratic
from polyoptim.engines.objective import QuadraticObjective
from polyoptim.engines.traces import flat, kind_of, shaped
from polyoptim.optim.rule import vector_step
from polyoptim.optim.rules import RULES

OURS = "polyoptim"


def kernel(setting: Setting) -> list[Contestant]:
    """Return the compiled loop, by one call that notes the rows and by one a row; and the same loop as plain Python."""
    known = setting.quadratic
    objective = QuadraticObjective(quadratic.Quadratic(known.r, known.q, known.rss))
    rule = RULES["RMSprop"]
    numbers, flags = rule.read(rule.check({"lr": setting.lr}))
    begin, _ = vector_step(rule, flags)
    first, none = start(0).tolist(), [0.0] * (setting.rows + 1)
    state = flat(rule, begin(shaped(first, True), numbers), True)
    kind = kind_of(rule, flags, 4, True)

    def made(name: str, stride: int, compiled: bool) -> Contestant:
        number: Any = (lambda values: np.array(values, dtype=np.float64)) if compiled else list
        advance: Any = on_quadratic(kind, objective, compiled)
        coef, own, calm, losses = number(first), number(state), number([0.0, 0.0]), list(none)
        noted = number([0.0] * (4 * setting.rows))
        hyper, rate, nothing, work = number(numbers), number([setting.lr]), number([0.0]), number([0.0] * 10)
        largest, before, fresh = float(np.finfo(np.float64).max), number(first), number(state)

        def run(_: int) -> None:
            coef[:], own[:] = before, fresh
            for place, made in enumerate(range(0, setting.steps, stride)):
                given = (coef, own, hyper, rate, 0, nothing, 0, made, stride, largest, -1.0, -1.0, calm, work)
                advance(*given, setting.every - 1, setting.every, noted)
                losses[place] = calm[1]

        def read(_: None) -> Array:
            """Return the losses, of one call those of the coefficients that it has noted."""
            rows = np.reshape([*noted, *coef], (-1, 4)).tolist()
            found = [objective.evaluate(row)[0] for row in rows]
            return np.array(found if stride == setting.steps else [*losses[: setting.rows], found[-1]])

        return Contestant(name, run, read)

    return [
        made(OURS, setting.steps, True),
        made(f"{OURS}, a call for each row of the trace", setting.every, True),
        made(f"{OURS}, the same loop in plain Python", setting.steps, False),
    ]


def call(setting: Setting, starts: Array) -> list[Contestant]:
    """Return the whole call of both engines."""

    def made(name: str, engine: str, dtype: str) -> Contestant:
        def run(turn: int) -> Any:
            return polyoptim.train(
                "sin(x)",
                seed=turn % len(starts),
                engine=engine,
                dtype=dtype,
                samples=setting.samples,
                steps=setting.steps,
                every=setting.every,
                lr=setting.lr,
            )

        def read(result: Any) -> Array:
            return np.array([*result.trace["loss"][: setting.rows], result.loss, result.optimum])

        return Contestant(name, run, read)

    return [made(f"{OURS}, fused", "fused", "float64"), made(f"{OURS}, torch, float64", "torch", "float64")]


def huber(setting: Setting) -> list[Contestant]:
    """Return the Huber loss; the time is that of the run alone."""
    return [_on_samples(setting, loss="huber")]


def batches(setting: Setting) -> list[Contestant]:
    """Return the minibatches; the time is that of the run alone."""
    return [_on_samples(setting, batch_size=setting.size)]


def _on_samples(setting: Setting, **options: Any) -> Contestant:
    def run(_: int) -> Any:
        return polyoptim.train(
            "sin(x)",
            seed=0,
            engine="fused",
            samples=setting.samples,
            steps=setting.steps,
            every=setting.steps,
            lr=setting.lr,
            **options,
        )

    def read(result: Any) -> Array:
        return np.array([result.loss, *result.coef])

    return Contestant(OURS, run, read, work=setting.steps, seconds=lambda result: float(result.seconds))


def sweep(setting: Setting, count: int) -> list[Contestant]:
    """Return the sweep on one core and on all; nothing where polyoptim has no sweep."""
    if not hasattr(polyoptim, "sweep"):
        return []

    def run(_: int) -> Any:
        return ours_sweep(setting, count)

    return [
        Contestant(OURS, run, swept_losses, work=count),
        Contestant(f"{OURS}, all cores", run, swept_losses, work=count, all_cores=True),
    ]


def ours_sweep(setting: Setting, count: int) -> Any:
    """Return a sweep over learning rates."""
    over = {"lr": (LOWEST_RATE, HIGHEST_RATE, count, "log")}
    return polyoptim.sweep("sin(x)", over=over, steps=setting.steps, seed=0)  # type: ignore[attr-defined]


def swept_losses(swept: Any) -> Array:
    """Return the last loss of each run."""
    return np.asarray(swept.loss, dtype=np.float64)
