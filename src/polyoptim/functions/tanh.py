"""tanh(x): an odd polynomial near 0, and 1 - 2 / (e**(2 abs(x)) + 1), of which every part is two floats."""

from __future__ import annotations

import math

from polyoptim.functions.exponential import REST, exponential
from polyoptim.functions.pieces import clamped, power_of_two, signed
from polyoptim.functions.recipe import Coefficients, Limit, Recipe, Reduced
from polyoptim.instructions import Writer

NEAR = 0.5625  # where tanh is a little above 1/2
ONES = 10.0  # beyond 13 ln 2, from where on the value is rounded to 1


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    size = write.size("x")
    square = write.mul(size, size)
    cube = write.mul(size, square)
    near = write.fma(cube, write.polynomial(coef["t"], square, scheme, "t", 3, 2), size)
    far = _far(write, coef, scheme, clamped(write, size, 0, ONES))
    return signed(write, write.select(write.do("lt", size, write.number(NEAR)), near, far), "x")


def _far(write: Writer, coef: Coefficients, scheme: str, size: str) -> str:
    one = write.number(1)
    power = exponential(write, coef["c"], scheme, write.add(size, size))
    scale = power_of_two(write, power.power)
    high, low = write.fast_two_sum(power.high, power.low)
    below, below_low = write.fast_two_sum(write.mul(high, scale), one)
    below_low = write.fma(low, scale, below_low)
    quotient = write.div(write.number(2), below)
    # What division has left, over the divisor: half the quotient is near enough to its inverse.
    left = write.fma(write.negative(quotient), below_low, write.fma(write.negative(quotient), below, write.number(2)))
    quotient_low = write.mul(left, write.mul(quotient, write.number(0.5)))
    high, low = write.fast_two_sum(one, write.negative(quotient))
    return write.add(high, write.sub(low, quotient_low))


RECIPE = Recipe(
    name="tanh",
    truth="tanh(x)",
    reduced={
        "t": Reduced("tanh(x)", (-NEAR, NEAR), (3, 5, 7, 9, 11, 13, 15), first=1, step=2, fixed={1: "1"}),
        "c": REST,
    },
    build=build,
    limits=(Limit(-math.inf, -ONES, "-1"), Limit(ONES, math.inf, "1")),
    zeros=("0", "-0"),
)
