"""race(): optimizers compared fairly, each with a learning rate tuned on the same budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.arguments import Arguments, read_options, read_seed
from polyoptim.engines.loops import on_quadratic
from polyoptim.engines.method import Method
from polyoptim.engines.plan import Plan
from polyoptim.engines.steps import LoopSteps
from polyoptim.errors import ArgumentError
from polyoptim.optim.rules import RULES
from polyoptim.racing.axes import read_range
from polyoptim.racing.stage import Entrant, Stage, entrant, is_compiled, runs, stage_of
from polyoptim.racing.standings import Finish, Race, Racer, rank
from polyoptim.statement import DEFAULT_DOMAIN, state
from polyoptim.targets.expression import integer, number

Array = npt.NDArray[np.float64]

MARKS = (0.1, 0.01, 1e-6)
RATES = (1e-9, 10.0, 41, "log")
ALL = "all"
TIMINGS = 5
MOST_RUNS = 10_000_000


def race(
    target: Any,
    y: Any = None,
    *,
    optimizers: Any = ALL,
    x: Any = None,
    weight: Any = None,
    domain: Any = DEFAULT_DOMAIN,
    samples: Any = 2000,
    degree: Any = 3,
    powers: Sequence[int] | None = None,
    basis: str = "power",
    mapped: bool | None = None,
    reduction: str = "sum",
    steps: Any = 2000,
    lrs: Any = RATES,
    marks: Sequence[float] = MARKS,
    tuning_seeds: Any = 21,
    seeds: Any = 21,
    seed: Any = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Race:
    """Compare optimizers on one problem: gradient evaluations and time until the loss is within a gap of the optimum.

    Each has the same budget of tuning: every rate of one grid, on the same seeds. For each mark the rate that gets
    there most often, then with the fewest evaluations, is taken, and reported on seeds that it was not tuned on. So
    nobody wins by having been given the better rate, nor by luck.

    Parameters
    ----------
    target, y, x, weight, domain, samples, degree, powers, basis, mapped, reduction : the problem, as in train(); the
        loss is the squared one.
    optimizers : "all", or a list of names, of pairs (name, options), or of mappings with "optimizer" and options.
    steps : evaluations of the gradient that each run may use; those of a line search or an inner iteration count too.
    lrs : the grid of rates, (first, last, count, "log") or a list.
    marks : gaps to reach, loss / optimum - 1.
    tuning_seeds, seeds : how many seeds are tuned on, and reported on.
    seed : the first of them.
    progress : called with (runs done, runs in all) now and then.

    Returns
    -------
    Race
        Ctrl-C ends it early: the optimizers that were done are compared, and `left_out` names the others. Where none
        was done there is nothing to compare, and KeyboardInterrupt goes on.

    Raises
    ------
    ArgumentError, DataError
        With a sentence for each wrong argument; also where the optimum is zero to rounding, so that there is no gap.

    Notes
    -----
    Evaluations are those made before the one that sees a loss within the mark. The interval of a median is that
    between two order statistics, whatever the distribution (Thompson 1936, doi:10.1214/aoms/1177732502).

    Examples
    --------
    >>> found = race("sin(x)", optimizers=["SGD", "Rprop"], steps=300, seeds=5)
    >>> [racer.name for racer in found.racers]
    ['Rprop', 'SGD']
    """
    check = Arguments()
    entrants: list[Entrant] = check(lambda: _entrants(optimizers))
    grid = check(lambda: read_grid(lrs))
    wanted = check(lambda: _marks(marks))
    budget = check(lambda: integer(steps, "steps", minimum=1))
    tuned_on = check(lambda: integer(tuning_seeds, "tuning_seeds", minimum=1))
    reported_on = check(lambda: integer(seeds, "seeds", minimum=1))
    first = check(lambda: read_seed(0 if seed is None else seed))
    check(lambda: check_runs(len(entrants or ()) * len(() if grid is None else grid), tuned_on))
    check(lambda: check_runs(len(entrants or ()) * (len(wanted or ()) + 1), reported_on))
    check(lambda: read_seed((first or 0) + (tuned_on or 0) + (reported_on or 0)))
    words = {
        "domain": domain, "samples": samples, "degree": degree, "powers": powers, "basis": basis, "mapped": mapped,
        "reduction": reduction,
    }  # fmt: skip
    stated = state(target, y, x, weight, words, check)
    stage = stage_of(stated.problem)
    if stage.optimum.is_zero:
        raise ArgumentError(
            "the optimum is zero to rounding, so there is no gap to reach: the target is itself such a polynomial. "
            "Take a lower degree, or another target."
        )
    begin = time.perf_counter()
    tuning, report = range(first, first + tuned_on), range(first + tuned_on, first + tuned_on + reported_on)
    each = len(grid) * len(tuning) + len(report) * (len(wanted) + 1)
    count = Counter(each * len(entrants), progress)
    course = _Course(stage, grid, wanted, budget, tuple(tuning), tuple(report), count)
    racers: list[Racer] = []
    try:
        for who in entrants:
            racers.append(course.run(who))  # noqa: PERF401 - what an interrupt leaves is wanted
    except KeyboardInterrupt:
        if not racers:
            raise
    return Race(
        target=stated.about,
        problem=stated.words,
        optimum=stage.value,
        steps=budget,
        marks=wanted,
        lrs=grid,
        tuning_seeds=course.tuning,
        seeds=course.report,
        racers=tuple(sorted(racers, key=rank)),
        runs=count.made,
        seconds=time.perf_counter() - begin,
        left_out=tuple(who.name for who in entrants[len(racers) :]),
    )


class Counter:
    """Counts runs, and tells how many of all are done.

    Attributes
    ----------
    made : how many were made; one that need not be made again is done without.
    """

    def __init__(self, total: int, progress: Callable[[int, int], object] | None) -> None:
        self.made, self._done, self._total, self._progress = 0, 0, total, progress

    def tell(self, count: int) -> None:
        """Count runs that were made."""
        self.made += count
        self.skip(count)

    def skip(self, count: int) -> None:
        """Count runs that need not be made."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


@dataclass(frozen=True)
class _Course:
    """What is the same for every optimizer."""

    stage: Stage
    lrs: Array
    marks: tuple[float, ...]
    steps: int
    tuning: tuple[int, ...]
    report: tuple[int, ...]
    count: Counter

    def run(self, who: Entrant) -> Racer:
        gaps, evaluations = self._runs(who, self.lrs, self.tuning)
        grid_gap = np.median(np.where(np.isnan(gaps), np.inf, gaps), axis=1)
        finishes = []
        last = float(self.lrs[int(np.argmin(grid_gap))])
        pace, compiled = self._pace(who, last)
        reports: dict[float, tuple[Array, Array]] = {}
        for place, mark in enumerate(self.marks):
            best = _best(evaluations[place], grid_gap)
            lr = None if best is None else float(self.lrs[best])
            reached = np.full(len(self.report), np.inf)
            if lr is None:
                self.count.skip(len(self.report))
            else:
                reached = self._report(who, lr, reports)[1][place, 0]
            median, low, high = median_interval(reached)
            finishes.append(
                Finish(
                    mark=mark,
                    lr=lr,
                    at_edge=best in (0, len(self.lrs) - 1),
                    reached=int(np.isfinite(reached).sum()),
                    evaluations=median,
                    low=low,
                    high=high,
                    seconds=median * pace,
                )
            )
        final = self._report(who, last, reports)[0][0]
        gap, low, high = median_interval(np.where(np.isnan(final), np.inf, final))
        return Racer(
            who.name, who.rule.name, dict(who.options), tuple(finishes), last, gap, low, high,
            grid_gap, np.median(evaluations, axis=2), pace, compiled,
        )  # fmt: skip

    def _report(self, who: Entrant, lr: float, known: dict[float, tuple[Array, Array]]) -> tuple[Array, Array]:
        """Return what `_runs` does for a rate on the seeds of the report, made once."""
        if lr in known:
            self.count.skip(len(self.report))
        else:
            known[lr] = self._runs(who, np.array([lr]), self.report)
        return known[lr]

    def _runs(self, who: Entrant, lrs: Array, seeds: Sequence[int]) -> tuple[Array, Array]:
        """Return the gap at the end, shape (rates, seeds), and the evaluations to each mark, (marks, rates, seeds)."""
        numbers, flags = who.hyper(float(lrs[0]))
        rows = np.array([who.hyper(float(lr))[0] for lr in lrs])
        hyper = np.repeat(rows, len(seeds), axis=0).reshape(-1, len(numbers))
        starts = np.tile(np.array([self.stage.start(seed) for seed in seeds]), (len(lrs), 1))
        sizes = [mark * self.stage.value for mark in self.marks]
        found = runs(self.stage, who, flags, hyper, starts, self.steps, sizes, self.count.tell, budget=self.steps)
        shape = (len(lrs), len(seeds))
        reached = np.where(found.reached < 0, np.inf, found.reached.astype(np.float64))
        return self.stage.gap(found.excess).reshape(shape), reached.reshape(len(sizes), *shape)

    def _pace(self, who: Entrant, lr: float) -> tuple[float, bool]:
        """Return the seconds of one evaluation with its update, and whether they are compiled."""
        options = {"lr": lr, **who.options}
        method = Method(
            Plan(who.rule.name, options, lr, None, {}, self.steps, None, 1, None, None, 0, "float64", "cpu")
        )
        powers = self.stage.problem.powers
        advance = on_quadratic(who.kind(self.stage, method.flags), self.stage.objective, True)
        if advance is None:
            return self._pace_of_runs(who, lr)
        times = []
        for seed in range(TIMINGS):
            loop = LoopSteps(method, self.stage.start(seed).tolist(), 0 in powers, advance, True)
            begin = time.perf_counter()
            made, _ = loop.many(0, self.steps, math.inf, (-1.0, -1.0), (0.0, math.nan))
            times.append((time.perf_counter() - begin) / max(made, 1))
        return float(np.median(times)), True

    def _pace_of_runs(self, who: Entrant, lr: float) -> tuple[float, bool]:
        """Return the same for a rule whose runs have no such loop; what it takes to begin a run is left out."""
        numbers, flags = who.hyper(lr)
        hyper = np.array([numbers])
        times = []
        for seed in range(TIMINGS):
            starts, clock, spent = self.stage.start(seed)[None], [time.perf_counter()], 1.0
            for steps in (self.steps, 0):
                found = runs(self.stage, who, flags, hyper, starts, steps, (), _nobody, budget=self.steps)
                clock.append(time.perf_counter())
                spent = max(spent, float(found.spent[0]))
            times.append(max(clock[1] - clock[0] - (clock[2] - clock[1]), 0.0) / spent)
        return float(np.median(times)), is_compiled(self.stage, who, flags)


def _nobody(_count: int) -> None:
    """Tell nobody."""


def median_interval(values: Array) -> tuple[float, float, float]:
    """Return the median, and the order statistics between which it is with at least 95 % confidence.

    For five values or fewer no two of them are that sure; these are then the least and the largest.

    >>> median_interval(np.array([3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 7.0]))
    (4.0, 1.0, 7.0)
    """
    ordered, count = np.sort(values), len(values)
    outside, place = 0.5**count, 0  # the chance that the median is below the first value
    while place < (count - 1) // 2:
        wider = outside + math.comb(count, place + 1) * 0.5**count
        if wider > 0.025:
            break
        outside, place = wider, place + 1
    middle = ordered[(count - 1) // 2], ordered[count // 2]
    median = math.inf if math.isinf(middle[1]) else float(middle[0] + middle[1]) / 2
    return median, float(ordered[place]), float(ordered[count - 1 - place])


def _best(evaluations: Array, grid_gap: Array) -> int | None:
    """Return the rate that reaches a mark most often, then fastest, then with the least gap in the end."""
    reached = np.isfinite(evaluations).sum(axis=1)
    if not reached.any():
        return None
    order = np.lexsort((grid_gap, np.median(evaluations, axis=1), -reached))
    return int(order[0])


def _entrants(optimizers: Any) -> list[Entrant]:
    if isinstance(optimizers, str):
        optimizers = list(RULES) if optimizers.casefold() == ALL else [optimizers]
    if isinstance(optimizers, Mapping) or not isinstance(optimizers, Iterable):
        raise ArgumentError(f"optimizers must be 'all' or a list of names, got {optimizers!r}.")
    check = Arguments()
    found = [check(partial(_entrant, one)) for one in optimizers]
    check.done()
    if not found:
        raise ArgumentError("optimizers must name at least one, got none.")
    names = [who.name for who in found]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ArgumentError(f"optimizer {name} is there twice. Name it once.")
    return found


def _entrant(one: Any) -> Entrant:
    if isinstance(one, Mapping) and "optimizer" in one:
        one = (one["optimizer"], {name: value for name, value in one.items() if name != "optimizer"})
    name, options = (
        (one, {}) if isinstance(one, str) else one if isinstance(one, tuple) and len(one) == 2 else (None, {})
    )
    if not isinstance(name, str):
        raise ArgumentError(f"each of optimizers must be a name or a pair (name, options), got {one!r}.")
    given = read_options(options, "the options of an optimizer")
    if "lr" in given:
        raise ArgumentError(f"the lr of {name} is tuned on the grid, the same for all. Leave it out, or change lrs.")
    return entrant(name, given)


def check_runs(kinds: int, seeds: int | None) -> None:
    """Raise ArgumentError for more runs than anybody waits for; `seeds` is None where it was wrong itself."""
    if kinds * (seeds or 0) > MOST_RUNS:
        raise ArgumentError(f"{kinds * (seeds or 0)} runs are more than {MOST_RUNS}. Give fewer seeds or rates.")


def read_grid(lrs: Any) -> Array:
    """Return the rates of a grid, ascending."""
    if isinstance(lrs, tuple):
        found = set(read_range("lrs", lrs)[0])
    elif isinstance(lrs, (str, Mapping)) or not isinstance(lrs, Iterable):
        raise ArgumentError(f'lrs must be (first, last, count, "log") or a list of rates, got {lrs!r}.')
    else:
        found = {number(lr, "each of lrs") for lr in lrs}
    if not found or min(found) <= 0:
        raise ArgumentError(f"lrs must be rates > 0, got {lrs!r}.")
    return np.array(sorted(found))


def _marks(marks: Any) -> tuple[float, ...]:
    if isinstance(marks, str) or not isinstance(marks, Iterable):
        raise ArgumentError(f"marks must be a list of gaps such as [0.1, 0.01], got {marks!r}.")
    found = sorted({number(mark, "each of marks") for mark in marks}, reverse=True)
    if not found or found[-1] <= 0:
        raise ArgumentError(f"marks must be gaps > 0, got {marks!r}.")
    return tuple(found)
