"""Family: polynomials P_0 = 1, P_1, P_2, … defined by a three-term recurrence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.domain import Domain


@dataclass(frozen=True)
class Family:
    """A family of polynomials in u, in the definitions of numpy.polynomial.

    Parameters
    ----------
    name : the word for `basis`.
    symbol : what a member is called in a formula: ``T3(u)``; empty for plain powers.
    window : the interval on which the family is at home.
    mapped : whether the domain is mapped onto the window unless the user says otherwise.
    recurrence : k to (a, b, c) with ``P_{k+1} = (a u + b) P_k - c P_{k-1}`` and ``P_{-1} = 0``. A plain function that
        uses arithmetic only, so that with k a Fraction it is exact, and so that an exported program can hold its text.
    """

    name: str
    symbol: str
    window: tuple[float, float]
    mapped: bool
    recurrence: Callable[[Any], tuple[Any, Any, Any]]

    def columns(self, u: Any, degree: int) -> list[Any]:
        """Return [P_0(u), …, P_degree(u)] for an array or tensor u of floats; each has the shape of u."""
        before, last = u * 0, u * 0 + 1
        found = [last]
        for k in range(degree):
            a, b, c = self.recurrence(k)
            before, last = last, (a * u + b) * last - c * before
            found.append(last)
        return found

    def evaluate(self, coef: Sequence[float] | npt.NDArray[np.float64], u: npt.ArrayLike) -> Any:
        """Return the sum of ``coef[k] P_k(u)`` in float64 by Clenshaw's recurrence.

        Clenshaw (1955), A note on the summation of Chebyshev series, Math. Comp. 9, 118-120, for any three-term
        recurrence. For powers it is Horner's rule.
        """
        points = np.asarray(u, dtype=np.float64)
        last, before = np.zeros_like(points), np.zeros_like(points)
        for k in reversed(range(len(coef))):
            a, b, _ = self.recurrence(k)
            c = self.recurrence(k + 1)[2]
            last, before = coef[k] + (a * points + b) * last - c * before, last
        return last

    def to_power(self, coef: Sequence[float] | npt.NDArray[np.float64], domain: Domain) -> list[Fraction]:
        """Return the exact coefficients in powers of x, lowest first, of the polynomial in ``u = domain.map(x)``.

        Rational arithmetic throughout: no digit is lost, however far the domain is from zero.
        """
        total = [Fraction(0)] * len(coef)
        for value, terms in zip(coef, self.powers(len(coef) - 1, domain), strict=True):
            for power, term in enumerate(terms):
                total[power] += Fraction(float(value)) * term
        return total

    def powers(self, degree: int, domain: Domain) -> list[list[Fraction]]:
        """Return for each of P_0(u), …, P_degree(u), ``u = domain.map(x)``, its exact coefficients in powers of x."""
        scale, center, offset = Fraction(domain.scale), Fraction(domain.center), Fraction(domain.offset)
        u = [offset - center * scale, scale] if domain.window else [Fraction(0), Fraction(1)]
        before: list[Fraction] = []
        last = [Fraction(1)]
        found = [last]
        for k in range(degree):
            a, b, c = (Fraction(part) for part in self.recurrence(Fraction(k)))
            following = [Fraction(0)] * (k + 2)
            for power, term in enumerate(last):
                following[power] += (a * u[0] + b) * term
                following[power + 1] += a * u[1] * term
            for power, term in enumerate(before):
                following[power] -= c * term
            before, last = last, following
            found.append(last)
        return found
