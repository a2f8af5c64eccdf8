"""log2(x): the exponent plus the logarithm of a number m between sqrt(1/2) and sqrt(2), by a polynomial in m - 1.

The polynomial is what log2(1 + f) / f has beyond its first digits, so that near 1, where the exponent is 0, and
elsewhere only the last sum is rounded noticeably.
"""

from __future__ import annotations

import math

from polyoptim.functions.pieces import INFINITY, NAN, SIGN, constant, nearest
from polyoptim.functions.recipe import Coefficients, Limit, Recipe, Reduced
from polyoptim.instructions import Writer, bits_of

LEADING = nearest(constant("1/log(2)"))
ROOT = bits_of(nearest(constant("sqrt(1/2)")))
NORMAL, PLACES = 2.0**-126, 23  # the least normal number, and by how many powers those below it are scaled


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    zero = write.number(0)
    small = write.do("lt", "x", write.number(NORMAL))
    x = write.select(small, write.mul("x", write.number(2**PLACES)), "x")
    moved = write.do("isub", x, write.word(ROOT))
    exponent = write.shift("sar", moved, 23)
    m = write.do("iadd", write.do("and", moved, write.word(0x7FFFFF)), write.word(ROOT))
    e = write.do("flt", write.do("isub", exponent, write.do("and", small, write.word(PLACES))))
    f = write.sub(m, write.number(1))
    first, first_low = write.two_product(f, write.number(LEADING))
    # The exponent is 0, or larger than the rest.
    high, low = write.fast_two_sum(e, first)
    tail = write.fma(f, write.polynomial(coef["c"], f, scheme), first_low)
    value = write.add(high, write.add(low, tail))
    inside = write.do("and", write.do("lt", zero, "x"), write.do("lt", "x", write.float_of_bits(INFINITY)))
    outside = write.select(write.do("lt", "x", zero), write.float_of_bits(NAN), "x")
    special = write.select(write.do("eq", "x", zero), write.float_of_bits(INFINITY | SIGN), outside)
    return write.select(inside, value, special)


RECIPE = Recipe(
    name="log2",
    truth="log2(x)",
    reduced={
        "c": Reduced(
            f"log2(1+x)/x-{LEADING.numerator}/{LEADING.denominator}",
            ("-0.2929", "0.4143"),
            tuple(range(1, 14)),
            error="absolute",
        )
    },
    build=build,
    limits=(Limit(-math.inf, -(2.0**-149), "nan"), Limit(math.inf, math.inf, "inf")),
    zeros=("-inf", "-inf"),
)
