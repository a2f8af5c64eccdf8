"""Samples from arrays and from functions."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from polyoptim import ArgumentError, DataError, train
from polyoptim.targets.samples import column
from polyoptim.targets.torch_sampling import sample

X = [0.0, 0.5, 1.0, 1.5, 2.0]
Y = [1.0, -1.0, 0.25, 3.0, 0.5]
QUICK = {"steps": 3, "seed": 0}

CONTAINERS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "numpy": np.array,
    "numpy float32": lambda values: np.array(values, dtype=np.float32),
    "numpy float16": lambda values: np.array(values, dtype=np.float16),
    "numpy big-endian": lambda values: np.array(values, dtype=">f8"),
    "numpy reversed": lambda values: np.array(values[::-1])[::-1],
    "numpy masked, nothing masked": lambda values: np.ma.array(values, mask=[False] * len(values)),
    "numpy objects": lambda values: np.array([Fraction(value) for value in values], dtype=object),
    "decimals": lambda values: [Decimal(str(value)) for value in values],
    "torch": torch.tensor,
    "torch float64": lambda values: torch.tensor(values, dtype=torch.float64),
    "torch bfloat16": lambda values: torch.tensor(values, dtype=torch.bfloat16),
    "torch with gradient": lambda values: torch.tensor(values, requires_grad=True),
    "pandas": pd.Series,
    "pandas with an index": lambda values: pd.Series(values, index=range(10, 10 + len(values))),
    "pandas nullable": lambda values: pd.Series(values, dtype="Float64"),
    "polars": pl.Series,
    "pyarrow": pa.array,
    "pyarrow chunked": lambda values: pa.chunked_array([values[:2], values[2:]]),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_arrays_of_any_library_give_the_same_run(kind: str) -> None:
    expected = train(X, Y, **QUICK)
    make = CONTAINERS[kind]
    result = train(make(X), make(Y), weight=make([1.0] * 5), **QUICK)
    assert result.coef.tolist() == pytest.approx(expected.coef.tolist(), rel=1e-6)
    assert result.samples.x.tolist() == X
    assert result.samples.y.tolist() == Y


@pytest.mark.parametrize(
    "values",
    [range(4), np.arange(4, dtype=np.int8), np.arange(4, dtype=np.uint64), torch.arange(4), pl.Series(range(4))],
)
def test_integers_are_numbers(values: Any) -> None:
    assert column(values, "x").tolist() == [0.0, 1.0, 2.0, 3.0]


def test_arrays_are_not_changed_and_not_shared() -> None:
    x, y = np.array(X), np.array(Y)
    result = train(x, y, dtype="float64", **QUICK)
    x[:], y[:] = 99.0, 99.0
    assert result.samples.x.tolist() == X
    assert result.samples.y.tolist() == Y


def test_domain_of_arrays_is_their_range() -> None:
    assert train([5.0, 1.0, 3.0], [1.0, 2.0, 3.0], **QUICK).domain == (1.0, 5.0)
    assert train([5.0, 1.0, 3.0], [1.0, 2.0, 3.0], domain=(0, 10), **QUICK).domain == (0.0, 10.0)


BAD: list[tuple[Any, str]] = [
    ([], "empty"),
    ([[1.0, 2.0], [3.0, 4.0]], "dimension"),
    (np.zeros((3, 1)), r"shape \(3, 1\)"),
    (torch.zeros(2, 2), "dimension"),
    ([1.0, [2.0]], "x"),
    ([1.0, "a"], "x"),
    (["1", "2"], "text"),
    ([1.0, None], r"x\[1\]"),
    ([1.0, math.nan], r"x\[1\] is nan"),
    ([1.0, 2.0, math.inf], r"x\[2\] is inf"),
    ([1.0, -math.inf, 2.0], r"x\[1\] is -inf"),
    ([True, False], "truth values"),
    ([1.0 + 2.0j], "complex"),
    (np.array(["2020-01-01"], dtype="M8[s]"), "dates"),
    (np.array([5], dtype="m8[s]"), "durations"),
    (np.array([object()]), r"x\[0\]"),
    (np.array([1.0, "a"], dtype=object), r"x\[1\]"),
    (np.array([1.0, True], dtype=object), r"x\[1\]"),
    (np.array([1.0, 10**400], dtype=object), r"x\[1\]"),
    ([2**53 + 1, 0], "x"),
    (np.ma.array([1.0, 2.0], mask=[False, True]), r"x\[1\] is masked"),
    (pd.Series([1.0, None]), r"x\[1\]"),
    (pd.Series([1.0, None], dtype="Float64"), r"x\[1\]"),
    (pd.Series(["a", "b"]), "x"),
    (pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"])), "dates"),
    (pl.Series([1.0, None]), r"x\[1\]"),
    (pl.Series(["a", "b"]), "x"),
    (pa.array([1.0, None]), r"x\[1\]"),
    (torch.tensor([True, False]), "truth values"),
    (torch.tensor([1.0 + 2.0j]), "complex"),
    (torch.tensor([1.0, math.nan]), r"x\[1\] is nan"),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_column_that_cannot_be_used_is_one_clear_error(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        column(values, "x")
    text = str(caught.value)
    assert text.startswith("x")
    assert "\n" not in text


@pytest.mark.parametrize(("values", "message"), [case for case in BAD if not isinstance(case[0], str)])
def test_train_names_the_bad_column(values: Any, message: str) -> None:  # noqa: ARG001 - the same table
    with pytest.raises((DataError, ArgumentError), match="y"):
        train(list(range(max(1, len(values)))), values, **QUICK)


def test_large_integers_that_float64_holds_are_taken() -> None:
    assert column([2**60, 2**53 + 2], "x").tolist() == [2.0**60, 2.0**53 + 2]


def test_lengths_that_differ_are_one_clear_error() -> None:
    with pytest.raises(DataError, match="x has 3, y has 2"):
        train([1, 2, 3], [1, 2], **QUICK)
    with pytest.raises(DataError, match="weight has 1"):
        train([1, 2, 3], [1, 2, 3], weight=[1], **QUICK)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, -1, 1], r"weight\[1\] is -1"),
        ([0, 0, 0], "all weights are zero"),
        ([1, math.nan, 1], r"weight\[1\] is nan"),
    ],
)
def test_weight_that_cannot_be_used_is_one_clear_error(weight: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        train([1, 2, 3], [1, 2, 3], weight=weight, **QUICK)


def test_value_beyond_the_dtype_is_one_clear_error() -> None:
    with pytest.raises(DataError, match=r"y\[1\] is 1e\+60, beyond the range of float32"):
        train([1, 2, 3], [1, 1e60, 3], **QUICK)
    with pytest.raises(DataError, match=r"x\[2\].*float16"):
        train([1, 2, 1e5], [1, 2, 3], dtype="float16", **QUICK)
    with pytest.raises(DataError, match="weights"):
        train([1, 2, 3], [1, 2, 3], weight=[1e-60, 1e-60, 1e-60], **QUICK)


def test_x_that_the_dtype_cannot_tell_apart_is_noted() -> None:
    x = 1.7e9 + np.arange(10)
    with pytest.raises(DataError, match="float64"):
        # in float32 all ten are one
        train(x, np.arange(10.0), **QUICK)
    result = train(np.arange(0, 2000, 100) + 1.7e9, np.arange(20.0), **QUICK)
    assert any("float64" in note for note in result.notes)
    assert not train(x, np.arange(10.0), dtype="float64", **QUICK).notes


def test_all_x_equal_is_one_clear_error() -> None:
    with pytest.raises(DataError, match="interval"):
        train([1.0, 1.0], [1.0, 2.0], **QUICK)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": X}, r"train\(x, y\)"),
        ({"target": X, "y": Y, "x": X}, "x"),
        ({"target": "sin(x)", "y": Y}, "y"),
        ({"target": "sin(x)", "x": X}, "x"),
        ({"target": "sin(x)", "weight": [1.0]}, "weight"),
        ({"target": np.sin, "y": Y}, "y"),
        ({"target": None}, "target"),
        ({"target": 5}, "target"),
        ({"target": ""}, "empty"),
        ({"target": b"sin(x)"}, "target"),
    ],
)
def test_target_that_is_none_is_one_clear_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ArgumentError, DataError), match=message):
        train(**arguments, **QUICK)


# Functions


@pytest.mark.parametrize(
    ("a", "b", "count", "dtype"),
    [
        (-math.pi, math.pi, 2000, "float32"),
        (-math.pi, math.pi, 2000, "float64"),
        (0.1, 0.7, 3, "float32"),
        (-1.0, 1.0, 257, "float16"),
        (-1.0, 1.0, 100, "bfloat16"),
        (1.6e9, 1.7e9, 999, "float64"),
        (0.0, 1.0, 1, "float64"),
        (0.0, 1.0, 2, "float64"),
    ],
)
def test_points_are_exactly_linspace_of_torch(a: float, b: float, count: int, dtype: str) -> None:
    x, y = sample(lambda x: x, a, b, count, dtype, "the target")
    expected = torch.linspace(a, b, count, dtype=getattr(torch, dtype)).double()
    assert x.tolist() == expected.tolist()
    assert y.tolist() == expected.tolist()


def test_train_samples_the_domain_with_linspace_of_torch() -> None:
    result = train(lambda x: x, domain=("-pi/2", "2**-3"), samples="3*5", **QUICK)
    assert result.samples.x.tolist() == torch.linspace(-math.pi / 2, 0.125, 15).double().tolist()
    assert result.count == 15


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_expression_has_the_floats_of_torch(dtype: str) -> None:
    from polyoptim.targets.expression import parse

    x, y = sample(parse("sin(x)"), -math.pi, math.pi, 500, dtype, "the target")
    assert y.tolist() == torch.sin(torch.linspace(-math.pi, math.pi, 500, dtype=getattr(torch, dtype))).tolist()
    assert len(x) == 500


def test_callable_may_be_of_numpy_or_torch() -> None:
    x = torch.linspace(-math.pi, math.pi, 2000)
    assert train(np.sin, **QUICK).samples.y.tolist() == np.sin(x.numpy()).astype(float).tolist()
    assert train(torch.sin, **QUICK).samples.y.tolist() == torch.sin(x).tolist()
    assert train(lambda x: x**2, **QUICK).samples.y.tolist() == (x.numpy() ** 2).astype(float).tolist()


@pytest.mark.parametrize(
    "target",
    [
        lambda x: 3.0,  # noqa: ARG005
        lambda x: np.float32(3),  # noqa: ARG005
        lambda x: torch.tensor(3.0),  # noqa: ARG005
        lambda x: np.full(len(x), 3),
        lambda x: [3.0] * len(x),
        np.polynomial.Polynomial([3.0]),
    ],
)
def test_callable_may_return_a_constant_integers_or_a_list(target: Any) -> None:
    assert train(target, samples=7, **QUICK).samples.y.tolist() == [3.0] * 7


def test_callable_cannot_change_the_points() -> None:
    def greedy(x: np.ndarray) -> np.ndarray:
        x *= 0
        return x + 1

    assert train(greedy, samples=3, domain=(0, 1), **QUICK).samples.x.tolist() == [0.0, 0.5, 1.0]


def test_callable_that_warns_does_not() -> None:
    with pytest.raises(DataError, match=r"x = 0\.0"):
        train(lambda x: 1 / x, domain=(-1, 1), samples=3, **QUICK)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (math.sin, "sin.*array"),
        (lambda x: x[:5], "shape"),
        (lambda x: np.stack([x, x]), "shape"),
        (lambda x: 1 if x > 0 else 0, "array"),
        (lambda x: None, "None|array|number"),  # noqa: ARG005
        (lambda x: "a", "number"),  # noqa: ARG005
        (lambda x: x + 1j, "complex"),
        (lambda x: torch.tensor([1 + 1j] * len(x)), "complex"),
        (lambda x: np.array(["a"] * len(x)), "number"),
        (lambda: 3, "argument"),
        (lambda x, y: x + y, "argument"),
        (lambda x: {"a": x}, "number"),
    ],
)
def test_callable_that_cannot_be_sampled_is_one_clear_error(target: Any, message: str) -> None:
    with pytest.raises((DataError, ArgumentError), match=message) as caught:
        train(target, **QUICK)
    assert "target" in str(caught.value)


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("9**9**9**9", -math.pi),
        ("log(x)", -math.pi),
        ("1/(x*0)", -math.pi),
        ("sqrt(1 - x)", None),
        (np.log, -math.pi),
        (lambda x: x * np.nan, -math.pi),
    ],
)
def test_target_that_is_not_finite_names_the_first_x(target: Any, place: float | None) -> None:
    x = torch.linspace(-math.pi, math.pi, 2000)
    first = float(x[x > 1][0]) if place is None else float(x[0])
    with pytest.raises(DataError, match="at x = ") as caught:
        train(target, **QUICK)
    assert f"at x = {first!r}" in str(caught.value)


def test_target_that_overflows_the_dtype_names_the_first_x() -> None:
    with pytest.raises(DataError, match=r"infinite at x = 1\.0"):
        train("exp(100*x)", domain=(1, 2), **QUICK)
    assert train("exp(100*x)", domain=(1, 2), dtype="float64", **QUICK).count == 2000
    with pytest.raises(DataError, match="at x = "):
        train(lambda x: 1e60 + 0 * x, **QUICK)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"domain": (1, 1)}, "a < b"),
        ({"domain": (2, 1)}, "a < b"),
        ({"domain": ("pi", "-pi")}, "a < b"),
        ({"domain": (0, math.inf)}, "finite"),
        ({"domain": (0, math.nan)}, "finite"),
        ({"domain": 5}, "pair"),
        ({"domain": "01"}, "pair"),
        ({"domain": (1, 2, 3)}, "3 values"),
        ({"domain": (0, "fast")}, "fast"),
        ({"domain": (1e50, 1e51)}, "float32"),
        ({"samples": 0}, "samples"),
        ({"samples": 2.5}, "samples"),
        ({"samples": 10**12}, "samples"),
        ({"samples": "many"}, "samples"),
    ],
)
def test_domain_or_samples_that_cannot_be_used_are_one_clear_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ArgumentError, DataError), match=message):
        train("sin(x)", **arguments, **QUICK)
