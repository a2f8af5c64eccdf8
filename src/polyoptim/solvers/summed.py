"""A loss summed over partitions: its value, slope and curvature at a polynomial, each an exact sum.

The sums are moments whose y is what each row's loss says, and whose weight is how much it curves. So they are integers
as those of the squared loss are, and have the same bits for any partitions and any order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from flint import arb_mat, ctx

from polyoptim.moments import Array, Frame, Moments, exponent_of, mapped, moments_of
from polyoptim.solvers.normal_equations import System, nearest, system_of
from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.rows import EPS
from polyoptim.targets.partitions import Part, Partitions

ROOM = 1 + 1e-9  # what rounding may add to a bound
ROWS = 1 << 12  # of which 32 KiB a column are computed at a time


@dataclass(frozen=True)
class Model:
    """The polynomials of a shape on a table whose y are at most 2 and whose weights at most 1.

    Parameters
    ----------
    rows, frame, count : the table, its ranges, and how many rows have a weight > 0.
    start, directions : a polynomial of the shape in the Chebyshev basis, and orthonormal changes that keep the shape.
    precision : bits to compute with.
    """

    rows: Partitions
    frame: Frame
    count: int
    start: Any
    directions: Any
    precision: int

    @property
    def size(self) -> int:
        """How many coefficients are free."""
        return int(self.directions.ncols())

    def along(self, right: Sequence[Any]) -> Any:
        """Return the share of a vector that lies along the directions, shape (size, 1)."""
        return self.directions.transpose() * arb_mat([[value] for value in right])

    def change(self, system: System, down: Any) -> Any | None:
        """Return the change of the coefficients whose image by a Gram matrix is `down`; None where it is singular."""
        try:
            across = self.directions.transpose()
            found = (across * system.matrix() * self.directions).solve(down)
        except ZeroDivisionError:
            return None
        return (self.directions * found).mid()

    def noise(self, coef: Sequence[float], largest: float) -> float:
        """Return how far off a residual may be by rounding, where none is above `largest`."""
        return 4 * (len(coef) + 4) * EPS * (2.0 + largest + 2.0)


@dataclass(frozen=True)
class Form:
    """A loss as ``value(residual / length)``.

    Parameters
    ----------
    make : returns the penalty; a function of a module, so that it can be sent.
    length : in the unit of the scaled y.
    share : of reweighted least squares in the curvature.
    near : a size of residual / length; the rows up to it are counted.
    """

    make: Callable[[], Penalty]
    length: float
    share: float = 0.0
    near: float = 0.0

    def weight(self, penalty: Penalty, t: Array) -> Array:
        """Return the curvature of each row."""
        found = (1 - self.share) * penalty.curve(t) if self.share < 1 else np.zeros_like(t)
        return found + self.share * penalty.ratio(t) if self.share else found


@dataclass(frozen=True)
class Seen:
    """The sums at a polynomial; ``+`` adds those of other rows.

    Parameters
    ----------
    value : of the loss, as the only right-hand side of moments of degree 0.
    slope : of the loss, as right-hand sides.
    curve : as Gram matrix.
    largest : abs(residual).
    near : rows within the form's `near`.
    """

    value: Moments
    slope: Moments
    curve: Moments
    largest: float
    near: int

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            self.value + other.value,
            self.slope + other.slope,
            self.curve + other.curve,
            max(self.largest, other.largest),
            self.near + other.near,
        )


def look(model: Model, form: Form, coef: Any, bound: float) -> Seen:
    """Return the sums at coefficients; no residual there may be above `bound`."""
    return model.rows.total(partial(seen, model.frame, model.count, form, floats(coef), bound))


def loss_at(model: Model, make: Callable[[], Penalty], length: float, coef: Sequence[float], bound: float) -> float:
    """Return the weighted sum of a penalty alone; no residual may be above `bound`."""
    return nearest(read_scalar(model.rows.total(partial(_loss, model.frame, model.count, make, length, coef, bound))))


@np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
def _loss(
    frame: Frame,
    count: int,
    make: Callable[[], Penalty],
    length: float,
    coef: Sequence[float],
    bound: float,
    part: Part,
) -> Moments:
    part, penalty = part.counted(), make()
    each = penalty.value((values(frame, coef, part.x) - part.y) / length)
    return scalar(frame, count, part, each, largest(penalty.value(np.array([-1.0, 1.0]) * (bound / length))))


def floats(coef: Any) -> tuple[float, ...]:
    """Return the nearest floats of a column of balls."""
    return tuple(nearest(coef[place, 0]) for place in range(coef.nrows()))


def size_of(coef: Sequence[float]) -> float:
    """Return what no value of the polynomial exceeds on the range of x."""
    return float(np.sum(np.abs(coef)))


@np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
def seen(frame: Frame, count: int, form: Form, coef: Sequence[float], bound: float, part: Part) -> Seen:
    """Return the sums over a part of a table with about `count` rows."""
    part = part.counted()
    penalty = form.make()
    residual = values(frame, coef, part.x) - part.y
    t = residual / form.length
    ends = np.array([-1.0, 0.0, 1.0]) * (bound * ROOM / form.length)
    value, slope, weight = rowwise(lambda t: (penalty.value(t), penalty.slope(t), form.weight(penalty, t)), t)
    plain = part.weight
    return Seen(
        scalar(frame, count, part, value, largest(penalty.value(ends))),
        moments_of(framed(frame, largest(penalty.slope(ends))), part.x, slope, plain, rows=count),
        moments_of(
            framed(frame, 1.0, largest(form.weight(penalty, ends))),
            part.x,
            np.zeros_like(t),
            weight if plain is None else plain * weight,
            rows=count,
        ),
        largest(residual),
        int(np.count_nonzero(np.abs(t) <= form.near)) if form.near else 0,
    )


def largest(values: Array) -> float:
    """Return the largest size, 0 where there is none."""
    return float(np.abs(values).max(initial=0.0))


def framed(frame: Frame, y: float, weight: float | None = None) -> Frame:
    """Return the frame for y up to a size, and weights up to another; None for the weights of the table."""
    own = frame.weight_exponent if weight is None else exponent_of(weight * ROOM)
    return replace(frame, y_exponent=exponent_of(y * ROOM), weight_exponent=own)


def scalar(frame: Frame, count: int, part: Part, each: Array, bound: float) -> Moments:
    """Return the weighted sum of what each row has, at most `bound` in size, as moments of degree 0."""
    return moments_of(framed(replace(frame, degree=0), bound), part.x, each, part.weight, rows=count)


def read_scalar(moments: Moments) -> Any:
    """Return the sum that `scalar` has made, as a ball."""
    with ctx.workprec(200):
        return system_of(moments).right[0].mid()


def values(frame: Frame, coef: Sequence[float], x: Sequence[Array]) -> Array:
    """Return p(x) in float64, by operations on each row alone, so that it does not depend on the others."""

    def some(*columns: Array) -> list[Array]:
        terms = zip(coef, _terms(frame, columns), strict=True)
        return [np.asarray(sum((value * term for value, term in terms), start=np.zeros_like(columns[0])))]

    return rowwise(some, *x)[0]


def rowwise(function: Callable[..., Sequence[Array]], *columns: Array) -> list[Array]:
    """Return what a function makes of columns row by row, a few rows at a time.

    Intermediate arrays then stay in a processor's cache, and are too small to be asked of the system anew each time,
    which takes workers of dask longer than the arithmetic.
    """
    parts = [
        function(*(column[begin : begin + ROWS] for column in columns)) for begin in range(0, len(columns[0]), ROWS)
    ]
    return [np.concatenate(found) for found in zip(*parts, strict=True)] or list(function(*columns))


def columns(frame: Frame, x: Sequence[Array]) -> Array:
    """Return the basis in float64, shape (n, terms)."""
    return np.stack(list(_terms(frame, x)), axis=-1)


def _terms(frame: Frame, x: Sequence[Array]) -> Iterator[Array]:
    parts = [_polynomials(mapped(frame, place, column)[0], frame.degree) for place, column in enumerate(x)]
    for index in frame.columns:
        term = parts[0][index[0]]
        for own, power in zip(parts[1:], index[1:], strict=True):
            term = term * own[power] if power else term
        yield term


def _polynomials(u: Array, degree: int) -> list[Array]:
    """Return T_0(u), …, T_degree(u)."""
    found = [np.ones_like(u), u][: degree + 1]
    while len(found) <= degree:
        found.append(2 * u * found[-1] - found[-2])
    return found


def scaled(y_exponent: int, weight_exponent: int, part: Part) -> Part:
    """Return a part with y and weights divided by powers of two."""
    weight: Any = None if part.weight is None else np.ldexp(part.weight, -weight_exponent)
    y: Any = np.ldexp(part.y, -y_exponent)
    return replace(part, y=y, weight=weight)


def total_weight(moments: Moments) -> Any:
    """Return the sum of the weights."""
    return system_of(moments).gram[tuple(0 for _ in moments.frame.lows)]


def dot(a: Sequence[Any], b: Any) -> float:
    """Return the product of a list of balls and a column of them."""
    return nearest((arb_mat([list(a)]) * b)[0, 0])
