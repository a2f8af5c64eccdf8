"""Outcome: what one fit found, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.bases.family import Family
from polyoptim.domain import Domain, domain_of_range
from polyoptim.errors import DataError
from polyoptim.losses import Loss
from polyoptim.solution import Status
from polyoptim.solvers.any_loss import fit_loss
from polyoptim.solvers.normal_equations import Shape, nearest
from polyoptim.solvers.squared import Fitted, in_basis
from polyoptim.statistics import loss_statistics, statistics
from polyoptim.targets.partitions import Partitions


@dataclass(frozen=True)
class Outcome:
    """A fit and what is known of it: its loss, and whether that is the least one."""

    fitted: Fitted
    stats: dict[str, Any]
    loss: float
    kind: str | None
    status: Status
    message: str


def squared_outcome(fitted: Fitted, shape: Shape, *, absolute: bool) -> Outcome:
    """Return what is known of a fit by the squared loss."""
    stats = statistics(fitted, shape, absolute=absolute)
    kind = "exact" if math.isfinite(stats["rss"]) else None
    return Outcome(fitted, stats, stats["rss"], kind, Status.CONVERGED, "Solved.")


def loss_outcome(rows: Partitions, degree: int, shape: Shape, loss: Loss, options: Mapping[str, float]) -> Outcome:
    """Fit rows by another loss than the squared one."""
    found = fit_loss(rows, degree, shape, loss, options)
    stats = loss_statistics(found.fitted, shape, found.robust)
    stats["low_weight"] = found.low.document()
    robust = found.robust
    return Outcome(found.fitted, stats, robust.value, robust.kind, robust.status, robust.message)


def in_family(outcome: Outcome, family: Family, interval: Domain | None) -> tuple[npt.NDArray[np.float64], Domain]:
    """Return the coefficients in a basis, and its domain: the range of x unless an interval is given.

    Raises
    ------
    DataError
        Where float64 does not hold them.
    """
    frame = outcome.fitted.frame
    window = family.window if family.mapped else None
    if interval is None:
        domain = domain_of_range(frame.lows[0], frame.highs[0], window)
    else:
        domain = Domain(interval.a, interval.b, window)
    if not math.isfinite(domain.scale):
        raise DataError(f"x spans {domain.b - domain.a!r}, too little to be mapped in float64. Scale x.")
    several = len(frame.lows) > 1
    coef = np.array(_coef_of_many(outcome, family) if several else in_basis(outcome.fitted, family, domain))
    if not np.isfinite(coef).all():
        raise DataError("a coefficient is beyond the range of float64. Scale x or y.")
    return coef, domain


def _coef_of_many(outcome: Outcome, family: Family) -> list[float]:
    """Return the coefficients with several columns of x: of products of T_k(u) on their ranges, or of powers of x."""
    if family.name == "power":
        return list(outcome.stats["coef_power"])
    coef = outcome.fitted.solved.coef
    return [nearest(coef[place, 0]) for place in range(coef.nrows())]
