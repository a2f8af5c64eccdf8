"""Judging: the values of a body next to the truth, which ball arithmetic gives, input by input.

What takes all inputs of float32 is `measuring`; here are those of a shorter format, or a sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx

from polyoptim.arithmetic import evaluate_body, rounded
from polyoptim.errors import DataError
from polyoptim.formats import Format
from polyoptim.functions.recipe import Recipe
from polyoptim.instructions import Body
from polyoptim.targets.balls import evaluate
from polyoptim.targets.expression import parse
from polyoptim.targets.nodes import Node

Array = npt.NDArray[Any]

PRECISIONS = (120, 400, 4000)  # bits, until a value is known to CLOSE of itself
CLOSE = 80
FEW = 2.0**32  # a double with more bits than that is far from the middle of two float32
BINS, PER_ULP = 129, 8  # of a histogram; the last one holds the rest
WORST = 8  # inputs that are kept


@dataclass(frozen=True)
class Truth:
    """Inputs, and the true values there.

    Parameters
    ----------
    x : float32.
    high, low : float64, whose sum is the truth to twice their digits; NaN and infinities in `high`.
    own : the format to which values are rounded.
    """

    x: Array
    high: Array
    low: Array
    own: Format

    @property
    def nearest(self) -> Array:
        """The correctly rounded values, in float64."""
        return rounded(_odd(self.high, self.low), self.own)

    @property
    def units(self) -> Array:
        """The distance of two numbers of the format where the truth lies; beyond the largest that of the last ones."""
        assert self.own.digits is not None  # noqa: S101 - it is a floating-point format
        assert self.own.finest is not None  # noqa: S101
        top = np.frexp(float(self.own.largest or 0))[1]
        exponents = np.minimum(np.frexp(_odd(self.high, self.low))[1], top)
        return np.asarray(np.ldexp(1.0, np.maximum(exponents - self.own.digits, self.own.finest)))


@dataclass(frozen=True)
class Judged:
    """How far values are from the truth.

    Parameters
    ----------
    max_ulp : the largest error, in units in the last place of the truth.
    flips : the share of values that are not the correctly rounded ones.
    worst : inputs with the largest errors, and these, the largest first.
    histogram : how many errors are in [k / 8, (k + 1) / 8) ulp; those beyond in the last.
    count : of inputs.
    """

    max_ulp: float
    flips: float
    worst: tuple[tuple[float, float], ...]
    histogram: tuple[int, ...]
    count: int


def truth_of(recipe: Recipe, x: Array, own: Format) -> Truth:
    """Return the true values of a function at float32 inputs.

    Raises
    ------
    DataError
        Where ball arithmetic does not find one.
    """
    x = np.asarray(x, dtype=np.float32)
    high, low = np.full(x.shape, np.nan), np.zeros(x.shape)
    open_ = ~np.isnan(x)
    for limit in recipe.limits:
        inside = (x >= limit.low) & (x <= limit.high)
        high[inside] = float(limit.value)
        open_ &= ~inside
    for negative, text in zip((False, True), recipe.zeros, strict=True):
        zero = (x == 0) & (np.signbit(x) == negative)
        high[zero] = float(text)
        open_ &= ~zero
    places = np.flatnonzero(open_)
    for place, (value, rest) in zip(places, _values(parse(recipe.truth).root, x[places]), strict=True):
        high[place], low[place] = value, rest
    return Truth(x, high, low, own)


def _values(root: Node, x: Sequence[float] | Array) -> Iterator[tuple[float, float]]:
    before = ctx.prec
    try:
        for one in x:
            yield _value(root, float(one))
    finally:
        ctx.prec = before


def _value(root: Node, x: float) -> tuple[float, float]:
    for bits in PRECISIONS:
        ctx.prec = bits
        ball = evaluate(root, arb(x))
        if ball.is_finite() and ball.rel_accuracy_bits() > CLOSE:
            high = float(ball)
            low = ball - arb(high)
            # Between two numbers of a format the side decides; never found where the truth is the number itself.
            if not low.contains(0) or ball.is_exact() or math.frexp(high)[0] * FEW % 1:
                return high, float(low)
            if bits == PRECISIONS[-1]:
                return high, 0.0
    raise DataError(f"the true value at {x!r} was not found in {PRECISIONS[-1]} bits.")


def _odd(high: Array, low: Array) -> Array:
    """Return a sum rounded to odd, so that it is rounded again as if once."""
    bits = np.ascontiguousarray(high).view(np.int64)
    inexact = (low != 0) & (bits & 1 == 0)
    return np.where(inexact, bits + np.where((low > 0) == (high > 0), 1, -1), bits).view(np.float64)


def judge(body: Body, truth: Truth) -> Judged:
    """Return how far the values of a body are from the truth, where both are NaN not at all."""
    return judged(evaluate_body(body, truth.x), truth)


def judged(values: Array, truth: Truth, known: Mapping[int, tuple[float, bool]] | None = None) -> Judged:
    """Return how far values are from the truth.

    Parameters
    ----------
    values : float32, at the inputs of the truth.
    known : errors by place, and whether they are flips, where the truth does not decide.
    """
    with np.errstate(all="ignore"):  # infinities and NaN are values
        found = values.astype(np.float64)
        expected = truth.nearest
        same = (found == expected) & (np.signbit(found) == np.signbit(expected)) | (
            np.isnan(found) & np.isnan(expected)
        )
        errors = np.abs((found - truth.high) - truth.low) / truth.units
        exact = np.isinf(expected) | np.isnan(expected) | (truth.high == 0)  # the same, or wrong altogether
        errors = np.where(exact, np.where(same, 0.0, np.inf), np.where(np.isnan(errors), np.inf, errors))
    for place, (error, flip) in (known or {}).items():
        errors[place], same[place] = error, not flip
    bins = np.minimum(np.minimum(errors, BINS) * PER_ULP, BINS - 1).astype(np.int64)
    largest = np.argpartition(-errors, WORST)[:WORST] if len(errors) > WORST else np.arange(len(errors))
    order = largest[np.argsort(-errors[largest], kind="stable")]
    return Judged(
        float(errors.max()),
        float(np.mean(~same)),
        tuple((float(truth.x[place]), float(errors[place])) for place in order),
        tuple(np.bincount(bins, minlength=BINS).tolist()),
        len(errors),
    )


def together(parts: Sequence[Judged]) -> Judged:
    """Return what parts of the inputs give together."""
    count = sum(part.count for part in parts)
    worst = sorted({pair for part in parts for pair in part.worst}, key=lambda pair: -pair[1])[:WORST]
    histogram = tuple(sum(values) for values in zip(*(part.histogram for part in parts), strict=True))
    flips = sum(part.flips * part.count for part in parts) / count
    return Judged(max(part.max_ulp for part in parts), flips, tuple(worst), histogram, count)


def numbers_of(own: Format) -> Array:
    """Return all numbers of a format of 16 bits, with infinities and a NaN of either sign, as float32."""
    bits = np.arange(1 << 16, dtype=np.uint32)
    with np.errstate(invalid="ignore"):  # of signalling NaN
        if own.name == "bfloat16":
            return (bits << 16).view(np.float32)
        return bits.astype(np.uint16).view(np.float16).astype(np.float32)


def sample(recipe: Recipe, count: int, seed: int = 0) -> Array:
    """Return float32 inputs: of all sizes, of those sizes in which something happens, and beside the limits."""
    draw = np.random.default_rng(seed)
    any_ = draw.integers(0, 1 << 32, count // 2, dtype=np.uint64).astype(np.uint32).view(np.float32)
    usual = draw.uniform(-1, 1, count // 2) * 2.0 ** draw.integers(-13, 8, count // 2)
    ends = [end for limit in recipe.limits for end in (limit.low, limit.high)]
    near = np.array([end for end in ends if np.isfinite(end)], dtype=np.float32)[:, None].view(np.int32)
    beside = (near + np.arange(-16, 17, dtype=np.int32)).astype(np.int32).view(np.float32).ravel()
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype=np.float32)
    return np.concatenate([any_, usual.astype(np.float32), beside, special])
