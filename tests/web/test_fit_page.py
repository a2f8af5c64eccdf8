"""The answer to the page about fitting says what fit() says."""

import numpy as np
import pytest

import polyoptim
from polyoptim.losses import LOSSES
from polyoptim.web import fit_page
from polyoptim.web.query import BadRequestError


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    x = np.linspace(1, 4, 60)
    y = 2 - x + 0.5 * x**2 + 0.1 * rng.standard_normal(60)
    rows = [f"{a!r},{b!r},0.1" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    (tmp_path / "cooling.csv").write_text("t,v,s\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "gaps.csv").write_text("t,v\n1,2\n2,\n3,5\n4,6\n5,9\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def asked(**more):
    return {"data": "cooling.csv", "upload": "key", "x": "t", "y": "v", "degree": "2", **more}


def test_fit_is_that_of_python(unpack):
    head, arrays = unpack(fit_page.fit(asked()))
    wanted = polyoptim.fit("cooling.csv", x="t", y="v", degree=2)
    assert head["formula"] == wanted.formula
    assert head["loss"] == wanted.loss
    assert [one["coef_power"] for one in head["terms"]] == wanted.stats["coef_power"]
    assert [one["stderr_power"] for one in head["terms"]] == wanted.stats["stderr_power"]
    assert (head["r2"], head["sigma"], head["dof"]) == tuple(wanted.stats[name] for name in ("r2", "sigma", "dof"))
    assert head["report"].split("time")[0] == wanted.report().split("time")[0]
    x = arrays["x"]
    assert x[0] < 1 < 4 < x[-1]
    for name in ("confidence", "prediction"):
        band = wanted.predict(x, interval=name, level=0.95)
        assert (arrays[f"{name}.low"] == band.low).all()
        assert (arrays[f"{name}.high"] == band.high).all()
    assert (arrays["residuals"] == arrays["points.y"] - wanted(arrays["points.x"])).all()


def test_fit_takes_level_and_errors_of_y(unpack):
    wide, narrow = (unpack(fit_page.fit(asked(level=level)))[1] for level in ("0.99", "0.5"))
    assert (wide["prediction.high"] > narrow["prediction.high"]).all()
    head, _ = unpack(fit_page.fit(asked(sigma="s")))
    wanted = polyoptim.fit("cooling.csv", x="t", y="v", sigma="s", degree=2)
    assert head["errors"] == "absolute"
    assert [one["stderr_power"] for one in head["terms"]] == wanted.stats["stderr_power"]


def test_fit_chooses_the_degree_when_asked(unpack):
    head, _ = unpack(fit_page.fit(asked(auto="true", degree="7")))
    assert head["degree"] == 2
    assert "--degree auto" in head["command"]


@pytest.mark.parametrize("loss", LOSSES)
def test_fit_takes_every_loss(unpack, loss):
    head, arrays = unpack(fit_page.fit(asked(loss=loss)))
    assert head["loss"] == polyoptim.fit("cooling.csv", x="t", y="v", degree=2, loss=loss).loss
    assert np.isfinite(arrays["curve"]).all()


def test_fit_takes_the_options_of_a_loss(unpack):
    head, _ = unpack(fit_page.fit(asked(loss="huber", delta="0.05")))
    wanted = polyoptim.fit("cooling.csv", x="t", y="v", degree=2, loss="huber", loss_options={"delta": 0.05})
    assert head["loss"] == wanted.loss
    assert "--loss-set delta=0.05" in head["command"]


def test_fit_says_why_there_is_no_band(unpack, tmp_path):
    (tmp_path / "few.csv").write_text("t,v\n1,1\n2,2\n3,5\n", encoding="utf-8")
    head, arrays = unpack(fit_page.fit(asked(data="few.csv")))
    assert not any(name.startswith("prediction") for name in arrays)
    assert any("band" in note or "errors" in note for note in head["notes"])


def test_fit_leaves_out_rows_with_gaps_when_asked(unpack):
    with pytest.raises(BadRequestError, match="missing"):
        fit_page.fit(asked(data="gaps.csv", degree="1"))
    head, _ = unpack(fit_page.fit(asked(data="gaps.csv", degree="1", drop="true")))
    assert head["rows"] == 4


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"degree": "-1"}, "degree"),
        ({"degree": "99"}, "degree"),
        ({"loss": "hubber"}, "loss"),
        ({"loss": "huber", "delta": "-1"}, "delta"),
        ({"level": "2"}, "level"),
        ({"drop": "maybe"}, "drop"),
    ],
)
def test_fit_refuses_at_the_field(more, field):
    with pytest.raises(BadRequestError) as caught:
        fit_page.fit(asked(**more))
    assert list(caught.value.fields) == [field]


def test_fit_wants_data():
    with pytest.raises(BadRequestError) as caught:
        fit_page.fit({"degree": "2"})
    assert "Drop" in caught.value.fields["data"]
