"""race, sweep and advise on the command line: what Python takes, and what is said to the person."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyoptim
from polyoptim.cli import many, run
from polyoptim.registry import Registry

SWEEP = ["sweep", "sin(x)", "--optimizer", "sgd", "--basis", "legendre", "--steps", "20"]
RACE = ["race", "sin(x)", "--optimizers", "SGD,Adam:betas=(0.8,0.9)", "--steps", "50", "--seeds", "6"]
RACE += ["--lrs", "1e-3:1:4:log", "--tuning-seeds", "2"]
ADVISE = ["advise", "sin(x)", "--steps", "5", "--seeds", "1", "--lrs", "1e-3,2**-5"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    # Where nothing is kept yet, compiling may take over a second, which is said.
    assert [line for line in err.splitlines() if "being compiled" not in line] == []
    found: dict[str, Any] = json.loads(out, parse_constant=pytest.fail)
    return found


def without_times(document: Any) -> Any:
    if isinstance(document, dict):
        return {k: without_times(v) for k, v in document.items() if not k.startswith("seconds")}
    return [without_times(part) for part in document] if isinstance(document, list) else document


def test_sweep_is_that_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--over", "lr=2**-14:1e-1:4:log", "--over", "momentum=0:0.9:3", "--set", "dampening=0.1", "--seed", "3"]
    found = printed([*SWEEP, *words], capsys)
    over = {"lr": (2**-14, 1e-1, 4, "log"), "momentum": (0, 0.9, 3)}
    options = {"dampening": 0.1}
    wanted = polyoptim.sweep("sin(x)", over=over, optimizer="SGD", basis="legendre", steps=20, seed=3, optimizer_options=options)  # fmt: skip  # noqa: E501
    assert without_times(found) == without_times(wanted.to_dict())


def test_race_is_that_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = polyoptim.race(
        "sin(x)",
        optimizers=["SGD", ("Adam", {"betas": (0.8, 0.9)})],
        steps=50,
        seeds=6,
        lrs=(1e-3, 1, 4, "log"),
        tuning_seeds=2,
    )
    assert without_times(printed(RACE, capsys)) == without_times(json.loads(json.dumps(wanted.to_dict())))


def test_advice_is_that_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = polyoptim.advise("sin(x)", steps=5, seeds=1, lrs=[1e-3, 2**-5])
    assert printed(ADVISE, capsys) == json.loads(json.dumps(wanted.to_dict()))


def test_data_of_a_file_are_mapped_from_their_own_range(capsys: pytest.CaptureFixture[str]) -> None:
    x = np.linspace(10, 30, 20)
    Path("a.csv").write_text("\n".join(["t,v", *(f"{a!r},{b!r}" for a, b in zip(x.tolist(), np.sin(x).tolist(), strict=True))]))  # fmt: skip  # noqa: E501
    words = ["sweep", "a.csv", "--x", "t", "--y", "v", "--basis", "legendre", "--steps", "20", "--over", "lr=1e-3,1e-2"]
    found = printed(words, capsys)
    assert found["domain"] == [10.0, 30.0]
    one = polyoptim.train("a.csv", x="t", y="v", basis="legendre", steps=20, engine="fused", lr=1e-2, seed=0)
    assert found["loss"][1] == one.loss


@pytest.mark.parametrize("words", [[*SWEEP, "--over", "lr=1e-4,1"], RACE])
def test_files_are_written_and_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--plot", "a.png", "--csv", "a.csv", "--save", "a.json"]
    assert run([*words, *files]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("polyoptim ")
    assert err.splitlines() == ["Written: a.png", "Written: a.csv", "Written: a.json"]
    assert json.loads(Path("a.json").read_text(), parse_constant=pytest.fail)["verb"] == words[0]
    assert len(Path("a.csv").read_text().splitlines()) > 2


def test_advice_writes_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ADVISE, "--csv", "a.csv"]) == 0
    assert capsys.readouterr().err == "Written: a.csv\n"
    assert Path("a.csv").read_text().startswith("basis,optimum,smallest,")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--over", "lr=1:2"], "--over takes FIRST:LAST:COUNT"),
        (["--over", "lr"], "--over takes NAME=VALUES"),
        (["--over", "lr=1,2", "--over", "lr=3,4"], "--over has 'lr' twice"),
        (["--over", "lrr=1,2"], "did you mean 'lr'?"),
        (["--over", "lr=0:1:5:log"], "a log range of lr must be of numbers > 0"),
        (["--over", "lr=1,fast"], "lr must be a number"),
        (["--over", "degree=1:9:9", "--powers", "0,1"], "over has degree, and powers are given"),
        (["--over", "lr=1,2", "--plot", "a.gif"], "no picture has that ending"),
        (["--over", "lr=1,2", "--csv", "a.txt"], "must end in .csv"),
        (["--over", "lr=1,2", "--csv", "none/a.csv"], "there is no folder 'none'"),
        ([], "Missing option '--over'"),
    ],
)
def test_wrong_words_are_said_before_the_work(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*SWEEP, *words]) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


def test_missing_matplotlib_is_said_before_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "polyoptim.cli.files.PARTS",
        Registry("report", {"figure": "matplotlib_is_not_here:figure"}, extra={"figure": "plot"}),
    )
    assert run([*SWEEP, "--over", "lr=1,2", "--plot", "a.png"]) == 2
    assert "pip install 'polyoptim[plot]'" in capsys.readouterr().err


def interrupt_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_self: many.Bar, done: int, _total: int) -> None:
        if done > count:
            raise KeyboardInterrupt

    monkeypatch.setattr(many.Bar, "__call__", stop)


def test_interrupted_sweep_is_printed_and_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after(2, monkeypatch)
    words = ["--over", "degree=1,2", "--over", "lr=1e-4,1e-3", "--csv", "a.csv"]
    assert run([*SWEEP, *words]) == 130
    out, err = capsys.readouterr()
    assert "Interrupted: 2 of them were made" in out
    assert err.splitlines()[-1] == "Written: a.csv"  # before it, maybe, that loops are compiled
    assert Path("a.csv").read_text().count("interrupted") == 2


def test_interrupted_race_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(4 * 2 + 4 * 6, monkeypatch)
    assert run(RACE) == 130
    assert "left out here: Adam(betas=(0.8, 0.9))" in capsys.readouterr().out
    interrupt_after(0, monkeypatch)
    assert run(RACE) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "polyoptim: interrupted."


def test_bar_shows_runs_a_second(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    with many.Bar(shown=True) as bar:
        bar(1000, 4000)
    shown = capsys.readouterr().err
    assert "1,000/4,000 runs" in shown
    assert "runs/s" in shown


@pytest.mark.parametrize("command", ["race", "sweep", "advise"])
@pytest.mark.parametrize("columns", ["80", "50"])
def test_help_fits_the_terminal(command: str, columns: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "polyoptim", command, "--help"],
        env={**os.environ, "COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    assert max(map(len, done.stdout.splitlines())) <= int(columns)
    assert "--json" in done.stdout
