"""Bounds of polynomials in balls, and the rational numbers that cut the line."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from flint import arb, ctx, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.solvers.bernstein import above, below, bound, coefficients, extrema
from polyoptim.solvers.rationals import fraction, near, rational, root_above, simplest

rationals = st.fractions(-3, 3, max_denominator=50)


def value(coef, x):
    return sum((one * x**power for power, one in enumerate(coef)), Fraction(0))


@settings(deadline=None, max_examples=200)
@given(st.lists(rationals, min_size=1, max_size=10), rationals, st.fractions(0, 3, max_denominator=50))
def test_a_bound_holds_and_is_reached_between_the_extrema(coef, low, width):
    low, high = rational(low), rational(low + width)
    with ctx.workprec(128):
        balls = [arb(rational(one)) for one in coef]
        cuts = list(dict.fromkeys([low, *extrema(balls, low, high), high]))
        found = bound(balls, cuts, arb(0))
        sizes = [abs(value(coef, fraction(low + (high - low) * fmpq(k, 50)))) for k in range(51)]
        sizes += [abs(value(coef, fraction(cut))) for cut in cuts]
        assert arb(rational(max(sizes))) <= found + arb(2) ** -100
        assert found <= arb(rational(max(sizes))) * (1 + arb("1e-9")) + arb("1e-25")


def test_coefficients_are_those_of_bernstein():
    with ctx.workprec(128):
        found = coefficients([arb(1), arb(0), arb(2)], fmpq(-1), fmpq(3))
    assert [float(one) for one in found] == [3.0, -5.0, 19.0]  # 1 + 2 x² by its blossom: 1 + 2 a b


def test_a_bound_of_what_is_not_finite_is_not():
    assert above(bound([arb(1), arb.nan()], [fmpq(0), fmpq(1)], arb(2))) == math.inf


@given(st.fractions(-1000, 1000), st.integers(-1200, 900))
def test_floats_are_rounded_outwards_to_the_next(number, exponent):
    exact = Fraction(number) * Fraction(2) ** exponent
    with ctx.workprec(300):
        high, low = above(arb(rational(exact))), below(arb(rational(exact)))
    assert Fraction(math.nextafter(high, -math.inf)) < exact <= Fraction(high)
    assert Fraction(low) <= exact < Fraction(math.nextafter(low, math.inf))


@given(st.fractions(-5, 5, max_denominator=300), st.fractions(0, 1, max_denominator=300))
def test_the_simplest_fraction_has_the_smallest_denominator(low, width):
    found = fraction(simplest(rational(low), rational(low + width)))
    assert low <= found <= low + width
    for denominator in range(1, found.denominator):
        assert math.ceil(low * denominator) > (low + width) * denominator


@given(st.fractions(-5, 5), st.fractions(Fraction(1, 10**9), 100))
def test_near_numbers_are_near_and_short(number, width):
    found = fraction(near(rational(number), rational(width)))
    assert number - width / 16 < found <= number
    assert found.denominator & (found.denominator - 1) == 0


@pytest.mark.parametrize("root", [1, 2, 3, 4, 12])
@given(number=st.fractions(Fraction(1, 10**9), 100))
def test_a_root_is_rounded_up_by_little(root, number):
    with ctx.workprec(128):
        found = fraction(root_above(rational(number), root))
    assert number <= found**root <= number * (1 + Fraction(root, 2**60))
