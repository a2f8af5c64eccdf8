"""Engine "fused": our own rules in float64, without torch; the squared loss as a quadratic in its coefficients."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any

import numpy as np

from polyoptim.engines.batches import Batches, Everything
from polyoptim.engines.loops import (
    CHUNK,
    SAMPLES_A_CHUNK,
    at_hand,
    compilable,
    compiled_sums,
    on_data,
    on_quadratic,
    quadratic_objective,
    shuffle,
    worth_compiling,
)
from polyoptim.engines.method import Method
from polyoptim.engines.objective import DataObjective, Objective, QuadraticObjective, norm
from polyoptim.engines.plan import Plan, overflow
from polyoptim.engines.steps import LoopSteps, RuleSteps
from polyoptim.engines.traces import MOST_COUPLED, kind_of
from polyoptim.engines.watch import End, Watch
from polyoptim.engines.whole import WholeSteps, whole_loop
from polyoptim.errors import ArgumentError
from polyoptim.generator import Generator
from polyoptim.losses import Loss
from polyoptim.problem import Problem
from polyoptim.solution import Row, Solution

SAMPLER, DTYPE = "numpy", "float64"
# An update on data takes as long as one on a quadratic and so many samples, in plain Python.
SAMPLES_AN_UPDATE = 500
# Learning rates that are made in advance, in plain Python, between two looks at Ctrl-C.
SCHEDULED_CHUNK = 1 << 14
# Steps of a rule that decides by values which plain Python makes while its loop would be compiled: it settles soon.
PLAIN_STEPS = 20_000


def check(plan: Plan, bias: bool, loss: Loss | Any) -> None:
    """Raise ArgumentError for what this engine does not do, and where rule or schedule cannot be made."""
    del bias  # every rule takes a weight with or without a bias
    wrong = [reason for holds, reason in _limits(plan, loss) if holds]
    if wrong:
        raise ArgumentError(f"engine 'fused' does not take {', nor '.join(wrong)}. Use engine='torch'.")
    Method(plan)


def _limits(plan: Plan, loss: Loss | Any) -> list[tuple[bool, str]]:
    return [
        (not isinstance(loss, Loss), "a loss of your own"),
        (plan.dtype != DTYPE, f"dtype {plan.dtype!r}, only {DTYPE!r}"),
        (plan.device != "cpu", f"device {plan.device!r}, only 'cpu'"),
        (not isinstance(plan.optimizer, str), "an optimizer of your own"),
        (not (plan.schedule is None or isinstance(plan.schedule, str)), "a schedule of your own"),
    ]


def run(problem: Problem, plan: Plan, *, single: bool = False) -> Solution:
    """Take the steps of `plan` on `problem`, in float64, with `single` from torch's start in float32.

    The squared loss is ``factor (rss + ‖R c − q‖²)``: its second term is the excess, so that excess and gap stay
    accurate to the last digits. Other losses, and minibatches, are summed over the samples. The start is that of
    ``torch.nn.Linear(columns, 1, dtype=torch.float64)`` after ``torch.manual_seed(seed)``, float for float, and so are
    the permutations of minibatches.

    Updates at which nothing is to be judged, nor told, are made in one go, by a compiled loop or, where that does not
    pay, by the same loop in plain Python; the others one at a time.
    """
    return _Run(problem, plan, single).solution()


def surroundings(problem: Problem, plan: Plan) -> dict[str, Any]:
    """Return what may change the last bits of such a run: sums over samples are compiled, or NumPy's."""
    if _on_quadratic(problem, plan):
        return {}
    compiled = is_compiled(problem, plan)
    return {"numba": version("numba") if compiled else None, "loops": "compiled" if compiled else "plain"}


def is_compiled(problem: Problem, plan: Plan) -> bool:
    """Tell whether such a run is worth compiling."""
    seen = 0 if problem.is_squared and not problem.is_wide else len(problem.samples)
    seen = min(plan.batch_size or seen, len(problem.samples))
    return worth_compiling(plan.steps * (len(problem.powers) / 4 + seen / SAMPLES_AN_UPDATE))


def _on_quadratic(problem: Problem, plan: Plan) -> bool:
    """Tell whether updates see the squared loss of all samples, without them: not where they are fewer than columns."""
    return problem.is_squared and plan.batch_size is None and not problem.is_wide


def start(generator: Generator, powers: tuple[int, ...], *, single: bool = False) -> list[float]:
    """Return the coefficients that ``torch.nn.Linear`` draws, in the order of the powers: the constant is its bias.

    It draws them in float64, or with `single` in float32, which are other numbers.
    """
    above = sum(power > 0 for power in powers)
    # torch's kaiming_uniform_ with a = sqrt(5), in its order of operations.
    bound = math.sqrt(3) * (math.sqrt(2 / (1 + 5)) / math.sqrt(above)) if above else 0.0
    weight = generator.uniform(above, -bound, bound, single=single).tolist()
    if 0 not in powers:
        return weight  # type: ignore[no-any-return]
    bound = 1 / math.sqrt(above) if above else 0.0
    return [*generator.uniform(1, -bound, bound, single=single).tolist(), *weight]


class _Run:
    """One run: the objective, and who makes the updates."""

    def __init__(self, problem: Problem, plan: Plan, single: bool) -> None:
        self.problem, self.plan = problem, plan
        generator = Generator(plan.seed)
        coef = start(generator, problem.powers, single=single)
        self.method = Method(plan)
        self.watch = Watch(plan, self, exact=plan.batch_size is None)
        data = None
        if not _on_quadratic(problem, plan):
            data = DataObjective(problem, problem.loss, problem.loss_options)
        squared = problem.is_squared and not problem.is_wide
        self.objective: Objective = self._quadratic() if squared or data is None else data
        self.batches: Batches | None = None
        if plan.batch_size is not None and data is not None:
            self.batches = Batches(data, plan.batch_size, generator, shuffle() if self.compiled else None)
        work = max(len(coef) ** 2 // 16, 1) if data is None else len(data) * len(coef)
        self.chunk = max((CHUNK if data is None else SAMPLES_A_CHUNK) // work, 1)
        if plan.schedule is not None:
            self.chunk = min(self.chunk, SCHEDULED_CHUNK)
        self.steps = self._steps(coef, data)

    @cached_property
    def compiled(self) -> bool:
        """Whether this run is worth compiling."""
        return is_compiled(self.problem, self.plan)

    def _quadratic(self) -> QuadraticObjective:
        if self.plan.quadratic is None:
            raise overflow(self.plan.optimum, self.problem.family.name, self.problem.total_degree)
        objective = quadratic_objective(self.plan.quadratic)
        if self.problem.terms is not None and len(objective.wanted) > MOST_COUPLED:
            objective.slope = objective.array_slope
        return objective

    def _steps(self, coef: list[float], data: DataObjective | None) -> RuleSteps | LoopSteps | WholeSteps:
        """Return who makes the updates: a loop where there is one."""
        method, bias, compiled = self.method, 0 in self.problem.powers, self.compiled
        kind = kind_of(method.rule, method.flags, len(coef), bias, method.momentum)
        advance: Callable[..., int] | None = None
        if data is None:
            assert isinstance(self.objective, QuadraticObjective)  # noqa: S101
            compiled = compiled or at_hand(kind)
            advance = on_quadratic(kind, self.objective, compiled)
        else:
            found = on_data(kind, data, self.plan.batch_size) if compiled else None
            if found is not None:
                updates, data.sums = found
                advance = partial(updates, self.batches or Everything(data))
            elif compiled and compilable(data):
                data.sums = compiled_sums(data)
        if advance is not None:
            return LoopSteps(method, coef, bias, advance, compiled)
        if (
            isinstance(self.objective, QuadraticObjective)
            and data is None
            and compiled
            and self.plan.steps > PLAIN_STEPS
        ):
            loop = whole_loop(method.rule, method.momentum)
            if loop is not None:
                return WholeSteps(method, coef, bias, self.objective, loop)
        return RuleSteps(method, coef, bias, (self.batches or self.objective).evaluate)

    def solution(self) -> Solution:
        return dataclasses.replace(self.watch.follow(self._loop), method=self.method.described(self.plan))

    def _loop(self) -> End | None:
        watch = self.watch
        while watch.made < self.plan.steps:
            watch.pause()
            row = self._row()
            if row is not None and (end := watch.before(row)):
                return end
            end = self._many(row) if self.gliding else self._one(row)
            if end:
                return end
        return None

    @property
    def gliding(self) -> bool:
        """Whether many updates can be made in one go."""
        return isinstance(self.steps, (LoopSteps, WholeSteps)) and not self.method.looks_at_loss

    def _row(self) -> Row | None:
        """Return the row of this moment where one is wanted; a loop looks at the gradients in between by itself."""
        wanted = self.watch.recording if self.gliding else self.watch.wants_row
        return self.measure() if wanted else None

    def _many(self, row: Row | None) -> End | None:
        """Make the updates that may be made in one go; one at which something is to be judged, by itself."""
        watch, steps = self.watch, self.steps
        assert not isinstance(steps, RuleSteps)  # noqa: S101
        count = min(watch.quiet(row is not None), self.chunk if self.batches is None else self.batches.left)
        made = 0
        if count:
            watch.torn = True
            marks = watch.marks(row is not None, count)
            made, calm = steps.many(watch.made, count, watch.limit, watch.tolerances, watch.calm, marks)
            rows = self._noted(marks, made)
            self._skip(made)
            if end := watch.passed(made, calm, rows):
                return end
        if made == count > 0:
            return None
        return self._one(row if not made else None)

    def _noted(self, marks: range, made: int) -> list[Row]:
        """Return the rows that many updates went by."""
        assert not isinstance(self.steps, RuleSteps)  # noqa: S101
        passed = [at for at in marks if at < made]
        if not passed:
            return []
        coefs = self.steps.noted[: len(passed)]
        lrs, _ = self.method.coming(made)
        dense = self.problem.dense(np.array(coefs)).tolist()
        return [
            self.watch.row(loss, lrs[min(at, len(lrs) - 1)], size, coef, excess, at)
            for at, coef, (loss, size, excess) in zip(passed, dense, self.objective.measure_many(coefs), strict=True)
        ]

    def _one(self, row: Row | None) -> End | None:
        """Make one update and judge it; `row` is that of this moment, where it has been recorded."""
        watch, method = self.watch, self.method
        if row is None and watch.wants_row:
            row = self.measure()
            if end := watch.before(row):
                return end
        if self.batches is not None:
            self.batches.renew()
        watch.torn = True
        loss = self.steps.one(watch.made, method.numbers())
        if end := watch.after(loss, row):
            return end
        method.advance(loss)
        if self.batches is not None:
            self.batches.skip(1)
        return watch.tell(loss)

    def _skip(self, made: int) -> None:
        self.method.skip(made)
        if self.batches is not None:
            self.batches.skip(made)

    def snapshot(self) -> dict[str, Any]:
        """Return all that the next updates depend on."""
        return {
            "coef": self.steps.coef,
            "rule": self.steps.snapshot(),
            "schedule": self.method.snapshot(),
            "batches": None if self.batches is None else self.batches.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        self.steps.restore(state["coef"], state["rule"])
        self.method.restore(state["schedule"])
        if self.batches is not None:
            self.batches.restore(state["batches"])

    def measure(self) -> Row:
        """Return the row of the present coefficients on all samples."""
        coef = self.steps.coef
        loss, gradient, excess = self.objective.measure(coef)
        dense: list[float] = self.problem.dense(np.array(coef)).tolist()
        return self.watch.row(loss, self.method.lr, norm(gradient), dense, excess)
