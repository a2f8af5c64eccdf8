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
from polyoptim.functions.judging import BINS, Judged, together
from polyoptim.functions.recipe import Recipe
from polyoptim.functions.turning import Turning
from polyoptim.instructions import Body, Instruction, Word, bits_of
from polyoptim.targets.expression import parse

Advance = Callable[[int, int], None]  # inputs so far, and of how many
SINGLE = FORMATS["float32"]
LEAST, LARGEST = Fraction(1, 2**149), SINGLE.largest or Fraction(0)
PANEL = 1 << 18  # inputs of a panel in which a function is one number
NANS = ((0x7F800001, 0x80000000), (0xFF800001, 0x100000000))  # patterns
CHUNK = 1 << 20
ONE = SINGLE.next_down(Fraction(1))  # up to here sines are found in panels
MORE = 2.0**-400  # what is too little to matter but where it decides
COUNT_OF_ALL = 1 << 32


class AllInputs:
    """The truth of a function at every float32.

    Parameters
    ----------
    recipe : of the function.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._known: dict[Body, Judged] = {}
        limits = recipe.limits
        low = max((one.high for one in limits if one.low == -math.inf), default=-math.inf)
        high = min((one.low for one in limits if one.high == math.inf), default=math.inf)
        first = SINGLE.next_up(Fraction(low)) if math.isfinite(low) else -LARGEST
        last = SINGLE.next_down(Fraction(high)) if math.isfinite(high) else LARGEST
        self.root = parse(recipe.truth).root
        if recipe.turns:
            first, last = -ONE, ONE
        least = SINGLE.next_up(Fraction(recipe.halved))
        self.ordinary = truth_of(self.root, _runs(first, last, least), SINGLE)
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
        if body in self._known:
            return self._known[body]
        parts = [self._special(body), *self._halved(body)]
        jobs = [(body, self.ordinary, _judged)]
        jobs += [(_checked(body, value), truth, _right_or_wrong) for value, truth in self.constant]
        for one, truth, read in jobs:
            if max(part.max_ulp for part in parts) <= most_ulp:
                patterns = np.array([word.bits for word in one.constants.values()], dtype=np.uint32)
                machine = machine_of(one.instructions, SINGLE, SINGLE, constants=list(one.constants), value=one.output)
                meter = Meter(truth, machine)
                found = meter.measure(patterns, _after(sum(part.count for part in parts), advance), most_ulp)
                parts.append(read(found, meter, patterns))
        if self.recipe.turns:
            self._turning(body, parts, most_ulp, advance)
        judged = together(parts)
        if judged.max_ulp <= most_ulp:  # so that all inputs were tried
            self._known[body] = judged
        return judged

    def _turning(self, body: Body, parts: list[Judged], most_ulp: float, advance: Advance | None) -> None:
        """Add what a body gives at all inputs from 1 on, and up to -1."""
        so_far = together(parts)
        for part in Turning(body, self.root).parts():
            so_far = together([so_far, part])
            if advance is not None:
                advance(so_far.count, COUNT_OF_ALL)
            if so_far.max_ulp > most_ulp:
                break
        parts[:] = [so_far]

    def _halved(self, body: Body) -> list[Judged]:
        """Return how far a body is from the truth where that is half of x and a little more."""
        end = bits_of(self.recipe.halved) + 1
        parts = []
        for begin in range(1, end, CHUNK):
            x = np.arange(begin, min(begin + CHUNK, end), dtype=np.uint32).view(np.float32)
            for each in (x, -x):
                more = np.full(len(x), MORE)
                parts.append(judging.judge(body, judging.Truth(each, each.astype(np.float64) / 2, more, SINGLE)))
        return parts

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
        return together([found, Judged(math.inf if wrong else 0.0, wrong / count, worst, _bins(count, wrong), count)])


def _finite(end: float) -> Fraction:
    return Fraction(end) if math.isfinite(end) else LARGEST if end > 0 else -LARGEST


def _runs(first: Fraction, last: Fraction, least: Fraction = LEAST) -> list[Run]:
    """Return the numbers of an interval but for those nearer to 0 than `least`."""
    halves = [(first, min(last, -least)), (max(first, least), last)]
    return runs_of(SINGLE, [(low, high) for low, high in halves if low <= high])


def _ones(runs: Sequence[Run]) -> Truth:
    """Return the truth of a function that is 1."""
    parts = [run.part(begin, min(begin + PANEL, run.count)) for run in runs for begin in range(0, run.count, PANEL)]
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
