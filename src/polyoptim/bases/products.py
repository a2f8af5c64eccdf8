"""Products of polynomials of one family, a factor for each column of x: a basis in several columns."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from polyoptim.bases.family import Family
from polyoptim.domain import Domain

Array = npt.NDArray[np.float64]
Term = tuple[int, ...]  # the degree in each column of x


def columns(family: Family, domains: Sequence[Domain], terms: Sequence[Term], x: Array) -> Array:
    """Return the products at points in float64.

    Parameters
    ----------
    domains : of each column of x.
    terms : the degrees of each product.
    x : shape (…, p), to (…, terms).
    """
    highest = [max(powers) for powers in zip(*terms, strict=True)]
    parts = [
        family.columns(domain.map(x[..., place]), degree)
        for place, (domain, degree) in enumerate(zip(domains, highest, strict=True))
    ]
    found = np.ones((*x.shape[:-1], len(terms)))
    for place, term in enumerate(terms):
        for column, power in zip(parts, term, strict=True):
            if power:
                found[..., place] *= column[power]
    return found


def to_power(
    family: Family, domains: Sequence[Domain], terms: Sequence[Term], coef: Sequence[float] | Array
) -> list[float]:
    """Return the coefficients of the same terms in powers of x, each computed exactly and rounded once.

    With each term all terms of lower powers have to be among `terms`, as with a total degree.
    """
    highest = [max(powers) for powers in zip(*terms, strict=True)]
    tables = [
        [_sparse(values) for values in family.powers(degree, domain)]
        for domain, degree in zip(domains, highest, strict=True)
    ]
    found: dict[Term, Fraction] = dict.fromkeys(terms, Fraction(0))
    for term, value in zip(terms, coef, strict=True):
        for factors in product(*(table[power] for table, power in zip(tables, term, strict=True))):
            found[tuple(power for power, _ in factors)] += Fraction(float(value)) * prod(
                (factor for _, factor in factors if factor != 1), start=Fraction(1)
            )
    return [_rounded(found[term]) for term in terms]


def _sparse(values: Sequence[Fraction]) -> list[tuple[int, Fraction]]:
    return [(power, value) for power, value in enumerate(values) if value]


def _rounded(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
