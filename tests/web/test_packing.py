"""Numbers on their way to the page: read back as a browser reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from polyoptim.web.packing import finite, pack

Unpack = Callable[[bytes], tuple[dict[str, Any], dict[str, Any]]]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # making arrays is slow on a busy machine
@given(
    st.dictionaries(st.text(max_size=5), st.floats() | st.text(max_size=9) | st.none() | st.booleans(), max_size=3),
    st.dictionaries(
        st.text(max_size=5),
        arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=2, max_side=4, min_side=0)),
        max_size=3,
    ),
)
def test_what_is_packed_is_read_back(unpack: Unpack, head: dict[str, Any], given_arrays: dict[str, Any]) -> None:
    head.pop("arrays", None)
    found, back = unpack(pack(head, given_arrays))
    assert found == {name: finite(value) for name, value in head.items()}
    assert back.keys() == given_arrays.keys()
    for name, array in given_arrays.items():
        assert back[name].tobytes() == array.tobytes()
        assert back[name].shape == array.shape


def test_arrays_of_any_kind_and_order_travel_as_doubles(unpack: Unpack) -> None:
    table = np.arange(6, dtype=np.int32).reshape(2, 3)
    _, found = unpack(pack({}, {"rows": table, "columns": table.T, "list": [1, 2], "truth": np.array([True])}))
    assert found["rows"].tolist() == table.tolist()
    assert found["columns"].tolist() == table.T.tolist()
    assert found["list"].tolist() == [1.0, 2.0]
    assert found["truth"].tolist() == [1.0]


def test_a_line_has_no_number_that_json_does_not_know(unpack: Unpack) -> None:
    head = {"a": float("nan"), "b": [np.float64("inf"), {"c": -float("inf")}], "d": np.int64(3), "e": (1.5,)}
    found, _ = unpack(pack(head, {}))
    assert found == {"a": None, "b": [None, {"c": None}], "d": 3, "e": [1.5]}
