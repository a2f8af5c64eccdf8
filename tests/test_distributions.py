"""Tails and quantiles against mpmath's incomplete beta function."""

from __future__ import annotations

import math

import mpmath
import pytest

from polyoptim.distributions import f_tail, t_quantile, t_tails


def t_truth(t, dof):
    with mpmath.workdps(50):
        t, dof = mpmath.mpf(t), mpmath.mpf(dof)
        if t * t < dof:
            return float(1 - mpmath.betainc(0.5, dof / 2, 0, t * t / (dof + t * t), regularized=True))
        return float(mpmath.betainc(dof / 2, 0.5, 0, dof / (dof + t * t), regularized=True))


@pytest.mark.parametrize("dof", [1, 2, 3.5, 10, 117, 4000])
@pytest.mark.parametrize("t", [0.0, 1e-8, 0.3, 1.96, 7.0, 250.0])
def test_tails_of_student_are_those_of_mpmath(t, dof):
    assert t_tails(t, dof) == pytest.approx(t_truth(t, dof), rel=1e-13)
    assert t_tails(-t, dof) == t_tails(t, dof)


@pytest.mark.parametrize(("f", "a", "b"), [(0.1, 3, 20), (4.2, 1, 34), (5.4e6, 1, 34), (2.0, 10, 1e6), (1e-6, 2, 5)])
def test_tail_of_fisher_is_that_of_mpmath(f, a, b):
    with mpmath.workdps(50):
        share = mpmath.mpf(b) / (b + mpmath.mpf(a) * f)
        truth = float(mpmath.betainc(mpmath.mpf(b) / 2, mpmath.mpf(a) / 2, 0, share, regularized=True))
    assert f_tail(f, a, b) == pytest.approx(truth, rel=1e-13)


@pytest.mark.parametrize("dof", [1, 2, 7, 50, 1999, 19_999, 20_001, 1e7])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_quantile_is_the_inverse_of_the_tails(level, dof):
    assert t_tails(t_quantile(level, dof), dof) == pytest.approx(1 - level, rel=1e-11)


def test_quantile_of_the_normal_distribution():
    with mpmath.workdps(30):
        truth = float(mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf(0.95)))
    assert t_quantile(0.95, math.inf) == pytest.approx(truth, rel=1e-15)


def test_ends():
    assert t_tails(math.inf, 3) == 0.0
    assert f_tail(math.inf, 3, 4) == 0.0
    assert math.isnan(t_tails(math.nan, 3))
    assert math.isnan(f_tail(math.nan, 3, 4))


@pytest.mark.parametrize("t", [0.0, 0.5, 3.0, 20.0, 200.0])
def test_infinitely_many_degrees_of_freedom_are_the_normal_distribution(t):
    with mpmath.workdps(30):
        truth = float(mpmath.erfc(mpmath.mpf(t) / mpmath.sqrt(2)))
    assert t_tails(t, math.inf) == pytest.approx(truth, rel=1e-13)
