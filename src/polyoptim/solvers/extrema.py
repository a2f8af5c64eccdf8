"""Extrema: where the size of a weighted error is largest, near points of a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polyoptim.solvers.sought import Sought
from polyoptim.solvers.space import near_power

Array = npt.NDArray[np.float64]
Points = list[Fraction]

CLIMBS = 60  # steps towards an extremum; smooth ones take three, corners halve
TOP = 1e-13  # an extremum that a parabola cannot raise by more is one, relative


def extrema_of(
    sought: Sought, coef: Mapping[int, Fraction], domains: Sequence[tuple[Fraction, Fraction]], points: Points
) -> tuple[Points, Array]:
    """Return the local maxima of the abs of the error near the points, moved to where they are, and their errors."""
    brackets: list[list[Fraction]] = []
    found: Points = []
    for low, high in domains:
        own = [point for point in points if low <= point <= high]
        sizes = np.abs(sought.errors(coef, own))
        padded = np.r_[-1.0, sizes, -1.0]
        for place in np.flatnonzero((sizes >= padded[:-2]) & (sizes >= padded[2:])).tolist():
            near = own[max(place - 1, 0) : place + 2]
            if len(near) < 3:
                found.append(own[place])
            else:
                brackets.append(near)
    found += _climbed(sought, coef, brackets)
    found.sort()
    return found, sought.errors(coef, found)


def _climbed(sought: Sought, coef: Mapping[int, Fraction], brackets: list[list[Fraction]]) -> Points:
    """Return the tops between the outer points of threes: of parabolas where they fit, else by halving."""
    tops = [middle for _, middle, _ in brackets]
    active = {place: Bracket.of(sought, coef, bracket) for place, bracket in enumerate(brackets)}
    for _ in range(CLIMBS):
        tried = {place: x for place, one in active.items() if (x := one.next_point()) is not None}
        active = {place: active[place] for place in tried}
        if not active:
            break
        usable = set(sought.usable(list(tried.values())))
        xs = [x for x in tried.values() if x in usable]
        sizes = dict(zip(xs, np.abs(sought.errors(coef, xs)).tolist(), strict=True))
        for place, x in tried.items():
            active[place].take(x, sizes.get(x, -1.0))
            tops[place] = active[place].x[1]
    return tops


@dataclass
class Bracket:
    """Three points, in the middle the highest, with the sizes of errors there."""

    x: list[Fraction]
    sizes: list[float]
    halves: bool = False

    @classmethod
    def of(cls, sought: Sought, coef: Mapping[int, Fraction], points: Sequence[Fraction]) -> Bracket:
        """Return the three with their errors."""
        return cls(list(points), np.abs(sought.errors(coef, points)).tolist())

    def next_point(self) -> Fraction | None:
        """Return a point that may be higher, None where nothing is left to be won."""
        a, b, c = self.x
        left, right = float(a - b), float(c - b)
        height = self.sizes[1]
        if not height > 0:
            return None
        slopes = (self.sizes[0] / height - 1) / left, (self.sizes[2] / height - 1) / right
        curve = (slopes[1] - slopes[0]) / (right - left)
        if not curve < 0:
            return None
        move = -(slopes[0] - curve * left) / (2 * curve)
        if -curve * move * move <= TOP:
            return None
        if self.halves:
            move = left / 2 if -left > right else right / 2
        unit = Fraction(2) ** (near_power(c - a) - 40)
        x = round((b + Fraction(float(np.clip(move, 0.9 * left, 0.9 * right)))) / unit) * unit
        return None if x in self.x or not a < x < c else x

    def take(self, x: Fraction, size: float) -> None:
        """Narrow the bracket by a point; halve next where that was little."""
        a, b, c = self.x
        width = c - a
        low, high = (b, x) if x > b else (x, b)
        if (size > self.sizes[1]) == (x > b):
            self.x, self.sizes = [low, high, c], self._sizes_of(x, size, low, high, 2)
        else:
            self.x, self.sizes = [a, low, high], self._sizes_of(x, size, low, high, 0)
        self.halves = not self.halves and (self.x[2] - self.x[0]) * 4 > width

    def _sizes_of(self, x: Fraction, size: float, low: Fraction, high: Fraction, end: int) -> list[float]:
        inner = [size if one == x else self.sizes[1] for one in (low, high)]
        return [*inner, self.sizes[2]] if end == 2 else [self.sizes[0], *inner]
