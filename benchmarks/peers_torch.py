"""torch's contestants: eager as in the lesson, torch.compile, and arrays over the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from setting import ALPHA, EPS, Array, Setting, orders, rates, start
from timing import Contestant
from torch.utils.data import DataLoader, TensorDataset

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
EAGER = "torch eager, float32"
GRAPH = 100  # updates in one graph of torch.compile


def _model(first: Array, dtype: torch.dtype) -> torch.nn.Sequential:
    """Return the lesson's model with these coefficients."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 1, dtype=dtype), torch.nn.Flatten(0, 1))
    with torch.no_grad():
        model[0].bias.copy_(torch.as_tensor(first[:1]))
        model[0].weight.copy_(torch.as_tensor(first[None, 1:]))
    return model


def _samples(setting: Setting, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the lesson's features and its y."""
    x = torch.linspace(-np.pi, np.pi, setting.samples, dtype=dtype)
    return x.unsqueeze(-1).pow(torch.tensor([1, 2, 3])), torch.sin(x)


def _eager(
    setting: Setting, model: Any, loss: Any, features: torch.Tensor, y: torch.Tensor, every: int | None = None
) -> Array:
    """Return the recorded losses and the last one, by the lesson's loop."""
    optimizer = torch.optim.RMSprop(model.parameters(), lr=setting.lr)
    losses = []
    for step in range(1, setting.steps + 1):
        value = loss(model(features), y)
        if every and step % every == 0:
            losses.append(value.item())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return np.array([*losses, loss(model(features), y).item()])


def _coef(model: torch.nn.Sequential) -> Array:
    """Return the coefficients, the constant first."""
    parts = [model[0].bias.detach().numpy(), model[0].weight.detach().numpy()[0]]
    return np.concatenate(parts).astype(np.float64)


def kernel(setting: Setting) -> list[Contestant]:
    """Return the lesson's loop in both precisions."""

    def made(name: str, dtype: torch.dtype) -> Contestant:
        (features, y), loss = _samples(setting, dtype), torch.nn.MSELoss(reduction="sum")

        def run(_: int) -> Array:
            return _eager(setting, _model(start(0), dtype), loss, features, y, setting.every)

        return Contestant(f"torch eager, {name}", run, np.asarray, single=dtype == torch.float32)

    return [made(name, dtype) for name, dtype in PRECISIONS.items()]


def compiled_kernel(setting: Setting) -> list[Contestant]:
    """Return the loop over a compiled update, and over compiled graphs of many updates on the quadratic."""
    columns, y = torch.as_tensor(setting.columns), torch.as_tensor(setting.y)
    r, q = torch.as_tensor(setting.quadratic.r), torch.as_tensor(setting.quadratic.q)
    rss = setting.quadratic.rss

    def update(coef: Any, mean: Any, columns: Any, y: Any) -> Any:
        residual = columns @ coef - y
        gradient = 2 * (columns.T @ residual)
        mean = ALPHA * mean + (1 - ALPHA) * gradient * gradient
        return residual @ residual, coef - setting.lr * gradient / (mean.sqrt() + EPS), mean

    def graph(coef: Any, mean: Any, columns: Any, y: Any) -> Any:
        for _ in range(GRAPH):
            loss, coef, mean = update(coef, mean, columns, y)
        return loss, coef, mean

    def made(name: str, function: Any, stride: int, columns: Any, y: Any, rest: float) -> Contestant:
        compiled = torch.compile(function, dynamic=False)

        @torch.no_grad()
        def run(_: int) -> Array:
            coef, mean, losses = torch.as_tensor(start(0)), torch.zeros(4, dtype=torch.float64), []
            for step in range(stride, setting.steps + 1, stride):
                loss, coef, mean = compiled(coef, mean, columns, y)
                if step % setting.every == 0:
                    losses.append(rest + loss.item())
            residual = columns @ coef - y
            return np.array([*losses, rest + (residual @ residual).item()])

        return Contestant(name, run, np.asarray)

    return [
        made("torch.compile, one update, full data", update, 1, columns, y, 0.0),
        made(f"torch.compile, {GRAPH} updates a graph, quadratic", graph, GRAPH, r, q, rss),
    ]


def call(setting: Setting, starts: Array) -> list[Contestant]:
    """Return the lesson as a function, with the optimum beside it."""

    def made(name: str, dtype: torch.dtype) -> Contestant:
        def run(turn: int) -> Array:
            features, y = _samples(setting, dtype)
            model, loss = _model(starts[turn % len(starts)], dtype), torch.nn.MSELoss(reduction="sum")
            losses = _eager(setting, model, loss, features, y, setting.every)
            columns = torch.cat([torch.ones_like(features[:, :1]), features], dim=1).double()
            best = torch.linalg.lstsq(columns, y.double()[:, None]).solution[:, 0]
            residual = columns @ best - y
            return np.array([*losses, (residual @ residual).item()])

        return Contestant(f"torch eager, {name}", run, np.asarray, single=dtype == torch.float32)

    return [made(name, dtype) for name, dtype in PRECISIONS.items()]


def one_run(setting: Setting) -> list[Contestant]:
    """Return the sweep's runs one after the other, as its only run."""

    def run(_: int) -> Array:
        features, y = _samples(setting, torch.float32)
        return _eager(setting, _model(start(0), torch.float32), torch.nn.MSELoss(reduction="sum"), features, y)

    return [Contestant(EAGER, run, np.asarray, single=True)]


def mapped_sweep(setting: Setting, count: int) -> list[Contestant]:
    """Return the sweep by torch.func.vmap over the gradient on all samples."""
    columns, y, lr = torch.as_tensor(setting.columns), torch.as_tensor(setting.y), torch.as_tensor(rates(count))

    def loss(coef: torch.Tensor) -> torch.Tensor:
        residual = columns @ coef - y
        return residual @ residual

    slopes, losses = torch.func.vmap(torch.func.grad(loss)), torch.func.vmap(loss)

    @torch.no_grad()
    def run(_: int) -> Any:
        coef = torch.as_tensor(start(0)).repeat(count, 1)
        mean = torch.zeros_like(coef)
        for _step in range(setting.steps):
            gradient = slopes(coef)
            mean.mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
            coef.sub_(lr[:, None] * gradient / (mean.sqrt() + EPS))
        return losses(coef).numpy()

    return [Contestant("torch.func.vmap, full data", run, np.asarray, work=count)]


def sweep(setting: Setting, count: int) -> list[Contestant]:
    """Return the sweep as one tensor over the runs, on the quadratic."""
    known, lr = setting.quadratic, torch.as_tensor(rates(count))
    h, b, r, q = (torch.as_tensor(part) for part in (known.h, known.b[:, None], known.r, known.q[:, None]))

    @torch.no_grad()
    def run(_: int) -> Any:
        coef = torch.as_tensor(start(0))[:, None].repeat(1, count)
        mean = torch.zeros_like(coef)
        for _step in range(setting.steps):
            gradient = h @ coef - b
            mean.mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
            coef.sub_(lr * gradient / (mean.sqrt() + EPS))
        return (known.rss + ((r @ coef - q) ** 2).sum(0)).numpy()

    return [Contestant("torch, batched quadratic", run, np.asarray, work=count)]


def huber(setting: Setting) -> list[Contestant]:
    """Return the Huber loss by the lesson's loop."""

    def made(name: str, dtype: torch.dtype) -> Contestant:
        (features, y), loss = _samples(setting, dtype), torch.nn.HuberLoss(reduction="sum")

        def run(_: int) -> Array:
            model = _model(start(0), dtype)
            return np.array([_eager(setting, model, loss, features, y)[-1], *_coef(model)])

        single = dtype == torch.float32
        return Contestant(f"torch eager, {name}", run, np.asarray, work=setting.steps, single=single)

    return [made(name, dtype) for name, dtype in PRECISIONS.items()]


def compiled_huber(setting: Setting) -> list[Contestant]:
    """Return the Huber loss by a compiled update."""
    columns, y = torch.as_tensor(setting.columns), torch.as_tensor(setting.y)

    def update(coef: Any, mean: Any, columns: Any, y: Any) -> Any:
        gradient = ((columns @ coef - y).clamp(-1, 1)[:, None] * columns).sum(0)
        mean = ALPHA * mean + (1 - ALPHA) * gradient * gradient
        return coef - setting.lr * gradient / (mean.sqrt() + EPS), mean

    compiled = torch.compile(update, dynamic=False)

    @torch.no_grad()
    def run(_: int) -> Array:
        coef, mean = torch.as_tensor(start(0)), torch.zeros(4, dtype=torch.float64)
        for _step in range(setting.steps):
            coef, mean = compiled(coef, mean, columns, y)
        loss = torch.nn.functional.huber_loss(columns @ coef, y, reduction="sum")
        return np.array([loss.item(), *coef.tolist()])

    return [Contestant("torch.compile, one update", run, np.asarray, work=setting.steps)]


def batches(setting: Setting) -> list[Contestant]:
    """Return the minibatches: by an index, and by a DataLoader."""
    columns, y = _samples(setting, torch.float32)
    drawn = orders(setting, 0)

    def by_index() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        start(0)  # from here torch draws the same permutations
        while True:
            for part in torch.randperm(setting.samples).split(setting.size):
                yield columns[part], y[part]

    def by_loader() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for order in drawn:
            yield from DataLoader(TensorDataset(columns, y), batch_size=setting.size, sampler=order.tolist())

    def made(name: str, parts: Callable[[], Iterator[tuple[torch.Tensor, torch.Tensor]]]) -> Contestant:
        loss = torch.nn.MSELoss(reduction="sum")

        def run(_: int) -> Array:
            model = _model(start(0), torch.float32)
            optimizer = torch.optim.RMSprop(model.parameters(), lr=setting.lr)
            for some, wanted in islice(parts(), setting.steps):
                optimizer.zero_grad()
                loss(model(some), wanted).backward()
                optimizer.step()
            return np.array([loss(model(columns), y).item(), *_coef(model)])

        return Contestant(name, run, np.asarray, work=setting.steps, single=True)

    return [made(EAGER, by_index), made("torch eager, float32, DataLoader", by_loader)]
