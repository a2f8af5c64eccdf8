"""What a least squares fit is worth: errors of the coefficients, quality, criteria, as numbers of a report."""

from __future__ import annotations

import math
from typing import Any

from flint import arb, ctx

from polyoptim.distributions import f_tail, t_tails
from polyoptim.solvers.normal_equations import Shape, nearest
from polyoptim.solvers.robust import Robust
from polyoptim.solvers.selection import criteria
from polyoptim.solvers.squared import Fitted, power_coef, total_squares, unit_covariance


def statistics(fitted: Fitted, shape: Shape, *, absolute: bool) -> dict[str, Any]:
    """Return the statistics of a fit, by name; what has no value, such as an error without degrees of freedom, is None.

    Parameters
    ----------
    absolute : whether the weights are 1 / variance, so that the errors do not come from the residuals.
    shape : which coefficients were given, and which are 0.

    Returns
    -------
    "coef_power", "stderr_power", "t", "p" : of each term in powers of x, in the order of "terms".
    "terms" : the power of each column of x.
    "covariance" : of the coefficients in powers of x.
    "unit_covariance" : of the coefficients of T_k(u), u mapped from "ranges", for residuals of variance 1 / weight:
        what a band is made of, as it keeps its digits far from zero.
    "errors" : "absolute" or "relative".
    "sigma" : residual standard deviation, sqrt(rss / dof).
    "r2", "r2_adjusted" : explained share of the squares of y about its mean; about 0 where there is no constant.
    "f", "f_p" : of the hypothesis that all but the constant is 0.
    "aicc", "bic" : for Gaussian errors, up to a constant that depends on the samples and weights alone.
    "rss", "tss", "dof", "parameters", "rows" : what they are made of.
    """
    solved, system = fitted.solved, fitted.system
    with ctx.workprec(system.precision):
        free, rows = solved.free, system.count
        dof = rows - free
        rss = solved.rss if not solved.rss < 0 else arb(0)
        rss = rss.mid() if not system.exact else rss
        variance = arb(1) if absolute else (rss / arb(dof) if dof > 0 else None)
        coef, unit = power_coef(fitted), unit_covariance(fitted, power=True)
        size = coef.nrows()
        errors: list[float | None] = []
        for place in range(size):
            spread = unit[place, place] if system.exact else unit[place, place].mid()
            own = None if variance is None else _root(spread * variance)
            errors.append(own)
        values = [nearest(coef[place, 0]) for place in range(size)]
        for place, index in enumerate(system.columns):
            if (given := shape.given(index)) is not None:
                values[place], errors[place] = float(given), 0.0
        centered = solved.has_constant
        tss = total_squares(system, centered)
        tss = tss if system.exact else tss.mid()
        explained = tss - rss
        share = nearest(explained / tss) if tss > 0 else None
        tested = free - (1 if centered else 0)
        f = None
        if tested > 0 and dof > 0:
            f = nearest((explained / arb(tested)) / (rss / arb(dof))) if rss > 0 else math.inf
        plain = unit_covariance(fitted, power=False)
        one = variance if variance is not None else arb(math.nan)
        aicc, bic = criteria(nearest(rss), rows, free, absolute)
        ratios = [_ratio(value, error) for value, error in zip(values, errors, strict=True)]
        degrees = math.inf if absolute else dof
        return {
            "terms": [list(index) for index in system.columns],
            "coef_power": values,
            "stderr_power": errors,
            "t": ratios,
            "p": [None if t is None else t_tails(t, degrees) for t in ratios],
            "covariance": None if variance is None else _table(unit * one),
            "unit_covariance": _table(plain),
            "ranges": [list(pair) for pair in zip(fitted.frame.lows, fitted.frame.highs, strict=True)],
            "errors": "absolute" if absolute else "relative",
            "sigma": _root(rss / arb(dof)) if dof > 0 else None,
            "rss": nearest(rss),
            "tss": nearest(tss),
            "r2": share,
            "r2_adjusted": None
            if share is None or dof <= 0
            else nearest(1 - (1 - explained / tss) * arb(rows - (1 if centered else 0)) / arb(dof)),
            "f": f,
            "f_p": None if f is None else f_tail(f, tested, dof),
            "aicc": aicc,
            "bic": bic,
            "dof": dof,
            "parameters": free,
            "rows": rows,
            "fixed": [list(index) for index in shape.fixed],
            "constant": centered,
        }


def loss_statistics(fitted: Fitted, shape: Shape, robust: Robust) -> dict[str, Any]:
    """Return the statistics of a fit by another loss than the squared one, under the same names.

    The errors are asymptotic: those of an M-estimator (Huber), or of a quantile from the density of the residuals.
    "sigma" is the normalised median absolute residual; what belongs to squares (R², F, AICc, BIC) is None.
    """
    solved, system = fitted.solved, fitted.system
    known = robust.covariance is not None
    with ctx.workprec(system.precision):
        coef, spread = power_coef(fitted), unit_covariance(fitted, power=True)
        size = coef.nrows()
        values = [nearest(coef[place, 0]) for place in range(size)]
        errors: list[float | None] = [_root(spread[place, place].mid()) if known else None for place in range(size)]
        for place, index in enumerate(system.columns):
            if (given := shape.given(index)) is not None:
                values[place], errors[place] = float(given), 0.0
        dof = system.count - solved.free
        ratios = [_ratio(value, error) for value, error in zip(values, errors, strict=True)]
        return {
            "terms": [list(index) for index in system.columns],
            "coef_power": values,
            "stderr_power": errors,
            "t": ratios,
            "p": [None if t is None or dof <= 0 else t_tails(t, dof) for t in ratios],
            "covariance": _table(spread) if known else None,
            "unit_covariance": _table(unit_covariance(fitted, power=False)) if known else None,
            "ranges": [list(pair) for pair in zip(fitted.frame.lows, fitted.frame.highs, strict=True)],
            "errors": "asymptotic",
            "sigma": robust.scale,
            **dict.fromkeys(("rss", "tss", "r2", "r2_adjusted", "f", "f_p", "aicc", "bic")),
            "bound": robust.bound,
            "dof": dof,
            "parameters": solved.free,
            "rows": system.count,
            "fixed": [list(index) for index in shape.fixed],
            "constant": solved.has_constant,
        }


def _table(matrix: Any) -> list[list[float]]:
    return [[nearest(matrix[i, j]) for j in range(matrix.ncols())] for i in range(matrix.nrows())]


def _root(value: Any) -> float:
    return nearest((value if not value < 0 else arb(0)).sqrt()) if not value.contains(0) else 0.0


def _ratio(value: float, error: float | None) -> float | None:
    return value / error if error else None
