"""One polynomial for each group of a table: side by side where that can be, else group by group."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyoptim import __version__
from polyoptim.bases.family import Family
from polyoptim.domain import Domain
from polyoptim.engines.surroundings import cores
from polyoptim.errors import DataError, RankError
from polyoptim.moments import indices
from polyoptim.outcome import Outcome, in_family
from polyoptim.result import Result
from polyoptim.result_table import STATUSES, ResultTable
from polyoptim.solution import Status
from polyoptim.solvers.groups import Solutions, empty, solve_groups
from polyoptim.solvers.normal_equations import Shape, undetermined
from polyoptim.targets.grouping import Grouping
from polyoptim.targets.partitions import Part


@dataclass(frozen=True)
class Task:
    """What is to be fitted to each group.

    Parameters
    ----------
    degree, shape, family, interval : which polynomials, and on which domain; None for the range of x.
    loss : by name.
    absolute : whether weights are 1 / variance.
    solve : fits the rows of one group.
    present : makes a result of a group's rows and outcome.
    """

    degree: int
    shape: Shape
    family: Family
    interval: Domain | None
    loss: str
    absolute: bool
    solve: Callable[[Part], Outcome]
    present: Callable[[Part, Outcome, Any], Result]

    @property
    def plain(self) -> bool:
        """Whether every power up to the degree is free, and the loss squared."""
        shape = self.shape
        free = shape.powers is None and not shape.fixed and not shape.through and not shape.ridge
        return free and self.loss == "squared"


def fit_table(whole: Part, groups: Grouping, task: Task, by: str, about: Mapping[str, Any]) -> ResultTable:
    """Fit every group.

    Parameters
    ----------
    whole : all rows.
    by : the name of the column of labels.
    about : target, arguments, notes and begin (of the clock) of the table.
    """
    width = len(whole.x)
    terms = tuple(indices(width, task.degree))
    size = len(groups.counts)
    found = empty(size, len(terms) - 1)
    if task.plain and width == 1:
        ends = None if task.interval is None else (task.interval.a, task.interval.b)
        found = solve_groups(
            whole, groups, task.degree, task.family, ends=ends, absolute=task.absolute, threads=cores()
        )
    codes = np.where(found.solved, 0, STATUSES.index(Status.FAILED)).astype(np.int8)
    loss, dof = found.rss.copy(), (found.count - len(terms)).astype(np.float64)
    ends_of = found.domain if width == 1 else np.full((size, width, 2), math.nan)
    messages: dict[int, str] = {}
    left = ~found.solved
    if task.plain and width == 1 and whole.weight is None:
        few = left & (groups.counts <= task.degree)
        codes[few], dof[few] = STATUSES.index(Status.RANK_DEFICIENT), math.nan
        messages |= dict.fromkeys(np.flatnonzero(few).tolist(), str(undetermined(task.degree + 1, ridge=True)))
        left &= ~few
    for place in np.flatnonzero(left).tolist():
        part = whole.rows(groups.rows(place))
        try:
            outcome = _solved(part, task)
            coef, domain = in_family(outcome, task.family, task.interval)
        except DataError as error:
            status = Status.RANK_DEFICIENT if isinstance(error, RankError) else Status.FAILED
            messages[place] = str(error)
            _forget(found, place, part)
            loss[place] = dof[place] = ends_of[place] = math.nan
        else:
            status = outcome.status
            _fill(found, place, outcome, coef)
            loss[place], dof[place] = outcome.loss, outcome.stats["dof"]
            frame = outcome.fitted.frame
            ends_of[place] = (domain.a, domain.b) if width == 1 else list(zip(frame.lows, frame.highs, strict=True))
        codes[place] = STATUSES.index(status)

    def single(place: int) -> Result:
        part = whole.rows(groups.rows(place))
        return task.present(part, task.solve(part), groups.labels[place : place + 1].tolist()[0])

    window = task.family.window if task.family.mapped else None
    asymptotic = "relative" if task.loss == "squared" else "asymptotic"
    return ResultTable(
        by=by,
        labels=groups.labels,
        codes=codes,
        messages=messages,
        count=found.count,
        domain=ends_of,
        coef=found.coef,
        coef_power=found.coef_power,
        stderr_power=found.stderr_power,
        sigma=found.sigma,
        loss=loss,
        rss=found.rss,
        tss=found.tss,
        dof=dof,
        terms=terms,
        basis=task.family.name,
        window=window,
        constant=task.shape.has_constant(width),
        errors="absolute" if task.absolute and task.loss == "squared" else asymptotic,
        target=about["target"],
        arguments=about["arguments"],
        seconds=time.perf_counter() - about["begin"],
        versions={"polyoptim": __version__, "numpy": np.__version__},
        notes=tuple(about["notes"]),
        single=single,
    )


def _solved(part: Part, task: Task) -> Outcome:
    """Fit one group; one that cannot be is known by its different x without a solver where there is one column."""
    if task.plain and len(part.x) == 1:
        x = part.x[0] if part.weight is None else part.x[0][part.weight > 0]
        if len(x) <= task.degree or len(np.unique(x)) <= task.degree:
            raise undetermined(task.degree + 1, ridge=True)
    return task.solve(part)


def _forget(found: Solutions, place: int, part: Part) -> None:
    """Leave nothing of a group that has no polynomial but its rows."""
    found.count[place] = len(part.y) if part.weight is None else np.count_nonzero(part.weight)
    for values in (found.coef, found.coef_power, found.stderr_power, found.sigma, found.rss, found.tss):
        values[place] = math.nan


def _fill(found: Solutions, place: int, outcome: Outcome, coef: Any) -> None:
    stats = outcome.stats
    found.count[place], found.coef[place] = stats["rows"], coef
    for values, name in (
        (found.coef_power, "coef_power"),
        (found.stderr_power, "stderr_power"),
        (found.sigma, "sigma"),
        (found.rss, "rss"),
        (found.tss, "tss"),
    ):
        values[place] = np.array(stats[name], dtype=np.float64)  # None becomes nan
