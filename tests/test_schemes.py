"""Schemes: programs that are the polynomial, with the operations that they say."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyoptim import ArgumentError
from polyoptim.schemes import SCHEMES, program


def value(found, coef, x):
    """The value of a program in rational numbers."""
    known = {"x": x, **{f"c{power}": coef[power] for power in found.powers}}
    for one in found.operations:
        a, b, *rest = (known[name] for name in one.inputs)
        known[one.result] = a + b if one.kind == "add" else a * b + sum(rest)
    return known[found.output]


@given(
    powers=st.sets(st.integers(0, 40), min_size=1, max_size=12),
    scheme=st.sampled_from(SCHEMES),
    fma=st.booleans(),
    x=st.fractions(-3, 3, max_denominator=50),
)
def test_programs_are_the_polynomial(powers, scheme, fma, x):
    coef = {power: Fraction(3 * power + 1, power + 2) for power in powers}
    found = program(list(powers), scheme, fma)
    assert value(found, coef, x) == sum(c * x**k for k, c in coef.items())
    names = [one.result for one in found.operations]
    assert len(set(names)) == len(names)
    assert found.count("fma") == (len(powers) - 1 if fma else 0)
    assert found.count("add") == (0 if fma else len(powers) - 1)


def test_costs_are_those_of_the_books():
    horner, estrin = (program(range(8), scheme) for scheme in SCHEMES)
    assert (horner.count("fma"), horner.count("mul"), horner.depth) == (7, 0, 7)
    assert (estrin.count("fma"), estrin.count("mul"), estrin.depth) == (7, 2, 3)
    odd = program((1, 3, 5, 7))
    assert (odd.count("fma"), odd.count("mul"), odd.depth) == (3, 2, 5)
    assert program((0,)).operations == ()
    assert program((5,)).count("mul") == 4  # x**2, x**3, x**5, and the coefficient


def test_unknown_schemes_are_refused():
    with pytest.raises(ArgumentError, match="did you mean 'horner'"):
        program((0, 1), "hornr")
