"""The sums of ``moments`` for one column of x as a compiled loop: the same bits, about ten times as fast.

Each operation is that of ``doubled``, in its order. The error of a product comes from one fused multiply-add, which is
the number that Dekker's splitting finds; where a processor has none, the C library's takes its place. Rows go side by
side in lanes, each with sums of its own, so that nothing has to be reordered for the loops to be vectorised.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.compiler import compiled, single_run

Array = npt.NDArray[np.float64]

LANES = 128
# Rows whose integers one call can add up without overflow.
MOST = 1 << 17
# Terms, each of one row, that plain NumPy sums while numba is imported and the loop is loaded.
WORTH = 60_000_000
# Rows from which the loop pays where it is there already, and from which others will follow in the same process.
FEW, SEVERAL = 2000, 20_000

# Each array holds several rows of lanes, so that a loop has few of them: LLVM vectorises a loop over arrays that may
# overlap only where it can tell them apart by at most eight comparisons.
TEXT = """\
import numba
import numpy as np
from numba.extending import intrinsic

OPTIONS = dict(nogil=True, error_model="numpy", cache=CACHE)


@intrinsic
def fma(typing, a, b, c):
    signature = numba.float64(numba.float64, numba.float64, numba.float64)

    def generate(context, builder, signature, values):
        return builder.fma(*values)

    return signature, generate


@numba.njit("void(int64, VECTOR, VECTOR, VECTOR, VECTOR)", **OPTIONS)
def follow(width, u, last, before, t):
    for i in range(width):
        a, a_low = 2.0 * u[i], 2.0 * u[LANES + i]
        p = a * last[i]
        e = fma(a, last[i], -p) + (a * last[LANES + i] + a_low * last[i])
        h = p + e
        l = e - (h - p)
        s = h - before[i]
        p = s - h
        e = (h - (s - p)) + (-before[i] - p) + (l - before[LANES + i])
        h = s + e
        t[i] = h
        t[LANES + i] = e - (h - s)


@numba.njit("void(int64, VECTOR, VECTOR)", **OPTIONS)
def add(width, t, total):
    for i in range(width):
        h, l = t[i], t[LANES + i]
        ADD


@numba.njit("void(int64, VECTOR, VECTOR, VECTOR)", **OPTIONS)
def add_scaled(width, t, w, total):
    for i in range(width):
        p = t[i] * w[i]
        e = fma(t[i], w[i], -p) + t[LANES + i] * w[i]
        h = p + e
        l = e - (h - p)
        ADD


@numba.njit("void(int64, VECTOR, VECTOR, VECTOR)", **OPTIONS)
def add_product(width, t, v, total):
    for i in range(width):
        p = t[i] * v[i]
        e = fma(t[i], v[i], -p) + (t[i] * v[LANES + i] + t[LANES + i] * v[i])
        h = p + e
        l = e - (h - p)
        ADD


@numba.njit("void(int64, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR)", **OPTIONS)
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


@numba.njit("void(int64, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR)", **OPTIONS)
def weigh(width, weight, numbers, z, w, v):
    w1, w2 = numbers[8], numbers[9]
    for i in range(width):
        w[i] = weight[i] * w1 * w2
    for i in range(width):
        p = z[i] * w[i]
        v[i] = p
        v[LANES + i] = fma(z[i], w[i], -p)


@numba.njit("void(VECTOR, VECTOR, VECTOR, int64, VECTOR, int64, int64[:, ::1])", **OPTIONS)
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


def _text(limb: int, rounders: tuple[float, ...]) -> str:
    add = ["q = (h + {0!r}) - {0!r}", "total[i] += q", "h = h - q", "q = (h + {1!r}) - {1!r}", "total[LANES + i] += q",
           "h = (h - q) + l", "total[2 * LANES + i] += (h + {2!r}) - {2!r}"]  # fmt: skip
    units = ", ".join(repr(2.0 ** (limb * place)) for place in (1, 2, 3))
    lines = []
    for line in TEXT.splitlines():
        room = line[: len(line) - len(line.lstrip())]
        lines += [room + part.format(*rounders) for part in add] if line.strip() == "ADD" else [line]
    text = "\n".join(lines) + "\n"
    for name, meaning in (("LANES", str(LANES)), ("UNITS", f"({units})"), ("VECTOR", "float64[::1]")):
        text = text.replace(name, meaning)
    return text


def kernel(rows: int, degree: int, limb: int, rounders: tuple[float, ...]) -> Callable[..., Any] | None:
    """Return the loop where it pays; a single run imports numba only where the sums take longer than that."""
    ready = rows >= (FEW if "numba" in sys.modules else math.inf if single_run.get() else SEVERAL)
    if not ready and rows * (3 * degree + 3) < WORTH:
        return None
    return compiled(_text(limb, rounders)).module.sums  # type: ignore[no-any-return]


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
