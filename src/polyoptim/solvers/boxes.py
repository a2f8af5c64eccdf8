"""Boxes of coefficients, and where spacings of number formats change in them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from polyoptim.formats import Format, exponent, power_of_two

Coef = tuple[Fraction, ...]
Box = tuple[tuple[Fraction, Fraction], ...]


def finest(known: Format, low: Fraction, high: Fraction, shortest: int) -> int:
    """Return the binary logarithm of the finest spacing of a format between two numbers, `shortest` at least."""
    if known.finest is None:
        return shortest
    least = Fraction(0) if low <= 0 <= high else min(abs(low), abs(high))
    return max(exponent(known.spacing(least)), shortest)


def split(
    formats: Sequence[Format], box: Box, point: Coef, sizes: Sequence[float], least: float
) -> tuple[Box, Box] | None:
    """Return two boxes, in neither of which a point is that the formats do not hold; None where they do.

    Parameters
    ----------
    sizes : how much a coefficient of 1 counts.
    least : what rounding a coefficient has to change so that it is worth a box.
    """
    found, largest = None, least
    for k, (known, value, (low, high)) in enumerate(zip(formats, point, box, strict=True)):
        if known.holds(value) or not known.within(value):
            continue
        cut = power_of_two(exponent(value)) * (1 if value > 0 else -1)
        change = float(abs(known.round(value) - value)) * sizes[k]
        if low < cut < high and change >= largest:
            found, largest = (k, cut), change
    if found is None:
        return None
    k, cut = found
    low, high = box[k]
    return (*box[:k], (low, cut), *box[k + 1 :]), (*box[:k], (cut, high), *box[k + 1 :])
