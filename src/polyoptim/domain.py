"""Domain: an interval and its affine map onto a window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from polyoptim.errors import ArgumentError


@dataclass(frozen=True)
class Domain:
    """The interval [a, b] of the user and the interval on which the basis lives.

    Parameters
    ----------
    a, b : ends of the domain, a < b, in the units of x.
    window : ends of the basis' own interval. None means that x is used as it is.

    Notes
    -----
    The law: ``u = (x - center) * scale + offset``. The centre is subtracted first, because the textbook's
    ``off + scl * x`` cancels where the domain is far from zero (Unix time stamps).
    """

    a: float
    b: float
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.a < self.b and math.isinf(self.b - self.a):
            raise ArgumentError(f"domain [{self.a!r}, {self.b!r}] is wider than float64 can hold. Scale x.")
        if not self.a < self.b:
            raise ArgumentError(
                f"domain must be two finite numbers a < b, got {self.a!r} and {self.b!r}. Give them in ascending order."
            )

    @property
    def center(self) -> float:
        """The x that is mapped to the middle of the window."""
        return self.a / 2 + self.b / 2

    @property
    def scale(self) -> float:
        """du/dx; 1 where x is used as it is."""
        if self.window is None:
            return 1.0
        return (self.window[1] - self.window[0]) / (self.b - self.a)

    @property
    def offset(self) -> float:
        """The middle of the window."""
        return 0.0 if self.window is None else (self.window[0] + self.window[1]) / 2

    def map(self, x: Any) -> Any:
        """Return u for x, a number or an array of any library (float64 wanted); the same x without a window."""
        if self.window is None:
            return x
        return (x - self.center) * self.scale + self.offset


def domain_of_range(low: float, high: float, window: tuple[float, float] | None) -> Domain:
    """Return the domain of a column whose values are in a range; one value alone is the middle of an interval.

    >>> domain_of_range(3.0, 3.0, None)
    Domain(a=2.0, b=4.0, window=None)
    """
    half = 0.0 if low < high else max(1.0, 2 * math.ulp(low))
    return Domain(low - half, high + half, window)
