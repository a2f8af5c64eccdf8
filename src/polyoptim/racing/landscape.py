"""sweep(): a landscape of runs over one or two hyperparameters."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.arguments import Arguments, read_options, read_seed
from polyoptim.certificate import stable_rates
from polyoptim.engines.lanes import LANES, lanes_fit
from polyoptim.engines.options import read_rate, without_rate
from polyoptim.engines.plan import DEFAULT_RATE
from polyoptim.engines.surroundings import cores
from polyoptim.errors import ArgumentError
from polyoptim.optim.rule import Rule
from polyoptim.optim.rules import RULES
from polyoptim.racing.axes import OF_PROBLEM, OF_RUN, Axis, Settings, read_axes
from polyoptim.racing.stage import AT_ONCE, Entrant, Stage, is_compiled, prepare, runs, stage_of
from polyoptim.racing.views import VIEWS
from polyoptim.registry import match
from polyoptim.solution import Status
from polyoptim.statement import DEFAULT_DOMAIN, Statement, state
from polyoptim.tables import Table, plain
from polyoptim.targets.expression import integer

Array = npt.NDArray[np.float64]
MOST_RUNS = 10_000_000
# Updates that are made between two looks at what there is: they take a part of a second.
UPDATES = AT_ONCE * 2000
# On which the stability of SGD depends, beside lr.
EDGE_OPTIONS = ("momentum", "dampening", "nesterov", "weight_decay", "maximize")


@dataclass(frozen=True, eq=False)
class Sweep(Table):
    """Many runs over one or two axes, each with its loss next to the optimum.

    Parameters
    ----------
    target, problem, optimizer, options : what was learned, and by which optimizer; without what was swept over.
    steps, seed : updates of each run, and the seed of those that are not swept over seeds.
    axes : what differs between the runs: names to values, at most two.
    loss, excess, gap : at the end of each run, of the shape of the axes; not a number where it diverged, or was not
        made because the sweep was interrupted. The gap is none either where the optimum is zero to rounding.
    diverged : the update at which it diverged, -1 where it did not.
    optimum : the least loss of each run's problem.
    edge : where the theory of SGD gives it: the largest stable lr, for each value of the axis beside lr (and for the
        one value that there is without such an axis); None for others.
    seconds, compiling : wall time of all runs, and of compiling what makes them.
    log : for each axis whether its values are evenly spaced on a log scale.

    Examples
    --------
    >>> found = sweep("sin(x)", over={"lr": (1e-5, 1e-2, 4, "log")}, basis="legendre", optimizer="SGD", seed=0)
    >>> found.status.tolist()
    ['steps_done', 'steps_done', 'diverged', 'diverged']
    """

    target: Mapping[str, Any]
    problem: Mapping[str, Any]
    optimizer: str
    options: Mapping[str, Any]
    steps: int
    seed: int
    axes: Mapping[str, npt.NDArray[Any]]
    loss: Array
    excess: Array
    gap: Array
    diverged: npt.NDArray[np.int64]
    optimum: Array
    edge: Array | None
    seconds: float
    compiling: float = 0.0
    log: tuple[bool, ...] = field(default=())

    @property
    def runs(self) -> int:
        """How many there are, those that were not made included."""
        return self.loss.size

    @cached_property
    def made(self) -> int:
        """How many were made; fewer than there are where the sweep was interrupted."""
        return int(np.count_nonzero((self.diverged >= 0) | ~np.isnan(self.loss)))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C left runs that were not made."""
        return self.made < self.runs

    @cached_property
    def status(self) -> npt.NDArray[np.str_]:
        """How each run ended: steps_done, diverged, or interrupted where it was not made."""
        unmade = np.where(np.isnan(self.loss), str(Status.INTERRUPTED), str(Status.STEPS_DONE))
        return np.where(self.diverged < 0, unmade, str(Status.DIVERGED))

    @property
    def best(self) -> dict[str, Any]:
        """The run of the least loss, as a row of the table; empty where there is none with a loss."""
        if np.isnan(self.loss).all():
            return {}
        place = np.unravel_index(int(np.nanargmin(self.loss)), self.loss.shape)
        numbers = {"loss": self.loss, "excess": self.excess, "gap": self.gap, "optimum": self.optimum}
        found = {name: values[index] for (name, values), index in zip(self.axes.items(), place, strict=True)}
        found |= {name: values[place] for name, values in numbers.items()}
        return {name: plain(value) for name, value in found.items()} | {"status": str(Status.STEPS_DONE)}

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one array a column, one entry a run, the last axis fastest."""
        grids = np.meshgrid(*self.axes.values(), indexing="ij")
        table = {name: grid.ravel() for name, grid in zip(self.axes, grids, strict=True)}
        numbers = {"loss": self.loss, "excess": self.excess, "gap": self.gap, "optimum": self.optimum}
        table |= {name: values.ravel() for name, values in numbers.items()}
        return {**table, "status": self.status.ravel(), "diverged": self.diverged.ravel()}

    def to_dict(self) -> dict[str, Any]:
        """Return the sweep for JSON; what is not finite is None."""
        return {
            "verb": "sweep",
            "target": dict(self.target),
            **self.problem,
            "optimizer": self.optimizer,
            "options": {name: plain(value) for name, value in self.options.items()},
            "steps": self.steps,
            **({} if "seed" in self.axes else {"seed": self.seed}),
            "axes": {name: [plain(value) for value in values] for name, values in self.axes.items()},
            "loss": plain(self.loss),
            "excess": plain(self.excess),
            "gap": plain(self.gap),
            "optimum": plain(self.optimum),
            "status": self.status.tolist(),
            "diverged": self.diverged.tolist(),
            "edge": None if self.edge is None else plain(self.edge),
            "best": self.best,
            "runs": self.runs,
            "made": self.made,
            "seconds": self.seconds,
        }

    def report(self) -> str:
        """Return what a person wants to know, as text."""
        return VIEWS["sweep_report"](self)  # type: ignore[no-any-return]

    def plot(self, path: Any = None) -> Any:
        """Return a matplotlib figure: a heat map of the gap, or its curve over one axis; with `path` saved too."""
        return VIEWS["sweep_figure"](self, path)

    def __repr__(self) -> str:
        shape = " × ".join(f"{len(values)} {name}" for name, values in self.axes.items())
        return f"<Sweep of {self.optimizer} over {shape}>"


def sweep(
    target: Any,
    y: Any = None,
    *,
    over: Mapping[str, Any],
    x: Any = None,
    weight: Any = None,
    domain: Any = DEFAULT_DOMAIN,
    samples: Any = 2000,
    degree: Any = 3,
    powers: Sequence[int] | None = None,
    basis: str = "power",
    mapped: bool | None = None,
    reduction: str = "sum",
    optimizer: str = "RMSprop",
    lr: Any = DEFAULT_RATE,
    optimizer_options: Mapping[str, Any] | None = None,
    steps: Any = 2000,
    seed: Any = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Sweep:
    """Make a run for each value of one or two hyperparameters, by the fused engine in float64, and compare their gaps.

    Every run is the one that ``train(…, engine="fused")`` makes with the same arguments, to the bit.

    Parameters
    ----------
    target, y, x, weight, domain, samples, degree, powers, basis, mapped, reduction : the problem, as in train(); the
        loss is the squared one.
    over : one or two of: an option of the optimizer (lr, momentum, weight_decay, …), one part of a pair (beta1, beta2),
        basis, degree, seed. Each is given a range (first, last, count) or (first, last, count, "log"), or a list. What
        is swept over goes before the argument, or the option, of its name.
    optimizer, lr, optimizer_options : a rule by name, and what is not swept over; ``lr=None`` takes its own default.
    steps : updates of each run.
    seed : of each run's start.
    progress : called with (runs done, runs in all) now and then.

    Returns
    -------
    Sweep
        Ctrl-C ends it early: the runs that were not made have the status "interrupted" and no numbers.

    Raises
    ------
    ArgumentError, DataError
        With a sentence for each wrong argument.

    Examples
    --------
    >>> over = {"lr": (1e-5, 1e-3, 3, "log"), "momentum": [0.0, 0.5]}
    >>> found = sweep("sin(x)", over=over, optimizer="SGD", basis="legendre", steps=20)
    >>> found.gap.shape, found.best["momentum"], found.edge.round(6).tolist()
    ((3, 2), 0.5, [0.0005, 0.00075])
    """
    check = Arguments()
    rule: Rule = check(lambda: RULES[match("optimizer", optimizer, RULES)])
    axes: list[Axis] = (check(lambda: read_axes(over, rule)) if rule else None) or []
    names = [axis.name for axis in axes]
    given = check(lambda: _options(lr, optimizer_options, names))
    updates = check(lambda: integer(steps, "steps", minimum=0))
    first_seed = check(lambda: read_seed(0 if seed is None or "seed" in names else seed))
    fits = check(lambda: _check_size(axes, powers))
    varied = [axis for axis in axes if axis.name not in OF_RUN]
    ready = rule and axes and fits and given is not None
    settings: Any = check(lambda: Settings(rule, given, varied)) if ready else None
    words = {
        "domain": domain, "samples": samples, "degree": degree, "powers": powers, "basis": basis, "mapped": mapped,
        "reduction": reduction,
    }  # fmt: skip
    words = {name: value for name, value in words.items() if name not in names}
    stated = state(target, y, x, weight, words, check)
    begin = time.perf_counter()
    of_problem = [axis for axis in axes if axis.name in OF_PROBLEM]
    stages = {chosen: _stage(stated, of_problem, chosen) for chosen in _all_places(of_problem)}
    work = _Work(rule, settings, axes, updates, first_seed, progress)
    try:
        for chosen, stage in stages.items():
            work.fill(stage, dict(zip((axis.name for axis in of_problem), chosen, strict=True)))
    except KeyboardInterrupt:
        pass  # what was made is there, and says of the rest that it is not
    shape = tuple(len(axis.values) for axis in axes)
    optimum = np.array([stage.value for stage in stages.values()])
    optimum = optimum.reshape([len(axis.values) if axis in of_problem else 1 for axis in axes])
    return Sweep(
        target=stated.about,
        problem={name: value for name, value in stated.words.items() if _is_same(name, names)},
        optimizer=rule.name,
        options={name: value for name, value in given.items() if name not in names},
        steps=updates,
        seed=first_seed,
        axes={axis.name: _column(axis.values) for axis in axes},
        loss=work.loss.reshape(shape),
        excess=work.excess.reshape(shape),
        gap=work.gap.reshape(shape),
        diverged=work.diverged.reshape(shape),
        optimum=np.broadcast_to(optimum, shape),
        edge=_edge(list(stages.values()), rule, axes, given),
        seconds=time.perf_counter() - begin - work.compiling,
        compiling=work.compiling,
        log=tuple(axis.log for axis in axes),
    )


def _options(lr: Any, optimizer_options: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the options of the optimizer, lr among them; what is swept over is not read."""
    own = optimizer_options
    if isinstance(own, Mapping):
        own = {name: value for name, value in own.items() if name not in names}
    rate = None if "lr" in names else read_rate(lr, own)
    given = without_rate(read_options(own, "optimizer_options"))
    return given if rate is None else {"lr": rate, **given}


def _check_size(axes: Sequence[Axis], powers: Any) -> bool:
    total = math.prod(len(axis.values) for axis in axes)
    if total > MOST_RUNS:
        raise ArgumentError(f"a sweep of {total} runs is more than {MOST_RUNS}. Give fewer values.")
    if powers is not None and any(axis.name == "degree" for axis in axes):
        raise ArgumentError("over has degree, and powers are given, which decide it. Leave one of them out.")
    return True


def _is_same(name: str, swept: Sequence[str]) -> bool:
    """Tell whether this word of the problem is the same in all runs."""
    decides = {"powers": "degree", "mapped": "basis"}
    return name not in swept and decides.get(name) not in swept


def _all_places(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(len(axis.values)) for axis in axes))


def _stage(stated: Statement, axes: Sequence[Axis], chosen: Sequence[int]) -> Stage:
    """Return the stage of the problem at these places of the axes of problems."""
    words = {axis.name: axis.values[index] for axis, index in zip(axes, chosen, strict=True)}
    return stage_of(stated.with_words(**words))


class _Work:
    """Makes the runs, some thousands at a time, and keeps what is to be known of each.

    Attributes
    ----------
    loss, excess, gap, diverged : of each run, the last axis fastest.
    compiling : the seconds that were spent on it.
    """

    def __init__(
        self,
        rule: Rule,
        settings: Settings,
        axes: Sequence[Axis],
        steps: int,
        seed: int,
        progress: Callable[[int, int], object] | None,
    ) -> None:
        self._who, self._settings, self._axes, self._steps = Entrant(rule, {}), settings, axes, steps
        self._seeds: Sequence[int] = next((axis.values for axis in axes if axis.name == "seed"), (seed,))
        self._shape = tuple(len(axis.values) for axis in axes)
        self._total, self._done, self._progress = math.prod(self._shape), 0, progress
        self.loss, self.excess, self.gap = (np.full(self._total, np.nan) for _ in range(3))
        self.diverged = np.full(self._total, -1)
        self.compiling = 0.0

    def fill(self, stage: Stage, chosen: Mapping[str, int]) -> None:
        """Make the runs of one problem, which stands at the places `chosen` of the axes of problems."""
        start = lru_cache(maxsize=1 << 16)(stage.start)
        shape = tuple(1 if axis.name in chosen else len(axis.values) for axis in self._axes)
        count, pace = math.prod(shape), self._pace(stage)
        for first in range(0, count, pace):
            here = np.arange(first, min(first + pace, count))
            places = dict(zip((axis.name for axis in self._axes), np.unravel_index(here, shape), strict=True))
            own = [place for name, place in places.items() if name not in OF_RUN]
            numbers, flags = self._settings.at(own, len(here))
            drawn, own_start = np.unique(places.get("seed", np.zeros_like(here)), return_inverse=True)
            begun = np.array([start(self._seeds[place]) for place in drawn.tolist()])[own_start]
            places |= {name: np.full(len(here), place) for name, place in chosen.items()}
            flat = np.ravel_multi_index([places[axis.name] for axis in self._axes], self._shape)
            for kind in sorted(set(map(tuple, flags.tolist()))):
                alike = (flags == np.array(kind, dtype=bool)).all(axis=1)
                self._make(stage, self._named(kind), numbers[alike], begun[alike], flat[alike])

    def _make(self, stage: Stage, flags: Mapping[str, bool], numbers: Array, starts: Array, at: Any) -> None:
        """Make some runs with the same flags, and keep them at these places."""
        self.compiling += prepare(stage, self._who, flags)
        found = runs(stage, self._who, flags, numbers, starts, self._steps, (), self._tell)
        # The loss comes last: with it a run counts as made.
        self.gap[at], self.excess[at] = stage.gap(found.excess), found.excess
        self.diverged[at], self.loss[at] = found.diverged, found.loss

    def _named(self, flags: Iterable[bool]) -> dict[str, bool]:
        return dict(zip(self._who.rule.flags, flags, strict=True))

    def _pace(self, stage: Stage) -> int:
        """Return how many runs are made at a time; an interrupt loses no more."""
        varied = sum(axis.name not in OF_RUN for axis in self._axes)
        _, flags = self._settings.at([np.zeros(1, dtype=np.int64)] * varied, 1)
        named = self._named(flags[0].tolist())
        if not is_compiled(stage, self._who, named):
            return 1
        if not lanes_fit(self._who.kind(stage, named)):
            return LANES
        least = LANES * 4 * cores()
        return min(max(UPDATES // max(self._steps, 1), least), AT_ONCE)

    def _tell(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def _edge(stages: Sequence[Stage], rule: Rule, axes: Sequence[Axis], given: Mapping[str, Any]) -> Array | None:
    """Return the largest stable lr for each value of the axis beside lr, where the theory of SGD gives it."""
    others = [axis for axis in axes if axis.name != "lr"]
    if not rule.linear or len(others) > 1:
        return None
    known = {name: value for name, value in given.items() if name in EDGE_OPTIONS}
    varied = others[0] if others and others[0].name not in OF_RUN else None
    edges = []
    for stage in stages:
        eigenvalues = stage.quadratic.eigenvalues()
        if eigenvalues is None:
            return None
        for value in varied.values if varied else [None]:
            options = known if varied is None else known | {varied.name: value}
            edges.append(float(stable_rates(eigenvalues, **options)[1]))
    count = len(others[0].values) if others else 1
    return np.array(edges * count if len(edges) == 1 else edges)


def _column(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Return values as an array; integers that no dtype of NumPy holds together stay what they are."""
    large = any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in values)
    return np.array(values, dtype=object) if large else np.array(values)
