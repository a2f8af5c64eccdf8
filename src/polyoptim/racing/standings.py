"""What a race comes to: optimizers, the marks that they reached, and the grids that they were tuned on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.racing.views import VIEWS
from polyoptim.tables import Table, plain

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Finish:
    """How an optimizer reached one mark, over the seeds that it was not tuned on.

    Parameters
    ----------
    mark : the gap that was to be reached.
    lr : the learning rate with which it does that fastest on the tuning seeds; None where none of them reached it.
    at_edge : whether that rate is the first or the last of the grid, so that a better one may lie beyond.
    reached : how many of the runs got there.
    evaluations, low, high : of the gradient: the median, and an interval that holds it with at least 95 % confidence;
        infinite where runs did not get there.
    seconds : the median as time in this engine.
    """

    mark: float
    lr: float | None
    at_edge: bool
    reached: int
    evaluations: float
    low: float
    high: float
    seconds: float


@dataclass(frozen=True)
class Racer:
    """One optimizer of a race.

    Parameters
    ----------
    name, optimizer, options : how it is called, the rule, and its options beside lr.
    finishes : one for each mark.
    lr, gap, low, high : the rate with the least median gap at the end on the tuning seeds; on the others, the median
        gap and its interval.
    grid_gap : the median gap at the end over the tuning seeds, for each rate of the grid; infinite where most diverged.
    grid_evaluations : the median evaluations to each mark, likewise, shape (marks, rates).
    seconds_per_evaluation : measured.
    compiled : whether its steps are compiled; the time of one that is not does not compare.
    """

    name: str
    optimizer: str
    options: Mapping[str, Any]
    finishes: tuple[Finish, ...]
    lr: float
    gap: float
    low: float
    high: float
    grid_gap: Array
    grid_evaluations: Array
    seconds_per_evaluation: float
    compiled: bool


@dataclass(frozen=True, eq=False)
class Race(Table):
    """Optimizers on one problem, best first: by evaluations to the smallest mark, then to the others, then by gap.

    Parameters
    ----------
    target, problem : what was learned.
    optimum : the least loss.
    steps : evaluations of the gradient in each run.
    marks : gaps to reach.
    lrs : the grid on which every optimizer was tuned.
    tuning_seeds, seeds : the seeds of tuning, and those of the report.
    racers : the optimizers.
    runs, seconds : how many runs were made, and in what time.
    left_out : the optimizers that were not raced to the end, because Ctrl-C came.
    """

    target: Mapping[str, Any]
    problem: Mapping[str, Any]
    optimum: float
    steps: int
    marks: tuple[float, ...]
    lrs: Array
    tuning_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    racers: tuple[Racer, ...]
    runs: int
    seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def basis(self) -> str:
        """The family by name."""
        return str(self.problem["basis"])

    @property
    def degree(self) -> int:
        """The highest power."""
        return int(self.problem["degree"])

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C left optimizers out."""
        return bool(self.left_out)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one entry for each optimizer and mark."""
        rows = [
            {
                "optimizer": racer.name, "mark": finish.mark, "lr": math.nan if finish.lr is None else finish.lr,
                "at_edge": finish.at_edge, "reached": finish.reached, "runs": len(self.seeds),
                "evaluations": finish.evaluations, "low": finish.low, "high": finish.high, "seconds": finish.seconds,
                "final_lr": racer.lr, "final_gap": racer.gap, "compiled": racer.compiled,
            }
            for racer in self.racers
            for finish in racer.finishes
        ]  # fmt: skip
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def to_dict(self) -> dict[str, Any]:
        """Return the race for JSON; what is not finite is None."""
        return {
            "verb": "race",
            "target": dict(self.target),
            **self.problem,
            "optimum": self.optimum,
            "steps": self.steps,
            "marks": list(self.marks),
            "lrs": self.lrs.tolist(),
            "tuning_seeds": list(self.tuning_seeds),
            "seeds": list(self.seeds),
            "racers": [_document(racer) for racer in self.racers],
            "left_out": list(self.left_out),
            "runs": self.runs,
            "seconds": self.seconds,
        }

    def report(self) -> str:
        """Return what a person wants to know, as text."""
        return VIEWS["race_report"](self)  # type: ignore[no-any-return]

    def plot(self, path: Any = None) -> Any:
        """Return a matplotlib figure: the grids of tuning, and the evaluations to each mark; with `path` saved too."""
        return VIEWS["race_figure"](self, path)

    def __repr__(self) -> str:
        return f"<Race of {', '.join(racer.name for racer in self.racers)}>"


def rank(racer: Racer) -> tuple[float, ...]:
    """Return what racers are ordered by: evaluations to the smallest mark, then to the others, then the gap."""
    return (*(finish.evaluations for finish in reversed(racer.finishes)), racer.gap)


def _document(racer: Racer) -> dict[str, Any]:
    document = {name: plain(value) for name, value in vars(racer).items() if name != "finishes"}
    return {**document, "finishes": [{name: plain(value) for name, value in vars(f).items()} for f in racer.finishes]}
