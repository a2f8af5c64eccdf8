"""Space: polynomials with some of their powers free, in columns that floats can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import fmpq, fmpq_mat

from polyoptim.bases import FAMILIES
from polyoptim.solvers.normal_equations import in_powers

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Space:
    """Polynomials whose coefficients of `powers` are free, on [low, high].

    Where the powers are s, s + t, s + 2t, … the columns are x^s T_k(u), with u the map of x^t onto [-1, 1]: as good as
    Chebyshev's on the whole for all powers, odd ones, even ones, and those that a fixed constant leaves. Other sets of
    powers have columns (x / h)^k, h the largest abs(x).

    Parameters
    ----------
    powers : ascending, at least one.
    low, high : ends of the hull of the domain.
    """

    powers: tuple[int, ...]
    low: Fraction
    high: Fraction

    @property
    def size(self) -> int:
        """How many coefficients are free."""
        return len(self.powers)

    @cached_property
    def step(self) -> int | None:
        """The difference of neighbouring powers, None where they differ."""
        steps = set(np.diff(self.powers).tolist())
        return 1 if not steps else steps.pop() if len(steps) == 1 else None

    @cached_property
    def _range(self) -> tuple[Fraction, Fraction]:
        """The range of x^t."""
        ends = [self.low ** (self.step or 1), self.high ** (self.step or 1)]
        if self.low < 0 < self.high:
            ends.append(Fraction(0))
        return min(ends), max(ends)

    @cached_property
    def size_of_x(self) -> Fraction:
        """The largest abs(x)."""
        return max(abs(self.low), abs(self.high)) or Fraction(1)

    def columns(self, x: Sequence[Fraction]) -> Array:
        """Return the columns at points, shape (points, size)."""
        first = np.array([float((value / self.size_of_x) ** self.powers[0]) for value in x])
        if self.step is None:
            scaled = np.array([float(value / self.size_of_x) for value in x])
            return np.stack([scaled**power for power in self.powers], axis=-1)
        low, high = self._range
        center, half = (low + high) / 2, (high - low) / 2
        u = np.array([float((value**self.step - center) / half) for value in x])
        found: Array = np.stack(FAMILIES["chebyshev"].columns(u, self.size - 1), axis=-1) * first[:, None]
        return found

    @cached_property
    def table(self) -> list[dict[int, Fraction]]:
        """The coefficient of each power of x in each column."""
        if self.step is None:
            return [{power: self.size_of_x**-power} for power in self.powers]
        low, high = self._range
        center, half = (low + high) / 2, (high - low) / 2
        unit = self.size_of_x ** -self.powers[0]
        rows = in_powers(FAMILIES["chebyshev"], self.size - 1, -center / half, 1 / half)
        return [{self.powers[place]: _fraction(value) * unit for place, value in enumerate(row)} for row in rows]

    def meeting(self, conditions: Sequence[Sequence[Fraction]]) -> Subspace:
        """Return the part in which some sums of coefficients are 0.

        Parameters
        ----------
        conditions : the factor of each of `powers` in each sum.
        """
        factors = [dict(zip(self.powers, row, strict=True)) for row in conditions]
        sums = [[sum((row[k] * v for k, v in column.items()), Fraction(0)) for column in self.table] for row in factors]
        return Subspace(self, tuple(map(tuple, _kernel(sums, self.size))))


@dataclass(frozen=True)
class Subspace:
    """Combinations of the columns of a space.

    Parameters
    ----------
    whole : the space.
    combinations : factors of its columns, a row for each column of the subspace, shape (count, whole.size).
    """

    whole: Space
    combinations: tuple[tuple[Fraction, ...], ...]

    @property
    def count(self) -> int:
        """How many columns there are."""
        return len(self.combinations)

    @property
    def powers(self) -> tuple[int, ...]:
        """Those that may appear."""
        return self.whole.powers

    @property
    def size_of_x(self) -> Fraction:
        """The largest abs(x)."""
        return self.whole.size_of_x

    @cached_property
    def _factors(self) -> Array:
        return np.array([[float(value) for value in row] for row in self.combinations]).T

    @cached_property
    def is_whole(self) -> bool:
        """Whether it is the space itself."""
        return self.count == self.whole.size

    def columns(self, x: Sequence[Fraction]) -> Array:
        """Return the columns at points, shape (points, count)."""
        found: Array = self.whole.columns(x) if self.is_whole else self.whole.columns(x) @ self._factors
        return found

    @cached_property
    def table(self) -> list[dict[int, Fraction]]:
        """The coefficient of each power of x in each column."""
        if self.is_whole:
            return self.whole.table
        return [_summed(row, self.whole.table, self.powers) for row in self.combinations]

    def in_powers(self, change: Array) -> dict[int, Fraction]:
        """Return the coefficients of powers of x of a sum of columns."""
        return _summed([Fraction(value) for value in change.tolist()], self.table, self.powers)


def _summed(
    factors: Sequence[Fraction], columns: Sequence[Mapping[int, Fraction]], powers: Sequence[int]
) -> dict[int, Fraction]:
    found = dict.fromkeys(powers, fmpq(0))
    for value, column in zip(factors, columns, strict=True):
        exact = fmpq(value.numerator, value.denominator)
        for power, part in column.items():
            found[power] += exact * fmpq(part.numerator, part.denominator)
    return {power: _fraction(value) for power, value in found.items()}


def _kernel(rows: Sequence[Sequence[Fraction]], size: int) -> list[list[Fraction]]:
    """Return a basis of what all rows send to 0."""
    if not rows:
        return [[Fraction(int(j == k)) for j in range(size)] for k in range(size)]
    reduced, rank = fmpq_mat([[fmpq(v.numerator, v.denominator) for v in row] for row in rows]).rref()
    pivots = [next(place for place in range(size) if reduced[row, place] != 0) for row in range(rank)]
    found = []
    for free in (k for k in range(size) if k not in pivots):
        combination = [Fraction(int(k == free)) for k in range(size)]
        for row, pivot in enumerate(pivots):
            combination[pivot] = -_fraction(reduced[row, free])
        found.append(combination)
    return found


def _fraction(value: Any) -> Fraction:
    return Fraction(int(fmpq(value).p), int(fmpq(value).q))


def added(
    coef: Mapping[int, Fraction], change: Mapping[int, Fraction], bits: int, size: Fraction
) -> dict[int, Fraction]:
    """Return a sum of coefficients, each a multiple of 2^-bits over the power of `size`, so that they stay short."""
    found = dict(coef)
    for power, value in change.items():
        unit = Fraction(2) ** (bits + power * near_power(size))
        found[power] = Fraction(round((found.get(power, Fraction(0)) + value) * unit)) / unit
    return found


def near_power(size: Fraction) -> int:
    """Return the power of two near a positive number."""
    return size.numerator.bit_length() - size.denominator.bit_length()
