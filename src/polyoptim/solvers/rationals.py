"""Rational numbers for places on the line: exact ends, simple fractions, roots rounded up."""

from __future__ import annotations

from fractions import Fraction

from flint import arb, fmpq

ROOT_BITS = 64


def rational(value: arb | Fraction) -> fmpq:
    """Return a fraction, or the midpoint of a ball, as flint's rational number."""
    if isinstance(value, Fraction):
        return fmpq(value.numerator, value.denominator)
    mantissa, exponent = value.mid().man_exp()
    return fmpq(mantissa) * fmpq(2) ** int(exponent)


def fraction(value: fmpq) -> Fraction:
    """Return flint's rational number as a fraction."""
    return Fraction(int(value.p), int(value.q))


def simplest(low: fmpq, high: fmpq) -> fmpq:
    """Return the fraction of the smallest denominator in [low, high], with the smallest numerator.

    Down the tree of Stern and Brocot, by continued fractions.

    >>> simplest(fmpq(31, 100), fmpq(34, 100)), simplest(fmpq(-1), fmpq(2))
    (1/3, 0)
    """
    if low <= 0 <= high:
        return fmpq(0)
    if high < 0:
        return -simplest(-high, -low)
    if low.ceil() <= high:
        return fmpq(low.ceil())
    whole = low.floor()
    return whole + 1 / simplest(1 / (high - whole), 1 / (low - whole))


def near(value: fmpq, width: fmpq) -> fmpq:
    """Return a dyadic number of few digits, at most `value` and less than width / 16 below it.

    >>> near(fmpq(1, 3), fmpq(1))
    5/16
    """
    unit = fmpq(2) ** (width.q.bit_length() - width.p.bit_length() + 5)
    return (value * unit).floor() / unit


def root_above(value: fmpq, root: int) -> fmpq:
    """Return the root of a positive number, or a dyadic number a little above, by less than 2**-62 of it.

    >>> root_above(fmpq(8), 3), root_above(fmpq(2), 2)**2 > 2
    (2, True)
    """
    if root == 1:
        return value
    found = rational(arb(value).root(root))
    unit = fmpq(2) ** (found.q.bit_length() - found.p.bit_length() + ROOT_BITS)
    below = (found * unit).floor() / unit
    while below**root < value:
        below += 1 / unit
    return below
