"""Moments: exact sums, against rational arithmetic, and the same for any order, chunks and split."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import moments
from polyoptim.lane_operations import BITS, BLOCK
from polyoptim.moments import Frame, Moments, exponent_of, indices, moments_of
from polyoptim.moments_kernel import FEW, MOST, kernel


def frame_of(x, y, weight, degree):
    largest = 0.0 if weight is None else float(weight.max())
    return Frame(
        degree,
        tuple(float(column.min()) for column in x),
        tuple(float(column.max()) for column in x),
        exponent_of(float(np.abs(y).max())),
        exponent_of(largest) if weight is not None else 0,
    )


def truth(frame: Frame, x, y, weight) -> list[Fraction]:
    """The sums by rational arithmetic, in units of 2^-BITS."""
    maps = frame.maps()
    sums = [Fraction(0)] * (len(frame.sums) + len(frame.columns) + 1)
    for row in range(len(y)):
        parts = []
        for column, (center, half) in zip(x, maps, strict=True):
            u = (Fraction(float(column[row])) - center) / half
            values = [Fraction(1), u]
            while len(values) <= 2 * frame.degree:
                values.append(2 * u * values[-1] - values[-2])
            parts.append(values)

        def at(index, parts=parts):
            found = Fraction(1)
            for part, k in zip(parts, index, strict=True):
                found *= part[k]
            return found

        w = Fraction(1) if weight is None else Fraction(float(weight[row])) / Fraction(2) ** frame.weight_exponent
        z = Fraction(float(y[row])) / Fraction(2) ** frame.y_exponent
        terms = [w * at(index) for index in frame.sums] + [w * z * at(index) for index in frame.columns] + [w * z * z]
        sums = [a + b for a, b in zip(sums, terms, strict=True)]
    return [value * 2**BITS for value in sums]


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 1.0), (1.6e9, 1.7e9), (4e-7, 7e-7), (1950.0, 2024.0), (-3e200, 1e200)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_rational_arithmetic(low, high, weighted):
    rng = np.random.default_rng(1)
    x, y = [rng.uniform(low, high, 60)], rng.normal(size=60) * 1e5
    weight = rng.exponential(size=60) if weighted else None
    frame = frame_of(x, y, weight, 6)
    found = moments_of(frame, x, y, weight)
    numbers = [*found.gram, *found.right, found.squares]
    assert max(abs(a - b) for a, b in zip(numbers, truth(frame, x, y, weight), strict=True)) < 20


def test_sums_of_several_columns_are_those_of_rational_arithmetic():
    rng = np.random.default_rng(2)
    x = [rng.uniform(-3, 5, 40), rng.uniform(1e6, 2e6, 40), rng.integers(0, 7, 40).astype(float)]
    y = rng.normal(size=40)
    frame = frame_of(x, y, None, 2)
    found = moments_of(frame, x, y)
    numbers = [*found.gram, *found.right, found.squares]
    assert max(abs(a - b) for a, b in zip(numbers, truth(frame, x, y, None), strict=True)) < 20


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.booleans())
def test_any_order_and_any_split_has_the_same_sums(seed, count, weighted):
    rng = np.random.default_rng(seed)
    x, y = [rng.normal(size=count) * 10.0 ** rng.integers(-9, 9)], rng.standard_cauchy(size=count)
    weight = rng.exponential(size=count) if weighted else None
    frame = frame_of(x, y, weight, 4)
    whole = moments_of(frame, x, y, weight)
    order = rng.permutation(count)
    cuts = np.sort(rng.integers(0, count + 1, 3))
    parts = [
        moments_of(frame, [x[0][rows]], y[rows], None if weight is None else weight[rows])
        for rows in np.split(order, cuts)
    ]
    assert sum(parts[1:], start=parts[0]) == whole
    assert sum(reversed(parts[:-1]), start=parts[-1]) == whole


def test_blocks_of_the_largest_terms_have_exact_sums():
    count = 3 * BLOCK + 5
    x, y = [np.tile([-1.0, 1.0], count)], np.ones(2 * count)
    frame = frame_of(x, y, None, 3)
    found = moments_of(frame, x, y)
    assert found.squares == (2 * count) << BITS
    assert found.gram == tuple(0 if k % 2 else (2 * count) << BITS for k in range(7))


def test_weights_of_one_are_no_weights():
    x, y = [np.linspace(3, 9, 50)], np.sin(np.linspace(3, 9, 50))
    frame = frame_of(x, y, None, 5)
    assert moments_of(frame, x, y, np.ones(50)) == moments_of(frame, x, y)


def test_a_row_of_weight_two_counts_as_two():
    x, y = [np.array([0.0, 1.0, 2.5])], np.array([1.0, 2.0, -4.0])
    weight = np.array([1.0, 2.0, 1.0])
    frame = frame_of(x, y, weight, 2)
    twice = moments_of(frame, [x[0][[0, 1, 1, 2]]], y[[0, 1, 1, 2]], np.ones(4))
    once = moments_of(frame, x, y, weight)
    pairs = zip((*once.gram, *once.right, once.squares), (*twice.gram, *twice.right, twice.squares), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 1  # each term is rounded by itself


def test_powers_of_two_in_y_change_the_exponent_only():
    x, y = [np.linspace(-2, 2, 30)], np.cos(np.linspace(-2, 2, 30))
    a = moments_of(frame_of(x, y, None, 4), x, y)
    for power in (-900, 900):
        scaled = np.ldexp(y, power)
        b = moments_of(frame_of(x, scaled, None, 4), x, scaled)
        assert (a.gram, a.right, a.squares) == (b.gram, b.right, b.squares)
        assert b.frame.y_exponent == a.frame.y_exponent + power


def test_moments_of_different_frames_do_not_add_up():
    one = Moments(Frame(0, (0.0,), (1.0,), 0), 1, (1,), (1,), 1)
    other = Moments(Frame(0, (0.0,), (2.0,), 0), 1, (1,), (1,), 1)
    with pytest.raises(ValueError, match="different frames"):
        one + other


def test_indices_count_by_total_degree():
    assert len(indices(6, 2)) == 28
    assert len(indices(3, 4)) == 35
    assert [sum(index) for index in indices(2, 3)] == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]


@pytest.mark.parametrize(("value", "exponent"), [(1.0, 0), (1.5, 1), (2.0, 1), (0.75, 0), (0.0, 0), (5e-324, -1074)])
def test_exponent_is_the_least(value, exponent):
    assert exponent_of(value) == exponent


@pytest.mark.parametrize("count", [FEW, FEW + 1, MOST + 77])
@pytest.mark.parametrize("degree", [0, 1, 4, 9])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_compiled_loop_gives_the_same_bits(count, degree, weighted, monkeypatch):
    rng = np.random.default_rng(degree)
    x, y = [rng.normal(size=count) * 1e-200], rng.standard_cauchy(size=count) * 1e250
    weight = np.maximum(rng.normal(size=count), 0) if weighted else None
    frame = frame_of(x, y, weight, degree)
    assert kernel(10**9, degree) is not None  # numba is there from now on
    compiled = moments_of(frame, x, y, weight)
    monkeypatch.setattr(moments, "kernel", lambda *_: None)
    assert moments_of(frame, x, y, weight) == compiled
