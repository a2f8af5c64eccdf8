"""How far: the losses by name, their options with defaults, and torch's class where torch has the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.primitives import divide, exp, log1p, power, sign, sqrt, where
from polyoptim.registry import match, unknown


# Losses that torch lacks. They use methods of a tensor only, so that an exported program can hold their text.
def logcosh(prediction: Any, y: Any) -> Any:
    """Return log cosh r of each residual r, without overflow."""
    r = (prediction - y).abs()
    return r + (-2 * r).exp().log1p() - math.log(2)


def pnorm(prediction: Any, y: Any, p: float) -> Any:
    """Return abs(r)^p of each residual r."""
    return (prediction - y).abs().pow(p)


def soft_l1(prediction: Any, y: Any, delta: float) -> Any:
    """Return 2 delta² (sqrt(1 + (r/delta)²) - 1) of each residual r, without cancellation."""
    square = ((prediction - y) / delta).square()
    return 2 * delta * delta * square / (1 + (1 + square).sqrt())


def quantile(prediction: Any, y: Any, q: float) -> Any:
    """Return q times what y is above the prediction, 1 - q times what it is below."""
    r = prediction - y
    return (1 - q) * r.relu() + q * (-r).relu()


def tukey(prediction: Any, y: Any, c: float) -> Any:
    """Return Tukey's biweight of each residual r; the last term is 0, and shows an r that is not finite."""
    r = prediction - y
    square = (r / c).square().clamp(max=1)
    return c * c / 6 * square * (3 - 3 * square + square * square) + 0 * r


# Value and slope of one residual r, in the text that is traced: where torch has the loss, with torch's slope at the
# kinks.
def squared_residual(r: float) -> tuple[float, float]:
    """Return r² and its slope."""
    return r * r, 2.0 * r


def absolute_residual(r: float) -> tuple[float, float]:
    """Return abs(r) and its slope, 0 at 0."""
    return abs(r), sign(r)


def huber_residual(r: float, delta: float) -> tuple[float, float]:
    """Return the loss of Huber and its slope."""
    pull = where(delta < r, delta, r)
    pull = where(pull < -delta, -delta, pull)
    return pull * (r - 0.5 * pull), pull


def smooth_l1_residual(r: float, beta: float) -> tuple[float, float]:
    """Return the smooth absolute value and its slope."""
    size, inside = abs(r), abs(r) < beta
    ratio = divide(r, beta)
    return where(inside, 0.5 * r * ratio, size - 0.5 * beta), where(inside, ratio, sign(r))


def logcosh_residual(r: float) -> tuple[float, float]:
    """Return log cosh r and its slope, tanh r, without overflow."""
    size = abs(r)
    small = exp(-2.0 * size)
    return size + log1p(small) - math.log(2), sign(r) * (1.0 - small) / (1.0 + small)


def pnorm_residual(r: float, p: float) -> tuple[float, float]:
    """Return abs(r)^p and its slope, 0 at 0."""
    size = abs(r)
    below = power(size, p - 1.0)  # one power serves both: powers are what takes the time
    return size * below, p * below * sign(r)


def soft_l1_residual(r: float, delta: float) -> tuple[float, float]:
    """Return the soft absolute value, about r² near 0 and 2 delta abs(r) far away, and its slope."""
    ratio = divide(r, delta)
    square = ratio * ratio
    root = sqrt(1.0 + square)
    return 2.0 * delta * delta * square / (1.0 + root), 2.0 * r / root


def quantile_residual(r: float, q: float) -> tuple[float, float]:
    """Return the pinball loss and its slope, 0 at 0; a residual below 0 means that y is above the polynomial."""
    pull = where(r > 0.0, 1.0 - q, where(r < 0.0, -q, 0.0))
    return pull * r, pull


def tukey_residual(r: float, c: float) -> tuple[float, float]:
    """Return Tukey's biweight, c²/6 from abs(r) = c on, and its slope."""
    ratio = divide(r, c)
    square = ratio * ratio
    square = where(square > 1.0, 1.0, square)
    left = 1.0 - square
    # 0 r: a loss with an upper end would hide a residual that is not finite.
    return c * c / 6.0 * square * (3.0 - 3.0 * square + square * square) + 0.0 * r, r * left * left


@dataclass(frozen=True)
class Option:
    """A number that a loss takes: its default and what is allowed."""

    default: float
    rule: str
    allows: Callable[[float], bool]


@dataclass(frozen=True)
class Loss:
    """The loss of one residual r = p(x) - y, before weights and reduction.

    Parameters
    ----------
    name : the word for `loss`.
    meaning : the formula, as a person reads it.
    residual : returns value and slope of one residual, given the options by name.
    torch_class : class of torch.nn that computes it, or None where torch has none.
    function : computes it from (prediction, y) where torch has none.
    options : by torch's names where torch has the loss.
    convex : whether its least value can be solved; where it cannot, the best that was found is no optimum.

    Notes
    -----
    No scale is estimated inside a loss: delta, beta and c are in the unit of y, as in torch, where statistics give
    them in multiples of a robust standard deviation.

    ``soft_l1`` is what ``scipy.optimize.least_squares`` calls ``rho_``, ``delta² rho(r²/delta²)`` for f_scale=delta,
    with ``rho(z) = 2 (sqrt(1 + z) - 1)``. It is about r² near 0, as the squared loss; SciPy's cost is half its sum.

    ``quantile`` is the pinball loss of ``y - p(x) = -r``: its optimum has the share q of the y below it (R. Koenker, G.
    Bassett, 1978, Regression quantiles, Econometrica 46, 33-50, doi:10.2307/1913643). With q = 1/2 it is half the
    absolute loss.

    ``tukey`` is the biweight of A. E. Beaton, J. W. Tukey (1974), Technometrics 16, 147-185,
    doi:10.1080/00401706.1974.10489171; c = 4.685 times the standard deviation loses 5 % of the efficiency of least
    squares on normal residuals.
    """

    name: str
    meaning: str
    residual: Callable[..., tuple[float, float]]
    torch_class: str | None = None
    function: Callable[..., Any] | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    convex: bool = True

    def check(self, options: Mapping[str, float]) -> dict[str, float]:
        """Return all options with their values.

        Raises
        ------
        ArgumentError
            For an unknown option or a value that is not allowed.
        """
        for name in options:
            if name not in self.options:
                if self.options:
                    raise unknown(f"{self.name} option", name, self.options)
                raise ArgumentError(f"loss {self.name!r} takes no options, got {name!r}. Leave it out.")
        values = {name: float(options.get(name, option.default)) for name, option in self.options.items()}
        for name, value in values.items():
            if not self.options[name].allows(value):
                rule = self.options[name].rule
                raise ArgumentError(f"{name} of loss {self.name!r} must be {rule}, got {value!r}.")
        return values


LENGTH = Option(1.0, "a finite number > 0", lambda value: 0 < value < float("inf"))

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("squared", "r²", squared_residual, "MSELoss"),
        Loss("absolute", "|r|", absolute_residual, "L1Loss"),
        Loss(
            "huber",
            "r²/2 where |r| ≤ delta, else delta (|r| − delta/2)",
            huber_residual,
            "HuberLoss",
            None,
            {"delta": LENGTH},
        ),
        Loss(
            "smooth_l1",
            "r²/(2 beta) where |r| < beta, else |r| − beta/2",
            smooth_l1_residual,
            "SmoothL1Loss",
            None,
            {"beta": Option(1.0, "a finite number >= 0", lambda value: 0 <= value < float("inf"))},
        ),
        Loss("soft_l1", "2 delta² (√(1 + (r/delta)²) − 1)", soft_l1_residual, None, soft_l1, {"delta": LENGTH}),
        Loss("logcosh", "log cosh r", logcosh_residual, None, logcosh),
        Loss(
            "pnorm",
            "|r|^p",
            pnorm_residual,
            None,
            pnorm,
            {"p": Option(2.0, "a finite number >= 1", lambda value: 1 <= value < float("inf"))},
        ),
        Loss(
            "quantile",
            "q (y − p(x)) where y is above p(x), else (1 − q) (p(x) − y)",
            quantile_residual,
            None,
            quantile,
            {"q": Option(0.5, "a number between 0 and 1", lambda value: 0 < value < 1)},
        ),
        Loss(
            "tukey",
            "c²/6 (1 − (1 − (r/c)²)³) where |r| ≤ c, else c²/6",
            tukey_residual,
            None,
            tukey,
            {"c": replace(LENGTH, default=4.685)},
            convex=False,
        ),
    )
}


def find_loss(name: str) -> Loss:
    """Return the loss of that name, in any letter case.

    Raises
    ------
    UnknownNameError
        With the nearest name.
    """
    return LOSSES[match("loss", name, LOSSES)]
