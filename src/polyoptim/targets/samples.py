"""Samples: the points of a problem, exactly as an engine sees them, and the checks they pass."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.domain import Domain
from polyoptim.errors import DataError
from polyoptim.registry import Registry
from polyoptim.targets.reals import as_array, reals

# Sampling a function wants the arithmetic of the engine that will train on it (torch's sin is not NumPy's).
SAMPLERS = Registry(
    "sampler", {"torch": "polyoptim.targets.torch_sampling", "numpy": "polyoptim.targets.numpy_sampling"}
)

LARGEST_KEPT = 100_000  # samples that a result keeps


@dataclass(frozen=True)
class Samples:
    """x, y and weight, each of shape (n,), held as float64; with p columns of x that of shape (n, p).

    The values are those of the engine's dtype (float32, say), which float64 holds exactly, so that an optimum solved
    in float64 is the optimum of what the engine was given.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64] | None = None

    @property
    def width(self) -> int:
        """How many columns x has."""
        return 1 if self.x.ndim == 1 else self.x.shape[1]

    def __len__(self) -> int:
        return len(self.x)

    def thinned(self, most: int) -> Samples:
        """Return at most so many of the samples, evenly spread over x."""
        if len(self) <= most:
            return self
        if len(self) > 2 * most:  # to sort them all would take longer than to fit them
            stride = -(-len(self) // (2 * most))
            weight = None if self.weight is None else self.weight[::stride]
            return Samples(self.x[::stride], self.y[::stride], weight).thinned(most)
        order = np.argsort(self.x, kind="stable")
        places = np.sort(order[np.linspace(0, len(order) - 1, most).astype(np.int64)])
        weight = None if self.weight is None else self.weight[places]
        return Samples(self.x[places], self.y[places], weight)

    def interval(self) -> Domain:
        """Return the range of x."""
        low, high = float(self.x.min()), float(self.x.max())
        if low == high:
            raise DataError(f"all values of x are {low!r}, which gives no interval. Give a domain, or more samples.")
        return Domain(low, high)


def column(values: Any, name: str, first: int = 0, *, share: bool = False) -> npt.NDArray[np.float64]:
    """Return `values` as a float64 array of shape (n,).

    Takes lists, NumPy arrays, torch tensors, pandas, polars and pyarrow columns, and whatever else has ``__array__``.
    `first` is the place of the first value in messages. With `share` it may be the caller's own memory, read only.

    Raises
    ------
    DataError
        Where it is not one-dimensional, empty, not real numbers, or not finite; names the first bad place.
    """
    array = as_array(values, name)
    if len(array) == 0:
        raise DataError(f"{name} is empty. Give at least one sample.")
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.getmaskarray(array).any():
            place = int(np.argmax(np.ma.getmaskarray(array)))
            raise DataError(f"{name}[{first + place}] is masked. Drop the masked rows first.")
        array = array.data
    array = reals(array, name, lambda place: f"{name}[{first + place}]", share=share)
    bad = ~np.isfinite(array)
    if bad.any():
        place = int(np.argmax(bad))
        raise DataError(
            f"{name}[{first + place}] is {array[place]}, not a finite number. Drop or repair rows with NaN or inf."
        )
    return np.ascontiguousarray(array)


def columns_of(x: Any) -> dict[str, Any]:
    """Return the columns of x by their names in messages: "x", or "x1", "x2", … of values of shape (n, p).

    Raises
    ------
    DataError
        For no columns.
    """
    nested = isinstance(x, (list, tuple)) and len(x) > 0 and isinstance(x[0], (list, tuple))
    whole = np.asarray(x) if nested else x
    if getattr(whole, "ndim", 1) != 2:
        return {"x": x}
    width = whole.shape[1]
    if width == 0:
        raise DataError(
            f"x has 0 feature(s) (shape={tuple(whole.shape)}) while a minimum of 1 is required. Give a column."
        )
    return {"x" if width == 1 else f"x{place + 1}": whole[:, place] for place in range(width)}


def check_lengths(**columns: Sized | None) -> None:
    """Raise DataError unless all columns that are given have the same length."""
    lengths = {name: len(values) for name, values in columns.items() if values is not None}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"the columns must have the same length, but {said}.")


def check_weight(weight: npt.NDArray[np.float64] | None) -> None:
    """Raise DataError for a negative weight, and where all are zero."""
    if weight is None:
        return
    if (weight < 0).any():
        place = int(np.argmax(weight < 0))
        raise DataError(f"weight[{place}] is {weight[place]}, but a weight must be >= 0.")
    if not weight.any():
        raise DataError("all weights are zero, so nothing would be fitted. Give at least one weight > 0.")


def check_finite(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], target: str) -> None:
    """Raise DataError naming the first x at which the target is not finite."""
    bad = ~np.isfinite(y)
    if bad.any():
        place = int(np.argmax(bad))
        value = {True: "not a number"}.get(bool(np.isnan(y[place])), "infinite")
        raise DataError(
            f"{target} is {value} at x = {float(x[place])!r}. "
            "Choose a domain on which it is finite everywhere, or another target."
        )
