"""Number formats, against the casts of NumPy and of torch."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import ArgumentError, UnknownNameError
from polyoptim.formats import FORMATS, MOST_BITS, exponent, find_format, fixed_point, read_format

NUMPY = {"float64": np.float64, "float32": np.float32, "float16": np.float16}
FLOATS = [*NUMPY, "bfloat16"]


def finite(name):
    """All finite numbers of a format of 16 bits, ascending, each once."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    if name == "float16":
        values = bits.view(np.float16).astype(np.float64)
    else:
        halves = (bits.astype(np.uint32) << 16).view(np.float32)
        values = halves[np.isfinite(halves)].astype(np.float64)
    return np.unique(values[np.isfinite(values)])


def cast(name, value):
    """Return a float64 rounded by somebody else; a float32 for bfloat16, where torch takes the way over float32."""
    if name == "bfloat16":
        return float(torch.tensor(value, dtype=torch.float64).to(torch.bfloat16))
    with np.errstate(over="ignore", under="ignore"):
        return float(NUMPY[name](value))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_number_of_16_bits_is_held_with_its_neighbours_and_text(name):
    known = FORMATS[name]
    values = [Fraction(value) for value in finite(name).tolist()]
    assert (values[0], values[-1]) == (known.least, known.largest)
    zero = values.index(0)
    assert values[zero:] == [-value for value in values[zero::-1]]
    for below, value in zip(values[zero:], values[zero + 1 :], strict=False):
        assert known.next_up(below) == value
        assert known.next_down(value) == below
        middle = (below + value) / 2
        assert not known.holds(middle)
        assert known.next_up(middle) == value
        assert known.next_down(middle) == below
        assert known.next_up(-value) == -below
        assert Fraction(float.fromhex(known.hex(-value))) == -value


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_rounding_is_to_nearest_even_between_all_numbers_of_16_bits(name):
    known, values = FORMATS[name], finite(name)
    gaps = np.diff(values)
    for share in (0.25, 0.5, 0.5 + 2**-12, 0.75):
        points = (values[:-1] + share * gaps)[::7].tolist()
        assert [float(known.round(Fraction(point))) for point in points] == [cast(name, point) for point in points]


@pytest.mark.parametrize("name", FLOATS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_rounding_is_that_of_a_cast_to_the_format(name, data):
    width = 32 if name == "bfloat16" else 64
    value = data.draw(st.floats(width=width, allow_nan=False, allow_infinity=False))
    known, wanted = FORMATS[name], cast(name, value)
    if math.isinf(wanted):
        with pytest.raises(ArgumentError, match=f"out of the range of {name}"):
            known.round(Fraction(value))
    else:
        assert known.round(Fraction(value)) == Fraction(wanted)


@pytest.mark.parametrize("name", NUMPY)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_neighbours_and_spacing_are_numpys(name, data):
    kind, known = NUMPY[name], FORMATS[name]
    width = np.finfo(kind).bits
    value = kind(data.draw(st.floats(width=width, allow_nan=False, allow_infinity=False)))
    if abs(value) == np.finfo(kind).max:
        return
    with np.errstate(under="ignore"):
        assert known.next_up(Fraction(float(value))) == Fraction(float(np.nextafter(value, kind(np.inf))))
        assert known.next_down(Fraction(float(value))) == Fraction(float(np.nextafter(value, kind(-np.inf))))
        assert known.spacing(Fraction(float(value))) == Fraction(float(np.spacing(np.abs(value))))


@pytest.mark.parametrize("name", FLOATS)
def test_range_and_subnormals_are_true(name):
    known = FORMATS[name]
    info = torch.finfo(getattr(torch, name))
    assert known.largest == Fraction(info.max)
    assert known.spacing(Fraction(1)) == Fraction(info.eps)
    least_normal, tiny = Fraction(info.tiny), Fraction(info.smallest_normal) * Fraction(info.eps)
    assert known.next_up(Fraction(0)) == tiny == known.spacing(Fraction(0)) == known.spacing(least_normal / 3)
    assert known.round(tiny / 2) == 0  # a tie, to even
    assert known.round(tiny * Fraction(3, 2)) == 2 * tiny
    assert known.clip(known.largest * 2) == known.largest
    assert known.clip(known.least - 1) == known.least
    assert known.clip(tiny / 3) == tiny / 3
    half_beyond = (known.largest + known.spacing(known.largest) / 2) - Fraction(1, 10**9)
    assert known.round(half_beyond) == known.largest
    with pytest.raises(ArgumentError, match="end of its range"):
        known.next_up(known.largest)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_text_is_that_of_python_without_zeros(value):
    written = FORMATS["float64"].hex(Fraction(value))
    assert float.fromhex(written) == value
    mantissa, power = value.hex().split("p")
    if "0x1" in mantissa:
        assert written == f"{mantissa.rstrip('0').rstrip('.')}p{power}"


def test_text_of_some_numbers():
    assert FORMATS["float32"].hex(Fraction(3, 16)) == "0x1.8p-3"
    assert FORMATS["float32"].hex(Fraction(-1)) == "-0x1p+0"
    assert FORMATS["float32"].hex(Fraction(0)) == "0x0p+0"
    assert FORMATS["float32"].hex(Fraction(1, 1 << 149)) == "0x1p-149"
    assert fixed_point(0, 15).hex(Fraction(-1, 2)) == "-0x4000"
    assert FORMATS["real"].hex(Fraction(1, 3)) == "1/3"
    with pytest.raises(ArgumentError, match=r"1/3 is no number of float32\. Round it first"):
        FORMATS["float32"].hex(Fraction(1, 3))


@settings(max_examples=200)
@given(
    whole=st.integers(0, 40),
    fraction=st.integers(1, 40),
    value=st.fractions(min_value=-2, max_value=2, max_denominator=10**9),
)
def test_fixed_point_is_an_integer_over_a_power_of_two(whole, fraction, value):
    known = fixed_point(whole, fraction)
    stored = round(value * 2**fraction)
    if not -(1 << whole + fraction) <= stored < 1 << whole + fraction:
        with pytest.raises(ArgumentError, match=rf"out of the range of q{whole}\.{fraction}"):
            known.round(value)
        return
    rounded = known.round(value)
    assert rounded == Fraction(stored, 2**fraction)
    assert int(known.hex(rounded), 16) == stored
    assert known.holds(rounded)
    assert known.spacing(value) == Fraction(1, 2**fraction)
    if stored + 1 < 1 << whole + fraction:
        assert known.next_up(rounded) == Fraction(stored + 1, 2**fraction)


@pytest.mark.parametrize(("name", "bits"), [("q0.15", 16), ("Q15.16", 32), ("q5.26", 32), ("q1.30", 32), ("q7.0", 8)])
def test_fixed_point_fills_its_bits_with_the_sign_apart(name, bits):
    known = find_format(name)
    assert known.name == name.lower()
    unit = known.spacing(Fraction(0))
    assert (known.least / unit, known.largest / unit) == (-(1 << bits - 1), (1 << bits - 1) - 1)


def test_real_rounds_nothing():
    real = FORMATS["real"]
    third = Fraction(1, 3)
    assert real.round(third) == third
    assert real.holds(third)
    assert real.clip(third) == third
    assert real.spacing(third) == 0
    with pytest.raises(ArgumentError, match="no neighbours"):
        real.next_up(third)


@given(value=st.fractions().filter(bool))
def test_exponent_is_that_of_the_leading_bit(value):
    assert Fraction(2) ** exponent(value) <= abs(value) < Fraction(2) ** (exponent(value) + 1)


def test_format_is_one_name_or_one_for_each_power():
    assert read_format("Float32", [1, 3]) == (FORMATS["float32"],) * 2
    assert read_format(FORMATS["real"], [0]) == (FORMATS["real"],)
    assert [each.name for each in read_format(["float16", "q1.14"], (1, 3))] == ["float16", "q1.14"]


@pytest.mark.parametrize(
    ("given_format", "said"),
    [
        ("flot32", "unknown format 'flot32'; did you mean 'float32'"),
        ("bf16", "unknown format 'bf16'; did you mean 'bfloat16'"),
        ("qM.N", "unknown format 'qM.N'"),
        (None, "format must be a name such as 'float32', or a list with one for each power, got None"),
        (["float32"], r"one name for each of the 2 powers \[0, 1\], got 1"),
        (f"q{MOST_BITS}.1", "must have 1 to 1023 bits"),
        ("q0.0", "must have 1 to 1023 bits"),
    ],
)
def test_wrong_format_is_said(given_format, said):
    with pytest.raises(ArgumentError, match=said):
        read_format(given_format, [0, 1])


def test_wrong_formats_of_a_list_are_all_said():
    with pytest.raises(ArgumentError) as caught:
        read_format(["flot32", "float32", 3], [0, 1, 2])
    assert "'flot32'" in str(caught.value)
    assert "unknown format 3" in str(caught.value)
    with pytest.raises(UnknownNameError):
        find_format("double precision")
