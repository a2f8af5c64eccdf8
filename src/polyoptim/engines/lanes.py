"""Many runs side by side on one quadratic: the same loop as for one run, with a lane for each run."""

from __future__ import annotations

import itertools
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

import numpy as np
import numpy.typing as npt

from polyoptim.compiler import compiled
from polyoptim.engines.kernels import FLOAT, FLOATS, HEADERS, WHOLE, function_text, lines_of, numbers_of_quadratic
from polyoptim.engines.loops import pool
from polyoptim.engines.objective import QuadraticObjective
from polyoptim.engines.surroundings import cores
from polyoptim.engines.traces import Kind, traced_slope, traced_step
from polyoptim.engines.watch import DIVERGED_RATIO
from polyoptim.optim.rules import RULES

Array = npt.NDArray[np.float64]

# Runs in a block: enough to fill the processor's lanes, few enough to stay in its nearest memory.
LANES = 64
# Updates between two looks at Ctrl-C, of a block of one column.
UPDATES_AT_A_TIME = 1 << 20
# Rows of a group: a known distance, so that the text need not depend on how many coefficients there are.
MOST_LOOPED = 64
# A block's numbers stand one row after the other in one array, so that the compiler sees that they do not overlap.
LANE = re.compile(r"\b(\w+)\[lane\]")
GROUPED = re.compile(r"\b(\w+)\[([ijk0])\]\[lane\]")
VIEW = re.compile(r"\b(\w+)\[([ijk0])\]\[:\]")
NUMBERS = {
    "rows": FLOATS, "wanted": FLOATS, "down": FLOATS, "factor": FLOAT, "optimum": FLOAT,
    "begin": WHOLE, "end": WHOLE, "steps": WHOLE, "marks": FLOATS, "columns": WHOLE, "block": FLOATS,
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
    spent : evaluations of the gradient that each run has made, shape (runs,).
    """

    coef: Array
    loss: Array
    excess: Array
    diverged: npt.NDArray[np.int64]
    reached: npt.NDArray[np.int64]
    spent: npt.NDArray[np.int64]


def lanes_fit(kind: Kind) -> bool:
    """Tell whether runs of this kind have a text that goes side by side."""
    return traced_step(kind) is not None and (kind.unrolled or kind.columns <= MOST_LOOPED)


@lru_cache(maxsize=256)
def lanes_text(kind: Kind, marks: int) -> str:
    """Return a module with ``lanes(…)``, which makes the updates begin, …, end - 1 of a block of runs.

    The rows of the block are those of `layout`. A run that has diverged goes on, in vain.
    """
    before, update, after = _unrolled(kind, marks) if kind.unrolled else _looped(kind, marks)
    body = [
        *(numbers_of_quadratic(kind.columns) if kind.unrolled else []),
        "if begin == 0:",
        *_deeper(before),
        "for step in range(begin, end):",
        "    made, number = float(step), float(step + 1)",
        *(f"    {line}" for line in update),
        "if end == steps:",
        *_deeper(["made = float(steps)", *after]),
    ]
    single, groups = layout(kind, marks)

    def put(found: re.Match[str]) -> str:
        return f"block[{LANES * single.index(found[1])} + lane]" if found[1] in single else found[0]

    def view(found: re.Match[str]) -> str:
        row = f"{LANES} * ({len(single) + groups.index(found[1]) * MOST_LOOPED} + {found[2]})"
        return f"block[{row} : {row} + {LANES}]"

    lines = [VIEW.sub(view, LANE.sub(put, line)) for line in body]
    return HEADERS[True] + function_text("lanes", "void", NUMBERS, lines)


def layout(kind: Kind, marks: int) -> tuple[list[str], list[str]]:
    """Return the names of a block's rows, and of what has as many rows as there are coefficients.

    The rule's numbers come first, then what is judged. Where the coefficients are a loop, these, their state and the
    scratch are groups of rows, so that the text does not depend on how many they are.
    """
    step = traced_step(kind)
    assert step is not None  # noqa: S101
    single = [f"h_{name}" for name in RULES[kind.rule].hyper]
    single += ["limit", "diverged", "last", *(f"reached{place}" for place in range(marks))]
    if kind.unrolled:
        return [*single, *(f"c{k}" for k in range(kind.columns)), *(f"s{n}" for n in range(len(step.state)))], []
    single += [f"s{n}" for n in range(step.scalars)]
    return single, ["c", "r", "g", *(f"e{n}" for n in range(len(step.state) - step.scalars))]


def _judged(marks: int) -> list[str]:
    """Return the lines that judge a lane by its ``value``, ‖R c − q‖²."""
    lines = ["excess = factor * value", "loss = optimum + excess"]
    lines += _first("diverged[lane]", "not loss <= limit[lane]")
    for place in range(marks):
        lines += _first(f"reached{place}[lane]", f"excess <= marks[{place}]")
    return lines


def _first(row: str, holds: str) -> list[str]:
    return [f"first = {row}", f"{row} = made if (first < 0.0) & ({holds}) else first"]


def _limit() -> list[str]:
    """Return the lines that set the loss that counts as diverged."""
    largest = repr(sys.float_info.max)
    return [
        "loss = optimum + factor * value",
        f"limit[lane] = min({DIVERGED_RATIO!r} * loss, {largest}) if loss > 0.0 else {largest}",
    ]


def _lanes(lines: list[str]) -> list[str]:
    """Return the loop over the lanes around these lines, the rows of groups taken out first."""
    views = {f"{name}_{row}": (name, row) for line in lines for name, row in GROUPED.findall(line)}
    taken = [f"{view} = {name}[{row}][:]" for view, (name, row) in views.items()]
    inner = [GROUPED.sub(r"\1_\2[lane]", line) for line in lines]
    return [*taken, f"for lane in range({LANES}):", *_deeper(inner)]


def _unrolled(kind: Kind, marks: int) -> tuple[list[str], list[str], list[str]]:
    """Return what is done before the updates, at each, and after them, each coefficient on lines of its own."""
    step, formula = traced_step(kind), traced_slope(kind.columns)
    assert step is not None  # noqa: S101
    coef, state = [f"c{k}" for k in range(kind.columns)], [f"s{n}" for n in range(len(step.state))]
    numbers = [*_numbers(kind), *(f"{name} = {name}[lane]" for name in coef)]
    value = [*lines_of(formula.operations, True), f"value = {formula.value}"]
    before = [
        *numbers,
        *lines_of(step.setup, True),
        *(f"{name}[lane] = {new}" for name, new in zip(state, step.initial, strict=True)),
        *value,
        *_limit(),
    ]
    update = [
        *numbers,
        *(f"{name} = {name}[lane]" for name in state),
        *value,
        *_judged(marks),
        *(f"g{k} = {name}" for k, name in enumerate(formula.slope)),
        *lines_of(step.once, True),
        *(f"{name}[lane] = {new}" for name, new in zip(coef, step.coef, strict=True)),
        *(f"{name}[lane] = {new}" for name, new, moves in zip(state, step.state, step.changed, strict=True) if moves),
    ]
    return _lanes(before), _lanes(update), _lanes([*numbers, *value, *_judged(marks), "last[lane] = excess"])


def _looped(kind: Kind, marks: int) -> tuple[list[str], list[str], list[str]]:
    """Return the same with loops over the coefficients; each sum keeps the order that it has in one run."""
    step = traced_step(kind)
    assert step is not None  # noqa: S101
    hyper = _numbers(kind)
    scalars = [f"s{n} = s{n}[lane]" for n in range(step.scalars)]
    own = range(len(step.state) - step.scalars)
    span = "range(columns)"
    residual = [
        f"for j in {span}:",
        *_deeper(
            [
                "for i in range(j):",
                *_deeper(["factor_ij = rows[j * columns + i]", *_lanes(["r[i][lane] += factor_ij * c[j][lane]"])]),
            ]
        ),
        *_deeper(
            [
                "factor_ij, goal = rows[j * columns + j], wanted[j]",
                *_lanes(["r[j][lane] = factor_ij * c[j][lane] - goal"]),
            ]
        ),
        *_lanes(["last[lane] = r[0][lane] * r[0][lane]"]),
        "for i in range(1, columns):",
        *_deeper(_lanes(["last[lane] = last[lane] + r[i][lane] * r[i][lane]"])),
    ]
    slope = [
        f"for j in {span}:",
        *_deeper(["factor_ij = down[j]", *_lanes(["g[j][lane] = factor_ij * r[0][lane]"])]),
        "for i in range(1, columns):",
        *_deeper(
            [
                "for j in range(i, columns):",
                *_deeper(["factor_ij = down[i * columns + j]", *_lanes(["g[j][lane] += factor_ij * r[i][lane]"])]),
            ]
        ),
    ]
    initial = [*hyper, "c = c[k][lane]", *lines_of(step.setup, True)]
    before = [
        f"for k in {span}:",
        *_deeper(_lanes([*initial, *(f"e{n}[k][lane] = {step.initial[step.scalars + n]}" for n in own)])),
        *residual,
        *_lanes([*(f"s{n}[lane] = {step.initial[n]}" for n in range(step.scalars)), "value = last[lane]", *_limit()]),
    ]
    once = [*hyper, *scalars, *lines_of(step.once, True)]
    each = [
        *once,
        "c, g = c[k][lane], g[k][lane]",
        *(f"e{n} = e{n}[k][lane]" for n in own),
        *lines_of(step.each, True),
        f"c[k][lane] = {step.coef[0]}",
        *(f"e{n}[k][lane] = {step.state[step.scalars + n]}" for n in own if step.changed[step.scalars + n]),
    ]
    judged = _lanes(["value = last[lane]", *_judged(marks)])
    moved = [f"s{n}[lane] = {step.state[n]}" for n in range(step.scalars)]
    update = [
        *residual,
        *judged,
        *slope,
        f"for k in {span}:",
        *_deeper(_lanes(each)),
        *(_lanes([*once, *moved]) if moved else []),
    ]
    after = [*residual, *judged, *_lanes(["last[lane] = factor * last[lane]"])]
    return before, update, after


def _numbers(kind: Kind) -> list[str]:
    """Return lines that take the rule's numbers of a lane."""
    return [f"h_{name} = h_{name}[lane]" for name in RULES[kind.rule].hyper]


def _deeper(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def lanes_module(kind: Kind, marks: int) -> ModuleType:
    """Return the compiled module of ``lanes_text``."""
    return compiled(lanes_text(kind, marks)).module


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
    runs, columns = starts.shape
    single, groups = layout(kind, len(marks))
    run_lanes = lanes_module(kind, len(marks)).lanes
    rows = objective.rows if kind.unrolled else objective.rows.T
    given = [np.ascontiguousarray(part).ravel() for part in (rows, objective.wanted, objective.down)]
    first_coef = single.index("c0") if kind.unrolled else len(single)
    first_judged, marked = single.index("diverged"), single.index("last") + 1 + len(marks)
    coef, judged = np.empty((runs, columns)), np.empty((marked - first_judged, runs))

    stopped, pace = threading.Event(), max(UPDATES_AT_A_TIME // columns**2, 1)

    def work(first: int) -> int:
        chosen = np.minimum(np.arange(first, first + LANES), runs - 1)  # a short block repeats its last run
        block = np.full((len(single) + MOST_LOOPED * len(groups), LANES), -1.0)
        block[: hyper.shape[1]] = hyper[chosen].T
        block[first_coef : first_coef + columns] = starts[chosen].T
        flat = block.ravel()
        for begin in range(0, max(steps, 1), pace):
            if stopped.is_set():
                break
            end = min(begin + pace, steps)
            run_lanes(*given, objective.factor, objective.optimum, begin, end, steps, marks, columns, flat)
        count: int = min(LANES, runs - first)
        coef[first : first + count] = block[first_coef : first_coef + columns, :count].T
        judged[:, first : first + count] = block[first_judged:marked, :count]
        return count

    try:
        for count in shared(work, range(0, runs, LANES)):
            tell(count)
    finally:
        stopped.set()  # an interrupt ends the blocks that other threads are at
    diverged, reached = judged[0].astype(np.int64), judged[2:].astype(np.int64)
    excess = np.where(diverged < 0, judged[1], np.nan)
    reached = np.where((diverged >= 0) & (reached >= diverged), -1, reached)
    return Outcome(coef, objective.optimum + excess, excess, diverged, reached, np.full(runs, steps))


def shared(work: Callable[[int], int], tasks: range) -> Iterator[int]:
    """Yield what `work` returns for each task, made by all cores; an interrupt leaves the tasks not yet begun."""
    workers = cores()
    if workers == 1 or len(tasks) == 1:
        yield from map(work, tasks)
        return
    rest = iter(tasks)
    executor = pool(workers)
    running = [executor.submit(work, task) for task in itertools.islice(rest, 2 * workers)]
    try:
        while running:
            done = running.pop(0).result()
            running += [executor.submit(work, task) for task in itertools.islice(rest, 1)]
            yield done
    finally:
        for future in running:
            future.cancel()
