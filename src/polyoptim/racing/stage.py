"""Stage: a problem on which many runs are made, its optimum, and how a run on it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.compiler import compiled
from polyoptim.engines.fused import start
from polyoptim.engines.lanes import Outcome, lanes_fit, lanes_module, side_by_side
from polyoptim.engines.loops import quadratic_objective
from polyoptim.engines.objective import QuadraticObjective
from polyoptim.engines.plan import overflow
from polyoptim.engines.traces import Kind, kind_of, ordered, shaped
from polyoptim.engines.watch import DIVERGED_RATIO
from polyoptim.engines.whole import each_alone, whole_text
from polyoptim.generator import Generator
from polyoptim.optim.rule import Floats, Rule, Tensors, vector_step
from polyoptim.optim.rules import RULES
from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic
from polyoptim.registry import match
from polyoptim.solution import Optimum
from polyoptim.solvers.least_squares import least_squares

Array = npt.NDArray[np.float64]
EPS = 2.0**-52
# Runs of which the numbers are laid out at a time.
AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Stage:
    """A problem with the squared loss, in float64.

    Parameters
    ----------
    problem, optimum, quadratic : the problem, its least loss, and its loss without the samples.
    """

    problem: Problem
    optimum: Optimum
    quadratic: Quadratic

    @cached_property
    def objective(self) -> QuadraticObjective:
        """The loss as the engines take it."""
        return quadratic_objective(self.quadratic)

    @property
    def value(self) -> float:
        """The optimum."""
        assert self.optimum.value is not None  # noqa: S101
        return self.optimum.value

    def start(self, seed: int) -> Array:
        """Return the coefficients with which a run of this seed begins, in the order of the powers."""
        return np.array(start(Generator(seed), self.problem.powers))

    def gap(self, excess: Array) -> Array:
        """Return excess / optimum; not a number where the optimum is zero to rounding."""
        return np.full_like(excess, np.nan) if self.optimum.is_zero else excess / self.value


def stage_of(problem: Problem) -> Stage:
    """Return the stage of a problem.

    Raises
    ------
    ArgumentError
        Where its loss overflows.
    """
    optimum, quadratic = least_squares(problem, EPS)
    if quadratic is None:
        raise overflow(optimum, problem.family.name, problem.degree)
    return Stage(problem, optimum, quadratic)


@dataclass(frozen=True)
class Entrant:
    """An optimizer with its options, lr aside.

    Parameters
    ----------
    rule : its update rule.
    options : what was given.
    """

    rule: Rule
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How it is called in a table: the rule, and the options that were given."""
        given = ", ".join(f"{name}={_short(value)}" for name, value in self.options.items())
        return f"{self.rule.name}({given})" if given else self.rule.name

    def hyper(self, lr: float | None = None, **more: Any) -> tuple[Floats, dict[str, bool]]:
        """Return the rule's numbers and flags with these options beside its own."""
        return self.rule.read({**self.options, **({} if lr is None else {"lr": lr}), **more})

    def kind(self, stage: Stage, flags: Mapping[str, bool]) -> Kind:
        """Return what a loop is made for."""
        powers = stage.problem.powers
        return kind_of(self.rule, flags, len(powers), 0 in powers)


def entrant(name: Any, options: Mapping[str, Any]) -> Entrant:
    """Return the optimizer of that name, its options checked."""
    rule: Rule = RULES[match("optimizer", name, RULES)]
    found = Entrant(rule, {key: value for key, value in options.items() if key != "lr"})
    found.hyper()
    return found


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def is_compiled(stage: Stage, who: Entrant, flags: Mapping[str, bool]) -> bool:
    """Tell whether such runs are made by compiled code."""
    return lanes_fit(who.kind(stage, flags)) or whole_text(who.rule.name) is not None


def prepare(stage: Stage, who: Entrant, flags: Mapping[str, bool], marks: int = 0) -> float:
    """Compile what makes such runs, or load it; return the seconds that took, 0 where it was there."""
    kind = who.kind(stage, flags)
    begin = time.perf_counter()
    if lanes_fit(kind):
        lanes_module(kind, marks)
    elif (text := whole_text(who.rule.name)) is not None:
        compiled(text)
    return time.perf_counter() - begin


def runs(
    stage: Stage,
    who: Entrant,
    flags: Mapping[str, bool],
    hyper: Array,
    starts: Array,
    steps: int,
    marks: Sequence[float],
    tell: Callable[[int], object],
    budget: int | None = None,
) -> Outcome:
    """Make many runs of one optimizer.

    Parameters
    ----------
    flags, hyper, starts : the rule's flags, its numbers, shape (runs, numbers), and the starts, (runs, columns).
    steps : updates of each run.
    marks : sizes of the excess; in the outcome `reached` counts the evaluations of the gradient that were made before.
    tell : called with the number of runs just done.
    budget : evaluations of the gradient at most; None: as many as the updates take.
    """
    kind = who.kind(stage, flags)
    sizes = np.array([float(mark) for mark in marks])
    if not lanes_fit(kind):
        return _one_by_one(stage, who.rule, flags, hyper, starts, steps, sizes, tell, budget)
    parts = [
        side_by_side(kind, stage.objective, starts[low : low + AT_ONCE], hyper[low : low + AT_ONCE], steps, sizes, tell)
        for low in range(0, len(hyper), AT_ONCE)
    ]
    if len(parts) == 1:
        return parts[0]
    return Outcome(
        np.concatenate([part.coef for part in parts]),
        np.concatenate([part.loss for part in parts]),
        np.concatenate([part.excess for part in parts]),
        np.concatenate([part.diverged for part in parts]),
        np.concatenate([part.reached for part in parts], axis=1),
        np.concatenate([part.spent for part in parts]),
    )


def _one_by_one(
    stage: Stage,
    rule: Rule,
    flags: Mapping[str, bool],
    hyper: Array,
    starts: Array,
    steps: int,
    marks: Array,
    tell: Callable[[int], object],
    budget: int | None,
) -> Outcome:
    """Make runs of a rule that decides by values, or couples many coefficients: compiled or, without a text, plain."""
    if whole_text(rule.name) is not None:
        bias = 0 in stage.problem.powers
        return each_alone(rule, flags, bias, stage.objective, starts, hyper, steps, budget, marks, tell)
    count = len(hyper)
    coef, excess = np.empty_like(starts), np.full(count, np.nan)
    diverged, reached, spent = np.full(count, -1), np.full((len(marks), count), -1), np.zeros(count, dtype=np.int64)
    for place in range(count):
        run = _Alone(stage, rule, flags, steps, marks, budget)
        coef[place], excess[place] = run(starts[place].tolist(), tuple(hyper[place].tolist()))
        diverged[place], reached[:, place], spent[place] = run.diverged, run.reached, run.spent
        tell(1)
    return Outcome(coef, stage.value + excess, excess, diverged, reached, spent)


class _BudgetSpent(Exception):  # noqa: N818 - no error
    """No evaluation is left."""


class _Alone:
    """One run by the rule as it stands, its evaluations counted."""

    def __init__(
        self, stage: Stage, rule: Rule, flags: Mapping[str, bool], steps: int, marks: Array, budget: int | None
    ) -> None:
        self._steps, self._budget = steps, np.inf if budget is None else budget
        self._stage, self._marks, self._bias = stage, marks.tolist(), 0 in stage.problem.powers
        self._begin, self._step = vector_step(rule, flags)
        self._settles = rule.reevaluates
        self.spent, self.diverged, self.reached, self._limit = 0, -1, [-1] * len(marks), np.inf

    def __call__(self, coef: list[float], hyper: Floats) -> tuple[list[float], float]:
        """Return the last coefficients and their excess, not a number where the run diverged."""
        tensors = shaped(coef, self._bias)
        state = self._begin(tensors, hyper)
        try:
            for step in range(self._steps):
                _, moved, state = self._step(float(step + 1), tensors, state, hyper, self._evaluate)
                if self.diverged >= 0:
                    break
                if self._settles and moved == tensors:
                    break  # such a rule ends by itself
                tensors = moved
        except _BudgetSpent:
            pass
        coef = ordered(tensors, self._bias)
        excess = self._stage.objective.measure(coef)[2] if self.diverged < 0 else None
        return coef, np.nan if excess is None else excess

    def _evaluate(self, tensors: Tensors) -> tuple[float, Tensors]:
        if self.spent == self._budget:
            raise _BudgetSpent
        loss, gradient, excess = self._stage.objective.measure(ordered(tensors, self._bias))
        if not self.spent:
            self._limit = DIVERGED_RATIO * loss if loss > 0 else np.inf
        if not loss <= min(self._limit, np.finfo(float).max) and self.diverged < 0:
            self.diverged = self.spent
        for place, mark in enumerate(self._marks):
            if self.reached[place] < 0 and excess is not None and excess <= mark:
                self.reached[place] = self.spent
        self.spent += 1
        return loss, shaped(gradient, self._bias)
