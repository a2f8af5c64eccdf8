"""Sought: what a polynomial is to approximate, evaluated in many digits and weighted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, arb_poly, ctx, fmpq, fmpq_poly

from polyoptim.solvers.expansion import expand_on
from polyoptim.solvers.models import Panel, UnexpandableError, settle
from polyoptim.targets.balls import evaluate, expand, rational
from polyoptim.targets.nodes import Node

Array = npt.NDArray[np.float64]

LEAST_BITS, MOST_BITS = 160, 4000
SURE = 40  # bits of an error that have to be right
NEAR, TERMS = arb(2) ** -30, 10  # of an expansion for a limit


@dataclass
class Sought:
    """A function on some points, and how an error counts there.

    Parameters
    ----------
    target : an expression, or a function of floats, whose values are then taken as they are.
    weight : "absolute", "relative", or an expression that multiplies the error.
    orders : of zeros of the target, where polynomials have zeros as well: there the Taylor coefficients of this order
        stand for the values of both, and a relative error is taken at its limit.
    """

    target: Node | Callable[[float], float]
    weight: str | Node = "absolute"
    bits: int = LEAST_BITS
    orders: Mapping[Fraction, int] = field(default_factory=dict)
    _known: dict[Fraction, tuple[arb, arb, int]] = field(default_factory=dict, repr=False)

    def value(self, x: Fraction) -> arb:
        """Return the target at a point; not finite where it has no value."""
        return self.at(x)[0]

    def at(self, x: Fraction) -> tuple[arb, arb]:
        """Return target and weight at a point, in the precision of flint's context."""
        if x not in self._known or self._known[x][2] < ctx.prec:
            f = self._value(self.target, x) if isinstance(self.target, Node) else _called(self.target, x)
            if isinstance(self.weight, Node):
                w = evaluate(self.weight, rational(x))
            else:
                w = arb(1) if self.weight == "absolute" else 1 / abs(f)
            self._known[x] = f, w, ctx.prec
        return self._known[x][:2]

    def _value(self, target: Node, x: Fraction) -> arb:
        """Return a value; where a formula is 0 / 0 its limit."""
        if self.orders.get(x):
            try:
                return expand(target, rational(x), self.orders[x] + 1)[self.orders[x]]
            except (ArithmeticError, ValueError):  # a corner; ValueError: flint's word for a quotient that is no series
                return arb("nan")
        value = evaluate(target, rational(x))
        return value if value.is_finite() else limit(target, x)

    def usable(self, x: Sequence[Fraction]) -> list[Fraction]:
        """Return the points at which both target and weight are finite."""
        with ctx.workprec(self.bits):
            return [point for point in x if all(part.is_finite() for part in self.at(point))]

    def weights(self, x: Sequence[Fraction]) -> Array:
        """Return the weights at points."""
        with ctx.workprec(self.bits):
            return np.array([float(self.at(point)[1]) for point in x])

    def errors(self, coef: Mapping[int, Fraction], x: Sequence[Fraction]) -> Array:
        """Return the weighted f - p at points; more bits are taken where that is the difference of near numbers."""
        while True:
            with ctx.workprec(self.bits):
                dense = [rational(coef.get(power, Fraction(0))) for power in range(max(coef, default=0) + 1)]
                polynomial = arb_poly(dense)
                balls = [self._error(polynomial, point) for point in x]
                found = np.array([float(ball) for ball in balls])
                doubt = max((float(ball.rad()) for ball in balls), default=0.0)
            largest = float(np.abs(found).max(initial=0.0))
            exact = callable(self.target) and not isinstance(self.target, Node)
            if exact or not math.isfinite(doubt) or doubt <= largest * 2.0**-SURE or self.bits >= MOST_BITS:
                return found
            self.bits = min(2 * self.bits, MOST_BITS)

    def _error(self, polynomial: arb_poly, x: Fraction) -> arb:
        f, w = self.at(x)
        return (f - taylor(polynomial, x, self.orders.get(x, 0))) * w


def taylor(polynomial: arb_poly, x: Fraction, order: int) -> arb:
    """Return a Taylor coefficient of a polynomial at a point."""
    for place in range(order):
        polynomial = polynomial.derivative() * (arb(1) / (place + 1))
    return polynomial(rational(x))


def limit(target: Node, x: Fraction) -> arb:
    """Return the limit of an expression from one side, not finite where there is none."""
    for side in (1, -1):
        panel = Panel(fmpq_poly([fmpq(x.numerator, x.denominator), side]), arb(0).union(NEAR), TERMS, one_sided=True)
        try:
            return settle(panel, expand_on(panel, target)).point[0]
        except UnexpandableError:
            continue
    return arb("nan")


def _called(function: Callable[[float], Any], x: Fraction) -> arb:
    return arb(float(function(float(x))))
