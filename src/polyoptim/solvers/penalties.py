"""Penalties: the losses with a slope that does not jump, in the form that Newton's method takes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyoptim.losses import Loss

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]

SMALL = 0.1  # below it a difference of logarithms loses digits
SERIES = tuple(1 / (2 * k * (2 * k - 1)) for k in range(9, 0, -1))  # of the conjugate of log cosh in u²


@dataclass(frozen=True)
class Penalty:
    """A loss as ``factor · length² · value(r / length)``.

    Parameters
    ----------
    length, factor : what makes one of the other; value(t) is about t² or t²/2 near 0.
    value, slope, curve : of t, elementwise.
    conjugate : the supremum over t of ``u t - value(t)``, for abs(u) <= limit; None where the loss is not convex.
    limit : the largest slope.
    """

    length: float
    factor: float
    value: Function
    slope: Function
    curve: Function
    conjugate: Function | None
    limit: float

    def ratio(self, t: Array) -> Array:
        """Return slope(t) / t, the weight of iteratively reweighted least squares."""
        zero = t == 0
        found: Array = np.where(zero, self.curve(np.zeros(1)), self.slope(t) / np.where(zero, 1.0, t))
        return found


def penalty_of(loss: Loss, options: Mapping[str, float]) -> Penalty:
    """Return the penalty of huber, smooth_l1 with beta > 0, soft_l1, logcosh or tukey."""
    return named_penalty(loss.name, options)


def named_penalty(name: str, options: Mapping[str, float]) -> Penalty:
    """Return the penalty of a loss by name."""
    return MAKERS[name](**options)


def _huber(delta: float) -> Penalty:
    """Huber (1964), Robust estimation of a location parameter, doi:10.1214/aoms/1177703732."""

    def value(t: Array) -> Array:
        pull: Array = slope(t)
        return pull * (t - 0.5 * pull)

    def slope(t: Array) -> Array:
        return np.minimum(np.maximum(t, -1.0), 1.0)

    return Penalty(
        delta,
        1.0,
        value,
        slope,
        lambda t: (np.abs(t) <= 1).astype(float),
        lambda u: 0.5 * u * u,
        1.0,
    )


def _smooth_l1(beta: float) -> Penalty:
    plain = _huber(beta)
    return Penalty(beta, 1 / beta, plain.value, plain.slope, plain.curve, plain.conjugate, 1.0)


def _soft_l1(delta: float) -> Penalty:
    def conjugate(u: Array) -> Array:
        square: Array = 0.25 * u * u
        found: Array = 2 * square / (1 + np.sqrt(np.maximum(1 - square, 0)))
        return found

    return Penalty(
        delta,
        1.0,
        lambda t: 2 * t * (t / (1 + np.hypot(1, t))),
        lambda t: 2 * t / np.hypot(1, t),
        lambda t: 2 * np.hypot(1, t) ** -3.0,
        conjugate,
        2.0,
    )


def _logcosh() -> Penalty:
    def value(t: Array) -> Array:
        size = np.abs(t)
        near = np.log1p(2 * np.sinh(0.5 * np.minimum(size, 1)) ** 2)
        found: Array = np.where(size < 1, near, size + np.log1p(np.exp(-2 * size)) - math.log(2))
        return found

    def curve(t: Array) -> Array:
        small: Array = np.exp(-2 * np.abs(t))
        return 4 * small / (1 + small) ** 2

    def conjugate(u: Array) -> Array:
        inside = np.clip(u, -1, 1)
        square = np.minimum(inside * inside, SMALL * SMALL)
        near = np.zeros_like(u)
        for part in SERIES:
            near = near * square + part
        parts = [np.where(side > 0, side * np.log(np.maximum(side, 1e-300)), 0) for side in (1 + inside, 1 - inside)]
        found: Array = np.where(np.abs(u) < SMALL, near * square, 0.5 * (parts[0] + parts[1]))
        return found

    return Penalty(1.0, 1.0, value, np.tanh, curve, conjugate, 1.0)


def _tukey(c: float) -> Penalty:
    def left(t: Array) -> Array:
        return 1 - np.minimum(t * t, 1)

    def value(t: Array) -> Array:
        square: Array = np.minimum(t * t, 1)
        return square * (3 - 3 * square + square * square) / 6

    return Penalty(
        c,
        1.0,
        value,
        lambda t: np.where(np.abs(t) < 1, t, 0) * left(t) ** 2,
        lambda t: left(t) * (5 * left(t) - 4),
        None,
        16 / (25 * math.sqrt(5)),
    )


MAKERS: dict[str, Callable[..., Penalty]] = {
    "huber": _huber,
    "smooth_l1": _smooth_l1,
    "soft_l1": _soft_l1,
    "logcosh": _logcosh,
    "tukey": _tukey,
}
