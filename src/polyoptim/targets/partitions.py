"""Partitions: a table in parts, wherever they lie, which is reduced to sums of what a function says of each part."""

from __future__ import annotations

import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from polyoptim.errors import DataError
from polyoptim.targets.chunks import together

Array = npt.NDArray[np.float64]
T = TypeVar("T")

# Rows that are reduced at a time, by one thread.
CHUNK = 1 << 17
MANY = 1 << 18  # rows from which threads pay


@dataclass(frozen=True)
class Part:
    """Some rows: x, one array of shape (n,) for each column; y and weight of shape (n,).

    `first` is the place of the first of them in the table.
    """

    x: Sequence[Array]
    y: Array
    weight: Array | None = None
    first: int = 0

    def rows(self, chosen: Any) -> Part:
        """Return some of the rows."""
        weight = None if self.weight is None else self.weight[chosen]
        return Part([column[chosen] for column in self.x], self.y[chosen], weight, self.first)

    def counted(self) -> Part:
        """Return the rows with a weight > 0."""
        return self if self.weight is None or self.weight.all() else self.rows(self.weight > 0)


def pieces(part: Part, size: int = CHUNK) -> Iterator[Part]:
    """Yield the rows in pieces of a size."""
    for begin in range(0, len(part.y), size):
        if len(part.y) <= size:
            yield part
        else:
            piece = part.rows(slice(begin, begin + size))
            yield Part(piece.x, piece.y, piece.weight, part.first + begin)


@dataclass(frozen=True)
class Gathered:
    """Rows that are brought together; ``+`` puts them one behind the other."""

    parts: tuple[Part, ...]

    def __add__(self, other: Gathered) -> Gathered:
        return Gathered(self.parts + other.parts)

    def joined(self) -> Part:
        """Return the rows as one part."""
        return joined(self.parts)


def joined(parts: Sequence[Part]) -> Part:
    """Return the rows of parts, of which all or none have weights, as one."""
    weights = [part.weight for part in parts if part.weight is not None]
    x = [together([part.x[place] for part in parts]) for place in range(len(parts[0].x))]
    y = together([part.y for part in parts])
    return Part(x, y, together(weights) if weights else None, parts[0].first)


class Partitions(ABC):
    """A table in partitions.

    A function of a part that is summed has to have the law ``f(a) + f(b) = f(a and b)``; the sum may depend on the
    order, which is that of the rows. Where partitions lie in other processes, function and sum travel, and no rows.
    """

    @abstractmethod
    def arrivals(self, function: Callable[[Part], T]) -> Iterator[tuple[int, T | None]]:
        """Yield the place of each partition and its sum, None where it has no rows, in whatever order they come."""

    def total(self, function: Callable[[Part], T]) -> T:
        """Return the sum of a function over all parts; each partition counts once, however often it arrives.

        Raises
        ------
        DataError
            Where there are no rows.
        """
        counted = (value for value in once(self.arrivals(function)) if value is not None)
        first = next(counted, None)
        if first is None:
            raise DataError("the data hold no rows. Give at least one sample.")
        return reduce(operator.add, counted, first)

    def through(self, change: Callable[[Part], Part]) -> Partitions:
        """Return the table whose parts are changed before they are reduced."""
        return Changed(self, change)


@dataclass(frozen=True)
class Changed(Partitions):
    """A table whose parts are changed before they are reduced."""

    table: Partitions
    change: Callable[[Part], Part]

    def arrivals(self, function: Callable[[Part], T]) -> Iterator[tuple[int, T | None]]:
        """Yield what the table yields for the changed parts."""
        return self.table.arrivals(partial(_composed, function, self.change))


def _composed(function: Callable[[Part], T], change: Callable[[Part], Part], part: Part) -> T:
    return function(change(part))


@dataclass(frozen=True)
class Local(Partitions):
    """Rows that this process reads, a few pieces at a time.

    Parameters
    ----------
    parts : yields all rows, in parts; called for each pass.
    threads : of so many pieces at a time.
    """

    parts: Callable[[], Iterable[Part]]
    threads: int = 1

    def arrivals(self, function: Callable[[Part], T]) -> Iterator[tuple[int, T | None]]:
        """Yield what the function says of each piece; small tables are left to one thread."""
        chunks = self._pieces()
        first: list[Part] = []
        rows = 0
        while rows < MANY and (piece := next(chunks, None)) is not None:
            first.append(piece)
            rows += len(piece.y)
        if self.threads == 1 or rows < MANY:
            yield from enumerate(map(function, itertools.chain(first, chunks)))
        else:
            yield from enumerate(self._threaded(function, first, chunks))

    def _threaded(self, function: Callable[[Part], T], first: list[Part], rest: Iterator[Part]) -> Iterator[T]:
        with ThreadPoolExecutor(self.threads) as pool:
            waiting: list[Future[T]] = [pool.submit(function, piece) for piece in first]
            del first[:]
            for piece in rest:
                waiting.append(pool.submit(function, piece))
                if len(waiting) > 2 * self.threads:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()

    def _pieces(self) -> Iterator[Part]:
        first = 0
        for part in self.parts():
            yield from pieces(Part(part.x, part.y, part.weight, first))
            first += len(part.y)


def once(arrivals: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Yield what arrives in the order of its places; what arrives again is passed over.

    >>> list(once([(1, "b"), (0, "a"), (1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    early: dict[int, T] = {}
    following = 0
    for place, value in arrivals:
        if place >= following:
            early.setdefault(place, value)
        while following in early:
            yield early.pop(following)
            following += 1
    if early:
        raise RuntimeError(f"partition {following} never arrived, but {min(early)} did.")
