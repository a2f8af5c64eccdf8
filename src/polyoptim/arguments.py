"""Arguments that verbs share: numbers as text, degree and powers, domain, options; all that is wrong said at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError, DataError
from polyoptim.targets.expression import integer, number

# A matrix of 2000 samples and 500 columns is 8 MB; beyond that a typing mistake is likelier than a wish.
LARGEST_DEGREE = 500
MOST_SAMPLES = 10**8
SMALLEST_SEED, LARGEST_SEED = -(2**63), 2**64 - 1  # what torch.manual_seed takes


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
    if not found:
        raise ArgumentError("powers must name at least one power such as [1, 3], got none.")
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


def check_columns(family: Any, domain: Any) -> None:
    """Raise ArgumentError for a family (None: it is wrong already) and a domain that several columns of x do not take.

    >>> from polyoptim.bases import FAMILIES
    >>> check_columns(FAMILIES["legendre"], None)
    Traceback (most recent call last):
    polyoptim.errors.ArgumentError: basis must be 'chebyshev' or 'power' with several columns of x, got 'legendre'.
    """
    wrong = []
    if family is not None and family.name not in ("chebyshev", "power"):
        wrong.append(f"basis must be 'chebyshev' or 'power' with several columns of x, got {family.name!r}.")
    if domain is not None:
        wrong.append("domain cannot be given with several columns of x; each is mapped from its own range.")
    if wrong:
        raise ArgumentError("\n".join(wrong))


class Arguments:
    """Collects the sentences of all wrong arguments, so that the user sees them at once."""

    def __init__(self) -> None:
        self.wrong: list[ArgumentError | DataError] = []

    def __call__(self, checked: Callable[[], Any]) -> Any:
        """Return what `checked` returns, or None where it raised; its sentence is kept."""
        try:
            return checked()
        except (ArgumentError, DataError) as error:
            self.wrong.append(error)
            return None

    def done(self) -> None:
        """Raise what was collected."""
        if len(self.wrong) == 1:
            raise self.wrong[0]
        if self.wrong:
            raise ArgumentError("\n".join(str(error) for error in self.wrong))


def read_count(value: Any) -> int:
    """Return how many points of a function are sampled."""
    count = integer(value, "samples", minimum=1)
    if count > MOST_SAMPLES:
        raise ArgumentError(f"samples must be at most {MOST_SAMPLES}, got {count}.")
    return count


def read_size(value: Any, name: str) -> float:
    """Return a finite number >= 0."""
    found = number(value, name)
    if found < 0:
        raise ArgumentError(f"{name} must be a number >= 0, got {found!r}.")
    return found


def read_seed(seed: Any) -> int:
    """Return the seed of a generator of torch; None draws one."""
    if seed is None:
        return random.SystemRandom().getrandbits(32)
    found = integer(seed, "seed", minimum=SMALLEST_SEED)
    if found > LARGEST_SEED:
        raise ArgumentError(f"seed must be below 2**64, got {found}.")
    return found


def read_options(options: Any, name: str, texts: Collection[str] = ()) -> dict[str, Any]:
    """Return a mapping of names to values; a text that stands for a number becomes it, but for the names in `texts`."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ArgumentError(f"{name} must map names to values, got {options!r}.")
    return {key: value if key in texts else _number_or_same(value) for key, value in options.items()}


def _number_or_same(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and all(isinstance(part, (str, int, float)) for part in value):
        return type(value)(map(_number_or_same, value))
    if not isinstance(value, str):
        return value
    try:
        return number(value)
    except ArgumentError:
        return value
