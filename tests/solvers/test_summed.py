"""Any convex loss by sums over partitions: the optimum of a fit in memory, proved, and the same bits for any cut."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import ArgumentError, DataError, fit
from polyoptim.losses import find_loss
from polyoptim.solvers import any_loss, summed_corners
from polyoptim.solvers.any_loss import fit_loss
from polyoptim.solvers.normal_equations import Shape, nearest
from polyoptim.solvers.ranks import ordered
from polyoptim.targets.partitions import Local, Part, Partitions

LOSSES = [
    ("huber", {}),
    ("huber", {"delta": 1e-3}),
    ("huber", {"delta": 1e-7}),
    ("huber", {"delta": 1e8}),
    ("smooth_l1", {"beta": 0.5}),
    ("smooth_l1", {"beta": 0}),
    ("soft_l1", {}),
    ("logcosh", {}),
    ("pnorm", {"p": 1.1}),
    ("pnorm", {"p": 1.5}),
    ("pnorm", {"p": 3}),
    ("pnorm", {"p": 40}),
    ("absolute", {}),
    ("quantile", {"q": 0.9}),
    ("quantile", {"q": 0.01}),
]
LINE = Fraction(1, 10)


@dataclass
class Far(Partitions):
    """Partitions that arrive backwards, each of them twice."""

    parts: list

    def arrivals(self, function):
        found, first = [], 0
        for place, part in enumerate(self.parts):
            found.append((place, function(Part(part.x, part.y, part.weight, first)) if len(part.y) else None))
            first += len(part.y)
        return iter([*found[::-1], *found])


def cut(part, count, seed=0):
    ends = np.sort(np.random.default_rng(seed).integers(0, len(part.y) + 1, count - 1))
    return Far([part.rows(slice(a, b)) for a, b in itertools.pairwise([0, *ends.tolist(), len(part.y)])])


def tables():
    rng = np.random.default_rng(11)
    x = rng.uniform(-60, 60, 3000)
    y = 3 + 0.1 * x - 0.002 * x**2 + rng.standard_t(2, len(x))
    weight = rng.integers(0, 5, len(x)).astype(float)
    pair = rng.normal(size=(2, 3000))
    return {
        "far from zero": (Part([x + 1960], y), 3, Shape()),
        "weighted": (Part([x], y, weight), 3, Shape()),
        "of a shape": (Part([x], y, weight), 3, Shape(fixed={(1,): LINE}, through=[([Fraction(0)], Fraction(3))])),
        "powers": (Part([x / 60], y), 5, Shape(powers=[(0,), (1,), (3,), (5,)])),
        "two columns": (Part(list(pair), pair[0] - pair[1] ** 2 + rng.standard_cauchy(3000)), 2, Shape()),
        "tied": (Part([np.round(x)], np.round(y)), 2, Shape()),
    }


TABLES = tables()


def coefs(found):
    coef = found.fitted.solved.coef
    return np.array([nearest(coef[place, 0]) for place in range(coef.nrows())])


def variances(found):
    table = found.fitted.solved.covariance
    return np.array([nearest(table[place, place]) for place in range(table.nrows())])


@pytest.mark.parametrize(("loss", "options"), LOSSES)
@pytest.mark.parametrize("name", list(TABLES))
def test_the_optimum_is_that_of_a_fit_in_memory(monkeypatch, name, loss, options):
    monkeypatch.setattr(summed_corners, "KEPT", 400)
    part, degree, shape = TABLES[name]
    used = find_loss(loss)
    near = fit_loss(Local(lambda: [part]), degree, shape, used, used.check(options))
    far = fit_loss(cut(part, 4), degree, shape, used, used.check(options))
    assert far.robust.kind == "exact"
    assert far.robust.value == pytest.approx(near.robust.value, rel=1e-12)
    assert far.robust.bound <= far.robust.value
    flat = 1e-6 if loss == "pnorm" else 1e-9  # where the loss is flat, coefficients are not known as well as its value
    np.testing.assert_allclose(coefs(far), coefs(near), rtol=0, atol=flat * np.abs(coefs(near)).max())
    assert far.robust.scale == pytest.approx(near.robust.scale, rel=1e-6)
    assert (far.robust.covariance is None) == (near.robust.covariance is None)
    if options.get("p", 2) != 1.1:  # there the variance hangs on the smallest residual
        np.testing.assert_allclose(variances(far), variances(near), rtol=1e-5)
    assert far.low.count == near.low.count
    assert [row for _, row in far.low.lowest] == [row for _, row in near.low.lowest]


@pytest.mark.parametrize(("loss", "options"), [("huber", {}), ("pnorm", {"p": 1.5}), ("quantile", {"q": 0.9})])
def test_any_partitions_have_the_same_bits(monkeypatch, loss, options):
    monkeypatch.setattr(summed_corners, "KEPT", 400)
    part, degree, shape = TABLES["weighted"]
    used = find_loss(loss)
    found = [fit_loss(cut(part, count, count), degree, shape, used, used.check(options)) for count in (2, 5, 12)]
    for other in found[1:]:
        assert coefs(other).tobytes() == coefs(found[0]).tobytes()
        assert variances(other).tobytes() == variances(found[0]).tobytes()
        assert (other.robust.value, other.robust.bound, other.robust.scale, other.low) == (
            found[0].robust.value, found[0].robust.bound, found[0].robust.scale, found[0].low
        )  # fmt: skip


def test_few_rows_travel_for_a_kink(monkeypatch):
    monkeypatch.setattr(summed_corners, "KEPT", 400)
    kept = []
    plain = summed_corners.Sorter.cut
    monkeypatch.setattr(summed_corners.Sorter, "cut",
                        lambda self, part: kept.append(plain(self, part)) or kept[-1])  # fmt: skip
    part, degree, shape = TABLES["far from zero"]
    used = find_loss("absolute")
    fit_loss(cut(part, 5), degree, shape, used, {})
    assert 0 < sum(len(one.y) for each in kept for one in each.kept.parts) <= 2 * 400


def test_a_wrong_side_is_found_out_and_mended(monkeypatch):
    monkeypatch.setattr(summed_corners, "KEPT", 50)
    monkeypatch.setattr(summed_corners, "NEAR", 0.05)  # a band so narrow that signs come out wrong
    part, degree, shape = TABLES["weighted"]
    used = find_loss("absolute")
    near = fit_loss(Local(lambda: [part]), degree, shape, used, {})
    far = fit_loss(cut(part, 5), degree, shape, used, {})
    assert len(far.robust.values) > 1
    assert far.robust.kind == "exact"
    assert far.robust.value == pytest.approx(near.robust.value, rel=1e-12)


def test_a_polynomial_that_meets_every_row_is_exact():
    x = np.linspace(3, 9, 500)
    for loss, options in LOSSES:
        used = find_loss(loss)
        found = fit_loss(cut(Part([x], 2 - x), 4), 2, Shape(), used, used.check(options))
        assert found.robust.kind == "exact"
        assert found.robust.scale < 1e-14


def test_rows_too_many_for_memory_are_summed(monkeypatch):
    part, *_ = TABLES["far from zero"]
    near = fit(part.x[0], part.y, loss="huber", degree=3)
    monkeypatch.setattr(any_loss, "MOST_NUMBERS", 100)
    far = fit(part.x[0], part.y, loss="huber", degree=3)
    np.testing.assert_allclose(far.stats["coef_power"], near.stats["coef_power"], rtol=1e-9)
    np.testing.assert_allclose(far.stats["stderr_power"], near.stats["stderr_power"], rtol=1e-9)
    assert far.stats["low_weight"]["rows"][0][0] == near.stats["low_weight"]["rows"][0][0]
    with pytest.raises(ArgumentError, match="'tukey' has many local minima"):
        fit(part.x[0], part.y, loss="tukey")


def test_what_is_not_determined_is_said():
    part = Part([np.array([1.0, 2.0, 1.0, 2.0])], np.arange(4.0))
    used = find_loss("huber")
    with pytest.raises(DataError, match=r"do not determine 4 coefficients.*Use a lower degree\.$"):
        fit_loss(cut(part, 2), 3, Shape(), used, used.check({}))
    with pytest.raises(ArgumentError, match="nothing is left to be fitted"):
        fit_loss(cut(part, 2), 0, Shape(fixed={(0,): LINE}), used, used.check({}))


def _own(part):
    return part.y


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60), st.integers(1, 5))
def test_ranks_are_those_of_a_sort(found, count):
    y = np.array(found)
    ranks = sorted({0, len(y) // 2, len(y) - 1})
    assert ordered(cut(Part([y], y), count), partial(_own), ranks) == np.sort(y)[ranks].tolist()
