"""Every input of a format through a program, and each value judged against the truth: a compiled loop.

A block of inputs goes through the program operation after operation, so that one compiled text serves all programs, and
each operation is a loop over neighbours that a processor's vectors take. float32 and whole functions stand in words of
32 bits; other formats in doubles, each operation rounded to the format as `polyoptim.arithmetic` does it.

The truth is a polynomial in each panel of inputs, next to a bound of its error. Where that does not decide how the true
value is rounded, or how large its unit in the last place is, the input is handed back.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

from polyoptim.compiler import compiled

BLOCK = 1024  # inputs that go through a program together
TERMS = 8  # of the truth's polynomial
BINS, PER_ULP = 129, 8  # of the histogram; the last holds the rest
WORST = 8  # inputs that are kept
# Columns of what describes a panel: whole numbers, and floats, of which the last ones are the truth's.
KIND, START, STRIDE, COUNT, PANEL_INTEGERS = range(5)
LOW, STEP, CENTRE, DOUBT, LEADING, REST = range(6)
PANEL_FLOATS = REST + TERMS
EXACT = 2.0**-50  # of a unit in the last place: what is rounded when the truth's place between two numbers is found
EDGE, EDGE_DOUBLE = (
    2.0**-15,
    2.0**-8,
)  # of a unit: how near below a power of two a value counts as it; the second of float64
BITS, GRID = range(2)  # kinds of a panel: float32 patterns, or multiples of a step

# What each operation does with its inputs a, b, c, read as float32 ("f"), int32 ("i") or uint32 ("u"), and its result.
WORDS = {
    "mul": ("ff", "f", "a[i] * b[i]"),
    "add": ("ff", "f", "a[i] + b[i]"),
    "sub": ("ff", "f", "a[i] - b[i]"),
    "div": ("ff", "f", "a[i] / b[i]"),
    "fma": ("fff", "f", "fma(a[i], b[i], c[i])"),
    "iadd": ("uu", "u", "a[i] + b[i]"),
    "isub": ("uu", "u", "a[i] - b[i]"),
    "imul": ("uu", "u", "a[i] * b[i]"),
    "umulhi": ("uu", "u", "(np.uint64(a[i]) * np.uint64(b[i])) >> np.uint64(32)"),
    "and": ("uu", "u", "a[i] & b[i]"),
    "or": ("uu", "u", "a[i] | b[i]"),
    "xor": ("uu", "u", "a[i] ^ b[i]"),
    "shl": ("uu", "u", "a[i] << b[i]"),
    "shr": ("uu", "u", "a[i] >> b[i]"),
    "sar": ("iu", "i", "a[i] >> np.int64(b[i])"),
    "int": ("f", "i", "np.int32(a[i])"),
    "flt": ("i", "f", "np.float32(a[i])"),
    "lt": ("ff", "u", "ONES if a[i] < b[i] else ZERO"),
    "le": ("ff", "u", "ONES if a[i] <= b[i] else ZERO"),
    "eq": ("ff", "u", "ONES if a[i] == b[i] else ZERO"),
    "ilt": ("ii", "u", "ONES if a[i] < b[i] else ZERO"),
    "ult": ("uu", "u", "ONES if a[i] < b[i] else ZERO"),
    "ieq": ("uu", "u", "ONES if a[i] == b[i] else ZERO"),
    "select": ("uuu", "u", "b[i] if a[i] != ZERO else c[i]"),
}
CODES = {kind: code for code, kind in enumerate(WORDS)}
ROWS = {"f": "singles", "i": "integers", "u": "words"}

HEAD = """\
import math

import numba
import numpy as np
from numba.extending import intrinsic

OPTIONS = dict(nogil=True, error_model="numpy", cache=CACHE)
ONES, ZERO = np.uint32(0xFFFFFFFF), np.uint32(0)
MANTISSA = 0xFFFFFFFFFFFFF
N, F1, F2, I1, I2 = numba.int64, numba.float64[::1], numba.float64[:, ::1], numba.int64[::1], numba.int64[:, ::1]
# What is called through a pointer is not compiled once more inside its caller.
DOUBLES = numba.types.FunctionType(numba.void(N, I2, F2, I2, F1, I1))
WORDS = numba.types.FunctionType(numba.void(N, I2, numba.float32[:, ::1], numba.int32[:, ::1], numba.uint32[:, ::1]))
JUDGE = numba.types.FunctionType(numba.void(N, F1, I1, F1, numba.float64, F1, F1, F1, I1, F1, I1, I1))
TRUTH = numba.types.FunctionType(numba.void(N, F1, F1, F1, F1))


@intrinsic
def fma(typing, a, b, c):
    def generate(context, builder, signature, values):
        return builder.fma(*values)

    return a(a, a, a), generate
"""

TEXT = '''

@numba.njit("void(int64, float64[::1], int64[::1], int64, int64, float64)", **OPTIONS)
def round_to(n, values, bits, digits, finest, largest):
    """Round doubles in place to a format; `bits` is the same memory."""
    if digits == 53:
        return
    for i in range(n):
        v = values[i]
        exponent = (bits[i] >> 52) & 0x7FF
        unit = math.ldexp(1.0, max(exponent - 1023 - (digits - 1), finest))
        magic = unit * 6755399441055744.0
        r = (v + magic) - magic
        if abs(r) > largest:
            r = np.inf
        if exponent != 0x7FF:
            values[i] = math.copysign(r, v)


@numba.njit("void(int64, float64[::1], float64[::1], float64[::1], int64[::1])", **OPTIONS)
def add_odd(n, a, b, out, bits):
    """Add two numbers; where the sum is not exact, take its neighbour whose last bit is 1."""
    for i in range(n):
        total = a[i] + b[i]
        part = total - a[i]
        left = (a[i] - (total - part)) + (b[i] - part)
        out[i] = total
        if (left < 0.0 or left > 0.0) and bits[i] & 1 == 0:
            bits[i] += 1 if (left > 0.0) == (total > 0.0) else -1


@numba.njit("void(int64, int64[:, ::1], float64[:, ::1], int64[:, ::1], float64[::1], int64[::1])", **OPTIONS)
def run_doubles(n, program, doubles, patterns, own, room):
    digits, finest, largest = int(own[0]), int(own[1]), own[2]
    for j in range(program.shape[0]):
        code = program[j, 0]
        out, bits = doubles[program[j, 1]], patterns[program[j, 1]]
        a, b, c = doubles[program[j, 2]], doubles[program[j, 3]], doubles[program[j, 4]]
        if code == MUL:
            for i in range(n):
                out[i] = a[i] * b[i]
        elif code == ADD:
            for i in range(n):
                out[i] = a[i] + b[i]
        elif digits == 53:
            for i in range(n):
                out[i] = fma(a[i], b[i], c[i])
        else:
            product = room.view(np.float64)
            for i in range(n):
                product[i] = a[i] * b[i]
            add_odd(n, product, c, out, bits)
        round_to(n, out, bits, digits, finest, largest)


@numba.njit("void(int64, int64[:, ::1], float32[:, ::1], int32[:, ::1], uint32[:, ::1])", **OPTIONS)
def run_words(n, program, singles, integers, words):
    for j in range(program.shape[0]):
        code = program[j, 0]
DISPATCH

@numba.njit("void(int64, float64[::1], float64[::1], float64[::1], float64[::1])", **OPTIONS)
def true_values(n, x, panel, s, e):
    """Find the truth as a sum of two doubles, the second at most half a unit of the first."""
    centre, leading = panel[CENTRE], panel[LEADING]
    rest, c1, c2, c3, c4, c5, c6, c7 = (panel[REST], panel[REST + 1], panel[REST + 2], panel[REST + 3],
        panel[REST + 4], panel[REST + 5], panel[REST + 6], panel[REST + 7])
    for i in range(n):
        t = x[i] - centre
        r = fma(fma(fma(fma(fma(fma(fma(c7, t, c6), t, c5), t, c4), t, c3), t, c2), t, c1), t, rest)
        total = leading + r
        part = total - leading
        s[i] = total
        e[i] = (leading - (total - part)) + (r - part)


@numba.njit("void(int64, float64[::1], int64[::1], float64[::1], float64, float64[::1], float64[::1], "
            "float64[::1], int64[::1], float64[::1], int64[::1], int64[::1])", **OPTIONS)
def judge(n, s, bits, e, doubt, y, output, unit, unit_bits, u, u_bits, verdict):
    """Find the error of each value in units in the last place of the truth; and verdicts: 1 for a flip, 2 for doubt."""
    digits, finest, largest, widest = int(output[0]), int(output[1]), output[2], output[3]
    least = 1023 + finest if 1023 + finest > 1 else 1
    near = EDGE_DOUBLE if digits == 53 else EDGE
    for i in range(n):
        exponent = (bits[i] >> 52) & 0x7FF
        place = exponent - (digits - 1)
        unit_bits[i] = (place if place > least else least) << 52
    for i in range(n):  # a value hardly below a power of two counts as it
        left = e[i] if s[i] >= 0.0 else -e[i]
        edge = abs(s[i]) + near * unit[i]
        u[i] = edge - doubt
        unit[i] = edge + doubt
        verdict[i] = 1 if digits == 53 and (bits[i] & MANTISSA) == 0 and left < -near * unit[i] else 0
    for i in range(n):
        upper, lower = (unit_bits[i] >> 52) & 0x7FF, (u_bits[i] >> 52) & 0x7FF
        place = lower - (digits - 1) - verdict[i]
        verdict[i] = 0 if upper == lower else 2
        unit_bits[i] = (place if place > least else least) << 52
    for i in range(n):
        size = abs(s[i])
        left = e[i] if s[i] >= 0.0 else -e[i]
        ulp = unit[i]
        magic = ulp * 6755399441055744.0
        r = size if digits == 53 else (size + magic) - magic
        d = (size - r) + left
        half = ulp * 0.5
        flawed = abs(abs(d) - half) <= doubt + ulp * EXACT
        flawed |= verdict[i] == 2
        flawed |= digits == 53 and size < 1e-280 and size != 0.0
        r = r + ulp if d > half else (r - ulp if d < -half else r)
        r = np.inf if r > largest else r
        r = math.copysign(r, s[i])
        given = y[i] if s[i] >= 0.0 else -y[i]
        found = abs((given - size) - left) / (ulp if ulp < widest else widest)
        same = y[i] == r
        found = found if found == found else np.inf
        found = 0.0 if same and abs(r) == np.inf else found
        u[i] = found
        verdict[i] = 2 if flawed or doubt == np.inf else (0 if same else 1)


@numba.njit("void(float64, float64, float64[::1], float64[::1])", **OPTIONS)
def keep_worst(u, x, worst_u, worst_x):
    k = worst_u.size - 1
    if not u > worst_u[k]:
        return
    while k > 0 and u > worst_u[k - 1]:
        worst_u[k], worst_x[k] = worst_u[k - 1], worst_x[k - 1]
        k -= 1
    worst_u[k], worst_x[k] = u, x


@numba.njit(numba.int64(DOUBLES, WORDS, JUDGE, TRUTH, N, I2, F2, N, N, N, I2, F2, numba.float64, numba.float64,
            F2, I2, numba.uint32[:, ::1], numba.float32[:, ::1], numba.int32[:, ::1], F2, I2, I1, F1, F1, I1, F2, I1),
            **OPTIONS)
def measure(in_doubles, in_words, decide, find_truth, wide, integers, floats, first, last, offset, program, formats,
            most_ulp, most_flips, doubles, patterns, words, singles, integer_words, rooms, room_bits, histogram,
            worst_u, worst_x, counts, doubtful, at):
    """Run panels first … last - 1, the first from an offset on; stop where there is no room for doubtful inputs.

    Returns how many inputs are doubtful. `counts` gets inputs and flips, `at` where to go on.
    """
    own, output = formats[0], formats[1]
    x, y, s, e, u, unit = rooms[0], rooms[1], rooms[2], rooms[3], rooms[4], rooms[5]
    x_bits, y_bits, s_bits, u_bits, unit_bits = room_bits[0], room_bits[1], room_bits[2], room_bits[4], room_bits[5]
    verdict, room = room_bits[6], room_bits[7]
    narrower = output[0] != own[0] or output[1] != own[1]
    value = int(formats[2, 0])
    found = 0
    for k in range(first, last):
        kind, start, stride, count = integers[k, 0], integers[k, 1], integers[k, 2], integers[k, 3]
        panel = floats[k]
        begin = offset if k == first else 0
        while begin < count:
            n = min(BLOCK, count - begin)
            at[0], at[1] = k, begin
            if found + n > doubtful.shape[0]:
                return found
            if kind == 0:
                row = words[0]
                for i in range(n):
                    row[i] = np.uint32(start + stride * (begin + i))
                single = singles[0]
                for i in range(n):
                    x[i] = single[i]
            else:
                for i in range(n):
                    x[i] = panel[LOW] + panel[STEP] * float(start + begin + i)
                if wide:
                    round_to(n, x, x_bits, int(own[0]), int(own[1]), own[2])
                else:
                    single = singles[0]
                    for i in range(n):
                        single[i] = np.float32(x[i])
                    for i in range(n):
                        x[i] = single[i]
            if wide:
                given = doubles[0]
                for i in range(n):
                    given[i] = x[i]
                in_doubles(n, program, doubles, patterns, own, room)
                given = doubles[value]
                for i in range(n):
                    y[i] = given[i]
            else:
                in_words(n, program, singles, integer_words, words)
                single = singles[value]
                for i in range(n):
                    y[i] = single[i]
            if narrower:
                round_to(n, y, y_bits, int(output[0]), int(output[1]), output[2])
            find_truth(n, x, panel, s, e)
            decide(n, s, s_bits, e, panel[DOUBT], y, output, unit, unit_bits, u, u_bits, verdict)
            seen = 0
            for i in range(n):
                seen |= verdict[i]
            if seen & 2:
                for i in range(n):
                    if verdict[i] == 2:
                        doubtful[found, 0], doubtful[found, 1] = x[i], y[i]
                        found += 1
                        u[i], verdict[i] = -1.0, 0
            largest, flips = -1.0, 0
            for i in range(n):
                largest = u[i] if u[i] > largest else largest
                flips += verdict[i]
            counts[0] += n
            counts[1] += flips
            for i in range(n):
                if u[i] >= 0.0:
                    histogram[int(u[i] * PER_ULP) if u[i] < BINS / PER_ULP else BINS - 1] += 1
            if largest > worst_u[worst_u.size - 1]:
                for i in range(n):
                    keep_worst(u[i], x[i], worst_u, worst_x)
            begin += n
            if worst_u[0] > most_ulp or counts[1] > most_flips:
                at[0], at[1] = last, 0
                return found
    at[0], at[1] = last, 0
    return found
'''


@lru_cache(maxsize=1)
def kernel() -> ModuleType:
    """Return the module of the compiled loops."""
    branches = []
    for kind, code in CODES.items():
        inputs, result, value = WORDS[kind]
        named = [f"{'abc'[place]} = {ROWS[one]}[program[j, {place + 2}]]" for place, one in enumerate(inputs)]
        lines = [*named, f"out = {ROWS[result]}[program[j, 1]]", "for i in range(n):", f"    out[i] = {value}"]
        word = "elif" if code else "if"
        branches.append(f"        {word} code == {code}:\n" + "".join(f"            {line}\n" for line in lines))
    constants = {
        "CENTRE": CENTRE,
        "DOUBT": DOUBT,
        "LEADING": LEADING,
        "REST": REST,
        "LOW": LOW,
        "STEP": STEP,
        "BLOCK": BLOCK,
        "BINS": BINS,
        "PER_ULP": PER_ULP,
        "MUL": CODES["mul"],
        "ADD": CODES["add"],
        "EXACT": EXACT,
        "EDGE": EDGE,
        "EDGE_DOUBLE": EDGE_DOUBLE,
    }
    given = "".join(f"{name} = {value!r}\n" for name, value in constants.items())
    text = TEXT.replace("DISPATCH\n", "".join(branches))
    return compiled(f"{HEAD}{given}{text}").module
