"""A fit where the samples leave coefficients open: of those that fit best, the polynomial of least coefficients."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx, fmpq_mat

from polyoptim.arguments import read_options, resolve_domain
from polyoptim.bases import FAMILIES
from polyoptim.bases.products import to_power
from polyoptim.errors import ArgumentError
from polyoptim.fitting import read_form, result_of
from polyoptim.losses import Loss, find_loss
from polyoptim.outcome import Outcome
from polyoptim.result import Result
from polyoptim.solution import Status
from polyoptim.solvers.any_loss import MOST_NUMBERS, chebyshev
from polyoptim.solvers.least_norm import Least, least_norm
from polyoptim.solvers.normal_equations import MOST_TERMS, Shape, Solved, System, allowed, fraction, nearest
from polyoptim.solvers.squared import Fitted, measure, power_coef
from polyoptim.targets.expression import number
from polyoptim.targets.partitions import Local, Part, joined
from polyoptim.targets.sheet import open_sheet

Array = npt.NDArray[np.float64]

MOST_KEPT = 20_000  # terms of a result


def fit_undetermined(x: Any, y: Any, said: str, *, weight: Any = None, sigma: Any = None, **given: Any) -> Result:
    """Return the polynomial of least coefficients in the Chebyshev basis on the ranges of x, of those that fit best.

    Its status is "rank_deficient" and it has no standard errors, as the samples determine no coefficients. With a ridge
    they do, and what was said is that they are too many for exact sums: then it is the fit, computed in float64.

    Parameters
    ----------
    x, y, weight, sigma : arrays.
    said : what `fit` said of them when it raised RankError: it has checked all other arguments.
    given : the other arguments of `fit`, all of them: "degree", "powers", "fixed", "through", "basis", "domain",
        "loss", "loss_options", "ridge", "missing".

    Raises
    ------
    ArgumentError
        Where the terms are too many, also for float64.

    Notes
    -----
    Cost O(n² m) for n rows and m terms.
    """
    begin = time.perf_counter()
    family = FAMILIES[given["basis"]]
    interval = None if given["domain"] is None else resolve_domain(given["domain"], None)
    loss: Loss = find_loss(given["loss"])
    options = loss.check(read_options(given["loss_options"], "loss_options"))
    sheet = open_sheet(x, y, None, weight, sigma, given["missing"])
    degree, shape = read_form(len(sheet.x), *(given[name] for name in ("degree", "powers", "fixed", "through")))
    assert degree is not None  # noqa: S101 - "auto" tries what the samples determine
    shape = Shape(shape.powers, shape.fixed, shape.through, Fraction(number(given["ridge"], "ridge")))
    part = joined(list(sheet.parts()))
    part = part if part.weight is None else part.rows(part.weight > 0)
    found = _solve(part, degree, shape, loss, options)
    stats = _statistics(found, part, shape, loss)
    outcome = Outcome(found.fitted, stats, found.value, *_verdict(found, shape, loss, said))
    seconds = time.perf_counter() - begin
    return result_of(family, interval, sheet, outcome, shape, {**given, "loss_options": options}, seconds)


@dataclass(frozen=True)
class _Found:
    """The least coefficients as a fit, what is known of them, and the loss and residuals of the rows."""

    fitted: Fitted
    least: Least
    value: float
    residual: Array


def _solve(part: Part, degree: int, shape: Shape, loss: Loss, options: Mapping[str, float]) -> _Found:
    width = len(part.x)
    terms = math.comb(width + degree, degree)
    if terms > MOST_KEPT or terms * len(part.y) > MOST_NUMBERS:
        raise ArgumentError(
            f"degree {degree} in {width} columns of x has {terms} terms for {len(part.y)} rows, too many to be held. "
            "Use a lower degree or fewer columns."
        )
    frame, count = measure(Local(lambda: [part]), degree)
    columns = chebyshev(frame, part)
    system = System(frame.columns, frame.maps(), {}, [], arb(0), count)
    first, free, change = _directions(system, shape)
    constant = shape.has_constant(width)
    inside = columns if free is None else columns @ free
    wanted = part.y - columns @ first
    least = least_norm(inside, wanted, part.weight, loss, options, constant=constant, ridge=float(shape.ridge))
    coef = first + (least.coef if free is None else free @ least.coef)
    coef[0] += least.level
    residual = part.y - columns @ coef
    weight = np.ones_like(residual) if part.weight is None else part.weight
    with np.errstate(over="ignore"):
        value = least.robust.value if least.robust else float(weight @ residual**2)
    balls = arb_mat([[arb(one)] for one in coef.tolist()])
    solved = Solved(balls, None, arb(value), float(least.rank), change, constant)
    return _Found(Fitted(frame, system, solved), least, value, residual)


def _directions(system: System, shape: Shape) -> tuple[Array, Array | None, Any]:
    """Return a polynomial of the shape, how it may be changed (None: in any way), and what turns it into powers of x.

    The last is None with several columns of x, where it would have the square of many terms.
    """
    size, several = len(system.columns), len(system.maps) > 1
    if several and shape.powers is None and not shape.fixed and not shape.through:
        return np.zeros(size), None, None
    if size > MOST_TERMS:
        raise ArgumentError(
            f"fixed coefficients, chosen powers and given points are for at most {MOST_TERMS} terms, not {size}. "
            "Use a lower degree or fewer columns."
        )
    with ctx.workprec(system.precision):
        change, start, directions = allowed(system, shape)
        assert directions is not None  # noqa: S101 - nothing open is determined by any samples
        return _floats(start)[:, 0], _floats(directions), None if several else arb_mat(change)


def _floats(matrix: arb_mat | fmpq_mat) -> Array:
    return np.array([[float(fraction(matrix[i, j])) for j in range(matrix.ncols())] for i in range(matrix.nrows())])


def _verdict(found: _Found, shape: Shape, loss: Loss, said: str) -> tuple[str | None, Status, str]:
    """Return the kind of the optimum, the status and a sentence."""
    robust = found.least.robust
    kind = robust.kind if robust else ("exact" if math.isfinite(found.value) else None)
    if shape.ridge and loss.name == "squared":
        return (
            kind,
            Status.CONVERGED,
            f"Solved in float64, as more than {MOST_TERMS} terms are too many for exact sums.",
        )
    return kind, Status.RANK_DEFICIENT, f"{said[0].upper()}{said[1:]} The least coefficients that fit best were taken."


def _statistics(found: _Found, part: Part, shape: Shape, loss: Loss) -> dict[str, Any]:
    """Return what `statistics` does, without what wants coefficients that are determined."""
    fitted, rank, size = found.fitted, found.least.rank, len(found.fitted.system.columns)
    none: list[float | None] = [None] * size
    squared = loss.name == "squared"
    rss = found.value if squared else None
    constant = fitted.solved.has_constant
    weight = np.ones_like(part.y) if part.weight is None else part.weight
    with np.errstate(over="ignore", invalid="ignore"):
        middle = float(weight @ part.y / weight.sum()) if constant else 0.0
        tss = float(weight @ (part.y - middle) ** 2) if squared else None
    values = _power_coef(fitted)
    for place, index in enumerate(fitted.system.columns):
        if (known := shape.given(index)) is not None:
            values[place], none[place] = float(known), 0.0
    return {
        "terms": [list(index) for index in fitted.system.columns],
        "coef_power": values,
        "stderr_power": none,
        **{name: [None] * size for name in ("t", "p")},
        **dict.fromkeys(("covariance", "unit_covariance", "sigma", "r2_adjusted", "f", "f_p", "aicc", "bic")),
        "ranges": [list(pair) for pair in zip(fitted.frame.lows, fitted.frame.highs, strict=True)],
        "errors": "none",
        "rss": rss,
        "tss": tss,
        "r2": 1 - rss / tss if rss is not None and tss else None,
        "dof": len(part.y) - rank,
        "parameters": rank,
        "rows": len(part.y),
        "fixed": [list(index) for index in shape.fixed],
        "constant": constant,
    }


def _power_coef(fitted: Fitted) -> list[float]:
    """Return the coefficients in powers of x."""
    coef, terms = fitted.solved.coef, fitted.system.columns
    if fitted.solved.to_power is not None:
        powers = power_coef(fitted)
        return [nearest(powers[place, 0]) for place in range(len(terms))]
    numbers = [nearest(coef[place, 0]) for place in range(len(terms))]
    return to_power(FAMILIES["chebyshev"], fitted.frame.domains((-1.0, 1.0)), terms, numbers)
