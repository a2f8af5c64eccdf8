"""Sought: what a polynomial is to approximate, evaluated in many digits and weighted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, arb_poly, ctx

from polyoptim.targets.balls import evaluate, rational
from polyoptim.targets.nodes import Node

Array = npt.NDArray[np.float64]

LEAST_BITS, MOST_BITS = 160, 4000
SURE = 40  # bits of an error that have to be right


@dataclass
class Sought:
    """A function on some points, and how an error counts there.

    Parameters
    ----------
    target : an expression, or a function of floats, whose values are then taken as they are.
    weight : "absolute", "relative", or an expression that multiplies the error.
    """

    target: Node | Callable[[float], float]
    weight: str | Node = "absolute"
    bits: int = LEAST_BITS
    _known: dict[tuple[Fraction, int], tuple[arb, arb]] = field(default_factory=dict, repr=False)

    def value(self, x: Fraction) -> arb:
        """Return the target at a point; not finite where it has no value."""
        return self.at(x)[0]

    def at(self, x: Fraction) -> tuple[arb, arb]:
        """Return target and weight at a point, in the precision of flint's context."""
        known = x, ctx.prec
        if known not in self._known:
            point = rational(x)
            f = evaluate(self.target, point) if isinstance(self.target, Node) else _called(self.target, x)
            if isinstance(self.weight, Node):
                w = evaluate(self.weight, point)
            else:
                w = arb(1) if self.weight == "absolute" else 1 / abs(f)
            self._known[known] = f, w
        return self._known[known]

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
            self._known.clear()

    def _error(self, polynomial: arb_poly, x: Fraction) -> arb:
        f, w = self.at(x)
        return (f - polynomial(rational(x))) * w


def _called(function: Callable[[float], Any], x: Fraction) -> arb:
    return arb(float(function(float(x))))
