"""What can be said about a problem whoever solves it: conditioning, and what SGD can and cannot do with it.

Near its optimum every smooth loss is a quadratic; the squared loss is one everywhere. Along each eigenvector of its
Hessian SGD is a linear recurrence of two numbers, the distance to the optimum and the momentum buffer, so that
eigenvalues alone decide where it converges and how fast. All functions here take these eigenvalues, ascending, as
`Quadratic.eigenvalues` returns them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyoptim.quadratic import Quadratic

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Best:
    """The options with which SGD shrinks the distance to the optimum fastest, whatever the start.

    Parameters
    ----------
    lr, momentum : the options, as torch.optim.SGD takes them.
    contraction : what the distance is multiplied by at each step, in the long run.
    steps_per_digit : how many steps divide the distance by ten; accurate also where `contraction` rounds to 1.
    """

    lr: float
    momentum: float
    contraction: float
    steps_per_digit: float


def condition_number(eigenvalues: Array) -> float | None:
    """Return κ = λmax / λmin: infinite where λmin is zero, None where λmax is zero too.

    Examples
    --------
    >>> condition_number(np.array([0.5, 1.0, 2.0]))
    4.0
    """
    ratio = _ratio(eigenvalues)
    if ratio is None:
        return None
    return 1 / ratio if ratio > 0 else math.inf


def largest_stable_rate(quadratic: Quadratic) -> float | None:
    """Return 2/λmax of the squared loss: plain SGD converges for every lr below it and diverges above it.

    λmax is the largest eigenvalue of the Hessian, which is 2 AᵀWA (divided by the sum of the weights for the mean) for
    the columns A of the basis on the samples. None where λmax is zero or not finite.
    """
    largest = quadratic.largest_eigenvalue()
    return float(stable_rates(np.array([largest]))[1]) if 0 < largest < math.inf else None


@np.errstate(over="ignore")
def stable_rates(
    eigenvalues: Array,
    momentum: npt.ArrayLike = 0.0,
    *,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[Array, Array]:
    """Return the edges of stability: SGD converges exactly for ``low < lr < high``.

    Parameters
    ----------
    eigenvalues : of the Hessian, shape (m,).
    momentum : a number, or an array of them.
    dampening, nesterov, weight_decay, maximize : as in torch.optim.SGD.

    Returns
    -------
    Two arrays of the shape of `momentum`. `low` is 0, except for Nesterov with momentum above 1. Where SGD converges
    for no lr at all, both are 0. Where nothing bends, `high` is infinite.

    Notes
    -----
    With curvature h = λ + weight_decay along an eigenvector (weight_decay - λ with `maximize`), s = lr h and
    c = 1 - dampening (1 where momentum is 0, as torch then keeps no buffer), one step is a 2 × 2 matrix with

        SGD        trace 1 + μ - c s,           determinant μ
        Nesterov   trace 1 + μ - (1 + μ c) s,   determinant μ (1 - s)

    Both its eigenvalues are inside the unit circle exactly where -1 < determinant < 1 and abs(trace) < 1 + determinant
    (Jury's conditions). For 0 <= μ < 1, c > 0 and h > 0 this gives, with the largest h,

        SGD        lr < 2 (1 + μ) / (c h)
        Nesterov   lr < 2 (1 + μ) / ((1 + 2 μ) h),   c = 1

    At the edge the distance neither shrinks nor grows. Along zero curvature nothing moves, and it does not count.
    The optimum in question is that of the loss with its penalty, weight_decay ‖coef‖² / 2.

    References
    ----------
    E. I. Jury, A simplified stability criterion for linear discrete systems, Proc. IRE 50, 1493-1500, 1962,
    doi:10.1109/JRPROC.1962.288193.
    J. Cohen et al., Gradient descent on neural networks typically occurs at the edge of stability, ICLR 2021,
    arXiv:2103.00065, gives both edges.

    Examples
    --------
    >>> low, high = stable_rates(np.array([0.5, 2.0]), [0.0, 0.5, 0.9])
    >>> high
    array([1. , 1.5, 1.9])
    """
    mu = np.asarray(momentum, dtype=np.float64)
    low, high = _stable_products(mu, *_slopes(mu, dampening, nesterov))
    curvatures = _curvatures(eigenvalues, weight_decay, maximize)
    none = np.zeros(mu.shape)
    if not len(curvatures):
        return none, np.full(mu.shape, math.inf)
    if curvatures.max() < 0:
        curvatures, low, high = -curvatures, -high, -low
    if curvatures.min() < 0:
        return none, none
    low, high = np.maximum(low, 0) / curvatures.min(), high / curvatures.max()
    return np.where(low < high, low, 0), np.where(low < high, high, 0)


@np.errstate(over="ignore", invalid="ignore")
def contraction(
    eigenvalues: Array,
    lr: npt.ArrayLike,
    momentum: npt.ArrayLike = 0.0,
    *,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Array:
    """Return what a step of SGD multiplies the distance to the optimum by, in the long run.

    It is the largest spectral radius of the matrices of `stable_rates`: below 1 exactly where SGD converges.

    Parameters
    ----------
    eigenvalues : of the Hessian, shape (m,).
    lr, momentum : numbers or arrays, broadcast against each other.
    dampening, nesterov, weight_decay, maximize : as in torch.optim.SGD.

    Returns
    -------
    An array of the shape of `lr` and `momentum`; 0 where nothing bends.

    Notes
    -----
    Along zero curvature nothing moves, and it does not count. Where the two eigenvalues of a matrix meet, the distance
    goes like n contraction^n for a while, and half of the digits are lost: the radius is a square root there.

    Examples
    --------
    >>> contraction(np.array([0.5, 2.0]), [0.5, 0.8, 1.0])
    array([0.75, 0.6 , 1.  ])
    """
    rates, mu = np.broadcast_arrays(np.asarray(lr, dtype=np.float64), np.asarray(momentum, dtype=np.float64))
    of_trace, of_determinant = (slope[..., None] for slope in _slopes(mu, dampening, nesterov))
    mu = mu[..., None]
    product = rates[..., None] * _curvatures(eigenvalues, weight_decay, maximize)
    half, determinant = (1 + mu - of_trace * product) / 2, mu - of_determinant * product
    discriminant = half * half - determinant
    real = np.abs(half) + np.sqrt(np.maximum(discriminant, 0))
    radius = np.where(discriminant < 0, np.sqrt(np.maximum(determinant, 0)), real)
    found: Array = np.max(radius, axis=-1, initial=0.0)
    return found


def best_rate(eigenvalues: Array) -> Best | None:
    """Return the best lr of plain gradient descent; None where the condition number κ is infinite or unknown.

    With weight decay, give eigenvalues + weight_decay.

    Notes
    -----
    lr = 2 / (λmin + λmax), contraction (κ - 1) / (κ + 1): the distances along the flattest and the steepest direction
    shrink alike. B. T. Polyak, Introduction to Optimization, 1987, section 1.4.

    Examples
    --------
    >>> best_rate(np.array([0.5, 2.0]))
    Best(lr=0.8, momentum=0.0, contraction=0.6, steps_per_digit=4.507575551943848)
    """
    ratio = _ratio(eigenvalues)
    if not ratio:
        return None
    return Best(2 / (float(eigenvalues[-1]) * (1 + ratio)), 0.0, *_pace(ratio))


def best_rate_and_momentum(eigenvalues: Array) -> Best | None:
    """Return the best lr and momentum of SGD (no dampening, no Nesterov); None where κ is infinite or unknown.

    With weight decay, give eigenvalues + weight_decay.

    Notes
    -----
    lr = (2 / (√λmax + √λmin))², momentum = ((√κ - 1) / (√κ + 1))², contraction (√κ - 1) / (√κ + 1). At the flattest and
    at the steepest direction the two eigenvalues of a step's matrix meet, so that the distance goes like
    n contraction^n. B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964,
    doi:10.1016/0041-5553(64)90137-5. From κ = 1e32 on the momentum would round to 1; it is the largest float64 below.

    Examples
    --------
    >>> best_rate_and_momentum(np.array([1.0, 16.0]))
    Best(lr=0.16, momentum=0.36, contraction=0.6, steps_per_digit=4.507575551943848)
    """
    ratio = _ratio(eigenvalues)
    if not ratio:
        return None
    root = math.sqrt(ratio)
    shrink, steps = _pace(root)
    momentum = min(shrink * shrink, math.nextafter(1, 0))
    return Best(4 / (float(eigenvalues[-1]) * (1 + root) ** 2), momentum, shrink, steps)


def steps_per_digit(shrink: float) -> float:
    """Return how many steps divide a distance by ten, if each multiplies it by `shrink`: -1 / log10(shrink).

    At least 1, for a step is whole; infinite where nothing shrinks.

    Examples
    --------
    >>> steps_per_digit(0.1), steps_per_digit(0.0), steps_per_digit(1.0)
    (1.0, 1.0, inf)
    """
    return _steps_per_digit(1 - shrink)


def _steps_per_digit(share: float) -> float:
    """Return the steps per digit, where each takes away this share of the distance."""
    if not share > 0:
        return math.inf
    return max(1.0, -math.log(10) / math.log1p(-share)) if share < 1 else 1.0


def _pace(ratio: float) -> tuple[float, float]:
    """Return (1 - ratio) / (1 + ratio), and how many such factors make a tenth."""
    return (1 - ratio) / (1 + ratio), _steps_per_digit(2 * ratio / (1 + ratio))


def _ratio(eigenvalues: Array) -> float | None:
    """Return λmin / λmax; None where λmax is zero. Never above 1, and no power of ten overflows it."""
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return smallest / largest if largest > 0 else None


def _curvatures(eigenvalues: Array, weight_decay: float, maximize: bool) -> Array:
    """Return what the gradient that SGD follows is multiplied with along each eigenvector that it moves along."""
    all_of_them = (-eigenvalues if maximize else eigenvalues) + weight_decay
    moving: Array = all_of_them[all_of_them != 0]
    return moving


def _slopes(mu: Array, dampening: float, nesterov: bool) -> tuple[Array, Array]:
    """Return t and k of a step's matrix, whose trace is 1 + μ - t s and whose determinant is μ - k s."""
    taken = np.where(mu == 0, 1.0, 1.0 - dampening)
    return (1 + mu * taken, mu) if nesterov else (taken, np.zeros(mu.shape))


@np.errstate(divide="ignore", invalid="ignore")
def _stable_products(mu: Array, of_trace: Array, of_determinant: Array) -> tuple[Array, Array]:
    """Return the ends of the interval of s = lr h in which Jury's conditions hold; low is infinite where it is empty.

    Each condition is a line, slope · s < limit.
    """
    slopes = np.stack([of_determinant - of_trace, of_determinant + of_trace, of_determinant, -of_determinant])
    limits = np.stack([np.zeros(mu.shape), 2 * (1 + mu), 1 + mu, 1 - mu])
    ends = limits / slopes
    low = np.where(slopes < 0, ends, -math.inf).max(axis=0)
    high = np.where(slopes > 0, ends, math.inf).min(axis=0)
    impossible = ((slopes == 0) & (limits <= 0)).any(axis=0)
    return np.where(impossible, math.inf, low), high
