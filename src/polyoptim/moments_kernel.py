"""The sums of ``moments`` for one column of x as a compiled loop: the same bits, about ten times as fast.

Rows go side by side in lanes, each with sums of its own, so that nothing has to be reordered for the loops to be
vectorised.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.compiler import compiled, single_run
from polyoptim.lane_operations import finished, operations_text

Array = npt.NDArray[np.float64]

LANES = 128
# Rows whose integers one call can add up without overflow.
MOST = 1 << 17
# Terms, each of one row, that plain NumPy sums while numba is imported and the loop is loaded.
WORTH = 60_000_000
# Rows from which the loop pays where it is there already, and from which others will follow in the same process.
FEW, SEVERAL = 2000, 20_000

TEXT = """\
@numba.njit("void(int64, READ, READ, VECTOR, VECTOR, VECTOR)", **OPTIONS)
def take(width, x, y, numbers, u, z):
    x1, x2, ends, ends_low, inverse, inverse_low, y1, y2 = numbers[:8]
    for i in range(width):
        a = x[i] * x1 * x2
        a = a + a
        s = a - ends
        p = s - a
        e = (a - (s - p)) + (-ends - p) - ends_low
        h = s + e
        l = e - (h - s)
        p = h * inverse
        e = fma(h, inverse, -p) + (h * inverse_low + l * inverse)
        h = p + e
        u[i] = h
        u[LANES + i] = e - (h - p)
    for i in range(width):
        z[i] = y[i] * y1 * y2


@numba.njit("void(int64, READ, VECTOR, VECTOR, VECTOR, VECTOR)", **OPTIONS)
def weigh(width, weight, numbers, z, w, v):
    w1, w2 = numbers[8], numbers[9]
    for i in range(width):
        w[i] = weight[i] * w1 * w2
    for i in range(width):
        p = z[i] * w[i]
        v[i] = p
        v[LANES + i] = fma(z[i], w[i], -p)


@numba.njit("void(READ, READ, READ, int64, VECTOR, int64, int64[:, ::1])", **OPTIONS)
def sums(x, y, weight, weighted, numbers, degree, limbs):
    terms = 3 * degree + 3
    total = np.zeros((terms, 3 * LANES))
    ring = np.zeros((3, 2 * LANES))
    u, v, z, w = np.zeros(2 * LANES), np.zeros(2 * LANES), np.zeros(LANES), np.ones(LANES)
    for begin in range(0, x.size, LANES):
        width = min(LANES, x.size - begin)
        take(width, x[begin : begin + width], y[begin : begin + width], numbers, u, z)
        if weighted:
            weigh(width, weight[begin : begin + width], numbers, z, w, v)
        else:
            v[:LANES] = z
        for k in range(2 * degree + 1):
            t = ring[k % 3]
            if k == 0:
                t[:LANES], t[LANES:] = 1.0, 0.0
            elif k == 1:
                t[:] = u
            else:
                follow(width, u, ring[(k + 2) % 3], ring[(k + 1) % 3], t)
            if weighted:
                add_scaled(width, t, w, total[k])
            else:
                add(width, t, total[k])
            if k <= degree:
                add_product(width, t, v, total[2 * degree + 1 + k])
        add_scaled(width, v, z, total[terms - 1])
    for term in range(terms):
        for place in range(3):
            whole = np.int64(0)
            for i in range(LANES):
                whole += np.int64(total[term, place * LANES + i] * UNITS[place])
            limbs[term, place] = whole
"""


def kernel(rows: int, degree: int) -> Callable[..., Any] | None:
    """Return the loop where it pays; a single run imports numba only where the sums take longer than that."""
    ready = rows >= (FEW if "numba" in sys.modules else math.inf if single_run.get() else SEVERAL)
    if not ready and rows * (3 * degree + 3) < WORTH:
        return None
    text = operations_text(("follow", "add", "add_scaled", "add_product")) + "\n\n" + TEXT
    return compiled(finished(text, LANES)).module.sums  # type: ignore[no-any-return]


def run(
    loop: Callable[..., Any],
    x: Array,
    y: Array,
    weight: Array | None,
    exponents: tuple[int, int, int],
    ends: tuple[float, float],
    inverse: tuple[float, float],
    degree: int,
) -> npt.NDArray[np.int64]:
    """Return the sums of the limbs of all terms, integers of shape (3 degree + 3, 3), of at most `MOST` rows."""
    numbers = [*halves(exponents[0]), *ends, *inverse, *halves(exponents[1]), *halves(exponents[2])]
    limbs = np.zeros((3 * degree + 3, 3), dtype=np.int64)
    given = [np.ascontiguousarray(part) for part in (x, y, y if weight is None else weight)]
    loop(*given, int(weight is not None), np.array(numbers), degree, limbs)
    return limbs


def halves(exponent: int) -> tuple[float, float]:
    """Return two powers of two whose product is 2^-exponent, which a float may not hold."""
    first = -exponent // 2
    return math.ldexp(1.0, first), math.ldexp(1.0, -exponent - first)
