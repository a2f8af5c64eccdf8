"""Minibatches: which samples an update of the torch engine sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from polyoptim.engines.tensors import generator_state, restore_generator


class Minibatches:
    """The indices of each minibatch: one ``randperm`` an epoch, the last short batch kept.

    Parameters
    ----------
    samples, size : how many there are, and how many an update sees.
    generator : stands where the global one of a plain program stands after the initialisation.
    place : moves the indices to the device.
    """

    def __init__(
        self, samples: int, size: int, generator: torch.Generator, place: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        self._samples, self._size, self._generator, self._place = samples, size, generator, place
        self._count = -(-samples // size)
        self._epoch, self._start = -1, b""  # the generator's state before the permutation of this epoch
        self._batches: tuple[torch.Tensor, ...] = ()

    def batch(self, update: int) -> torch.Tensor:
        """Return the batch of an update; the updates are asked for in their order."""
        epoch, place = divmod(update, self._count)
        if epoch != self._epoch:
            self._draw(epoch)
        return self._batches[place]

    def snapshot(self) -> dict[str, Any]:
        """Return the epoch and the state of the generator before it; its permutation is drawn again."""
        return {"epoch": self._epoch, "start": self._start}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        if state["epoch"] >= 0:
            restore_generator(self._generator, state["start"])
            self._draw(state["epoch"])

    def _draw(self, epoch: int) -> None:
        self._epoch, self._start = epoch, generator_state(self._generator)
        self._batches = self._place(torch.randperm(self._samples, generator=self._generator)).split(self._size)
