"""Arithmetic: a scheme evaluated in a number format, each operation rounded, on arrays; and a whole function's body.

The reference that emitted code is compared with, bit for bit. Numbers of float32, float16 and bfloat16 are held in
doubles: products are exact there, sums innocently rounded (a double has 2p + 2 bits and more), and where a product and
a sum are rounded once, the double between is rounded to odd. For float64 itself that takes three doubles, and rational
numbers near the ends of the range. Fixed point is held in the integers that are stored.

S. Boldo, G. Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd, IEEE
Trans. Comput. 57(4), 462-471, 2008, doi:10.1109/TC.2007.70819; S. A. Figueroa, When is double rounding innocuous?,
ACM SIGNUM Newsl. 30(3), 21-26, 1995, doi:10.1145/221332.221334.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.formats import Format
from polyoptim.instructions import INPUT, KINDS, Body
from polyoptim.schemes import Program

Array = npt.NDArray[Any]

SAFE = 2.0**400  # within this and its inverse no part of a product of doubles is lost
SPLIT = 2.0**27 + 1  # cuts a double in two halves
INT64 = 32  # bits of a fixed-point number whose products an int64 holds


def evaluate(program: Program, coef: Mapping[int, Fraction], own: Format, x: npt.ArrayLike) -> Array:
    """Return the values of a program in a format, shape of x.

    Parameters
    ----------
    program : the operations.
    coef : the coefficient of each of its powers, a number of the format.
    own : not "real", in which nothing is rounded.
    x : numbers of the format in float64; in fixed point integers, as they are stored.

    Returns
    -------
    array
        Numbers of the format in float64; in fixed point integers, which wrap where they leave the range.

    Examples
    --------
    >>> from polyoptim.formats import FORMATS
    >>> from polyoptim.schemes import program
    >>> evaluate(program((0, 1)), {0: Fraction(1), 1: Fraction(1, 3)}, FORMATS["float16"], [0.5]).tolist()
    [1.1669921875]
    """
    calls = _fixed_calls(own) if own.digits is None else operations_in(own)
    known: dict[str, Any] = {f"c{power}": _held(coef[power], own) for power in program.powers}
    known["x"] = np.asarray(x, dtype=np.float64 if own.digits is not None else _integers(own))
    with np.errstate(all="ignore"):  # infinities and NaN are values
        for one in program.operations:
            known[one.result] = calls[one.kind](*(known[name] for name in one.inputs))
    return np.broadcast_to(known[program.output], known["x"].shape).copy()


def _held(value: Fraction, own: Format) -> Any:
    return np.float64(float(value)) if own.digits is not None else int(value * 2 ** -(own.finest or 0))


def rounded(values: Array, own: Format) -> Array:
    """Return doubles rounded to a floating-point format: to nearest, of two as near to the even one, or to infinity."""
    if own.digits is None or own.finest is None or own.digits == np.finfo(np.float64).nmant + 1:
        return values
    exponents = np.frexp(values)[1]
    last = np.maximum(exponents - own.digits, own.finest)
    found = np.ldexp(np.rint(np.ldexp(values, -last)), last)
    return np.where(np.abs(found) > float(own.largest or 0), np.copysign(np.inf, values), found)


def delivered(values: Array, own: Format, output: Format) -> Array:
    """Return values of a format, as `evaluate` has them, rounded to the format in which they are handed out.

    In fixed point integers that stand for multiples of the latter's unit: to nearest, ties upwards, as products are.

    >>> from polyoptim.formats import find_format
    >>> delivered(np.array([24, 23, -24]), find_format("q3.4"), find_format("q1.0")).tolist()
    [-2, 1, -1]
    """
    if own.digits is not None:
        return rounded(values, output)
    places = (output.finest or 0) - (own.finest or 0)
    half = 1 << (places - 1) if places else 0
    return _wrapped((values + half) >> places, output)


def _wrapped(values: Array, own: Format) -> Array:
    """Return integers moved into the range of a fixed point by multiples of its size, as two's complement does."""
    places = -(own.finest or 0)
    low, size = int((own.least or 0) * 2**places), int(((own.largest or 0) - (own.least or 0)) * 2**places) + 1
    return (values - low) % size + low


def operations_in(own: Format) -> dict[str, Callable[..., Array]]:
    """Return the operations of a floating-point format, on doubles that hold its numbers: "mul", "add", "fma"."""
    if own.digits == np.finfo(np.float64).nmant + 1:
        return {"mul": np.multiply, "add": np.add, "fma": fma}
    return {
        "mul": lambda a, b: rounded(a * b, own),
        "add": lambda a, b: rounded(a + b, own),
        "fma": lambda a, b, c: rounded(_odd_sum(a * b, c), own),
    }


def _integers(own: Format) -> Any:
    return np.int64 if own.width <= INT64 else object


def _fixed_calls(own: Format) -> dict[str, Callable[..., Array]]:
    places = -(own.finest or 0)
    half = 1 << (places - 1) if places else 0

    def product(a: Array, b: Array) -> Array:
        return (a * b + half) >> places

    return {
        "mul": lambda a, b: _wrapped(product(a, b), own),
        "add": lambda a, b: _wrapped(a + b, own),
        "fma": lambda a, b, c: _wrapped(product(a, b) + c, own),
    }


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a + b, and what its rounding has left out."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _odd_sum(a: Array, b: Array) -> Array:
    """Return a + b rounded to odd: where it is not exact, to that neighbour whose last bit is 1."""
    total, left = _two_sum(a, b)
    bits = np.asarray(total, dtype=np.float64).view(np.int64)
    inexact = ((left < 0) | (left > 0)) & (bits & 1 == 0)
    return np.where(inexact, bits + np.where((left > 0) == (total > 0), 1, -1), bits).view(np.float64)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a * b, and what its rounding has left out."""
    total = a * b
    parts = []
    for one in (a, b):
        high = one * SPLIT
        high = high - (high - one)
        parts.append((high, one - high))
    (ah, al), (bh, bl) = parts
    return total, ((ah * bh - total) + ah * bl + al * bh) + al * bl


def fma(a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c of doubles, rounded once.

    >>> float(fma(1 + 2.0**-52, 1 - 2.0**-52, -1.0)) == -(2.0**-104)
    True
    """
    a, b, c = np.broadcast_arrays(*(np.asarray(one, dtype=np.float64) for one in (a, b, c)))
    with np.errstate(all="ignore"):
        high, low = _two_product(a, b)
        sum_high, sum_low = _two_sum(c, low)
        total, left = _two_sum(high, sum_high)
        found = np.asarray(total + _odd_sum(left, sum_low))
        plain = a * b + c
        easy = (a == 0) | (b == 0) | ~np.isfinite(a) | ~np.isfinite(b) | ~np.isfinite(c)
        sizes = [np.abs(one) for one in (a, b, high)]
        safe = np.logical_and.reduce([(size < SAFE) & (size > 1 / SAFE) for size in sizes])
        safe &= (np.abs(c) < SAFE) & ((np.abs(c) > 1 / SAFE) | (c == 0)) & ((np.abs(found) > 1 / SAFE) | (found == 0))
    found = np.where(easy, plain, found)
    for place in map(tuple, np.argwhere(~easy & ~safe)):
        exact = Fraction(float(a[place])) * Fraction(float(b[place])) + Fraction(float(c[place]))
        found[place] = _nearest(exact)
    return found


def _nearest(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator  # Python divides integers to the nearest float
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def evaluate_body(body: Body, x: npt.ArrayLike) -> Array:
    """Return the values of a whole function, float32 of the shape of x, bit for bit.

    Parameters
    ----------
    body : its instructions.
    x : float32; signalling NaN and all other bits are kept.

    Examples
    --------
    >>> from polyoptim.instructions import Writer
    >>> write = Writer()
    >>> evaluate_body(write.body(write.div(write.number(1), "x")), np.array([3, 0, -0.0], dtype=np.float32))
    array([0.33333334,        inf,       -inf], dtype=float32)
    """
    given = np.asarray(x, dtype=np.float32, order="C")
    known: dict[str, Array] = {name: np.array(word.bits, dtype=np.uint32) for name, word in body.constants.items()}
    known[INPUT] = given.view(np.uint32)
    last = {name: place for place, one in enumerate(body.instructions) for name in one.inputs}
    with np.errstate(all="ignore"):  # infinities and NaN are values
        for place, one in enumerate(body.instructions):
            takes = KINDS[one.kind].split()[0]
            read = [known[name].view(VIEWS[letter]) for name, letter in zip(one.inputs, takes, strict=True)]
            known[one.result] = np.asarray(WORDS[one.kind](*read)).view(np.uint32)
            for name in set(one.inputs):  # what nobody reads again leaves its memory
                if last[name] == place and name != body.output:
                    del known[name]
    found = np.broadcast_to(known[body.output], given.shape).copy()
    return np.asarray(found).view(np.float32)


def _fma_of_floats(a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c of float32, rounded once: the product is exact in a double, the sum is rounded to odd there."""
    return _odd_sum(a.astype(np.float64) * b, c.astype(np.float64)).astype(np.float32)


def _mask(condition: Array) -> Array:
    return np.asarray(np.where(condition, np.uint32(0xFFFFFFFF), np.uint32(0)))


def _select(mask: Array, a: Array, b: Array) -> Array:
    return np.asarray(np.where(mask != 0, a, b))


VIEWS = {"f": np.float32, "i": np.int32, "u": np.uint32, "m": np.uint32, "w": np.uint32}
WORDS: dict[str, Callable[..., Array]] = {
    "mul": np.multiply,
    "add": np.add,
    "sub": np.subtract,
    "div": np.divide,
    "fma": _fma_of_floats,
    "iadd": np.add,
    "isub": np.subtract,
    "imul": np.multiply,
    "umulhi": lambda a, b: (a.astype(np.uint64) * b >> np.uint64(32)).astype(np.uint32),
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "sar": lambda a, b: np.right_shift(a, b.view(np.int32)),
    "int": lambda a: a.astype(np.int32),
    "flt": lambda a: a.astype(np.float32),
    "lt": lambda a, b: _mask(a < b),
    "le": lambda a, b: _mask(a <= b),
    "eq": lambda a, b: _mask(a == b),
    "ilt": lambda a, b: _mask(a < b),
    "ult": lambda a, b: _mask(a < b),
    "ieq": lambda a, b: _mask(a == b),
    "select": _select,
}
