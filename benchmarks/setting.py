"""What all contestants are given: the reference run, its starts and its samples, and what a run must come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

ALPHA, EPS = 0.99, 1e-8  # RMSprop's
LOWEST_RATE, HIGHEST_RATE = 1e-6, 1e-2  # of a sweep
# Near its limit cycle RMSprop amplifies rounding, and runs part. Where the right run itself moves by NEAR / 100
# when each update disturbs its coefficients by NOISE, values may lie apart by BAND. For float64, and for float32.
NOISE = {False: 1e-13, True: 1e-5}
NEAR = {False: 1e-6, True: 2e-3}
BAND = 0.1
# Margins are shares of a value and so much: some coefficients are zero but for their jitter.
SIZE = 0.1


@dataclass(frozen=True)
class Setting:
    """A cubic learns sin(x) on `samples` points of [-π, π] by `steps` updates of RMSprop, all in float64."""

    samples: int = 2000
    steps: int = 2000
    every: int = 100
    lr: float = 1e-3
    size: int = 32

    @cached_property
    def x(self) -> Array:
        """The samples."""
        return np.linspace(-np.pi, np.pi, self.samples)

    @cached_property
    def y(self) -> Array:
        """The target at the samples."""
        return np.sin(self.x)

    @cached_property
    def columns(self) -> Array:
        """The powers of x from 0 on, shape (samples, 4)."""
        return np.stack([np.ones_like(self.x), self.x, self.x * self.x, self.x**3], axis=1)

    @cached_property
    def quadratic(self) -> Quadratic:
        """The squared loss in a few numbers."""
        return quadratic(self.columns, self.y)

    @property
    def rows(self) -> int:
        """How many losses are recorded."""
        return self.steps // self.every


@dataclass(frozen=True)
class Quadratic:
    """The squared loss as ``rss + ‖R c − q‖²``, its gradient ``H c − b``."""

    h: Array
    b: Array
    r: Array
    q: Array
    rss: float


def quadratic(columns: Array, y: Array) -> Quadratic:
    """Return the squared loss of these columns in a few numbers."""
    turn, r = np.linalg.qr(columns)
    q = turn.T @ y
    rest = y - turn @ q
    return Quadratic(2 * r.T @ r, 2 * r.T @ q, r, q, float(rest @ rest))


def start(seed: int, dtype: torch.dtype = torch.float64) -> Array:
    """Return what ``torch.nn.Linear(3, 1)`` draws after ``torch.manual_seed(seed)``: the constant, then the weights."""
    torch.manual_seed(seed)
    line = torch.nn.Linear(3, 1, dtype=dtype)
    return np.concatenate([line.bias.detach().numpy(), line.weight.detach().numpy()[0]]).astype(np.float64)


def orders(setting: Setting, seed: int) -> Whole:
    """Return the permutations that torch draws after that start, shape (epochs, samples)."""
    start(seed)
    batches = -(-setting.samples // setting.size)
    return np.stack([torch.randperm(setting.samples).numpy() for _ in range(-(-setting.steps // batches))])


def disturbance(noise: float) -> Callable[[Array], Array]:
    """Return a function that adds a little noise, the same each time it is made: rounding does not shrink with coef."""
    random = np.random.default_rng(0)
    return (lambda coef: coef + noise * random.standard_normal(coef.shape)) if noise else lambda coef: coef


def trajectory(setting: Setting, first: Array, noise: float = 0.0) -> Array:
    """Return the recorded losses of the reference run from there, by plain NumPy on the samples, then the last one."""
    disturbed, coef, mean, losses = disturbance(noise), first.copy(), np.zeros(4), []
    for step in range(setting.steps):
        residual = setting.columns @ coef - setting.y
        if step % setting.every == setting.every - 1:
            losses.append(residual @ residual)
        gradient = 2 * (setting.columns.T @ residual)
        mean = ALPHA * mean + (1 - ALPHA) * gradient * gradient
        coef = disturbed(coef - setting.lr * gradient / (np.sqrt(mean) + EPS))
    residual = setting.columns @ coef - setting.y
    return np.array([*losses, residual @ residual])


def rates(count: int) -> Array:
    """Return the learning rates of a sweep."""
    return np.geomspace(LOWEST_RATE, HIGHEST_RATE, count)


class Expected:
    """What a run must come to, from `compute`, a function of the start and of noise that is right for sure."""

    def __init__(self, compute: Callable[[Array, float], Array], first: Array) -> None:
        self.wanted = compute(first, 0.0)
        self._moved = {single: np.abs(compute(first, noise) - self.wanted) for single, noise in NOISE.items()}

    def differs(self, found: Array, single: bool, in_time: bool = False) -> str:
        """Return why these are other values, empty where they are not; `in_time`: they are one run's, in its order."""
        near = NEAR[single] * (np.abs(self.wanted) + SIZE)
        parted = self._moved[single] > near / 100
        if in_time:
            parted = np.logical_or.accumulate(parted)
        return differs(found, self.wanted, np.where(parted, BAND * (np.abs(self.wanted) + SIZE), near))


def differs(found: Array, wanted: Array, margin: Array | float) -> str:
    """Return why these values are not the wanted ones within a margin; empty where they are."""
    if found.shape != wanted.shape:
        return f"{found.shape} values instead of {wanted.shape}"
    wrong = ~(np.abs(found - wanted) <= margin)
    if not wrong.any():
        return ""
    place = int(np.argmax(wrong))
    return f"value {place} is {float(found[place])!r} instead of {float(wanted[place])!r}"
