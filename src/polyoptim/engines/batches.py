"""Which samples an update sees: all of them, or one minibatch after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyoptim.engines.objective import DataObjective
from polyoptim.generator import Generator, Shuffle


class Everything:
    """All samples at each update.

    Attributes
    ----------
    data : the samples in their order.
    low, size, stride : the next update sees `size` samples from `low` on, the one after it those `stride` further.
    """

    def __init__(self, data: DataObjective) -> None:
        self.data, self.low, self.size, self.stride = data, 0, len(data), 0


class Batches:
    """Minibatches: one permutation an epoch, drawn from the run's own generator; the last short batch is kept.

    Attributes
    ----------
    data : the samples in the order of the epoch.
    low, size, stride : as in `Everything`.
    """

    def __init__(self, data: DataObjective, size: int, generator: Generator, swap: Shuffle | None) -> None:
        self._original, self._generator, self._swap = data, generator, swap
        self.data, self.low, self.size, self.stride = data, len(data), size, size
        self._epoch: dict[str, Any] | None = None  # the generator's state before the permutation of this epoch

    @property
    def left(self) -> int:
        """How many batches the epoch still has; a new one begins where it has none."""
        self.renew()
        return -(-(len(self.data) - self.low) // self.size)

    def renew(self) -> None:
        """Begin a new epoch where the present one is at its end."""
        if self.low >= len(self.data):
            self._epoch = self._generator.snapshot()
            self.data = self._original.reordered(self._generator.permutation(len(self.data), self._swap))
            self.low = 0

    def evaluate(self, coef: list[float]) -> tuple[float, list[float]]:
        """Return loss and gradient of the next batch."""
        return self.data.part(coef, self.low, min(self.low + self.size, len(self.data)))

    def skip(self, count: int) -> None:
        """Go on by so many batches."""
        self.low += count * self.size

    def snapshot(self) -> dict[str, Any]:
        """Return where in the data the run is, without the order itself: it is drawn again."""
        drawn = self._epoch is not None
        return {"generator": self._epoch or self._generator.snapshot(), "drawn": drawn, "low": self.low}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        self._generator.restore(state["generator"])
        if state["drawn"]:
            self.low = len(self.data)
            self.renew()
        self.low = state["low"]
