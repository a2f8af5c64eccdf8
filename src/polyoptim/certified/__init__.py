"""Certified data sets that ship with the package, and how many digits a fit gets right on them.

NIST Statistical Reference Datasets, linear least squares: the cells as NIST prints them, certified values of 15 digits,
and the exact rational solution of the decimal data to 40 digits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from polyoptim.fitting import fit

FOLDER = Path(__file__).resolve().parent
MOST_DIGITS = 15.0


@dataclass(frozen=True)
class Digits:
    """Correct decimal digits, the least over the coefficients, at most 15; None where the truth is zero.

    Parameters
    ----------
    name, degree : of the set.
    coef, stderr : of coefficients in powers of x, and of their standard errors.
    sigma, r2 : of the residual standard deviation and of R².
    """

    name: str
    degree: int
    coef: float
    stderr: float | None
    sigma: float | None
    r2: float


def sets() -> dict[str, Any]:
    """Return what is known of each set, by name."""
    found: dict[str, Any] = json.loads((FOLDER / "sets.json").read_text(encoding="utf-8"))["sets"]
    return found


def check(name: str, *, exact: bool = False) -> Digits:
    """Return the digits that a fit of a set gets right, against the exact solution of its decimals."""
    known = sets()[name]
    fixed = {} if known["intercept"] else {0: 0}
    found = fit(FOLDER / f"{name}.csv", x="x", y="y", degree=known["degree"], fixed=fixed, exact=exact).stats
    assert found is not None  # noqa: S101 - a fit has statistics
    first = 0 if known["intercept"] else 1
    return Digits(
        name,
        known["degree"],
        _least(found["coef_power"][first:], known["exact"]["coef"]) or 0.0,
        _least(found["stderr_power"][first:], known["exact"]["sd"]),
        _least([found["sigma"]], [known["exact"]["residual_sd"]]),
        _least([found["r2"]], [known["exact"]["r_squared"]]) or 0.0,
    )


def correct_digits(value: float, truth: Fraction) -> float:
    """Return the log relative error, -log10 abs(value - truth) / abs(truth), from 0 to 15.

    >>> correct_digits(3.14, Fraction(314, 100)), round(correct_digits(3.0, Fraction(314, 100)), 2)
    (15.0, 1.35)
    """
    error = abs(Fraction(value) - truth) / abs(truth)
    return min(MOST_DIGITS, max(0.0, -math.log10(error))) if error else MOST_DIGITS


def _least(values: Sequence[float], truths: Sequence[str]) -> float | None:
    pairs = [(value, Fraction(truth)) for value, truth in zip(values, truths, strict=True) if Fraction(truth)]
    return min((correct_digits(value, truth) for value, truth in pairs), default=None)
