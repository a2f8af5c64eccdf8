"""fit() by other losses than the squared one: the optimum, what it says of the rows, and its bands."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch

import polyoptim
from polyoptim import ArgumentError, DataError, fit
from polyoptim.engines.criterion import make_criterion
from polyoptim.losses import LOSSES

CASES = [
    ("huber", {"delta": 0.5}), ("soft_l1", {"delta": 0.5}), ("logcosh", {}), ("absolute", {}), ("quantile", {"q": 0.8}),
    ("pnorm", {"p": 1.5}), ("pnorm", {"p": 4.0}), ("smooth_l1", {"beta": 0.3}), ("tukey", {"c": 2.0}),
]  # fmt: skip


def sample(count=60, seed=0, low=1950.0, high=2020.0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, count)
    y = 2 + 3 * np.sin(2 * (x - low) / (high - low)) + 0.3 * rng.normal(size=count)
    y[::9] += 8
    return x, y


def loss_of(name, options, residual, weight=None):
    criterion = make_criterion(LOSSES[name], LOSSES[name].check(options), "sum")
    zero = torch.zeros(len(residual), dtype=torch.float64)
    return float(criterion(torch.tensor(residual), zero, None if weight is None else torch.tensor(weight)))


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_torchs_and_no_step_lowers_it(name, options, weighted):
    x, y = sample()
    weight = np.random.default_rng(1).exponential(size=60) if weighted else None
    result = fit(x, y, degree=2, loss=name, loss_options=options, weight=weight)
    assert result.optimum_kind == ("exact" if LOSSES[name].convex else "best found")
    assert result.loss == pytest.approx(loss_of(name, options, result(x) - y, weight), rel=1e-11)
    u = (x - x.mean()) / np.ptp(x)
    for size, power in itertools.product((1e-3, -1e-3), range(3)):
        assert loss_of(name, options, result(x) + size * u**power - y, weight) >= result.loss * (1 - 1e-12)


def test_absolute_goes_through_as_many_rows_as_it_has_coefficients():
    x, y = sample(25)
    result = fit(x, y, degree=2, loss="absolute")
    assert (np.abs(result(x) - y) < 1e-11).sum() >= 3
    best = min(
        np.abs(np.polynomial.Chebyshev.fit(x[list(rows)], y[list(rows)], 2, domain=[1950, 2020])(x) - y).sum()
        for rows in itertools.combinations(range(25), 3)
    )
    assert result.loss == pytest.approx(best, rel=1e-10)


def test_quantile_has_its_share_of_the_rows_below():
    x, y = sample(400)
    result = fit(x, y, degree=2, loss="quantile", loss_options={"q": 0.9})
    assert 355 <= (y <= result(x) + 1e-9).sum() <= 364


@pytest.mark.parametrize("name", ["huber", "absolute", "tukey", "soft_l1"])
def test_outliers_are_listed_and_hardly_change_the_curve(name):
    rng = np.random.default_rng(2)
    x = np.linspace(0, 10, 50)
    y = 1 + 2 * x + 0.1 * rng.normal(size=50)
    y[[7, 31]] += 100
    result = fit(x, y, degree=1, loss=name, loss_options={} if name == "absolute" else {LENGTHS[name]: 0.3})
    assert result.stats["coef_power"] == pytest.approx([1, 2], abs=0.1)
    assert [row for row, _ in result.stats["low_weight"]["rows"][:2]] == [7, 31]
    assert "low weight" in result.report()
    assert 0.05 < result.stats["sigma"] < 0.2


LENGTHS = {"huber": "delta", "soft_l1": "delta", "tukey": "c"}


def test_shapes_hold_for_any_loss():
    x, y = sample()
    result = fit(x, y, degree=3, loss="huber", through=[(1980, 4)], fixed={3: 1e-6})
    assert result(1980.0) == pytest.approx(4.0, abs=1e-10)
    assert result.stats["coef_power"][3] == 1e-6
    assert result.stats["stderr_power"][3] == 0.0
    rng = np.random.default_rng(3)
    many = fit(rng.normal(size=(60, 2)), y, degree=2, loss="absolute")
    assert len(many.coef) == 6


def test_huber_with_a_large_delta_is_half_the_squared_loss():
    x, y = sample()
    a, b = fit(x, y, degree=2, loss="huber", loss_options={"delta": 1e6}), fit(x, y, degree=2)
    assert a.coef == pytest.approx(b.coef, rel=1e-12)
    assert a.loss == pytest.approx(b.loss / 2, rel=1e-12)
    assert a.stats["stderr_power"] == pytest.approx(b.stats["stderr_power"], rel=0.05)


def test_best_found_is_never_called_the_optimum():
    text = fit(*sample(), degree=2, loss="tukey").report()
    assert "best found" in text
    assert "the optimum" not in text


def test_results_are_saved_with_their_bands(tmp_path):
    x, y = sample()
    result = fit(x, y, degree=2, loss="huber")
    result.save(tmp_path / "a.json")
    back = polyoptim.load(tmp_path / "a.json")
    for interval in ("confidence", "prediction"):
        assert back.predict(x, interval).low.tolist() == result.predict(x, interval).low.tolist()


def test_too_few_rows_have_no_band_for_a_new_value():
    x, y = sample(12)
    with pytest.raises(ArgumentError, match="too few for a band"):
        fit(x, y, degree=1, loss="huber", loss_options={"delta": 50}).predict(x, "prediction")


@pytest.mark.parametrize(
    ("rows", "loss", "options"),
    [
        (12, "absolute", {}),
        (30, "quantile", {"q": 0.95}),
        (12, "huber", {"delta": 1e-3}),
        (200, "pnorm", {"p": 4}),
        (30, "tukey", {"c": 1e-9}),
    ],
)
def test_intervals_that_would_not_hold_are_not_offered(rows, loss, options):
    x, y = sample(rows)
    result = fit(x, y, degree=2, loss=loss, loss_options=options)
    assert result.stats["stderr_power"] == [None] * 3
    with pytest.raises(ArgumentError, match="would not hold as often as it says"):
        result.predict(x, "confidence")
    assert re.search("^errors +none: ", result.report(), re.MULTILINE)


@pytest.mark.parametrize("name", ["huber", "absolute", "tukey", "pnorm"])
def test_huge_y_is_fitted(name):
    x = np.linspace(0, 1, 30)
    y = (1 + x) * 1e300
    assert fit(x, y, degree=1, loss=name)(x) == pytest.approx(y, rel=1e-6)


def test_samples_that_determine_nothing_are_refused():
    with pytest.raises(DataError, match="do not determine 3 coefficients"):
        fit([1.0, 1.0, 2.0, 2.0], [1.0, 2.0, 3.0, 4.0], degree=2, loss="huber")


@pytest.mark.parametrize("noise", ["normal", "student"])
@pytest.mark.parametrize(("name", "options"), [("huber", {"delta": 1.345}), ("absolute", {})])
def test_coverage_of_both_bands(noise, name, options):
    rng = np.random.default_rng(4)
    x = np.linspace(-1, 1, 100)
    at = np.array([-0.8, 0.1, 0.6])

    def draw(count):
        return rng.normal(size=count) if noise == "normal" else rng.standard_t(3, size=count)

    inside = {"confidence": 0, "prediction": 0}
    for _ in range(300):
        result = fit(x, 1 + x - x**2 + draw(100), degree=2, loss=name, loss_options=options)
        for kind in inside:
            band = result.predict(at, kind)
            goal = 1 + at - at**2 + (draw(3) if kind == "prediction" else 0)
            inside[kind] += int(((band.low <= goal) & (goal <= band.high)).sum())
    for kind, count in inside.items():
        assert 0.92 < count / 900 < 0.98, kind
