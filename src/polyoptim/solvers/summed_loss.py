"""A table in partitions fitted by any convex loss: what travels are sums, and for kinks the rows next to the curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from polyoptim.errors import ArgumentError, DataError
from polyoptim.losses import Loss
from polyoptim.moments import Array, Frame
from polyoptim.solution import Status
from polyoptim.solvers.corners import Sides
from polyoptim.solvers.found import Found, nothing_free
from polyoptim.solvers.normal_equations import Shape, Solved, System, allowed, nearest, solve, system_of, undetermined
from polyoptim.solvers.penalties import Penalty, named_penalty
from polyoptim.solvers.powers import PER_STAGE, power_penalty
from polyoptim.solvers.robust import EARNED, LONGEST, SHORTEST, Robust, judged
from polyoptim.solvers.spread import power_weight
from polyoptim.solvers.squared import Fitted, sums
from polyoptim.solvers.summed import (
    Form,
    Model,
    Seen,
    floats,
    look,
    loss_at,
    read_scalar,
    scaled,
    size_of,
    total_weight,
)
from polyoptim.solvers.summed_bound import Known, known
from polyoptim.solvers.summed_corners import Corner, least_sided_sum, tilted
from polyoptim.solvers.summed_newton import Fall, fall, fall_by_power
from polyoptim.solvers.summed_spread import quantile_spread, ratio_weight, said, smooth_spread
from polyoptim.targets.partitions import Partitions

FEWER = 10.0  # times that a length is made shorter after each stage, down to that of the loss
AGAIN = 20  # iterations more where the bound is not near enough
FAR = 1e-5  # a length, in units of the root mean square residual, below which a loss is nearly that with a kink


@dataclass(frozen=True)
class Landed:
    """Where a loss is least, in scaled y and weights.

    Parameters
    ----------
    coef : in the Chebyshev basis.
    known : of the loss there.
    unit : the loss in question is this times what is `known`.
    values : of the iterates, the start first.
    iterations : systems solved.
    weigh : the weight of each residual, from their scale.
    spread : the variance of the coefficients of orthonormal columns; None where it is not known.
    """

    coef: Any
    known: Known
    unit: float
    values: tuple[float, ...]
    iterations: int
    weigh: Callable[[Array, float], Array]
    spread: float | None


def fit_summed(
    rows: Partitions, frame: Frame, count: int, shape: Shape, loss: Loss, options: Mapping[str, float]
) -> Found:
    """Return the polynomial of that shape with the least sum of weight · loss.

    The rows stay where they are; what travels are sums, which have the same bits for any partitions, and for a loss
    with a kink some 100,000 rows next to the curve. The optimum is that of `any_loss.fit_loss`, proved likewise.

    Parameters
    ----------
    frame, count : what `measure` says of the rows.

    Raises
    ------
    ArgumentError
        For a loss that is not convex, and a shape that leaves nothing free.
    DataError
        Where the samples do not determine the coefficients.
    """
    if not loss.convex:
        raise ArgumentError(
            f"loss {loss.name!r} has many local minima, which are looked for from single rows, and these are not in "
            "memory. Use loss='huber', or a sample of the rows."
        )
    unit, heavy = math.ldexp(1.0, frame.y_exponent - 1), math.ldexp(1.0, frame.weight_exponent)
    shape = _in_units(shape, unit)
    own = replace(frame, y_exponent=1, weight_exponent=0)
    table = rows.through(partial(scaled, frame.y_exponent - 1, frame.weight_exponent))
    base = system_of(sums(own, count, table))
    with ctx.workprec(base.precision):
        to_power, start, directions = allowed(base, shape)
        if directions is None:
            raise nothing_free()
        try:
            least = solve(base, shape)
        except DataError:
            raise undetermined(directions.ncols(), ridge=False) from None
        model = Model(table, own, count, start, directions, base.precision)
        landed = _landed(model, base, least.coef.mid(), loss, options, unit)
        scale, low = said(model, landed.coef, landed.weigh)
        spread = None if landed.spread is None or not math.isfinite(landed.spread * unit * unit) else landed.spread
        covariance = least.covariance * (arb(spread or 0.0) * arb(unit) * arb(unit))
        coef = landed.coef * arb(unit)
        solved = Solved(coef, covariance, arb(0), least.free, arb_mat(to_power), least.has_constant)
    kind, message = judged(loss, landed.iterations, landed.known.value, landed.known.bound, landed.known.rounding)
    total, bound = landed.unit * heavy, min(landed.known.bound, landed.known.value)
    robust = Robust(
        coef=np.array(floats(coef)),
        value=total * landed.known.value,
        kind=kind,
        bound=total * bound if math.isfinite(bound) else None,
        values=tuple(total * value for value in landed.values),
        iterations=landed.iterations,
        status=Status.STEPS_DONE if kind is None else Status.CONVERGED,
        message=message,
        row_weight=None,
        scale=scale * unit,
        covariance=None if spread is None else np.array([[spread]]),
    )
    return Found(Fitted(frame, base, solved), robust, low)


def _in_units(shape: Shape, unit: float) -> Shape:
    """Return the shape for y divided by a unit."""
    size = Fraction(unit)
    fixed = {index: value / size for index, value in shape.fixed.items()}
    return Shape(shape.powers, fixed, [(x, y / size) for x, y in shape.through], shape.ridge)


def _landed(model: Model, base: System, least: Any, loss: Loss, options: Mapping[str, float], unit: float) -> Landed:
    """Return where a loss is least, from least squares on."""
    powers = {"squared": 2.0, "absolute": 1.0, "quantile": 1.0}
    p = 1.0 if options.get("beta") == 0 else powers.get(loss.name, options.get("p"))
    first = look(model, Form(partial(power_penalty, 2.0), 1.0), least, 2.0 + size_of(floats(least)))
    start = _Start(model, base, least, first.largest, _root_mean(first), unit)
    if p is None:
        return _by_penalty(start, partial(named_penalty, loss.name, dict(options)))
    if p > 1:
        return _by_power(start, p)
    q = options.get("q", 0.5)
    return _by_corner(start, Sides(-q, 1 - q) if loss.name == "quantile" else Sides(-1.0, 1.0), q)


@dataclass(frozen=True)
class _Start:
    """Least squares: its coefficients, the largest residual and their root mean square, in units of `unit`."""

    model: Model
    base: System
    coef: Any
    largest: float
    mean: float
    unit: float

    def met(self, make: Callable[[], Penalty], length: float) -> Known | None:
        """Return what is known where the polynomial meets every row to rounding: nothing is below 0."""
        if not self.largest <= self.model.noise(floats(self.coef), self.largest):
            return None
        value = loss_at(self.model, make, length, floats(self.coef), self.largest)
        return Known(value, 0.0, value)


def _root_mean(first: Seen) -> float:
    return math.sqrt(nearest(read_scalar(first.value)) / nearest(total_weight(first.slope)))


def _by_corner(start: _Start, sides: Sides, q: float) -> Landed:
    met = start.met(partial(tilted, sides.low, sides.high, 0.0), 1.0)
    corner = (
        Corner(start.coef, met, (met.value,), 1, 0.0)
        if met
        else least_sided_sum(start.model, sides, start.coef, start.largest, start.mean)
    )
    spread = quantile_spread(start.model, corner.coef, q)
    return Landed(
        corner.coef, corner.known, start.unit, corner.values, corner.iterations, partial(power_weight, 1.0), spread
    )


def _by_power(start: _Start, p: float) -> Landed:
    plain = partial(power_penalty, p)
    met = start.met(plain, 1.0)
    if met:
        coef, length, ended, made = start.coef, 1.0, met, 1
        values: tuple[float, ...] = (met.value,)
    else:
        found = fall_by_power(start.model, p, start.coef, start.largest, start.mean)
        coef, length, values, made = found.coef, found.form.length, found.values, found.iterations
        ended = known(start.model, start.base, found, plain)
    with np.errstate(over="ignore"):
        unit = float(np.float64(length) ** p * np.float64(start.unit) ** p)
    bend = math.inf if p == 2 else 0.0
    spread = smooth_spread(start.model, plain, length, coef, bend) if p <= 2 else None
    return Landed(coef, ended, unit, values, made, partial(power_weight, p), spread)


def _by_penalty(start: _Start, make: Callable[[], Penalty]) -> Landed:
    penalty = make()
    length = min(max(penalty.length / start.unit, SHORTEST), LONGEST)
    met = start.met(make, length)
    if met:
        coef, ended, made = start.coef, met, 1
        values: tuple[float, ...] = (met.value,)
    else:
        found, ended = _followed(start, make, length)
        coef, values, made = found.coef, found.values, found.iterations
    # As the loss grows with the square of y while that is short of the length, and with y beyond it.
    unit = length * (penalty.factor * penalty.length) * start.unit
    if length >= 1:
        unit = length * length * penalty.factor * start.unit * start.unit
    spread = smooth_spread(start.model, make, length, coef)
    return Landed(coef, ended, unit, values, made, partial(ratio_weight, make, penalty.length / start.unit), spread)


def _followed(start: _Start, make: Callable[[], Penalty], length: float) -> tuple[Fall, Known]:
    """Return the descent on losses of shorter and shorter lengths, or where these are very short from a corner."""
    model, coef, size, longer, made, bound = start.model, start.coef, start.largest, start.mean, 0, -math.inf
    if length < FAR * start.mean:
        corner = least_sided_sum(model, Sides(-1.0, 1.0), coef, size, start.mean)
        coef, size, longer, made = corner.coef, 2.0 + size_of(floats(corner.coef)), length, corner.iterations
        bound = _of_corner(make(), length, corner)
    while longer > length:
        stage = fall(model, Form(make, longer), coef, size, limit=PER_STAGE)
        coef, size, longer, made = stage.coef, stage.here.largest, longer / FEWER, made + stage.iterations
    found = fall(model, Form(make, length), coef, size)
    ended = known(model, start.base, found, make)
    if not _earned(ended):
        again = fall(model, found.form, found.coef, found.here.largest, limit=AGAIN, close=0.0)
        found = replace(again, values=found.values + again.values[1:], iterations=found.iterations + again.iterations)
        bound, ended = max(bound, ended.bound), known(model, start.base, found, make)
    return replace(found, iterations=made + found.iterations), replace(ended, bound=max(ended.bound, bound))


def _of_corner(penalty: Penalty, length: float, corner: Corner) -> float:
    """Return the bound of a corner for a loss that is `limit` times the absolute one, up to a constant for each row."""
    assert penalty.conjugate is not None  # noqa: S101 - the loss is convex
    apart = float(penalty.conjugate(np.array([penalty.limit]))[0]) * corner.weight
    return penalty.limit * corner.known.bound / length - apart


def _earned(ended: Known) -> bool:
    return ended.value - ended.bound <= EARNED * ended.value + ended.rounding
