"""Engine "torch": torch.nn and torch.optim themselves, in the order of operations of the reference run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from polyoptim.arguments import Arguments
from polyoptim.engines.columns import Columns
from polyoptim.engines.criterion import Criterion, make_criterion
from polyoptim.engines.minibatches import Minibatches
from polyoptim.engines.plan import DEFAULT_RATE, Plan, described_schedule, with_functions
from polyoptim.engines.tensors import (
    generator_state,
    packed,
    restore_generator,
    restore_optimizer,
    restore_schedule,
    state_of,
    unpacked,
)
from polyoptim.engines.watch import End, Watch
from polyoptim.errors import ArgumentError
from polyoptim.losses import Loss
from polyoptim.nn import Polynomial
from polyoptim.optim.members import own_name, refusal, takes
from polyoptim.optim.optimizer import find_optimizer, make_optimizer, needs_closure, optimizers
from polyoptim.optim.schedule import find_schedule, make_schedule, quiet_members, schedule_name, wants_loss
from polyoptim.problem import Problem
from polyoptim.solution import Row, Solution
from polyoptim.targets.expression import parse

SAMPLER, DTYPE = "torch", "float32"


def run(problem: Problem, plan: Plan) -> Solution:
    """Take the steps of `plan` on `problem`.

    The run has the floats of a plain program that calls ``torch.manual_seed(seed)``, builds ``Linear(columns, 1)`` and
    loops over forward, loss, ``zero_grad``, ``backward``, ``step``. torch's global generators are afterwards as they
    were before.
    """
    device = _device(plan.device)
    # The caller may stand under no_grad, inference_mode, autocast or another default device: a run is the same there.
    with (
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
        torch.device("cpu"),
        _own_randomness(problem, plan),
    ):
        return _Run(problem, plan, device).solution()


def _own_randomness(problem: Problem, plan: Plan) -> AbstractContextManager[None]:
    """Return the context of a run: torch draws from the run's own generator, but code of the user's own may not."""
    return _seeded(plan.seed) if _has_own_code(problem, plan) else nullcontext()


def _has_own_code(problem: Problem, plan: Plan) -> bool:
    return not (isinstance(plan.optimizer, str) and isinstance(problem.loss, Loss))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def surroundings(problem: Problem, plan: Plan) -> dict[str, Any]:
    """Return what may change the last bits of such a run."""
    del problem
    found: dict[str, Any] = {"torch": str(torch.__version__), "threads": torch.get_num_threads()}
    if torch.device(plan.device).type == "cuda" and torch.cuda.is_available():
        found["accelerator"] = torch.cuda.get_device_name(plan.device)
    return found


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise ArgumentError(f"device {name!r} cannot be used: {reason}. Use device='cpu'.") from error
    return device


def check(plan: Plan, bias: bool, loss: Loss | Any) -> None:
    """Raise ArgumentError where the optimizer or the schedule cannot be made, before any work.

    Parameters
    ----------
    plan : of which optimizer, schedule and their options are looked at.
    bias : whether there is a constant.
    loss : any loss will do.
    """
    del loss
    wrong = Arguments()
    maker = wrong(lambda: find_optimizer(plan.optimizer))
    wrong(lambda: plan.schedule is None or find_schedule(plan.schedule))
    wrong.done()
    shapes = [(1, 1), (1,)] if bias else [(1, 1)]
    with torch.device("cpu"):
        _methods(plan, maker, [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes])


def _methods(plan: Plan, maker: Callable[..., Any], params: Iterable[torch.Tensor]) -> tuple[Any, Any]:
    """Return the optimizer and the schedule, or None where there is none."""
    # One's own class may take no lr; the default is then not meant for it.
    lr = None if plan.lr == DEFAULT_RATE and not takes(maker, "lr") else plan.lr
    optimizer = make_optimizer(maker, params, lr, plan.optimizer_options)
    if plan.schedule is None:
        return optimizer, None
    return optimizer, make_schedule(
        find_schedule(plan.schedule), optimizer, with_functions(plan.schedule_options, _function_of_step)
    )


def _model(problem: Problem, dtype: torch.dtype, generator: torch.Generator) -> Polynomial | Columns:
    if problem.terms is not None:
        return Columns(problem, dtype, generator)
    domain = (problem.domain.a, problem.domain.b) if problem.domain.window else None
    basis = problem.family.name
    return Polynomial(powers=problem.powers, basis=basis, domain=domain, dtype=dtype, generator=generator)


class _Run:
    """One run: the model, the optimizer, and what has been recorded."""

    def __init__(self, problem: Problem, plan: Plan, device: torch.device) -> None:
        self.problem, self.plan, self.device = problem, plan, device
        dtype = getattr(torch, plan.dtype)
        generator = torch.Generator().manual_seed(plan.seed)
        self.model = _model(problem, dtype, generator)
        self.model.to(device)

        def tensor(values: Any) -> torch.Tensor:
            return torch.from_numpy(values).to(dtype).to(device)

        self.features = self.model.features(tensor(problem.samples.x))
        self.y = tensor(problem.samples.y)
        self.weight = None if problem.samples.weight is None else tensor(problem.samples.weight)
        self.criterion: Criterion = make_criterion(problem.loss, problem.loss_options, problem.reduction)
        self.params = [p for p in self.model.linear.parameters() if p.numel()]
        self.maker = find_optimizer(plan.optimizer)
        self.optimizer, self.scheduler = _methods(plan, self.maker, self.model.linear.parameters())
        self.wants_loss = self.scheduler is not None and wants_loss(self.scheduler)
        self.closure = needs_closure(self.optimizer)
        self.batches = None
        if plan.batch_size is not None:
            self.batches = Minibatches(len(self.y), plan.batch_size, generator, lambda order: order.to(device))
        self.own_code = _has_own_code(problem, plan)
        self.watch = Watch(plan, self, exact=self.batches is None)
        if plan.keeper is not None:
            self.snapshot()  # what cannot be kept shows before the first update

    def solution(self) -> Solution:
        return dataclasses.replace(
            self.watch.follow(self._loop),
            versions={"torch": str(torch.__version__)},
            method={
                "optimizer": own_name(self.plan.optimizer, self.maker, optimizers().values()),
                "closure": self.closure,
                **described_schedule(self.plan.schedule, self.plan.schedule_options, schedule_name),
                "schedule_loss": self.wants_loss,
            },
        )

    def _loop(self) -> End | None:
        watch = self.watch
        # The loss and the gradient of an update are those of the whole problem only without batches and closures.
        direct = self.batches is None and not self.closure
        while watch.made < self.plan.steps:
            watch.pause()
            update = _Update(self, None if self.batches is None else self.batches.batch(watch.made))
            row = None
            if direct:
                watch.torn = self.own_code  # which may have drawn random numbers
                loss = update()
                if watch.wants_row:
                    row = self._row(loss.item(), [p.grad for p in self.params])
            elif watch.wants_row:
                row = self.measure()
            if row is not None and (end := watch.before(row)):
                return end
            watch.torn = True
            self._step(None if direct else update)
            if end := watch.after(update.first, row):
                return end
            self._schedule(update.first)
            if end := watch.tell(update.first):
                return end
        return None

    def _step(self, closure: _Update | None) -> None:
        arguments = () if closure is None else (closure,)
        if self.watch.made:
            self.optimizer.step(*arguments)
            return
        try:  # what an optimizer cannot train shows at its first step (SparseAdam)
            self.optimizer.step(*arguments)
        except Exception as error:
            raise refusal("optimizer", self.maker, error) from error

    def _schedule(self, loss: float) -> None:
        if self.scheduler is None:
            return
        try:
            with quiet_members(self.scheduler):
                self.scheduler.step(loss) if self.wants_loss else self.scheduler.step()
        except Exception as error:  # code of torch or of the user: what it refuses is one sentence
            raise refusal("schedule", find_schedule(self.plan.schedule), error) from error

    def snapshot(self) -> dict[str, Any]:
        """Return all that the next updates depend on."""
        loss = self.problem.loss
        return {
            "params": [packed(param) for param in self.model.linear.parameters()],
            "optimizer": state_of("optimizer", self.optimizer),
            "schedule": None if self.scheduler is None else state_of("schedule", self.scheduler),
            "batches": None if self.batches is None else self.batches.snapshot(),
            "loss": state_of("loss", loss) if isinstance(loss, torch.nn.Module) else None,
            "randomness": generator_state(torch.default_generator) if self.own_code else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        with torch.no_grad():
            for param, found in zip(self.model.linear.parameters(), state["params"], strict=True):
                param.copy_(unpacked(found))
        restore_optimizer(self.optimizer, state["optimizer"])
        if self.scheduler is not None:
            restore_schedule(self.scheduler, state["schedule"])
        if self.batches is not None:
            self.batches.restore(state["batches"])
        if isinstance(self.problem.loss, torch.nn.Module):
            self.problem.loss.load_state_dict(unpacked(state["loss"]))
        if self.own_code:
            restore_generator(torch.default_generator, state["randomness"])

    def measure(self) -> Row:
        """Return the row of the present coefficients on all samples, leaving the gradients alone."""
        loss = self.criterion(self.model.linear(self.features).flatten(), self.y, self.weight)
        return self._row(loss.item(), torch.autograd.grad(loss, self.params, allow_unused=True))

    def _row(self, loss: float, gradient: Sequence[torch.Tensor | None]) -> Row:
        squares = sum(float(part.detach().double().square().sum()) for part in gradient if part is not None)
        lr = float(self.optimizer.param_groups[0].get("lr", math.nan))
        return self.watch.row(loss, lr, math.sqrt(squares), self.model.coef.detach().double().cpu().tolist())


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


def _function_of_step(text: str) -> Callable[[int], float]:
    expression = parse(text)
    return lambda step: expression.evaluate("torch", torch.tensor(float(step), dtype=torch.float64)).item()
