"""Student's t and Fisher's F: tails and quantiles, from the incomplete beta function."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from flint import arb, ctx

BITS = 128
ENOUGH, MOST_STEPS = 1e-16, 100_000
HALF = arb(0.5)
# Degrees of freedom beyond which three terms of the expansion around the normal distribution (Abramowitz and Stegun,
# Handbook of Mathematical Functions, 1964, 26.7.5) have all digits of a float.
LARGE = 2e4
HUGE = 2e6


def t_tails(t: float, dof: float) -> float:
    """Return the probability that abs(T) exceeds abs(t), T being Student's with `dof` degrees of freedom.

    With infinite `dof` it is normal.

    >>> round(t_tails(2.2281388519862744, 10), 12)
    0.05
    """
    if math.isnan(t):
        return math.nan
    if math.isinf(t):
        return 0.0
    if math.isinf(dof):
        return math.erfc(abs(t) / math.sqrt(2))
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


@lru_cache(maxsize=256)
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
    """Return the regularized incomplete beta function of a and b at p / (p + q), from the end that has the digits.

    In ball arithmetic alone it took 2 ms at a thousand degrees of freedom.
    """
    if float(p) * float(b + 1) > float(q) * float(a + 1):
        return 1.0 - _share(q, p, b, a)
    with ctx.workprec(BITS):
        whole = p + q
        if p == 0:
            return 0.0
        if a + b > HUGE:  # many terms of the fraction, few of the series of balls
            return float((p / whole).beta_lower(a, b, regularized=True))
        beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
        factor = float((a * (p / whole).log() + b * (q / whole).log() - beta).exp() / a)
        if a + b > LARGE:  # the terms of the fraction cancel: it takes more digits
            return factor * float(_fraction(a, b, p / whole))
        return factor * float(_fraction(float(a), float(b), float(p / whole)))


def _fraction(a: Any, b: Any, x: Any) -> Any:
    """Return the continued fraction of the incomplete beta function, by Lentz's method as Thompson and Barnett have it.

    NIST Digital Library of Mathematical Functions, 8.17.22; it converges fast for x < (a + 1) / (a + b + 2).
    """
    upper, lower = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    value = lower
    for step in range(2, MOST_STEPS):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1.0 / (1.0 + term * lower)
        upper = 1.0 + term / upper
        value *= upper * lower
        if abs(float(upper * lower) - 1.0) < ENOUGH:
            break
    return value
