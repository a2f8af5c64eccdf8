"""What a sweep goes over: axes of numbers, or of words, and the numbers of a rule at each of their places."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.arguments import check_powers, read_seed
from polyoptim.bases import FAMILIES
from polyoptim.errors import ArgumentError, UnknownNameError
from polyoptim.optim.rule import Rule
from polyoptim.registry import unknown
from polyoptim.targets.expression import integer, number

# Words of the problem, and of the start, rather than of the optimizer.
OF_PROBLEM = ("basis", "degree")
OF_RUN = (*OF_PROBLEM, "seed")
MOST_VALUES = 1_000_000
# So many places are read one by one; of more, the values of each axis are.
MOST_READ = 1_000
# Of an axis with more values than these, a few are read where the others follow from them.
FEW = 64


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
    axes = [_read(str(name), values, rule) for name, values in over.items()]
    for pair, parts in rule.parts.items():
        if pair in over:
            raise ArgumentError(f"{pair} is a pair of numbers. Sweep over {' or '.join(parts)}.")
    return axes


def read_range(name: str, values: Sequence[Any]) -> tuple[tuple[Any, ...], bool]:
    """Return the values of a range (first, last, count) or (first, last, count, "log"), and whether it is log."""
    log = len(values) == 4 and str(values[3]).casefold() == "log"
    if not (len(values) == 3 or log):
        raise ArgumentError(
            f'the range of {name} must be (first, last, count) or (first, last, count, "log"), got {values!r}. '
            "For single values give a list."
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
    known = [*(option for option in rule.options if option not in rule.parts), *parts, *OF_RUN]
    if name not in known and name not in rule.parts:
        raise unknown(f"name to sweep over with {rule.name}", name, known)
    words = name == "basis" or name in rule.choices or isinstance(rule.options.get(name), bool)
    log = False
    found: tuple[Any, ...]
    if isinstance(values, tuple) and not words:
        found, log = read_range(name, values)
    elif isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise ArgumentError(f"the values of {name} must be a range (first, last, count) or a list, got {values!r}.")
    else:
        found = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    if not found:
        raise ArgumentError(f"the values of {name} are none. Give at least one.")
    if len(found) > MOST_VALUES:
        raise ArgumentError(f"the values of {name} must be at most {MOST_VALUES}, got {len(found)}.")
    if name not in rule.parts:
        found = tuple(_value(name, value, rule) for value in found)
        if len(set(found)) < len(found):
            raise ArgumentError(f"the values of {name} must differ from each other; {_twice(found)!r} is there twice.")
    return Axis(name, found, log or _is_geometric(found))


def _is_geometric(values: Sequence[Any]) -> bool:
    """Tell whether values of a list are as those of a log range."""
    if len(values) < 3 or not all(isinstance(value, (int, float)) and value > 0 for value in values):
        return False
    steps = np.diff(np.log(np.array(values, dtype=np.float64)))
    return bool(np.ptp(steps) <= 1e-9 * abs(steps[0]))


def _value(name: str, value: Any, rule: Rule) -> Any:
    default = rule.options.get(name)
    if name == "basis":
        return FAMILIES[value].name
    if name == "degree":
        return check_powers(value, None)[-1]
    if name == "seed":
        return read_seed(integer(value, "seed", minimum=-(2**63)))
    if name in rule.choices:
        if not (value is None or isinstance(value, str)):
            raise ArgumentError(f"{name} must be {' or '.join(map(repr, rule.choices[name]))}, got {value!r}.")
        return value
    if isinstance(default, bool):
        if not isinstance(value, int):
            raise ArgumentError(f"{name} must be True or False, got {value!r}.")
        return bool(value)
    if value is None:
        return None
    found = number(value, name)
    # A rule may want an integer, which a range cannot give.
    return int(found) if found.is_integer() and isinstance(default, int) else found


def _twice(values: Sequence[Any]) -> Any:
    seen = set()
    return next(value for value in values if value in seen or seen.add(value))  # type: ignore[func-returns-value]


class Settings:
    """The numbers and the flags of a rule at each place of some axes of its options.

    Parameters
    ----------
    rule, options : the rule, and what is given beside the axes; an axis goes before an option of its name.
    axes : of options, or parts of them; none, one or two.

    Raises
    ------
    ArgumentError
        For a value that the rule refuses, also where it does so for two values together. Of more than 1000 places
        those at the ends of an axis, and at its zero, are tried.
    """

    def __init__(self, rule: Rule, options: Mapping[str, Any], axes: Sequence[Axis]) -> None:
        self._rule, self._options, self._axes = rule, options, axes
        self._shape = tuple(len(axis.values) for axis in axes)
        self._first = self._at((0,) * len(axes))
        self._alone = [self._along(place) for place in range(len(axes))]
        moved = [(rows != self._first).any(axis=0) for rows in self._alone]
        together = len(moved) == 2 and bool((moved[0] & moved[1]).any())  # one number follows from both
        self._moved = moved
        self._each: npt.NDArray[np.float64] | None = None
        if together or math.prod(self._shape) <= MOST_READ:
            places = itertools.product(*map(range, self._shape))
            self._each = np.array([self._at(place) for place in places]).reshape(*self._shape, -1)
        else:
            corners = [_corners(axis.values) for axis in axes]
            for place in range(len(axes)):
                for other in itertools.product(*(corners[k] if k != place else [0] for k in range(len(axes)))):
                    self._along(place, other)

    def at(
        self, places: Sequence[npt.NDArray[np.int64]], count: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return the numbers, shape (count, numbers), and the flags, (count, flags), at these places of the axes."""
        if self._each is not None:
            rows = np.broadcast_to(self._each[tuple(places)], (count, len(self._first)))
        else:
            rows = np.tile(self._first, (count, 1))
            for alone, moved, place in zip(self._alone, self._moved, places, strict=True):
                rows[:, moved] = alone[place][:, moved]
        numbers = len(self._rule.hyper)
        return rows[:, :numbers], rows[:, numbers:] != 0

    def _along(self, place: int, others: Sequence[int] | None = None) -> npt.NDArray[np.float64]:
        """Return the row of each value of an axis, the other axis at its first place or at that of `others`."""
        at = tuple(others or (0,) * len(self._axes))
        before, after = at[:place], at[place + 1 :]

        def rows(indices: Iterable[int]) -> npt.NDArray[np.float64]:
            return np.array([self._at((*before, index, *after)) for index in indices])

        values = self._axes[place].values
        if len(values) > FEW and all(type(value) in (int, float) for value in values):
            tried = sorted({*_corners(values), len(values) // 2})
            found = _filled(np.array(values, dtype=np.float64), tried, rows(tried), len(self._rule.hyper))
            if found is not None:
                return found
        return rows(range(len(values)))

    def _at(self, place: Sequence[int]) -> tuple[float, ...]:
        """Return the numbers and flags at one place."""
        options, here = dict(self._options), {}
        for axis, index in zip(self._axes, place, strict=True):
            here[axis.name] = axis.values[index]
            pair = next((pair for pair, parts in self._rule.parts.items() if axis.name in parts), None)
            if pair is None:
                options[axis.name] = axis.values[index]
            else:
                both = options.get(pair, self._rule.options[pair])
                if not (isinstance(both, (tuple, list)) and len(both) == 2):
                    raise ArgumentError(f"{pair} must be a pair of numbers, got {both!r}.")
                chosen = self._rule.parts[pair].index(axis.name)
                options[pair] = tuple(axis.values[index] if k == chosen else value for k, value in enumerate(both))
        try:
            numbers, flags = self._rule.read(options)
        except UnknownNameError:
            raise
        except ArgumentError as error:
            text = str(error)
            unsaid = [f"{name}={value!r}" for name, value in here.items() if name in text and "got" not in text]
            raise ArgumentError(f"{text} Leave out {' with '.join(unsaid)}." if unsaid else text) from None
        return (*numbers, *map(float, flags.values()))


def _filled(
    values: npt.NDArray[np.float64], tried: Sequence[int], rows: npt.NDArray[np.float64], numbers: int
) -> npt.NDArray[np.float64] | None:
    """Return the row of each value where one number of the rule is that value and nothing else moves; else None.

    Parameters
    ----------
    values : of the axis.
    tried, rows : places of some of them, and the rows that were read there: `numbers` numbers, then the flags.
    """
    moved = np.flatnonzero((rows != rows[0]).any(axis=0))
    own = [place for place in moved if place < numbers]
    if len(own) != 1 or (rows[:, own[0]] != values[list(tried)]).any():
        return None
    zero = values[list(tried)] == 0
    flags = rows[~zero, numbers:]
    if not len(flags) or (flags != flags[0]).any():
        return None
    found = np.tile(rows[~zero][0], (len(values), 1))
    found[values == 0] = rows[zero][0] if zero.any() else found[0]
    found[:, own[0]] = values
    return found


def _corners(values: Sequence[Any]) -> list[int]:
    """Return the places of the first and the last value, of the least and the greatest, and of zero; of all of few."""
    if len(values) <= 4 or any(value is None or isinstance(value, str) for value in values):
        return list(range(len(values)))
    found = {0, len(values) - 1, values.index(min(values)), values.index(max(values))}
    return sorted(found | ({values.index(0)} if 0 in values else set()))
