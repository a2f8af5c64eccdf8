"""What residuals of a table in partitions say: their scale, the rows of low weight, the spread of the coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from flint import ctx

from polyoptim.moments import Array, Frame
from polyoptim.solvers.found import Low, low_rows
from polyoptim.solvers.normal_equations import nearest
from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.ranks import ordered
from polyoptim.solvers.spread import (
    FARTHEST,
    STRAIGHT,
    TO_SIGMA,
    WIDEST,
    chords,
    quantile_ends,
    quantile_factor,
    window,
)
from polyoptim.solvers.summed import Model, floats, largest, read_scalar, rowwise, scalar, total_weight, values
from polyoptim.solvers.summed_bound import Sizes, Sums
from polyoptim.targets.partitions import Part

Weigh = Callable[[Array, float], Array]


def said(model: Model, coef: Any, weigh: Weigh) -> tuple[float, Low]:
    """Return the normalised median absolute residual, exactly, and the rows of low weight."""
    at = floats(coef)
    count = model.count
    middle = ordered(model.rows, partial(_sizes, model.frame, at), [(count - 1) // 2, count // 2])
    scale = TO_SIGMA * (middle[0] + middle[1]) / 2
    return scale, model.rows.total(partial(_low, model.frame, at, weigh, scale))


def _residual(frame: Frame, coef: Sequence[float], part: Part) -> Array:
    return values(frame, coef, part.x) - part.y


def _sizes(frame: Frame, coef: Sequence[float], part: Part) -> Array:
    return np.abs(_residual(frame, coef, part))


def _upward(frame: Frame, coef: Sequence[float], part: Part) -> Array:
    return -_residual(frame, coef, part)


@np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
def _low(frame: Frame, coef: Sequence[float], weigh: Weigh, scale: float, part: Part) -> Low:
    places = np.arange(len(part.y)) if part.weight is None else np.flatnonzero(part.weight > 0)
    return low_rows(weigh(_residual(frame, coef, part.counted()), scale), part.first + places)


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def ratio_weight(make: Callable[[], Penalty], length: float, residual: Array, _scale: float) -> Array:
    """Return slope(r) / r over its value at 0, in [0, 1]."""
    penalty = make()
    t = np.clip(residual / length, -FARTHEST, FARTHEST)
    return np.clip(penalty.ratio(t) / float(penalty.curve(np.zeros(1))[0]), 0, 1)


@dataclass(frozen=True)
class Bent:
    """Over which window the slope of psi is taken: `wide` None where it is that at each residual."""

    wide: float | None = None
    scale: float = 1.0
    count: int = 1


def smooth_spread(
    model: Model, make: Callable[[], Penalty], length: float, coef: Any, bend: float = 1.0
) -> float | None:
    """Return the variance of the coefficients of orthonormal columns, as `spread.smooth_covariance` does."""
    count, m = model.count, model.size
    if count <= m:
        return None
    bent = _bent(model, length, floats(coef), bend)
    if bent is None:
        return None
    asked = (model.frame, count, make, length, floats(coef), bent)
    sizes = model.rows.total(partial(_curve_sizes, *asked)).sizes
    if not all(map(math.isfinite, sizes)):
        return None
    moments = model.rows.total(partial(_curve_sums, *asked, sizes)).moments
    with ctx.workprec(model.precision):
        whole = total_weight(moments[0])
        curve, square, slope = (read_scalar(one) for one in moments)
        mean = nearest(curve / whole)
        if not (mean > 0 and 0 < mean * mean < math.inf):
            return None
        correction = 1 + m / count * max(nearest(square / whole - (curve / whole) ** 2), 0.0) / mean**2
        found = (correction * length / mean) ** 2 * nearest(slope) / (count - m)
    return found if math.isfinite(found) else None


def _bent(model: Model, length: float, coef: Sequence[float], bend: float) -> Bent | None:
    """Return the window, None where the residuals tell nothing."""
    count = model.count
    half = window(0.5, count)
    place = min(max(count * 2 * half + (1 + 2 * half) / 3 - 1, 0.0), count - 1.0)
    ranks = [min(int(place) + step, count - 1) for step in (0, 1)]
    wanted = [*ranks, (count - 1) // 2, count // 2, count - 1]
    low, high, before, after, largest_one = (
        size / length for size in ordered(model.rows, partial(_sizes, model.frame, coef), wanted)
    )
    if half > WIDEST:
        return None if bend < STRAIGHT * largest_one else Bent()
    wide = low + (place - int(place)) * (high - low)
    return Bent(wide, TO_SIGMA * (before + after) / 2, count) if wide > bend else Bent()


@np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
def _curves(
    frame: Frame, make: Callable[[], Penalty], length: float, coef: Sequence[float], bent: Bent, part: Part
) -> tuple[Array, Array, Array]:
    penalty, t = make(), _residual(frame, coef, part) / length

    def both(t: Array) -> tuple[Array, Array]:
        curve = penalty.curve(t) if bent.wide is None else chords(penalty.slope, t, bent.wide, bent.scale, bent.count)
        return curve, penalty.slope(t) ** 2

    curve, slope = rowwise(both, t)
    return curve, curve * curve, slope


def _curve_sizes(
    frame: Frame,
    _count: int,
    make: Callable[[], Penalty],
    length: float,
    coef: Sequence[float],
    bent: Bent,
    part: Part,
) -> Sizes:
    return Sizes(tuple(map(largest, _curves(frame, make, length, coef, bent, part.counted()))))


def _curve_sums(
    frame: Frame,
    count: int,
    make: Callable[[], Penalty],
    length: float,
    coef: Sequence[float],
    bent: Bent,
    sizes: Sequence[float],
    part: Part,
) -> Sums:
    part = part.counted()
    found = _curves(frame, make, length, coef, bent, part)
    return Sums(tuple(scalar(frame, count, part, each, size) for each, size in zip(found, sizes, strict=True)))


def quantile_spread(model: Model, coef: Any, q: float) -> float | None:
    """Return the variance of the coefficients of orthonormal columns, as `spread.quantile_covariance` does."""
    count, m = model.count, model.size
    shares = quantile_ends(count, q)
    if count <= m or shares is None:
        return None
    # NumPy's "median_unbiased" quantiles: R. J. Hyndman, Y. Fan (1996), Sample quantiles in statistical packages, Amer.
    # Statist. 50, 361-365, doi:10.1080/00031305.1996.10473566, definition 8.
    wanted = [min(max(count * end + (1 + end) / 3 - 1, 0.0), count - 1.0) for end in shares]
    ranks = [min(int(rank) + step, count - 1) for rank in wanted for step in (0, 1)]
    found = ordered(model.rows, partial(_upward, model.frame, floats(coef)), ranks)
    ends = [
        found[2 * place] + (rank - int(rank)) * (found[2 * place + 1] - found[2 * place])
        for place, rank in enumerate(wanted)
    ]
    heaviest = model.rows.total(_heaviest).sizes[0]
    return quantile_factor(count, m, q, ends) * heaviest


def _heaviest(part: Part) -> Sizes:
    return Sizes((1.0 if part.weight is None else largest(part.weight),))
