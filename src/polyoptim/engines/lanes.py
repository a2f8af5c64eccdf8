"""Many runs side by side on one quadratic: the same loop as for one run, with a lane for each run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from polyoptim.engines.compiler import compiled
from polyoptim.engines.kernels import FLOAT, FLOATS, HEADERS, WHOLE, function_text, lines_of, numbers_of_quadratic
from polyoptim.engines.loops import cores, pool
from polyoptim.engines.objective import QuadraticObjective
from polyoptim.engines.traces import Kind, traced_slope, traced_step
from polyoptim.engines.watch import DIVERGED_RATIO
from polyoptim.optim.rules import RULES

Array = npt.NDArray[np.float64]

# Runs in a block: enough to fill the processor's lanes, few enough to stay in its nearest memory.
LANES = 64
# A block's numbers stand one row after the other in one array, so that the compiler sees that they do not overlap.
LANE = re.compile(r"\b(\w+)\[lane\]")
NUMBERS = {
    "rows": FLOATS, "wanted": FLOATS, "down": FLOATS, "factor": FLOAT, "optimum": FLOAT,
    "steps": WHOLE, "marks": FLOATS, "block": FLOATS,
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How many runs ended.

    Parameters
    ----------
    coef : the last coefficients in the order of the powers, shape (runs, columns).
    loss, excess : of these, shape (runs,); not a number where the run diverged.
    diverged : the update at which each run diverged, -1 where it did not.
    reached : after how many updates the excess was first at most each of the marks, shape (marks, runs); -1 where it
        never was.
    """

    coef: Array
    loss: Array
    excess: Array
    diverged: npt.NDArray[np.int64]
    reached: npt.NDArray[np.int64]


def lanes_fit(kind: Kind) -> bool:
    """Tell whether runs of this kind have a text that goes side by side."""
    return kind.unrolled and traced_step(kind) is not None


@lru_cache(maxsize=256)
def lanes_text(kind: Kind, marks: int) -> str:
    """Return a module with ``lanes(…)``, which makes all updates of a block of runs.

    The rows of the block are those of `layout`. A run that has diverged goes on, in vain.
    """
    step = traced_step(kind)
    assert step is not None  # noqa: S101
    m, formula = kind.columns, traced_slope(kind.columns)
    hyper, coef, state, judged = layout(kind, marks)
    evaluate = [
        *lines_of(formula.operations, True),
        f"excess = factor * {formula.value}",
        "loss = optimum + excess",
        "first = diverged[lane]",
        "diverged[lane] = made if (first < 0.0) & (not loss <= limit[lane]) else first",
    ]
    for place in range(marks):
        evaluate += [
            f"first = reached{place}[lane]",
            f"reached{place}[lane] = made if (first < 0.0) & (excess <= marks[{place}]) else first",
        ]
    numbers = [*(f"{name} = {name}[lane]" for name in hyper), *(f"{name} = {name}[lane]" for name in coef)]
    before = [
        *numbers,
        *lines_of(step.setup, True),
        *(f"{name}[lane] = {value}" for name, value in zip(state, step.initial, strict=True)),
        "value = rows[0]",
        *lines_of(formula.operations, True),
        f"loss = optimum + factor * {formula.value}",
        f"limit[lane] = min({DIVERGED_RATIO!r} * loss, {np.finfo(float).max!r}) if loss > 0.0 else {np.finfo(float).max!r}",
    ]
    update = [
        *numbers,
        *(f"{name} = {name}[lane]" for name in state),
        *evaluate,
        *(f"g{k} = {name}" for k, name in enumerate(formula.slope)),
        *lines_of(step.once, True),
        *(f"{name}[lane] = {value}" for name, value in zip(coef, step.coef, strict=True)),
        *(f"{name}[lane] = {value}" for name, value, moves in zip(state, step.state, step.changed, strict=True) if moves),
    ]
    after = [*numbers, *evaluate, "last[lane] = excess"]
    places = {name: place * LANES for place, name in enumerate([*hyper, *coef, *state, *judged])}

    def loop(lines: list[str], by: str = "") -> list[str]:
        put = [LANE.sub(lambda found: f"block[{places[found[1]]} + lane]", line) for line in lines]
        return [f"{by}for lane in range({LANES}):", *(f"{by}    {line}" for line in put)]

    body = [
        *numbers_of_quadratic(m),
        *loop(before),
        "for step in range(steps):",
        "    made, number = float(step), float(step + 1)",
        *loop(update, "    "),
        "made = float(steps)",
        *loop(after),
    ]
    return HEADERS[True] + function_text("lanes", "void", NUMBERS, body)


def layout(kind: Kind, marks: int) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return the names of a block's rows: the rule's numbers, the coefficients, the state, and what is judged."""
    step = traced_step(kind)
    assert step is not None  # noqa: S101
    return (
        [f"h_{name}" for name in RULES[kind.rule].hyper],
        [f"c{k}" for k in range(kind.columns)],
        [f"s{k}" for k in range(len(step.state))],
        ["limit", "diverged", "last", *(f"reached{place}" for place in range(marks))],
    )


def side_by_side(
    kind: Kind,
    objective: QuadraticObjective,
    starts: Array,
    hyper: Array,
    steps: int,
    marks: Array,
    tell: Callable[[int], object],
) -> Outcome:
    """Make `steps` updates of many runs, a block of lanes at a time, on all cores.

    Parameters
    ----------
    kind : of all these runs; ``lanes_fit(kind)`` must hold.
    objective : the loss.
    starts : coefficients in the order of the powers, shape (runs, columns).
    hyper : the rule's numbers, shape (runs, numbers).
    steps : updates of each run.
    marks : sizes of the excess; when each is reached is noted.
    tell : called with the number of runs that have just been done.

    Notes
    -----
    A run has the same numbers to the bit in whatever lane it is, and as it has by itself.
    """
    runs = len(starts)
    names = layout(kind, len(marks))
    sizes = [len(part) for part in names]
    run_lanes = compiled(lanes_text(kind, len(marks))).module.lanes
    given = [np.ascontiguousarray(part).ravel() for part in (objective.rows, objective.wanted, objective.down)]
    places = dict(zip(names[3], range(len(names[3])), strict=True))
    coef, judged = np.empty((runs, sizes[1])), np.empty((sizes[3], runs))

    def work(first: int) -> int:
        chosen = np.minimum(np.arange(first, first + LANES), runs - 1)  # a short block repeats its last run
        block = np.full((sum(sizes), LANES), -1.0)
        block[: sizes[0]] = hyper[chosen].T
        block[sizes[0] : sizes[0] + sizes[1]] = starts[chosen].T
        flat = block.ravel()
        run_lanes(*given, objective.factor, objective.optimum, steps, marks, flat)
        count = min(LANES, runs - first)
        coef[first : first + count] = block[sizes[0] : sizes[0] + sizes[1], :count].T
        judged[:, first : first + count] = block[-sizes[3] :, :count]
        return count

    for count in _shared(work, range(0, runs, LANES)):
        tell(count)
    diverged = judged[places["diverged"]].astype(np.int64)
    excess = np.where(diverged < 0, judged[places["last"]], np.nan)
    reached = judged[3:].astype(np.int64)
    reached[:, diverged >= 0] = np.where(
        (reached[:, diverged >= 0] >= 0) & (reached[:, diverged >= 0] < diverged[diverged >= 0]),
        reached[:, diverged >= 0],
        -1,
    )
    return Outcome(coef, objective.optimum + excess, excess, diverged, reached)


def _shared(work: Callable[[int], int], tasks: range) -> Iterator[int]:
    """Yield what `work` returns for each task, made by all cores; an interrupt leaves the tasks not yet begun."""
    workers = cores()
    if workers == 1 or len(tasks) == 1:
        yield from map(work, tasks)
        return
    rest = iter(tasks)
    executor = pool(workers)
    running = [executor.submit(work, task) for _, task in zip(range(2 * workers), rest)]
    try:
        while running:
            done = running.pop(0).result()
            running.extend(executor.submit(work, task) for task in [next(rest, None)] if task is not None)
            yield done
    finally:
        for future in running:
            future.cancel()
