"""Arithmetic in a format, against rational numbers rounded by the format's own rule."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polyoptim.arithmetic import evaluate, fma, rounded
from polyoptim.errors import ArgumentError
from polyoptim.formats import FORMATS, find_format
from polyoptim.schemes import program

NAMES = ("float64", "float32", "float16", "bfloat16")


def nearest(value, own):
    try:
        return float(own.round(value))
    except ArgumentError:
        return math.inf if value > 0 else -math.inf


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats(allow_nan=False))
@example(1 + 2.0**-52, 1 - 2.0**-52, -1.0)
@example(2.0**-600, 2.0**-470, 2.0**-1074)
@example(1e300, 1e10, -1e308)
@example(5e-324, 0.5, 5e-324)
def test_fma_is_rounded_once(a, b, c):
    found = float(fma(a, b, c))
    if all(map(math.isfinite, (a, b, c))):
        exact = Fraction(a) * Fraction(b) + Fraction(c)
        assert found == nearest(exact, FORMATS["float64"])
    else:
        with np.errstate(all="ignore"):
            assert np.array_equal(found, np.float64(a) * b + c, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_operations_are_rounded_once(name, data):
    own = FORMATS[name]
    size = st.integers(-(2 ** (own.digits + 1)), 2 ** (own.digits + 1))
    power = st.integers(own.finest - 2, own.finest // -2)
    a, b, c = (rounded(np.float64(math.ldexp(data.draw(size), data.draw(power))), own).item() for _ in range(3))
    if not all(map(math.isfinite, (a, b, c))):
        return
    horner = program((0, 1), fma=True), program((0, 1), fma=False)
    coef = {0: Fraction(c), 1: Fraction(b)}
    once, twice = (evaluate(one, coef, own, [a]).item() for one in horner)
    exact = Fraction(a) * Fraction(b)
    assert once == nearest(exact + Fraction(c), own)
    product = nearest(exact, own)
    assert twice == (nearest(Fraction(product) + Fraction(c), own) if math.isfinite(product) else product)


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_rounding_is_that_of_numpy(name):
    draw = np.random.default_rng(3)
    values = draw.uniform(-2, 2, 100_000) * 2.0 ** draw.integers(-160, 130, 100_000)
    with np.errstate(over="ignore"):
        expected = values.astype(name).astype(np.float64)
    assert np.array_equal(rounded(values, FORMATS[name]), expected)
    assert math.copysign(1, rounded(np.float64(-1e-60), FORMATS[name])) == -1


@pytest.mark.parametrize("name", ["q0.15", "q5.26", "q10.40", "q500.500"])
def test_fixed_point_is_computed_in_integers(name):
    own = find_format(name)
    one = Fraction(2) ** own.finest
    coef = {0: own.round(Fraction(1, 7)), 1: own.round(Fraction(-2, 3)), 2: own.round(Fraction(1, 3))}
    x = np.random.default_rng(1).integers(-(2**14), 2**14, 1000) * (1 if name == "q0.15" else 2**10)
    found = evaluate(program((0, 1, 2)), coef, own, x)
    for k, value in zip(x.tolist(), found.tolist(), strict=True):
        step = math.floor(coef[2] * k + Fraction(1, 2)) * one + coef[1]
        assert value * one == math.floor(step * k + Fraction(1, 2)) * one + coef[0]
