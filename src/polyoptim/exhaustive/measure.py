"""Measure: every input through a machine, on all cores, and what doubles leave in doubt decided by balls."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.arithmetic import rounded
from polyoptim.exhaustive.machine import Machine
from polyoptim.exhaustive.plain import inputs_of, judge, true_values, values
from polyoptim.exhaustive.truth import Truth, settle_one
from polyoptim.exhaustive_kernel import BINS, BLOCK, COUNT, DOUBT, LEADING, PER_ULP, WORST, kernel
from polyoptim.targets.balls import UndecidedError

TASK = 1 << 20  # inputs of a task
FEW = 1 << 17  # inputs for which no loop is compiled
ROOM = 1 << 14  # doubtful inputs that a task hands back at a time
Array = npt.NDArray[np.float64]
Advance = Callable[[int, int], object]  # inputs so far, and of how many


@dataclass
class Measured:
    """What was found over all inputs.

    Parameters
    ----------
    count, flips : inputs, and how many of their values are not the correctly rounded ones.
    worst : errors in units in the last place and their inputs, the largest first, at most 8.
    histogram : how many inputs have an error from k / 8 to (k + 1) / 8 units on; the last, of 16 and more.
    undecided : inputs of which 4000 bits did not tell how the truth is rounded; they are counted as flips.
    by_balls : inputs that balls decided.
    whole : whether all inputs were tried; not where a limit was passed.
    """

    count: int = 0
    flips: int = 0
    worst: list[tuple[float, float]] = field(default_factory=list)
    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    undecided: int = 0
    by_balls: int = 0
    whole: bool = True

    @property
    def max_ulp(self) -> float:
        """The largest error in units in the last place."""
        return self.worst[0][0] if self.worst else 0.0

    @property
    def share(self) -> float:
        """The share of flips, from 0 to 1."""
        return self.flips / self.count

    def add(self, u: float, x: float, flip: bool) -> None:
        """Add one input."""
        self.flips += flip
        self.histogram[int(u * PER_ULP) if u < BINS / PER_ULP else BINS - 1] += 1
        self.merge([(u, x)])

    def merge(self, worst: Sequence[tuple[float, float]]) -> None:
        """Take note of large errors."""
        if not self.worst or len(self.worst) < WORST or max(worst, default=(0.0, 0.0))[0] > self.worst[-1][0]:
            self.worst = sorted({*self.worst, *worst}, key=lambda pair: (-pair[0], abs(pair[1]), pair[1]))[:WORST]


class Meter:
    """Tries all inputs of a truth with programs of one structure.

    Parameters
    ----------
    truth : the function on the inputs.
    machine : the program.
    """

    def __init__(self, truth: Truth, machine: Machine) -> None:
        self.truth, self.machine = truth, machine
        self.threads = cores()
        self.tasks = list(_tasks(truth.integers[:, COUNT].tolist()))
        self._kept = threading.local()

    def measure(
        self,
        constants: npt.ArrayLike,
        advance: Advance | None = None,
        most_ulp: float = math.inf,
        most_flips: float = math.inf,
    ) -> Measured:
        """Return what all inputs give.

        Parameters
        ----------
        constants : float64 values of the machine's constants; for a machine on words their patterns, as uint32.
        advance : told how far the work is.
        most_ulp, most_flips : the work stops where more than that was found.
        """
        table = np.asarray(constants)
        if self.machine.wide and self.truth.count <= FEW:
            return self._plain(table)
        found = Measured()
        waiting, at_work = iter(self.tasks), set[Future[Any]]()
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                while True:
                    while len(at_work) < self.threads + 1 and found.whole and (task := next(waiting, None)):
                        at_work.add(pool.submit(self.run, *task, table, most_ulp, most_flips))
                    if not at_work:
                        return found
                    done, at_work = wait(at_work, return_when=FIRST_COMPLETED)
                    for one in done:
                        self._take(found, one.result(), most_ulp, most_flips)
                    if advance is not None:
                        advance(found.count, self.truth.count)
            finally:
                for one in at_work:
                    one.cancel()

    def values(self, x: npt.ArrayLike, constants: npt.ArrayLike) -> Array:
        """Return what the machine gives at some inputs, shape of x."""
        points, table = np.asarray(x, dtype=np.float64), np.asarray(constants)
        if self.machine.wide:
            return values(self.machine, points, table)
        rooms, found = self._rooms(table), []
        for begin in range(0, len(points), BLOCK):
            part = points[begin : begin + BLOCK]
            rooms.singles[0, : len(part)] = part
            kernel().run_words(len(part), self.machine.steps, rooms.singles, rooms.signed, rooms.words)
            found.append(rooms.singles[self.machine.value, : len(part)].astype(np.float64))
        return rounded(np.concatenate(found), self.machine.output)

    def near_midpoints(self, reach: float) -> Array:
        """Return the inputs whose truth is within some units of a midpoint between two numbers, and some more."""
        leading = np.abs(self.truth.floats[:, LEADING])
        wide = replace(self.truth, floats=self.truth.floats.copy())
        digits, finest = self.truth.output.digits or 0, self.truth.output.finest or 0
        wide.floats[:, DOUBT] += 2 * reach * np.ldexp(1.0, np.maximum(np.frexp(leading)[1] - digits, finest))
        meter = Meter(wide, self.machine)
        nothing = np.zeros(len(self.machine.constants))
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(
                pool.map(lambda task: meter.run(task[0], task[1], nothing, math.inf, math.inf)[-1], self.tasks)
            )
        return np.unique(np.concatenate(parts)[:, 0])

    def exact(self, found: Measured, constants: npt.ArrayLike) -> Measured:
        """Return it with its largest errors by balls: the loop's are off by some 2^-17 units."""
        worst = []
        points = [x for _, x in found.worst]
        for x, y in zip(points, self.values(points, constants).tolist(), strict=True):
            try:
                worst.append((settle_one(self.truth.tree, x, y, self.truth.output)[0], x))
            except UndecidedError:
                worst += [pair for pair in found.worst if pair[1] == x]
        return replace(found, worst=sorted(worst, key=lambda pair: (-pair[0], abs(pair[1]), pair[1])))

    def _plain(self, constants: Any) -> Measured:
        x = inputs_of(self.truth, self.machine.own)
        y = values(self.machine, x, constants)
        u, verdict = judge(*true_values(self.truth, self.machine.own, x), y, self.truth.output)
        sure = verdict < 2
        found = Measured()
        histogram = np.bincount(np.minimum(u[sure] * PER_ULP, BINS - 1).astype(np.int64), minlength=BINS)
        order = np.lexsort((np.abs(x[sure]), -u[sure]))[:WORST]
        worst = list(zip(u[sure][order].tolist(), x[sure][order].tolist(), strict=True))
        doubtful = np.stack([x[~sure], y[~sure]], axis=-1)
        self._take(found, (len(x), int((verdict == 1).sum()), worst, histogram, doubtful), math.inf, math.inf)
        return found

    def _take(self, found: Measured, part: Any, most_ulp: float, most_flips: float) -> None:
        count, flips, worst, histogram, doubtful = part
        found.count += count
        found.flips += flips
        found.histogram += histogram
        found.merge(worst)
        for x, y in doubtful.tolist():
            found.by_balls += 1
            try:
                found.add(*_in_order(settle_one(self.truth.tree, x, y, self.truth.output), x))
            except UndecidedError:
                found.undecided += 1
                found.flips += 1
        found.whole = found.whole and found.max_ulp <= most_ulp and found.flips <= most_flips

    def run(self, first: int, last: int, constants: Any, most_ulp: float, most_flips: float) -> Any:
        """Return what some panels give: inputs, flips, worst, histogram, and those that are in doubt, with values."""
        rooms = self._rooms(constants)
        truth, machine, loops = self.truth, self.machine, kernel()
        histogram = np.zeros(BINS, dtype=np.int64)
        worst_u, worst_x = np.full(WORST, -1.0), np.zeros(WORST)
        counts, at = np.zeros(2, dtype=np.int64), np.array([first, 0], dtype=np.int64)
        doubtful = []
        while at[0] < last:
            many = loops.measure(
                *(loops.run_doubles, loops.run_words, loops.judge, loops.true_values),
                *(int(machine.wide), truth.integers, truth.floats, int(at[0]), last, int(at[1])),
                *(machine.steps, machine.formats, most_ulp, float(most_flips)),
                *(rooms.doubles, rooms.patterns, rooms.words, rooms.singles, rooms.signed, rooms.scratch, rooms.bits),
                *(histogram, worst_u, worst_x, counts, rooms.doubtful, at),
            )
            doubtful.append(rooms.doubtful[:many].copy())
        worst = [(u, x) for u, x in zip(worst_u.tolist(), worst_x.tolist(), strict=True) if u >= 0]
        return int(counts[0]), int(counts[1]), worst, histogram, np.concatenate(doubtful)

    def _rooms(self, constants: Any) -> Rooms:
        if not hasattr(self._kept, "rooms"):
            self._kept.rooms = Rooms(self.machine.registers)
        rooms: Rooms = self._kept.rooms
        rooms.fill(constants)
        return rooms


class Rooms:
    """What a thread works in."""

    def __init__(self, registers: int) -> None:
        self.words = np.zeros((registers, BLOCK), dtype=np.uint32)
        self.singles, self.signed = self.words.view(np.float32), self.words.view(np.int32)
        self.doubles = np.zeros((registers, BLOCK))
        self.patterns = self.doubles.view(np.int64)
        self.scratch = np.zeros((8, BLOCK))
        self.bits = self.scratch.view(np.int64)
        self.doubtful = np.zeros((ROOM, 2))

    def fill(self, constants: Any) -> None:
        """Put constants into the registers after that of x."""
        many = len(constants)
        if constants.dtype == np.uint32:
            self.words[1 : many + 1] = constants[:, None]
        else:
            self.doubles[1 : many + 1] = constants[:, None]
            self.singles[1 : many + 1] = constants[:, None].astype(np.float32)


def cores() -> int:
    """Return how many cores there are for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_order(judged: tuple[float, bool], x: float) -> tuple[float, float, bool]:
    return judged[0], x, judged[1]


def _tasks(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield spans of panels with enough inputs for a task."""
    first, many = 0, 0
    for place, count in enumerate(counts):
        many += count
        if many >= TASK:
            yield first, place + 1
            first, many = place + 1, 0
    if first < len(counts):
        yield first, len(counts)
