"""How numbers travel to the page: a line of JSON, then the arrays as they lie in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.canonical import plain

MEDIA_TYPE = "application/octet-stream"


def pack(head: Mapping[str, Any], arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    r"""Return a header and arrays of doubles as bytes.

    A line of JSON of a length that 8 divides, padded by blanks: `head`, and beside it "arrays", a name to its shape and
    the offset of its first byte after the line. Then the doubles, little endian, the last index fastest.

    >>> line, _, doubles = pack({"loss": float("nan")}, {"x": [1.0, 2.0]}).partition(b"\n")
    >>> len(line) % 8, json.loads(line), len(doubles)
    (7, {'loss': None, 'arrays': {'x': {'shape': [2], 'offset': 0}}}, 16)
    """
    places, parts, offset = {}, [], 0
    for name, values in arrays.items():
        array = np.ascontiguousarray(values, dtype="<f8")
        places[name] = {"shape": list(array.shape), "offset": offset}
        parts.append(array.tobytes())
        offset += array.nbytes
    line = json.dumps(finite({**head, "arrays": places}), ensure_ascii=False, allow_nan=False).encode("utf-8")
    return b"".join([line, b" " * (-(len(line) + 1) % 8), b"\n", *parts])


def finite(value: Any) -> Any:
    """Return a value for JSON, in which what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): finite(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(member) for member in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return plain(value)
