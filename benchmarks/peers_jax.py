"""JAX and optax: each run is one compiled scan, in float64."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from setting import ALPHA, EPS, Array, Setting, orders, rates, start
from timing import Contestant

jax.config.update("jax_enable_x64", True)

VERSIONS = {"jax": jax.__version__, "optax": optax.__version__}
Loss = Callable[[Any], Any]


def _rule(lr: Any) -> Any:
    return optax.rmsprop(lr, decay=ALPHA, eps=EPS, eps_in_sqrt=False)


def _scan(loss: Callable[..., Any], first: Any, lr: Any, steps: int, given: Any = None) -> Any:
    """Return the last coefficients; `given` are what each update sees beside them."""
    rule = _rule(lr)

    def update(state: Any, seen: Any) -> Any:
        coef, moments = state
        gradient = jax.grad(loss)(coef) if given is None else jax.grad(loss)(coef, *seen)
        change, moments = rule.update(gradient, moments)
        return (optax.apply_updates(coef, change), moments), None

    return jax.lax.scan(update, (first, rule.init(first)), given, length=None if given is not None else steps)[0][0]


def _rows(setting: Setting, loss: Loss, first: Any) -> Any:
    """Return the recorded losses and the last one, by a scan over the rows of a scan over the updates."""
    rule = _rule(setting.lr)

    def update(state: Any, _: None) -> Any:
        coef, moments = state
        value, gradient = jax.value_and_grad(loss)(coef)
        change, moments = rule.update(gradient, moments)
        return (optax.apply_updates(coef, change), moments), value

    def row(state: Any, _: None) -> Any:
        state, losses = jax.lax.scan(update, state, None, length=setting.every)
        return state, losses[-1]

    (coef, _), losses = jax.lax.scan(row, (first, rule.init(first)), None, length=setting.rows)
    return jnp.append(losses, loss(coef))


def _quadratic_loss(r: Any, q: Any, rss: Any) -> Loss:
    return lambda coef: rss + jnp.sum((r @ coef - q) ** 2)


def _ready(name: str, function: Callable[..., Any], *given: Any, work: float = 1.0) -> Contestant:
    """Return a contestant that calls a function, compiled, with these arrays."""
    compiled, arrays = jax.jit(function), [jnp.asarray(value) for value in given]
    return Contestant(name, lambda _: compiled(*arrays).block_until_ready(), np.asarray, work=work)


def kernel(setting: Setting) -> list[Contestant]:
    """Return the run on all samples and on the quadratic."""
    known = setting.quadratic

    def full(first: Any, columns: Any, y: Any) -> Any:
        return _rows(setting, lambda coef: jnp.sum((columns @ coef - y) ** 2), first)

    def small(first: Any, r: Any, q: Any, rss: Any) -> Any:
        return _rows(setting, _quadratic_loss(r, q, rss), first)

    return [
        _ready("JAX + optax, full data", full, start(0), setting.columns, setting.y),
        _ready("JAX + optax, quadratic", small, start(0), known.r, known.q, known.rss),
    ]


def call(setting: Setting, starts: Array) -> list[Contestant]:
    """Return the whole call: samples, optimum, run. The domain is an argument: XLA would sample a constant but once."""

    @jax.jit
    def whole(first: Any, low: Any, high: Any) -> Any:
        x = jnp.linspace(low, high, setting.samples)
        y = jnp.sin(x)
        turn, r = jnp.linalg.qr(jnp.stack([jnp.ones_like(x), x, x * x, x * x * x], axis=1))
        q = turn.T @ y
        rss = jnp.sum((y - turn @ q) ** 2)
        return jnp.append(_rows(setting, _quadratic_loss(r, q, rss), first), rss)

    def run(turn: int) -> Array:
        return np.asarray(whole(starts[turn % len(starts)], -np.pi, np.pi))

    return [Contestant("JAX + optax, quadratic", run, np.asarray)]


def sweep(setting: Setting, count: int) -> list[Contestant]:
    """Return the sweep by vmap, and with the coefficients laid out by hand."""
    known, lr, first = setting.quadratic, rates(count), start(0)

    def mapped(lr: Any, first: Any, r: Any, q: Any, rss: Any) -> Any:
        loss = _quadratic_loss(r, q, rss)
        return jax.vmap(lambda rate: loss(_scan(loss, first, rate, setting.steps)))(lr)

    def by_hand(lr: Any, first: Any, h: Any, b: Any, r: Any, q: Any, rss: Any) -> Any:
        def update(state: Any, _: None) -> Any:
            coef, mean = state
            slope = [sum(h[i, j] * coef[j] for j in range(4)) - b[i] for i in range(4)]
            mean = [ALPHA * mean[i] + (1 - ALPHA) * slope[i] * slope[i] for i in range(4)]
            return ([coef[i] - lr * slope[i] / (jnp.sqrt(mean[i]) + EPS) for i in range(4)], mean), None

        begin = [jnp.full_like(lr, first[i]) for i in range(4)]
        (coef, _), _ = jax.lax.scan(update, (begin, [jnp.zeros_like(lr)] * 4), None, length=setting.steps)
        return rss + sum((sum(r[i, j] * coef[j] for j in range(4)) - q[i]) ** 2 for i in range(4))

    numbers = (known.r, known.q, known.rss)
    return [
        _ready("JAX vmap + optax, quadratic", mapped, lr, first, *numbers, work=count),
        _ready("JAX, laid out by hand", by_hand, lr, first, known.h, known.b, *numbers, work=count),
    ]


def huber(setting: Setting) -> list[Contestant]:
    """Return the Huber loss on the samples."""

    def whole(first: Any, columns: Any, y: Any) -> Any:
        def loss(coef: Any) -> Any:
            return jnp.sum(optax.losses.huber_loss(columns @ coef, y))

        coef = _scan(loss, first, setting.lr, setting.steps)
        return jnp.append(loss(coef), coef)

    return [_ready("JAX + optax", whole, start(0), setting.columns, setting.y, work=setting.steps)]


def batches(setting: Setting) -> list[Contestant]:
    """Return the minibatches, of permutations drawn beforehand; the short last one is filled with weights of 0."""
    drawn = orders(setting, 0)
    filled = -(-setting.samples // setting.size) * setting.size - setting.samples
    shape = (-1, setting.size)
    places = np.pad(drawn, ((0, 0), (0, filled))).reshape(shape)[: setting.steps]
    weights = np.pad(np.ones(drawn.shape), ((0, 0), (0, filled))).reshape(shape)[: setting.steps]

    def whole(first: Any, columns: Any, y: Any, places: Any, weights: Any) -> Any:
        def loss(coef: Any, place: Any, weight: Any) -> Any:
            return jnp.sum(weight * (columns[place] @ coef - y[place]) ** 2)

        coef = _scan(loss, first, setting.lr, setting.steps, (places, weights))
        return jnp.append(jnp.sum((columns @ coef - y) ** 2), coef)

    name, given = "JAX + optax, permutations drawn beforehand", (setting.columns, setting.y, places, weights)
    return [_ready(name, whole, start(0), *given, work=setting.steps)]
