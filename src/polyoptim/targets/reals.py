"""Real numbers: arrays of any library as float64, each value right or one clear error."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import CellTypeError, DataError

LARGEST_EXACT_INTEGER = 2**53

KINDS = {"c": "complex numbers", "b": "truth values", "U": "text", "S": "text", "M": "dates", "m": "durations"}


def as_array(values: Any, name: str) -> npt.NDArray[Any]:
    """Return `values` as a NumPy array of shape (n,), masked where they are.

    Takes lists, NumPy arrays, torch tensors, and whatever else has ``__array__``.

    Raises
    ------
    DataError
        Where there is no such array, or it has another number of dimensions.
    """
    if hasattr(values, "detach"):  # a torch tensor; NumPy refuses those that need a gradient or live on a GPU
        try:
            values = values.detach().cpu()
            values = (values.double() if values.is_floating_point() else values).numpy()
        except (TypeError, RuntimeError) as error:  # sparse, quantized, …
            raise DataError(f"{name} is a tensor that cannot be read: {error}. Pass a dense one.") from None
    try:
        array = np.ma.asarray(values) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name} is not a list of numbers: {error}. Give one number for each sample.") from None
    if array.ndim != 1:
        raise DataError(f"{name} must have one dimension, got shape {array.shape}. Pass one column.")
    return array


def reals(
    array: npt.NDArray[Any], name: str, at: Callable[[int], str], *, share: bool = False
) -> npt.NDArray[np.float64]:
    """Return an array of shape (n,) as float64; NaN and the infinities pass.

    Parameters
    ----------
    array : of any dtype.
    name : what the array is called in messages.
    at : gives the name of a place in messages, from its index.
    share : whether it may be the same memory, read only, where it is float64 already.

    Raises
    ------
    DataError
        For what is not a real number, and for an integer beyond 2**53 that float64 would round.
    """
    kind = array.dtype.kind
    if kind in "iu":
        large = (array > LARGEST_EXACT_INTEGER) | (array < -LARGEST_EXACT_INTEGER)
        if large.any():
            exact = array[large].astype(np.float64).astype(object) == array[large].astype(object)
            if not exact.all():
                place = int(np.flatnonzero(large)[np.argmin(exact)])
                raise _too_large(int(array[place]), at(place))
        return array.astype(np.float64)
    if kind == "f":
        with np.errstate(over="ignore"):  # a longer double may become infinite here
            found = array.astype(np.float64, copy=not share)[:]
        found.flags.writeable = not share
        return found
    if kind == "O":
        for place, cell in enumerate(array):
            if not is_real(cell):
                raise _no_number(cell, at(place))
            if isinstance(cell, (int, np.integer)) and int(float(cell)) != int(cell):
                raise _too_large(int(cell), at(place))
        return array.astype(np.float64)
    said = f"{name} holds {KINDS.get(kind, array.dtype)}, not real numbers"
    if kind == "c":
        raise DataError(f"{said}. Complex data not supported: pass its real and its imaginary part, each by itself.")
    raise DataError(f"{said}. Convert it first.")


def is_real(cell: Any) -> bool:
    """Tell whether an object is one real number, and not a truth value or a text that could be read as one."""
    if cell is None or isinstance(cell, (bool, np.bool, str, bytes, complex)):
        return False
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _no_number(cell: Any, where: str) -> DataError:
    said = f"{where} is {reprlib.repr(cell)}, not a number"
    try:
        float(cell)
    except TypeError as error:
        return CellTypeError(f"{said}: {error}. Drop or repair that row.")
    except (ValueError, OverflowError):
        pass
    return DataError(f"{said}. Drop or repair that row.")


def _too_large(cell: int, where: str) -> DataError:
    return DataError(f"{where} is {reprlib.repr(cell)}, an integer that float64 cannot hold. Subtract an offset first.")
