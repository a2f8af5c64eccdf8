"""What the text of an update rule or a loss may call beside arithmetic and ``abs``.

The results are those of IEEE 754 where Python would raise. Who traces a text brings its own.
"""

from __future__ import annotations

import math
import struct


def where(condition: bool, then: float, otherwise: float) -> float:
    """Return one of two values; both have been computed."""
    return then if condition else otherwise


def maximum(a: float, b: float) -> float:
    """Return the larger; not a number where either is not."""
    return a if a > b or a != a else b


def minimum(a: float, b: float) -> float:
    """Return the smaller; not a number where either is not."""
    return a if a < b or a != a else b


def sign(x: float) -> float:
    """Return -1, 0 or 1; 0 for what is not a number, as torch."""
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0


def sqrt(x: float) -> float:
    """Return the square root; not a number below zero."""
    return math.sqrt(x) if x >= 0.0 else math.nan


def divide(a: float, b: float) -> float:
    """Return a / b; infinite or not a number where b is zero.

    >>> divide(-1.0, 0.0), divide(0.0, 0.0)
    (-inf, nan)
    """
    if b != 0.0:
        return a / b
    return math.nan if a == 0.0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def power(base: float, exponent: float) -> float:
    """Return base to the exponent, for a base that is not negative; infinite where it overflows."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if base == 0.0 else math.nan


def to_float32(x: float) -> float:
    """Return the nearest number of float32.

    >>> to_float32(0.1)
    0.10000000149011612
    """
    try:
        return float(struct.unpack("f", struct.pack("f", x))[0])
    except OverflowError:
        return math.copysign(math.inf, x)


def lerp(start: float, end: float, weight: float) -> float:
    """Return start + weight (end - start), computed from the nearer end, as torch does."""
    step = end - start
    return where(abs(weight) < 0.5, start + weight * step, end - step * (1.0 - weight))


def exp(x: float) -> float:
    """Return e to the x; infinite where it overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def log1p(x: float) -> float:
    """Return the logarithm of 1 + x, for 0 <= x <= 1."""
    return math.log1p(x)
