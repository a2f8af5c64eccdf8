"""Newton's method on sums over partitions, for a loss without jumps in its slope; each step is a pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from flint import ctx

from polyoptim.solvers.newton import CLOSE, WORSE, next_share
from polyoptim.solvers.normal_equations import nearest, system_of
from polyoptim.solvers.powers import FACTORS, LAST, PER_STAGE, ROUNDEST, SMOOTHEST, power_penalty
from polyoptim.solvers.rows import EPS
from polyoptim.solvers.summed import Form, Model, Seen, dot, floats, largest, look, read_scalar, size_of, total_weight

LIMIT = 100  # iterations
SHORTER = 12  # times that a step is made shorter


@dataclass(frozen=True)
class Fall:
    """How a minimisation went.

    Parameters
    ----------
    form : of the loss, as it was in the end.
    coef : in the Chebyshev basis, as points.
    here : the sums there.
    values : of the loss at each accepted iterate, the start first.
    iterations : systems solved.
    """

    form: Form
    coef: Any
    here: Seen
    values: tuple[float, ...]
    iterations: int


def fall(model: Model, form: Form, coef: Any, bound: float, limit: int = LIMIT, close: float = 4 * EPS) -> Fall:
    """Return where the weighted sum of a loss is least, going downhill from `coef`, as `newton.descend` does.

    It ends after the step that Newton's model says is worth less than a share `close` of the value.
    """
    here = look(model, form, coef, bound)
    found = Fall(form, coef, here, (_value(here),), 0)
    with ctx.workprec(model.precision):
        while found.iterations < limit:
            slope = system_of(found.here.slope).right
            step = model.change(system_of(found.here.curve), -model.along(slope))
            if step is None:
                moved = None
            else:
                down = dot(slope, step)
                reached = -down <= close * found.values[-1]
                moved = _moved(model, found, step, down, reached)
            if moved is not None:
                found = moved
                if reached or found.values[-1] in found.values[-3:-1]:
                    break
            elif found.form.share < 1:
                form = replace(found.form, share=1.0)
                found = replace(found, form=form, here=look(model, form, found.coef, found.here.largest))
            else:
                break
    return found


def _value(here: Seen) -> float:
    return nearest(read_scalar(here.value))


def _moved(model: Model, found: Fall, step: Any, down: float, reached: bool) -> Fall | None:
    """Return the fall after a step, made shorter where it goes too far; None where the value rises still."""
    length, size = found.form.length, 1.0
    far = length * size_of(floats(step))
    rounding = _rounding(model, found)
    for _ in range(SHORTER):
        form = replace(found.form, share=next_share(found.form.share, size))
        coef = (found.coef + step * (size * length)).mid()
        here = look(model, form, coef, found.here.largest + size * far)
        value = _value(here)
        slope = dot(system_of(here.slope).right, step)
        falls = value <= WORSE * found.values[-1] + rounding
        if falls and (reached or slope <= CLOSE * abs(down)):
            return Fall(form, coef, here, (*found.values, min(value, found.values[-1])), found.iterations + 1)
        size *= float(np.clip(down / (down - slope), 0.1, 0.9)) if slope > 0 else 0.25
    return None


def _rounding(model: Model, found: Fall) -> float:
    """Return by how much rounding of the residuals may change the value."""
    off = model.noise(floats(found.coef), found.here.largest) / found.form.length
    steepest = largest(found.form.make().slope(np.array([1.0, -1.0]) * found.here.largest / found.form.length))
    return 0.25 * off * steepest * nearest(total_weight(found.here.slope))


def fall_by_power(model: Model, p: float, coef: Any, size: float, length: float) -> Fall:
    """Return where the weighted sum of abs(residual)^p is least, p > 1, as `powers.least_power` finds it.

    Parameters
    ----------
    coef : of least squares.
    size, length : the largest residual there, and the root of their mean square.
    """
    if p == 2:
        return fall(model, Form(partial(power_penalty, p), size), coef, size)
    return _from_below(model, p, coef, size) if p > 2 else _from_above(model, p, coef, length, size)


def _from_below(model: Model, p: float, coef: Any, size: float) -> Fall:
    power, iterations = 2.0, 0
    while 2 * power < p:
        power *= 2
        stage = fall(model, Form(partial(power_penalty, power), size), coef, size, limit=PER_STAGE)
        coef, size, iterations = stage.coef, stage.here.largest, iterations + stage.iterations
    # In units of the largest residual a high power neither overflows nor vanishes.
    last = fall(model, Form(partial(power_penalty, p), size), coef, size, limit=LAST)
    return replace(last, iterations=iterations + last.iterations)


def _from_above(model: Model, p: float, coef: Any, length: float, size: float) -> Fall:
    values: list[float] = []
    smoothing, iterations = SMOOTHEST, 0
    while True:
        form = Form(partial(power_penalty, p, smoothing), length)
        stage = fall(model, form, coef, size, limit=PER_STAGE)
        coef, size, iterations = stage.coef, stage.here.largest, iterations + stage.iterations
        values += [value for value in stage.values if not values or value <= values[-1]]
        if smoothing <= ROUNDEST:
            return replace(stage, values=tuple(values), iterations=iterations)
        smoothing /= FACTORS[0]
