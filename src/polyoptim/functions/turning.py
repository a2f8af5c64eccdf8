"""Turning: the sine of large numbers, of which no two neighbours lie in one period, so that no panel holds many.

x is a whole number m times a power of two, and with that power's product with 2/π, to 102 bits below the point, the
angle in quarters of a turn is a product of integers modulo 4. The sine or cosine of what is left is taken in doubles;
where they do not decide how the truth is rounded, balls do.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.exhaustive import machine_of
from polyoptim.exhaustive.truth import settle_one
from polyoptim.exhaustive_kernel import kernel
from polyoptim.formats import FORMATS
from polyoptim.functions.judging import Judged, Truth, judged, together
from polyoptim.functions.pieces import constant
from polyoptim.instructions import Body
from polyoptim.targets.nodes import Node

Array = npt.NDArray[Any]

SINGLE = FORMATS["float32"]
FIRST, LAST = 127, 254  # exponents of float32, with their bias, from 1 to the largest
SIGNIFICANDS = 1 << 23
TASK = 1 << 18
BLOCK = 4096  # inputs that go through the instructions together
FRACTION, LOW = 102, 40  # bits of an angle below the point, and how many of them are kept apart
DOUBT = 2.0**-20  # units in the last place, by which the truth is off at most; 2**-22 or less
WHOLE = 1 << 64


def tasks() -> Iterator[tuple[int, int]]:
    """Yield the exponent and the first significand of each part of the positive inputs from 1 on."""
    for exponent in range(FIRST, LAST + 1):
        for begin in range(0, SIGNIFICANDS, TASK):
            yield exponent, begin


class Turning:
    """A body at all inputs of abs(x) >= 1, next to the sine.

    Parameters
    ----------
    body : its value at -x has to be minus that at x, bit for bit.
    root : the tree of the sine.
    """

    def __init__(self, body: Body, root: Node) -> None:
        self.root = root
        self.machine = machine_of(body.instructions, SINGLE, SINGLE, constants=list(body.constants), value=body.output)
        self.constants = np.array([word.bits for word in body.constants.values()], dtype=np.uint32)

    def parts(self, threads: int | None = None) -> Iterator[Judged]:
        """Yield what parts of the inputs give, as they are done."""
        threads = threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        waiting = tasks()
        with ThreadPoolExecutor(threads) as pool:
            at_work = [pool.submit(self.part, *task) for _, task in zip(range(2 * threads), waiting, strict=False)]
            try:
                while at_work:
                    yield at_work.pop(0).result()
                    if (task := next(waiting, None)) is not None:
                        at_work.append(pool.submit(self.part, *task))
            finally:
                for one in at_work:
                    one.cancel()

    def part(self, exponent: int, begin: int) -> Judged:
        """Return what the inputs of a task and their negatives give."""
        significands = np.arange(begin, min(begin + TASK, SIGNIFICANDS), dtype=np.uint32)
        bits = significands | np.uint32(exponent << 23)
        x = bits.view(np.float32)
        found = self._values(bits)
        other = self._values(bits | np.uint32(1 << 31))
        true = true_sines(significands.astype(np.uint64) | np.uint64(SIGNIFICANDS), exponent - 150)
        truth = Truth(x, true, np.zeros(len(x)), SINGLE)
        positive = judged(found, truth, self._undecided(truth, found))
        odd = found.view(np.uint32) ^ np.uint32(1 << 31) == other.view(np.uint32)
        if odd.all():
            return together([positive, positive])
        place = int(np.argmin(odd))
        worst = ((-float(x[place]), math.inf), *positive.worst)
        flips = positive.flips + float(np.mean(~odd))
        return together([positive, Judged(math.inf, flips, worst, positive.histogram, positive.count)])

    def _values(self, bits: Array) -> Array:
        rooms = np.zeros((self.machine.registers, BLOCK), dtype=np.uint32)
        rooms[1 : len(self.constants) + 1] = self.constants[:, None]
        singles, signed = rooms.view(np.float32), rooms.view(np.int32)
        found = np.empty(len(bits), dtype=np.float32)
        for first in range(0, len(bits), BLOCK):
            part = bits[first : first + BLOCK]
            rooms[0, : len(part)] = part
            kernel().run_words(len(part), self.machine.steps, singles, signed, rooms)
            found[first : first + len(part)] = singles[self.machine.value, : len(part)]
        return found

    def _undecided(self, truth: Truth, found: Array) -> dict[int, tuple[float, bool]]:
        """Return errors and flips, by balls, of the inputs whose truth is too near to the middle of two numbers."""
        units = truth.units
        places = truth.high / units
        close = np.abs(np.abs(places - np.rint(places)) - 0.5) <= DOUBT
        return {
            int(place): settle_one(self.root, float(truth.x[place]), float(found[place]), SINGLE)
            for place in np.flatnonzero(close)
        }


def true_sines(significands: Array, exponent: int) -> Array:
    """Return the sines of whole numbers, in uint64 and of 24 bits, times a power of two; float64, right to 2**-46."""
    factor = int(constant("2/pi") * Fraction(2) ** (exponent + FRACTION)) % (1 << (FRACTION + 2))
    high, low = np.uint64(factor >> LOW), np.uint64(factor & ((1 << LOW) - 1))
    below = significands * low
    angle = significands * high + (below >> np.uint64(LOW))  # in quarters times 2**62, modulo 4 quarters
    quarter = (angle + np.uint64(1 << 61)) >> np.uint64(62)
    left = (angle - (quarter << np.uint64(62))).view(np.int64).astype(np.float64) * 2.0**-62
    rest = (below & np.uint64((1 << LOW) - 1)).astype(np.float64) * 2.0**-FRACTION
    turned = (left + rest) * (math.pi / 2)
    sines = np.where(quarter & np.uint64(1), np.cos(turned), np.sin(turned))
    return np.asarray(np.where(quarter & np.uint64(2), -sines, sines))
