"""Numbers of twice the digits side by side: each operation as text for numba and as a function for NumPy, bit for bit.

A row of pairs is one array of shape (2 lanes,): the high parts, then the low ones. Each operation of the text is that
of ``doubled``, in its order; the error of a product comes from one fused multiply-add, which is the number that
Dekker's splitting finds. Where a processor has none, the C library's takes its place.

A loop has few arrays: LLVM vectorises a loop over arrays that may overlap only where it can tell them apart by at most
eight comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.doubled import Pair, difference, fast_two_sum, product, scaled, total, two_product, two_sum

Array = npt.NDArray[np.float64]

# Terms are multiples of 2^-BITS; each is written in three numbers, of 2^-31, 2^-62 and 2^-93.
LIMB, LIMBS = 31, 3
BITS = LIMB * LIMBS
# Adding and subtracting such a number rounds to a multiple of a limb's unit.
ROUNDERS = tuple(1.5 * 2.0 ** (52 - LIMB * (place + 1)) for place in range(LIMBS))
# Rows whose limbs are summed as floats, exactly: the last limb takes 40 bits of a term.
BLOCK = 1 << 13

HEAD = """\
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
"""

# The names of the arrays of each operation, and what it does in each lane. ADD is the sum of the limbs of h + l.
TEXTS = {
    "follow": ("u, last, before, t", """
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
    """),
    "add": ("t, total", """
        h, l = t[i], t[LANES + i]
        ADD
    """),
    "add_scaled": ("t, w, total", """
        p = t[i] * w[i]
        e = fma(t[i], w[i], -p) + t[LANES + i] * w[i]
        h = p + e
        l = e - (h - p)
        ADD
    """),
    "add_product": ("t, v, total", """
        p = t[i] * v[i]
        e = fma(t[i], v[i], -p) + (t[i] * v[LANES + i] + t[LANES + i] * v[i])
        h = p + e
        l = e - (h - p)
        ADD
    """),
    "join": ("total, out", """
        a, b = total[i], total[LANES + i]
        s = a + b
        p = s - a
        e = (a - (s - p)) + (b - p) + total[2 * LANES + i]
        h = s + e
        out[i] = h
        out[LANES + i] = e - (h - s)
    """),
    "place": ("x, map, u", """
        a, b = x[i], -map[i]
        s = a + b
        p = s - a
        l = (a - (s - p)) + (b - p)
        p = s * map[LANES + i]
        e = fma(s, map[LANES + i], -p) + l * map[LANES + i]
        h = p + e
        u[i] = h
        u[LANES + i] = e - (h - p)
    """),
    "shrink": ("y, unit, z", """
        z[i] = y[i] * unit[i] * unit[LANES + i]
    """),
    "shrink_pair": ("y, unit, z", """
        z[i] = y[i] * unit[i] * unit[LANES + i]
        z[LANES + i] = y[LANES + i] * unit[i] * unit[LANES + i]
    """),
    "multiply_exactly": ("a, b, out", """
        p = a[i] * b[i]
        out[i] = p
        out[LANES + i] = fma(a[i], b[i], -p)
    """),
    "multiply": ("a, b, out", """
        p = a[i] * b[i]
        e = fma(a[i], b[i], -p) + (a[i] * b[LANES + i] + a[LANES + i] * b[i])
        h = p + e
        out[i] = h
        out[LANES + i] = e - (h - p)
    """),
    "take_product": ("a, b, out", """
        p = a[i] * b[i]
        e = fma(a[i], b[i], -p) + (a[i] * b[LANES + i] + a[LANES + i] * b[i])
        h = p + e
        l = e - (h - p)
        s = out[i] - h
        p = s - out[i]
        e = (out[i] - (s - p)) + (-h - p) + (out[LANES + i] - l)
        h = s + e
        out[i] = h
        out[LANES + i] = e - (h - s)
    """),
    "half_sum": ("a, b, out", """
        s = a[i] + b[i]
        p = s - a[i]
        e = (a[i] - (s - p)) + (b[i] - p) + (a[LANES + i] + b[LANES + i])
        h = s + e
        l = e - (h - s)
        out[i] = 0.5 * h
        out[LANES + i] = 0.5 * l
    """),
    "add_to": ("a, out", """
        s = out[i] + a[i]
        p = s - out[i]
        e = (out[i] - (s - p)) + (a[i] - p) + (out[LANES + i] + a[LANES + i])
        h = s + e
        out[i] = h
        out[LANES + i] = e - (h - s)
    """),
    "divide": ("a, b, out", """
        q = a[i] / b[i]
        p = b[i] * q
        e = fma(b[i], q, -p) + b[LANES + i] * q
        h = p + e
        l = e - (h - p)
        s = a[i] - h
        p = s - a[i]
        e = (a[i] - (s - p)) + (-h - p) + (a[LANES + i] - l)
        r = (s + e) / b[i]
        h = q + r
        out[i] = h
        out[LANES + i] = r - (h - q)
    """),
    "least_ratio": ("a, b, out", """
        r = a[i] / b[i]
        out[i] = r if r < out[i] or r != r else out[i]
    """),
    "add_square_over": ("a, b, out", """
        out[i] += a[i] * a[i] / b[i]
    """),
    "add_size": ("a, out", """
        out[i] += abs(a[i])
    """),
    "silence": ("a, noise, w, out", """
        out[i] = a[i] if abs(a[i]) > noise[i] and w[i] > 0.0 else 0.0
    """),
    "widen": ("a, out", """
        out[i] = abs(a[i]) if abs(a[i]) > out[i] else out[i]
    """),
}  # fmt: skip


def operations_text(names: Sequence[str]) -> str:
    """Return the head of a module with these operations; CACHE and LANES stand for what is not known yet."""
    parts = [HEAD]
    for name in names:
        arrays, body = TEXTS[name]
        vectors = ", ".join(["VECTOR"] * (arrays.count(",") + 1))
        decorator = f'@numba.njit("void(int64, {vectors})", **OPTIONS)'
        parts.append(f"{decorator}\ndef {name}(width, {arrays}):\n    for i in range(width):\n        {body.strip()}\n")
    return "\n\n".join(parts)


def finished(text: str, lanes: int) -> str:
    """Return a module's text with what its short words stand for."""
    add = ["q = (h + {0!r}) - {0!r}", "total[i] += q", "h = h - q", "q = (h + {1!r}) - {1!r}", "total[LANES + i] += q",
           "h = (h - q) + l", "total[2 * LANES + i] += (h + {2!r}) - {2!r}"]  # fmt: skip
    units = ", ".join(repr(2.0 ** (LIMB * place)) for place in (1, 2, 3))
    lines = []
    for line in text.splitlines():
        room = line[: len(line) - len(line.lstrip())]
        lines += [room + part.format(*ROUNDERS) for part in add] if line.strip() == "ADD" else [line]
    text = "\n".join(lines) + "\n"
    for name, meaning in (("LANES", str(lanes)), ("UNITS", f"({units})"), ("VECTOR", "float64[::1]"),
                          ("MATRIX", "float64[:, ::1]"), ("READ", "Array(float64, 1, 'C', True)")):  # fmt: skip
        text = text.replace(name, meaning)
    return text


def limbs_of(term: Pair) -> list[Any]:
    """Return three multiples of 2^-31, 2^-62 and 2^-93 whose sum is a double-double up to 1, rounded."""
    high, low = term
    found = []
    for rounder in ROUNDERS[:-1]:
        part = (high + rounder) - rounder
        high = high - part
        found.append(part)
    return [*found, ((high + low) + ROUNDERS[-1]) - ROUNDERS[-1]]


def _pair(row: Array) -> Pair:
    half = len(row) // 2
    return row[:half], row[half:]


def _keep(out: Array, found: Pair) -> None:
    half = len(out) // 2
    out[:half], out[half:] = found


def _high(row: Array) -> Array:
    return row[: len(row) // 2]


def _add(total: Array, term: Pair) -> None:
    total += np.concatenate(limbs_of(term))


def _follow(_: int, u: Array, last: Array, before: Array, t: Array) -> None:
    twice = (2.0 * _pair(u)[0], 2.0 * _pair(u)[1])
    _keep(t, difference(product(twice, _pair(last)), _pair(before)))


def _join(_: int, total: Array, out: Array) -> None:
    a, b, c = np.split(total, LIMBS)
    high, low = two_sum(a, b)
    _keep(out, fast_two_sum(high, low + c))


def _place(_: int, x: Array, to: Array, u: Array) -> None:
    center, scale = _pair(to)
    _keep(u, scaled(two_sum(_high(x), -center), scale))


def _shrink(_: int, y: Array, unit: Array, z: Array) -> None:
    first, second = _pair(unit)
    _high(z)[:] = _high(y) * first * second


def _shrink_pair(_: int, y: Array, unit: Array, z: Array) -> None:
    first, second = _pair(unit)
    _keep(z, tuple(part * first * second for part in _pair(y)))


def _take_product(_: int, a: Array, b: Array, out: Array) -> None:
    _keep(out, difference(_pair(out), product(_pair(a), _pair(b))))


def _half_sum(_: int, a: Array, b: Array, out: Array) -> None:
    high, low = two_sum(_high(a), _high(b))
    high, low = fast_two_sum(high, low + (_pair(a)[1] + _pair(b)[1]))
    _keep(out, (0.5 * high, 0.5 * low))


def _divide(_: int, a: Array, b: Array, out: Array) -> None:
    quotient = _high(a) / _high(b)
    high, low = two_sum(_high(a), -scaled(_pair(b), quotient)[0])
    rest = (high + (low + (_pair(a)[1] - scaled(_pair(b), quotient)[1]))) / _high(b)
    _keep(out, fast_two_sum(quotient, rest))


def _least_ratio(_: int, a: Array, b: Array, out: Array) -> None:
    ratio = _high(a) / _high(b)
    _high(out)[:] = np.where((ratio < _high(out)) | np.isnan(ratio), ratio, _high(out))


def _add_square_over(_: int, a: Array, b: Array, out: Array) -> None:
    _high(out)[:] += _high(a) * _high(a) / _high(b)


def _add_size(_: int, a: Array, out: Array) -> None:
    _high(out)[:] += np.abs(_high(a))


def _silence(_: int, a: Array, noise: Array, w: Array, out: Array) -> None:
    kept = (np.abs(_high(a)) > _high(noise)) & (_high(w) > 0.0)
    _high(out)[:] = np.where(kept, _high(a), 0.0)


def _widen(_: int, a: Array, out: Array) -> None:
    size = np.abs(_high(a))
    _high(out)[:] = np.where(size > _high(out), size, _high(out))


# The same operations for NumPy, where the lanes are as many as there are.
FUNCTIONS: dict[str, Callable[..., None]] = {
    "follow": _follow,
    "add": lambda _, t, total: _add(total, _pair(t)),
    "add_scaled": lambda _, t, w, total: _add(total, scaled(_pair(t), _high(w))),
    "add_product": lambda _, t, v, total: _add(total, product(_pair(t), _pair(v))),
    "join": _join,
    "place": _place,
    "shrink": _shrink,
    "shrink_pair": _shrink_pair,
    "multiply_exactly": lambda _, a, b, out: _keep(out, two_product(_high(a), _high(b))),
    "multiply": lambda _, a, b, out: _keep(out, product(_pair(a), _pair(b))),
    "take_product": _take_product,
    "half_sum": _half_sum,
    "add_to": lambda _, a, out: _keep(out, total(_pair(out), _pair(a))),
    "divide": _divide,
    "least_ratio": _least_ratio,
    "add_square_over": _add_square_over,
    "add_size": _add_size,
    "silence": _silence,
    "widen": _widen,
}
