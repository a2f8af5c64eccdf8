"""The compiled loop's work in NumPy, for formats with few numbers: the same results, without waiting for a compiler."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polyoptim.arithmetic import operations_in, rounded
from polyoptim.exhaustive.inputs import Run
from polyoptim.exhaustive.machine import Machine
from polyoptim.exhaustive.truth import Truth
from polyoptim.exhaustive_kernel import (
    CENTRE,
    CODES,
    COUNT,
    DOUBT,
    EDGE,
    EXACT,
    KIND,
    LEADING,
    LOW,
    REST,
    START,
    STEP,
    STRIDE,
    TERMS,
)
from polyoptim.formats import Format

Array = npt.NDArray[np.float64]
KINDS = {code: kind for kind, code in CODES.items()}


def values(machine: Machine, x: Array, constants: Array) -> Array:
    """Return the values of a machine on doubles, shape of x."""
    calls = operations_in(machine.own)
    registers: list[Array] = [x, *np.broadcast_to(constants[:, None], (len(constants), len(x)))]
    registers += [x] * (machine.registers - len(registers))
    with np.errstate(all="ignore"):
        for code, target, a, b, c in machine.steps.tolist():
            inputs = [registers[a], registers[b], registers[c]]
            kind = KINDS[code]
            registers[target] = calls[kind](*inputs[: 3 if kind == "fma" else 2])
    return rounded(registers[machine.value], machine.output)


def inputs_of(truth: Truth, own: Format) -> Array:
    """Return all inputs of a truth."""
    return np.concatenate([run.at(np.arange(run.count)) for run in _runs(truth, own)])


def _runs(truth: Truth, own: Format) -> list[Run]:
    whole, spaced = truth.integers[:, [KIND, START, STRIDE, COUNT]].tolist(), truth.floats[:, [LOW, STEP]].tolist()
    rows = zip(whole, spaced, strict=True)
    return [Run(kind, start, stride, count, own, low, step) for (kind, start, stride, count), (low, step) in rows]


def true_values(truth: Truth, own: Format, x: Array) -> tuple[Array, Array, Array]:
    """Return the truth at some of its inputs as sums of two doubles, and in what doubt they are."""
    starts = [run.at(0) for run in _runs(truth, own)]
    panels = truth.floats[np.searchsorted(starts, x, side="right") - 1]
    t = x - panels[:, CENTRE]
    rest = panels[:, REST + TERMS - 1]
    for place in range(TERMS - 2, -1, -1):
        rest = rest * t + panels[:, REST + place]
    leading = panels[:, LEADING]
    s = leading + rest
    part = s - leading
    return s, (leading - (s - part)) + (rest - part), panels[:, DOUBT]


def units(size: Array, doubt: Array, output: Format) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the unit in the last place of true values of some size, and where it is in doubt."""
    digits, finest = output.digits or 0, output.finest or 0
    edge = size + EDGE * np.ldexp(1.0, np.maximum(np.frexp(size)[1] - digits, finest))
    low, high = (np.frexp(each)[1] for each in (np.abs(edge - doubt), edge + doubt))
    return np.ldexp(1.0, np.maximum(low - digits, finest)), low != high


def nearest(size: Array, left: Array, unit: Array, output: Format) -> tuple[Array, Array]:
    """Return the number of a format nearest to ``size + left`` >= 0, or inf, and how far off the nearest multiple is.

    Of formats with so few digits that a double holds the place of the truth between two numbers.
    """
    found = np.rint(size / unit) * unit
    off = (size - found) + left
    found = np.where(off > unit / 2, found + unit, np.where(off < -unit / 2, found - unit, found))
    return np.where(found > float(output.largest or 0), np.inf, found), off


def judge(s: Array, e: Array, doubt: Array, y: Array, output: Format) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return errors in units in the last place of the truth, and verdicts: 0, 1 for a flip, 2 where it is in doubt."""
    size, left, given = np.abs(s), np.where(s >= 0, e, -e), np.where(s >= 0, y, -y)
    with np.errstate(all="ignore"):
        unit, flawed = units(size, doubt, output)
        right, off = nearest(size, left, unit, output)
        flawed |= np.abs(np.abs(off) - unit / 2) <= doubt + unit * EXACT
        u = np.abs((given - size) - left) / np.minimum(unit, float(output.spacing(output.largest or Fraction(0))))
    same = given == right
    u = np.where(np.isnan(u), np.inf, u)
    u = np.where(same & np.isinf(right), 0.0, u)
    return u, np.where(flawed | np.isinf(doubt), 2, np.where(same, 0, 1))
