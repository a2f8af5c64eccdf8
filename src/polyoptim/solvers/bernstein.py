"""Bounds of polynomials in balls, by Bernstein's form: the largest coefficient is at least the largest value.

On a piece that is monotone from one extremum to the next the coefficients mostly are monotone as well, and then the
bound is the value at an end: so pieces are cut at the extrema, which floats find and nobody has to believe.

J. Garloff, Convergent bounds for the range of multivariate polynomials, LNCS 212, 1986, doi:10.1007/3-540-16437-5_5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from flint import arb, arb_poly, fmpq

MOST_PIECES = 500  # after which a bound is taken as it is


def above(ball: arb) -> float:
    """Return the float next above a ball; inf where it is not finite.

    >>> above(arb(1) / 3) > 1 / 3, above(arb(0.5))
    (True, 0.5)
    """
    if not ball.is_finite():
        return math.inf
    found = float(ball.upper())
    while found < math.inf and not arb(found) >= ball:
        found = math.nextafter(found, math.inf)
    return found


def below(ball: arb) -> float:
    """Return the float next below a ball; -inf where it is not finite."""
    return 0.0 - above(-ball)


def coefficients(coef: Sequence[arb], low: fmpq, high: fmpq) -> list[arb]:
    """Return the Bernstein coefficients, on [low, high], of a polynomial in plain powers, lowest first."""
    shifted = arb_poly(list(coef))(arb_poly([low, high - low]))
    degree = len(coef) - 1
    found = [shifted[place] / math.comb(degree, place) for place in range(degree + 1)]
    for first in range(1, degree + 1):
        for place in range(degree, first - 1, -1):
            found[place] += found[place - 1]
    return found


def _size(found: Sequence[arb]) -> arb:
    sizes = [one.abs_upper() for one in found]
    return arb(max(sizes)) if all(one.is_finite() for one in sizes) else arb("inf")


def bound(coef: Sequence[arb], cuts: Sequence[fmpq], target: arb) -> arb:
    """Return an upper bound of a polynomial's size between the first and the last cut.

    Pieces whose bound is above `target` are halved, until it is not, it is that of a value at an end, or there are
    hundreds of pieces.

    Parameters
    ----------
    coef : in plain powers, lowest first, shape (n,).
    cuts : ascending, shape (k,); one alone is a point.
    """
    if not coef:
        return arb(0)
    if len(cuts) == 1:
        return arb_poly(list(coef))(arb(cuts[0])).abs_upper()
    todo = list(pairwise(cuts))
    largest, seen = arb(0), 0
    while todo:
        low, high = todo.pop()
        found = coefficients(coef, low, high)
        size = _size(found)
        seen += 1
        if size <= target or size <= largest or seen > MOST_PIECES or size <= _size([found[0], found[-1]]):
            largest = size if size > largest else largest
        else:
            middle = (low + high) / 2
            todo += [(low, middle), (middle, high)]
    return largest


def extrema(coef: Sequence[arb], low: fmpq, high: fmpq) -> list[fmpq]:
    """Return where a polynomial has its extrema inside (low, high), nearly: from floats, ascending."""
    reach = max(abs(low), abs(high))
    sizes = [one.mid() * arb(reach) ** place for place, one in enumerate(coef)]
    scale = max((abs(one) for one in sizes), default=arb(0))
    if len(coef) < 3 or not scale > 0:
        return []
    slope = np.array([float(one / scale) * place for place, one in enumerate(sizes)][1:])
    kept = np.flatnonzero(np.abs(slope) > 1e-18 * np.abs(slope).max(initial=0.0))
    if not kept.size:
        return []
    roots = np.roots(slope[: kept[-1] + 1][::-1])
    near = np.sort(roots.real[np.abs(roots.imag) < 1e-6])
    places = [reach * fmpq(round(float(one) * 2**40), 2**40) for one in near if abs(one) < 1]
    return [one for one in dict.fromkeys(places) if low < one < high]
