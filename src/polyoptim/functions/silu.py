"""silu(x) = x / (1 + e**-x): with a = e**-abs(x), x / (1 + a) on the right and x a / (1 + a) on the left.

Nominator and denominator are two floats each, and their quotient is rounded once; on the left its power of two comes
last, so that subnormal values are rounded once more only.
"""

from __future__ import annotations

import math

from polyoptim.functions.exponential import REST, exponential
from polyoptim.functions.pieces import INFINITY, clamped, power_of_two, scaled, signed
from polyoptim.functions.recipe import Coefficients, Limit, Recipe
from polyoptim.instructions import Writer

LEAST = float.fromhex("-0x1.b2a428p+6")  # at and below which the value is rounded to -0


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    one, zero = write.number(1), write.number(0)
    x = clamped(write, "x", -112, float.fromhex("0x1.fffffep+127"))
    positive = write.do("lt", zero, x)
    size = clamped(write, write.size(x), 0, 112)
    small = exponential(write, coef["c"], scheme, write.negative(size))
    high, low = write.fast_two_sum(small.high, small.low)
    # In the sum with 1, what is below 2**-126 does not count.
    least = write.word(-126)
    scale = power_of_two(write, write.select(write.do("ilt", small.power, least), least, small.power))
    below, below_low = write.fast_two_sum(one, write.mul(high, scale))
    below_low = write.fma(low, scale, below_low)
    above, above_low = write.two_product(x, high)
    above = write.select(positive, x, above)
    above_low = write.select(positive, zero, write.fma(x, low, above_low))
    inverse = write.div(one, below)
    quotient = write.mul(above, inverse)
    minus = write.negative(quotient)
    left = write.add(write.fma(minus, below_low, write.fma(minus, below, above)), above_low)
    power = write.select(positive, write.word(0), small.power)
    value = signed(write, scaled(write, write.fma(left, inverse, quotient), power), "x")
    return write.select(write.do("lt", "x", write.float_of_bits(INFINITY)), value, "x")


RECIPE = Recipe(
    name="silu",
    truth="x/(1+exp(-x))",
    reduced={"c": REST},
    build=build,
    limits=(Limit(-math.inf, LEAST, "-0"), Limit(math.inf, math.inf, "inf")),
    zeros=("0", "-0"),
    halved=2.0**-125,
)
