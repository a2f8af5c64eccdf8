"""exp and log1p of the compiled loops against libm's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from polyoptim.compiler import compiled
from polyoptim.engines.elementary import elementary_functions
from polyoptim.engines.kernels import HEADERS, function_text

VECTOR = {"x": "float64[::1]", "out": "float64[::1]"}


@pytest.fixture(scope="module")
def functions() -> Any:
    """Return ``exps(x, out)`` and ``log1ps(x, out)``, loops over arrays."""
    loops = [
        function_text(f"{name}s", "void", VECTOR, ["for i in range(x.size):", f"    out[i] = {name}(x[i])"])
        for name in ("exp", "log1p")
    ]
    return compiled(HEADERS[True] + "\n\n".join([*elementary_functions({"exp", "log1p"}), *loops])).module


def ulps(loop: Any, function: Any, x: Any) -> float:
    """Return the largest error in units in the last place of what libm returns, which is itself off by less than 1."""
    found, expected = np.empty_like(x), np.array([function(value) for value in x.tolist()])
    loop(x, found)
    return float(np.max(np.abs(found - expected) / np.spacing(expected)))


def test_exp_is_that_of_libm_to_an_ulp(functions: Any) -> None:
    draw = np.random.default_rng(0)
    near, small = draw.uniform(-40, 0, 600_000), -(10.0 ** draw.uniform(-18, 2.86, 200_000))
    assert ulps(functions.exps, math.exp, np.concatenate([near, small, draw.uniform(-745, 709.78, 200_000)])) <= 1


def test_log1p_is_that_of_libm_to_two_ulps(functions: Any) -> None:
    draw = np.random.default_rng(1)
    x = np.concatenate([draw.uniform(0, 1, 600_000), 10.0 ** draw.uniform(-320, 0, 400_000), [0.0, 1.0]])
    assert ulps(functions.log1ps, math.log1p, x) <= 2


def test_special_values_are_those_of_libm(functions: Any) -> None:
    x = np.array([0.0, -0.0, -math.inf, math.inf, math.nan, -1e308, 1e308, 709.782712893384, 709.79, -745.2, -744.5])
    found = np.empty_like(x)
    functions.exps(x, found)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(found, np.exp(x), rtol=3e-16, atol=0)
    functions.log1ps(x[:2], found[:2])
    assert found[:2].tolist() == [0.0, 0.0]
    functions.log1ps(x[4:5], found[:1])
    assert math.isnan(found[0])


def test_only_the_functions_that_are_named_are_returned() -> None:
    assert elementary_functions({"abs", "where"}) == []
    (text,) = elementary_functions({"abs", "log1p"})
    assert "def log1p(x)" in text
