"""exp(x): 2**n times the exponential of a rest, from which n ln 2 is subtracted in two parts (Cody and Waite)."""

from __future__ import annotations

import math

from polyoptim.functions.exponential import REST, exponential
from polyoptim.functions.pieces import clamped, scaled
from polyoptim.functions.recipe import Coefficients, Limit, Recipe
from polyoptim.instructions import Writer

# Next to -150 ln 2 and 128 ln 2: at and beyond them the value is rounded to 0, and to infinity.
LEAST, MOST = float.fromhex("-0x1.9fe36ap+6"), float.fromhex("0x1.62e43p+6")


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    found = exponential(write, coef["c"], scheme, clamped(write, "x", -105, 90))
    return scaled(write, write.add(found.high, found.low), found.power)


RECIPE = Recipe(
    name="exp",
    truth="exp(x)",
    reduced={"c": REST},
    build=build,
    limits=(Limit(-math.inf, LEAST, "0"), Limit(MOST, math.inf, "inf")),
    zeros=("1", "1"),
)
