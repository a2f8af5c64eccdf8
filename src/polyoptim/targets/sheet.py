"""Sheet: the columns that a fit reads, wherever they stand, as parts of x, y and weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError, DataError
from polyoptim.targets.samples import Samples, check_lengths, check_weight, column
from polyoptim.targets.table import is_file, is_table, read

Array = npt.NDArray[np.float64]


class Sheet:
    """x, y and weight of a fit.

    Attributes
    ----------
    names : role ("x", "y", "weight", "sigma") to the names of its columns.
    about : what a result says of it.
    count : rows.
    notes : sentences for the user.
    """

    def __init__(self, names: Mapping[str, list[str]], columns: Mapping[str, list[Array]], about: Mapping[str, Any]):
        self.names, self._columns, self.about = names, columns, about
        self.count = len(columns["y"][0])
        self.notes: list[str] = []

    def parts(self) -> Iterable[tuple[list[Array], Array, Array | None]]:
        """Yield x, y and weight of the rows."""
        yield self._columns["x"], self._columns["y"][0], self._weight()

    def samples(self, most: int) -> Samples | None:
        """Return some of the rows, where x has one column."""
        if len(self._columns["x"]) > 1:
            return None
        return Samples(self._columns["x"][0], self._columns["y"][0], self._weight()).thinned(most)

    def _weight(self) -> Array | None:
        if "weight" in self._columns:
            return self._columns["weight"][0]
        if "sigma" in self._columns:
            return 1.0 / np.square(self._columns["sigma"][0])
        return None

    def rationals(self) -> tuple[list[list[Fraction]], list[Fraction], list[Fraction] | None]:
        """Return x, y and weight as rational numbers."""
        x = [[Fraction(value) for value in part.tolist()] for part in self._columns["x"]]
        y = [Fraction(value) for value in self._columns["y"][0].tolist()]
        weight = None
        if "weight" in self._columns:
            weight = [Fraction(value) for value in self._columns["weight"][0].tolist()]
        if "sigma" in self._columns:
            weight = [1 / Fraction(value) ** 2 for value in self._columns["sigma"][0].tolist()]
        return x, y, weight


def open_sheet(data: Any, y: Any, x: Any, weight: Any, sigma: Any, missing: str) -> Sheet:
    """Return the columns of a fit."""
    del missing
    if weight is not None and sigma is not None:
        raise ArgumentError("weight and sigma cannot both be given: weight is 1/sigma². Give one of them.")
    if is_file(data) or is_table(data):
        wanted = {"x": x, "y": y, "weight": weight, "sigma": sigma}
        found = {role: values for role, values in read(data, wanted).items() if values is not None}
        names = {role: [str(wanted[role])] for role in found}
        about = {"kind": "table", "text": str(data) if is_file(data) else "a table", "x": str(x), "y": str(y)}
        columns = {role: [values] for role, values in found.items()}
    else:
        columns = {"x": _columns_of(data), "y": [column(y, "y")]}
        for role, values in (("weight", weight), ("sigma", sigma)):
            if values is not None:
                columns[role] = [column(values, role)]
        names = {role: [role] for role in columns}
        about = {"kind": "arrays", "text": "arrays"}
    check_lengths(**{role: values[0] for role, values in columns.items()})
    if "weight" in columns:
        check_weight(columns["weight"][0])
    if "sigma" in columns:
        bad = ~(columns["sigma"][0] > 0)
        if bad.any():
            place = int(np.argmax(bad))
            raise DataError(f"sigma[{place}] is {columns['sigma'][0][place]}, but a standard deviation must be > 0.")
    return Sheet(names, columns, about)


def _columns_of(data: Any) -> list[Array]:
    array = np.asarray(data) if isinstance(data, np.ndarray) else data
    if isinstance(array, np.ndarray) and array.ndim == 2:
        return [column(array[:, place], f"x[:, {place}]") for place in range(array.shape[1])]
    return [column(data, "x")]
