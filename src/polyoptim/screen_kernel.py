"""Many sets of coefficients on some inputs whose truth is known: a compiled loop that gives up early on each."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

from polyoptim.compiler import compiled
from polyoptim.exhaustive_kernel import BLOCK

TEXT = '''\
import numba
import numpy as np

OPTIONS = dict(nogil=True, error_model="numpy", cache=CACHE)
N, F1, F2, I1, I2 = numba.int64, numba.float64[::1], numba.float64[:, ::1], numba.int64[::1], numba.int64[:, ::1]
SINGLES, INTEGERS, WORDS = numba.float32[:, ::1], numba.int32[:, ::1], numba.uint32[:, ::1]
IN_DOUBLES = numba.types.FunctionType(numba.void(N, I2, F2, I2, F1, I1))
IN_WORDS = numba.types.FunctionType(numba.void(N, I2, SINGLES, INTEGERS, WORDS))
ROUND = numba.types.FunctionType(numba.void(N, F1, I1, N, N, numba.float64))


@numba.njit(numba.void(IN_DOUBLES, IN_WORDS, ROUND, N, N, I2, F2, F2, F1, F1, F1, F1, F1, N, numba.float64,
                       F2, I2, WORDS, SINGLES, INTEGERS, F2, I2, F1, N, N), **OPTIONS)
def screen(in_doubles, in_words, round_to, wide, flips, program, formats, candidates, x, s, e, unit, right, many, limit,
           doubles, patterns, words, singles, integers, rooms, bits, found, first, last):
    """Find the largest error of each candidate, or its number of flips; what passes the limit is not counted on."""
    own, output = formats[0], formats[1]
    narrower = output[0] != own[0] or output[1] != own[1]
    value = int(formats[2, 0])
    y, y_bits, room = rooms[0], bits[0], bits[1]
    for j in range(first, last):
        for k in range(candidates.shape[1]):
            row, single = doubles[k + 1], singles[k + 1]
            for i in range(BLOCK):
                row[i] = candidates[j, k]
                single[i] = np.float32(candidates[j, k])
        total = 0.0
        for begin in range(0, many, BLOCK):
            n = min(BLOCK, many - begin)
            if wide:
                given = doubles[0]
                for i in range(n):
                    given[i] = x[begin + i]
                in_doubles(n, program, doubles, patterns, own, room)
                given = doubles[value]
                for i in range(n):
                    y[i] = given[i]
            else:
                single = singles[0]
                for i in range(n):
                    single[i] = np.float32(x[begin + i])
                in_words(n, program, singles, integers, words)
                single = singles[value]
                for i in range(n):
                    y[i] = single[i]
            if narrower:
                round_to(n, y, y_bits, int(output[0]), int(output[1]), output[2])
            if flips:
                count = 0
                for i in range(n):
                    count += 1 if y[i] != right[begin + i] else 0
                total += count
            else:
                for i in range(n):
                    u = abs((y[i] - s[begin + i]) - e[begin + i]) / unit[begin + i]
                    total = u if u > total else total
            if total > limit:
                break
        found[j] = total
'''


@lru_cache(maxsize=1)
def kernel() -> ModuleType:
    """Return the module of the compiled loop."""
    return compiled(TEXT.replace("OPTIONS = ", f"BLOCK = {BLOCK}\nOPTIONS = ", 1)).module
