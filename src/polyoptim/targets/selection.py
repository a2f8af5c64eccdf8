"""Selection: some columns of a source, in chunks of doubles, as often as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from polyoptim.errors import ArgumentError, DataError
from polyoptim.targets.chunks import recut
from polyoptim.targets.reader import BATCH, Batch, Plan, Reader, complete
from polyoptim.targets.times import iso


class Selection:
    """Some columns of a source, by role.

    Parameters
    ----------
    what : the source in messages.
    readers : its files, in order.
    plan : what is wanted of them.
    held : the source itself, so that what it has spooled stays while this does.

    Attributes
    ----------
    origins
        Role to ISO 8601 text, for columns of dates and times: the moment from which their seconds are counted. It is
        the midnight (UTC) before the first value, so that seconds are small, and do not depend on the rows that
        follow. Text without a time zone is counted as if it were UTC, and then the origin has no Z.
    dropped
        How many rows the last whole pass has left out.
    """

    def __init__(self, what: str, readers: Sequence[Reader], plan: Plan, held: object) -> None:
        self._what = what
        self._held = held
        self.readers = readers
        self.plan = plan
        self.dropped = 0
        self.origins: Mapping[str, str] = MappingProxyType(
            {wanted.role: iso(wanted.origin, wanted.zone) for wanted in plan.columns if wanted.kind == "moment"}
        )

    def chunks(self, rows: int = BATCH) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Yield the columns by role, `rows` rows at a time; the last chunk has the rest.

        Each pass gives the same chunks, whatever reader made them. They are new C-contiguous float64 arrays of equal
        length; those of the role "by" are int64, or hold str and int objects.

        Raises
        ------
        DataError
            For the first value that cannot be used, with its place; and at the end of a pass, where no row is left.
        """
        if rows < 1:
            raise ArgumentError(f"rows must be >= 1, got {rows}.")
        kept = 0
        for chunk in recut(self._kept(), rows):
            kept += len(next(iter(chunk.values())))
            yield chunk
        self.check_any(kept)

    def texts(self) -> Iterator[dict[str, list[str]]]:
        """Yield the same rows as the text of their cells, for exact arithmetic; moments as decimals of seconds.

        Raises
        ------
        ArgumentError
            Where the source is not CSV.
        """
        for reader in self.readers:
            for texts in reader.texts(self.plan):
                yield dict(texts)

    def bounds(self) -> Mapping[str, tuple[float, float]] | None:
        """Return least and largest value by role where the source knows them without reading rows, else None.

        That is so for Parquet files whose row groups have statistics, and columns of numbers of which no row may be
        dropped.
        """
        found = [reader.bounds(self.plan) for reader in self.readers]
        known = [ends for ends in found if ends is not None]
        if len(known) < len(found):
            return None
        roles = known[0]
        return {role: (min(ends[role][0] for ends in known), max(ends[role][1] for ends in known)) for role in roles}

    def rows(self) -> int | None:
        """Return how many rows there are where the source knows it without reading them; some may be dropped."""
        known = [reader.rows() for reader in self.readers]
        counts = [count for count in known if count is not None]
        return sum(counts) if len(counts) == len(known) else None

    def _kept(self) -> Iterator[Batch]:
        dropped = 0
        for reader in self.readers:
            for batch in reader.batches(self.plan):
                if self.plan.drop:
                    whole = complete(batch)
                    lost = len(whole) - int(whole.sum())
                    dropped += lost
                    yield {role: values[whole] for role, values in batch.items()} if lost else batch
                else:
                    yield batch
        self.dropped = dropped

    def check_any(self, kept: int) -> None:
        """Raise DataError where no row is left of a whole pass."""
        if kept:
            return
        if self.dropped:
            raise DataError(f"{self._what} has a missing value in each of its {self.dropped} rows. Fill some.")
        raise DataError(f"{self._what} has a header but no rows. Give at least one sample.")
