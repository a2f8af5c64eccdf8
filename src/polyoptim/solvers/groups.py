"""Least squares polynomials of many groups of rows, each for itself, side by side in a compiled loop."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import fmpq, fmpq_mat

from polyoptim import groups_kernel as kernel
from polyoptim.bases import FAMILIES
from polyoptim.bases.family import Family
from polyoptim.domain import Domain
from polyoptim.targets.grouping import Grouping
from polyoptim.targets.partitions import Part

Array = npt.NDArray[np.float64]

# A share of a diagonal entry that elimination may leave: more cancels too much of 104 bits.
LEAST_PIVOT = 2.0**-40
AT_ONCE = 1 << 13  # groups that one thread takes at a time
AT_MOST = 1 << 12  # groups that NumPy holds side by side


@dataclass(frozen=True)
class Solutions:
    """What is found for each group, shape (groups,) and (groups, degree + 1).

    Parameters
    ----------
    solved : whether the group was solved here; the rest of it holds only where it was.
    count : rows of a weight > 0.
    domain : the ends that u = -1 and u = 1 stand for, shape (groups, 2).
    coef : in the basis that was asked for.
    coef_power, stderr_power : in powers of x; the error is nan without degrees of freedom.
    sigma, rss, tss : as in `statistics`.
    """

    solved: npt.NDArray[np.bool]
    count: npt.NDArray[np.int64]
    domain: Array
    coef: Array
    coef_power: Array
    stderr_power: Array
    sigma: Array
    rss: Array
    tss: Array


def empty(groups: int, degree: int) -> Solutions:
    """Return room for so many groups, none of them solved."""
    columns, one = (groups, degree + 1), (groups,)
    numbers = [np.full(shape, math.nan) for shape in ((groups, 2), columns, columns, columns, one, one, one)]
    return Solutions(np.zeros(groups, dtype=bool), np.zeros(groups, dtype=np.int64), *numbers)


def solve_groups(
    part: Part,
    groups: Grouping,
    degree: int,
    family: Family,
    *,
    ends: tuple[float, float] | None = None,
    absolute: bool = False,
    threads: int = 1,
) -> Solutions:
    """Fit every group whose rows determine its polynomial well.

    Parameters
    ----------
    part : all rows, with one column of x.
    ends : the domain of the basis; the range of x in a group where it is None.
    absolute : whether weights are 1 / variance.

    Notes
    -----
    Sums are exact, as in `moments`, and solved in numbers of about 104 bits, in the same operations whoever does them:
    the same bits for any order of the rows, any number of threads, compiled or not. About 0.5 µs for a group of 20 rows
    and degree 3. Left to others are groups of more than 8192 rows, those whose rows do not determine the coefficients,
    or hardly do, and those beyond the exponents of float64.
    """
    found = empty(len(groups.counts), degree)
    found.count[:] = groups.counts
    chosen = np.flatnonzero((groups.counts <= kernel.LONGEST) & (groups.counts > degree))
    if not len(chosen):
        return found
    chosen = chosen[np.argsort(groups.counts[chosen], kind="stable")]  # neighbours have about as many rows
    fit, lanes = kernel.fitter(len(chosen), int(groups.counts[chosen[-1]]), degree)
    weighted = part.weight is not None
    order = chosen if groups.order is None else groups.order
    rows = (
        *(part.x[0], part.y, part.weight if weighted else part.y, int(weighted)),
        *(order, int(groups.order is not None), groups.starts, groups.counts, chosen),
    )
    numbers = np.array([math.nan, math.nan] if ends is None else ends)

    def some(first: int) -> None:
        size = AT_ONCE if lanes else AT_MOST
        last = min(first + size, len(chosen))
        answer = np.zeros((last - first, kernel.FACTS + 3 * (degree + 1)))
        with np.errstate(all="ignore"):  # in NumPy; what is not finite is left to others
            fit(first, last, degree, lanes or last - first, *rows, numbers, answer)
        _keep(found, chosen[first:last], answer, degree, family, absolute)

    firsts = range(0, len(chosen), AT_ONCE if lanes else AT_MOST)
    if threads == 1 or lanes is None or len(firsts) == 1:
        for first in firsts:
            some(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, firsts))
    return found


def _keep(found: Solutions, own: Any, answer: Array, degree: int, family: Family, absolute: bool) -> None:
    """Scale what the kernel says of some groups back to the units of x, y and the weights."""
    m = degree + 1
    facts, coef, power, variance = np.split(answer, [kernel.FACTS, kernel.FACTS + m, kernel.FACTS + 2 * m], axis=1)
    y, w, r = (
        facts[:, [place]].astype(np.int64) for place in (kernel.Y_EXPONENT, kernel.W_EXPONENT, kernel.R_EXPONENT)
    )
    count, rss, tss = facts[:, kernel.COUNT], np.maximum(facts[:, kernel.RSS], 0.0), facts[:, kernel.TSS]
    with np.errstate(all="ignore"):
        dof = np.where(count > m, count - m, math.nan)
        mantissa, exponent = np.frexp(2.0 / (facts[:, kernel.HIGH] - facts[:, kernel.LOW]))
        powers = np.arange(m)
        shift = exponent.astype(np.int64)[:, None] * powers
        unit = np.sqrt(variance) * mantissa[:, None] ** powers
        spread = np.sqrt(rss / dof)
        found.count[own] = count
        found.domain[own] = facts[:, [kernel.LOW, kernel.HIGH]]
        found.coef[own] = np.ldexp(coef, y)
        found.coef_power[own] = np.ldexp(power, y + shift) + 0.0  # no -0
        found.sigma[own] = np.ldexp(spread, (r + y + w // 2)[:, 0])
        own_error = np.ldexp(unit, shift - w // 2) if absolute else np.ldexp(unit * spread[:, None], shift + y + r)
        found.stderr_power[own] = own_error
        found.rss[own] = np.ldexp(rss, (2 * (r + y) + w)[:, 0])
        found.tss[own] = np.ldexp(np.maximum(tss, 0.0), (2 * y + w)[:, 0])
    if family.name == "power":
        found.coef[own] = found.coef_power[own]
    elif family.name != "chebyshev":
        found.coef[own] = found.coef[own] @ _change(family.name, degree).T
    finite = np.isfinite(found.coef[own]).all(axis=1) & np.isfinite(found.coef_power[own]).all(axis=1)
    found.solved[own] = finite & (facts[:, kernel.PIVOT] >= LEAST_PIVOT) & np.isfinite(found.rss[own])


@lru_cache(maxsize=64)
def _change(name: str, degree: int) -> Array:
    """Return the matrix from coefficients of T_k to those of another family on the same domain."""

    def in_powers(family: Family) -> fmpq_mat:
        domain = Domain(-1.0, 1.0, family.window)
        rows = [family.to_power([0.0] * k + [1.0], domain) + [Fraction(0)] * (degree - k) for k in range(degree + 1)]
        return fmpq_mat([[fmpq(value.numerator, value.denominator) for value in row] for row in rows]).transpose()

    found = in_powers(FAMILIES[name]).inv() * in_powers(FAMILIES["chebyshev"])
    size = range(degree + 1)
    return np.array([[float(Fraction(int(found[i, j].p), int(found[i, j].q))) for j in size] for i in size])
