"""fit(by=…): one polynomial for each group, each as if its rows were fitted alone."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyoptim
from polyoptim import ArgumentError, DataError, ResultTable, StatusError, fit, groups_kernel
from polyoptim.bases import FAMILIES
from polyoptim.compiler import compiled
from polyoptim.lane_operations import FUNCTIONS, TEXTS
from polyoptim.solvers.groups import solve_groups
from polyoptim.solvers.squared import Part
from polyoptim.targets.grouping import group

NUMBERS = ("coef", "coef_power", "stderr_power", "sigma", "rss", "tss", "count", "domain", "solved")


def uneven(seed, groups=60, most=40, far=0.0):
    """Rows of groups of all sizes, in no order, with their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(groups), rng.integers(1, most, groups)))
    x = far + rng.random(len(labels)) * 10
    return x, np.sin(x) + 0.1 * rng.standard_normal(len(labels)), labels, rng


def ulps(a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    apart = np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))
    return float(np.max(np.where(a == b, 0.0, apart), initial=0.0))


def kernels(monkeypatch, name):
    """Make the fit take the compiled loop, or that of NumPy."""
    both = {"numba": (compiled(groups_kernel.module_text()).module.fit, groups_kernel.LANES),
            "numpy": (groups_kernel._plain(), None)}  # noqa: SLF001  # fmt: skip
    monkeypatch.setattr(groups_kernel, "fitter", lambda *_: both[name])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("degree", [0, 1, 3, 6])
def test_compiled_and_numpy_give_the_same_bits(degree, weighted, monkeypatch):
    x, y, labels, rng = uneven(degree, groups=300)
    weight = rng.random(len(x)) * (rng.random(len(x)) > 0.1) if weighted else None
    y[labels == 7] = 1 + 2 * x[labels == 7]  # where squares of residuals cancel
    found = {}
    for name in ("numba", "numpy"):
        kernels(monkeypatch, name)
        found[name] = solve_groups(Part([x], y, weight), group([labels]), degree, FAMILIES["chebyshev"])
    for name in NUMBERS:
        assert np.array_equal(getattr(found["numba"], name), getattr(found["numpy"], name), equal_nan=True), name
    assert found["numba"].solved.mean() > 0.7


def test_every_operation_of_the_text_has_a_twin():
    assert set(FUNCTIONS) == set(TEXTS)
    assert set(groups_kernel.USED) <= set(TEXTS)


@pytest.mark.parametrize("far", [0.0, 2000.0, 1.7e9])
@pytest.mark.parametrize("kind", [None, "weight", "sigma"])
def test_each_group_is_what_a_fit_of_its_rows_gives(kind, far, tmp_path):
    x, y, labels, rng = uneven(3, far=far)
    more = {} if kind is None else {kind: rng.random(len(x)) + 0.01}
    table = fit(x, y, by=labels, degree=3, **more)
    assert isinstance(table, ResultTable)
    assert list(table) == sorted(set(labels.tolist()))
    for place, label in enumerate(table):
        own = labels == label
        rest = {name: values[own] for name, values in more.items()}
        if len(set(x[own].tolist())) < 4:
            assert table.status[place] == "rank_deficient"
            with pytest.raises(DataError, match="do not determine 4 coefficients"):
                fit(x[own], y[own], **rest)
            continue
        alone = fit(x[own], y[own], **rest)
        stats = alone.stats
        assert table.status[place] == "converged"
        assert table.count[place] == alone.count
        assert tuple(table.domain[place]) == alone.domain
        assert ulps(table.coef[place], alone.coef) <= 1
        assert ulps(table.coef_power[place], stats["coef_power"]) <= 1
        if stats["dof"] > 0:
            for ours, theirs in ((table.stderr_power, "stderr_power"), (table.sigma, "sigma"), (table.t, "t")):
                np.testing.assert_allclose(ours[place], stats[theirs], rtol=2e-14)
            for name in ("r2", "r2_adjusted", "rss", "tss", "dof"):
                np.testing.assert_allclose(getattr(table, name)[place], stats[name], rtol=2e-14, atol=2e-15)
        else:
            assert math.isnan(table.sigma[place])
        if stats["aicc"] is not None:
            np.testing.assert_allclose([table.aicc[place], table.bic[place]], [stats["aicc"], stats["bic"]], rtol=1e-12)
        else:
            assert math.isnan(table.aicc[place])
        result = table[label]
        assert result.formula == alone.formula
        assert np.array_equal(result.coef, alone.coef)
        assert result.target["group"] == label
        if place < 3:
            result.save(tmp_path / "group.json")
            assert polyoptim.load(tmp_path / "group.json").target == result.target


@pytest.mark.parametrize("basis", list(FAMILIES))
@pytest.mark.parametrize("domain", [None, (-5, 20)])
def test_bases_and_domains(basis, domain):
    x, y, labels, _ = uneven(5)
    table = fit(x, y, by=labels, degree=2, basis=basis, domain=domain)
    places = [place for place in range(len(table)) if table.status[place] == "converged"]
    assert len(places) > 40
    for place in places[:8]:
        own = labels == table.labels[place]
        alone = fit(x[own], y[own], degree=2, basis=basis, domain=domain)
        np.testing.assert_allclose(table.coef[place], alone.coef, rtol=1e-13, atol=1e-13 * np.abs(alone.coef).max())
        at = np.linspace(x[own].min(), x[own].max(), 7)
        np.testing.assert_allclose(table.predict(at, table.labels[place]), alone(at), rtol=1e-12, atol=1e-13)


def test_no_order_of_rows_and_no_neighbour_changes_a_bit():
    x, y, labels, rng = uneven(9, groups=500)
    table = fit(x, y, by=labels)
    order = rng.permutation(len(x))
    again = fit(x[order], y[order], by=labels[order])
    some = labels % 7 == 3
    fewer = fit(x[some], y[some], by=labels[some])
    kept = table.labels % 7 == 3
    for name in ("coef", "coef_power", "stderr_power", "sigma", "r2", "domain", "codes"):
        assert np.array_equal(getattr(table, name), getattr(again, name), equal_nan=True), name
        assert np.array_equal(getattr(table, name)[kept], getattr(fewer, name), equal_nan=True), name


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(-50, 50), min_size=3, max_size=3), min_size=1, max_size=6), st.integers(0, 2**32))
def test_integer_polynomials_are_recovered_exactly(wanted, seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(wanted)), 9)
    x = np.concatenate([rng.permutation(np.arange(-4.0, 5.0)) + 100 * k for k in range(len(wanted))])
    y = sum(np.array(wanted)[labels, k] * x**k for k in range(3))
    table = fit(x, y, by=labels, degree=2)
    np.testing.assert_allclose(table.coef_power, wanted, rtol=0, atol=1e-27)
    assert (table.rss == 0).all()


def test_residuals_that_cancel_keep_their_digits():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 25)
    x = rng.random(1000) + 3
    noise = 2.0 ** -rng.integers(20, 50, 40)
    y = 1e3 + x + x**2 + noise[labels] * rng.standard_normal(1000)
    table = fit(x, y, by=labels, degree=2)
    for place in range(40):
        alone = fit(x[labels == place], y[labels == place], degree=2)
        np.testing.assert_allclose(table.stderr_power[place], alone.stats["stderr_power"], rtol=1e-13)
        assert ulps(table.coef_power[place], alone.stats["coef_power"]) <= 1


def test_a_group_that_cannot_be_fitted_says_why_and_the_others_are_done():
    x = [0, 1, 2, 3, 5, 5, 5, 5, 1, 0, 1, 2, 0, 1, 2, 3]
    y = [0, 1, 4, 9, 1, 2, 3, 4, 1, 7, 7, 7, 1, 1, 1, 1]
    w = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1]
    by = ["good"] * 4 + ["constant"] * 4 + ["one"] + ["weightless"] * 3 + ["three"] * 4
    table = fit(x, y, weight=w, by=by, degree=2)
    ended = dict(zip(table, table.status.tolist(), strict=True))
    assert ended == {
        "good": "converged",
        "three": "converged",
        **dict.fromkeys(["constant", "one", "weightless"], "rank_deficient"),
    }
    assert table["good"].stats["coef_power"] == pytest.approx([0, 0, 1], abs=1e-25)
    assert not table.has("one")
    with pytest.raises(DataError, match="group 'one' has no polynomial: the samples do not determine 3 coefficients"):
        table["one"]
    with pytest.raises(ArgumentError, match="no group of 'by' has the label 'other'"):
        table["other"]
    text = table.report()
    assert "2 converged, 3 rank_deficient" in text
    assert "No polynomial for constant, one, weightless: the samples do not determine" in text
    with pytest.raises(StatusError, match="3 of 5 groups"):
        fit(x, y, weight=w, by=by, degree=2, strict=True)


def test_groups_beyond_what_side_by_side_can_hold():
    rng = np.random.default_rng(1)
    labels = np.r_[np.repeat([1, 2, 3], 12), np.repeat(4, 9000), np.repeat(5, 12)]
    x, y = rng.random(len(labels)), rng.random(len(labels))
    x[labels == 1] *= 1e-200
    y[labels == 2] *= 1e300
    x[labels == 3] = 1 + x[labels == 3] * 1e-15  # few different values, hardly determined
    table = fit(x, y, by=labels, degree=2)
    for place, label in enumerate(table):
        own = labels == label
        if label == 3 and len(set(x[own])) < 3:
            assert table.status[place] == "rank_deficient"
            continue
        alone = fit(x[own], y[own], degree=2)
        assert ulps(table.coef[place], alone.coef) <= 1
        np.testing.assert_allclose(table.sigma[place], alone.stats["sigma"], rtol=1e-13)


@pytest.mark.parametrize(
    "more",
    [
        {"loss": "huber", "loss_options": {"delta": 0.1}},
        {"loss": "absolute"},
        {"powers": [0, 2]},
        {"fixed": {0: 1}},
        {"through": (0, 1)},
        {"ridge": 0.5},
    ],
)
def test_every_shape_and_loss_has_groups(more):
    x, y, labels, _ = uneven(2, groups=6)
    table = fit(x, y, by=labels, degree=2, **more)
    for place, label in enumerate(table):
        own = labels == label
        if table.has(label):
            alone = fit(x[own], y[own], degree=2, **more)
            assert np.array_equal(table.coef[place], alone.coef)
            assert np.array_equal(table.coef_power[place], alone.stats["coef_power"])
            assert table.loss[place] == alone.loss
            assert table.errors == alone.stats["errors"]


def test_several_columns_of_x():
    rng = np.random.default_rng(4)
    x, labels = rng.random((90, 2)), np.repeat([0, 1, 2], 30)
    y = 1 + 2 * x[:, 0] - x[:, 1] * labels
    table = fit(x, y, by=labels, degree=1)
    np.testing.assert_allclose(table.coef_power, [[1, 2, 0], [1, 2, -1], [1, 2, -2]], atol=1e-15)
    assert table.domain.shape == (3, 2, 2)
    np.testing.assert_allclose(table.predict(x, labels), y, atol=1e-14)
    assert "coef_power_1_0" in table.columns()


@pytest.mark.parametrize("kind", ["csv", "parquet", "pandas", "polars", "arrow", "mapping"])
def test_groups_of_tables(kind, tmp_path):
    labels = ["b", "a", "b", "a", "b", "a", "b", "c"]
    columns = {"t": [0.0, 0, 1, 1, 2, 2, 3, 9], "v": [1.0, 5, 2, 4, 3, 3, 4.5, 0], "s": labels}
    if kind == "csv":
        data = tmp_path / "a.csv"
        with data.open("w", newline="") as stream:
            csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])
    elif kind == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        data = tmp_path / "a.parquet"
        parquet.write_table(pyarrow.table(columns), data)
    elif kind == "arrow":
        data = pytest.importorskip("pyarrow").table(columns)
    else:
        data = columns if kind == "mapping" else pytest.importorskip(kind).DataFrame(columns)
    table = fit(data, x="t", y="v", by="s", degree=1)
    assert list(table) == ["a", "b", "c"]
    assert table.by == "s"
    assert table.coef_power[0].tolist() == [5, -1]
    assert table.status.tolist() == ["converged", "converged", "rank_deficient"]
    assert np.array_equal(table["b"].coef, fit([0, 1, 2, 3], [1, 2, 3, 4.5], degree=1).coef)


def test_labels_of_every_kind():
    x, y = [0, 1, 0, 1, 0, 1], [1, 2, 3, 4, 5, 6]
    assert list(fit(x, y, by=[2, 2, 10, 10, -1, -1], degree=1)) == [-1, 2, 10]
    assert list(fit(x, y, by=np.array([2, 2, 10, 10, 1, 1], dtype=np.uint8), degree=1)) == [1, 2, 10]
    assert list(fit(x, y, by=np.array(["b", "b", 10, 10, 9, 9], dtype=object), degree=1)) == [9, 10, "b"]
    assert list(fit(x, y, by=[2**62, 2**62, -(2**62), -(2**62), 0, 0], degree=1)) == [-(2**62), 0, 2**62]
    with pytest.raises(DataError, match=r"by\[2\]|'by'\[2\]"):
        fit(x, y, by=["a", "a", None, "b", "b", "b"], degree=1)
    table = fit(x, y, by=["a", "a", None, "b", "b", "b"], degree=1, missing="drop")
    assert list(table) == ["a", "b"]
    assert table.count.tolist() == [2, 3]


def test_grouping_finds_the_same_groups_in_every_way(monkeypatch):
    rng = np.random.default_rng(8)
    labels = rng.integers(-20, 20, 3000)
    wanted = {label: np.flatnonzero(labels == label).tolist() for label in sorted(set(labels.tolist()))}
    spread = labels * 10**12
    ways = {"compared": [spread], "counted": [labels], "parts": np.split(labels, [7, 7, 1000]),
            "text": [np.array([f"{label + 20:02}" for label in labels], dtype=object)]}  # fmt: skip
    for name, parts in ways.items():
        found = group(parts)
        assert [found.rows(place).tolist() for place in range(len(found.labels))] == list(wanted.values()), name
    monkeypatch.setattr("polyoptim.targets.grouping.MANY", 0)
    found = group([labels])
    assert [found.rows(place).tolist() for place in range(len(found.labels))] == list(wanted.values())
    ordered = group(np.split(np.sort(labels), [1500]))
    assert ordered.order is None
    assert ordered.labels.tolist() == list(wanted)
    assert ordered.counts.tolist() == [len(rows) for rows in wanted.values()]


def test_predict_takes_a_label_for_each_row():
    x, y, labels, _ = uneven(6, groups=9)
    table = fit(x, y, by=labels, degree=1)
    kept = [label for label in table if table.has(label)]
    at, own = np.linspace(0, 9, len(kept)), np.array(kept)
    assert np.allclose(table.predict(at, own), [table[label](value) for value, label in zip(at, kept, strict=True)])
    with pytest.raises(ArgumentError, match="a label for each"):
        table.predict(at, own[:2])
    with pytest.raises(ArgumentError, match="no group"):
        table.predict(1.0, 999)


def test_table_is_kept_as_csv_and_json(tmp_path):
    x, y, labels, _ = uneven(7, groups=5)
    table = fit(x, y, by=labels, degree=1)
    table.save_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["by"]) for row in rows] == list(table)
    assert [float(row["coef_power_1"] or "nan") for row in rows] == pytest.approx(
        table.coef_power[:, 1].tolist(), rel=0, nan_ok=True
    )
    table.save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [one["stats"]["coef_power"] for one in document["groups"] if one["status"] == "converged"] == [
        one.tolist() for one in table.coef_power[table.codes == 0]
    ]
    assert len(table.data_frame()) == 5


def test_moments_count_from_the_same_origin_in_every_group():
    days = np.array(["2020-01-01", "2020-01-02", "2020-01-03", "2021-01-01", "2021-01-02", "2021-01-03"], dtype="M8[D]")
    table = fit(days, [1.0, 2, 3, 3, 2, 1], by=[1, 1, 1, 2, 2, 2], degree=1)
    assert table[2].domain[0] == 366 * 86400
    assert "2020-01-01" in table[2].formula


def test_result_table_is_public():
    assert polyoptim.ResultTable is ResultTable
