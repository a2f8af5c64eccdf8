"""Round robin: each round every contestant in turn, so that a change of the machine's speed meets them all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    Parameters
    ----------
    name : as the table has it.
    run : does the work; it is given the number of the call.
    read : returns the numbers that were found, from what `run` returned.
    work : updates or runs that a call makes; times are per unit of it.
    single : whether it calculates in float32.
    seconds : takes the time from what `run` returned; None: it is measured from outside.
    all_cores : whether it may use all cores; otherwise one.
    """

    name: str
    run: Callable[[int], Any]
    read: Callable[[Any], Array]
    work: float = 1.0
    single: bool = False
    seconds: Callable[[Any], float] | None = None
    all_cores: bool = False


@contextmanager
def cores(every: bool) -> Iterator[None]:
    """Stay on one core, or on all that this process was given; where the system cannot do that, nothing happens."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ALL if every else {max(ALL)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


ALL = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def race(contestants: Sequence[Contestant], rounds: int, least: float) -> dict[str, Array]:
    """Return the seconds per unit of work of each contestant, one a round; a round of it lasts `least` seconds or more.

    All have run before: what is compiled or cached on first use is not timed.
    """
    calls = {contestant.name: _calls(contestant, least) for contestant in contestants}
    found: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds):
        shift = turn % max(len(contestants), 1)  # nobody always runs after the same neighbour
        for contestant in [*contestants[shift:], *contestants[:shift]]:
            found[contestant.name].append(_measured(contestant, calls[contestant.name], turn))
    return {name: np.array(seconds) for name, seconds in found.items()}


def _measured(contestant: Contestant, calls: int, turn: int) -> float:
    """Return the seconds per unit of work over some calls."""
    run, first = contestant.run, turn * calls
    with cores(contestant.all_cores):
        if contestant.seconds is not None:
            spent = sum(contestant.seconds(run(first + call)) for call in range(calls))
        else:
            begin = time.perf_counter()
            for call in range(calls):
                run(first + call)
            spent = time.perf_counter() - begin
    return spent / calls / contestant.work


def _calls(contestant: Contestant, least: float) -> int:
    once = _measured(contestant, 1, 0) * contestant.work
    if once >= least:
        return 1
    several = min(max(int(least / once / 4), 1), 1000)  # once more: the first call is slower
    once = _measured(contestant, several, 0) * contestant.work
    return max(int(np.ceil(least / once)), 1)
