"""Numbers as users write them, exactly."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from polyoptim.errors import ArgumentError
from polyoptim.targets.constants import read_constant


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        ("0.1", Fraction(1, 10)),
        ("-1/3", Fraction(-1, 3)),
        ("2**-20", Fraction(1, 2**20)),
        ("(1 + 2)*0.5**3", Fraction(3, 8)),
        ("1e-400", Fraction(1, 10**400)),
        (0.1, Fraction(0.1)),
        (3, Fraction(3)),
        (Fraction(1, 3), Fraction(1, 3)),
        (np.float32(0.1), Fraction(float(np.float32(0.1)))),
    ],
)
def test_rational_numbers_are_exact(written, exact):
    found = read_constant(written, "x")
    assert found.exact == found.below(50) == found.above(50) == exact


@pytest.mark.parametrize(
    ("written", "truth"),
    [("pi/4", lambda: mpmath.pi / 4), ("-log(2)/2", lambda: -mpmath.log(2) / 2), ("sqrt(2)", lambda: mpmath.sqrt(2))],
)
def test_others_lie_between_their_ends(written, truth):
    found = read_constant(written, "x")
    assert found.exact is None
    with mpmath.workdps(60):
        low, high = (mpmath.mpf(end.numerator) / end.denominator for end in (found.below(120), found.above(120)))
        assert low < truth() < high
        assert high - low < 1e-33


@pytest.mark.parametrize("written", ["fast", "1/0", "x", None, "inf", True, 1j])
def test_what_is_no_number_is_refused(written):
    with pytest.raises(ArgumentError, match="domain must be"):
        read_constant(written, "domain")
