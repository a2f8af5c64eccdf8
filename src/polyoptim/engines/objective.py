"""What a run makes small: the loss and its slope at given coefficients."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from polyoptim.losses import Loss
from polyoptim.primitives import divide
from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic
from polyoptim.tracing import rebound

Array = npt.NDArray[np.float64]
# Coefficients that are measured one by one: arrays would take longer.
FEW = 5


class Objective(Protocol):
    """A loss as a function of the coefficients, in the order of the powers."""

    def evaluate(self, coef: list[float]) -> tuple[float, list[float]]:
        """Return the loss and its gradient."""

    def measure(self, coef: list[float]) -> tuple[float, list[float], float | None]:
        """Return the same, and loss - optimum where it is known without a difference of two sums."""

    def measure_many(self, coefs: list[list[float]]) -> list[tuple[float, float, float | None]]:
        """Return the loss, the norm of its gradient and loss - optimum of each: the numbers of `measure`."""


def one_by_one(objective: Objective, coefs: list[list[float]]) -> list[tuple[float, float, float | None]]:
    """Return what ``measure_many`` does."""
    found = (objective.measure(coef) for coef in coefs)
    return [(loss, norm(gradient), excess) for loss, gradient, excess in found]


Slope = Callable[[list[float]], tuple[float, list[float]]]


class QuadraticObjective:
    """The squared loss of all samples as ``factor (rss + ‖R c − q‖²)``, with R triangular.

    Attributes
    ----------
    rows : R, and zeros below it, shape (m, m).
    wanted : q, shape (m,).
    down : 2 · factor · R.
    slope : returns ‖R c − q‖² and its gradient times factor; the text below until somebody sets a faster one.
    """

    def __init__(self, quadratic: Quadratic) -> None:
        m = quadratic.r.shape[1]
        triangle, wanted = quadratic.r, quadratic.q
        if np.tril(triangle, -1).any():
            turn, triangle = np.linalg.qr(quadratic.r)
            triangle, wanted = np.triu(triangle), turn.T @ quadratic.q
        self.rows, self.wanted = np.zeros((m, m)), np.zeros(m)
        self.rows[: len(triangle)], self.wanted[: len(triangle)] = triangle, wanted
        self.factor, self.optimum = quadratic.factor, quadratic.optimum
        self.down = 2 * self.factor * self.rows
        rows = [row[place:] for place, row in enumerate(self.rows.tolist())]
        down = [column[: place + 1] for place, column in enumerate(self.down.T.tolist())]
        self.slope: Slope = partial(slope, rows=rows, wanted=self.wanted.tolist(), down=down)

    def evaluate(self, coef: list[float]) -> tuple[float, list[float]]:
        """Return the loss and its gradient."""
        return self.measure(coef)[:2]

    def measure(self, coef: list[float]) -> tuple[float, list[float], float | None]:
        """Return the loss, its gradient, and loss - optimum, accurate to the last digits."""
        value, gradient = self.slope(coef)
        excess = self.factor * value
        return self.optimum + excess, gradient, excess

    def measure_many(self, coefs: list[list[float]]) -> list[tuple[float, float, float | None]]:
        """Return the loss, the norm of its gradient and loss - optimum of each: the numbers of `measure`.

        The text of the slope is the same for a number and for a row of them, one for each.
        """
        if self.slope == self.array_slope or len(coefs) < FEW:
            return one_by_one(self, coefs)
        with np.errstate(all="ignore"):
            value, gradient = self.slope(list(np.array(coefs).T))
            excess = self.factor * value
            norms = np.sqrt(dot(gradient, gradient))
            return list(zip((self.optimum + excess).tolist(), norms.tolist(), excess.tolist(), strict=True))  # type: ignore[attr-defined]

    def array_slope(self, coef: list[float]) -> tuple[float, list[float]]:
        """Return what `slope` does by NumPy, for many columns: its sums are in another order."""
        with np.errstate(all="ignore"):
            residual = self.rows @ np.array(coef) - self.wanted
            return float(residual @ residual), (self.down.T @ residual).tolist()


def slope(
    coef: list[float], rows: list[list[float]], wanted: list[float], down: list[list[float]]
) -> tuple[float, list[float]]:
    """Return ‖R c − q‖² and its gradient times a factor, for a triangular R.

    This text is the plain engine's and, traced, the compiled one's. q is subtracted from the first product rather than
    from the sum: the last coefficient that an update gives then waits for one sum less, 3% of an update's time.

    Parameters
    ----------
    coef : c.
    rows : the rows of R from the diagonal on.
    wanted : q.
    down : the columns of 2 · factor · R down to the diagonal.
    """
    residual = [
        added(row[0] * coef[place] - wanted[place], row[1:], coef[place + 1 :]) for place, row in enumerate(rows)
    ]
    return dot(residual, residual), [dot(column, residual) for column in down]


def dot(a: list[float], b: list[float]) -> float:
    """Return the sum of a[k] b[k] over the k of `a`, in their order."""
    return added(a[0] * b[0], a[1:], b[1:])


def added(total: float, a: list[float], b: list[float]) -> float:
    """Return `total` plus a[k] b[k] for each k of `a`, in their order."""
    for place, factor in enumerate(a):
        total = total + factor * b[place]
    return total


# What the text of a loss calls, for arrays.
WHOLE_ARRAYS: dict[str, Callable[..., Any]] = {
    "where": np.where,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "divide": np.divide,
    "power": np.power,
    "exp": np.exp,
    "log1p": np.log1p,
}


Sums = Callable[["DataObjective", Array, int, int], list[float]]


class DataObjective:
    """Any loss on the samples themselves.

    Attributes
    ----------
    u, y, weight : the samples, u in the variable of the basis, as they are or in the order of an epoch; `weight` is
        empty where there is none. With several columns of x, u is the design, shape (n, m).
    options : of the loss, in their order.
    sums : what sums over some of the samples; by NumPy until somebody sets another.
    """

    def __init__(self, problem: Problem, loss: Loss, options: Mapping[str, float]) -> None:
        samples = problem.samples
        self.problem, self.loss, self.mean = problem, loss, problem.reduction == "mean"
        u = problem.domain.map(samples.x) if problem.terms is None else problem.design()
        self.u = np.ascontiguousarray(u, dtype=np.float64)
        self.y = np.ascontiguousarray(samples.y, dtype=np.float64)
        self.weight = np.zeros(0) if samples.weight is None else np.ascontiguousarray(samples.weight)
        self.options = np.array([float(options[name]) for name in loss.options])
        self._residual = rebound(loss.residual, WHOLE_ARRAYS)
        self._named = dict(options)
        self.sums: Sums = DataObjective.array_sums

    def __len__(self) -> int:
        return len(self.u)

    def reordered(self, order: npt.NDArray[np.int64]) -> DataObjective:
        """Return the same samples in another order."""
        other = copy.copy(self)
        other.u, other.y = self.u[order], self.y[order]
        other.weight = self.weight[order] if len(self.weight) else self.weight
        return other

    def evaluate(self, coef: list[float]) -> tuple[float, list[float]]:
        """Return the loss of all samples and its gradient."""
        return self.part(coef, 0, len(self))

    def measure(self, coef: list[float]) -> tuple[float, list[float], float | None]:
        """Return the same, and None: the optimum of these losses is not known by itself."""
        return (*self.evaluate(coef), None)

    def measure_many(self, coefs: list[list[float]]) -> list[tuple[float, float, float | None]]:
        """Return the loss, the norm of its gradient and None of each."""
        return one_by_one(self, coefs)

    def part(self, coef: list[float], low: int, high: int) -> tuple[float, list[float]]:
        """Return the loss of the samples low, …, high - 1 and its gradient."""
        sums = self.sums(self, np.array(coef), low, high)
        scale = divide(1.0, sums[-1]) if self.mean else 1.0
        return scale * sums[0], [scale * part for part in sums[1:-1]]

    def array_sums(self, coef: Array, low: int, high: int) -> list[float]:
        """Return the sums of the losses, of their slopes by each coefficient, and of the weights."""
        weight = self.weight[low:high] if len(self.weight) else np.ones(high - low)
        with np.errstate(all="ignore"):
            chosen = self._columns(self.u[low:high])
            value, pull = self._residual(chosen @ coef - self.y[low:high], **self._named)
            return [float(weight @ value), *(chosen.T @ (weight * pull)).tolist(), float(weight.sum())]

    def _columns(self, u: Array) -> Array:
        if u.ndim == 2:
            return u
        columns = self.problem.family.columns(u, self.problem.degree)
        return np.stack([columns[k] for k in self.problem.powers], axis=-1)


def norm(gradient: list[float]) -> float:
    """Return the Euclidean norm."""
    return math.sqrt(dot(gradient, gradient))
