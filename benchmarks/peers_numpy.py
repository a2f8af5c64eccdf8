"""NumPy's contestants."""

from __future__ import annotations

import numpy as np
from setting import (
    ALPHA,
    EPS,
    Array,
    Quadratic,
    Setting,
    Whole,
    disturbance,
    orders,
    quadratic,
    rates,
    start,
    trajectory,
)
from timing import Contestant


def _run_quadratic(setting: Setting, known: Quadratic, first: Array) -> Array:
    h, b, r, q = known.h, known.b, known.r, known.q
    coef, mean, losses = first.copy(), np.zeros(4), []
    for step in range(1, setting.steps + 1):
        if step % setting.every == 0:
            residual = r @ coef - q
            losses.append(known.rss + residual @ residual)
        gradient = h @ coef - b
        mean = ALPHA * mean + (1 - ALPHA) * gradient * gradient
        coef -= setting.lr * gradient / (np.sqrt(mean) + EPS)
    residual = r @ coef - q
    return np.array([*losses, known.rss + residual @ residual])


def kernel(setting: Setting) -> list[Contestant]:
    """Return the run on all samples and on the quadratic."""
    first, known = start(0), setting.quadratic
    return [
        Contestant("NumPy, full data", lambda _: trajectory(setting, first), np.asarray),
        Contestant("NumPy, quadratic", lambda _: _run_quadratic(setting, known, first), np.asarray),
    ]


def call(setting: Setting, starts: Array) -> list[Contestant]:
    """Return the whole call: samples, optimum, run."""

    def run(turn: int) -> Array:
        x = np.linspace(-np.pi, np.pi, setting.samples)
        columns = np.stack([np.ones_like(x), x, x * x, x * x * x], axis=1)
        known = quadratic(columns, np.sin(x))
        return np.array([*_run_quadratic(setting, known, starts[turn % len(starts)]), known.rss])

    return [Contestant("NumPy, quadratic", run, np.asarray)]


def last_losses(setting: Setting, lr: Array, first: Array, noise: float = 0.0) -> Array:
    """Return the last loss of each run of a sweep."""
    known = setting.quadratic
    disturbed = disturbance(noise)
    coef, mean = np.tile(first[:, None], len(lr)), np.zeros((4, len(lr)))
    for _ in range(setting.steps):
        gradient = known.h @ coef - known.b[:, None]
        mean = ALPHA * mean + (1 - ALPHA) * gradient * gradient
        coef = disturbed(coef - lr * gradient / (np.sqrt(mean) + EPS))
    residual = known.r @ coef - known.q[:, None]
    losses: Array = known.rss + (residual * residual).sum(axis=0)
    return losses


def sweep(setting: Setting, count: int) -> list[Contestant]:
    """Return the sweep as one array over the runs."""
    first, lr = start(0), rates(count)
    return [Contestant("NumPy, batched quadratic", lambda _: last_losses(setting, lr, first), np.asarray, work=count)]


def huber_run(setting: Setting, first: Array, noise: float = 0.0) -> Array:
    """Return the last Huber loss from there, and the coefficients."""
    columns, y = setting.columns, setting.y
    disturbed = disturbance(noise)
    coef, mean = first.copy(), np.zeros(4)
    for _ in range(setting.steps):
        gradient = columns.T @ np.clip(columns @ coef - y, -1, 1)
        mean = ALPHA * mean + (1 - ALPHA) * gradient * gradient
        coef = disturbed(coef - setting.lr * gradient / (np.sqrt(mean) + EPS))
    residual = columns @ coef - y
    pull = np.clip(residual, -1, 1)
    return np.array([pull @ (residual - pull / 2), *coef])


def batches_run(setting: Setting, drawn: Whole, first: Array, noise: float = 0.0) -> Array:
    """Return the last loss on all samples after updates on minibatches in these orders, and the coefficients."""
    columns, y = setting.columns, setting.y
    disturbed = disturbance(noise)
    coef, mean, made = first.copy(), np.zeros(4), 0
    for order in drawn:
        shuffled, wanted = columns[order], y[order]
        for low in range(0, setting.samples, setting.size)[: setting.steps - made]:
            some = shuffled[low : low + setting.size]
            gradient = 2 * (some.T @ (some @ coef - wanted[low : low + setting.size]))
            mean = ALPHA * mean + (1 - ALPHA) * gradient * gradient
            coef = disturbed(coef - setting.lr * gradient / (np.sqrt(mean) + EPS))
            made += 1
    residual = columns @ coef - y
    return np.array([residual @ residual, *coef])


def huber(setting: Setting) -> list[Contestant]:
    """Return the Huber loss on the samples."""
    first = start(0)
    return [Contestant("NumPy", lambda _: huber_run(setting, first), np.asarray, work=setting.steps)]


def batches(setting: Setting) -> list[Contestant]:
    """Return the minibatches, of permutations drawn beforehand."""
    first, drawn = start(0), orders(setting, 0)
    name = "NumPy, permutations drawn beforehand"
    return [Contestant(name, lambda _: batches_run(setting, drawn, first), np.asarray, work=setting.steps)]
