"""Predictions of a fit, with bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.bases import FAMILIES
from polyoptim.distributions import t_quantile
from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError
from polyoptim.registry import match
from polyoptim.result import Result
from polyoptim.targets.expression import number
from polyoptim.targets.source import open_source

Array = npt.NDArray[np.float64]
INTERVALS = ("confidence", "prediction")
LEVELLING = 2  # a p-norm beyond it levels the largest residuals, which new ones then exceed


@dataclass(frozen=True)
class Prediction:
    """A fit at some points.

    Parameters
    ----------
    x : the points, shape (n,) or (n, p).
    y : the polynomial there, shape (n,).
    low, high : the band, None where none was asked for.
    outside : whether x is outside the range of the data, where a polynomial knows nothing.
    interval, level : what the band is.
    """

    x: Array
    y: Array
    low: Array | None
    high: Array | None
    outside: npt.NDArray[np.bool_]
    interval: str | None
    level: float


def predict(result: Result, x: npt.ArrayLike, interval: str | None = None, level: float = 0.95) -> Prediction:
    """Return the polynomial of a fit at x with a band.

    For rows of weight w the variance of y about the polynomial is sigma² / w; a new y is taken to have weight 1.
    """
    points = np.asarray(x, dtype=np.float64)
    stats = result.stats
    if stats is None:
        raise ArgumentError(f"a result of {result.verb} has no errors to make a band of. Use fit.")
    columns = points[..., None] if result.terms is None else points
    ranges = stats["ranges"]
    outside = np.zeros(columns.shape[:-1], dtype=bool)
    for place, (low, high) in enumerate(ranges):
        outside |= ~((columns[..., place] >= low) & (columns[..., place] <= high))
    y = np.asarray(result(points))
    if interval is None:
        return Prediction(points, y, None, None, outside, None, level)
    match("interval", interval, INTERVALS)
    if not 0 < level < 1:
        raise ArgumentError(f"level must be between 0 and 1, got {level!r}.")
    if stats["errors"] == "none":
        raise ArgumentError(f"there are no standard errors to make a band of. {result.message}")
    if not stats["dof"] > 0 and stats["errors"] != "absolute":
        raise ArgumentError("there are no degrees of freedom left for a band. Give more samples or a lower degree.")
    if interval == "prediction" and stats["errors"] == "asymptotic":
        half = _wide(result, level)
        return Prediction(points, y, y - half, y + half, outside, interval, level)
    if stats["unit_covariance"] is None:
        raise ArgumentError(
            f"a band of loss {result.arguments['loss']!r} from {stats['rows']} rows would not hold as often as it "
            "says. Give more rows, or another loss."
        )
    absolute = stats["errors"] == "absolute"
    wide = np.sqrt(_variance(stats, columns) + (0.0 if interval == "confidence" else 1.0))
    wide *= t_quantile(level, math.inf if absolute else stats["dof"])
    wide *= stats["sigma"] if stats["errors"] == "relative" else 1.0
    return Prediction(points, y, y - wide, y + wide, outside, interval, level)


def _wide(result: Result, level: float) -> float:
    """Return half the width of a band for a new y from the residuals themselves, whatever their distribution.

    Of n residuals that one is taken which is the (n + 1) level-th by size, as conformal prediction does (between two
    where that is no integer; for p > 2 the larger of both), and made longer by sqrt(n / dof) as the fit has seen them.
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, Distribution-free predictive inference for regression, J. Am. Stat.
    Assoc. 113, 1094-1111, 2018, arXiv:1604.04173.
    """
    samples, stats = result.samples, result.stats or {}
    if samples is None:
        raise ArgumentError("a band for a new y takes the residuals, and this result keeps no rows. Use 'confidence'.")
    kept = slice(None) if samples.weight is None else samples.weight > 0
    residual = np.sort(np.abs(samples.y - result(samples.x))[kept])
    place = (len(residual) + 1) * level
    if (result.arguments.get("loss_options") or {}).get("p", 2) > LEVELLING:
        place = math.ceil(place)
    if place > len(residual):
        raise ArgumentError(f"{len(residual)} rows are too few for a band of level {level!r}. Choose a lower level.")
    size = float(np.interp(place, np.arange(1, len(residual) + 1), residual))
    return size * math.sqrt(stats["rows"] / stats["dof"])


def predicted_rows(result: Result, path: str, level: Any) -> list[dict[str, Any]]:
    """Return a row for each line of a table: x, the polynomial there, the band of a new y, and whether x is outside.

    Parameters
    ----------
    path : a file with the columns of x that the fit had.
    """
    named = result.target.get("x", "x")
    names = named if isinstance(named, list) else [named]
    columns = [_column(path, name, result.target.get("origins", {}).get(name)) for name in names]
    points = columns[0] if len(columns) == 1 else np.stack(columns, axis=-1)
    found = predict(result, points, "prediction", number(level, "level"))
    assert found.low is not None and found.high is not None  # noqa: S101, PT018 - a band was asked for
    return [
        {
            **{name: float(column[place]) for name, column in zip(names, columns, strict=True)},
            "y": float(found.y[place]),
            "low": float(found.low[place]),
            "high": float(found.high[place]),
            "outside": bool(found.outside[place]),
        }
        for place in range(len(points))
    ]


def _column(path: str, name: str, origin: str | None) -> Array:
    """Return a column of a file; moments are counted from where the fit has counted them."""
    with open_source(path) as source:
        selection = source.select({"x": name, "y": name})
        found: Array = np.concatenate([chunk["x"] for chunk in selection.chunks()])
    own = selection.origins.get("x")
    if (own is None) != (origin is None):
        raise ArgumentError(f"column {name!r} of {path} must hold {'numbers' if own else 'moments'}, as in the fit.")
    return found if own is None or origin is None else found + (_seconds(own) - _seconds(origin))


def _seconds(moment: str) -> float:
    return float(np.datetime64(moment.rstrip("Z"), "s").astype(np.int64))


def _variance(stats: Mapping[str, Any], columns: Array) -> Array:
    """Return the variance of the polynomial at points, shape (…, p) to (…), where that of y is 1."""
    family = FAMILIES["chebyshev"]
    degree = max(max(term) for term in stats["terms"])
    parts = []
    for place, (low, high) in enumerate(stats["ranges"]):
        u = np.zeros(columns.shape[:-1]) if low == high else Domain(low, high, (-1.0, 1.0)).map(columns[..., place])
        parts.append(family.columns(u, degree))
    basis = np.ones((*columns.shape[:-1], len(stats["terms"])))
    for place, term in enumerate(stats["terms"]):
        for part, power in zip(parts, term, strict=True):
            basis[..., place] *= part[power]
    found: Array = np.einsum("...i,ij,...j->...", basis, np.array(stats["unit_covariance"]), basis)
    return np.maximum(found, 0.0)
