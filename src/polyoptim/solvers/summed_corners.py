"""Least absolute residuals and regression quantiles over partitions: all rows count, few of them travel.

S. Portnoy, R. Koenker (1997), The Gaussian hare and the Laplacian tortoise, Statist. Sci. 12, 279-300,
doi:10.1214/ss/1030037960, section 5: a row well above the optimum, or well below it, enters by its slope alone, so that
all such rows can be summed to two. What is left are the rows near the curve. With the two sums in place of their rows
the loss is nowhere above the true one, so its optimum is a lower bound; and where no sign was wrong, it is the optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from polyoptim.errors import DataError
from polyoptim.moments import Array, Frame, Moments
from polyoptim.solvers.corners import Sides, least_sided
from polyoptim.solvers.normal_equations import nearest, system_of
from polyoptim.solvers.penalties import Function, Penalty
from polyoptim.solvers.powers import FACTORS, PER_STAGE, SMOOTHEST
from polyoptim.solvers.rows import make_rows
from polyoptim.solvers.squared import summed
from polyoptim.solvers.summed import (
    Form,
    Model,
    columns,
    floats,
    read_scalar,
    scalar,
    size_of,
    total_weight,
    values,
)
from polyoptim.solvers.summed_bound import Known
from polyoptim.solvers.summed_newton import fall
from polyoptim.targets.partitions import Gathered, Part

KEPT = 100_000  # rows that are brought together; a table of so many as a whole
MOST_KEPT = 2_000_000
NEAR = 10.0  # within so many times the smoothing of the last stage a residual may change its sign
LEAST = 1e-12  # smoothing
ROUNDS = 20


@dataclass(frozen=True)
class Tilted(Penalty):
    """A penalty that grows faster on one side; `pull` is the weight of reweighted least squares."""

    pull: Function

    def ratio(self, t: Array) -> Array:
        """Return the weight of iteratively reweighted least squares."""
        return self.pull(t)


def tilted(low: float, high: float, smoothing: float) -> Tilted:
    """Return the loss with slopes `low` and `high`, its kink rounded.

    The law: ``(high - low) / 2 · hypot(t, smoothing) + (high + low) / 2 · t``.
    """
    half, mean = (high - low) / 2, (high + low) / 2
    return Tilted(
        1.0,
        1.0,
        lambda t: half * np.hypot(t, smoothing) + mean * t,
        lambda t: half * t / np.hypot(t, smoothing) + mean,
        lambda t: half * smoothing**2 / np.hypot(t, smoothing) ** 3,
        None,
        max(-low, high),
        lambda t: half / np.hypot(t, smoothing),
    )


@dataclass(frozen=True)
class Cut:
    """Rows that are kept as they are, and the sums of those above the curve and below it; None for none."""

    kept: Gathered
    above: Moments | None
    below: Moments | None

    def __add__(self, other: Cut) -> Cut:
        return Cut(self.kept + other.kept, _sum(self.above, other.above), _sum(self.below, other.below))


def _sum(a: Moments | None, b: Moments | None) -> Moments | None:
    return a if b is None else b if a is None else a + b


@dataclass(frozen=True)
class Sorter:
    """Which rows are kept: those near the first of some polynomials, and those that lie between any two.

    Parameters
    ----------
    frame, count : of the table.
    seen : the coefficients of the polynomials; none keeps all rows.
    band : a residual up to which a row is near.
    """

    frame: Frame
    count: int
    seen: tuple[tuple[float, ...], ...]
    band: float

    def sides(self, part: Part) -> tuple[Any, Any]:
        """Return which rows lie well above the data, with p(x) > y, and which well below."""
        residuals = [values(self.frame, coef, part.x) - part.y for coef in self.seen]
        if not residuals:
            return np.zeros(len(part.y), bool), np.zeros(len(part.y), bool)
        far = np.abs(residuals[0]) > self.band
        return far & np.all([r > 0 for r in residuals], axis=0), far & np.all([r < 0 for r in residuals], axis=0)

    def cut(self, part: Part) -> Cut:
        """Return the rows of a part that are kept, and the sums of the others."""
        part = part.counted()
        above, below = self.sides(part)
        sums = [summed(self.frame, self.count, part.rows(side)) if side.any() else None for side in (above, below)]
        return Cut(Gathered((part.rows(~(above | below)),)), *sums)


@dataclass(frozen=True)
class Checked:
    """The loss at a polynomial, how many rows lie on another side than was supposed, and rows within a band of it."""

    value: Moments
    wrong: int
    largest: float

    def __add__(self, other: Checked) -> Checked:
        return Checked(self.value + other.value, self.wrong + other.wrong, max(self.largest, other.largest))


def _checked(sorter: Sorter, sides: Sides, coef: Sequence[float], bound: float, part: Part) -> Checked:
    part = part.counted()
    residual = values(sorter.frame, coef, part.x) - part.y
    above, below = sorter.sides(part)
    wrong = int(np.count_nonzero(above & (residual < 0)) + np.count_nonzero(below & (residual > 0)))
    value = scalar(sorter.frame, sorter.count, part, sides.value(residual), bound * max(-sides.low, sides.high))
    return Checked(value, wrong, float(np.abs(residual).max(initial=0.0)))


@dataclass(frozen=True)
class Corner:
    """The least value, where it is, and how it was found.

    Parameters
    ----------
    coef : in the Chebyshev basis.
    known : of the loss there.
    values : of the loss, the last one first found.
    iterations : systems solved.
    weight : of all rows.
    """

    coef: Any
    known: Known
    values: tuple[float, ...]
    iterations: int
    weight: float


def least_sided_sum(model: Model, sides: Sides, coef: Any, size: float, length: float) -> Corner:
    """Return where the weighted sum of ``sides.value(residual)`` is least.

    Parameters
    ----------
    coef : of least squares.
    size, length : the largest residual there, and the root of their mean square.

    Raises
    ------
    DataError
        Where more than two million rows are too near to the optimum to tell on which side of it they lie.
    """
    sorter, iterations = Sorter(model.frame, model.count, (), 0.0), 0
    if model.count > KEPT:
        sorter, iterations = _near(model, sides, coef, size, length)
    found: list[float] = []
    bound = -np.inf
    for _ in range(ROUNDS):
        coef, lower, made = _solved(model, sorter, sides)
        iterations, bound = iterations + made, max(bound, lower)
        seen = floats(coef)
        far = 2.0 + size_of(seen)
        checked = model.rows.total(partial(_checked, sorter, sides, seen, far))
        with ctx.workprec(model.precision):
            found.append(nearest(read_scalar(checked.value)))
            weight = nearest(total_weight(checked.value))
        if not checked.wrong:
            break
        sorter = replace(sorter, seen=(*sorter.seen, seen))
    rounding = model.noise(seen, checked.largest) * weight * max(-sides.low, sides.high)
    return Corner(coef, Known(found[-1], bound, rounding), tuple(found), iterations, weight)


def _near(model: Model, sides: Sides, coef: Any, size: float, length: float) -> tuple[Sorter, int]:
    """Return who tells the rows near the optimum, which the losses of a smoothed kink lead to, and systems solved."""
    smoothing, iterations = SMOOTHEST, 0
    while True:
        form = Form(partial(tilted, sides.low, sides.high, smoothing), length, near=NEAR * smoothing)
        stage = fall(model, form, coef, size, limit=PER_STAGE)
        coef, size, iterations = stage.coef, stage.here.largest, iterations + stage.iterations
        if stage.here.near <= KEPT or smoothing <= LEAST:
            break
        smoothing /= FACTORS[0]
    if stage.here.near > MOST_KEPT:
        raise DataError(
            f"{stage.here.near} rows lie on the curve of least loss, more than {MOST_KEPT}. Use loss='huber', "
            "or a sample of the rows."
        )
    return Sorter(model.frame, model.count, (floats(coef),), NEAR * smoothing * length), iterations


def _solved(model: Model, sorter: Sorter, sides: Sides) -> tuple[Any, float, int]:
    """Return the optimum with far rows summed, what no polynomial's loss is below, and systems solved."""
    cut = model.rows.total(sorter.cut)
    kept = cut.kept.joined()
    weight = np.ones(len(kept.y)) if kept.weight is None else kept.weight
    parts = [(columns(model.frame, kept.x), kept.y, weight)]
    with ctx.workprec(model.precision):
        parts += [_aggregate(model, moments) for moments in (cut.above, cut.below) if moments is not None]
        start = np.array(floats(model.start))
        free = np.array([[nearest(model.directions[i, j]) for j in range(model.size)] for i in range(len(start))])
        design = np.concatenate([part[0] for part in parts])
        y = np.concatenate([part[1] for part in parts]) - design @ start
        rows = make_rows(design @ free, y, np.concatenate([part[2] for part in parts]))
        found = least_sided(rows, sides)
        z = rows.unit * (rows.back @ found.z)
        coef = (model.start + model.directions * arb_mat([[arb(value)] for value in z.tolist()])).mid()
    return coef, rows.unit * rows.heaviest * found.bound, found.iterations


def _aggregate(model: Model, moments: Moments) -> tuple[Array, Array, Array]:
    """Return many rows as one: their mean, with their whole weight."""
    system = system_of(moments)
    whole = total_weight(moments)
    mean = [nearest(system.gram[index] / whole) for index in model.frame.columns]
    return np.array([mean]), np.array([nearest(system.right[0] / whole)]), np.array([nearest(whole)])
