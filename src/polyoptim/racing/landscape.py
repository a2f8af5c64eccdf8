"""sweep(): a landscape of runs over one or two hyperparameters."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim import canonical
from polyoptim.arguments import Arguments, read_options, read_seed, read_size
from polyoptim.certificate import stable_rates
from polyoptim.errors import ArgumentError
from polyoptim.optim.rule import Rule
from polyoptim.optim.rules import RULES
from polyoptim.racing.axes import OF_PROBLEM, Axis, read_axes
from polyoptim.racing.stage import Entrant, Stage, entrant, prepare, runs, stage_of
from polyoptim.racing.views import VIEWS
from polyoptim.result import write
from polyoptim.solution import Status
from polyoptim.statement import state
from polyoptim.targets.expression import integer

Array = npt.NDArray[np.float64]
MOST_RUNS = 10_000_000
DEFAULT_RATE = 1e-3


@dataclass(frozen=True, eq=False)
class Sweep:
    """Many runs over one or two axes, each with its loss next to the optimum.

    Parameters
    ----------
    target, optimizer, options : what was learned, by which optimizer, with which options beside those swept over.
    steps, seed : updates of each run, and the seed of those that are not swept over seeds.
    axes : what differs between the runs: names to values, at most two.
    loss, excess, gap : at the end of each run, of the shape of the axes; not a number where it diverged.
    diverged : the update at which it diverged, -1 where it did not.
    optimum : the least loss of each run's problem.
    edge : for SGD on one problem: the largest stable lr, for each value of the other axis where that is momentum;
        None for others.
    seconds, compiling : wall time of all runs, and of compiling what makes them.
    log : for each axis whether its values are evenly spaced on a log scale.

    Examples
    --------
    >>> found = sweep("sin(x)", over={"lr": (1e-5, 1e-2, 4, "log")}, basis="legendre", optimizer="SGD", seed=0)
    >>> found.status.tolist()
    ['steps_done', 'steps_done', 'diverged', 'diverged']
    """

    target: Mapping[str, Any]
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
        """How many there were."""
        return self.loss.size

    @property
    def status(self) -> npt.NDArray[np.str_]:
        """How each run ended."""
        return np.where(self.diverged < 0, str(Status.STEPS_DONE), str(Status.DIVERGED))

    @property
    def best(self) -> dict[str, Any]:
        """The run of the least loss, as a row of the table; empty where all diverged."""
        if np.isnan(self.loss).all():
            return {}
        place = int(np.nanargmin(self.loss))
        return {name: _plain(column[place]) for name, column in self.columns().items()}

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one array a column, one entry a run, the last axis fastest."""
        grids = np.meshgrid(*self.axes.values(), indexing="ij")
        table = {name: grid.ravel() for name, grid in zip(self.axes, grids, strict=True)}
        numbers = {"loss": self.loss, "excess": self.excess, "gap": self.gap, "optimum": self.optimum}
        table |= {name: values.ravel() for name, values in numbers.items()}
        return {**table, "status": self.status.ravel(), "diverged": self.diverged.ravel()}

    def data_frame(self) -> Any:
        """Return the table as a data frame of pandas, or of polars where pandas is not installed."""
        return VIEWS["data_frame"](self.columns())

    def save_csv(self, path: Any) -> None:
        """Write the table as CSV, atomically; numbers with all digits, what is no number left empty."""
        write(path, VIEWS["csv"](self.columns()).encode("utf-8"))

    def to_dict(self) -> dict[str, Any]:
        """Return the sweep for JSON; what is not finite is None."""
        return {
            "verb": "sweep",
            "target": dict(self.target),
            "optimizer": self.optimizer,
            "options": {name: _plain(value) for name, value in self.options.items()},
            "steps": self.steps,
            "seed": self.seed,
            "axes": {name: [_plain(value) for value in values] for name, values in self.axes.items()},
            "loss": _nested(self.loss),
            "excess": _nested(self.excess),
            "gap": _nested(self.gap),
            "optimum": _nested(self.optimum),
            "diverged": self.diverged.tolist(),
            "edge": None if self.edge is None else _nested(self.edge),
            "best": self.best,
            "runs": self.runs,
            "seconds": self.seconds,
        }

    def save(self, path: Any) -> None:
        """Write the sweep as JSON, atomically."""
        write(path, canonical.spell(self.to_dict()))

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
    domain: Any = ("-pi", "pi"),
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
        basis, degree, seed. Each is given a range (first, last, count) or (first, last, count, "log"), or a list.
    optimizer, lr, optimizer_options : a rule by name, and what is not swept over; ``lr=None`` takes its own default.
    steps : updates of each run.
    seed : of each run's start.
    progress : called with (runs done, runs in all) now and then.

    Returns
    -------
    Sweep

    Raises
    ------
    ArgumentError, DataError
        With a sentence for each wrong argument.

    Examples
    --------
    >>> found = sweep("sin(x)", over={"lr": (1e-4, 1e-2, 3, "log"), "momentum": [0.0, 0.9]}, seed=0)
    >>> found.gap.shape, found.best["momentum"]
    ((3, 2), 0.0)
    """
    check = Arguments()
    rule = check(lambda: RULES[optimizer])
    axes: list[Axis] = (check(lambda: read_axes(over, rule)) if rule else None) or []
    options = check(lambda: read_options(optimizer_options, "optimizer_options"))
    rate = check(lambda: None if lr is None else read_size(lr, "lr"))
    updates = check(lambda: integer(steps, "steps", minimum=0))
    first_seed = check(lambda: read_seed(0 if seed is None else seed))
    if axes and options is not None:
        own = [axis for axis in axes if axis.name not in (*OF_PROBLEM, "seed")]
        check(lambda: _check_values(optimizer, options, own))
    words = {
        "domain": domain, "samples": samples, "degree": degree, "powers": powers, "basis": basis, "mapped": mapped,
        "reduction": reduction,
    }  # fmt: skip
    stated = state(target, y, x, weight, words, check)
    shape = tuple(len(axis.values) for axis in axes)
    total = math.prod(shape)
    if total > MOST_RUNS:
        raise ArgumentError(f"a sweep of {total} runs is more than {MOST_RUNS}. Give fewer values.")
    begin = time.perf_counter()
    table = _Table(total, progress)
    places = np.arange(total).reshape(shape)
    problem_axes = [axis for axis in axes if axis.name in OF_PROBLEM]
    last_stage: Stage | None = None
    for chosen in itertools.product(*(enumerate(axis.values) for axis in problem_axes)):
        own_words = {axis.name: value for axis, (_, value) in zip(problem_axes, chosen, strict=True)}
        here = places
        for axis, (index, _) in zip(problem_axes, chosen, strict=True):
            here = np.take(here, [index], axis=axes.index(axis))
        stage = stage_of((state(target, y, x, weight, words | own_words, Arguments()) if own_words else stated).problem)
        _fill(table, stage, here, axes, optimizer, rate, options, updates, first_seed)
        last_stage = stage
    assert last_stage is not None  # noqa: S101
    given = {name: value for name, value in ({"lr": rate} | options).items() if name not in over and value is not None}
    return Sweep(
        target=stated.about,
        optimizer=rule.name,
        options=given,
        steps=updates,
        seed=first_seed,
        axes={axis.name: np.array(axis.values) for axis in axes},
        loss=table.loss.reshape(shape),
        excess=table.excess.reshape(shape),
        gap=table.gap.reshape(shape),
        diverged=table.diverged.reshape(shape),
        optimum=table.optimum.reshape(shape),
        edge=None if problem_axes else _edge(last_stage, rule, axes, options),
        seconds=time.perf_counter() - begin - table.compiling,
        compiling=table.compiling,
        log=tuple(axis.log for axis in axes),
    )


class _Table:
    """What is kept of each run, and how many were made."""

    def __init__(self, total: int, progress: Callable[[int, int], object] | None) -> None:
        self.loss, self.excess, self.gap, self.optimum = (np.full(total, np.nan) for _ in range(4))
        self.diverged = np.full(total, -1)
        self.compiling = 0.0
        self._done, self._total, self._progress = 0, total, progress

    def tell(self, count: int) -> None:
        """Count runs."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def _check_values(optimizer: str, options: Mapping[str, Any], axes: Sequence[Axis]) -> None:
    """Read each value of each axis by itself, so that one that the optimizer refuses is said before the work."""
    swept = {name for axis in axes for name in (axis.name, _pair_of(optimizer, axis.name))}
    who = entrant(optimizer, {name: value for name, value in options.items() if name not in swept})
    for axis in axes:
        for value in axis.values:
            who.rule.check(_with({**who.options}, who, axis.name, value))


def _pair_of(optimizer: str, name: str) -> str | None:
    """Return the option of which `name` is a part, or None."""
    parts = RULES[optimizer].parts
    return next((option for option, pair in parts.items() if name in pair), None)


def _with(options: Mapping[str, Any], who: Entrant, name: str, value: Any) -> dict[str, Any]:
    """Return options with one of them, or one part of a pair, set."""
    pair = _pair_of(who.rule.name, name)
    if pair is None:
        return {**options, name: value}
    both = list(options.get(pair, who.rule.options[pair]))
    both[who.rule.parts[pair].index(name)] = value
    return {**options, pair: tuple(both)}


def _fill(
    table: _Table,
    stage: Stage,
    here: npt.NDArray[np.int64],
    axes: Sequence[Axis],
    optimizer: str,
    rate: float | None,
    options: Mapping[str, Any],
    steps: int,
    seed: int,
) -> None:
    """Make the runs of one problem; `here` holds their places in the table, of the shape of the axes."""
    who = entrant(optimizer, options)
    base: dict[str, Any] = {**options} if rate is None else {"lr": rate, **options}
    varied = [axis for axis in axes if axis.name not in (*OF_PROBLEM, "seed")]
    # A word or a truth may change the rule's flags: the runs of each are a group.
    split = [axis for axis in varied if not axis.is_number]
    plain = [axis for axis in varied if axis.is_number]
    seeds = next((axis for axis in axes if axis.name == "seed"), None)
    for chosen in itertools.product(*(enumerate(axis.values) for axis in split)):
        group, own = here, base
        for axis, (index, value) in zip(split, chosen, strict=True):
            group = np.take(group, [index], axis=axes.index(axis))
            own = _with(own, who, axis.name, value)
        numbers, flags = who.rule.read(own)
        hyper = np.broadcast_to(np.array(numbers), (*group.shape, len(numbers))).copy()
        for axis in plain:
            rows = np.array([who.rule.read(_with(own, who, axis.name, value))[0] for value in axis.values])
            along = [1] * (group.ndim + 1)
            along[axes.index(axis)], along[-1] = len(axis.values), len(numbers)
            rows = rows.reshape(along)
            hyper = np.where(rows != np.array(numbers), rows, hyper)
        starts = np.broadcast_to(stage.start(seed), (*group.shape, len(stage.problem.powers)))
        if seeds is not None:
            along = [1] * (group.ndim + 1)
            along[axes.index(seeds)], along[-1] = len(seeds.values), len(stage.problem.powers)
            own_starts = np.array([stage.start(value) for value in seeds.values]).reshape(along)
            starts = np.broadcast_to(own_starts, (*group.shape, len(stage.problem.powers)))
        table.compiling += prepare(stage, who, flags)
        flat = group.ravel()
        found = runs(
            stage, who, flags, hyper.reshape(len(flat), -1), starts.reshape(len(flat), -1), steps, (), table.tell
        )
        table.loss[flat], table.excess[flat], table.diverged[flat] = found.loss, found.excess, found.diverged
        table.gap[flat], table.optimum[flat] = stage.gap(found.excess), stage.value


def _edge(stage: Stage, rule: Rule, axes: Sequence[Axis], options: Mapping[str, Any]) -> Array | None:
    """Return the largest stable lr for each value of momentum, where the theory of SGD gives it."""
    if not rule.linear or any(axis.name not in ("lr", "momentum", "seed") for axis in axes):
        return None
    eigenvalues = stage.quadratic.eigenvalues()
    if eigenvalues is None:
        return None
    momentum = next((axis.values for axis in axes if axis.name == "momentum"), (options.get("momentum", 0.0),))
    known = {name: options[name] for name in ("dampening", "nesterov", "weight_decay", "maximize") if name in options}
    return stable_rates(eigenvalues, np.array(momentum, dtype=np.float64), **known)[1]


def _plain(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _nested(values: Array) -> Any:
    return [_nested(part) for part in values] if values.ndim > 1 else [_plain(value) for value in values]
