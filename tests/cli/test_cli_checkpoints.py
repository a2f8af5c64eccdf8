"""Long runs on the command line: what Python takes, under the same names, and what is said to the person."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import polyoptim
from polyoptim.cli import run

WORDS = ["train", "sin(x)", "--engine", "fused", "--every", "50", "--samples", "60"]
ARGUMENTS: dict[str, Any] = {"engine": "fused", "every": 50, "samples": 60}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_resumed_run_is_that_without_a_break(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--seed", "3", "--checkpoint", "c", "--checkpoint-every", "2*20", "--json"]
    assert run([*words, "--steps", "130"]) == 0
    assert sorted(os.listdir("c")) == ["step-000000000120.json", "step-000000000130.json"]  # noqa: PTH208
    assert run([*words, "--steps", "400", "--resume"]) == 0
    out, err = capsys.readouterr()
    printed = json.loads(out.splitlines()[-1])
    whole = polyoptim.train("sin(x)", seed=3, steps=400, **ARGUMENTS)
    assert printed["trace"] == json.loads(json.dumps(list(whole.trace)))
    assert printed["coef"] == whole.coef.tolist()
    assert err == ""


def test_python_goes_on_where_the_command_line_stopped() -> None:
    assert run([*WORDS, "--steps", "130", "--checkpoint", "c", "--quiet"]) == 0
    found = polyoptim.train("sin(x)", steps=400, checkpoint="c", resume=True, **ARGUMENTS)
    whole = polyoptim.train("sin(x)", steps=400, seed=found.seed, **ARGUMENTS)
    assert found.coef.tolist() == whole.coef.tolist()


def test_empty_folder_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*WORDS, "--steps", "10", "--checkpoint", "c", "--resume"]) == 0
    assert "There is no checkpoint in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume"], "resume needs the folder of the checkpoints"),
        (["--checkpoint", "file"], "cannot be used as a folder for checkpoints"),
        (["--checkpoint", "c", "--checkpoint-every", "0"], "checkpoint_every must be an integer >= 1, got 0"),
        (["--checkpoint", "c", "--checkpoint-every", "0s"], "checkpoint_every must be above 0 seconds"),
        (["--checkpoint", "there", "--resume", "--lr", "0.5"], "lr is 0.001 there and 0.5 here"),
        (["--checkpoint", "there"], "holds a checkpoint of this run with seed="),
        (["--checkpoint", "there", "--resume", "--steps", "5"], "steps must be at least 20"),
        (["--track", "nowhere/rows.jsonl"], "nowhere/rows.jsonl cannot be written"),
        (["--track", "file"], "file cannot be written"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    Path("file").write_text("")
    assert run([*WORDS, "--steps", "20", "--checkpoint", "there", "--quiet"]) == 0
    capsys.readouterr()
    assert run([*WORDS, "--steps", "30", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_rows_are_tracked_as_json_lines() -> None:
    assert run([*WORDS, "--seed", "0", "--steps", "220", "--track", "rows.jsonl", "--quiet"]) == 0
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert rows == list(polyoptim.train("sin(x)", seed=0, steps=220, **ARGUMENTS).trace)


def test_rows_are_tracked_for_tensorboard_and_a_resumed_run_goes_on() -> None:
    words = [*WORDS, "--seed", "0", "--track", "board", "--checkpoint", "c", "--quiet"]
    assert run([*words, "--steps", "120"]) == 0
    time.sleep(0.01)
    assert run([*words, "--steps", "220", "--resume"]) == 0
    board = EventAccumulator("board")
    board.Reload()
    assert [event.step for event in board.Scalars("loss")] == [49, 99, 149, 199, 220]


def test_missing_tensorboard_is_said_before_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyoptim.registry.importlib.import_module", _without_tensorboard)
    assert run([*WORDS, "--steps", "1000000000", "--track", "board"]) == 2
    assert "pip install 'polyoptim[track]'" in capsys.readouterr().err


def _without_tensorboard(name: str) -> Any:
    if name == "polyoptim.callbacks.tensorboard":
        raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")
    __import__(name)
    return sys.modules[name]


def test_interrupted_run_is_resumed() -> None:
    words = [*WORDS, "--seed", "0", "--checkpoint", "c", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(Path(polyoptim.__file__).resolve().parents[1])}
    with subprocess.Popen(
        [sys.executable, "-m", "polyoptim", *words, "--steps", "10**9", "--checkpoint-every", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        while not Path("c").exists() or not any(Path("c").glob("step-*.json")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Interrupted after" in err
    assert b"Traceback" not in err
    steps = max(int(path.stem[5:]) for path in Path("c").glob("step-*.json")) + 10
    assert run([*words, "--steps", str(steps), "--resume", "--save", "r.json"]) == 0
    whole = polyoptim.train("sin(x)", seed=0, steps=steps, **ARGUMENTS)
    assert polyoptim.load("r.json").coef.tolist() == whole.coef.tolist()
