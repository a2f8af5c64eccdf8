"""Nearest: the polynomial in number formats that is nearest to a given one, in the coordinates of a frame.

As for the largest error, boxes of coefficients are split at powers of two, where spacings change; in each box the
nearest point of its finest lattice is a bound, and the answer where the formats hold it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polyoptim.formats import Format
from polyoptim.solvers.boxes import Box, Coef, finest, split
from polyoptim.solvers.closest import FINE, Enumeration
from polyoptim.solvers.reduction import Equation, Lattice, nearest_plane, solving, spaced
from polyoptim.solvers.weighted_grid import Row, errors_at, matrix_of

Array = npt.NDArray[np.float64]

NODES = 150_000  # of all enumerations; beyond, the bound is that of the boxes that are left
A_BOX = 20_000  # nodes of one of them
BOX = 50  # nodes that a box costs besides its own
EASY = 6  # boxes, after which other places to start from are tried
RIDGES, RELATTICED = range(1, 24, 2), 3  # pulls, halved so often, and lattices for each
RIDGE_BITS = 60  # of a pull
DOUBT = 1e-12  # relative, of floats that stand for coefficients
PLANES = 6  # roundings to the nearest plane; the first ones may move by more than a float64 tells apart
FINEST = 100  # bits of a unit: no spacing counts as finer, not that of "real" coefficients either
CLOSE = 1e-9  # relative, between distances that are alike
AROUND = 2.0  # distances of the best point, within which others are of interest
WIDER, WIDENINGS = 16.0, 8  # of the first radius, where no polynomial in the formats is known


@dataclass(frozen=True, order=True)
class Node:
    """A box of coefficients, in which no polynomial is nearer than `bound`."""

    bound: float
    number: int
    box: Box = field(compare=False)


@dataclass(frozen=True)
class Metric:
    """Where polynomials are: the distance of coefficients is the length of their coordinates.

    Parameters
    ----------
    rows : whose "errors" at coefficients are their coordinates, over ``2**bits``.
    bits : see there.
    centre : the coefficients at 0.
    spread : how coefficients change with coordinates, shape (coefficients, coordinates).
    """

    rows: Sequence[Row]
    bits: int
    centre: Coef
    spread: Array

    def coordinates(self, coef: Sequence[Fraction]) -> Array:
        """Return the coordinates of coefficients."""
        return errors_at(self.rows, matrix_of(self.rows), coef, self.bits)

    @property
    def sizes(self) -> Array:
        """How long a coefficient of 1 is, shape (coefficients,)."""
        one = 1 << self.bits
        values = np.array([[value / one for value in row.powers] for row in self.rows])
        found: Array = np.linalg.norm(values, axis=0)
        return found


class Nearest:
    """The nearest coefficients in some formats, and a bound for the distance of all of them.

    Parameters
    ----------
    metric : the distance.
    formats : one for each coefficient.
    equations : all of which must hold exactly.
    nodes : of trees of lattice points, after which the bound says what is left open.
    """

    def __init__(
        self, metric: Metric, formats: Sequence[Format], equations: Sequence[Equation], nodes: int = NODES
    ) -> None:
        self.metric = metric
        self.formats = tuple(formats)
        self.equations = tuple(equations)
        self.best: Coef | None = None
        self.distance = math.inf
        self.bound = 0.0
        self.boxes = 0
        self.seen: dict[Coef, float] = {}
        self._nodes = nodes
        self._lattices: dict[tuple[int, ...], tuple[Lattice, Array, Array] | None] = {}
        self._sizes = metric.sizes
        snapped = self._snapped(metric.centre)
        self._unit = float(np.linalg.norm(metric.coordinates(snapped))) or 1.0

    def offer(self, coef: Sequence[Fraction]) -> float | None:
        """Take coefficients, each rounded to its format; return their distance, None where they miss an equation."""
        snapped = self._snapped(coef)
        if snapped in self.seen:
            return self.seen[snapped]
        if not self.meets(snapped):
            return None
        distance = float(np.linalg.norm(self.metric.coordinates(snapped)))
        self.seen[snapped] = distance
        if distance < self.distance:
            self.best, self.distance = snapped, distance
        return distance

    def meets(self, coef: Sequence[Fraction]) -> bool:
        """Tell whether coefficients satisfy all equations."""
        return all(sum((a * c for a, c in zip(row, coef, strict=True)), Fraction(0)) == y for row, y in self.equations)

    def look_around(self, count: int) -> None:
        """Offer so many points, at most, of the lattice at the best coefficients, not much farther than these."""
        if self.best is None or (known := self._lattice(self._spacings(self.best))) is None:
            return
        if known[0].width:
            self._listed(known, AROUND * self.distance, count)

    def every(self, radius: float, count: int) -> bool:
        """Offer all coefficients of the formats within a radius; tell whether so many nodes sufficed."""
        box = self._around(radius)
        known = self._lattice([self._finest(k, *ends) for k, ends in enumerate(box)])
        if known is None or not known[0].width or not radius > 0 or _expected(known[1], radius) > count:
            return False
        return self._listed(known, radius, count)

    def _listed(self, known: tuple[Lattice, Array, Array], radius: float, count: int) -> bool:
        lattice, columns, offset = known

        def take(g: list[int]) -> float:
            point = lattice.moved(g).origin()
            if all(each.holds(value) for each, value in zip(self.formats, point, strict=True)):
                self.offer(point)
            return radius

        fine = bool(len(columns)) and bool((np.linalg.norm(columns, axis=0) < FINE * radius).any())
        return Enumeration(columns, offset, radius, take, count).run() and not fine

    def beside(self, coef: Coef) -> list[Coef]:
        """Return the coefficients one vector of the reduced lattice away."""
        if (known := self._lattice(self._spacings(coef))) is None:
            return []
        lattice = known[0]
        steps = [[Fraction(int(value), lattice.scale) for value in row] for row in lattice.basis.tolist()]
        found = []
        for place in range(lattice.width):
            for way in (1, -1):
                moved = [value + way * row[place] for value, row in zip(coef, steps, strict=True)]
                found.append(self._snapped(moved))
        return found

    def _spacings(self, coef: Sequence[Fraction]) -> list[int]:
        return [self._finest(k, value, value) for k, value in enumerate(coef)]

    def _snapped(self, coef: Sequence[Fraction]) -> Coef:
        """Return the nearest numbers of the formats."""
        return tuple(known.round(known.clip(value)) for known, value in zip(self.formats, coef, strict=True))

    def run(self) -> None:
        """Search, from the middle outwards, until nothing is nearer."""
        self.offer(self.metric.centre)
        start = self._lattice(self._spacings(self.metric.centre))
        ceiling = math.inf
        if start is not None:
            self.offer(start[0].origin())
            ceiling = WIDER * float(np.linalg.norm(start[2])) or self._unit
        ceiling = min(self.distance, ceiling if math.isfinite(ceiling) else WIDER * self._unit)
        for _ in range(WIDENINGS):
            self._explore(ceiling)
            if self.distance <= ceiling or self._nodes <= 0:
                return
            ceiling = min(self.distance, WIDER * ceiling)

    def _explore(self, ceiling: float) -> None:
        """Search all coefficients whose distance is at most the ceiling."""
        heap, closed = [Node(0.0, 0, self._around(ceiling))], ceiling
        while heap and self._nodes > 0 and heap[0].bound < self.distance * (1 - CLOSE):
            node = heapq.heappop(heap)
            self.boxes += 1
            if self.boxes == EASY:
                self._look_lower()
            bound, point = self._solve(node, min(self.distance, ceiling))
            halves = self._halves(node.box, point) if point is not None and bound < self.distance else None
            if halves is None:
                closed = min(closed, bound)
                continue
            for number, half in enumerate(halves):
                heapq.heappush(heap, Node(max(bound, self._apart(half)), 2 * self.boxes + number, half))
        self.bound = min([closed, self.distance, *(node.bound for node in heap)])

    def _look_lower(self) -> None:
        """Offer polynomials with smaller coefficients, whose spacings are finer: those that a ridge pulls towards 0."""
        size, spread = len(self.metric.rows), self.metric.spread
        centre = np.array([float(value) for value in self.metric.centre])
        for power in RIDGES:
            weights = 2.0**-power * self._sizes
            system = np.vstack([np.eye(size), weights[:, None] * spread])
            t = np.linalg.lstsq(system, np.r_[np.zeros(size), -weights * centre], rcond=None)[0]
            coef = self._snapped([Fraction(value) for value in (centre + spread @ t).tolist()])
            for _ in range(RELATTICED):
                lattice = self._spaced(self._spacings(coef))
                if lattice is None:
                    break
                moved = self._snapped(self._centred(lattice, [*self.metric.rows, *self._ridge(weights)])[0].origin())
                self.offer(moved)
                if moved == coef:
                    break
                coef = moved
        for _ in range(RELATTICED):
            best = self.best
            for beside in self.beside(best) if best is not None else []:
                self.offer(beside)
            if self.best == best:
                break

    def _ridge(self, weights: Array) -> list[Row]:
        """Return rows that read each coefficient times a weight."""
        count = range(len(weights))
        sizes = [int(value) for value in np.ldexp(weights, RIDGE_BITS)]
        scale = self.metric.bits - RIDGE_BITS
        whole = [value << scale if scale >= 0 else value >> -scale for value in sizes]
        return [Row(1, Fraction(k), tuple(whole[k] * (j == k) for j in count), 0) for k in count]

    def _around(self, radius: float) -> Box:
        """Return a box that holds all coefficients within a radius."""
        reach = np.linalg.norm(self.metric.spread, axis=1) * radius
        return tuple(
            (known.clip(value - Fraction(far)), known.clip(value + Fraction(far)))
            for known, value, far in zip(self.formats, self.metric.centre, reach.tolist(), strict=True)
        )

    def _apart(self, box: Box) -> float:
        """Return a bound for the distance of a box from the middle: that of one coefficient."""
        lengths = np.linalg.norm(self.metric.spread, axis=1)
        gaps = [
            float(max(low - value, value - high, Fraction(0)))
            for value, (low, high) in zip(self.metric.centre, box, strict=True)
        ]
        return max((gap / length for gap, length in zip(gaps, lengths.tolist(), strict=True) if length > 0), default=0)

    def _solve(self, node: Node, radius: float) -> tuple[float, Coef | None]:
        """Return a bound for the distance in a box, and the nearest point of the lattice that holds the box."""
        known = self._lattice([self._finest(k, *ends) for k, ends in enumerate(node.box)])
        self._nodes -= BOX
        if known is None:
            return math.inf, None
        lattice, columns, offset = known
        nearest: tuple[float, Coef | None] = radius, None
        if not lattice.width:
            self.offer(lattice.origin())
            return max(node.bound, float(np.linalg.norm(offset))), None

        low, high = (np.array([float(ends[side]) for ends in node.box]) for side in (0, 1))
        origin, steps = np.array([float(value) for value in lattice.origin()]), lattice.steps()

        def take(g: list[int]) -> float:
            nonlocal nearest
            moves = np.array(g, dtype=np.float64)
            changes = steps * moves
            near, doubt = origin + changes.sum(axis=1), DOUBT * (np.abs(origin) + np.abs(changes).sum(axis=1))
            if (near < low - doubt).any() or (near > high + doubt).any():
                return nearest[0]
            point = lattice.moved(g).origin()
            distance = float(np.linalg.norm(offset + columns @ moves))
            if distance <= nearest[0] and all(
                least <= value <= most for value, (least, most) in zip(point, node.box, strict=True)
            ):
                nearest = distance, point
                self.offer(point)
            return nearest[0]

        search = Enumeration(columns, offset, radius, take, min(self._nodes, A_BOX))
        allowed = search.nodes
        whole = search.run()
        self._nodes -= allowed - search.nodes
        return (max(node.bound, nearest[0] * (1 - CLOSE)) if whole else node.bound), nearest[1]

    def _halves(self, box: Box, point: Coef) -> tuple[Box, Box] | None:
        least = FINE * self.distance if self.best is not None else 0.0
        return split(self.formats, box, point, self._sizes.tolist(), least)

    def _finest(self, k: int, low: Fraction, high: Fraction) -> int:
        """Return the binary logarithm of the finest spacing of a format between two numbers."""
        return finest(self.formats[k], low, high, math.frexp(self._unit / self._sizes[k])[1] - FINEST)

    def _lattice(self, exponents: Sequence[int]) -> tuple[Lattice, Array, Array] | None:
        """Return the lattice with given spacings, reduced and counted from near the middle, with its coordinates."""
        key = tuple(exponents)
        if key not in self._lattices:
            found = self._spaced(exponents)
            self._lattices[key] = None if found is None else self._centred(found, self.metric.rows)
        return self._lattices[key]

    def _spaced(self, exponents: Sequence[int]) -> Lattice | None:
        reals = [known.finest is None for known in self.formats]
        return solving(self.equations, exponents, reals) if self.equations else spaced(exponents)

    def _centred(self, lattice: Lattice, rows: Sequence[Row]) -> tuple[Lattice, Array, Array]:
        """Return a lattice in a basis that is short at some rows, counted from where these are nearly 0."""
        lattice, bits = lattice.reduced(rows), self.metric.bits
        columns, matrix = lattice.columns(rows, bits), matrix_of(rows)
        for _ in range(PLANES if lattice.width else 0):
            moves = nearest_plane(columns, errors_at(rows, matrix, lattice.origin(), bits))
            if not any(moves):
                break
            lattice = lattice.moved(moves)
        return lattice, columns, errors_at(rows, matrix, lattice.origin(), bits)


def _expected(columns: Array, radius: float) -> float:
    """Return how many points of a lattice lie in a ball: its volume over that of a cell."""
    m = columns.shape[1]
    sizes = np.linalg.norm(columns, axis=0)
    steps = np.abs(np.diag(np.linalg.qr(columns / sizes, mode="r"))) * sizes
    volume = m / 2 * math.log(math.pi) - math.lgamma(m / 2 + 1) + float(np.log(radius / steps).sum())
    return math.exp(min(volume, 700.0))
