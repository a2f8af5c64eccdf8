"""Arguments that several faces share: numbers as text, degree and powers, domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError
from polyoptim.targets.expression import integer, number

# A matrix of 2000 samples and 1000 columns is 16 MB; beyond that a typing mistake is likelier than a wish.
LARGEST_DEGREE = 1000


def check_powers(degree: Any, powers: Any) -> tuple[int, ...]:
    """Return the powers that may appear, ascending: those given, or 0, …, degree.

    >>> check_powers(2, None), check_powers(None, [3, 1])
    ((0, 1, 2), (1, 3))
    """
    if powers is None:
        return tuple(range(_check_degree(degree, "degree") + 1))
    if isinstance(powers, str) or not isinstance(powers, Iterable):
        raise ArgumentError(f"powers must be a list of integers >= 0 such as [1, 3, 5], got {powers!r}.")
    found = [_check_degree(power, "each of powers") for power in powers]
    if len(set(found)) < len(found):
        raise ArgumentError(f"powers must differ from each other, got {found}. Name each power once.")
    return tuple(sorted(found))


def _check_degree(value: Any, name: str) -> int:
    degree = integer(value, name)
    if degree > LARGEST_DEGREE:
        raise ArgumentError(f"{name} must be at most {LARGEST_DEGREE}, got {degree}.")
    return degree


def resolve_domain(domain: Any, window: tuple[float, float] | None) -> Domain:
    """Return the Domain for a pair of numbers or texts such as ``("-pi", "pi")``."""
    if isinstance(domain, str) or not isinstance(domain, Iterable):
        raise ArgumentError(f"domain must be a pair of numbers a < b, got {domain!r}.")
    ends = list(domain)
    if len(ends) != 2:
        raise ArgumentError(f"domain must be a pair of numbers a < b, got {len(ends)} values.")
    return Domain(number(ends[0], "domain"), number(ends[1], "domain"), window)
