"""Integrals: the weighted error over a domain, in coordinates and on panels that suffice for its integral."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import ctx

from polyoptim.solvers.frame import Frame, frame
from polyoptim.solvers.quadrature import POINTS, Panel, Ruler, rough, weights, widths
from polyoptim.solvers.reduction import Equation
from polyoptim.solvers.weighted_grid import Sample, errors_at, matrix_of
from polyoptim.targets.balls import rational

Array = npt.NDArray[np.float64]

BITS, BITS_A_DEGREE = 192, 5
SURE = 100  # bits of the error that are right
MOST_BITS = 1200  # where there is no error at all: a float64 is never below 2**-1074
PROBES, PROBE_BITS = (Fraction(3, 13), Fraction(7, 13), Fraction(11, 13)), 128  # where a weight is looked at
ROUNDED = 4  # bits of an error that rounding of its terms changes
ROUNDS = 8  # of new coordinates, for which panels are judged again


@dataclass(frozen=True)
class MeanTask:
    """What is integrated.

    Parameters
    ----------
    sample : the target and its weight as balls at a point.
    pieces : intervals of x.
    powers : whose coefficients are free.
    fixed : the coefficients of other powers.
    equations : what the free coefficients must satisfy.
    cuts : where the weight may have no value, or the error a corner.
    noise : of the values, relative to the largest; 0 where they are known to any digits.
    """

    sample: Sample
    pieces: tuple[tuple[Fraction, Fraction], ...]
    powers: tuple[int, ...]
    fixed: Mapping[int, Fraction]
    equations: tuple[Equation, ...] = ()
    cuts: tuple[Fraction, ...] = ()
    noise: float = 0.0


@dataclass(frozen=True)
class Integrals:
    """The weighted error of a polynomial as a function of coordinates, at the points of panels.

    Parameters
    ----------
    frame : the coordinates t, in x and y as they are.
    width : of the panels, shape (panels,).
    weights : of the points, shape (panels, POINTS).
    centre : the error at t = 0, over `unit`, shape (panels, POINTS).
    columns : how it changes with ``t / unit``, shape (panels, POINTS, coordinates).
    unit : a power of two near the root mean square of the least error; 1 where that is nothing.
    """

    frame: Frame
    width: Array
    weights: Array
    centre: Array
    columns: Array
    unit: float

    def errors(self, t: Array) -> Array:
        """Return the error at coordinates, which count in `unit`, shape (panels, POINTS)."""
        found: Array = self.centre + self.columns @ t
        return found

    def coordinates(self, coefs: Sequence[Sequence[Fraction]]) -> Array:
        """Return coordinates of polynomials that meet the conditions, in `unit`, shape (polynomials, coordinates)."""
        return self.frame.coordinates(coefs) / self.unit

    def rescaled(self, unit: float) -> Integrals:
        """Return the same error in another unit."""
        return replace(self, centre=self.centre * (self.unit / unit), unit=unit)

    @property
    def least(self) -> float:
        """The least integral of the squared error, over the square of `unit`."""
        return float((self.weights * self.centre**2).sum())


def integrals(task: MeanTask, power: int) -> Integrals:
    """Return the error on panels that suffice.

    Parameters
    ----------
    task : what is integrated.
    power : 2 for its square, 1 for its abs.

    Raises
    ------
    DataError
        Where the target has no values, the integral is infinite, or conditions contradict each other.
    """
    size = max(max(abs(low), abs(high)) for low, high in task.pieces)
    small = max(0, size.denominator.bit_length() - size.numerator.bit_length())
    bits = BITS + (BITS_A_DEGREE + small) * max(task.powers) + _lightness(task)
    while True:
        found, mean = _panels(task, power, bits)
        lowest = math.frexp(mean)[1] if mean > 0 else -MOST_BITS
        if bits >= min(SURE - lowest, MOST_BITS + BITS_A_DEGREE * max(task.powers)):
            return found
        bits = min(SURE - lowest, MOST_BITS + BITS_A_DEGREE * max(task.powers))


def _lightness(task: MeanTask) -> int:
    """Return how many bits a weight lies below 1, at some points."""
    found = []
    with ctx.workprec(PROBE_BITS):
        for low, high in task.pieces:
            for probe in PROBES:
                weight = task.sample(rational(low + (high - low) * probe))[1]
                if weight.is_finite() and not weight.is_zero():
                    mantissa, power = weight.mid().man_exp()
                    found.append(int(power) + int(mantissa).bit_length())
    return max(0, -max(found)) if found else 0


def _panels(task: MeanTask, power: int, bits: int) -> tuple[Integrals, float]:
    """Return the error with so many bits, and its root mean square."""
    ruler = Ruler(task.sample, task.powers, task.fixed, bits)
    panels = ruler.begin(task.pieces, task.cuts)
    noise = task.noise * (max(abs(row.offset) for one in panels for row in one.rows) / (1 << bits))
    found, mean = _measured(panels, task.equations, bits)
    for _ in range(ROUNDS):
        count = len(panels)
        panels = _refined(ruler, panels, found, power, noise)
        if len(panels) == count:
            break
        found, mean = _measured(panels, task.equations, bits)
    return found, mean


def _measured(panels: Sequence[Panel], equations: Sequence[Equation], bits: int) -> tuple[Integrals, float]:
    """Return the error in the coordinates that these panels define, and its root mean square."""
    rows = [row for one in panels for row in one.rows]
    heavy, width = weights(panels), widths(panels)
    own = frame(rows, heavy.ravel(), equations, bits)
    raw = errors_at(rows, matrix_of(rows), own.centre, bits)
    top = float(np.abs(raw).max())
    mean = top * math.sqrt(float((heavy.ravel() * (raw / top) ** 2).sum()) / width.sum()) if top > 0 else 0.0
    unit = math.ldexp(1.0, math.frexp(mean)[1]) if mean > 0 else 1.0
    centre, columns = _values(panels, own, bits, unit)
    return Integrals(own, width, heavy, centre, columns, unit), mean


def _values(panels: Sequence[Panel], own: Frame, bits: int, unit: float) -> tuple[Array, Array]:
    """Return the error at the middle of a frame over the unit, and how it changes with coordinates."""
    rows = [row for one in panels for row in one.rows]
    matrix = matrix_of(rows)
    shift = 1 - math.frexp(unit)[1]
    centre = errors_at(rows, matrix, own.centre, bits - shift)
    products = (matrix * (own.basis * own.turn)).entries()
    one = own.scale << (own.bits + bits)
    columns = np.array([int(value) / one for value in products], dtype=np.float64)
    return centre.reshape(-1, POINTS), columns.reshape(len(panels), POINTS, own.size)


def _refined(ruler: Ruler, panels: Sequence[Panel], known: Integrals, power: int, noise: float) -> list[Panel]:
    """Return panels on which the error and its changes are polynomials to many digits."""
    done = list(panels)
    values = np.concatenate([known.centre[..., None], known.columns], axis=-1)
    size = int(1 + sum(map(abs, known.frame.centre))).bit_length()
    rounded = math.ldexp(1.0, ROUNDED - ruler.bits + size)
    floor = np.r_[max(noise, rounded) / known.unit, np.zeros(known.frame.size)]
    while (mask := rough(values, widths(done), power, floor)).any():
        halves = ruler.halved(done, mask)
        centre, columns = _values(halves, known.frame, ruler.bits, known.unit)
        values = np.concatenate([values[~mask], np.concatenate([centre[..., None], columns], axis=-1)])
        done = [one for one, is_rough in zip(done, mask.tolist(), strict=True) if not is_rough] + halves
    return done
