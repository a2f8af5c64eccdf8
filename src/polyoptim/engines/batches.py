"""Which samples an update sees: all of them, or one minibatch after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyoptim.engines.objective import DataObjective
from polyoptim.generator import Generator, Shuffle

# Epochs between two looks at the generator's state: one takes 24 µs, as long as three permutations of 2000 samples.
EPOCHS_A_LOOK = 16


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
        self._seen: dict[str, Any] = {}  # the generator's state some epochs ago, and how many permutations ago
        self._since = 0

    @property
    def left(self) -> int:
        """How many batches the epoch still has; a new one begins where it has none."""
        self.renew()
        return -(-(len(self.data) - self.low) // self.size)

    def renew(self) -> None:
        """Begin a new epoch where the present one is at its end."""
        if self.low >= len(self.data):
            if self._since % EPOCHS_A_LOOK == 0:
                self._seen, self._since = self._generator.snapshot(), 0
            self._since += 1
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
        drawn, generator = self._since > 0, self._generator
        if drawn:
            generator = Generator(0)
            generator.restore(self._seen)
            for _ in range(self._since - 1):
                generator.permutation(len(self.data), self._swap)
        return {"generator": generator.snapshot(), "drawn": drawn, "low": self.low}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        self._generator.restore(state["generator"])
        self._since = 0
        if state["drawn"]:
            self.low = len(self.data)
            self.renew()
        self.low = state["low"]
