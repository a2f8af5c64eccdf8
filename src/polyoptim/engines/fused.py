"""Engine "fused": the squared loss as a quadratic in its coefficients, stepped by our own rules, without torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from polyoptim.engines.plan import Plan, described_schedule, with_functions
from polyoptim.engines.watch import End, Watch
from polyoptim.errors import ArgumentError
from polyoptim.generator import Generator
from polyoptim.losses import Loss
from polyoptim.optim.rates.composition import COMPOSED, FORMS
from polyoptim.optim.rates.plateau import make_plateau
from polyoptim.optim.rates.sequence import Schedule
from polyoptim.optim.rule import Floats, Rule, Tensors, vector_step
from polyoptim.optim.rules import RULES
from polyoptim.problem import Problem
from polyoptim.registry import match
from polyoptim.solution import Row, Solution
from polyoptim.targets.expression import parse

SAMPLER, DTYPE = "numpy", "float64"
PLATEAU = "ReduceLROnPlateau"


def check(plan: Plan, bias: bool, loss: Loss | Any) -> None:
    """Raise ArgumentError for what this engine does not do, and where rule or schedule cannot be made."""
    del bias  # every rule takes a weight with or without a bias
    wrong = [reason for holds, reason in _limits(plan, loss) if holds]
    if wrong:
        raise ArgumentError(f"engine 'fused' does not take {', nor '.join(wrong)}. Use engine='torch'.")
    rule = RULES[plan.optimizer]
    _Method(rule, plan)


def _limits(plan: Plan, loss: Loss | Any) -> list[tuple[bool, str]]:
    named = isinstance(loss, Loss)
    return [
        (not named or loss.name != "squared", f"the loss {loss.name if named else 'of your own'!r}, only 'squared'"),
        (plan.batch_size is not None, "minibatches"),
        (plan.dtype != DTYPE, f"dtype {plan.dtype!r}, only {DTYPE!r}"),
        (plan.device != "cpu", f"device {plan.device!r}, only 'cpu'"),
        (not isinstance(plan.optimizer, str), "an optimizer of your own"),
        (not (plan.schedule is None or isinstance(plan.schedule, str)), "a schedule of your own"),
    ]


def run(problem: Problem, plan: Plan) -> Solution:
    """Take the steps of `plan` on `problem`, in float64.

    The loss is ``factor (rss + ‖R c − q‖²)``: its second term is the excess, so that excess and gap stay accurate to
    the last digits. The start is that of ``torch.nn.Linear(columns, 1, dtype=torch.float64)`` after
    ``torch.manual_seed(seed)``, float for float.
    """
    return _Run(problem, plan).solution()


class _Method:
    """The rule and the schedule of a run: the numbers that the rule gets at each update."""

    def __init__(self, rule: Rule, plan: Plan) -> None:
        given = dict(plan.optimizer_options) | ({} if plan.lr is None else {"lr": plan.lr})
        options = rule.check(given)
        self.rule = rule
        self.schedule: Schedule | None = None
        self.plateau: Any = None
        if plan.schedule is not None:
            schedule_options = with_functions(plan.schedule_options, _function_of_step)
            if plan.schedule.casefold() == PLATEAU.casefold():
                self.plateau = make_plateau(schedule_options, options["lr"])
            else:
                self.schedule = Schedule(plan.schedule, schedule_options, options["lr"], options)
        cycles = self.schedule is not None and self.schedule.cycles
        if self.schedule is not None and cycles:  # the schedule has moved the momentum already
            options = _with_momentum(options, self.schedule.momentum)
        self.hyper, self.flags = rule.read(options)
        if cycles and "cycled" in self.flags:
            self.flags["cycled"] = True
        names = list(rule.hyper)
        self._lr = names.index("lr")
        self._momentum = next((names.index(name) for name in ("beta1", "momentum") if name in names), None)
        self._cycles = cycles

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        source = self.schedule or self.plateau
        return float(source.lr) if source else self.hyper[self._lr]

    def numbers(self) -> Floats:
        """Return the rule's numbers for the next update."""
        if self.schedule is None and self.plateau is None:
            return self.hyper
        numbers = list(self.hyper)
        numbers[self._lr] = self.lr
        if self.schedule is not None and self._cycles and self._momentum is not None:
            numbers[self._momentum] = float(self.schedule.momentum or 0.0)
        return tuple(numbers)

    def advance(self, loss: float) -> None:
        """Step the schedule after an update that saw `loss`."""
        if self.plateau is not None:
            self.plateau.step(loss)
        elif self.schedule is not None:
            self.schedule.step()


class _Run:
    """One run: the quadratic as plain lists, the coefficients, and the rule."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self.problem, self.plan = problem, plan
        quadratic = plan.quadratic
        if quadratic is None:
            raise ArgumentError("the columns of this basis overflow on the samples. Use basis='chebyshev'.")
        self.rows: list[list[float]] = quadratic.r.tolist()
        self.wanted: list[float] = quadratic.q.tolist()
        self.columns: list[list[float]] = quadratic.r.T.tolist()
        self.optimum, self.factor = quadratic.optimum, quadratic.factor
        self.bias = 0 in problem.powers
        self.above = sum(k > 0 for k in problem.powers)
        self.tensors = self._start()
        self.method = _Method(RULES[plan.optimizer], plan)
        self.watch = Watch(plan, self._measure, exact=True)

    def _start(self) -> Tensors:
        generator, above = Generator(self.plan.seed), self.above
        # torch's kaiming_uniform_ with a = sqrt(5), in its order of operations.
        bound = math.sqrt(3) * (math.sqrt(2 / (1 + 5)) / math.sqrt(above)) if above else 0.0
        weight = generator.uniform(above, -bound, bound).tolist()
        if not self.bias:
            return [weight]
        bound = 1 / math.sqrt(above) if above else 0.0
        return [weight, generator.uniform(1, -bound, bound).tolist()]

    def solution(self) -> Solution:
        found = self.watch.follow(self._loop)
        rule = self.method.rule
        return dataclasses.replace(
            found,
            method={
                "optimizer": rule.name if rule.in_torch else {"object": rule.name},
                "closure": rule.reevaluates,
                **described_schedule(self.plan.schedule, self.plan.schedule_options, _spelled),
                "schedule_loss": self.method.plateau is not None,
            },
        )

    def _loop(self) -> End | None:
        watch, method = self.watch, self.method
        begin, step = vector_step(method.rule, method.flags)
        state = begin(self.tensors, method.hyper)
        while watch.made < self.plan.steps:
            row = self._measure() if watch.wants_row else None
            if row is not None and (end := watch.before(row)):
                return end
            numbers = method.numbers()
            loss, self.tensors, state = step(float(watch.made + 1), self.tensors, state, numbers, self._evaluate)
            if end := watch.after(loss, row):
                return end
            method.advance(loss)
        return None

    def _coef(self, tensors: Tensors) -> list[float]:
        """Return the coefficients in the order of the powers: the constant comes first."""
        return tensors[1] + tensors[0] if self.bias else tensors[0]

    def _evaluate(self, tensors: Tensors) -> tuple[float, Tensors]:
        """Return the loss and its gradient."""
        excess, gradient = self._excess(self._coef(tensors))
        shaped = [gradient[1:], gradient[:1]] if self.bias else [gradient]
        return self.optimum + excess, shaped

    def _excess(self, coef: list[float]) -> tuple[float, list[float]]:
        residual = [_dot(row, coef) - wanted for row, wanted in zip(self.rows, self.wanted, strict=True)]
        excess = self.factor * _dot(residual, residual)
        return excess, [2 * self.factor * _dot(column, residual) for column in self.columns]

    def _measure(self) -> Row:
        coef = self._coef(self.tensors)
        excess, gradient = self._excess(coef)
        row = self.watch.row(
            self.optimum + excess,
            self.method.lr,
            math.sqrt(_dot(gradient, gradient)),
            self.problem.dense(np.array(coef)).tolist(),
        )
        if math.isfinite(excess):  # the difference of two sums would have lost these digits
            row["excess"] = excess
            row["gap"] = None if row["gap"] is None else excess / self.optimum
        return row


def _spelled(name: str) -> str:
    return match("schedule", name, [*FORMS, *COMPOSED, PLATEAU])


def _dot(a: list[float], b: list[float]) -> float:
    total = 0.0
    for left, right in zip(a, b, strict=True):
        total += left * right
    return total


def _with_momentum(options: Mapping[str, Any], momentum: float | None) -> dict[str, Any]:
    if "betas" in options:
        return {**options, "betas": (momentum, options["betas"][1])}
    return {**options, "momentum": momentum}


def _function_of_step(text: str) -> Callable[[int], float]:
    expression = parse(text)
    return lambda step: float(expression.evaluate("numpy", np.array(float(step))))
