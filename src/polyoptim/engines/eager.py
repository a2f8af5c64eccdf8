"""Engine "torch": torch.nn and torch.optim themselves, in the order of operations of the reference run."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from polyoptim.engines.criterion import Criterion, make_criterion
from polyoptim.engines.plan import STEP_FUNCTIONS, Plan
from polyoptim.errors import ArgumentError
from polyoptim.nn import Polynomial
from polyoptim.optim.members import own_name, refusal
from polyoptim.optim.optimizer import find_optimizer, make_optimizer, needs_closure
from polyoptim.optim.schedule import described_schedule, find_schedule, make_schedule, wants_loss
from polyoptim.problem import Problem
from polyoptim.solution import Row, Solution, Status, Trace
from polyoptim.targets.expression import parse

DIVERGED_RATIO = 1e6  # a loss this many times its start counts as diverged
CALM_UPDATES = 10  # one small change of the loss may be a turning point; so many in a row are not


def run(problem: Problem, plan: Plan) -> Solution:
    """Take the steps of `plan` on `problem`.

    The run has the floats of a plain program that calls ``torch.manual_seed(seed)``, builds ``Linear(columns, 1)`` and
    loops over forward, loss, ``zero_grad``, ``backward``, ``step``. torch's global generators are afterwards as they
    were before.
    """
    device = _device(plan.device)
    cuda = [device] if device.type == "cuda" else []
    # The caller may stand under no_grad or inference_mode; a run needs gradients all the same.
    with torch.inference_mode(mode=False), torch.enable_grad(), torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(plan.seed)
        if cuda:
            torch.cuda.manual_seed(plan.seed)
        return _Run(problem, plan, device).solution()


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise ArgumentError(f"device {name!r} cannot be used: {reason}. Use device='cpu'.") from error
    return device


class _Run:
    """One run: the model, the optimizer, and what has been recorded."""

    def __init__(self, problem: Problem, plan: Plan, device: torch.device) -> None:
        self.problem, self.plan, self.device = problem, plan, device
        dtype = getattr(torch, plan.dtype)
        domain = (problem.domain.a, problem.domain.b) if problem.domain.window else None
        self.model = Polynomial(powers=problem.powers, basis=problem.family.name, domain=domain, dtype=dtype)
        self.model.to(device)

        def tensor(values: Any) -> torch.Tensor:
            return torch.from_numpy(values).to(dtype).to(device)

        self.features = self.model.features(tensor(problem.samples.x))
        self.y = tensor(problem.samples.y)
        self.weight = None if problem.samples.weight is None else tensor(problem.samples.weight)
        self.criterion: Criterion = make_criterion(problem.loss, problem.loss_options, problem.reduction)
        self.params = [p for p in self.model.linear.parameters() if p.numel()]
        self.maker = find_optimizer(plan.optimizer)
        self.optimizer = make_optimizer(self.maker, self.model.linear.parameters(), plan.lr, plan.optimizer_options)
        self.scheduler = (
            None
            if plan.schedule is None
            else make_schedule(find_schedule(plan.schedule), self.optimizer, _with_functions(plan.schedule_options))
        )
        self.wants_loss = self.scheduler is not None and wants_loss(self.scheduler)
        self.judge = _Judge(plan)
        self.rows: list[Row] = []
        self.made = 0  # updates made so far

    def solution(self) -> Solution:
        batches = _batches(len(self.y), self.plan, self.device)
        begin = time.perf_counter()
        try:
            status, message = self._loop(batches)
            status, message = self._finish(status, message)
        except KeyboardInterrupt:
            status, message = Status.INTERRUPTED, f"Interrupted after {self.made} updates; what there is was kept."
        seconds = time.perf_counter() - begin
        kept = self._keep(status)
        if status is Status.DIVERGED:
            message += f" The state after {kept['step']} updates, the best recorded one, was kept."
        return Solution(
            coef=np.array(kept["coef"]),
            loss=kept["loss"],
            trace=Trace(self.rows),
            status=status,
            message=message,
            steps=kept["step"],
            seconds=seconds,
            versions={"torch": str(torch.__version__)},
            method={
                "optimizer": own_name(self.plan.optimizer, self.maker),
                "closure": needs_closure(self.optimizer),
                **described_schedule(self.plan.schedule, self.plan.schedule_options),
                "schedule_loss": self.wants_loss,
            },
        )

    def _loop(self, batches: Iterator[torch.Tensor] | None) -> tuple[Status, str]:
        plan, judge = self.plan, self.judge
        # The loss and the gradient of an update are those of the whole problem only without batches and closures.
        direct = batches is None and not needs_closure(self.optimizer)
        watchers = [callback.on_step for callback in plan.callbacks if hasattr(callback, "on_step")]
        for callback in plan.callbacks:
            if hasattr(callback, "on_begin"):
                callback.on_begin(plan.steps)
        self.start = self._measure()
        while self.made < plan.steps:
            update = _Update(self, None if batches is None else next(batches))
            recording = self.made % plan.every == plan.every - 1
            wanted = recording or (batches is None and plan.tol_gradient is not None)
            row = None
            if direct:
                loss = update()
                if wanted:
                    row = self._row(loss.item(), [p.grad for p in self.params])
            elif wanted:
                row = self._measure()
            if row is not None:
                if recording and self._record(row):
                    return Status.STOPPED, f"A callback stopped the run after {self.made} updates."
                if judge.by_gradient(row):
                    return Status.CONVERGED, f"Converged after {self.made} updates: {judge.reason}"
            self._step(None if direct else update)
            self.made += 1
            if trouble := self._diverges(update.first):
                return Status.DIVERGED, f"Diverged at step {self.made - 1}: {trouble}."
            if (batches is None or recording) and judge.by_loss(row["loss"] if row else update.first):
                return Status.CONVERGED, f"Converged after {self.made} updates: {judge.reason}"
            self._schedule(update.first)
            for watch in watchers:
                watch(self.made, update.first)
        return Status.STEPS_DONE, f"All {plan.steps} steps were done."

    def _finish(self, status: Status, message: str) -> tuple[Status, str]:
        """Record the last row and judge it."""
        if status is Status.DIVERGED or (self.rows and self.rows[-1]["step"] == self.made):
            return status, message
        row = self._measure()
        if trouble := self._diverges(row["loss"]):
            return Status.DIVERGED, f"Diverged at step {self.made}: {trouble}."
        self._record(row)
        if status is Status.STEPS_DONE and self.judge.by_gradient(row):
            return Status.CONVERGED, f"Converged after {self.made} updates: {self.judge.reason}"
        return status, message

    def _keep(self, status: Status) -> Row:
        """Return the row whose coefficients are the result."""
        if status is Status.DIVERGED:
            later = [row for row in self.rows if row["step"] > 0 and math.isfinite(row["loss"])]
            self.rows = [self.start, *later]
            return min(reversed(self.rows), key=lambda row: row["loss"])
        if not (self.rows and self.rows[-1]["step"] == self.made):  # interrupted
            self.rows.append(self._measure())
        return self.rows[-1]

    def _diverges(self, loss: float) -> str:
        start = self.start["loss"]
        if not math.isfinite(loss):
            return "the loss is not finite"
        if start > 0 and loss > DIVERGED_RATIO * start:
            return f"the loss is {loss:.4g}, more than {DIVERGED_RATIO:.0e} times its start of {start:.4g}"
        return ""

    def _record(self, row: Row) -> bool:
        """Append the row and tell whether a callback wants to stop."""
        self.rows.append(row)
        stop = False
        for callback in self.plan.callbacks:
            try:
                answer = callback(row)
            except StopIteration:
                answer = True
            stop |= isinstance(answer, (bool, np.bool_)) and bool(answer)
        return stop

    def _step(self, closure: _Update | None) -> None:
        arguments = () if closure is None else (closure,)
        if self.made:
            self.optimizer.step(*arguments)
            return
        try:  # what an optimizer cannot train shows at its first step (SparseAdam)
            self.optimizer.step(*arguments)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise refusal("optimizer", self.maker, error) from error

    def _schedule(self, loss: float) -> None:
        if self.scheduler is None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # SequentialLR, as in optim.schedule
                self.scheduler.step(loss) if self.wants_loss else self.scheduler.step()
        except (ValueError, ZeroDivisionError, OverflowError, TypeError) as error:
            raise refusal("schedule", find_schedule(self.plan.schedule), error) from error

    def _measure(self) -> Row:
        """Return the row of the present coefficients on all samples, leaving the gradients alone."""
        loss = self.criterion(self.model.linear(self.features).flatten(), self.y, self.weight)
        return self._row(loss.item(), torch.autograd.grad(loss, self.params, allow_unused=True))

    def _row(self, loss: float, gradient: Sequence[torch.Tensor | None]) -> Row:
        squares = sum(float(part.detach().double().square().sum()) for part in gradient if part is not None)
        coef = self.model.coef.detach().double().cpu().tolist()
        return {
            "step": self.made,
            "loss": loss,
            "excess": self.plan.optimum.excess(loss),
            "gap": self.plan.optimum.gap(loss),
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "gradient_norm": math.sqrt(squares),
            "coef": coef,
        }


class _Update:
    """The closure of one update: zero_grad, forward, loss, backward; remembers the first loss it saw."""

    def __init__(self, run: _Run, batch: torch.Tensor | None) -> None:
        self.run, self.batch, self.first, self.calls = run, batch, math.nan, 0

    def __call__(self) -> torch.Tensor:
        run = self.run
        features, y, weight = run.features, run.y, run.weight
        if self.batch is not None:
            features, y = features[self.batch], y[self.batch]
            weight = None if weight is None else weight[self.batch]
        loss = run.criterion(run.model.linear(features).flatten(), y, weight)
        run.optimizer.zero_grad()
        loss.backward()
        if not self.calls:
            self.first = loss.item()
        self.calls += 1
        return loss


@dataclass
class _Judge:
    """Decides by the tolerances whether a run has converged."""

    plan: Plan
    calm: int = 0
    last: float = math.nan
    reason: str = ""

    def by_gradient(self, row: Row) -> bool:
        tolerance = self.plan.tol_gradient
        self.reason = f"the norm of the gradient is {row['gradient_norm']:.3g}, at most tol_gradient = {tolerance!r}."
        return tolerance is not None and row["gradient_norm"] <= tolerance

    def by_loss(self, loss: float) -> bool:
        tolerance = self.plan.tol_loss
        if tolerance is None:
            return False
        self.calm = self.calm + 1 if abs(loss - self.last) <= tolerance * abs(loss) else 0
        self.last = loss
        self.reason = (
            f"the loss changed by at most tol_loss = {tolerance!r} of itself in {CALM_UPDATES} updates running."
        )
        return self.calm >= CALM_UPDATES


def _with_functions(options: Any) -> Any:
    """Return options in which a text for a function of the step, ``lr_lambda="0.99**x"``, has become that function."""
    if isinstance(options, Mapping):
        return {
            name: _function_of_step(str(value))
            if name in STEP_FUNCTIONS and isinstance(value, (str, int, float))
            else _with_functions(value)
            for name, value in options.items()
        }
    return [_with_functions(value) for value in options] if isinstance(options, (list, tuple)) else options


def _function_of_step(text: str) -> Callable[[int], float]:
    expression = parse(text)
    return lambda step: expression.evaluate("torch", torch.tensor(float(step), dtype=torch.float64)).item()


def _batches(samples: int, plan: Plan, device: torch.device) -> Iterator[torch.Tensor] | None:
    """Yield the indices of each minibatch: one ``randperm`` an epoch, the last short batch kept."""
    if plan.batch_size is None:
        return None
    # The run's own generator, at the place where a plain program's global one stands after the initialisation.
    generator = torch.Generator()
    generator.set_state(torch.get_rng_state())
    size = plan.batch_size

    def endless() -> Iterator[torch.Tensor]:
        while True:
            order = torch.randperm(samples, generator=generator).to(device)
            yield from order.split(size)

    return endless()
