"""Numbers of twice the digits: a float64 and what it leaves out, for arrays.

A pair (high, low) stands for the exact sum high + low, with ``|low| <= ulp(high) / 2``: about 106 bits. All of it is
additions and products of float64 in a fixed order, so that every machine gives the same bits. A product of two floats
is split as Veltkamp and Dekker do it; a fused multiply-add, where there is one, gives the same two numbers.

T. J. Dekker, A floating-point technique for extending the available precision, Numer. Math. 18, 224-242, 1971,
doi:10.1007/BF01397083.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

# A float64 or an array of them, and what it leaves out.
Pair = tuple[Any, Any]

SPLITTER = 2.0**27 + 1.0


def two_sum(a: Any, b: Any) -> Pair:
    """Return a + b exactly (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def fast_two_sum(a: Any, b: Any) -> Pair:
    """Return a + b exactly, for abs(a) >= abs(b) (Dekker)."""
    total = a + b
    return total, b - (total - a)


def two_product(a: Any, b: Any) -> Pair:
    """Return a · b exactly, for factors below 2^996 whose product does not underflow."""
    product = a * b
    big = SPLITTER * a
    a_high = big - (big - a)
    a_low = a - a_high
    big = SPLITTER * b
    b_high = big - (big - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def product(a: Pair, b: Pair) -> Pair:
    """Return a · b, wrong by a few 2^-104 of it."""
    high, low = two_product(a[0], b[0])
    return fast_two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


def scaled(a: Pair, factor: Any) -> Pair:
    """Return a times one float64."""
    high, low = two_product(a[0], factor)
    return fast_two_sum(high, low + a[1] * factor)


def difference(a: Pair, b: Pair) -> Pair:
    """Return a - b, wrong by a few 2^-104 of the larger of the two."""
    high, low = two_sum(a[0], -b[0])
    return fast_two_sum(high, low + (a[1] - b[1]))


def total(a: Pair, b: Pair) -> Pair:
    """Return a + b, wrong by a few 2^-104 of the larger of the two."""
    high, low = two_sum(a[0], b[0])
    return fast_two_sum(high, low + (a[1] + b[1]))


def pair_of(value: Fraction) -> tuple[float, float]:
    """Return the pair nearest to a rational number.

    >>> pair_of(Fraction(1, 3))
    (0.3333333333333333, 1.850371707708594e-17)
    """
    high = float(value)
    return high, float(value - Fraction(high))
