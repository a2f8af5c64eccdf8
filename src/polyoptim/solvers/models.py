"""Functions near a point by Taylor coefficients that hold on a whole panel, in ball arithmetic.

A panel is parametrised by s: x is a polynomial in s with rational coefficients, ``c + s``, or ``c ± s**m`` with s >= 0
from an end where roots are taken. A `Model` is ``s**low * g(s)``, where two power series stand for g: `point` has its
Taylor coefficients at s = 0, `ball` encloses its Taylor coefficients at every s of the panel. So

    g(s) = point[0] + … + point[n-2] s**(n-2) + ball[n-1] s**(n-1)        for every s of the panel.

Where ``point[0]`` is exactly 0 a power of s is divided out of both by a shift. For the second that is right, for the
j-th Taylor coefficient of g(s) / s**k is a mean of the (k+j)-th ones of g between 0 and s (by Hadamard's lemma), which
those on a ball that holds 0 enclose. Hence quotients such as sin(x) / x, relative errors at a common zero, and roots at
the end of where they are defined are expanded like everything else.

Polynomials with rational coefficients stay exact, so that a zero at a rational point is known to be one.

M. Joldes, Rigorous polynomial approximations and applications, PhD thesis, ENS de Lyon, 2011 (Taylor models with
relative remainder).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from flint import arb, arb_series, fmpq_poly

LARGEST_DEGREE = 256  # up to which polynomials stay exact
Value = Any  # an fmpq_poly, a Model, a truth value, or the error that stands for a part without a value


class UnexpandableError(ArithmeticError):
    """There is no expansion on this panel.

    Parameters
    ----------
    reason : why, as a clause.
    root : the m with which ``c ± s**m`` may have one.
    pole : whether the function is known to be unbounded here.
    hole : whether it is 0 / 0 at a point, where its limit stands for it.
    """

    def __init__(self, reason: str, root: int = 1, *, pole: bool = False, hole: bool = False) -> None:
        self.root, self.pole, self.hole = root, pole, hole
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Model:
    """A function on a panel: ``s**low`` times what two series enclose."""

    low: int
    point: arb_series
    ball: arb_series


@dataclass(slots=True)
class Panel:
    """Where an expression is expanded.

    Parameters
    ----------
    x : as a polynomial in s.
    reach : a ball that holds 0 and every s.
    order : how many coefficients are kept.
    one_sided : whether no s is negative.
    opened : set where a side was chosen that need not hold at 0, as in ``x < 0``: the value there stands apart.
    """

    x: fmpq_poly
    reach: arb
    order: int
    one_sided: bool
    opened: bool = False

    @property
    def is_point(self) -> bool:
        """Whether the panel is a single point."""
        return bool(self.reach.is_zero())


def constant(panel: Panel, value: arb) -> Model:
    """Return a number as a model."""
    found = arb_series([value], panel.order)
    return Model(0, found, found)


def lift(panel: Panel, value: Value) -> Model:
    """Return a polynomial as a model; a model as it is."""
    if isinstance(value, Model):
        return value
    coef = [arb(one) for one in value.coeffs()]
    return Model(0, arb_series(coef[: panel.order], panel.order), _spread(panel, coef))


def _spread(panel: Panel, coef: Sequence[arb]) -> arb_series:
    """Return what encloses the Taylor coefficients of a polynomial at every s."""
    step = arb_series([panel.reach, 1], panel.order)
    found = arb_series([0], panel.order)
    for one in reversed(coef):
        found = found * step + one
    return found


def sharpened(panel: Panel, value: Value) -> Value:
    """Return a model with its `ball` from its expansion, which is narrow where the function's parts cancel.

    The j-th Taylor coefficient is a function of s whose own expansion at 0 has those of `point` times binomials, and
    the same of ``ball[n-1]`` for its remainder.
    """
    if not isinstance(value, Model) or panel.is_point:
        return value
    order = min(value.point.prec, value.ball.prec)
    rest = value.ball[order - 1]
    if not rest.is_finite():
        return value
    ball = arb_series(_spread(panel, [*(value.point[place] for place in range(order - 1)), rest]), order)
    return Model(value.low, value.point, ball)


def settle(panel: Panel, value: Value) -> Model:
    """Return a value as a model with low = 0."""
    model = lift(panel, value)
    if model.low < 0:
        model = reduced(panel, model)
    if model.low < 0:
        raise UnexpandableError("it has a pole here", pole=not model.point[0].contains(0))
    return _raised(panel, model, model.low)


def _raised(panel: Panel, model: Model, times: int) -> Model:
    """Return the same function with its low less by `times`."""
    if times == 0:
        return model
    step = arb_series([panel.reach, 1], panel.order)
    ball = reduce(operator.mul, [step] * times, model.ball)
    return Model(model.low - times, model.point * arb_series([0] * times + [1], panel.order), ball)


def reduced(panel: Panel, value: Value) -> Model:
    """Return a value as a model with all powers of s divided out that are known to be there."""
    if isinstance(value, fmpq_poly) and value:
        times = next(place for place in range(value.degree() + 1) if value[place] != 0)
        model = lift(panel, fmpq_poly(value.coeffs()[times:]))
        return Model(times, model.point, model.ball)
    model = lift(panel, value)
    order = model.point.prec
    times = next((place for place in range(order) if not model.point[place].is_zero()), order)
    if times == 0 or times >= min(order, model.ball.prec):
        return model
    return Model(model.low + times, _shifted(model.point, times), _shifted(model.ball, times))


def _shifted(series: arb_series, times: int) -> arb_series:
    return arb_series([series[place] for place in range(times, series.prec)], series.prec - times)


def holds_zero(model: Model) -> bool:
    """Return whether a model may be zero somewhere, but for its power of s."""
    return not (model.ball[0] > 0 or model.ball[0] < 0)


def side(panel: Panel, value: Value) -> int:
    """Return the sign that a value has at every s but 0 of a panel, 0 where it is zero everywhere."""
    if not isinstance(value, Model) and value.degree() < 1:
        first = value[0]
        return 1 if first > 0 else -1 if first < 0 else 0
    model = lift(panel, value)
    if panel.is_point and model.point[0].is_zero():
        return 0
    if holds_zero(model):
        model = sharpened(panel, reduced(panel, value))
    panel.opened |= model.low != 0
    if holds_zero(model) or (model.low % 2 and not panel.one_sided):
        raise UnexpandableError("a corner, a jump or a zero may be here")
    return 1 if model.ball[0] > 0 else -1


def plus(panel: Panel, a: Value, b: Value) -> Value:
    """Return a sum."""
    if isinstance(a, fmpq_poly) and isinstance(b, fmpq_poly):
        return a + b
    a, b = lift(panel, a), lift(panel, b)
    low = min(a.low, b.low)
    a, b = _raised(panel, a, a.low - low), _raised(panel, b, b.low - low)
    return Model(low, a.point + b.point, a.ball + b.ball)


def negative(_: Panel, a: Value) -> Value:
    """Return a value with the other sign."""
    return -a if isinstance(a, fmpq_poly) else Model(a.low, -a.point, -a.ball)


def minus(panel: Panel, a: Value, b: Value) -> Value:
    """Return a difference."""
    return plus(panel, a, negative(panel, b))


def times(panel: Panel, a: Value, b: Value) -> Value:
    """Return a product."""
    if isinstance(a, fmpq_poly) and isinstance(b, fmpq_poly) and a.degree() + b.degree() <= LARGEST_DEGREE:
        return a * b
    a, b = lift(panel, a), lift(panel, b)
    return Model(a.low + b.low, a.point * b.point, a.ball * b.ball)


def over(panel: Panel, a: Value, b: Value) -> Value:
    """Return a quotient, with the powers of s cancelled that both are known to hold."""
    if isinstance(b, fmpq_poly) and b.degree() == 0:
        return times(panel, a, fmpq_poly([1 / b[0]]))
    nothing = isinstance(b, fmpq_poly) and not b
    a, b = (reduced(panel, one) if isinstance(one, fmpq_poly) else one for one in (a, b))
    if nothing or (panel.is_point and b.point[0].is_zero()):
        zero = a.point[0].is_zero()
        raise UnexpandableError("it divides by zero", pole=not zero and not a.point[0].contains(0), hole=zero)
    if holds_zero(b):
        b = sharpened(panel, reduced(panel, b))
    if holds_zero(b):
        raise UnexpandableError("it divides by what may be zero")
    return Model(a.low - b.low, a.point / b.point, a.ball / b.ball)
