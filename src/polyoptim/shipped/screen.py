"""Screen: many sets of coefficients on some inputs, side by side on all cores."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.exhaustive import Machine
from polyoptim.exhaustive.measure import Rooms, cores
from polyoptim.exhaustive_kernel import kernel as loops
from polyoptim.screen_kernel import kernel
from polyoptim.shipped.sample import Sample

Array = npt.NDArray[np.float64]

SHARE = 32  # candidates that a thread takes at a time


class Screen:
    """Finds the largest error, or the number of flips, of candidates on inputs that may grow.

    Parameters
    ----------
    machine : the program.
    flips : whether flips are counted.
    """

    def __init__(self, machine: Machine, flips: bool) -> None:
        self.machine, self.flips = machine, flips
        self._kept = threading.local()

    def run(self, candidates: Array, inputs: Sample, limit: float) -> Array:
        """Return what each candidate reaches, shape (candidates,); above the limit it may be more.

        Parameters
        ----------
        candidates : shape (candidates, constants).
        """
        found = np.zeros(len(candidates))
        spans = [(first, min(first + SHARE, len(candidates))) for first in range(0, len(candidates), SHARE)]
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(lambda span: self._part(candidates, inputs, limit, found, *span), spans))
        return found

    def _part(self, candidates: Array, inputs: Sample, limit: float, found: Array, first: int, last: int) -> None:
        if not hasattr(self._kept, "rooms"):
            self._kept.rooms = Rooms(self.machine.registers)
        rooms: Any = self._kept.rooms
        words = loops()
        kernel().screen(
            *(words.run_doubles, words.run_words, words.round_to, int(self.machine.wide), int(self.flips)),
            *(self.machine.steps, self.machine.formats, candidates),
            *(inputs.x, inputs.s, inputs.e, inputs.unit, inputs.right, len(inputs), limit),
            *(rooms.doubles, rooms.patterns, rooms.words, rooms.singles, rooms.signed, rooms.scratch, rooms.bits),
            *(found, first, last),
        )


def joined(samples: Sequence[Sample], most: int) -> Sample:
    """Return all inputs of some samples, once each, at most so many, the first ones first."""
    x = np.concatenate([one.x for one in samples])
    _, places = np.unique(x, return_index=True)
    places = np.sort(places)[:most]
    columns = [np.concatenate([getattr(one, name) for one in samples])[places] for name in ("s", "e", "unit", "right")]
    return Sample(x[places], *columns)
