"""The integral of the absolute error: least over coordinates, and a bound that none is below.

With s the sign of the error, the integral of s times a direction is the slope; where the error crosses 0 the slope
changes, so that the zeros give the curvature, and Newton's method finds the least integral (B. R. Kripke, T. J. Rivlin,
Approximation in the metric of L1(X, μ), Trans. Amer. Math. Soc. 119, 101-122, 1965, doi:10.2307/1994233). For any s
with abs(s) <= 1 whose integrals with all directions are 0, that of s times the error is the same for all polynomials,
and none has a smaller integral of its abs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy.optimize import linprog

from polyoptim.solvers.integrals import Integrals
from polyoptim.solvers.quadrature import POINTS, to_legendre

Array = npt.NDArray[np.float64]

SAMPLES = 4 * POINTS  # of a panel, between which zeros are looked for
HALVINGS = 52
STEPS, HALVED, POLISH = 60, 40, 8  # of Newton's method, of a step that goes too far, and at the end
ENOUGH = 1e-13  # of the integral, relative: a step that gains less is the last
ROUNDS = 12  # of linear programs, where the error is 0 on an interval or jumps over 0
CLOSE = 1e-10  # a gap, relative, at which no program is needed
EXACT = 1e-10  # the feasibility that is asked of a program
AT_ONCE = 2_000_000  # samples of many polynomials
NEGLIGIBLE = 1e-12  # of the mean error: a slope of the error that is not told from 0 at a crossing


@cache
def _places() -> tuple[Array, Array]:
    """Return the samples of a panel, with its ends, and the matrix that makes values there of coefficients."""
    x: Array = -np.cos(np.linspace(0, np.pi, SAMPLES))
    return x, np.asarray(legendre.legvander(x, POINTS - 1), dtype=np.float64)


@cache
def _antiderivative() -> Array:
    """Return the matrix that makes coefficients of the integral from -1 of those of a function."""
    found: Array = np.stack([legendre.legint(row, lbnd=-1) for row in np.eye(POINTS)], axis=1)
    return found


@cache
def _derivative() -> Array:
    found: Array = np.stack([legendre.legder(row) for row in np.eye(POINTS)], axis=1)
    return found


@dataclass(frozen=True)
class Crossings:
    """Where the errors of some polynomials change their sign inside panels.

    Parameters
    ----------
    polynomial, panel : whose and where, shape (crossings,) each.
    place : in the panel, from -1 to 1.
    before : the sign to the left.
    after : the sign at the end of each panel, shape (polynomials, panels).
    """

    polynomial: npt.NDArray[np.intp]
    panel: npt.NDArray[np.intp]
    place: Array
    before: Array
    after: Array


@dataclass(frozen=True)
class Least:
    """The least integral: coordinates, its value over the unit, and what none is below."""

    t: Array
    value: float
    bound: float


class MeanAbsolute:
    """The integral of the absolute error as a function of coordinates.

    Parameters
    ----------
    known : the error at the points of panels.
    """

    def __init__(self, known: Integrals) -> None:
        self.known = known
        self.centre = known.centre @ to_legendre().T
        self.columns = np.einsum("kp,npf->nkf", to_legendre(), known.columns)

    def values(self, t: Array) -> Array:
        """Return the integrals of polynomials, t of shape (polynomials, coordinates)."""
        size = max(1, AT_ONCE // (len(self.centre) * SAMPLES))
        return np.concatenate([self._values(t[start : start + size]) for start in range(0, len(t), size)])

    def _values(self, t: Array) -> Array:
        coef = self.centre + np.einsum("nkf,cf->cnk", self.columns, t)
        found = _crossings(coef)
        sums = coef @ _antiderivative().T
        halves = self.known.width / 2
        whole = sums.sum(axis=-1) * found.after * halves  # all Legendre polynomials are 1 at 1
        total = whole.sum(axis=1)
        parts = _at(sums[found.polynomial, found.panel], found.place)
        np.add.at(total, found.polynomial, 2 * found.before * parts * halves[found.panel])
        return np.asarray(total, dtype=np.float64)

    def slope(self, t: Array) -> tuple[Array, Array]:
        """Return the slope of the integral and its curvature."""
        coef = self.centre + self.columns @ t
        found = _crossings(coef[None])
        halves, place = self.known.width / 2, found.place
        sums = np.einsum("jk,nkf->njf", _antiderivative(), self.columns)
        slope = np.einsum("n,njf->f", found.after[0] * halves, sums)
        powers = legendre.legvander(place, POINTS)
        parts = np.einsum("cj,cjf->cf", powers, sums[found.panel])
        slope = slope + (2 * found.before * halves[found.panel]) @ parts
        steep = np.abs(_at(coef[found.panel] @ _derivative().T, place)) / halves[found.panel]
        crossed = np.einsum("ck,ckf->cf", powers[:, :-1], self.columns[found.panel])
        crossed = crossed / np.sqrt(np.maximum(steep, NEGLIGIBLE))[:, None]
        return slope, 2 * crossed.T @ crossed

    def bound(self, t: Array, value: float) -> float:
        """Return what no integral is below, from the sign of the error at t.

        What the integrals of that sign s with the directions leave, F, is taken off: s - w F q has none, is at most
        1 + abs(w F q), and its integral with the error is `value` less F t, for the directions q are orthonormal.
        """
        slope, _ = self.slope(t)
        return self._bounded(value - float(slope @ t), self.columns @ slope)

    def _bounded(self, product: float, correction: Array) -> float:
        most = float(np.abs(correction).sum(axis=-1).max(initial=0.0))
        return max(product / (1 + most), 0.0)

    def least(self) -> Least:
        """Return the least integral."""
        t = self._newton(np.zeros(self.known.frame.size))
        value = float(self.values(t[None])[0])
        found = Least(t, value, self.bound(t, value))
        return found if found.bound >= value * (1 - CLOSE) else self._programmed(found)

    def peak(self) -> float:
        """Return the most that a polynomial of length 1 has anywhere, after its weight.

        Between samples a polynomial is as much larger, at most, as H. Ehlich and K. Zeller have it (1964,
        doi:10.1007/BF01111276).
        """
        values = np.einsum("jk,nkf->njf", _places()[1], self.columns)
        between = np.cos(np.pi * (POINTS - 1) / (2 * (SAMPLES - 1)))
        return float(np.sqrt((values**2).sum(axis=-1)).max(initial=0.0) / between)

    def _newton(self, t: Array) -> Array:
        value = float(self.values(t[None])[0])
        for _ in range(STEPS if len(t) else 0):
            slope, curvature = self.slope(t)
            ridge = 1e-12 * np.trace(curvature) + 1e-9 * float(np.linalg.norm(slope))
            step = np.linalg.lstsq(curvature + ridge * np.eye(len(t)), -slope, rcond=None)[0]
            tried = t + 0.5 ** np.arange(HALVED)[:, None] * step
            values = self.values(tried[:4])
            if values.min() >= value:
                values = self.values(tried)
            place = int(np.argmin(values))
            gain = value - values[place]
            if gain > 0:
                t, value = tried[place], float(values[place])
            if not gain > ENOUGH * value:
                break
        return self._polished(t)

    def _polished(self, t: Array) -> Array:
        """Take steps whose gain floats do not see, as long as the slope becomes less."""
        slope, curvature = self.slope(t)
        for _ in range(POLISH):
            tried = t + np.linalg.lstsq(curvature, -slope, rcond=None)[0]
            new = self.slope(tried)
            if not np.linalg.norm(new[0]) < np.linalg.norm(slope) / 2:
                break
            t, (slope, curvature) = tried, new
        return t

    def _programmed(self, found: Least) -> Least:
        """Improve polynomial and bound by linear programs on cells: panels, cut where the errors so far change sign.

        The integrals of cells have a least sum of abs values, which is a bound, for any cells; cells on which no good
        polynomial changes its sign make it a tight one.
        """
        tried = [found.t]
        for _ in range(ROUNDS):
            offsets, slopes = self._cells(np.array(tried))
            solved = linprog(
                -offsets,
                A_eq=slopes.T,
                b_eq=np.zeros(slopes.shape[1]),
                bounds=(-1, 1),
                method="highs",
                options={"primal_feasibility_tolerance": EXACT, "dual_feasibility_tolerance": EXACT},
            )
            if solved.x is None:
                break
            left = slopes.T @ solved.x
            bound = self._bounded(float(offsets @ solved.x), self.columns @ left)
            t = self._newton(np.asarray(solved.eqlin.marginals))
            value = float(self.values(t[None])[0])
            better = value < found.value
            found = Least(t if better else found.t, min(value, found.value), max(bound, found.bound))
            if found.bound >= found.value * (1 - CLOSE) or any(np.array_equal(t, other) for other in tried):
                break
            tried.append(t)
        return found

    def _cells(self, t: Array) -> tuple[Array, Array]:
        """Return the integrals over cells of the error at t = 0, shape (cells,), and of the directions."""
        found = _crossings(self.centre + np.einsum("nkf,cf->cnk", self.columns, t))
        every = np.arange(len(self.centre))
        panel = np.concatenate([every, every, found.panel])
        place = np.concatenate([np.full(len(every), -1.0), np.full(len(every), 1.0), found.place])
        order = np.lexsort((place, panel))
        panel, place = panel[order], place[order]
        coef = np.concatenate([self.centre[..., None], self.columns], axis=-1)
        sums = np.einsum("jk,nkf->njf", _antiderivative(), coef)
        parts = np.einsum("cj,cjf->cf", legendre.legvander(place, POINTS), sums[panel])
        parts = parts * (self.known.width / 2)[panel][:, None]
        cells = np.diff(parts, axis=0)[(panel[1:] == panel[:-1]) & (place[1:] > place[:-1])]
        return cells[:, 0], cells[:, 1:]


def _crossings(coef: Array) -> Crossings:
    """Return where errors change their sign, from their coefficients, shape (polynomials, panels, POINTS)."""
    x, powers = _places()
    signs = np.where(coef @ powers.T >= 0, 1.0, -1.0)
    polynomial, panel, place = np.nonzero(signs[..., 1:] != signs[..., :-1])
    before = signs[polynomial, panel, place]
    low, high = x[place], x[place + 1]
    own = coef[polynomial, panel]
    for _ in range(HALVINGS if len(low) else 0):
        middle = (low + high) / 2
        same = np.where(_at(own, middle) >= 0, 1.0, -1.0) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return Crossings(polynomial, panel, (low + high) / 2, before, signs[..., -1])


def _at(coef: Array, x: Array) -> Array:
    """Return values at a place each, coef of shape (places, terms)."""
    found: Array = np.einsum("ck,ck->c", legendre.legvander(x, coef.shape[-1] - 1), coef)
    return found
