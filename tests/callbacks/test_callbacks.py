"""Callbacks: what they write is what was recorded, whole at every moment, and a disk that fails does not fail a run."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from polyoptim import ArgumentError, UnknownNameError, callbacks, train
from polyoptim.callbacks import CALLBACKS, JSONLines, TensorBoard
from polyoptim.solution import Row

SOURCE = Path(callbacks.__file__).resolve().parents[2]


def row(step: int, **changed: Any) -> Row:
    plain: Any = {
        "step": step,
        "loss": 1 / (step + 3),
        "excess": 0.1,
        "gap": 0.5,
        "lr": 1e-3,
        "gradient_norm": 7.0,
        "coef": [step / 3, -0.0],
    }
    return {**plain, **changed}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file in which every line is whole and strict JSON."""

    def refuse(token: str) -> None:
        raise AssertionError(token)

    content = path.read_text(encoding="ascii")
    assert content == "" or content.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in content.splitlines()]


def steps(path: Path) -> list[int]:
    return [found["step"] for found in read(path)]


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: a write that would is cut short, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# JSON lines


def test_lines_are_the_rows_of_the_trace_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    result = train("sin(x)", steps=250, every=50, seed=0, callbacks=[JSONLines(path)])
    assert read(path) == list(result.trace)
    assert list(read(path)[0]) == list(result.trace[0])
    frame = pd.read_json(path, lines=True)
    assert frame["step"].tolist() == [49, 99, 149, 199, 249, 250]


def test_line_is_there_as_soon_as_its_row_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    seen: list[list[int]] = []
    train("x", steps=3, every=1, seed=0, callbacks=[JSONLines(path), lambda _: seen.append(steps(path))])
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_line_holds_null_where_a_number_is_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    JSONLines(path)(row(0, loss=math.nan, gap=None, gradient_norm=math.inf, coef=[-math.inf, 1.0]))
    (found,) = read(path)
    assert (found["loss"], found["gap"], found["gradient_norm"], found["coef"]) == (None, None, None, [None, 1.0])


def test_new_run_starts_the_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("something else")
    log = JSONLines(path)
    for count in (4, 2):
        train("x", steps=count, every=2, seed=0, callbacks=log)
        assert steps(path) == [*range(1, count, 2), count]


def test_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = JSONLines("rows.jsonl")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    log(row(0))
    assert steps(tmp_path / "rows.jsonl") == [0]


def lines(*there: int) -> str:
    return "".join(json.dumps(row(step)) + "\n" for step in there)


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        ("", []),
        (lines(9, 19, 29, 39), [9, 19]),
        (lines(9, 19), [9, 19]),
        (lines(20, 30), []),
        (lines(9, 19) + lines(29)[:-30], [9, 19]),
        (lines(9) + lines(19)[:-30], [9]),
        (lines(9) + lines(19)[:-1], [9, 19]),
        (lines(9, 19) + lines(29)[:-1], [9, 19]),
        (lines(9) + "\0\0\0\0", [9]),
        (lines(9) + '{"step"', [9]),
    ],
)
def test_resumed_run_doubles_no_row_and_mends_a_torn_line(tmp_path: Path, there: str, kept: list[int]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(there)
    log = JSONLines(path)
    log.on_resume(20)
    log.on_begin(100)
    assert steps(path) == kept
    log(row(29))
    assert steps(path) == [*kept, 29]
    log.on_begin(100)  # a later run is not a resumed one
    assert steps(path) == []


def test_resumed_run_makes_a_file_that_is_missing(tmp_path: Path) -> None:
    log = JSONLines(tmp_path / "rows.jsonl")
    log.on_resume(20)
    log.on_begin(100)
    log(row(29))
    assert steps(tmp_path / "rows.jsonl") == [29]


def test_append_keeps_the_rows_before_the_first_new_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(lines(9, 19, 29) + lines(39)[:-9])
    log = JSONLines(path, append=True)
    log.on_begin(100)
    log(row(19, loss=0.0))
    log(row(29))
    assert steps(path) == [9, 19, 29]
    assert read(path)[1]["loss"] == 0.0


def test_append_leaves_lines_that_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('hello\n[1]\n{"step": "a"}\n' + lines(5))
    JSONLines(path, append=True)(row(3))
    assert path.read_text() == 'hello\n[1]\n{"step": "a"}\n' + lines(3)


@pytest.mark.parametrize("kind", [JSONLines, TensorBoard])
def test_place_that_cannot_be_written_is_an_error_before_the_run(tmp_path: Path, kind: Any) -> None:
    (tmp_path / "file").write_text("")
    made: list[Any] = []
    places = [tmp_path / "file" / "inside", "a\0b", tmp_path if kind is JSONLines else tmp_path / "file"]
    for place in places:
        with pytest.raises(ArgumentError, match=r"cannot be written: .*\. Choose another place\.") as caught:
            train("x", steps=2, every=1, callbacks=[kind(place), made.append])
        assert "\n" not in str(caught.value)
    with pytest.raises(ArgumentError, match="None is not the name of a file"):
        kind(None)
    assert made == []


def test_full_disk_costs_the_file_and_not_the_run() -> None:
    with pytest.warns(
        RuntimeWarning, match=r"^/dev/full cannot be written any more: No space left .* step 0 on"
    ) as said:
        result = train("x", steps=5, every=1, seed=0, callbacks=[JSONLines("/dev/full")])
    assert len(said) == 1
    assert result.status == "steps_done"
    assert len(result.trace) == 6


def test_line_that_found_no_room_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    log = JSONLines(path)
    log(row(0))
    with disk_full_after(path.stat().st_size + 20), pytest.warns(RuntimeWarning, match="step 1 on"):
        log(row(1))
    log(row(2))  # after its warning it writes no more, so that the rows have no hole
    assert steps(path) == [0]
    log.on_begin(5)
    log(row(3))
    assert steps(path) == [3]


WRITER = """
import sys
import time
from polyoptim.callbacks import JSONLines
log = JSONLines(sys.argv[1])
row = {"loss": 1 / 3, "excess": None, "gap": None, "lr": 1.0, "gradient_norm": 1.0, "coef": [0.1] * 2000}
for step in range(10**9):
    log({"step": step, **row})
    if step == 0:
        print("begun", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.023])
def test_killed_run_leaves_whole_lines_in_order(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "rows.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay)
        child.kill()
    log = JSONLines(path)
    log.on_resume(10**9)
    log.on_begin(0)
    assert steps(path) == list(range(len(read(path))))


# TensorBoard


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: {event.step: event.value for event in found.Scalars(tag)} for tag in found.Tags()["scalars"]}


def test_scalars_are_the_rows_of_the_trace(tmp_path: Path) -> None:
    result = train("sin(x)", steps=250, every=50, seed=0, callbacks=[TensorBoard(tmp_path / "deep" / "run")])
    found = scalars(tmp_path / "deep" / "run")
    assert sorted(found) == [
        *("coef/0", "coef/1", "coef/2", "coef/3"), "excess", "gap", "gradient_norm", "loss", "lr",
    ]  # fmt: skip
    for name in ("loss", "excess", "gap", "lr", "gradient_norm"):
        assert found[name] == {there["step"]: float(np.float32(there[name])) for there in result.trace}  # type: ignore[literal-required]
    for power in range(4):
        assert found[f"coef/{power}"] == {
            there["step"]: float(np.float32(there["coef"][power])) for there in result.trace
        }


def test_scalar_is_left_out_where_it_is_not_known(tmp_path: Path) -> None:
    with TensorBoard(tmp_path) as board:
        board(row(0, gap=None, excess=None))
        board(row(1, loss=math.nan, lr=1e60, gradient_norm=-math.inf))
    found = scalars(tmp_path)
    assert list(found["gap"]) == [1]
    assert math.isnan(found["loss"][1])
    assert (found["lr"][1], found["gradient_norm"][1]) == (math.inf, -math.inf)


def test_scalars_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    seen: list[list[int]] = []
    train("x", steps=2, every=1, callbacks=[TensorBoard(tmp_path), lambda _: seen.append([*scalars(tmp_path)["loss"]])])
    assert seen == [[0], [0, 1], [0, 1, 2]]


def test_new_run_in_an_old_folder_is_shown_alone(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path)
    train("x", steps=30, every=5, callbacks=board)
    train("x", steps=20, every=10, callbacks=board)
    assert list(scalars(tmp_path)["loss"]) == [9, 19, 20]
    assert len(list(tmp_path.iterdir())) == 2


def test_resumed_run_is_shown_after_what_was_before(tmp_path: Path) -> None:
    for begin, end in ((0, 50), (25, 60)):
        board = TensorBoard(tmp_path)
        if begin:
            board.on_resume(begin)
        board.on_begin(100)
        for step in range(begin // 10 * 10 + 9, end, 10):
            board(row(step, loss=float(begin)))
    assert scalars(tmp_path)["loss"] == {9: 0.0, 19: 0.0, 29: 25.0, 39: 25.0, 49: 25.0, 59: 25.0}


def test_full_disk_costs_the_scalars_and_not_the_run(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path)
    board.on_begin(3)
    board(row(0))
    (path,) = tmp_path.iterdir()
    with disk_full_after(path.stat().st_size + 50), pytest.warns(RuntimeWarning, match="step 1 on"):
        board(row(1))
    board(row(2))
    assert list(scalars(tmp_path)["loss"]) == [0]


# Both


def test_callbacks_are_found_by_name() -> None:
    assert list(CALLBACKS) == ["jsonlines", "tensorboard"]
    assert CALLBACKS["JSONLines"] is JSONLines
    assert CALLBACKS["TensorBoard"] is TensorBoard
    with pytest.raises(UnknownNameError, match="did you mean 'tensorboard'"):
        CALLBACKS["tensorbord"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = callbacks.nothing


def run(code: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_missing_package_is_named_with_its_extra() -> None:
    code = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorboard":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from polyoptim import callbacks, errors
callbacks.JSONLines
try:
    callbacks.TensorBoard
except errors.MissingDependencyError as error:
    print(error)
"""
    assert run(code) == (
        "callback 'tensorboard' needs tensorboard, which is not installed. "
        "Install it with: pip install 'polyoptim[track]'"
    )


def test_callbacks_load_no_torch(tmp_path: Path) -> None:
    code = f"""
from polyoptim.callbacks import TensorBoard
TensorBoard({str(tmp_path)!r}).on_begin(1)
print({{"torch", "tensorflow"}} & set(sys.modules))
"""
    assert run(code) == "set()"


def test_nothing_is_left_open(tmp_path: Path) -> None:
    files = Path("/proc/self/fd")
    before = len(list(files.iterdir()))
    for callback in (JSONLines(tmp_path / "rows.jsonl"), TensorBoard(tmp_path)):
        callback(row(0))
    assert len(list(files.iterdir())) == before
