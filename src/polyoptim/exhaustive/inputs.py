"""Inputs: all numbers of a format in some intervals, or evenly spaced ones, as runs that a loop counts through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.arithmetic import rounded
from polyoptim.errors import ArgumentError
from polyoptim.exhaustive_kernel import BITS, GRID
from polyoptim.formats import FORMATS, Format, power_of_two

Array = npt.NDArray[np.float64]
Pieces = Sequence[tuple[Fraction, Fraction]]

GRID_BITS = 24  # the grid has so many halvings of a domain
SINGLE = FORMATS["float32"]
MOST_DIGITS = SINGLE.digits or 0


@dataclass(frozen=True)
class Run:
    """Inputs in ascending order, which a loop can count through.

    Parameters
    ----------
    kind : `BITS`, of which the i-th input is the float32 whose pattern is ``start + stride * i``, or `GRID`, of which
        it is ``low + step * (start + i)``, rounded to the format.
    count : how many there are.
    own : the format of which they are numbers.
    """

    kind: int
    start: int
    stride: int
    count: int
    own: Format
    low: float = 0.0
    step: float = 0.0

    def at(self, places: Any) -> Array:
        """Return inputs by their place."""
        found = np.asarray(places, dtype=np.int64)
        if self.kind == BITS:
            return (self.start + self.stride * found).astype(np.uint32).view(np.float32).astype(np.float64)
        return rounded(self.low + self.step * (self.start + found).astype(np.float64), self.own)

    def part(self, first: int, last: int) -> Run:
        """Return the inputs from one place to before another."""
        return Run(
            self.kind, self.start + self.stride * first, self.stride, last - first, self.own, self.low, self.step
        )


def runs_of(own: Format, pieces: Pieces, which: str = "all") -> list[Run]:
    """Return the inputs in some intervals.

    Parameters
    ----------
    own : float32, float16 or bfloat16; for a grid float64 as well.
    pieces : intervals with both ends, ascending and apart.
    which : "all" numbers of the format, 0 once; or "grid", in each interval [a, b] the 2^24 points a + k (b - a) 2^-24
        from k = 0 on, each rounded to the format.

    Raises
    ------
    ArgumentError
        For a format whose numbers are too many, or that is fixed point.
    """
    if own.digits is None or own.finest is None:
        raise ArgumentError(f"inputs of {own} are not tried one by one. Use a floating-point format.")
    if which == "grid":
        return [_grid(own, low, high) for low, high in pieces]
    if own.digits > MOST_DIGITS:
        raise ArgumentError(f"{own} has too many numbers for all to be tried. Use inputs='grid'.")
    return [run for low, high in pieces for run in _all(own, low, high)]


def count_of(runs: Sequence[Run]) -> int:
    """Return how many inputs there are."""
    return sum(run.count for run in runs)


def _grid(own: Format, low: Fraction, high: Fraction) -> Run:
    return Run(GRID, 0, 1, 1 << GRID_BITS, own, float(low), float((high - low) / power_of_two(GRID_BITS)))


def _all(own: Format, low: Fraction, high: Fraction) -> list[Run]:
    """Return the numbers of a format in an interval: negative ones, subnormal ones, which are a grid, positive ones."""
    assert own.digits is not None  # noqa: S101
    assert own.finest is not None  # noqa: S101
    first, last = own.clip(low), own.clip(high)
    middle = power_of_two(own.finest + own.digits - 1)  # the least normal number
    stride = 1 << (MOST_DIGITS - own.digits)
    runs = []
    if first <= -middle:
        start, end = _pattern(own, first, -1), _pattern(own, min(last, -middle), 1)
        runs.append(Run(BITS, start, -stride, (start - end) // stride + 1, own))
    step = power_of_two(own.finest)
    begin, stop = -(-max(first, step - middle) // step), min(last, middle - step) // step
    if begin <= stop:
        runs.append(Run(GRID, int(begin), 1, int(stop - begin) + 1, own, 0.0, float(step)))
    if last >= middle:
        start, end = _pattern(own, max(first, middle), 1), _pattern(own, last, -1)
        runs.append(Run(BITS, start, stride, (end - start) // stride + 1, own))
    return [run for run in runs if run.count > 0]


def _pattern(own: Format, value: Fraction, way: int) -> int:
    """Return the float32 pattern of the nearest number that is not nearer to 0 (1), or not farther from it (-1)."""
    size = abs(value)
    found = own.round(size)
    if way > 0 and found < size:
        found = own.next_up(found)
    elif way < 0 and found > size:
        found = own.next_down(found)
    return int(np.float32(-float(found) if value < 0 else float(found)).view(np.uint32))
