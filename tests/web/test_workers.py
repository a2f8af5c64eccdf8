"""Processes that answer: deadlines, lost processes, errors on their way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from polyoptim.errors import ArgumentError
from polyoptim.web import workers
from polyoptim.web.query import BadRequestError
from polyoptim.web.workers import TooLongError, Worker, answered

FAR = 120.0  # seconds; a slow machine is not what is tested
LONG_RUN = {"target": "sin(x)", "steps": "50000", "degree": "30", "basis": "chebyshev", "detail": "full"}


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    made.start()
    yield made
    made.stop()


def process(worker: Worker) -> Any:
    return worker._process  # noqa: SLF001 - it is killed here


def test_a_worker_answers_one_question_after_the_other(worker: Worker) -> None:
    first = worker.ask("train", {"steps": "10"}, None, FAR)
    number = process(worker).pid
    assert worker.ask("train", {"steps": "10"}, None, FAR)[:20] == first[:20]
    assert process(worker).pid == number
    assert number != os.getpid()


def test_a_worker_starts_by_itself() -> None:
    made = Worker()
    try:
        assert made.ask("train", {"steps": "1"}, None, FAR)
    finally:
        made.stop()


def test_errors_travel_with_their_fields(worker: Worker) -> None:
    with pytest.raises(BadRequestError) as caught:
        worker.ask("train", {"target": "sin(", "degree": "-1"}, None, FAR)
    assert list(caught.value.fields) == ["target", "degree"]
    assert caught.value.position == 3


def test_a_question_beyond_its_deadline_is_given_up_and_the_next_is_answered(worker: Worker) -> None:
    worker.ask("train", {"steps": "1"}, None, FAR)
    lost = process(worker)
    begin = time.monotonic()
    with pytest.raises(TooLongError, match=r"longer than 0\.2 s"):
        worker.ask("train", LONG_RUN, None, 0.2)
    assert time.monotonic() - begin < FAR
    assert lost.exitcode == -signal.SIGKILL
    assert worker.ask("train", {"steps": "1"}, None, FAR)


def test_a_process_that_dies_at_work_is_told_and_the_next_question_is_answered(worker: Worker) -> None:
    worker.ask("train", {"steps": "1"}, None, FAR)
    number = process(worker).pid
    killer = threading.Timer(0.3, lambda: os.kill(number, signal.SIGKILL))
    killer.start()
    with pytest.raises(TooLongError, match="was lost"):
        worker.ask("train", LONG_RUN, None, FAR)
    assert worker.ask("train", {"steps": "1"}, None, FAR)


def test_a_process_that_died_at_rest_is_made_anew(worker: Worker) -> None:
    worker.ask("train", {"steps": "1"}, None, FAR)
    process(worker).kill()
    process(worker).join()
    assert worker.ask("train", {"steps": "1"}, None, FAR)


def test_a_worker_is_not_stopped_by_the_keys_that_stop_the_server(worker: Worker) -> None:
    worker.ask("train", {"steps": "1"}, None, FAR)
    number = process(worker).pid
    os.kill(number, signal.SIGINT)
    assert worker.ask("train", {"steps": "1"}, None, FAR)
    assert process(worker).pid == number


def test_a_stopped_worker_leaves_no_process() -> None:
    made = Worker(warm=("train", {}))
    made.start()
    one = process(made)
    made.stop()
    made.stop()
    assert not one.is_alive()


def test_questions_of_many_wait_for_their_turn(worker: Worker) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda k=k: found.append(worker.ask("train", {"steps": str(k)}, None, FAR)))
        for k in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({len(one) for one in found}) == 5


def test_paths_are_those_of_the_folder(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n3,4\n")
    assert worker.ask("columns", {"data": "data.csv"}, tmp_path, FAR) == {"names": ["a", "b"], "numbers": ["a", "b"]}


def test_loops_are_compiled_by_one_process_and_loaded_by_another_while_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYOPTIM_CACHE_DIR", str(tmp_path))
    question, behind = {"degree": "4", "optimizer": "Adam"}, Worker(behind=True)
    live = Worker()
    try:
        plain = live.ask("train", question, None, FAR)
        assert "llvmlite" not in Path(f"/proc/{process(live).pid}/maps").read_text()
        behind.ask("compile", question, None, FAR)
        assert list(tmp_path.rglob("*.nbc"))
        assert os.getpriority(os.PRIO_PROCESS, process(behind).pid) > os.getpriority(os.PRIO_PROCESS, process(live).pid)
        assert live.ask("train", question, None, FAR) == plain
        end = time.monotonic() + FAR
        while "llvmlite" not in Path(f"/proc/{process(live).pid}/maps").read_text() and time.monotonic() < end:
            time.sleep(0.1)
        assert "llvmlite" in Path(f"/proc/{process(live).pid}/maps").read_text()
        assert live.ask("train", question, None, FAR) == plain
    finally:
        live.stop()
        behind.stop()


def test_nothing_is_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLYOPTIM_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/dev/null")  # a file, in which nobody can make a folder
    behind = Worker(behind=True)
    try:
        behind.ask("compile", {}, None, FAR)
        assert "llvmlite" not in Path(f"/proc/{process(behind).pid}/maps").read_text()
    finally:
        behind.stop()


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the tasks be one, which raises what it is given."""

    def raising(error: BaseException) -> None:
        def one(_values: Mapping[str, str]) -> bytes:
            raise error

        monkeypatch.setattr(workers, "TASKS", {"one": one})

    return raising


def test_what_the_package_says_is_passed_on(task: Any) -> None:
    task(ArgumentError("degree must be 1."))
    done, error = answered("one", {}, None)
    assert not done
    assert error.fields == {"page": "degree must be 1."}


def test_what_was_not_foreseen_is_told_to_who_runs_the_server_only(
    task: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    task(ZeroDivisionError("a secret of /home/me"))
    done, error = answered("one", {"target": "x"}, None)
    assert not done
    assert error.fields == {"page": "This cannot be computed: ZeroDivisionError."}
    assert "a secret" in capsys.readouterr().err


def test_want_of_memory_is_told(task: Any, capsys: pytest.CaptureFixture[str]) -> None:
    task(MemoryError())
    assert not answered("one", {}, None)[0]
    capsys.readouterr()
