"""Functions near a point, with bounds that hold on a panel: the arithmetic of the checker.

A `Germ` is a function of s, with x = centre + s, or centre + side * s**root and s >= 0: ``s**low`` times a function g,
of which `at` has the Taylor coefficients at s = 0 and `on` encloses those at every s of the panel. Then
g(s) = at[0] + … + at[n-2] s**(n-2) + on[n-1] s**(n-1), by Taylor's formula with Lagrange's remainder. Where at[0] is
exactly 0, g(s) / s is a mean of the derivative of g between 0 and s, so that a shift of both series divides by s.
Polynomials with rational coefficients are kept as they are (`exact`), so that their zeros are known to be zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, arb_series, fmpq, fmpq_poly

LARGEST_DEGREE = 300  # of a product that is kept exact


class UndefinedError(ArithmeticError):
    """There is no expansion."""


class HoleError(UndefinedError):
    """A value is 0 / 0."""


@dataclass(slots=True)
class Frame:
    """Where germs are: x as a polynomial in s, from `start` to `end`; `jumps` is set where s = 0 stands apart."""

    x: fmpq_poly
    start: fmpq
    end: fmpq
    order: int
    jumps: bool = False

    @classmethod
    def at_point(cls, x: fmpq) -> Frame:
        """Return the frame of a single point."""
        return cls(fmpq_poly([x]), fmpq(0), fmpq(0), 1)

    @classmethod
    def on_panel(cls, low: fmpq, high: fmpq, centre: fmpq, side: int, root: int, order: int) -> Frame:
        """Return the frame of a panel."""
        if side == 0:
            return cls(fmpq_poly([centre, 1]), low - centre, high - centre, order)
        end = high - low
        if root > 1:
            mantissa, exponent = arb(end).root(root).upper().man_exp()
            end = fmpq(mantissa) * fmpq(2) ** int(exponent)
        return cls(fmpq_poly([centre] + [0] * (root - 1) + [side]), fmpq(0), end, order)

    @property
    def is_point(self) -> bool:
        """Whether there is one point only."""
        return bool(self.start == self.end)

    @property
    def is_forward(self) -> bool:
        """Whether no s is negative."""
        return bool(self.start >= 0)

    @property
    def step(self) -> arb_series:
        """The series of s at every s."""
        return arb_series([arb(self.start).union(arb(self.end)), 1], self.order)

    def at_all(self, coef: list[arb]) -> arb_series:
        """Return the Taylor coefficients of a polynomial at every s."""
        step, found = self.step, arb_series([0], self.order)
        for one in reversed(coef):
            found = found * step + one
        return found

    def germ(self, value: Any) -> Germ:
        """Return the germ of a number or of a polynomial."""
        if isinstance(value, Germ):
            return value
        if isinstance(value, arb):
            series = arb_series([value], self.order)
            return Germ(self, None, 0, series, series)
        return Germ(self, value if isinstance(value, fmpq_poly) else fmpq_poly([value]), 0, _NOTHING, _NOTHING)


def from_zero(high: arb) -> arb:
    """Return a ball of all numbers from 0 to one that is positive; the least of it is exactly 0."""
    return arb(0).union(high.upper()).nonnegative_part()


_NOTHING = arb_series([0], 1)  # the series of an exact germ, until they are asked for


@dataclass(frozen=True, slots=True, eq=False)
class Germ:
    """``s**low`` times the function of two series; see above."""

    frame: Frame
    exact: fmpq_poly | None
    low: int
    at: arb_series
    on: arb_series

    def __add__(self, other: Any) -> Germ:
        other = self.frame.germ(other)
        if self.exact is not None and other.exact is not None:
            return self.frame.germ(self.exact + other.exact)
        low = min(self.low, other.low)
        a, b = self.spread().lowered(low), other.spread().lowered(low)
        return Germ(self.frame, None, low, a.at + b.at, a.on + b.on)

    def __neg__(self) -> Germ:
        return self * -1

    def __sub__(self, other: Any) -> Germ:
        return self + -self.frame.germ(other)

    def __mul__(self, other: Any) -> Germ:
        other = self.frame.germ(other)
        factors = [germ.exact for germ in (self, other) if germ.exact is not None]
        if len(factors) == 2 and sum(factor.degree() for factor in factors) <= LARGEST_DEGREE:
            return self.frame.germ(factors[0] * factors[1])
        a, b = self.spread(), other.spread()
        return Germ(self.frame, None, a.low + b.low, a.at * b.at, a.on * b.on)

    def __truediv__(self, other: Any) -> Germ:
        other = self.frame.germ(other)
        if other.exact is not None and other.exact.degree() == 0:
            return self * self.frame.germ(1 / other.exact[0])
        a, b = self.reduced() if self.exact else self.spread(), other.reduced()
        b = b.sharpened() if b.on[0].contains(0) else b
        if b.on[0].contains(0):
            raise (HoleError if self.frame.is_point and a.at[0].is_zero() else UndefinedError)("a division by zero")
        return Germ(self.frame, None, a.low - b.low, a.at / b.at, a.on / b.on)

    def __pow__(self, power: Fraction) -> Germ:
        if power < 0:
            return self.frame.germ(fmpq(1)) / self**-power
        if power.denominator == 1:
            return self.whole_power(power.numerator)
        if self.is_nothing or (self.frame.is_point and self.spread().at[0].is_zero()):
            return self.frame.germ(fmpq(0))
        exponent = arb(fmpq(power.numerator, power.denominator))
        if self.frame.order == 1 and not self.frame.is_point and self.value().contains(0) and self.value() >= 0:
            return self.frame.germ(from_zero((self.value().upper().log() * exponent).exp()))
        germ = self.reduced().sharpened()
        low = germ.low * power
        if not germ.on[0] > 0 or low.denominator != 1 or (germ.low and not self.frame.is_forward):
            raise UndefinedError("a root of what may be negative")
        return Germ(self.frame, None, int(low), *((one.log() * exponent).exp() for one in (germ.at, germ.on)))

    def whole_power(self, power: int) -> Germ:
        """Return a product of equal factors; of plain balls an even one is not negative."""
        if self.frame.order == 1 and not self.frame.is_point and power and power % 2 == 0:
            size = abs(self.value())
            low, high = size.lower() ** power, size.upper() ** power
            return self.frame.germ(low.union(high) if size > 0 else from_zero(high))
        found, square = self.frame.germ(fmpq(1)), self
        while power:
            if power & 1:
                found = found * square
            power >>= 1
            if power:
                square = square * square
        return found

    def spread(self) -> Germ:
        """Return the same function with its series."""
        if self.exact is None:
            return self
        order, coef = self.frame.order, [arb(one) for one in self.exact.coeffs()]
        return Germ(self.frame, None, 0, arb_series(coef[:order], order), self.frame.at_all(coef))

    def sharpened(self) -> Germ:
        """Return the same function with `on` from its expansion: that of the j-th Taylor coefficient has binomials."""
        order = min(self.at.prec, self.on.prec)
        if self.exact is not None or self.frame.is_point or not self.on[order - 1].is_finite():
            return self
        coef = [self.at[place] for place in range(order - 1)] + [self.on[order - 1]]
        return Germ(self.frame, None, self.low, self.at, arb_series(self.frame.at_all(coef), order))

    def lowered(self, low: int) -> Germ:
        """Return the same function with a smaller low."""
        germ = self
        while germ.low > low:
            at = germ.at * arb_series([0, 1], self.frame.order)
            germ = Germ(self.frame, None, germ.low - 1, at, germ.on * self.frame.step)
        return germ

    def reduced(self) -> Germ:
        """Return the same function, divided by s as often as it is known to vanish at 0."""
        germ = self.spread()
        if self.exact:
            low = next(k for k in range(self.exact.degree() + 1) if self.exact[k] != 0)
            found = self.frame.germ(fmpq_poly(self.exact.coeffs()[low:])).spread()
            return Germ(self.frame, None, low, found.at, found.on)
        while germ.on[0].contains(0) and germ.at[0].is_zero() and min(germ.at.prec, germ.on.prec) > 1:
            at, on = (arb_series([one[k] for k in range(1, one.prec)], one.prec - 1) for one in (germ.at, germ.on))
            germ = Germ(self.frame, None, germ.low + 1, at, on)
        return germ

    def settled(self) -> Germ:
        """Return the same function with low = 0."""
        germ = self.reduced() if self.low < 0 else self.spread()
        if germ.low < 0:
            raise UndefinedError("a pole")
        return germ.lowered(0)

    @property
    def is_nothing(self) -> bool:
        """Whether it is known to be 0 everywhere."""
        return not self.exact if self.exact is not None else bool(self.on[0].is_zero())

    def value(self) -> arb:
        """Return what holds all values."""
        return self.settled().on[0]

    def apply(self, call: Callable[[arb_series], arb_series]) -> Germ:
        """Return a smooth function of this one."""
        germ = self.settled()
        return Germ(self.frame, None, 0, call(germ.at), call(germ.on))

    def sign(self) -> int | None:
        """Return the sign at every s but 0; None where it is not known to be one."""
        if self.exact is not None and self.exact.degree() < 1:
            return int(self.exact[0] > 0) - int(self.exact[0] < 0)
        if self.is_nothing or (self.frame.is_point and self.spread().at[0].is_zero()):
            return 0
        germ = self.reduced().sharpened()
        self.frame.jumps |= germ.low != 0
        if germ.on[0].contains(0) or not germ.on[0].is_finite() or (germ.low % 2 and not self.frame.is_forward):
            return None
        return 1 if germ.on[0] > 0 else -1

    def plain(self) -> arb:
        """Return what holds all values, where nothing but values is asked for."""
        if self.frame.order > 1 or self.frame.is_point:
            raise UndefinedError("a corner or a jump")
        return self.value()

    def either(self, other: Germ) -> Germ:
        """Return what holds both, as plain balls."""
        return self.frame.germ(self.plain().union(other.plain()))
