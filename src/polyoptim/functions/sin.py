"""sin(x): the nearest multiple of π/2 is taken from abs(x), and sine or cosine of the rest, which is two floats.

Up to `MODERATE` the multiple is subtracted in parts (W. J. Cody, W. Waite, Software manual for the elementary
functions, 1980), each with the error of its rounding; beyond, abs(x) is multiplied by those bits of 2/π that matter, in
integers (M. H. Payne, R. N. Hanek, Radian reduction for trigonometric functions, ACM SIGNUM Newsl. 18(1), 19-24, 1983,
doi:10.1145/1057600.1057602).
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from polyoptim.functions.pieces import INFINITY, SIGN, constant, nearest, split, whole
from polyoptim.functions.recipe import Coefficients, Limit, Recipe, Reduced
from polyoptim.instructions import MASK, Writer

MODERATE = 2.0**17
QUARTER = "pi/2"
WORDS = 8  # of 2/π, the first of them 0: what the largest float32 asks for
BIAS = 150  # of a float's exponent, as it belongs to the last bit of its significand


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    size = write.size("x")
    moderate = write.do("lt", size, write.number(MODERATE))
    write.usual = moderate
    near, far = _moderate(write, size), _large(write, size)
    turns, high, low = (write.select(moderate, a, b) for a, b in zip(near, far, strict=True))
    value = _sine_or_cosine(write, coef, scheme, turns, high, low)
    # The sign of x, and another one in the lower half of the circle.
    half = write.shift("shl", write.do("and", turns, write.word(2)), 30)
    signed = write.do("xor", value, write.do("xor", half, write.do("and", "x", write.word(SIGN))))
    return write.select(write.do("lt", size, write.float_of_bits(INFINITY)), signed, write.sub("x", "x"))


def _sine_or_cosine(write: Writer, coef: Coefficients, scheme: str, turns: str, high: str, low: str) -> str:
    """Return the sine of high + low or, for an odd number of quarters, the cosine."""
    one = write.number(1)
    # The square, with what the low part adds.
    square = write.fma(high, high, write.mul(write.add(high, high), low))
    # sin = high + (high**3 P + low cos), of which only the last sum is rounded noticeably; cos is about 1 - square/2.
    cube = write.mul(high, square)
    turned = write.mul(low, write.fma(square, write.number(Fraction(-1, 2)), one))
    sine = write.add(high, write.fma(cube, write.polynomial(coef["s"], square, scheme, "s", 3, 2), turned))
    cosine = write.fma(square, write.polynomial(coef["c"], square, scheme, "c", 2, 2), one)
    odd = write.do("ieq", write.do("and", turns, write.word(1)), write.word(1))
    return write.select(odd, cosine, sine)


def _moderate(write: Writer, size: str) -> tuple[str, str, str]:
    """Return the number of quarters, and what is left of a number below `MODERATE`."""
    first, second, third = (write.number(-part) for part in split(constant(QUARTER), 3))
    n, turns = whole(write, size, nearest(constant("2/pi")))
    # Exact: a multiple of the last bit of `first`, and below 1.
    left = write.fma(n, first, size)
    product, product_low = write.two_product(n, second)
    high, low = write.two_sum(left, product)
    return turns, high, write.fma(n, third, write.add(low, product_low))


def _large(write: Writer, size: str) -> tuple[str, str, str]:
    """Return the number of quarters (its last bits), and what is left of a number of any size from 2**8 upwards."""
    significand = write.do("or", write.do("and", size, write.word(0x7FFFFF)), write.word(0x800000))
    # x is significand * 2**exponent, and bits of 2/π whose product with it is a multiple of 4 do not matter.
    exponent = write.do("isub", write.shift("shr", size, 23), write.word(BIAS))
    place = write.do("iadd", exponent, write.word(32 - 2))  # the first bit that matters, in the words
    top, middle, bottom = _bits(write, place)
    # The product's 96 bits below 4: two of the number of quarters, and their fraction.
    low, carry_low = write.do("imul", significand, bottom), write.do("umulhi", significand, bottom)
    product = write.do("imul", significand, middle)
    mid = write.do("iadd", product, carry_low)
    carry = write.do("ult", mid, product)  # all ones, which is -1
    carry_mid = write.do("isub", write.do("umulhi", significand, middle), carry)
    high = write.do("iadd", write.do("imul", significand, top), carry_mid)
    fraction = _joined(write, high, mid, 2), _joined(write, mid, low, 2)
    # To the nearest quarter: from 1/2 on the fraction is that minus 1, in two's complement.
    negative = write.shift("sar", fraction[0], 31)
    turns = write.do("isub", write.shift("shr", high, 30), negative)
    return turns, *_radians(write, negative, *(write.do("xor", each, negative) for each in fraction))


def _bits(write: Writer, place: str) -> list[str]:
    """Return 96 bits of 2/π from a place on."""
    digits = int(constant("2/pi") * 2 ** (32 * (WORDS - 1)))
    words = [write.word(digits >> (32 * (WORDS - 1 - k)) & MASK) for k in range(WORDS)]
    index = write.shift("shr", place, 5)
    for step in (4, 2, 1):
        bit = write.do("ieq", write.do("and", index, write.word(step)), write.word(step))
        # Where the bit is set, those without a successor are not needed.
        words = [write.select(bit, *pair) for pair in zip(words[step:], words, strict=False)] + words[WORDS - step :]
        words = words[: 3 + step]
    count = write.do("and", place, write.word(31))
    rest = write.do("isub", write.word(31), count)
    return [
        write.do("or", write.do("shl", a, count), write.do("shr", write.shift("shr", b, 1), rest))
        for a, b in itertools.pairwise(words)
    ]


def _joined(write: Writer, high: str, low: str, places: int) -> str:
    """Return the upper word of two that are shifted to the left."""
    return write.do("or", write.shift("shl", high, places), write.shift("shr", low, 32 - places))


def _radians(write: Writer, negative: str, high: str, low: str) -> tuple[str, str]:
    """Return a fraction of a quarter, in 64 bits and below 1/2, times π/2, as two floats."""
    # 23, 24 and 17 bits, which floats hold; near 0 the first are 0, and the others leave enough. In units of 2**-24.
    upper = write.do("flt", write.shift("shr", high, 8))
    last = write.shift("shl", write.do("and", high, write.word(0xFF)), 16)
    middle = write.do("flt", write.do("or", last, write.shift("shr", low, 16)))
    lower = write.do("flt", write.do("and", low, write.word(0xFFFF)))
    unit = write.number(Fraction(1, 2**24))
    total = write.fma(middle, unit, upper)
    rest = write.fma(middle, unit, write.sub(upper, total))
    rest = write.fma(lower, write.number(Fraction(1, 2**40)), rest)
    first, second = (write.number(part / 2**24) for part in split(constant(QUARTER), 2))
    product, product_low = write.two_product(total, first)
    product_low = write.fma(total, second, write.fma(rest, first, product_low))
    sign = write.do("and", negative, write.word(SIGN))
    return write.do("xor", product, sign), write.do("xor", product_low, sign)


RECIPE = Recipe(
    name="sin",
    truth="sin(x)",
    reduced={
        # A little beyond π/4, for the multiple is the nearest up to rounding only.
        "s": Reduced("sin(x)", ("-0.7859", "0.7859"), (3, 5, 7, 9, 11, 13), first=1, step=2, fixed={1: "1"}),
        "c": Reduced("cos(x)", ("-0.7859", "0.7859"), (2, 4, 6, 8, 10, 12), step=2, fixed={0: "1"}),
    },
    build=build,
    limits=(Limit(-math.inf, -math.inf, "nan"), Limit(math.inf, math.inf, "nan")),
    zeros=("0", "-0"),
    turns=True,
)
