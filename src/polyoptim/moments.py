"""Moments: the squared loss of any polynomial as exact sums over the samples, which add up in any order.

With ``T_i T_j = (T_{i+j} + T_{|i-j|}) / 2`` the Gram matrix of a Chebyshev basis follows from 2 · degree + 1 sums, so
that a row costs O(degree). Each term is computed in double-double and rounded to a multiple of 2^-93 of its bound;
these multiples are integers, and integers have one sum in whatever order, in whatever chunks and on however many
machines they are added. So the promise of the same bits is kept by arithmetic, not by luck.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.domain import Domain, domain_of_range
from polyoptim.doubled import Pair, difference, fast_two_sum, pair_of, product, scaled, two_product, two_sum
from polyoptim.lane_operations import BLOCK, LIMB, LIMBS, limbs_of
from polyoptim.moments_kernel import MOST, kernel, run

Array = npt.NDArray[np.float64]
Index = tuple[int, ...]  # the degree in each column of x

# Double-doubles that are held at a time where the sums are many, as with many columns of x.
HELD = 1 << 22
LARGEST_EXPONENT = 1000  # beyond, a power of two is no float


@dataclass(frozen=True)
class Frame:
    """What has to be known of the samples before they are summed; equal for all parts of a sum.

    Parameters
    ----------
    degree : total degree of the polynomials.
    lows, highs : the range of each column of x; it is mapped onto [-1, 1].
    y_exponent, weight_exponent : powers of two that no abs(y), and no weight, exceeds.
    """

    degree: int
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    y_exponent: int
    weight_exponent: int = 0

    @property
    def columns(self) -> list[Index]:
        """The basis: degrees in each column of x, by total degree, within it in the order of the columns."""
        return indices(len(self.lows), self.degree)

    @property
    def sums(self) -> list[Index]:
        """The products of the basis whose means are the Gram matrix."""
        return indices(len(self.lows), 2 * self.degree)

    def domains(self, window: tuple[float, float] | None) -> list[Domain]:
        """Return the domain of each column."""
        return [domain_of_range(low, high, window) for low, high in zip(self.lows, self.highs, strict=True)]

    def maps(self) -> list[tuple[Fraction, Fraction]]:
        """Return (center, half width) of each column, exactly: u = (x - center) / half width."""
        pairs = [(Fraction(low), Fraction(high)) for low, high in zip(self.lows, self.highs, strict=True)]
        return [((low + high) / 2, (high - low) / 2 or Fraction(1)) for low, high in pairs]


@lru_cache(maxsize=64)
def _indices(width: int, degree: int) -> tuple[Index, ...]:
    return tuple(index for total in range(degree + 1) for index in _of_total(width, total))


def _of_total(width: int, total: int) -> Iterator[Index]:
    """Yield the degrees whose sum is `total`; high ones of the first columns come first."""
    if width == 1:
        yield (total,)
        return
    for first in range(total, -1, -1):
        for rest in _of_total(width - 1, total - first):
            yield (first, *rest)


def indices(width: int, degree: int) -> list[Index]:
    """Return the degrees of all terms up to a total degree, lowest first, then in the order of the columns.

    >>> indices(2, 2)
    [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    return list(_indices(width, degree))


@dataclass(frozen=True)
class Moments:
    """Sums over samples of w T_k(u), w y T_k(u) and w y², each an integer times 2^-93 and the frame's powers of two.

    Parameters
    ----------
    frame : how the samples were scaled.
    count : samples with a weight > 0.
    gram : of each of ``frame.sums``.
    right : of each of ``frame.columns``, with y.
    squares : with y².

    Notes
    -----
    ``Moments(a) + Moments(b)`` is the moments of both, to the last bit.

    Examples
    --------
    >>> frame = Frame(1, (0.0,), (2.0,), 2)
    >>> whole = moments_of(frame, [np.array([0.0, 1.0, 2.0])], np.array([1.0, 2.0, 3.0]))
    >>> first = moments_of(frame, [np.array([0.0])], np.array([1.0]))
    >>> rest = moments_of(frame, [np.array([2.0, 1.0])], np.array([3.0, 2.0]))
    >>> first + rest == whole, whole.count
    (True, 3)
    """

    frame: Frame
    count: int
    gram: tuple[int, ...]
    right: tuple[int, ...]
    squares: int

    def __add__(self, other: Moments) -> Moments:
        return self._combined(other, 1)

    def __sub__(self, other: Moments) -> Moments:
        """Return the moments of the rows that are left where those of `other` are taken away."""
        return self._combined(other, -1)

    def _combined(self, other: Moments, sign: int) -> Moments:
        if self.frame != other.frame:
            raise ValueError("moments of different frames do not add up.")
        return Moments(
            self.frame,
            self.count + sign * other.count,
            tuple(a + sign * b for a, b in zip(self.gram, other.gram, strict=True)),
            tuple(a + sign * b for a, b in zip(self.right, other.right, strict=True)),
            self.squares + sign * other.squares,
        )

    def truncated(self, degree: int) -> Moments:
        """Return the moments for polynomials of a lower degree."""
        frame = replace(self.frame, degree=degree)
        gram = [value for index, value in zip(self.frame.sums, self.gram, strict=True) if sum(index) <= 2 * degree]
        right = [value for index, value in zip(self.frame.columns, self.right, strict=True) if sum(index) <= degree]
        return Moments(frame, self.count, tuple(gram), tuple(right), self.squares)


def exponent_of(largest: float) -> int:
    """Return the least e for which abs(value) <= 2^e holds for all values up to `largest`."""
    mantissa, exponent = math.frexp(largest)
    return exponent - (mantissa == 0.5) if largest else 0


def moments_of(
    frame: Frame, x: Sequence[Array], y: Array, weight: Array | None = None, *, rows: int | None = None
) -> Moments:
    """Return the moments of samples.

    Parameters
    ----------
    frame : must hold them: x inside the ranges, y and weight up to their powers of two.
    x : one array of shape (n,) for each column.
    y, weight : shape (n,).
    rows : of the whole table, where these are a part of it; it decides whether a loop is compiled.

    Notes
    -----
    About 0.1 µs a row at degree 3 and 0.25 at degree 10 in NumPy, a tenth of it where the compiled loop pays. Absolute
    error of a sum: about sqrt(n) 2^-94 times its bound.
    """
    loop = kernel(max(rows or 0, len(y)), frame.degree) if len(x) == 1 else None
    if loop is not None:
        return _compiled(loop, frame, x[0], y, weight)
    terms = len(frame.sums) + len(frame.columns) + 1
    limbs = np.zeros((terms, LIMBS), dtype=object)
    count = 0
    size = max(min(BLOCK, HELD // terms), 1)
    for begin in range(0, len(y), size):
        chosen = slice(begin, begin + size)
        part = None if weight is None else weight[chosen]
        count += len(y[chosen]) if part is None else int(np.count_nonzero(part))
        block = np.empty((terms, LIMBS))
        for place, term in enumerate(_terms(frame, [column[chosen] for column in x], y[chosen], part)):
            block[place] = [float(part.sum()) for part in limbs_of(term)]  # exact, in any order
        limbs += _as_integers(block)
    return assembled(frame, count, limbs)


def _compiled(loop: Any, frame: Frame, x: Array, y: Array, weight: Array | None) -> Moments:
    """Return the moments by the compiled loop."""
    shrink, ends, inverse = map_of(frame.lows[0], frame.highs[0])
    exponents = (shrink, frame.y_exponent, frame.weight_exponent)
    limbs: Any = 0
    for begin in range(0, len(y), MOST):
        rows = slice(begin, begin + MOST)
        part = None if weight is None else weight[rows]
        limbs = limbs + run(loop, x[rows], y[rows], part, exponents, ends, inverse, frame.degree).astype(object)
    return assembled(frame, len(y) if weight is None else int(np.count_nonzero(weight)), limbs)


def assembled(frame: Frame, count: int, limbs: npt.NDArray[Any]) -> Moments:
    """Return moments from the sums of the limbs, integers of shape (terms, LIMBS)."""
    whole = [sum(int(limb) << (LIMB * (LIMBS - 1 - place)) for place, limb in enumerate(row)) for row in limbs]
    first = len(frame.sums)
    return Moments(frame, count, tuple(whole[:first]), tuple(whole[first:-1]), whole[-1])


def _as_integers(block: Array) -> npt.NDArray[Any]:
    units = 2.0 ** (LIMB * np.arange(1, LIMBS + 1))
    return (block * units).astype(np.int64).astype(object)


def _terms(frame: Frame, x: Sequence[Array], y: Array, weight: Array | None) -> list[Pair]:
    """Return each term of the sums, scaled to at most 1, as double-doubles of shape (n,)."""
    values = _products(frame, x, frame.sums, 2 * frame.degree)
    z: Any = np.ldexp(y, -frame.y_exponent)
    right = (z, np.zeros_like(z))
    gram = values
    if weight is not None:
        w: Any = np.ldexp(weight, -frame.weight_exponent)
        gram = [scaled(value, w) for value in values]
        right = two_product(z, w)
    columns = {index: value for index, value in zip(frame.sums, values, strict=True) if sum(index) <= frame.degree}
    with_y = [product(columns[index], right) for index in frame.columns]
    return [*gram, *with_y, scaled(right, z)]


def chebyshev_columns(frame: Frame, x: Sequence[Array]) -> list[Pair]:
    """Return the basis at samples, as double-doubles of shape (n,), in the order of ``frame.columns``."""
    return _products(frame, x, frame.columns, frame.degree)


def _products(frame: Frame, x: Sequence[Array], wanted: Sequence[Index], degree: int) -> list[Pair]:
    chebyshev = [_polynomials(mapped(frame, place, column), degree) for place, column in enumerate(x)]
    cache: dict[Index, Pair] = {}
    return [_product(chebyshev, index, cache) for index in wanted]


def mapped(frame: Frame, place: int, x: Any) -> Pair:
    """Return u, in [-1, 1], of a column of x as double-doubles."""
    shrink, ends, inverse = map_of(frame.lows[place], frame.highs[place])
    x = np.ldexp(x, -shrink)
    high, low = two_sum(x + x, -ends[0])
    return product(fast_two_sum(high, low - ends[1]), inverse)


@lru_cache(maxsize=256)
def map_of(low: float, high: float) -> tuple[int, Pair, Pair]:
    """Return e, (low + high) 2^-e and 2^e / (high - low), so that u = (2 x 2^-e - the second) times the third."""
    shrink = exponent_of(max(abs(low), abs(high)))
    a, b = math.ldexp(low, -shrink), math.ldexp(high, -shrink)
    width = Fraction(b) - Fraction(a)
    return shrink, two_sum(a, b), pair_of(1 / width if width else Fraction(0))


def _polynomials(u: Pair, degree: int) -> list[Pair]:
    """Return T_0(u), …, T_degree(u)."""
    one = (np.ones_like(u[0]), np.zeros_like(u[0]))
    found = [one, u][: degree + 1]
    twice = (2.0 * u[0], 2.0 * u[1])
    while len(found) <= degree:
        found.append(difference(product(twice, found[-1]), found[-2]))
    return found


def _product(chebyshev: Sequence[Sequence[Pair]], index: Index, cache: dict[Index, Pair]) -> Pair:
    """Return the product of the T of each column."""
    if index not in cache:
        last = max((place for place, part in enumerate(index) if part), default=0)
        rest = (*index[:last], 0, *index[last + 1 :])
        own = chebyshev[last][index[last]]
        cache[index] = own if not any(rest) else product(_product(chebyshev, rest, cache), own)
    return cache[index]
