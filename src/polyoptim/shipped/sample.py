"""Sample: evenly spaced inputs with their truth, the errors of coefficients there, and the nearest midpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx

from polyoptim.doubled import difference, pair_of, product, total
from polyoptim.exhaustive import Run, Truth, truth_of
from polyoptim.exhaustive.plain import inputs_of, judge, nearest, true_values, units
from polyoptim.exhaustive_kernel import GRID
from polyoptim.formats import Format
from polyoptim.targets.balls import evaluate
from polyoptim.targets.nodes import Node

Array = npt.NDArray[np.float64]

POINT_BITS = 200  # of the truth at single inputs


@dataclass(frozen=True)
class Sample:
    """Inputs and the truth there: ``s + e``, in units of `unit`, with `right` the correctly rounded value."""

    x: Array
    s: Array
    e: Array
    unit: Array
    right: Array

    def __len__(self) -> int:
        return len(self.x)

    def at(self, places: Any) -> Sample:
        """Return a part of it."""
        parts = (each[places] for each in (self.x, self.s, self.e, self.unit, self.right))
        return Sample(*(np.ascontiguousarray(part) for part in parts))

    def errors(self, coef: Mapping[int, Fraction]) -> Array:
        """Return the errors of a polynomial in exact arithmetic, in units."""
        value: Any = (np.zeros_like(self.x), np.zeros_like(self.x))
        point = (self.x, np.zeros_like(self.x))
        for power in range(max(coef), -1, -1):
            value = total(product(value, point), pair_of(coef.get(power, Fraction(0))))
        left: Array = difference(value, (self.s, self.e))[0] / self.unit
        return left

    def of_values(self, y: Array) -> Array:
        """Return the signed errors of values, in units."""
        return ((y - self.s) - self.e) / self.unit

    def columns(self, powers: Sequence[int], steps: Sequence[float]) -> Array:
        """Return how the error changes with a step of each coefficient, in units, shape (points, powers)."""
        return (
            np.stack([step * self.x**power for power, step in zip(powers, steps, strict=True)], axis=-1)
            / (self.unit[:, None])
        )


def sampled(
    tree: Node, own: Format, output: Format, pieces: Sequence[tuple[Fraction, Fraction]], points: int
) -> Sample:
    """Return a sample of evenly spaced inputs, ascending, where doubles decide how the truth is rounded."""
    whole = sum((high - low for low, high in pieces), Fraction(0))
    runs = []
    for low, high in pieces:
        count = max(int(points * (high - low) / whole), 2)
        runs.append(Run(GRID, 0, 1, count + 1, own, float(low), float((high - low) / count)))
    return sample_of(truth_of(tree, runs, output), own)


def sample_of(truth: Truth, own: Format, x: Array | None = None) -> Sample:
    """Return inputs of a truth, all or those, once each, that doubles decide."""
    x = inputs_of(truth, own) if x is None else x
    s, e, doubt = true_values(truth, own, x)
    _, verdict = judge(s, e, doubt, s, truth.output)
    keep = (verdict < 2) & (np.diff(x, prepend=-np.inf) > 0)
    x, s, e, doubt = x[keep], s[keep], e[keep], doubt[keep]
    unit, _ = units(np.abs(s), doubt, truth.output)
    if truth.output.digits == np.finfo(np.float64).nmant + 1:
        return Sample(x, s, e, unit, s)
    right, _ = nearest(np.abs(s), np.where(s >= 0, e, -e), unit, truth.output)
    return Sample(x, s, e, unit, np.copysign(right, s))


def points_of(tree: Node, x: Sequence[float], output: Format) -> Sample:
    """Return single inputs; without those at which the function has no value."""
    rows = []
    with ctx.workprec(POINT_BITS):
        for point in x:
            ball = evaluate(tree, arb(point))
            if ball.is_finite():
                near = float(ball)
                rows.append((point, near, float(ball - arb(near))))
    table: Array = np.array(rows, dtype=np.float64).reshape(-1, 3)
    found, s, e = table[:, 0], table[:, 1], table[:, 2]
    unit, _ = units(np.abs(s), np.zeros_like(s), output)
    right, _ = nearest(np.abs(s), np.where(s >= 0, e, -e), unit, output)
    return Sample(found, s, e, unit, np.copysign(right, s))
