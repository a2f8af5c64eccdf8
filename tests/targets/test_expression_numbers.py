"""Numbers as arguments: plain, or as text."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyoptim.errors import ArgumentError
from polyoptim.targets.expression import integer, number


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2**-20", 2**-20),
        ("-pi/2", -math.pi / 2),
        ("-pi", -math.pi),
        ("1e-3", 1e-3),
        (" 0.1 ", 0.1),
        ("−1", -1.0),
        ("sqrt(2)", math.sqrt(2)),
        ("5e-324", 5e-324),
        (3, 3.0),
        (2.5, 2.5),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7.0),
        (Fraction(1, 4), 0.25),
    ],
)
def test_number_is_read(value, wanted):
    result = number(value)
    assert type(result) is float
    assert result == wanted


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_is_the_nearest_double_of_a_literal(value):
    assert number(repr(value)) == value
    assert number(f"{value:.30e}") == float(f"{value:.30e}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "fast",
            "lr must be a number or text such as '2**-20', got 'fast': unknown name 'fast'; only numbers, pi, e and",
        ),
        ("x", "unknown name 'x'; only numbers"),
        ("", "the expression is empty"),
        ("2^3", r"use \*\* for powers"),
        ("nan", "unknown name 'nan'"),
        ("1e400", "lr must be a finite number, got '1e400'."),
        ("0/0", "lr must be a finite number"),
        ("9**9**9**9", "lr must be a finite number"),
        (math.nan, "lr must be a finite number, got nan."),
        (math.inf, "lr must be a finite number, got inf."),
        pytest.param(10**5000, "lr must be a finite number, got a number of thousands of digits.", id="huge"),
        (True, "lr must be a number or text such as '2**-20', got True."),
        (np.True_, "lr must be a number or text"),
        (1j, "got 1j."),
        (None, "got None."),
        ([1.0] * 100, "got \\[1.0, .*…"),
    ],
)
def test_number_explains_what_it_rejects(value, message):
    with pytest.raises(ArgumentError, match=message.replace("2**-20", r"2\*\*-20")) as caught:
        number(value, "lr")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("lr must be")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2**11", 2048),
        (2000, 2000),
        (2000.0, 2000),
        ("2e3", 2000),
        ("1_000", 1000),
        (np.int32(3), 3),
        (np.float32(3), 3),
        ("18446744073709551615", 2**64 - 1),
        (2**63 + 1, 2**63 + 1),
        (" +5 ", 5),
    ],
)
def test_integer_is_read(value, wanted):
    result = integer(value)
    assert type(result) is int
    assert result == wanted


@pytest.mark.parametrize(
    "value", [2.5, True, "1e400", "x", "", -1, "-1", "2**2000", None, math.nan, 1e300, "1/3", "９"]
)
def test_integer_explains_what_it_rejects(value):
    if value == "９":  # full-width digits are digits
        assert integer(value) == 9
        return
    with pytest.raises(ArgumentError) as caught:
        integer(value, "degree")
    shown = value if value == "-1" else repr(value)
    assert str(caught.value) == f"degree must be an integer >= 0, got {shown}."


def test_integer_respects_its_minimum():
    assert integer(-3, minimum=-5) == -3
    with pytest.raises(ArgumentError, match=r"^steps must be an integer >= 1, got 0\.$"):
        integer(0, "steps", minimum=1)
