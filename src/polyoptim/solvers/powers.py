"""The least p-norm of the residuals, p > 1, by Newton's method on a path that ends at p."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polyoptim.solvers.newton import Descent, descend
from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.rows import EPS, Array, Rows

FACTORS = (10.0, 2.0)  # by which the smoothing shrinks; the second where the first was too fast
PER_STAGE = 3  # iterations on the path; it is only passed through
POLISH = 3  # iterations without smoothing, for the last digits of the coefficients
LAST = 60
TIGHT = 1e-13
SMOOTHEST, ROUNDEST = 0.1, 1e-17  # the smoothing, in units of the root mean square residual


def least_power(rows: Rows, p: float) -> tuple[Descent, float]:
    """Return where the weighted sum of abs(residual / length)^p is least, and the length.

    Below 2 the curvature is infinite at 0, so the path is one of smoothed losses, (t² + e²)^(p/2) with e going to 0.
    Each is above the next, so the values on the whole path go down. Above 2 the path is one of powers, from 2 on, each
    at most twice the one before: D. Adil, R. Peng, S. Sachdeva (2019), Fast, provably convergent IRLS algorithm for
    p-norm linear regression, arXiv:1907.07167, whose homotopy this is, with Newton's steps in place of theirs.
    """
    z = rows.least_squares()
    r = rows.residual(z)
    if p < 2:
        length = float(np.sqrt(np.mean(r * r)))
        for factor in FACTORS:
            found = _from_above(rows, p, z, length, factor)
            if found.values[-1] - found.bound <= TIGHT * found.values[-1]:
                break
        return found, length
    power = 2.0
    while 2 * power < p:
        power *= 2
        size = float(np.abs(rows.residual(z)).max())
        z = descend(rows, power_penalty(power), size, z, limit=PER_STAGE).z
    # In units of the largest residual a high power neither overflows nor vanishes.
    size = float(np.abs(rows.residual(z)).max())
    return descend(rows, power_penalty(p), size, z, limit=LAST), size


def _from_above(rows: Rows, p: float, z: Array, length: float, factor: float) -> Descent:
    smoothing = SMOOTHEST
    values: list[float] = []
    bound, iterations = -np.inf, 0
    plain = power_penalty(p)
    while True:
        found = descend(rows, power_penalty(p, smoothing), length, z, limit=PER_STAGE)
        z, iterations, bound = found.z, iterations + found.iterations, max(bound, found.bound)
        values += [value for value in found.values if not values or value <= values[-1]]
        value = rows.total(plain.value(rows.residual(z) / length))
        if smoothing <= ROUNDEST or value - bound <= 4 * EPS * value:
            break
        smoothing /= factor
    polished = descend(rows, plain, length, z, limit=POLISH)
    values += [value for value in polished.values if value <= values[-1]]
    return replace(polished, values=tuple(values), bound=max(bound, polished.bound), iterations=iterations)


def power_penalty(p: float, smoothing: float = 0.0) -> Penalty:
    """Return (t² + smoothing²)^(p/2), with the conjugate of abs(t)^p: its lower bounds are those of the plain power."""
    least = smoothing * smoothing

    def scaled(t: Array, exponent: float) -> Array:
        return np.hypot(t, smoothing) ** exponent if least else np.abs(t) ** exponent

    def curve(t: Array) -> Array:
        if not least:
            return p * (p - 1) * scaled(t, p - 2)
        return p * scaled(t, p - 4) * (least + (p - 1) * t * t)

    return Penalty(
        1.0,
        1.0,
        lambda t: scaled(t, p),
        lambda t: p * np.sign(t) * scaled(t, p - 1) if not least else p * t * scaled(t, p - 2),
        curve,
        lambda u: (p - 1) * (np.abs(u) / p) ** (p / (p - 1)),
        np.inf,
    )
