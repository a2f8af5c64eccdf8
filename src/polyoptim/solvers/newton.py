"""Newton's method for a loss without jumps in its slope, kept on course by reweighted least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.rows import EPS, Array, Rows

LIMIT = 200  # iterations
CLOSE = 0.25  # a step along a line is taken where the slope has come down to this share
SEARCHES = 40
FLAT, STEEPER = 1e-10, 100.0  # the least weight of a row, of the largest, where no step goes down, and how it grows
DEPENDENT = 1e-13  # of the diagonal of R: less is rounding
SINGULAR = 1e-7  # of the pivots of Cholesky's factor: the matrix has 14 digits
WORSE = 1 + 4 * EPS  # by what a value may be larger: rounding


@dataclass(frozen=True)
class Descent:
    """How a minimisation went, in the units of its rows.

    Parameters
    ----------
    z : the coefficients in the orthonormal columns.
    values : weighted sum of the penalties at each accepted iterate, the start first; no one is above the one before.
    bound : a lower bound on what any z reaches, -inf where none is known.
    iterations : systems solved.
    """

    z: Array
    values: tuple[float, ...]
    bound: float
    iterations: int


@np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
def descend(
    rows: Rows, penalty: Penalty, length: float, z: Array, limit: int = LIMIT, close: float = 4 * EPS
) -> Descent:
    """Return where the weighted sum of ``penalty.value(residual / length)`` is least, going downhill from z.

    The direction is Newton's, with a share of the matrix of reweighted least squares, whose steps go downhill without a
    line search (Huber, 1981, Robust Statistics, section 7.8, doi:10.1002/0471725250): where the curvature of most rows
    is 0, Newton's direction alone means little. The step along it ends where the slope is a quarter of what it was.

    Notes
    -----
    Each iteration gives a lower bound by duality: the slopes u of the rows after a linear step satisfy ``Aᵀ W u = 0``,
    so no z has a sum below ``Σ w (u t - conjugate(u))`` with the t of the present residuals. It ends where that bound
    is within `close` of the value, relative, after one more step, which makes the coefficients as good as the value.
    """
    t = rows.residual(z) / length
    values = [rows.total(penalty.value(t))]
    bound, share, flat, iterations = -np.inf, 0.0, 0.0, 0
    noise = 0.25 * rows.noise(z) / length
    while iterations < limit:
        iterations += 1
        slope = penalty.slope(t)
        gradient = rows.gather(slope)
        weight = (1 - share) * penalty.curve(t) + (share * penalty.ratio(t) if share else 0)
        weight = np.maximum(weight, flat * weight.max()) if flat else weight
        step = _solve(rows.gram(weight), -gradient)
        if step is None and (share == 1 or weight.min(initial=1.0) > 0):
            step = _by_rows(rows, weight, slope)
        if step is None and share < 1:
            share = 1.0
            continue
        if step is None and flat < 1:  # where residuals are 0, so is the curvature of a high power
            flat = max(FLAT, STEEPER * flat)
            continue
        if step is None:
            break
        along = rows.along(step)
        down = float(gradient @ step)
        bound = max(bound, _bound(rows, penalty, t, slope + weight * along, z / length))
        if values[-1] - bound > close * values[-1]:  # the same with equal weights, which flat directions do not spoil
            bound = max(bound, _bound(rows, penalty, t, slope - rows.along(gradient), z / length))
        excess = values[-1] - bound if penalty.conjugate else -down
        rounding = noise * rows.total(np.abs(slope))
        reached = excess <= close * values[-1] + rounding or values[-1:] == values[-3:-2]
        size = 1.0 if reached else _search(rows, penalty, t, along, down)
        moved = _accept(rows, penalty, z, length * step, size, length, values[-1])
        if moved is None and (reached or flat >= 1):
            break
        if moved is None:
            share, flat = 1.0, max(FLAT, STEEPER * flat) if share == 1 else flat
            continue
        z, t, value = moved
        values.append(value)
        if reached:
            break
        share, flat = next_share(share, size), flat / STEEPER if flat > FLAT else 0.0
    return Descent(z, tuple(values), min(bound, values[-1]), iterations)


def _solve(matrix: Array, right: Array) -> Array | None:
    """Return the solution for a matrix that is far from singular, else None."""
    try:
        lower = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
    sizes = np.diagonal(lower)
    if not sizes.min(initial=1.0) > SINGULAR * sizes.max(initial=0.0):
        return None
    return np.asarray(np.linalg.solve(lower.T, np.linalg.solve(lower, right)))


def _by_rows(rows: Rows, weight: Array, slope: Array) -> Array | None:
    """Return the step with ``Aᵀ W diag(weight) A step = -Aᵀ W slope`` where the weights differ by all of their digits.

    QR of the rows themselves, heavy ones first: N. J. Higham (2002), Accuracy and Stability of Numerical Algorithms,
    section 19.4, doi:10.1137/1.9780898718027.
    """
    order = np.argsort(-weight, kind="stable")
    root = np.sqrt(weight[order])
    wanted = np.where(root > 0, -rows.root[order] * slope[order] / np.where(root > 0, root, 1), 0)
    q, r = np.linalg.qr(rows.q[order] * root[:, None])
    sizes = np.abs(np.diagonal(r))
    if not sizes.min(initial=1.0) > DEPENDENT * sizes.max(initial=0.0):
        return None
    return np.asarray(np.linalg.solve(r, q.T @ wanted))


def _bound(rows: Rows, penalty: Penalty, t: Array, u: Array, z: Array) -> float:
    """Return the lower bound of slopes u, less what they are off ``Aᵀ W u = 0``; made small for the conjugate first."""
    if penalty.conjugate is None:
        return -np.inf
    largest = float(np.abs(u).max(initial=0.0))
    u = u * min(1.0, penalty.limit / largest) if largest > 0 else u
    found = rows.total(u * t - penalty.conjugate(u)) - float(np.linalg.norm(rows.gather(u)) * np.linalg.norm(z))
    return found if np.isfinite(found) else -np.inf


def _search(rows: Rows, penalty: Penalty, t: Array, along: Array, down: float) -> float:
    """Return how far to go: to where the slope along the line is small, by regula falsi and bisection."""
    low, at_low, high, at_high = 0.0, down, np.inf, 0.0
    size = 1.0
    for _ in range(SEARCHES):
        found = rows.total(penalty.slope(t + size * along) * along)
        if abs(found) <= CLOSE * abs(down):
            return size
        if found < 0:
            low, at_low = size, found
        else:
            high, at_high = size, found
        if not high < np.inf:
            size = 4 * size
            continue
        width = high - low
        size = low + float(np.clip(at_low / (at_low - at_high), 0.1, 0.9)) * width
    return low or size


def _accept(
    rows: Rows, penalty: Penalty, z: Array, step: Array, size: float, length: float, value: float
) -> tuple[Array, Array, float] | None:
    """Return z, t and value after the step, made shorter where the value would rise; None where it rises still."""
    for _ in range(SEARCHES):
        moved = z + size * step
        t = rows.residual(moved) / length
        found = rows.total(penalty.value(t))
        if found <= WORSE * value:
            return moved, t, found
        size *= 0.25
    return None


def next_share(share: float, size: float) -> float:
    """Return the share of reweighted least squares in the next matrix, by how long this step was."""
    if size < 0.2:
        return min(1.0, max(5 * share, 0.1))
    return share / 10 if share > 0.01 else 0.0
