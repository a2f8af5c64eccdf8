"""How far: the losses by name, their options with defaults, and torch's class where torch has the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.registry import match, unknown


# Losses that torch lacks. They use methods of a tensor only, so that an exported program can hold their text.
def logcosh(prediction: Any, y: Any) -> Any:
    """Return log cosh r of each residual r, without overflow."""
    r = (prediction - y).abs()
    return r + (-2 * r).exp().log1p() - math.log(2)


def pnorm(prediction: Any, y: Any, p: float) -> Any:
    """Return abs(r)^p of each residual r."""
    return (prediction - y).abs().pow(p)


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
    torch_class : class of torch.nn that computes it, or None where torch has none.
    function : computes it from (prediction, y) where torch has none.
    options : by torch's names where torch has the loss.
    """

    name: str
    meaning: str
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
        Loss("squared", "r²", "MSELoss"),
        Loss("absolute", "|r|", "L1Loss"),
        Loss(
            "huber",
            "r²/2 where |r| ≤ delta, else delta (|r| − delta/2)",
            "HuberLoss",
            None,
            {"delta": Option(1.0, "a finite number > 0", lambda value: 0 < value < float("inf"))},
        ),
        Loss(
            "smooth_l1",
            "r²/(2 beta) where |r| < beta, else |r| − beta/2",
            "SmoothL1Loss",
            None,
            {"beta": Option(1.0, "a finite number >= 0", lambda value: 0 <= value < float("inf"))},
        ),
        Loss("logcosh", "log cosh r", None, logcosh),
        Loss(
            "pnorm",
            "|r|^p",
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
