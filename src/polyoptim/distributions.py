"""Student's t and Fisher's F: tails and quantiles, from the incomplete beta function in ball arithmetic."""

from __future__ import annotations

import math
from typing import Any

from flint import arb, ctx

BITS = 128
ENOUGH = 60  # bits of a result
HALF = arb(0.5)
# Degrees of freedom beyond which three terms of the expansion around the normal distribution (Abramowitz and Stegun,
# Handbook of Mathematical Functions, 1964, 26.7.5) have all digits of a float.
LARGE = 2e4


def t_tails(t: float, dof: float) -> float:
    """Return the probability that abs(T) exceeds abs(t), T being Student's with `dof` degrees of freedom.

    >>> round(t_tails(2.2281388519862744, 10), 12)
    0.05
    """
    if math.isnan(t):
        return math.nan
    if math.isinf(t):
        return 0.0
    return _share(arb(dof), arb(t) ** 2, arb(dof) / 2, HALF)


def f_tail(f: float, numerator: float, denominator: float) -> float:
    """Return the probability that Fisher's F of these degrees of freedom exceeds f.

    >>> round(f_tail(4.964602743730711, 1, 10), 12)
    0.05
    """
    if math.isnan(f):
        return math.nan
    if math.isinf(f):
        return 0.0
    return _share(arb(denominator), arb(numerator) * arb(f), arb(denominator) / 2, arb(numerator) / 2)


def t_quantile(level: float, dof: float) -> float:
    """Return the t for which abs(T) <= t with probability `level`; with infinite `dof` that of the normal distribution.

    >>> round(t_quantile(0.95, 10), 9), round(t_quantile(0.95, math.inf), 9)
    (2.228138852, 1.959963985)
    """
    if math.isinf(dof):
        with ctx.workprec(BITS):
            return float(arb(level).erfinv() * arb(2).sqrt())
    if dof > LARGE:
        z = t_quantile(level, math.inf)
        terms = (
            (z**3 + z) / 4,
            (5 * z**5 + 16 * z**3 + 3 * z) / 96,
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        )
        return z + sum(term / dof ** (place + 1) for place, term in enumerate(terms))
    low, high = 0.0, 1.0
    while t_tails(high, dof) > 1 - level:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_tails(middle, dof) > 1 - level else (low, middle)
    return high


def _share(p: Any, q: Any, a: Any, b: Any) -> float:
    """Return the regularized incomplete beta function of a and b at p / (p + q), from the end that has the digits."""
    with ctx.workprec(BITS):
        direct = (p / (p + q)).beta_lower(a, b, regularized=True)
        if direct.rel_accuracy_bits() > ENOUGH:
            return float(direct)
        return float(1 - (q / (p + q)).beta_lower(b, a, regularized=True))
