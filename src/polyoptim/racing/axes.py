"""What a sweep goes over: axes of numbers, or of words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyoptim.arguments import read_seed
from polyoptim.errors import ArgumentError
from polyoptim.optim.rule import Rule
from polyoptim.registry import unknown
from polyoptim.targets.expression import integer, number

# Words of the problem, rather than of the optimizer.
OF_PROBLEM = ("basis", "degree")
WHOLE = ("degree", "seed")
MOST_VALUES = 1_000_000


@dataclass(frozen=True)
class Axis:
    """One thing that differs between the runs of a sweep.

    Parameters
    ----------
    name : the word: an option of the optimizer, one of its parts (beta1), or basis, degree, seed.
    values : what it takes, in order.
    log : whether they are evenly spaced on a log scale.
    """

    name: str
    values: tuple[Any, ...]
    log: bool = False

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return not any(isinstance(value, (str, bool)) for value in self.values)


def read_axes(over: Any, rule: Rule) -> list[Axis]:
    """Return the axes of ``over={"lr": (1e-6, 1, 61, "log"), "basis": ["power", "legendre"]}``.

    A tuple (first, last, count) or (first, last, count, "log") is a range; a list or an array holds the values.

    Raises
    ------
    ArgumentError
        For no axis or more than two, an unknown name, a range or a value that is none.
    """
    if not isinstance(over, Mapping) or not 1 <= len(over) <= 2:
        raise ArgumentError(
            f'over must map one or two names to their values, such as {{"lr": (1e-6, 1, 61, "log")}}, got {over!r}.'
        )
    return [_read(str(name), values, rule) for name, values in over.items()]


def read_range(name: str, values: Sequence[Any]) -> tuple[tuple[Any, ...], bool]:
    """Return the values of a range (first, last, count) or (first, last, count, "log"), and whether it is log."""
    log = len(values) == 4 and str(values[3]).casefold() == "log"
    if not (len(values) == 3 or log):
        raise ArgumentError(
            f'the range of {name} must be (first, last, count) or (first, last, count, "log"), got {values!r}.'
        )
    first, last = number(values[0], name), number(values[1], name)
    count = integer(values[2], f"the count of {name}", minimum=1)
    if count > MOST_VALUES:
        raise ArgumentError(f"the count of {name} must be at most {MOST_VALUES}, got {count}.")
    if log and not (first > 0 and last > 0):
        raise ArgumentError(f"a log range of {name} must be of numbers > 0, got {first!r} and {last!r}.")
    found = np.geomspace(first, last, count) if log else np.linspace(first, last, count)
    return tuple(found.tolist()), log


def _read(name: str, values: Any, rule: Rule) -> Axis:
    parts = [part for pair in rule.parts.values() for part in pair]
    known = [*rule.options, *parts, *OF_PROBLEM, "seed"]
    if name not in known:
        raise unknown(f"name to sweep over with {rule.name}", name, known)
    log = False
    if isinstance(values, tuple) and 3 <= len(values) <= 4 and not all(isinstance(value, str) for value in values):
        found, log = read_range(name, values)
    elif isinstance(values, str) or not isinstance(values, Iterable):
        raise ArgumentError(f"the values of {name} must be a range (first, last, count) or a list, got {values!r}.")
    else:
        found = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    if not found:
        raise ArgumentError(f"the values of {name} are none. Give at least one.")
    if name in WHOLE:
        found = tuple(_whole(name, value) for value in found)
    elif not isinstance(rule.options.get(name), (bool, str)) and name not in OF_PROBLEM:
        found = tuple(_number(name, value) for value in found)
    if len(set(found)) < len(found):
        raise ArgumentError(f"the values of {name} must differ from each other; {_twice(found)!r} is there twice.")
    return Axis(name, found, log)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return read_seed(value) if name == "seed" else integer(value, name)


def _number(name: str, value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value if value is None else number(value, name)
    found = float(value)
    if math.isnan(found):
        raise ArgumentError(f"{name} must be a number, got {value!r}.")
    return found


def _twice(values: Sequence[Any]) -> Any:
    return next(value for place, value in enumerate(values) if value in values[:place])
