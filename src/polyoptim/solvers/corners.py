"""Least absolute residuals and regression quantiles: an interior point, then from corner to corner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyoptim.solvers.newton import WORSE, Descent
from polyoptim.solvers.rows import EPS, Array, Rows

ITERATIONS = 60  # of the interior point; 10 to 20 are common
INSIDE = 0.995  # of the way to the nearest wall
FLOOR = 0.1
NEAR = 1e-9  # a gap, relative, from which corners go on
PIVOTS = 1000
SHIFTS = (0.0, 1e-9, 1e-12)  # by what y is moved, relative, where more rows than columns meet in a corner
SEED = 7_072_397_104  # no small one: where x itself is uniform by seed 0, such a shift would be a polynomial in x
DEPENDENT = 1e-20  # the squared length that is left of a row of length 1 which others make up
TIGHT = 1e-13  # a gap, relative, at which no other shift is tried
FIRST = 4096  # rows that a step along an edge is likely to end within

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Sides:
    """The slopes of the loss of a residual: `low` < 0 below 0 and `high` > 0 above."""

    low: float
    high: float

    def value(self, r: Array) -> Array:
        """Return the loss of each residual."""
        return np.maximum(self.low * r, self.high * r)


@np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
def least_sided(rows: Rows, sides: Sides) -> Descent:
    """Return where the weighted sum of ``sides.value(residual)`` is least.

    An interior-point method with Mehrotra's corrector goes to the optimum up to about 9 digits: S. Portnoy, R. Koenker
    (1997), The Gaussian hare and the Laplacian tortoise, Statist. Sci. 12, 279-300, doi:10.1214/ss/1030037960. An
    optimum stands in a corner, where as many residuals as columns are 0. From the corner nearest to the interior point
    the simplex method for such losses goes on, each step to the lowest point of an edge: I. Barrodale, F. D. K. Roberts
    (1973), An improved algorithm for discrete l1 linear approximation, SIAM J. Numer. Anal. 10, 839-848,
    doi:10.1137/0710069.

    Notes
    -----
    In the corner the slopes u of the rows give the lower bound: those of rows that are 0 follow from ``Aᵀ W u = 0``,
    and where they are between `low` and `high`, the corner is an optimum. Where more rows are 0 than there are columns,
    y is moved a little to decide between them; the slopes that come of it are no less valid for the y that was given.
    """
    # Rows times their weight: then the loss of a row is the weighted one.
    a, b = rows.q * rows.root[:, None], rows.root * rows.root * rows.y
    best = rows.least_squares()
    values, bound = [_total(a, b, sides, best)], -np.inf
    if not a.shape[1]:
        return Descent(best, tuple(values), values[0], 0)
    belonging, iterations = _interior(a, b, rows.root, sides, best)
    basis = _independent(a, belonging)
    for shift in SHIFTS:
        noise: Array = np.random.default_rng(SEED).uniform(-shift, shift, len(b)) if shift else np.zeros(1)
        slopes, found = _to_optimum(a, b + rows.root * rows.root * noise, sides, basis, patient=shift > 0)
        iterations += len(found)
        for corner in found[-1:] if shift else found:
            z = np.asarray(np.linalg.solve(a[corner], b[corner]), dtype=np.float64)
            value = _total(a, b, sides, z)
            if value <= WORSE * values[-1]:
                best, basis = z, corner
                values.append(value)
        bound = max(bound, _bound(a, b, slopes, best))
        if values[-1] - bound <= TIGHT * values[-1]:
            break
    return Descent(best, tuple(values), min(bound, values[-1]), iterations)


def _total(a: Array, b: Array, sides: Sides, z: Array) -> float:
    return float(np.sum(sides.value(a @ z - b)))


def _bound(a: Array, b: Array, u: Array, z: Array) -> float:
    """Return the lower bound of slopes u, less what they are off ``aᵀ u = 0``."""
    return float(np.sum(u * (a @ z - b))) - float(np.linalg.norm(a.T @ u)) * float(np.linalg.norm(z))


def _interior(a: Array, b: Array, root: Array, sides: Sides, z: Array) -> tuple[Array, int]:
    """Return for each row how much it belongs to the corner, and the number of iterations.

    The residuals are the difference of `above` >= 0 and `below` >= 0; u, the slopes, are feasible from the start. Both
    take steps of one length: at q = 0.99 and 20,000 rows this makes 23 iterations of 60.
    """
    z = _shifted(a, b, sides, z, root)
    r = a @ z - b
    floor = FLOOR * float(np.sqrt(np.abs(r)).mean()) ** 2  # a size that a few large residuals do not decide
    above, below = np.maximum(r, 0) + floor, np.maximum(-r, 0) + floor
    u = np.zeros(len(b))
    belonging, made = np.ones(len(b)), 0
    while made < ITERATIONS:
        made += 1
        up, down = sides.high - u, u - sides.low
        gap = float(above @ up + below @ down)
        if not gap > NEAR * _total(a, b, sides, z):
            break
        weight = 1 / (above / up + below / down)
        try:
            lower = np.linalg.inv(np.linalg.cholesky(a.T @ (a * weight[:, None])))
        except np.linalg.LinAlgError:
            break
        belonging = weight
        off, missing = a @ z - b - above + below, a.T @ u
        first, second = -above * up, -below * down  # the complementary products, to 0 and then to a small number
        for corrected in (False, True):
            rest = off - first / up + second / down
            dz = -lower.T @ (lower @ (missing + a.T @ (weight * rest)))
            du = weight * (a @ dz + rest)
            d_above, d_below = (first + above * du) / up, (second - below * du) / down
            walls = (above, d_above), (below, d_below), (up, -du), (down, du)
            far = min(1.0, INSIDE * min(_wall(values, steps) for values, steps in walls))
            if corrected:
                break
            left = float((above + far * d_above) @ (up - far * du) + (below + far * d_below) @ (down + far * du))
            aim = (left / gap) ** 3 * gap / (2 * len(b))
            first, second = first + aim + d_above * du, second + aim - d_below * du
        z, u = z + far * dz, u + far * du
        above, below = above + far * d_above, below + far * d_below
    return belonging, made


def _shifted(a: Array, b: Array, sides: Sides, z: Array, root: Array) -> Array:
    """Return z moved along the constant, or what is nearest to it, until the right share of residuals is above 0."""
    level, *_ = np.linalg.lstsq(a, root * root, rcond=None)
    share = sides.high / (sides.high - sides.low)
    moved: Array = z - level * np.quantile((a @ z - b) / (root * root), share)
    return moved


def _wall(values: Array, steps: Array) -> float:
    """Return how many steps lead to the first 0."""
    return 1 / max(float((-steps / values).max()), 1e-300)


def _independent(a: Array, belonging: Array) -> Places:
    """Return as many independent rows as there are columns, those first that belong to the corner.

    QR with pivoting of the rows, each times the root of its share.
    """
    rest = a / np.linalg.norm(a, axis=1, keepdims=True).clip(min=1e-300)
    found = []
    for _ in range(a.shape[1]):
        left = np.einsum("ij,ij->i", rest, rest)
        place = int(np.argmax(np.where(left > DEPENDENT, left * belonging, -1.0)))
        found.append(place)
        direction = rest[place] / np.linalg.norm(rest[place])
        rest = rest - np.outer(rest @ direction, direction)
        rest[place] = 0
    return np.array(found, dtype=np.intp)


def _to_optimum(a: Array, b: Array, sides: Sides, basis: Places, patient: bool) -> tuple[Array, list[Places]]:
    """Return the slopes of the rows in the last corner, and the corners on the way to it, each as its rows.

    Who is not patient gives up where an edge has no length, as it may go on in circles there.
    """
    corners = [basis]
    tolerance = max(1e-12, 8 * EPS * len(b))
    r = _residual(a, b, basis)
    u = np.where(r > 0, sides.high, sides.low)
    while True:
        inverse = np.linalg.inv(a[basis])  # the edges, as columns
        u[basis] = 0
        own = -inverse.T @ (a.T @ u)
        beyond = np.maximum(own - sides.high, sides.low - own)
        leaving = int(np.argmax(beyond))
        if not beyond[leaving] > tolerance or len(corners) > PIVOTS:
            u[basis] = np.clip(own, sides.low, sides.high)
            return u, corners
        upward = own[leaving] > sides.high
        rate = a @ (inverse[:, leaving] if upward else -inverse[:, leaving])
        crossed = _crossed(r, rate, u > 0, basis, float(beyond[leaving]) / (sides.high - sides.low))
        if len(crossed) == 0 or (not patient and abs(float(r[crossed[-1]])) <= EPS * float(np.abs(b).max())):
            u[basis] = np.clip(own, sides.low, sides.high)
            return u, corners
        u[crossed] = np.where(u[crossed] > 0, sides.low, sides.high)
        u[basis[leaving]] = sides.high if upward else sides.low
        basis = basis.copy()
        basis[leaving] = crossed[-1]
        r = _residual(a, b, basis)
        corners.append(basis)


def _residual(a: Array, b: Array, basis: Places) -> Array:
    """Return the residuals in a corner; those of its rows are 0."""
    r = a @ np.linalg.solve(a[basis], b[basis]) - b
    r[basis] = 0
    return r


def _crossed(r: Array, rate: Array, above: npt.NDArray[np.bool_], basis: Places, slope: float) -> Places:
    """Return the rows whose residuals change sign on the way to the lowest point of an edge; there the last one is 0.

    The loss falls with `slope`, in units of a jump, and each of the rows takes its rate from that.
    """
    against = np.where(above, -rate, rate)
    against[basis] = 0
    places = np.flatnonzero(against > DEPENDENT**0.5 * np.abs(rate).max())
    when = np.abs(r[places]) / against[places]
    for count in (FIRST, len(places)):
        if count < len(places):
            nearest = np.argpartition(when, count)[:count]
            order = nearest[np.argsort(when[nearest], kind="stable")]
        else:
            order = np.argsort(when, kind="stable")
        passed = np.cumsum(against[places[order]])
        last = int(np.searchsorted(passed, slope))
        if last < len(order):
            return places[order[: last + 1]]
    return places[:0]
