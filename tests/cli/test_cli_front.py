"""front on the command line: what Python takes, what is written, and what is said to the person."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import polyoptim
from polyoptim.cli import many, run

FRONT = ["front", "2**x", "--domain", "0", "1", "--degrees", "1:3", "--formats", "bfloat16,float16"]
FRONT += ["--error", "relative", "--fixed", "0=1"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def without_times(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: without_times(value) for key, value in document.items() if key != "seconds"}
    return [without_times(part) for part in document] if isinstance(document, list) else document


def test_front_is_that_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["front", "2**x", "--domain", "0", "1", "--degrees", "1:2", "--formats", "bfloat16", "--error", "relative"]
    words += ["--fixed", "0=1", "--schemes", "estrin,horner", "--fma", "both", "--output-format", "bfloat16"]
    words += ["--compute-format", "float32", "--inputs", "all"]
    assert run([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    wanted = polyoptim.front(
        "2**x", domain=(0, 1), degrees=[1, 2], formats=["bfloat16"], schemes=["estrin", "horner"],
        fma=[True, False], error="relative", fixed={0: 1}, output_format="bfloat16", compute_format="float32",
        inputs="all",
    )  # fmt: skip
    assert without_times(found) == without_times(json.loads(json.dumps(wanted.to_dict())))
    assert {point["status"] for point in found["points"]} == {"converged"}


def test_files_are_written_and_the_exported_point_verifies(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--plot", "a.png", "--table", "a.csv", "--save", "a.json", "--export", "a.h", "b.py", "--point", "5"]
    assert run([*FRONT, *files]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("polyoptim front: 12 points for 2**x on [0, 1]\n")
    assert [line for line in err.splitlines() if "compiled" not in line] == [
        "Written: a.png", "Written: a.csv", "Written: a.json", "Written: a.h", "Written: b.py"
    ]  # fmt: skip
    point = json.loads(Path("a.json").read_text())["points"][4]
    assert (point["degree"], point["format"], point["scheme"]) == (2, "bfloat16", "horner")
    assert run(["verify", "a.h"]) == 0
    assert run(["verify", "b.py"]) == 0
    assert len(Path("a.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--export", "a.h"], "--export needs --point N"),
        (["--point", "1"], "--point needs --export FILE"),
        (["--point", "none", "--export", "a.h"], "--point must be a number of the table, from 1 on, got 'none'"),
        (["--point", "0", "--export", "a.h"], "--point must be a number of the table"),
        (["--export", "a.exe", "--point", "1"], "no export has the ending '.exe'"),
        (["--plot", "a.gif"], "no picture has that ending"),
        (["--csv", "a.txt"], "must end in .csv"),
        (["--save", "none/a.json"], "there is no folder 'none'"),
        (["--schemes", "hrner"], "did you mean 'horner'?"),
        (["--fma", "maybe"], "fma must be True, False or 'both'"),
        (["--fixed", "0"], "--fixed takes POWER=VALUE"),
    ],
)
def test_wrong_words_are_said_before_the_work(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*FRONT, *words]) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


def test_degrees_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["front", "2**x", "--domain", "0", "1"]) == 2
    assert "Missing option '--degrees'" in capsys.readouterr().err


def test_point_that_is_not_there_is_said_after_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FRONT, "--export", "a.h", "--point", "13"]) == 1
    out, err = capsys.readouterr()
    assert "12 points" in out
    assert "--point 13: there is no point 13. They are numbered from 1 to 12." in err
    assert not Path("a.h").exists()


def test_front_without_a_point_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["front", "70000*x", "--domain", "1", "2", "--degrees", "1", "--formats", "float16"]) == 1
    assert "failed: coefficient of x**1" in capsys.readouterr().out


def test_interrupted_front_is_printed_and_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_self: many.Bar, done: int, _total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(many.Bar, "__call__", stop)
    assert run([*FRONT, "--csv", "a.csv"]) == 130
    assert "Interrupted: 4 of them were tried" in capsys.readouterr().out
    assert Path("a.csv").read_text().count("interrupted") == 8


@pytest.mark.parametrize("columns", ["80", "50"])
def test_help_fits_the_terminal(columns: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "polyoptim", "front", "--help"],
        env={**os.environ, "COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    assert max(map(len, done.stdout.splitlines())) <= int(columns)
    assert "Examples" in done.stdout
