"""Minimax polynomials, against what others reached, dense samples and bounds that hold for every polynomial."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.errors import DataError
from polyoptim.solvers.minimax import Condition, minimax
from polyoptim.solvers.normal_equations import fraction
from polyoptim.solvers.sought import Sought
from polyoptim.solvers.space import Space
from polyoptim.targets.balls import evaluate
from polyoptim.targets.expression import parse

# Least errors by Sollya 8.0 (remez, 165 bits) for problems whose coefficients are in use, and where: function, domain,
# powers, fixed coefficients, error, least error. In this order: flash-attention, flash_attn/cute/utils.py (POLY_EX2);
# CUTLASS, dense_gemm_fp8_gelu_persistent.py (poly11_gelu); XNNPACK, src/f32-velu/neon-p6.c.in; optimized-routines of
# ARM, math/aarch64/experimental/atanf_data.c; Cephes, single/tanf.c; DirectXMath, XMScalarACos; Eigen,
# GenericPacketMathTrig.h (psincos_float); LLVM libc, src/math/generic/sinhf.cpp; musl, src/math/__sindf.c;
# lolremez, README.md; Sound Open Firmware, src/audio/drc/drc_math_generic.c; the composite sign of Lee et al. for
# homomorphic encryption.
PUBLISHED = [
    ("2**x", ("2**-20", "1"), (1, 2, 3), {0: "1"}, "relative", 8.559019597438316e-05),
    ("erf(x/sqrt(2))/2", ("2**-20", "3.5"), (1, 3, 5, 7, 9, 11), {}, "absolute", 0.00015606735585020916),
    ("expm1(x)", ("-log(2)/2", "log(2)/2"), (2, 3, 4, 5, 6), {1: "1"}, "relative", 1.3169923910185206e-08),
    ("atan(x)", ("2**-20", "1"), (3, 5, 7, 9, 11, 13, 15, 17), {1: "1"}, "relative", 1.6698353207742872e-08),
    ("tan(x)", ("2**-20", "pi/4"), (3, 5, 7, 9, 11, 13), {1: "1"}, "relative", 1.763952582795985e-08),
    ("acos(x)/sqrt(1-x)", ("0", "1-2**-20"), tuple(range(8)), {}, "absolute", 2.179951393684128e-08),
    ("cos(x)", ("2**-20", "pi/4"), (4, 6, 8), {0: "1", 2: "-0.5"}, "relative", 1.1554720215486896e-10),
    ("sinh(x)", ("2**-20", "0.078125"), (3, 5, 7), {1: "1"}, "relative", 3.4880680214551505e-17),
    ("sin(x)", ("2**-20", "pi/4"), (3, 5, 7, 9), {1: "1"}, "relative", 5.157482083623995e-12),
    ("atan(sqrt(3+x**3)-exp(1+x))", ("sqrt(2)", "pi**2"), tuple(range(6)), {}, "absolute", 0.001207901441974947),
    ("sin(x*pi/2)", ("2**-20", "1"), (1, 3, 5, 7), {}, "absolute", 5.891484493597489e-07),
    ("1", ("13/1024", "1"), (1, 3, 5, 7), {}, "absolute", 0.8623301639208768),
]


def number(text):
    with ctx.workprec(120):
        return fraction(evaluate(parse(text).root, arb(0)))


def solved(text, domain, powers, fixed=None, error="absolute", conditions=()):
    domains = domain if isinstance(domain[0], tuple) else [domain]
    domains = [tuple(map(number, ends)) for ends in domains]
    space = Space(tuple(powers), min(low for low, _ in domains), max(high for _, high in domains))
    weight = error if error in ("absolute", "relative") else parse(error).root
    target = parse(text).root if isinstance(text, str) else text
    sought = Sought(target, weight)
    fixed = {power: Fraction(value) for power, value in (fixed or {}).items()}
    return minimax(sought, space, fixed, domains, conditions), sought, domains


def largest(found, sought, domains, count=3000):
    """The largest error on a dense grid."""
    points = [low + (high - low) * Fraction(place, count) for low, high in domains for place in range(count + 1)]
    return float(np.abs(sought.errors(found.coef, sought.usable(points))).max())


@pytest.mark.parametrize(("text", "domain", "powers", "fixed", "error", "least"), PUBLISHED)
def test_least_errors_are_those_of_others(text, domain, powers, fixed, error, least):
    found, sought, domains = solved(text, domain, powers, fixed, error)
    assert found.error == pytest.approx(least, rel=1e-5)
    assert found.lower <= found.error <= found.lower * (1 + 1e-7)
    assert largest(found, sought, domains) <= found.error * (1 + 1e-5)
    assert all(found.coef[power] == Fraction(value) for power, value in fixed.items())


@pytest.mark.parametrize(
    ("text", "domain", "powers", "error", "least"),
    [
        ("exp(x)", ("-1", "1"), range(21), "absolute", None),
        ("cos(40*acos(x))", ("-1", "1"), range(21), "absolute", 1.0),
        ("abs(x - 0.5)", ("0", "1"), range(3), "absolute", 1 / 16),
        ("relu(x)", ("-1", "1"), range(4), "absolute", 1 / 16),
        ("relu(x)", ("-1", "1"), range(8), "absolute", None),
        ("relu(x)", ("-1", "1"), range(12), "absolute", None),
        ("log(x)", ("1.001", "2"), range(1, 6), "absolute", None),
        ("expm1(x)/x", ("-1", "1"), range(6), "relative", None),
        ("sqrt(x)", ("0", "1"), range(5), "absolute", None),
        ("x**3", ("-1", "1"), range(3), "absolute", 0.25),
        ("exp(x)", ("0", "1"), range(4), "exp(-x)", None),
        ("sin(x)", (("0", "0.5"), ("2", "3")), range(6), "absolute", None),
        ("exp(x)", ("0", "1"), (0, 1, 4, 9), "absolute", None),
        ("exp(x)*1e-200", ("0", "1"), range(4), "absolute", None),
    ],
)
def test_no_polynomial_is_below_the_bound_and_the_best_reaches_it(text, domain, powers, error, least):
    found, sought, domains = solved(text, domain, powers, None, error)
    assert found.lower <= found.error <= found.lower * (1 + 2e-7)
    assert largest(found, sought, domains) <= found.error * (1 + 1e-5)
    if least is not None:
        assert found.error == pytest.approx(least, rel=2e-7)


def test_conditions_are_met():
    conditions = [Condition(Fraction(0), Fraction(1)), Condition(Fraction(1), Fraction(0), order=1)]
    found, sought, domains = solved("exp(-x**2)", ("0", "1"), range(5), conditions=conditions)
    assert [one.of(found.coef) for one in conditions] == [1, 0]
    assert found.lower <= found.error <= found.lower * (1 + 1e-6)
    free, _, _ = solved("exp(-x**2)", ("0", "1"), range(5))
    assert found.error > free.error
    assert largest(found, sought, domains) <= found.error * (1 + 1e-5)


def test_conditions_that_contradict_each_other_are_an_error():
    twice = [Condition(Fraction(0), Fraction(1)), Condition(Fraction(0), Fraction(2))]
    with pytest.raises(DataError, match="contradict"):
        solved("exp(x)", ("0", "1"), range(3), conditions=twice)


def test_a_function_is_taken_at_its_floats():
    found, _, _ = solved(np.exp, ("0", "1"), range(4))
    assert found.error == pytest.approx(0.0005447915719, rel=1e-9)


def test_a_target_without_values_is_an_error():
    with pytest.raises(DataError, match="finite value at too few points"):
        solved("log(x)", ("-2", "-1"), range(3))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=6), st.integers(0, 4))
def test_a_polynomial_of_the_space_is_found(coef, more):
    text = " + ".join(f"({value})*x**{power}" for power, value in enumerate(coef))
    found, _, _ = solved(text, ("-1", "2"), range(len(coef) + more))
    assert [round(found.coef.get(power, 0), 40) for power in range(len(coef))] == coef
    assert found.error < 1e-40


@settings(deadline=None, max_examples=15)
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_every_other_polynomial_is_worse(change):
    found, sought, domains = solved("exp(x)", ("-1", "1"), range(4))
    other = {power: value + Fraction(change[power]) * Fraction(1, 1000) for power, value in found.coef.items()}
    low, high = domains[0]
    points = [low + (high - low) * Fraction(place, 500) for place in range(501)]
    assert np.abs(sought.errors(other, points)).max() >= found.lower * (1 - 1e-4)
