"""Measuring: a body at each of the 2**32 float32, on all cores; where the function is one number, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from polyoptim.arithmetic import evaluate_body
from polyoptim.exhaustive import Measured, Meter, Run, Truth, machine_of, runs_of, truth_of
from polyoptim.exhaustive_kernel import COUNT, KIND, LEADING, LOW, PANEL_FLOATS, PANEL_INTEGERS, START, STEP, STRIDE
from polyoptim.formats import FORMATS
from polyoptim.functions import judging
from polyoptim.functions.judging import BINS, WORST, Judged
from polyoptim.functions.recipe import Recipe
from polyoptim.instructions import Body, Instruction, Word, bits_of
from polyoptim.targets.expression import parse

Advance = Callable[[int, int], None]  # inputs so far, and of how many
SINGLE = FORMATS["float32"]
LEAST, LARGEST = Fraction(1, 2**149), SINGLE.largest or Fraction(0)
PANEL = 1 << 18  # inputs of a panel in which a function is one number
NANS = ((0x7F800001, 0x80000000), (0xFF800001, 0x100000000))  # patterns
CHUNK = 1 << 20
COUNT_OF_ALL = 1 << 32


class AllInputs:
    """The truth of a function at every float32.

    Parameters
    ----------
    recipe : of the function.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        limits = recipe.limits
        low = max((one.high for one in limits if one.low == -math.inf), default=-math.inf)
        high = min((one.low for one in limits if one.high == math.inf), default=math.inf)
        first = SINGLE.next_up(Fraction(low)) if math.isfinite(low) else -LARGEST
        last = SINGLE.next_down(Fraction(high)) if math.isfinite(high) else LARGEST
        self.ordinary = truth_of(parse(recipe.truth).root, _runs(first, last), SINGLE)
        # Where the function is one number, its text and a truth which is 1 everywhere.
        self.constant = [
            (one.value, _ones(_runs(_finite(one.low), _finite(one.high)))) for one in limits if one.low < one.high
        ]

    def measure(self, body: Body, most_ulp: float = math.inf, advance: Advance | None = None) -> Judged:
        """Return how far a body is from the truth at every float32.

        Parameters
        ----------
        most_ulp : the work stops where an error is above it.
        advance : told how far the work is.
        """
        parts = [self._special(body)]
        jobs = [(body, self.ordinary, _judged)]
        jobs += [(_checked(body, value), truth, _right_or_wrong) for value, truth in self.constant]
        for one, truth, read in jobs:
            if max(part.max_ulp for part in parts) <= most_ulp:
                patterns = np.array([word.bits for word in one.constants.values()], dtype=np.uint32)
                machine = machine_of(one.instructions, SINGLE, SINGLE, constants=list(one.constants), value=one.output)
                meter = Meter(truth, machine)
                found = meter.measure(patterns, _after(sum(part.count for part in parts), advance), most_ulp)
                parts.append(read(found, meter, patterns))
        return _together(parts)

    def _special(self, body: Body) -> Judged:
        """Return what a body does with both zeros, both infinities and every NaN."""
        x = np.array([0.0, -0.0, math.inf, -math.inf], dtype=np.float32)
        found = judging.judge(body, judging.truth_of(self.recipe, x, SINGLE))
        count = wrong = 0
        for first, last in NANS:
            for begin in range(first, last, CHUNK):
                bits = np.arange(begin, min(begin + CHUNK, last), dtype=np.uint64).astype(np.uint32)
                wrong += int(np.sum(~np.isnan(evaluate_body(body, bits.view(np.float32)))))
                count += len(bits)
        worst = ((math.nan, math.inf),) if wrong else ()
        return _together([found, Judged(math.inf if wrong else 0.0, wrong / count, worst, _bins(count, wrong), count)])


def _finite(end: float) -> Fraction:
    return Fraction(end) if math.isfinite(end) else LARGEST if end > 0 else -LARGEST


def _runs(first: Fraction, last: Fraction) -> list[Run]:
    """Return the numbers of an interval but for 0."""
    halves = [(first, min(last, -LEAST)), (max(first, LEAST), last)]
    return runs_of(SINGLE, [(low, high) for low, high in halves if low <= high])


def _ones(runs: Sequence[Run]) -> Truth:
    """Return the truth of a function that is 1."""
    parts = [
        run.part(begin, min(begin + PANEL, run.count)) for run in runs for begin in range(0, run.count, PANEL)
    ]
    integers = np.zeros((len(parts), PANEL_INTEGERS), dtype=np.int64)
    floats = np.zeros((len(parts), PANEL_FLOATS))
    for place, run in enumerate(parts):
        integers[place, [KIND, START, STRIDE, COUNT]] = run.kind, run.start, run.stride, run.count
        floats[place, [LOW, STEP, LEADING]] = run.low, run.step, 1.0
    return Truth(parse("1").root, SINGLE, integers, floats)


def _checked(body: Body, value: str) -> Body:
    """Return a body which is 1 where another one's value has given bits, or is any NaN, and else 0."""
    number = float(value)
    one = Word(bits_of(1), True)
    if math.isnan(number):
        steps = [("eq", body.output, body.output), ("select", "checked1", "zero", "one")]
        constants = {"zero": Word(0, True), "one": one}
    else:
        steps = [("ieq", body.output, "expected"), ("and", "checked1", "one")]
        constants = {"expected": Word(int(np.float32(number).view(np.uint32)), True), "one": one}
    added = tuple(Instruction(f"checked{k}", kind, tuple(inputs)) for k, (kind, *inputs) in enumerate(steps, 1))
    return Body({**body.constants, **constants}, (*body.instructions, *added), added[-1].result)


def _after(offset: int, advance: Advance | None) -> Advance | None:
    return None if advance is None else lambda done, _: advance(offset + done, COUNT_OF_ALL)


def _judged(found: Measured, meter: Meter, patterns: Any) -> Judged:
    exact = meter.exact(found, patterns)
    worst = tuple((x, error) for error, x in exact.worst)
    return Judged(exact.max_ulp, exact.share, worst, tuple(exact.histogram.tolist()), exact.count)


def _right_or_wrong(found: Measured, meter: Meter, patterns: Any) -> Judged:  # noqa: ARG001 - as `_judged`
    worst = tuple((x, math.inf) for error, x in found.worst if error > 0)
    bins = _bins(found.count, found.flips)
    return Judged(math.inf if found.flips else 0.0, found.share, worst, bins, found.count)


def _bins(count: int, wrong: int) -> tuple[int, ...]:
    return (count - wrong, *[0] * (BINS - 2), wrong)


def _together(parts: Sequence[Judged]) -> Judged:
    """Return what parts of the inputs give together."""
    count = sum(part.count for part in parts)
    worst = sorted((pair for part in parts for pair in part.worst), key=lambda pair: -pair[1])[:WORST]
    histogram = tuple(sum(values) for values in zip(*(part.histogram for part in parts), strict=True))
    flips = sum(part.flips * part.count for part in parts) / count
    return Judged(max(part.max_ulp for part in parts), flips, tuple(worst), histogram, count)
