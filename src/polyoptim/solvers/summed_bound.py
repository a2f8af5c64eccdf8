"""A lower bound on a loss summed over partitions, by duality: what proves that an optimum is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from flint import ctx

from polyoptim.moments import Array, Frame, Moments, moments_of
from polyoptim.solvers.normal_equations import System, nearest, system_of
from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.summed import Form, Model, floats, framed, largest, read_scalar, rowwise, scalar, size_of, values
from polyoptim.solvers.summed_newton import Fall
from polyoptim.targets.partitions import Part


@dataclass(frozen=True)
class Dual:
    """A feasible point of the dual problem: slopes u of the rows, ``slope + weight · along``, with ``Aᵀ W u = 0``.

    Parameters
    ----------
    step : the coefficients of `along`.
    flat : whether all weights are 1, and not the curvature.
    size : what no u exceeds, before it is scaled.
    scale : what u is multiplied by, so that it is a slope that the loss can have.
    """

    step: tuple[float, ...]
    flat: bool
    size: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Sizes:
    """The largest of each of several numbers; ``+`` takes the larger ones."""

    sizes: tuple[float, ...]

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(tuple(map(max, self.sizes, other.sizes)))


@dataclass(frozen=True)
class Sums:
    """Several sums of a table."""

    moments: tuple[Moments, ...]

    def __add__(self, other: Sums) -> Sums:
        return Sums(tuple(a + b for a, b in zip(self.moments, other.moments, strict=True)))


@dataclass(frozen=True)
class Known:
    """What is known of a loss at its least, in the units of its penalty.

    Parameters
    ----------
    value : of the loss.
    bound : that no polynomial's loss is below; -inf where none is known.
    rounding : by how much rounding of the residuals may change the value.
    """

    value: float
    bound: float
    rounding: float


@dataclass(frozen=True)
class Question:
    """What a part is asked at a polynomial.

    Parameters
    ----------
    frame, count : of the table.
    form : of the loss that fell.
    plain : makes the penalty in question; that of `form` may be a smoothed one.
    coef : of the polynomial.
    largest : residual.
    off : by how much rounding may change a residual, in units of the length.
    duals : points of the dual problem.
    """

    frame: Frame
    count: int
    form: Form
    plain: Callable[[], Penalty]
    coef: tuple[float, ...]
    largest: float
    off: float
    duals: tuple[Dual, ...]

    @np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
    def sizes(self, part: Part) -> Sizes:
        """Return the largest slope of each dual point."""
        part = part.counted()
        t = self._residual(part)
        return Sizes(tuple(largest(self._slopes(dual, part, t)) for dual in self.duals))

    @np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
    def sums(self, part: Part) -> Sums:
        """Return the loss, what rounding adds to it, and of each dual point the bound and the gradient."""
        part = part.counted()
        penalty, t = self.plain(), self._residual(part)
        far = self.largest / self.form.length
        ends = np.array([-1.0, 1.0]) * (far + self.off)
        value, more = rowwise(lambda t: (penalty.value(t), penalty.value(t + np.copysign(self.off, t))), t)
        top = largest(penalty.value(ends))
        found = [scalar(self.frame, self.count, part, each, top) for each in (value, more - value)]
        for dual in self.duals:
            u = self._slopes(dual, part, t) * dual.scale
            conjugate, steepest = penalty.conjugate, dual.size * dual.scale
            assert conjugate is not None  # noqa: S101 - without one there are no dual points
            (below,) = rowwise(lambda u, t, conjugate=conjugate: (u * t - conjugate(u),), u, t)
            highest = steepest * far + largest(conjugate(np.array([steepest])))
            found.append(scalar(self.frame, self.count, part, below, highest))
            found.append(moments_of(framed(self.frame, steepest), part.x, u, part.weight, rows=self.count))
        return Sums(tuple(found))

    def _residual(self, part: Part) -> Array:
        return (values(self.frame, self.coef, part.x) - part.y) / self.form.length

    def _slopes(self, dual: Dual, part: Part, t: Array) -> Array:
        penalty, along = self.form.make(), values(self.frame, dual.step, part.x)

        def some(t: Array, along: Array) -> tuple[Array]:
            return (penalty.slope(t) + (along if dual.flat else self.form.weight(penalty, t) * along),)

        return rowwise(some, t, along)[0]


def known(model: Model, base: System, found: Fall, plain: Callable[[], Penalty]) -> Known:
    """Return what is known of a loss where it is all but least; two passes.

    Parameters
    ----------
    base : the system of the squared loss.
    """
    with ctx.workprec(model.precision):
        down = -model.along(system_of(found.here.slope).right)
        steps = (model.change(system_of(found.here.curve), down), model.change(base, down))
    duals = [Dual(floats(step), bool(flat)) for flat, step in enumerate(steps) if step is not None]
    coef, size = floats(found.coef), found.here.largest
    off = model.noise(coef, size) / found.form.length
    asked = Question(model.frame, model.count, found.form, plain, coef, size, off, tuple(duals))
    limit = plain().limit
    duals = [
        replace(dual, size=far, scale=min(1.0, limit / far) if far else 1.0)
        for dual, far in zip(duals, model.rows.total(asked.sizes).sizes, strict=True)
    ]
    value, rounding, *rest = model.rows.total(replace(asked, duals=tuple(duals)).sums).moments
    bounds = []
    for each, gradient in zip(rest[::2], rest[1::2], strict=True):
        with ctx.workprec(model.precision):
            astray = floats(model.along(system_of(gradient).right))
        bounds.append(nearest(read_scalar(each)) - size_of(astray) * size_of(coef) / found.form.length)
    bound = max(bounds, default=-np.inf)
    return Known(nearest(read_scalar(value)), bound, nearest(read_scalar(rounding)))
