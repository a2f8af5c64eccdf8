"""Least squares polynomials of many groups of rows side by side, one in each lane, in numbers of twice the digits.

One text serves both: compiled by numba, lane after lane in a processor's vectors, and as plain Python over NumPy, where
the lanes are all groups at once. They give the same bits, for each operation is the same. A group's sums are exact (see
``moments``) and what follows is done in a fixed order, so that neither the order of the rows nor a group's neighbours
nor the number of threads can change a bit.

The normal equations stand in the Chebyshev basis on the group's own domain and are solved by L D Lᵀ. Where the squares
of the residuals cancel in the sums, the residuals themselves are fitted once more, as `solvers.squared` does.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.compiler import compiled, single_run
from polyoptim.lane_operations import BLOCK, FUNCTIONS, finished, operations_text

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LANES = 128
LONGEST = BLOCK  # rows of a group whose sums are exact
# Seconds of plain NumPy, for one operation on few lanes and for one lane more, and what numba's import is worth.
CALL, LANE, WORTH = 25e-6, 60e-9, 1.5
READY = 0.02  # the same, where numba is there already
# Columns of what is found, before the coefficients.
COUNT, LOW, HIGH, Y_EXPONENT, W_EXPONENT, R_EXPONENT, PIVOT, RSS, TSS, FACTS = range(10)

# What reads rows, and what is done lane by lane with exponents: loops for numba, below in NumPy.
SCALAR = """
@numba.njit("int64(float64)", **OPTIONS)
def exponent_of(size):
    if not size > 0.0 or size == np.inf:
        return 0
    mantissa, exponent = math.frexp(size)
    return exponent - 1 if mantissa == 0.5 else exponent


@numba.njit("void(int64, VECTOR, int64)", **OPTIONS)
def keep_power(i, unit, exponent):
    first = -exponent // 2
    unit[i] = math.ldexp(1.0, first)
    unit[LANES + i] = math.ldexp(1.0, -exponent - first)


@numba.njit("void(int64, int64, ROWS, VECTOR, MATRIX, MATRIX)", **OPTIONS)
def frames(width, begin, DATA, ends, numbers, answer):
    for i in range(width):
        g = chosen[begin + i]
        low, high, size, heavy, count = np.inf, -np.inf, 0.0, 0.0, 0
        for j in range(starts[g], starts[g] + counts[g]):
            row = order[j] if ordered else j
            w = weight[row] if weighted else 1.0
            if w > 0.0:
                count += 1
                low, high = min(low, x[row]), max(high, x[row])
                size, heavy = max(size, abs(y[row])), max(heavy, w)
        a, b = low, high
        if ends[0] < ends[1]:
            a, b = (ends[0], ends[1]) if ends[0] <= low and high <= ends[1] else (np.nan, np.nan)
        elif low == high:
            half = 1.0 if abs(low) < ALONE else np.nan
            a, b = low - half, low + half
        center, scale = a / 2 + b / 2, 2.0 / (b - a)
        y_exponent, w_exponent = exponent_of(size), exponent_of(heavy)
        w_exponent += w_exponent % 2
        numbers[0, i], numbers[0, LANES + i] = center, scale
        keep_power(i, numbers[1], y_exponent)
        keep_power(i, numbers[2], w_exponent)
        numbers[3, i], numbers[4, i] = -center, scale
        numbers[5, i] = math.frexp(scale)[0] if scale == scale and scale != np.inf else np.nan
        answer[0, i], answer[1, i], answer[2, i] = count, a, b
        answer[3, i], answer[4, i], answer[5, i] = y_exponent, w_exponent, 0.0


@numba.njit("void(int64, int64, int64, int64, ROWS, MATRIX, VECTOR, VECTOR, VECTOR)", **OPTIONS)
def gather(width, begin, j, full, DATA, numbers, x_row, y_row, w_row):
    if full and not ordered:
        for i in range(width):
            row = starts[chosen[begin + i]] + j
            x_row[i] = x[row]
            y_row[i] = y[row]
        return
    for i in range(width):
        g = chosen[begin + i]
        x_row[i], y_row[i], w_row[i] = numbers[0, i], 0.0, 0.0
        if j < counts[g]:
            row = order[starts[g] + j] if ordered else starts[g] + j
            w = weight[row] if weighted else 1.0
            if w > 0.0:
                x_row[i], y_row[i], w_row[i] = x[row], y[row], w


@numba.njit("void(int64, VECTOR, MATRIX, MATRIX)", **OPTIONS)
def rescale(width, largest, numbers, answer):
    for i in range(width):
        exponent = exponent_of(largest[i])
        keep_power(i, numbers[6], exponent)
        keep_power(i, numbers[7], -exponent)
        answer[5, i] = exponent


@numba.njit("void(int64, int64, MATRIX, MATRIX)", **OPTIONS)
def hand_out(width, begin, answer, found):
    for i in range(width):
        for column in range(answer.shape[0]):
            found[begin + i, column] = answer[column, i]
"""

TEXT = '''
JIT("void(int64, int64, MATRIX, MATRIX, MATRIX)")
def expand(width, degree, numbers, table, room):
    """T_k(u) in powers of scale * x: row k m + p."""
    m = degree + 1
    table[:] = 0.0
    table[0, :width] = 1.0
    if degree:
        multiply_exactly(width, numbers[3], numbers[4], table[m])
        table[m + 1, :width] = 1.0
        room[0] = 2.0 * table[m]
    for k in range(1, degree):
        for p in range(k + 2):
            out = table[(k + 1) * m + p]
            if p <= k:
                multiply(width, room[0], table[k * m + p], out)
            if p > 0:
                room[1] = 2.0 * table[k * m + p - 1]
                add_to(width, room[1], out)
            if p < k:
                room[1] = -table[(k - 1) * m + p]
                add_to(width, room[1], out)


JIT("void(int64, int64, int64, int64, int64, ROWS, MATRIX, int64, MATRIX, MATRIX, MATRIX)")
def sums(width, begin, rows, full, degree, DATA, numbers, again, left, total, room):
    """The sums of ``moments``; `again` with what is left of y. The first `full` rows have weight 1 in every lane."""
    total[:] = 0.0
    room[6] = 0.0
    for j in range(rows):
        gather(width, begin, j, j < full, GIVEN, numbers, room[0], room[1], room[2])
        place(width, room[0], numbers[0], room[3])
        if again:
            shrink(width, left[j], numbers[6], room[4])
        else:
            shrink(width, room[1], numbers[1], room[4])
        if j < full:
            room[6, :width] = room[4, :width]
        else:
            shrink(width, room[2], numbers[2], room[5])
            multiply_exactly(width, room[4], room[5], room[6])
        for k in range(2 * degree + 1):
            t = room[7 + k % 3]
            if k == 0:
                t[:] = 0.0
                t[:width] = 1.0
            elif k == 1:
                t[:] = room[3]
            else:
                follow(width, room[3], room[7 + (k + 2) % 3], room[7 + (k + 1) % 3], t)
            if j < full:
                add(width, t, total[k])
            else:
                add_scaled(width, t, room[5], total[k])
            if k <= degree:
                add_product(width, t, room[6], total[2 * degree + 1 + k])
        add_scaled(width, room[6], room[4], total[3 * degree + 2])


JIT("void(int64, int64, MATRIX, MATRIX, MATRIX, MATRIX, MATRIX, MATRIX, MATRIX)")
def solve(width, degree, total, lower, pivots, coef, gram, z, room):
    """G = L D L', L below and L D above the diagonal; room: what is left of y'y, without the constant, least pivot."""
    m = degree + 1
    for k in range(2 * degree + 1):
        join(width, total[k], gram[k])
    join(width, total[3 * degree + 2], room[0])
    room[2, :width] = 1.0
    for i in range(m):
        for j in range(i + 1):
            out = lower[i * m + j]
            half_sum(width, gram[i + j], gram[i - j], out)
            if i == j:
                room[3] = out
            for k in range(j):
                take_product(width, lower[k * m + i], lower[j * m + k], out)
            if i == j:
                pivots[i] = out
                least_ratio(width, pivots[i], room[3], room[2])
            else:
                lower[j * m + i] = out
                divide(width, lower[j * m + i], pivots[j], out)
    for i in range(m):
        join(width, total[2 * degree + 1 + i], z[i])
        for k in range(i):
            take_product(width, lower[i * m + k], z[k], z[i])
        divide(width, z[i], pivots[i], coef[i])
        take_product(width, z[i], coef[i], room[0])
        if i == 0:
            room[1] = room[0]
    for i in range(m - 1, -1, -1):
        for k in range(i + 1, m):
            take_product(width, lower[k * m + i], coef[k], coef[i])


JIT("void(int64, int64, int64, int64, ROWS, MATRIX, MATRIX, MATRIX, VECTOR, MATRIX)")
def residuals(width, begin, rows, degree, DATA, numbers, coef, left, largest, room):
    """What the polynomials leave of y, row by row; room[10]: below which it is rounding of the sums."""
    largest[:] = 0.0
    for j in range(rows):
        gather(width, begin, j, 0, GIVEN, numbers, room[0], room[1], room[2])
        place(width, room[0], numbers[0], room[3])
        room[4] = 0.0
        shrink(width, room[1], numbers[1], room[4])
        for k in range(degree + 1):
            t = room[7 + k % 3]
            if k == 0:
                t[:] = 0.0
                t[:width] = 1.0
            elif k == 1:
                t[:] = room[3]
            else:
                follow(width, room[3], room[7 + (k + 2) % 3], room[7 + (k + 1) % 3], t)
            take_product(width, t, coef[k], room[4])
        silence(width, room[4], room[10], room[2], left[j])
        widen(width, left[j], largest)


JIT("void(int64, int64, MATRIX, MATRIX, MATRIX, MATRIX, MATRIX, MATRIX, MATRIX)")
def convert(width, degree, numbers, table, lower, pivots, coef, answer, room):
    """Coefficients, those of powers of (mantissa of scale) * x, and the unit variances of powers of scale * x."""
    m = degree + 1
    room[0] = 0.0
    room[0, :width] = 1.0
    for p in range(m):
        answer[FACTS + p] = coef[p]
        room[1] = 0.0
        answer[FACTS + 2 * m + p] = 0.0
        for i in range(p, m):
            take_product(width, table[i * m + p], coef[i], room[1])
            q = room[4 + i]
            q[:] = table[i * m + p]
            for k in range(p, i):
                take_product(width, lower[i * m + k], room[4 + k], q)
            add_square_over(width, q, pivots[i], answer[FACTS + 2 * m + p])
        multiply(width, room[1], room[0], room[2])
        answer[FACTS + m + p] = -room[2]
        multiply(width, room[0], numbers[5], room[3])
        room[0] = room[3]


JIT("void(int64, int64, int64, int64, ROWS, VECTOR, MATRIX)")
def fit(first, last, degree, lanes, DATA, ends, found):
    """Fit the groups chosen[first:last]; a row of `found` for each."""
    m = degree + 1
    numbers, table, lower = np.zeros((8, 2 * lanes)), np.zeros((m * m, 2 * lanes)), np.zeros((m * m, 2 * lanes))
    pivots, coef, more = np.zeros((m, 2 * lanes)), np.zeros((m, 2 * lanes)), np.zeros((m, 2 * lanes))
    gram, z, total = np.zeros((2 * degree + 1, 2 * lanes)), np.zeros((m, 2 * lanes)), np.zeros((3 * m, 3 * lanes))
    room, outcome, again = np.zeros((11 + m, 2 * lanes)), np.zeros((4, 2 * lanes)), np.zeros((4, 2 * lanes))
    answer, largest, left = np.zeros((FACTS + 3 * m, 2 * lanes)), np.zeros(2 * lanes), np.zeros((0, 2 * lanes))
    for begin in range(first, last, lanes):
        width = min(lanes, last - begin)
        rows, full = 0, LONGEST
        for i in range(width):
            rows = max(rows, counts[chosen[begin + i]])
            full = min(full, counts[chosen[begin + i]])
        if weighted:
            full = 0
        frames(width, begin, GIVEN, ends, numbers, answer)
        sums(width, begin, rows, full, degree, GIVEN, numbers, 0, left, total, room)
        solve(width, degree, total, lower, pivots, coef, gram, z, outcome)
        join(width, total[3 * degree + 2], room[9])
        room[10] = 0.0
        for k in range(m):
            add_size(width, coef[k], room[10])
        few = 0
        for i in range(width):
            if outcome[0, i] < SMALL * room[9, i]:
                few += 1
                room[10, i] = NOISE * m * m * max(1.0, room[10, i])
            else:
                room[10, i] = np.inf
        answer[7], answer[8], answer[6] = outcome[0], outcome[1], outcome[2]
        if few:
            if left.shape[0] < rows:
                left = np.zeros((rows, 2 * lanes))
            residuals(width, begin, rows, degree, GIVEN, numbers, coef, left, largest, room)
            rescale(width, largest, numbers, answer)
            sums(width, begin, rows, full, degree, GIVEN, numbers, 1, left, total, room)
            solve(width, degree, total, lower, pivots, more, gram, z, again)
            for k in range(m):
                shrink_pair(width, more[k], numbers[7], room[0])
                add_to(width, room[0], coef[k])
            for i in range(width):
                if room[10, i] < np.inf:
                    answer[7, i] = max(again[0, i], 0.0)
                else:
                    answer[5, i] = 0.0
        expand(width, degree, numbers, table, room)
        convert(width, degree, numbers, table, lower, pivots, coef, answer, room)
        hand_out(width, begin - first, answer, found)
'''
# The rows, as parameters and as arguments, and their types.
NAMES = "x, y, weight, weighted, order, ordered, starts, counts, chosen"
TYPES = "READ, READ, READ, int64, int64[::1], int64, int64[::1], int64[::1], int64[::1]"
ALONE = 2.0**52  # one value of x makes an interval of ends one apart from it, where floats are as near
# A sum of squares that leaves fewer bits in the sums than this share of y'y has is that of the residuals themselves.
SMALL = 2.0**-44
# Residuals below this share of y are what sums of 93 bits leave, not what samples of 53 bits have.
NOISE = 2.0**-86
USED = (
    *("follow", "add", "add_scaled", "add_product", "join", "place", "shrink", "shrink_pair", "multiply_exactly"),
    *("multiply", "take_product", "half_sum", "add_to", "divide", "least_ratio", "add_square_over", "add_size"),
    *("silence", "widen"),
)
WORDS = {
    **dict.fromkeys(("DATA", "GIVEN"), NAMES),
    "ROWS": TYPES,
    **{
        name: repr(value)
        for name, value in (
            ("FACTS", FACTS),
            ("LONGEST", LONGEST),
            ("SMALL", SMALL),
            ("NOISE", NOISE),
            ("ALONE", ALONE),
        )
    },
}


def _meant(text: str) -> str:
    for word, meaning in WORDS.items():
        text = text.replace(word, meaning)
    return text


def module_text() -> str:
    """Return the module for numba."""
    jit = TEXT.replace('JIT("', '@numba.njit("').replace('")\ndef', '", **OPTIONS)\ndef')
    text = operations_text(USED).replace("import numba\n", "import math\n\nimport numba\n", 1)
    return finished(_meant(text + "\n" + SCALAR + "\n" + jit), LANES)


@lru_cache(maxsize=1)
def _plain() -> Callable[..., None]:
    """Return the same text as functions of NumPy arrays."""
    lines = [line for line in _meant(TEXT).splitlines() if not line.startswith("JIT(")]
    names = {"np": np, "frames": _frames, "gather": _gather, "rescale": _rescale, "hand_out": _hand_out}
    space: dict[str, Any] = {**FUNCTIONS, **names}
    exec(compile("\n".join(lines), "<groups>", "exec"), space)  # noqa: S102 - our own text
    return space["fit"]  # type: ignore[no-any-return]


def fitter(groups: int, longest: int, degree: int) -> tuple[Callable[..., None], int | None]:
    """Return ``fit`` and its number of lanes, compiled where that pays, else of NumPy, with as many lanes as wanted."""
    calls = (longest * (5 * degree + 8) + 2 * (degree + 2) ** 3) * CALL
    seconds = calls * (1 + groups * LANE / CALL)
    worth = READY if "numba" in sys.modules and not single_run.get() else WORTH
    if seconds < worth:
        return _plain(), None
    return compiled(module_text()).module.fit, LANES


def _exponents(size: Array) -> Integers:
    mantissa, exponent = np.frexp(np.where(size < math.inf, size, 0.0))
    return np.where(size > 0, exponent.astype(np.int64) - (mantissa == 0.5), 0)


def _keep_powers(unit: Array, exponent: Integers) -> None:
    first = -exponent // 2
    half = len(unit) // 2
    unit[:half], unit[half:] = np.ldexp(1.0, first), np.ldexp(1.0, -exponent - first)


def _frames(width: int, begin: int, *given: Any) -> None:
    *rows, ends, numbers, answer = given
    x, y, weight, weighted, order, ordered, starts, counts, chosen = rows
    facts = np.empty((5, width))
    for i, g in enumerate(chosen[begin : begin + width]):
        own: Any = slice(starts[g], starts[g] + counts[g])
        own = order[own] if ordered else own
        kept = weight[own] > 0 if weighted else np.ones(counts[g], dtype=bool)
        here, heights = x[own][kept], np.abs(y[own][kept])
        heavy = weight[own].max(initial=0.0) if weighted else 1.0
        facts[:, i] = (
            here.min(initial=math.inf),
            here.max(initial=-math.inf),
            heights.max(initial=0.0),
            heavy,
            kept.sum(),
        )
    low, high, size, heavy, count = facts
    a, b = low.copy(), high.copy()
    if ends[0] < ends[1]:
        inside = (ends[0] <= low) & (high <= ends[1])
        a, b = np.where(inside, ends[0], math.nan), np.where(inside, ends[1], math.nan)
    else:
        half = np.where(np.abs(low) < ALONE, 1.0, math.nan)
        a, b = np.where(low == high, low - half, low), np.where(low == high, low + half, high)
    center, scale = a / 2 + b / 2, 2.0 / (b - a)
    y_exponent, w_exponent = _exponents(size), _exponents(heavy)
    w_exponent = w_exponent + w_exponent % 2
    numbers[0] = np.concatenate([center, scale])
    _keep_powers(numbers[1], y_exponent)
    _keep_powers(numbers[2], w_exponent)
    numbers[3:6] = 0.0
    numbers[3, :width], numbers[4, :width] = -center, scale
    numbers[5, :width] = np.where(np.isfinite(scale), np.frexp(scale)[0], math.nan)
    answer[:6, :width] = count, a, b, y_exponent, w_exponent, np.zeros(width)


def _gather(width: int, begin: int, j: int, _: int, *given: Any) -> None:
    *rows, numbers, x_row, y_row, w_row = given
    x, y, weight, weighted, order, ordered, starts, counts, chosen = rows
    own = chosen[begin : begin + width]
    place = starts[own] + np.minimum(j, counts[own] - 1)
    place = order[place] if ordered else place
    w = np.where(j < counts[own], weight[place] if weighted else 1.0, 0.0)
    x_row[:width] = np.where(w > 0, x[place], numbers[0, :width])
    y_row[:width] = np.where(w > 0, y[place], 0.0)
    w_row[:width] = w


def _rescale(width: int, largest: Array, numbers: Array, answer: Array) -> None:
    exponent = _exponents(largest[:width])
    _keep_powers(numbers[6], exponent)
    _keep_powers(numbers[7], -exponent)
    answer[5, :width] = exponent


def _hand_out(width: int, begin: int, answer: Array, found: Array) -> None:
    found[begin : begin + width] = answer[:, :width].T
