"""The choice of a degree: the same whatever the order of the rows, and the one that made the data."""

from __future__ import annotations

import re

import numpy as np
import pytest

from polyoptim import DataError, fit
from polyoptim.solvers.normal_equations import Shape
from polyoptim.solvers.selection import FOLDS, choose_degree, fold_of
from polyoptim.targets.partitions import Local, Part


def sample(seed, count=200, degree=3, noise=0.3):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, count)
    coef = rng.choice([-1.0, 1.0], degree + 1) * rng.uniform(0.5, 1.5, degree + 1)
    return x, np.polynomial.polynomial.polyval(x, coef) + noise * rng.normal(size=count)


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
def test_the_degree_that_made_the_data_is_found(degree):
    found = [fit(*sample(seed, degree=degree), degree="auto").degree for seed in range(10)]
    assert found.count(degree) >= 8


def test_rows_in_any_order_choose_alike():
    x, y = sample(1)
    order = np.random.default_rng(2).permutation(len(x))
    a, b = fit(x, y, degree="auto"), fit(x[order], y[order], degree="auto")
    assert a.coef.tolist() == b.coef.tolist()
    assert a.stats == b.stats


def test_errors_are_those_of_fits_without_each_fold():
    x, y = sample(3, count=80)
    part = Part([x], y)
    _, tried = choose_degree(Local(lambda: [part]), Shape())
    folds = fold_of(part)
    for degree in (0, 2, 4):
        squares = 0.0
        for fold in range(FOLDS):
            inside = folds != fold
            polynomial = np.polynomial.Chebyshev.fit(x[inside], y[inside], degree)
            squares += float(((y[~inside] - polynomial(x[~inside])) ** 2).sum())
        assert tried[degree].error == pytest.approx(squares / len(x), rel=1e-10)


def test_folds_are_of_like_size():
    x, y = sample(4, count=20_000)
    counts = np.bincount(fold_of(Part([x], y)), minlength=FOLDS)
    assert counts.min() > 1800
    assert counts.max() < 2200


def test_few_rows_are_refused():
    with pytest.raises(DataError, match="Give a degree"):
        fit([1.0, 2.0], [1.0, 2.0], degree="auto")


def test_degrees_stand_in_the_report():
    text = fit(*sample(5), degree="auto").report()
    assert "chosen: the lowest within one std. error" in text
    assert re.search("AICc +BIC", text)


def test_criteria_of_a_degree_are_those_of_its_fit():
    x, y = sample(5)
    for one in fit(x, y, degree="auto").stats["degrees"]:
        alone = fit(x, y, degree=one["degree"]).stats
        assert one["aicc"] == pytest.approx(alone["aicc"], rel=1e-12)
        assert one["bic"] == pytest.approx(alone["bic"], rel=1e-12)
