"""What rounding adds: bounds that hold for every value seen, and are near the largest."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import approximate, verify
from polyoptim.arithmetic import evaluate, rounded
from polyoptim.exporters.evaluation import evaluation
from polyoptim.formats import FORMATS
from polyoptim.schemes import SCHEMES, program
from polyoptim.solvers.enclosure import Statement
from polyoptim.solvers.rounding_bound import rounding_bound
from polyoptim.targets.parser import parse_tree

CASES = {
    "2**x": ((0, 1), {"degree": 5, "error": "relative"}),
    "exp(x)": ((-1, 1), {"degree": 4}),
    "cos(x)": ((-1, "pi/3"), {"degree": 6, "error": "x**2+1"}),
    "expm1(x)/x": ((-1, 1), {"degree": 5, "error": "relative"}),
}


@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("target", CASES)
def test_no_value_is_further_away(target, name, scheme, fma):
    domain, more = CASES[target]
    result = approximate(target, domain=domain, format=name, scheme=scheme, fma=fma, **more)
    one = evaluation(result)
    low, high = (float(end) for end in one.ends[0])
    x = np.unique(rounded(np.random.default_rng(0).uniform(low, high, 3000), one.own))
    x = x[x != 0]
    values = evaluate(one.program, one.coef, one.own, x)
    function = {"2**x": lambda x: mpmath.mpf(2) ** x, "exp(x)": mpmath.exp, "cos(x)": mpmath.cos}.get(
        target, lambda x: mpmath.expm1(x) / x
    )
    with mpmath.workdps(40):
        worst = mpmath.mpf(0)
        for place, value in zip(x.tolist(), values.tolist(), strict=True):
            f = function(mpmath.mpf(place))
            weight = {"relative": lambda f, _: 1 / abs(f), "absolute": lambda *_: 1}.get(
                more.get("error", "absolute"), lambda _, x: x**2 + 1
            )
            worst = max(worst, abs(value - f) * weight(f, place))
    assert worst <= result.total_error_bound
    assert result.total_error_bound <= 4 * worst + result.sup_error


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_bounds_hold_for_any_coefficients(data):
    own = FORMATS[data.draw(st.sampled_from(["float32", "float16", "bfloat16"]))]
    powers = sorted(data.draw(st.sets(st.integers(0, 9), min_size=1, max_size=6)))
    number = st.integers(-(2**own.digits) + 1, 2**own.digits - 1)
    coef = {k: Fraction(data.draw(number)) / 2 ** (own.digits + data.draw(st.integers(-3, 6))) for k in powers}
    low = data.draw(st.integers(-16, 15))
    high = data.draw(st.integers(low + 1, 16))
    order = program(powers, data.draw(st.sampled_from(SCHEMES)), data.draw(st.booleans()))
    pieces = [(Fraction(low, 8), Fraction(high, 8))]
    bound = rounding_bound(Statement(parse_tree("0"), coef, "absolute", ()), pieces, order, own)
    x = rounded(np.random.default_rng(1).uniform(low / 8, high / 8, 300), own)
    values = evaluate(order, coef, own, x)
    for place, value in zip(x.tolist(), values.tolist(), strict=True):
        exact = sum(c * Fraction(place) ** k for k, c in coef.items())
        assert math.isinf(bound.bound) or abs(Fraction(value) - exact) <= Fraction(bound.bound)


def test_a_zero_of_the_target_at_0_leaves_the_smallest_numbers_out():
    result = approximate("sin(x)", domain=("-pi/4", "pi/4"), degree=7, error="relative", format="float32")
    assert result.total_error_bound < 2e-7
    assert any("abs(x) >= 2.35e-38" in note for note in result.notes)
    one = evaluation(result)
    x = rounded(2.0 ** -np.random.default_rng(0).uniform(0.5, 125, 20_000), one.own)
    values = evaluate(one.program, one.coef, one.own, x)
    exact = np.sin(x.astype(np.longdouble))
    assert float(np.abs((values - exact) / exact).max()) <= result.total_error_bound


def test_what_has_no_bound_says_why():
    result = approximate("log(x)", domain=(1, 2), degree=4, error="relative", format="float32")
    assert result.total_error_bound is None
    assert any("near x = 1" in note for note in result.notes)
    wide = approximate("x**3", domain=(0, 60), degree=2, format="float16")
    assert wide.total_error_bound is None
    assert any("range of float16" in note for note in wide.notes)
    assert approximate("exp(x)", domain=(0, 1), degree=2, format="real").total_error_bound is None
    mixed = approximate("exp(x)", domain=(0, 1), degree=1, format=["q3.20", "float32"])
    assert any("no format holds the numbers of q3.20 and float32" in note for note in mixed.notes)
    assert approximate("exp(x)", domain=(0, 1), degree=2, prove=False).total_error_bound is None


def test_a_weight_that_is_0_somewhere_leaves_nothing_out():
    result = approximate("cos(x)", domain=(-1, 1), degree=4, error="abs(x)", format="float32")
    assert result.total_error_bound <= result.sup_error_bound + 2e-7
    assert result.notes == ()


def test_a_polynomial_that_is_0_has_a_bound_and_code(tmp_path):
    result = approximate("0*x", domain=(1, 2), powers=[1], format="float32")
    assert result.total_error_bound <= 1.001 * 2.0**-150  # half the least float32
    result.export(tmp_path / "zero.h")
    assert verify(tmp_path / "zero.h").status == "verified"
