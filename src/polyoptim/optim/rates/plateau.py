"""ReduceLROnPlateau: the schedule that looks at the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

from polyoptim.errors import ArgumentError
from polyoptim.optim.rates.form import Each, bind, number
from polyoptim.registry import unknown

STATE = ("lr", "best", "num_bad_epochs", "cooldown_counter", "last_epoch")


class Plateau:
    r"""Multiply the lr by a factor where the loss has not got better for some steps.

    A loss is better than the best so far where :math:`L < L^* (1 - \epsilon)`, or for threshold_mode "abs"
    :math:`L < L^* - \epsilon`; for mode "max" the other way round. After more than `patience` steps without one the lr
    becomes :math:`\max(\eta f, \eta_{min})`, unless that changes it by at most `eps`; the next `cooldown` steps do not
    count.

    Parameters
    ----------
    lr : the lr of update 0.
    mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps : torch's options.

    Attributes
    ----------
    lr : the lr of the next update.
    best, num_bad_epochs, cooldown_counter, last_epoch : the state, by torch's names.

    Examples
    --------
    >>> plateau = Plateau(0.5, factor=0.1, patience=1)
    >>> [plateau.step(loss) for loss in [3.0, 2.0, 2.0, 2.0, 1.0]]
    [0.5, 0.5, 0.5, 0.05, 0.05]
    """

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Each = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ArgumentError(f"factor must be below 1, got {factor!r}.")
        if mode not in ("min", "max"):
            raise unknown("ReduceLROnPlateau mode", mode, ["min", "max"])
        if threshold_mode not in ("rel", "abs"):
            raise unknown("threshold_mode", threshold_mode, ["rel", "abs"])
        self.lr = float(lr)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.min_lr, self.eps = factor, patience, cooldown, min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, loss: SupportsFloat) -> float:
        """Take the loss of an update and return the lr of the next. A loss that is NaN is not better."""
        current = float(loss)
        self.last_epoch += 1
        self.num_bad_epochs += 1
        if self._better(current):
            self.best, self.num_bad_epochs = current, 0
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        return self.lr

    def snapshot(self) -> dict[str, Any]:
        """Return the state, for `restore`."""
        return {name: getattr(self, name) for name in STATE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        for name in STATE:
            setattr(self, name, state[name])

    def _better(self, loss: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        bar = (
            self.best * (1.0 + sign * self.threshold)
            if self.threshold_mode == "rel"
            else self.best + sign * self.threshold
        )
        return loss < bar if self.mode == "min" else loss > bar

    def _reduce(self) -> None:
        lower = float(max(self.lr * self.factor, self.min_lr))
        if self.lr - lower > self.eps:
            self.lr = lower


def make_plateau(options: Mapping[str, Any], lr: float) -> Plateau:
    """Return the plateau of torch's options.

    Raises
    ------
    ArgumentError
        As ``rates`` does.
    """
    return Plateau(number("lr", lr), **bind("ReduceLROnPlateau", Plateau, options))
