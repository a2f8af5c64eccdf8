"""Order statistics of a table in partitions: exact, by counting passes.

The bits of a float, read as an integer, can be ordered as the floats are. So all such integers are divided into bins; a
pass counts the rows in each, and the next pass divides the bin in which the wanted row is, until it holds one integer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from polyoptim.targets.partitions import Part, Partitions, pieces

Array = npt.NDArray[np.float64]
Each = Callable[[Part], Array]  # a number for each row

BITS = 11  # of a pass: bins for each rank
ROWS = 1 << 13  # at a time
SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class Counted:
    """How many rows lie in each bin of each rank; ``+`` adds them."""

    counts: npt.NDArray[np.int64]

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.counts + other.counts)


def ordered(rows: Partitions, each: Each, ranks: Sequence[int]) -> list[float]:
    """Return the values of some ranks, 0 for the least, of what each row of a weight > 0 has.

    Cost: six passes, whatever the ranks, of 2048 counts for each rank.
    """
    lows = [0] * len(ranks)  # the integers in which a rank is looked for begin here
    left = list(ranks)
    width = 64
    while width > 0:
        step = min(BITS, width)
        width -= step
        found = rows.total(partial(_counted, each, tuple(lows), width, step)).counts
        for place, counts in enumerate(found):
            below = np.cumsum(counts)
            own = int(np.searchsorted(below, left[place], side="right"))
            left[place] -= int(below[own - 1]) if own else 0
            lows[place] += own << width
    return [float(_value(low)) for low in lows]


def _counted(each: Each, lows: tuple[int, ...], width: int, step: int, part: Part) -> Counted:
    counts = np.zeros((len(lows), 1 << step), dtype=np.int64)
    for piece in pieces(part.counted(), ROWS):
        keys = _keys(each(piece))
        for place, low in enumerate(lows):
            above = width + step
            inside = keys[(keys >> np.uint64(above)) == np.uint64(low >> above)] if above < 64 else keys
            bins = (inside >> np.uint64(width)) & np.uint64((1 << step) - 1)
            counts[place] += np.bincount(bins.astype(np.int64), minlength=1 << step)
    return Counted(counts)


def _keys(values: Array) -> npt.NDArray[np.uint64]:
    """Return integers that are ordered as floats are."""
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)
    return np.where(bits & SIGN, ~bits, bits | SIGN)


def _value(key: int) -> np.float64:
    bits = np.uint64(key)
    bits = bits ^ SIGN if bits & SIGN else ~bits
    return bits.view(np.float64)
