"""Space: polynomials with some of their powers free, in columns that floats can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import fmpq

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

    def in_powers(self, change: Array) -> dict[int, Fraction]:
        """Return the coefficients of powers of x of a sum of columns."""
        found = dict.fromkeys(self.powers, Fraction(0))
        for value, column in zip(change.tolist(), self.table, strict=True):
            for power, part in column.items():
                found[power] += Fraction(value) * part
        return found


def _fraction(value: Any) -> Fraction:
    return Fraction(int(fmpq(value).p), int(fmpq(value).q))


def added(
    coef: Mapping[int, Fraction], change: Mapping[int, Fraction], bits: int, size: Fraction
) -> dict[int, Fraction]:
    """Return a sum of coefficients, each a multiple of 2^-bits over the power of `size`, so that they stay short."""
    found = dict(coef)
    for power, value in change.items():
        unit = Fraction(2) ** (bits + power * _exponent(size))
        found[power] = Fraction(round((found.get(power, Fraction(0)) + value) * unit)) / unit
    return found


def _exponent(size: Fraction) -> int:
    """Return the power of two near a positive number."""
    return size.numerator.bit_length() - size.denominator.bit_length()
