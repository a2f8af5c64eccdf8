"""What the tests of the playground share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Unpack = Callable[[bytes], tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture(scope="session")
def unpack() -> Unpack:
    """Return what reads an answer of the server as a browser does: the header, and the arrays by name."""

    def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        line, _, rest = content.partition(b"\n")
        assert (len(line) + 1) % 8 == 0  # so that a browser may look at the doubles where they lie
        head = json.loads(line)
        found = {}
        for name, place in head.pop("arrays").items():
            size = int(np.prod(place["shape"]))
            found[name] = np.frombuffer(rest, "<f8", size, place["offset"]).reshape(place["shape"])
        return head, found

    return unpacked
