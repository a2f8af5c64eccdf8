"""The exponential that several recipes share: a power of two times two floats, right to some 28 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from polyoptim.functions.pieces import constant, nearest, split, whole
from polyoptim.functions.recipe import Reduced
from polyoptim.instructions import Writer

# A little beyond ln(2) / 2, for the whole number is the nearest up to rounding only.
REST = Reduced("exp(x)", ("-0.3468", "0.3468"), tuple(range(2, 10)), fixed={0: "1", 1: "1"})


@dataclass(frozen=True)
class Exponential:
    """The names of e**x = (high + low) 2**power; `low` is up to a tenth of `high`."""

    high: str
    low: str
    power: str


def exponential(
    write: Writer, coef: Mapping[int, Fraction], scheme: str, x: str, left: str | None = None
) -> Exponential:
    """Write e**(x + left), for abs(x) up to a few hundreds and a small `left`.

    n ln 2 is subtracted in two parts: the first one exactly, for the difference is a multiple of the last bit of x or
    of ln 2 and below 1/2; what rounding takes from the second is kept.
    """
    n, power = whole(write, x, nearest(constant("1/log(2)")))
    first, second = (write.number(-part) for part in split(constant("log(2)"), 2))
    begin = write.fma(n, first, x)
    rest = write.fma(n, second, begin)
    rest_low = write.fma(n, second, write.sub(begin, rest))
    if left is not None:
        rest, rest_low = write.fast_two_sum(rest, write.add(rest_low, left))
    # 1 + rest + (rest_low + rest**2 P), whose largest parts are added without a rounding.
    high, low = write.fast_two_sum(write.number(1), rest)
    square = write.mul(rest, rest)
    tail = write.fma(square, write.polynomial(coef, rest, scheme, first=2), rest_low)
    return Exponential(high, write.add(low, tail), power)
