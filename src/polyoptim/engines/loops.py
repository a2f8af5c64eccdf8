"""The loops over the updates of one run, ready to be called: compiled, or as plain Python for a short run."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from polyoptim.compiler import compiled, later, single_run
from polyoptim.engines.batches import Batches, Everything
from polyoptim.engines.kernels import BLOCK, STORED, data_text, run_text, shuffle_text, slope_text, sums_text
from polyoptim.engines.objective import Array, DataObjective, QuadraticObjective, Slope, Sums
from polyoptim.engines.surroundings import cores
from polyoptim.engines.traces import MOST_UNROLLED, Kind
from polyoptim.generator import Shuffle
from polyoptim.quadratic import Quadratic

# Work, in updates on a quadratic of four columns, that plain Python does while numba is imported and loaded.
SHORT = 350_000
# An unrolled basis of a higher degree would be slow to compile.
HIGHEST_DEGREE = 64
# Samples from which an evaluation is shared among all cores; below, waking them takes longer than the sums.
MANY = 1 << 18
# Updates between two looks at Ctrl-C, of four columns or of so many samples.
CHUNK, SAMPLES_A_CHUNK = 1 << 18, 1 << 26

Advance = Callable[..., int]


def worth_compiling(work: float) -> bool:
    """Tell whether a run of so many updates, each like one on a quadratic of four columns, is compiled."""
    return not single_run.get() or work > SHORT


def at_hand(kind: Kind) -> bool:
    """Tell whether the compiled loop of this kind costs nothing, since this process loaded it while nobody waited."""
    kernels = later.get()
    text = None if kernels is None else run_text(kind, compiled=True)
    return kernels is not None and text is not None and kernels.has(text)


@lru_cache(maxsize=256)
def plain_loop(kind: Kind) -> Advance | None:
    """Return ``advance`` for a quadratic as plain Python."""
    text = run_text(kind, compiled=False)
    if text is None:
        return None
    space: dict[str, Any] = {}
    exec(compile(text, "<loop>", "exec"), space)  # noqa: S102 - our own text
    return space["advance"]  # type: ignore[no-any-return]


def quadratic_objective(quadratic: Quadratic) -> QuadraticObjective:
    """Return the objective of a quadratic; one of few columns is evaluated by lines written for it."""
    objective = QuadraticObjective(quadratic)
    if len(objective.wanted) <= MOST_UNROLLED:
        given = [part.ravel().tolist() for part in (objective.rows, objective.wanted, objective.down)]
        objective.slope = _bound(len(objective.wanted))(*given)
    return objective


@lru_cache(maxsize=64)
def _bound(columns: int) -> Callable[..., Slope]:
    space: dict[str, Any] = {}
    exec(compile(slope_text(columns), "<slope>", "exec"), space)  # noqa: S102 - our own text
    return space["bound"]  # type: ignore[no-any-return]


def on_quadratic(kind: Kind, objective: QuadraticObjective, compile_it: bool) -> Advance | None:
    """Return ``advance`` on this quadratic: what is left to give are the parameters of ``kernels.UPDATES``."""
    rows = objective.rows if kind.unrolled else objective.rows.T
    given = [np.ascontiguousarray(part).ravel() for part in (rows, objective.wanted, objective.down)]
    if compile_it:
        text = run_text(kind, compiled=True)
        if text is None:
            return None
        advance = compiled(text).module.advance
        return lambda *more: advance(*given, objective.factor, objective.optimum, *more)
    plain, lists = plain_loop(kind), [part.tolist() for part in given]
    if plain is None:
        return None
    return lambda *more: plain(*lists, objective.factor, objective.optimum, *more)


def on_data(kind: Kind, objective: DataObjective, size: int | None = None) -> tuple[Callable[..., int], Sums] | None:
    """Return ``advance(samples, *more)`` on samples like these, and what sums over them; None where there is no loop.

    `size` is how many samples an update sees, all where it is None. Where they are many, each evaluation is shared
    among the cores, and no loop is needed around it.
    """
    if min(size or len(objective), len(objective)) >= MANY or not compilable(objective):
        return None
    text = data_text(kind, *described(objective))
    if text is None:
        return None
    module = compiled(text).module

    def run(samples: Everything | Batches, *more: Any) -> int:
        data = samples.data
        span = (samples.low, len(data), samples.size, samples.stride, int(data.mean))
        return int(module.advance(data.u.ravel(), data.y, data.weight, data.options, *span, *more))

    return run, _alone(module) if len(objective) < MANY else compiled_sums(objective)


def compilable(objective: DataObjective) -> bool:
    """Tell whether the sums over these samples have a text."""
    return objective.problem.terms is not None or objective.problem.degree <= HIGHEST_DEGREE


def described(objective: DataObjective) -> tuple[str, str, tuple[int, ...], bool]:
    """Return what the text of the sums depends on."""
    problem = objective.problem
    basis = problem.family.name if problem.terms is None else STORED
    return objective.loss.name, basis, problem.powers, bool(len(objective.weight))


def compiled_sums(objective: DataObjective) -> Sums:
    """Return what sums over samples like these, compiled; many are shared among the cores.

    The samples are summed in blocks, whose sums are added in order: the outcome does not depend on the cores.
    """
    module = compiled(sums_text(*described(objective))).module
    alone, workers = _alone(module), cores()

    def sums(data: DataObjective, coef: Array, low: int, high: int) -> list[float]:
        if high - low < MANY or workers == 1:
            return alone(data, coef, low, high)
        arrays = (data.u.ravel(), data.y, data.weight, data.options)
        count = -(-(high - low) // BLOCK)
        table = np.empty((count, len(coef) + 2))

        def work(part: int) -> None:
            first, last = count * part // workers, count * (part + 1) // workers
            begin, end = low + first * BLOCK, min(low + last * BLOCK, high)
            module.blocks(*arrays, begin, end, coef, table[first:last])

        list(pool(workers).map(work, range(workers)))
        return np.add.accumulate(table)[-1].tolist()  # type: ignore[no-any-return]

    return sums


def _alone(module: ModuleType) -> Sums:
    """Return the sums of a module, by one core."""

    def sums(data: DataObjective, coef: Array, low: int, high: int) -> list[float]:
        out = np.empty(len(coef) + 2)
        module.sums(data.u.ravel(), data.y, data.weight, data.options, low, high, coef, out)
        return out.tolist()

    return sums


def shuffle() -> Shuffle:
    """Return the compiled shuffle of a generator's permutation."""
    return compiled(shuffle_text()).module.shuffle  # type: ignore[no-any-return]


def pool(workers: int) -> ThreadPoolExecutor:
    """Return the threads that share large sums and many runs; a forked process has its own."""
    return _pool(workers, os.getpid())


@lru_cache(maxsize=1)
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix=f"polyoptim-{process}")
