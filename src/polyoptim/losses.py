"""How far: the losses by name, their options with defaults, and torch's class where torch has the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.primitives import divide, exp, log1p, power, sign, where
from polyoptim.registry import match, unknown


# Losses that torch lacks. They use methods of a tensor only, so that an exported program can hold their text.
def logcosh(prediction: Any, y: Any) -> Any:
    """Return log cosh r of each residual r, without overflow."""
    r = (prediction - y).abs()
    return r + (-2 * r).exp().log1p() - math.log(2)


def pnorm(prediction: Any, y: Any, p: float) -> Any:
    """Return abs(r)^p of each residual r."""
    return (prediction - y).abs().pow(p)


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
    """

    name: str
    meaning: str
    residual: Callable[..., tuple[float, float]]
    torch_class: str | None = None
    function: Callable[..., Any] | None = None
    options: Mapping[str, Option] = field(default_factory=dict)

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
            {"delta": Option(1.0, "a finite number > 0", lambda value: 0 < value < float("inf"))},
        ),
        Loss(
            "smooth_l1",
            "r²/(2 beta) where |r| < beta, else |r| − beta/2",
            smooth_l1_residual,
            "SmoothL1Loss",
            None,
            {"beta": Option(1.0, "a finite number >= 0", lambda value: 0 <= value < float("inf"))},
        ),
        Loss("logcosh", "log cosh r", logcosh_residual, None, logcosh),
        Loss(
            "pnorm",
            "|r|^p",
            pnorm_residual,
            None,
            pnorm,
            {"p": Option(2.0, "a finite number >= 1", lambda value: 1 <= value < float("inf"))},
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
