"""gelu(x) = x Φ(x), Φ the normal distribution: with t = abs(x), x (1 - Φ(-t)) on the right and -t Φ(-t) on the left.

Φ(-t) = e**(-t**2 / 2) R(t), where R, Mills' ratio but for a factor, is a polynomial in w = 1 / (t + 3), times w. Every
part is two floats, so that only the last operation is rounded noticeably. What rounding takes from w is made good by
R'(t) = t R(t) - 1 / sqrt(2 π).
"""

from __future__ import annotations

import math
from fractions import Fraction

from polyoptim.functions.exponential import REST, exponential
from polyoptim.functions.pieces import clamped, constant, multiple, nearest, power_of_two, product, scaled, signed
from polyoptim.functions.recipe import Coefficients, Limit, Recipe, Reduced
from polyoptim.instructions import Writer

LEAST = float.fromhex("-0x1.cb64eap+3")  # at and below which the value is rounded to -0
LAST, SHIFT = 15, 3
# Near the middle of w, where the polynomial's value is a float32 to 10 bits more.
MIDDLE, VALUE = Fraction(float.fromhex("0x1.7094cp-3")), Fraction(float.fromhex("0x1.8adeep-1"))
W = f"(x+{MIDDLE})"


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    size = write.size("x")
    t = clamped(write, size, 0, LAST)
    ratio = _ratio(write, coef, scheme, t)
    square, square_low = write.two_product(t, t)
    minus = write.number(-0.5)
    power = exponential(write, coef["c"], scheme, write.mul(square, minus), write.mul(square_low, minus))
    high, low = product(write, ratio, write.fast_two_sum(power.high, power.low))
    # x is the last factor, so that near 0 no part of a product is subnormal.
    positive = write.do("lt", write.number(0), "x")
    # On the right nothing asks for it, and it is kept from being subnormal, which takes processors long.
    left = scaled(write, write.fma(t, high, write.mul(t, low)), write.select(positive, write.word(0), power.power))
    least = write.word(-64)  # what is below does not count next to 1
    scale = power_of_two(write, write.select(write.do("ilt", power.power, least), least, power.power))
    rest, rest_low = write.fast_two_sum(write.number(1), write.negative(write.mul(high, scale)))
    rest_low = write.fma(write.negative(low), scale, rest_low)
    right = write.fma("x", rest, write.mul("x", rest_low))
    right = write.select(write.do("lt", write.number(LAST), "x"), "x", right)
    return signed(write, write.select(positive, right, left), "x")


def _ratio(write: Writer, coef: Coefficients, scheme: str, t: str) -> tuple[str, str]:
    """Return R(t), as two floats."""
    below, below_low = write.two_sum(t, write.number(SHIFT))
    w = write.div(write.number(1), below)
    # t less that number to which w belongs exactly.
    left = write.mul(write.fma(w, below_low, write.fma(w, below, write.number(-1))), below)
    v = write.sub(w, write.number(MIDDLE))
    zeroth, first = (write.coefficient(f"g{k}", coef["g"][k]) for k in (0, 1))
    rest = write.polynomial(coef["g"], v, scheme, "g", 2)
    slope = write.fma(v, rest, first)
    slope_low = write.fma(v, rest, write.sub(first, slope))
    value = write.fma(v, slope, zeroth)
    value_low = write.fma(v, slope_low, write.fma(v, slope, write.sub(zeroth, value)))
    high, low = multiple(write, (value, value_low), w)
    tangent = write.fma(t, high, write.number(nearest(-constant("1/sqrt(2*pi)"))))
    return high, write.fma(left, tangent, low)


RECIPE = Recipe(
    name="gelu",
    truth="x/2*erfc(-x/sqrt(2))",
    reduced={
        "g": Reduced(
            f"erfc((1/{W}-{SHIFT})/sqrt(2))*exp((1/{W}-{SHIFT})**2/2)/(2*{W})",
            (str(Fraction(1, LAST + SHIFT) - MIDDLE), str(Fraction(1, SHIFT) - MIDDLE)),
            tuple(range(5, 12)),
            fixed={0: str(VALUE)},
        ),
        "c": REST,
    },
    build=build,
    limits=(Limit(-math.inf, LEAST, "-0"), Limit(math.inf, math.inf, "inf")),
    zeros=("0", "-0"),
    halved=2.0**-125,
)
