"""Pieces that several recipes share, as instructions."""

from __future__ import annotations

from fractions import Fraction

from flint import arb, ctx

from polyoptim.formats import FORMATS
from polyoptim.instructions import Writer
from polyoptim.targets.balls import evaluate
from polyoptim.targets.expression import parse

MAGIC = 3 << 22  # added to a number of less than 22 bits, it leaves the nearest whole number in the last bits
ONE = 127 << 23  # the bits of 1.0
SIGN = 1 << 31
INFINITY, NAN = 0x7F800000, 0x7FC00000
CONSTANT_BITS = 300


def constant(text: str) -> Fraction:
    """Return the number that an expression stands for, to some 90 digits."""
    before = ctx.prec
    ctx.prec = CONSTANT_BITS
    try:
        mantissa, exponent = evaluate(parse(text).root, arb(0)).mid().man_exp()
        return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    finally:
        ctx.prec = before


def split(value: Fraction, parts: int) -> list[Fraction]:
    """Return float32 numbers whose sum is a number up to the last one's rounding, each nearest to what is left."""
    found: list[Fraction] = []
    for _ in range(parts):
        found.append(FORMATS["float32"].round(value - sum(found, Fraction(0))))
    return found


def nearest(value: Fraction) -> Fraction:
    """Return the nearest float32."""
    return FORMATS["float32"].round(value)


def clamped(write: Writer, x: str, low: float, high: float) -> str:
    """Return x, moved to the nearest end of an interval; NaN stays."""
    least, most = write.number(Fraction(low)), write.number(Fraction(high))
    above = write.select(write.do("lt", x, least), least, x)
    return write.select(write.do("lt", most, above), most, above)


def whole(write: Writer, x: str, factor: Fraction | None = None) -> tuple[str, str]:
    """Return the whole number nearest to x times a factor, as a float and as an integer; of less than 22 bits."""
    magic = write.number(MAGIC)
    moved = write.add(x, magic) if factor is None else write.sum_of(x, write.number(factor), magic)
    return write.sub(moved, magic), write.do("isub", moved, magic)


def scaled(write: Writer, value: str, power: str) -> str:
    """Return a number near 1 times 2**power, for a power from -250 to 250.

    By two factors: the first product is exact, so that a subnormal result is rounded once.
    """
    half = write.shift("sar", power, 1)
    rest = write.do("isub", power, half)
    return write.mul(write.mul(value, power_of_two(write, half)), power_of_two(write, rest))


def power_of_two(write: Writer, power: str) -> str:
    """Return 2**power as a float, for a power from -126 to 127."""
    return write.do("iadd", write.shift("shl", power, 23), write.word(ONE))


def product(write: Writer, a: tuple[str, str], b: tuple[str, str]) -> tuple[str, str]:
    """Return the product of two sums of two floats, to some 45 bits."""
    high, low = write.two_product(a[0], b[0])
    return high, write.add(low, write.fma(a[0], b[1], write.mul(a[1], b[0])))


def multiple(write: Writer, a: tuple[str, str], b: str) -> tuple[str, str]:
    """Return the product of a sum of two floats and a float, to some 45 bits."""
    high, low = write.two_product(a[0], b)
    return high, write.fma(a[1], b, low)


def signed(write: Writer, size: str, x: str) -> str:
    """Return a float that is not negative with the sign of x."""
    return write.do("or", size, write.do("and", x, write.word(SIGN)))
