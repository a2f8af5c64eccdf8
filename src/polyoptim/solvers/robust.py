"""The least value of any loss on a linear model, with what its residuals say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from polyoptim.losses import LOSSES, Loss
from polyoptim.solution import Status
from polyoptim.solvers.corners import Sides, least_sided
from polyoptim.solvers.newton import Descent, descend
from polyoptim.solvers.penalties import Penalty, penalty_of
from polyoptim.solvers.powers import least_power, power_penalty
from polyoptim.solvers.redescending import best_found
from polyoptim.solvers.rows import Array, Rows, make_rows
from polyoptim.solvers.spread import (
    penalty_weight,
    power_weight,
    quantile_covariance,
    scale_of,
    smooth_covariance,
)
from polyoptim.targets.samples import check_weight

EARNED = 1e-12  # an optimum is exact where its bound is so near, relative
# Where the length of a loss is so much longer than y, it is the squared loss to rounding; shorter, it would overflow.
LONGEST, SHORTEST = 1e10, 1e-100
SHORT = 1e-13  # where it differs so little, relative, from the absolute loss, it is solved with that
HUBER = 1.345 / 4.685  # the lengths with which huber and tukey lose 5 % of the efficiency
MANY = 200  # rows from which a descent that chooses its rows says how far it errs
FEW = 0.01  # share of the rows within the length at least squares, below which the corners are the better start


@dataclass(frozen=True)
class Robust:
    """The coefficients with the least loss, and how well that is known.

    Parameters
    ----------
    coef : of the columns, shape (m,).
    value : the sum of weight · loss at coef.
    kind : "exact" where the value is within 1e-12, relative, of its bound, up to what rounding of the residuals can
        change; "best found" where the loss is not convex; None where a convex loss was not solved.
    bound : a lower bound on the value of any coefficients, by duality; None where none is known.
    values : of the iterates that were accepted, the start first; to rounding no one is above the one before.
    iterations : linear systems solved.
    status, message : converged or steps_done, and a sentence for the user.
    row_weight : psi(r) / r over its value at r = 0, in [0, 1], shape (n,), so that rows of low weight can be listed.
        Where that is infinite, below p = 2, it is taken over its value at r = `scale`. None where no rows are at hand.
    scale : the normalised median absolute residual, 1.4826 median abs(r), of the rows with a weight.
    covariance : of coef, shape (m, m); None without degrees of freedom or where it is not known.
    """

    coef: Array
    value: float
    kind: str | None
    bound: float | None
    values: tuple[float, ...]
    iterations: int
    status: Status
    message: str
    row_weight: Array | None
    scale: float
    covariance: Array | None


@dataclass(frozen=True)
class Route:
    """One way to a least value, in the units of the rows.

    Parameters
    ----------
    descent : how it went.
    each : the loss of each residual; the loss in question is `unit` times this.
    row_weight : of residuals in the unit of y and their scale.
    covariance : of the coefficients in orthonormal columns.
    """

    descent: Descent
    each: Callable[[Array], Array]
    unit: float
    row_weight: Callable[[Array, float], Array]
    covariance: Array | None


def minimize(
    columns: Array, y: Array, weight: Array | None, loss: Loss, options: Mapping[str, float] | None = None
) -> Robust:
    """Return the coefficients with the least sum of weight · loss(columns @ coef - y).

    Parameters
    ----------
    columns : finite, shape (n, m). What is lost in them is lost: for powers far from 0 give orthogonal ones. Directions
        that are rounding only are left out, and the shortest coefficients, in columns scaled to length 1, are returned.
    y, weight : shape (n,).
    loss, options : by name; delta, beta and c are in the unit of y. No scale is estimated inside the loss.

    Raises
    ------
    DataError
        For a negative weight, and where all are zero.

    Notes
    -----
    Cost: O(n m²) for each of up to about 30 iterations; n = 10⁶, m = 6 takes 1 to 6 s, 13 s at q = 0.01. Smooth losses
    are solved by `newton`, absolute and quantile ones in `corners`, p-norms by `powers`, and tukey by `redescending`.

    Examples
    --------
    >>> from polyoptim.losses import LOSSES
    >>> line = np.vander([0.0, 1.0, 2.0, 3.0, 4.0], 2)
    >>> found = minimize(line, np.array([1.0, 3.0, 5.0, 7.0, 90.0]), None, LOSSES["absolute"])
    >>> found.coef.round(9).tolist(), found.value, found.kind
    ([2.0, 1.0], 81.0, 'exact')
    """
    check_weight(weight)
    kept = np.ones(len(y), dtype=bool) if weight is None else weight > 0
    whole = bool(kept.all())
    rows = make_rows(columns if whole else columns[kept], y[kept], None if weight is None else weight[kept])
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        route = _route(rows, loss, loss.check(options or {}))
        z = route.descent.z
        coef, r = rows.unit * (rows.back @ z), rows.residual(z)
        residual = rows.unit * r if whole else columns @ coef - y
        residual[kept] = rows.unit * r
        scale = scale_of(residual[kept])
        least = rows.total(route.each(r))
        rounding = rows.total(route.each(r + np.copysign(rows.noise(z), r)) - route.each(r))
        kind, message = judged(loss, route.descent.iterations, least, route.descent.bound, rounding)
        back = rows.unit * rows.back
        return Robust(
            coef=coef,
            value=route.unit * least,
            kind=kind,
            bound=route.unit * min(route.descent.bound, least) if math.isfinite(route.descent.bound) else None,
            values=tuple(route.unit * value for value in route.descent.values),
            iterations=route.descent.iterations,
            status=Status.STEPS_DONE if kind is None else Status.CONVERGED,
            message=message,
            row_weight=route.row_weight(residual, scale),
            scale=scale,
            covariance=None if route.covariance is None else back @ route.covariance @ back.T,
        )


def judged(loss: Loss, iterations: int, least: float, bound: float, rounding: float) -> tuple[str | None, str]:
    """Return the kind of an optimum, and a sentence on how it is known.

    Parameters
    ----------
    least, bound : the value that was found, and what no value is below.
    rounding : by how much rounding of the residuals may change it.
    """
    if not loss.convex:
        return (
            "best found",
            f"The {loss.name} loss is not convex: this is the best of several descents, and no optimum.",
        )
    gap = max(least - bound, 0.0)
    if gap <= EARNED * least + rounding:
        return "exact", f"Solved in {iterations} iterations; the bound is {gap / (least or 1.0):.1g} below."
    far = f"up to {gap / least:.1g} (relative)" if 0 < gap < math.inf and least else "nobody knows how far"
    return None, (
        f"Not solved: after {iterations} iterations the {loss.name} loss is {far} above its least value. "
        "Scale y, or take other columns."
    )


def _route(rows: Rows, loss: Loss, options: Mapping[str, float]) -> Route:
    """Return how the solver for this loss went."""
    powers = {"squared": 2.0, "absolute": 1.0, "quantile": 1.0}
    p = 1.0 if options.get("beta") == 0 else powers.get(loss.name, options.get("p"))
    if p is None:
        return _by_penalty(rows, penalty_of(loss, options), loss.convex)
    if p > 1:
        return _by_power(rows, p)
    q = options.get("q", 0.5)
    sides = Sides(-q, 1 - q) if loss.name == "quantile" else Sides(-1.0, 1.0)
    found = _met(rows, sides.value) or least_sided(rows, sides)
    covariance = quantile_covariance(rows, q, found.z)
    return Route(found, sides.value, rows.unit * rows.heaviest, partial(power_weight, 1.0), covariance)


def _by_power(rows: Rows, p: float) -> Route:
    penalty, length = power_penalty(p), 1.0
    found = _met(rows, penalty.value)
    if found is None and p == 2:
        z = rows.least_squares()
        least = rows.total(penalty.value(rows.residual(z)))
        found = Descent(z, (least,), least, 1)
    if found is None:
        found, length = least_power(rows, p)
    unit = float(np.float64(length) ** p * np.float64(rows.unit) ** p) * rows.heaviest
    # The squares of steep slopes tell nothing of themselves: they hang on the farthest rows.
    covariance = smooth_covariance(rows, penalty, length, found.z, bend=math.inf if p == 2 else 0.0) if p <= 2 else None
    return Route(found, lambda r: penalty.value(r / length), unit, partial(power_weight, p), covariance)


def _by_penalty(rows: Rows, penalty: Penalty, convex: bool) -> Route:
    length = min(max(penalty.length / rows.unit, SHORTEST), LONGEST)

    def each(r: Array) -> Array:
        return penalty.value(r / length)

    found = _met(rows, each) or _followed(rows, penalty, length, convex)
    # As the loss grows with the square of y while that is short of the length, and with y beyond it.
    unit = length * (penalty.factor * penalty.length) * rows.unit
    if length >= 1:
        unit = length * length * penalty.factor * rows.unit * rows.unit
    told = convex or len(rows.y) >= MANY
    covariance = smooth_covariance(rows, penalty, length, found.z) if told else None
    weight = partial(penalty_weight, penalty)
    return Route(found, each, unit * rows.heaviest, lambda residual, _scale: weight(residual), covariance)


def _followed(rows: Rows, penalty: Penalty, length: float, convex: bool) -> Descent:
    """Return the descent from where it is short: least squares, or the corner of least absolute residuals."""
    start = rows.least_squares()
    inside = np.count_nonzero(np.abs(rows.residual(start)) <= length)
    if convex and inside >= max(2 * len(start), FEW * len(rows.y)):
        return descend(rows, penalty, length, start)
    corner = least_sided(rows, Sides(-1.0, 1.0))
    if convex:
        found = _cornered(rows, penalty, length, corner)
        if found.values[-1] - found.bound > SHORT * found.values[-1]:
            lower = descend(rows, penalty, length, corner.z)
            found = replace(lower, bound=max(found.bound, lower.bound))
    else:
        huber = descend(rows, penalty_of(LOSSES["huber"], {"delta": 1.0}), HUBER * length, corner.z)
        found = best_found(rows, penalty, length, [start, corner.z, huber.z])
    return replace(found, iterations=corner.iterations + found.iterations)


def _cornered(rows: Rows, penalty: Penalty, length: float, corner: Descent) -> Descent:
    """Return the corner as the descent of a penalty that differs from ``limit · abs(t)`` by at most a constant."""
    assert penalty.conjugate is not None  # noqa: S101
    apart = float(penalty.conjugate(np.array([penalty.limit]))[0]) * rows.total(np.ones(len(rows.y)))
    value = rows.total(penalty.value(rows.residual(corner.z) / length))
    return Descent(corner.z, (value,), min(penalty.limit * corner.bound / length - apart, value), 0)


def _met(rows: Rows, each: Callable[[Array], Array]) -> Descent | None:
    """Return the polynomial that meets every row to rounding, where there is one: nothing is below 0."""
    z = rows.least_squares()
    r = rows.residual(z)
    if not np.abs(r).max(initial=0.0) <= rows.noise(z):
        return None
    return Descent(z, (rows.total(each(r)),), 0.0, 1)
