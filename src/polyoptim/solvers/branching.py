"""Branch and bound: boxes of coefficients, in each of which a mixed-integer program bounds the error."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from polyoptim.formats import Format, exponent
from polyoptim.solvers.boxes import Box, Coef, finest, split
from polyoptim.solvers.mixed_integer import Limits, extent, least_largest
from polyoptim.solvers.reduction import Equation, Lattice, lengths, nearest_plane, solving, spaced
from polyoptim.solvers.weighted_grid import Array, Grid, Watched, as_floats

CLOSE = 1e-5  # a gap, relative, that ends the search
FINE = 1e-5  # of the error: directions of a lattice with shorter steps are continuous, and rounded at the end
FINEST = 100  # bits of the error: no spacing is taken to be finer, not that of "real" coefficients either
SPARSE = 4  # one point of the grid in so many is in the first program
ROUNDS = 12  # of programs for a box, each with the highest points of the last answer
WORK = 10**7  # nodes of HiGHS times the size of their programs, seconds; beyond, the gap says what is left open
PROGRAM = 10  # nodes that a program costs besides its own
PLANES = 4  # roundings to the nearest plane; the first ones may move by more than a float64 tells apart
SLACK = 1e-6  # relative, on what is within reach
WIDER, WIDENINGS = 16.0, 8  # steps of the error within which polynomials through given points are looked for


@dataclass(frozen=True, order=True)
class Node:
    """A box of coefficients, in which no error is below `bound`."""

    bound: float
    number: int
    box: Box = field(compare=False)


class Search:
    """The best coefficients in some formats, and a bound for all of them.

    Parameters
    ----------
    grid : the weighted errors.
    formats : one for each coefficient.
    equations : all of which must hold exactly.
    minimax : real coefficients with the least error.
    """

    def __init__(
        self, grid: Grid, formats: Sequence[Format], equations: Sequence[Equation], minimax: Sequence[Fraction]
    ) -> None:
        self.grid = grid
        self.formats = tuple(formats)
        self.equations = tuple(equations)
        self.minimax = tuple(minimax)
        self.best: Coef | None = None
        self.error = math.inf
        self.bound = math.inf
        self.boxes = 0
        self._work = WORK
        self._lattices: dict[tuple[int, ...], Lattice | None] = {}
        errors = grid.errors(minimax)
        rounded = np.abs(grid.errors(self._snapped(minimax))).max()
        # The real coefficients may have no error at all; then some bits of that of the rounded ones.
        self.ideal = max(float(np.abs(errors).max()), float(rounded) * 2.0**-FINEST, math.ldexp(1.0, 64 - grid.bits))
        # Programs count errors in a power of two near the least one: their products are numbers of a float64.
        self._shift = -math.frexp(self.ideal)[1]
        self._watched = Watched(grid, grid.bits - self._shift)
        powers = as_floats([value for row in grid.rows for value in row.powers], grid.bits)
        self._sizes = np.abs(powers.reshape(len(grid.rows), -1)).max(axis=0)
        self._watched.add(grid.rows[::SPARSE])
        self._watched.add_peaks(errors)

    def offer(self, coef: Coef) -> float | None:
        """Take coefficients, each rounded to its format, if they are the best so far.

        Returns
        -------
        float or None
            Their error on the grid; None where they do not satisfy the equations.
        """
        snapped = self._snapped(coef)
        if any(sum((a * c for a, c in zip(row, snapped, strict=True)), Fraction(0)) != y for row, y in self.equations):
            return None
        errors = self.grid.errors(snapped)
        if np.abs(errors).max() < self.error:
            self.grid.refine(errors)
            errors = self.grid.errors(snapped)
            if np.abs(errors).max() < self.error:
                self.best, self.error = snapped, float(np.abs(errors).max())
        self._watched.add_peaks(errors)
        return float(np.abs(errors).max())

    def _snapped(self, coef: Sequence[Fraction]) -> Coef:
        """Return the nearest numbers of the formats."""
        return tuple(known.round(known.clip(value)) for known, value in zip(self.formats, coef, strict=True))

    def run(self) -> None:
        """Search, from the neighbourhood of the real coefficients outwards, until the gap is closed."""
        if self.error == 0:
            self.bound = 0.0
            return
        exponents = [self._finest(k, value, value) for k, value in enumerate(self.minimax)]
        if (start := self._lattice(exponents)) is not None:
            self.offer(start.origin())
        free = self._centred(spaced(exponents))
        ceiling = self.error if self.best is not None else WIDER * self.ideal
        for _ in range(WIDENINGS):
            self._explore(self._within(free, ceiling), ceiling)
            if self.error <= ceiling or self._work <= 0:
                return
            ceiling = min(self.error, WIDER * ceiling)

    def _explore(self, within: Box, ceiling: float) -> None:
        """Search all coefficients of a box, beyond which every error is above the ceiling."""
        root = tuple(
            (known.clip(low), known.clip(high)) for known, (low, high) in zip(self.formats, within, strict=True)
        )
        heap, closed = [Node(0.0, 0, root)], ceiling
        while heap and self._work > 0 and heap[0].bound < self.error * (1 - CLOSE):
            node = heapq.heappop(heap)
            self.boxes += 1
            bound, point = self._solve(node.box, within, ceiling)
            bound = max(bound, node.bound)
            halves = None
            if point is not None and bound < self.error * (1 - CLOSE):
                halves = split(self.formats, node.box, point, self._sizes.tolist(), 0.0)
            if halves is None:
                closed = min(closed, bound)
            else:
                for number, half in enumerate(halves):
                    heapq.heappush(heap, Node(bound, 2 * self.boxes + number, half))
        self.bound = min([closed, *(node.bound for node in heap)])

    def _solve(self, box: Box, within: Box, ceiling: float) -> tuple[float, Coef | None]:
        """Return a bound for the error in a box, and the best point of the lattice that holds the box."""
        lattice = self._lattice([self._finest(k, *ends) for k, ends in enumerate(box)])
        if lattice is None:
            return math.inf, None
        bound, point = 0.0, lattice.origin()
        for _ in range(ROUNDS):
            lattice, below = self._program(lattice, box, within, min(self.error, ceiling))
            bound = max(bound, below)
            if lattice is None or self._work <= 0 or bound >= self.error * (1 - CLOSE):
                return bound, None
            point, before = lattice.origin(), len(self._watched)
            self.offer(point)
            self._watched.add_peaks(self.grid.errors(point))
            if len(self._watched) == before:
                break
        return bound, point

    def _program(self, lattice: Lattice, box: Box, within: Box, unit: float) -> tuple[Lattice | None, float]:
        """Return the lattice, moved to its best point of a box for the points that are watched, and a bound."""
        columns, offset = self._values(lattice)
        inverse, unit = _inverse(columns), math.ldexp(unit, self._shift)
        reach = (np.abs(inverse @ offset) + unit * np.abs(inverse).sum(axis=1)) * (1 + SLACK)
        fine = np.abs(columns).max(axis=0, initial=0.0) < FINE * unit
        limits, size = self._limits(lattice, box, within), max(columns.size, 1)
        found = least_largest(columns / unit, offset / unit, ~fine, reach, limits, max(1, self._work // size))
        self._work -= (found.nodes + PROGRAM) * size
        moved = None if found.g is None else lattice.moved([round(value) for value in found.g.tolist()])
        return moved, math.ldexp(found.bound * unit, -self._shift)

    def _limits(self, lattice: Lattice, box: Box, within: Box) -> Limits:
        """Return the ends of a box, where it is narrower than what is within reach."""
        steps, origin = lattice.steps(), lattice.origin()
        rows = [k for k, (ends, wide) in enumerate(zip(box, within, strict=True)) if ends != wide]
        size = [float(np.abs(steps[k]).max(initial=1e-300)) for k in rows]
        low = [float(box[k][0] - origin[k]) / unit for k, unit in zip(rows, size, strict=True)]
        high = [float(box[k][1] - origin[k]) / unit for k, unit in zip(rows, size, strict=True)]
        return Limits(steps[rows] / np.array(size)[:, None], np.array(low), np.array(high))

    def _finest(self, k: int, low: Fraction, high: Fraction) -> int:
        """Return the binary logarithm of the finest spacing of a format between two numbers."""
        size = float(self._sizes[k])  # 0 where the weight is below every float
        return finest(self.formats[k], low, high, math.frexp(self.ideal / size if size else 1.0)[1] - FINEST)

    def _lattice(self, exponents: Sequence[int]) -> Lattice | None:
        """Return the lattice with given spacings, reduced, counted from a point near the real coefficients."""
        key = tuple(exponents)
        if key not in self._lattices:
            reals = [known.finest is None for known in self.formats]
            found = solving(self.equations, exponents, reals) if self.equations else spaced(exponents)
            self._lattices[key] = None if found is None else self._centred(found)
        return self._lattices[key]

    def _centred(self, lattice: Lattice) -> Lattice:
        rows = self.grid.rows[:: max(1, len(self.grid.rows) // (2 * len(self.formats) + 1))]
        lattice = lattice.reduced(rows)
        for _ in range(PLANES):
            columns, offset = self._values(lattice)
            moves = nearest_plane(columns, offset - self._watched.errors(self.minimax))
            lattice = lattice.moved(moves)
            if not any(moves):
                break
        return lattice

    def _values(self, lattice: Lattice) -> tuple[Array, Array]:
        """Return how errors at the watched points change in a lattice, and what they are at its origin."""
        return lattice.columns(self._watched.rows, self._watched.bits), self._watched.errors(lattice.origin())

    def _within(self, lattice: Lattice, ceiling: float) -> Box:
        """Return between what ends the coefficients are of all polynomials whose error is at most the ceiling."""
        columns, offset = self._values(lattice)
        ceiling = math.ldexp(ceiling, self._shift)
        factors = lattice.steps() @ _inverse(columns)
        middle, radius = -factors @ offset, ceiling * (1 + SLACK) * np.abs(factors).sum(axis=1)
        box = []
        for k, (known, start) in enumerate(zip(self.formats, lattice.origin(), strict=True)):
            low, high = start + Fraction(middle[k] - radius[k]), start + Fraction(middle[k] + radius[k])
            if self._finest(k, low, high) != exponent(known.spacing(max(abs(low), abs(high))) or Fraction(1)):
                below, above = extent(columns / ceiling, offset / ceiling, lattice.steps()[k])
                low = max(low, start + Fraction(below)) if math.isfinite(below) else low
                high = min(high, start + Fraction(above)) if math.isfinite(above) else high
            box.append((low, high))
        return tuple(box)


def _inverse(columns: Array) -> Array:
    """Return the pseudoinverse of columns of very different lengths."""
    sizes = lengths(columns)
    found: Array = np.linalg.pinv(columns / sizes) / sizes[:, None]
    return found
