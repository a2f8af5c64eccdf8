"""Double-double arithmetic against rational numbers."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from polyoptim.doubled import difference, fast_two_sum, pair_of, product, scaled, total, two_product, two_sum

# Splitting a factor, and the error of a product, need room at both ends of the range.
floats = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)
pairs = st.fractions(-1000, 1000, max_denominator=10**30).map(pair_of)


def exact(pair) -> Fraction:
    return Fraction(pair[0]) + Fraction(pair[1])


@given(floats, floats)
def test_sum_and_product_of_two_floats_are_exact(a, b):
    assert exact(two_sum(a, b)) == Fraction(a) + Fraction(b)
    assert exact(two_product(a, b)) == Fraction(a) * Fraction(b)
    large, small = max(a, b, key=abs), min(a, b, key=abs)
    assert fast_two_sum(large, small) == two_sum(large, small)


@given(pairs, pairs)
def test_arithmetic_of_pairs_has_104_bits(a, b):
    size = max(abs(exact(a)), abs(exact(b)))
    assert abs(exact(product(a, b)) - exact(a) * exact(b)) <= abs(exact(a) * exact(b)) * Fraction(2) ** -100
    assert (
        abs(exact(scaled(a, b[0])) - exact(a) * Fraction(b[0])) <= abs(exact(a) * Fraction(b[0])) * Fraction(2) ** -100
    )
    assert abs(exact(total(a, b)) - exact(a) - exact(b)) <= size * Fraction(2) ** -102
    assert abs(exact(difference(a, b)) - exact(a) + exact(b)) <= size * Fraction(2) ** -102
