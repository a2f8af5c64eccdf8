"""erf(x): x plus x times an even polynomial near 0, then a polynomial in each of two intervals, then 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from polyoptim.functions.pieces import clamped, signed
from polyoptim.functions.recipe import Coefficients, Limit, Recipe, Reduced
from polyoptim.instructions import Writer

FIRST, SECOND, LAST = 0.875, 2.0, 4.0  # ends of the intervals; beyond, and a little before, the value is rounded to 1
# Near their middles, where the value is a float32 to 10 bits more: the constants of the polynomials.
MIDDLES = float.fromhex("0x1.700fc4p+0"), float.fromhex("0x1.7ac22ap+1")
VALUES = "0x1.ea7bb2p-1", "0x1.fffc42p-1"


def build(write: Writer, coef: Coefficients, scheme: str) -> str:
    """Write the function."""
    size = write.size("x")
    near = write.fma("x", write.polynomial(coef["a"], write.mul("x", "x"), scheme, "a", 0, 2), "x")
    held = clamped(write, size, 0, LAST)
    low, high = (
        _around(write, coef[prefix], scheme, write.sub(held, write.number(middle)), prefix)
        for prefix, middle in zip("bc", MIDDLES, strict=True)
    )
    far = write.select(write.do("lt", size, write.number(SECOND)), low, high)
    return write.select(write.do("lt", size, write.number(FIRST)), near, signed(write, far, "x"))


def _around(write: Writer, coef: Mapping[int, Fraction], scheme: str, rest: str, prefix: str) -> str:
    """Write a polynomial in x less the middle of its interval; the sum with its constant comes last."""
    constant = write.coefficient(f"{prefix}0", coef[0])
    return write.fma(rest, write.polynomial(coef, rest, scheme, prefix, 1), constant)


def _reduced(low: float, high: float, middle: float, value: str, degrees: range) -> Reduced:
    ends = str(Fraction(low) - Fraction(middle)), str(Fraction(high) - Fraction(middle))
    fixed = {0: str(Fraction(float.fromhex(value)))}
    return Reduced(f"erf(x+{Fraction(middle)})", ends, tuple(degrees), error="absolute", fixed=fixed)


RECIPE = Recipe(
    name="erf",
    truth="erf(x)",
    reduced={
        "a": Reduced("erf(x)/x-1", ("0", str(FIRST)), (4, 6, 8, 10, 12, 14, 16), step=2, error="absolute"),
        "b": _reduced(FIRST, SECOND, MIDDLES[0], VALUES[0], range(5, 11)),
        "c": _reduced(SECOND, LAST, MIDDLES[1], VALUES[1], range(6, 12)),
    },
    build=build,
    limits=(Limit(-math.inf, -LAST, "-1"), Limit(LAST, math.inf, "1")),
    zeros=("0", "-0"),
)
