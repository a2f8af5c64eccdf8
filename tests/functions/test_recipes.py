"""Recipes: what every one of them must do, on samples of its inputs, bit for bit where the value is known."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest

from polyoptim import function
from polyoptim.arithmetic import evaluate_body
from polyoptim.formats import FORMATS
from polyoptim.functions import FUNCTIONS
from polyoptim.functions.judging import judge, numbers_of, sample, truth_of
from polyoptim.functions.pieces import constant
from polyoptim.functions.search import coefficients, write_body

NAMES = list(FUNCTIONS)


@lru_cache
def body_of(name, own="float32"):
    """The body with the highest degrees, so that no search is needed."""
    recipe = FUNCTIONS[name]
    coef = {prefix: coefficients(one, one.degrees[-1]) for prefix, one in recipe.reduced.items()}
    return write_body(recipe, coef, FORMATS[own], "horner", True)


def values(name, x):
    return evaluate_body(body_of(name), np.asarray(x, dtype=np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_no_error_of_a_sample_is_above_one_ulp(name):
    recipe = FUNCTIONS[name]
    judged = judge(body_of(name), truth_of(recipe, sample(recipe, 1 << 14, seed=11), FORMATS["float32"]))
    assert judged.max_ulp <= 1
    assert sum(judged.histogram) == judged.count


@pytest.mark.parametrize("name", NAMES)
def test_special_values_are_bit_for_bit_what_the_recipe_says(name):
    recipe = FUNCTIONS[name]
    assert np.isnan(values(name, np.nan))
    assert [repr(float(values(name, zero))) for zero in (0.0, -0.0)] == [repr(float(text)) for text in recipe.zeros]
    for limit in recipe.limits:
        for end in (limit.low, limit.high):
            assert repr(float(values(name, end))) == repr(float(limit.value)), end


@pytest.mark.parametrize("name", NAMES)
def test_the_rounded_truth_at_the_ends_of_limits_is_their_value(name):
    recipe = FUNCTIONS[name]
    for limit in recipe.limits:
        if limit.low == limit.high or limit.value == "nan":
            continue
        end = limit.high if limit.low == -math.inf else limit.low
        found = truth_of(replace(recipe, limits=()), np.array([end], dtype=np.float32), FORMATS["float32"]).nearest
        assert repr(float(found[0])) == repr(float(limit.value))


@pytest.mark.parametrize("name", NAMES)
def test_every_infinite_input_has_a_limit(name):
    for end in (-math.inf, math.inf):
        assert any(limit.low <= end <= limit.high for limit in FUNCTIONS[name].limits)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("own", ["bfloat16", "float16"])
def test_all_inputs_of_short_formats(name, own):
    found = function(name, format=own)
    assert (found.max_ulp_kind, found.count) == ("exhaustive", 1 << 16)
    assert 0.5 <= found.max_ulp <= 1
    x = numbers_of(FORMATS[own])
    y = found(x[np.isfinite(x)])
    y = y[np.isfinite(y)]
    if own == "bfloat16":
        assert not np.any(y.view(np.uint32) & 0xFFFF)
    else:
        assert np.array_equal(y.astype(np.float16).astype(np.float32), y)


def test_exp2_of_whole_numbers_is_exact():
    x = np.arange(-149, 128, dtype=np.float32)
    assert np.array_equal(values("exp2", x).astype(np.float64), 2.0 ** x.astype(np.float64))


def test_exp2_beside_its_limits():
    least = 2.0**-149
    x = np.array([-150.0, np.nextafter(np.float32(-150), np.float32(0)), -149.5, 127.99999], dtype=np.float32)
    assert values("exp2", x).tolist()[:3] == [0, least, least]
    assert np.isfinite(values("exp2", x)[3])


def test_sine_next_to_multiples_of_half_pi_keeps_its_digits():
    """For each exponent the inputs that are nearest to a multiple: what is left there has the fewest digits."""
    significands = np.arange(1 << 23, 1 << 24, 1, dtype=np.uint64)
    found = []
    for exponent in (*range(-22, 105, 7), -6, -7):
        window = int(constant("2/pi") * Fraction(2) ** exponent % 1 * 2**64)
        with np.errstate(over="ignore"):
            left = np.abs((significands * np.uint64(window)).view(np.int64).astype(np.float64))
        nearest = np.argpartition(left, 8)[:8]
        found.append(np.ldexp(significands[nearest].astype(np.float64), exponent).astype(np.float32))
    x = np.concatenate(found)
    judged = judge(body_of("sin"), truth_of(FUNCTIONS["sin"], np.concatenate([x, -x]), FORMATS["float32"]))
    assert judged.max_ulp <= 0.51


def test_sine_where_the_reduction_changes():
    edge = np.float32(2.0**17).view(np.int32)
    x = (edge + np.arange(-2000, 2000, dtype=np.int32)).view(np.float32)
    judged = judge(body_of("sin"), truth_of(FUNCTIONS["sin"], x, FORMATS["float32"]))
    assert judged.max_ulp <= 0.9
