"""``polyoptim fit`` and ``polyoptim selftest``: the command line equals Python."""

from __future__ import annotations

import json

import numpy as np
import pytest

import polyoptim
from polyoptim.certified import FOLDER
from polyoptim.cli import run

NORRIS = str(FOLDER / "norris.csv")


def test_json_has_what_python_has(capsys):
    assert run(["fit", NORRIS, "--x", "x", "--y", "y", "--degree", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    result = polyoptim.fit(NORRIS, x="x", y="y", degree=1)
    assert found["stats"]["coef_power"] == result.stats["coef_power"]
    assert found["stats"]["stderr_power"] == result.stats["stderr_power"]
    assert {"sigma", "r2"} <= set(found["stats"])
    assert found["formula"] == result.formula
    assert found["coef"] == result.coef.tolist()


def test_report_names_formula_errors_and_quality(capsys):
    assert run(["fit", NORRIS, "--x", "x", "--y", "y", "--degree", "1"]) == 0
    text = capsys.readouterr().out
    for words in ("formula", "std. error", "0.2328", "R²", "on 34 degrees of freedom", "relative"):
        assert words in text


def test_options_reach_the_fit(tmp_path, capsys):
    path = tmp_path / "data.csv"
    x = np.linspace(1, 2, 9)
    rows = [f"{float(a)!r},{float(np.exp(a))!r},{1 + k % 3}" for k, a in enumerate(x)]
    path.write_text("\n".join(["t,v,w", *rows]) + "\n")
    words = ["fit", str(path), "--x", "t", "--y", "v", "--weight", "w", "--powers", "0,1,3", "--fixed", "1=0.5"]
    words += ["--through", "1,2.5", "--ridge", "0.01", "--basis", "legendre", "--domain", "0", "3", "--json"]
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    given = {"x": "t", "y": "v", "weight": "w", "powers": [0, 1, 3], "fixed": {1: 0.5}, "through": [(1, 2.5)]}
    result = polyoptim.fit(str(path), **given, ridge=0.01, basis="legendre", domain=(0, 3))
    assert found["coef"] == result.coef.tolist()
    assert found["stats"]["coef_power"][1] == 0.5


def test_exact_reads_decimals(capsys):
    assert run(["fit", NORRIS, "--x", "x", "--y", "y", "--degree", "1", "--exact", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stats"]["coef_power"][1] == pytest.approx(1.00211681802045, rel=1e-13)


def test_predictions_are_printed(tmp_path, capsys):
    new = tmp_path / "new.csv"
    new.write_text("x\n100\n2000\n")
    assert run(["fit", NORRIS, "--x", "x", "--y", "y", "--degree", "1", "--predict", str(new), "--level", "0.9"]) == 0
    lines = capsys.readouterr().out.rstrip().splitlines()[-3:]
    assert lines[0] == "x,y,low,high,outside"
    band = polyoptim.fit(NORRIS, x="x", y="y", degree=1).predict([100.0, 2000.0], "prediction", 0.9)
    cells = lines[2].split(",")
    assert [float(cells[1]), float(cells[2])] == [band.y[1], band.low[1]]
    assert cells[4] == "True"


def test_files_are_written(tmp_path, capsys):
    words = ["fit", NORRIS, "--x", "x", "--y", "y", "--degree", "2", "--save", str(tmp_path / "a.json")]
    words += [
        "--plot",
        str(tmp_path / "a.png"),
        "--export",
        str(tmp_path / "a.py"),
        "--export",
        str(tmp_path / "a.tex"),
    ]
    assert run(words) == 0
    capsys.readouterr()
    assert run(["show", str(tmp_path / "a.json")]) == 0
    assert "residual std. dev." in capsys.readouterr().out
    space = {}
    exec((tmp_path / "a.py").read_text(), space)  # noqa: S102 - our own program
    result = polyoptim.load(tmp_path / "a.json")
    at = np.linspace(0, 999, 7)
    assert space["polynomial"](at).tolist() == result(at).tolist()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--x", "x", "--y", "z"], "has no column 'z'"),
        (["--x", "x", "--y", "y", "--fixed", "0"], "POWER=VALUE"),
        (["--x", "x", "--y", "y", "--through", "1"], "points of 2 numbers"),
        (["--x", "x", "--y", "y", "--degree", "-1"], "degree must be an integer >= 0"),
        (["--x", "x", "--y", "y", "--export", "a.ipynb"], "solved at once"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_with_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["fit", NORRIS, *words]) == 2
    assert said in capsys.readouterr().err


def test_selftest_prints_the_digits(capsys):
    assert run(["selftest"]) == 0
    assert "wampler3" in capsys.readouterr().out
    assert run(["selftest", "--exact", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["short"] == []
    assert min(one["coef"] for one in found["digits"]) >= 13.2


def test_groups(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("t,v,s\n0,1,a\n1,3,a\n2,5.5,a\n0,9,b\n1,8,b\n5,5,c\n")
    words = ["fit", str(path), "--by", "s", "--degree", "1"]
    assert run([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    table = polyoptim.fit(str(path), x="t", y="v", by="s", degree=1)
    wanted = table.to_dict()
    assert printed["groups"] == wanted["groups"]
    assert printed["statuses"] == {"converged": 2, "rank_deficient": 1}
    assert run([*words, "--save", str(tmp_path / "out.csv")]) == 0
    assert "No polynomial for c: the samples do not determine 2 coefficients" in capsys.readouterr().out
    assert (tmp_path / "out.csv").read_text().splitlines()[0].startswith("s,status,rows,coef_power_0,coef_power_1,")
    assert run([*words, "--save", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["groups"] == wanted["groups"]
    capsys.readouterr()
    assert run([*words, "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"a: {table['a'].formula}",
        f"b: {table['b'].formula}",
        "c: no polynomial",
    ]
    assert run([*words, "--strict"]) == 1
    assert "1 of 3 groups did not converge" in capsys.readouterr().err
    assert run([*words, "--plot", str(tmp_path / "a.png"), "--predict", str(path)]) == 2
    assert "--plot, --predict is for one polynomial" in capsys.readouterr().err
