"""2**x: x is a whole number n and a rest in [-1/2, 1/2], exactly; the polynomial of the rest is scaled by 2**n."""

from __future__ import annotations

import math

from polyoptim.functions.pieces import clamped, scaled, whole
from polyoptim.functions.recipe import Coefficients, Limit, Recipe, Reduced
from polyoptim.instructions import Writer

LEAST, MOST = -150.0, 128.0  # at and beyond which the value is 0 (half the least number is tied to even), and infinite


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    # One beyond each end: the scaling makes infinity and 0 of what is there.
    x = clamped(write, "x", LEAST - 1, MOST + 1)
    n, power = whole(write, x)
    rest = write.sub(x, n)
    # The sum with 1 comes last in every scheme, so that it is rounded once.
    value = write.sum_of(write.polynomial(coef["c"], rest, scheme, first=1), rest, write.number(1))
    return scaled(write, value, power)


RECIPE = Recipe(
    name="exp2",
    truth="2**x",
    reduced={"c": Reduced("2**x", ("-1/2", "1/2"), tuple(range(2, 10)), fixed={0: "1"})},
    build=build,
    limits=(Limit(-math.inf, LEAST, "0"), Limit(MOST, math.inf, "inf")),
    zeros=("1", "1"),
    needs_fma=False,
)
