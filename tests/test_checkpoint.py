"""Checkpoints: what was written comes back bit for bit, whenever the writer was killed and whatever the disk does."""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import canonical
from polyoptim.checkpoint import Store
from polyoptim.errors import CheckpointError

SOURCE = Path(canonical.__file__).resolve().parents[1]
KILLS = int(os.environ.get("POLYOPTIM_KILLS", "40"))  # more of them where there is time
IDENTITY = {"degree": 3, "lr": 1e-3, "powers": [0, 1]}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def newest(folder: Path, identity: Any = IDENTITY, surroundings: Any = None) -> Any:
    with Store(folder, identity, surroundings) as store:
        return store.newest()


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Return a folder with checkpoints of steps 100 and 200."""
    with Store(tmp_path, IDENTITY) as store:
        for step in (100, 200):
            store.write({"coef": [step / 3, math.inf]}, step)
    return tmp_path


# What comes back

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KEYS = TEXT | st.sampled_from(["$int", "$map", "$", "sha256"]) | st.integers(-5, 5) | st.tuples(st.integers(0, 3))
STATES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(width=64) | TEXT | st.binary(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


def bits(value: Any) -> Any:
    """Return what tells any two values apart: the type, the bits of a float, the order of a mapping."""
    if isinstance(value, float):
        return "float", struct.pack(">d", value)
    if isinstance(value, (list, tuple)):
        return type(value), [bits(item) for item in value]
    if isinstance(value, dict):
        return dict, [(bits(key), bits(item)) for key, item in value.items()]
    return type(value), value


@pytest.fixture(scope="module")
def anywhere() -> Any:
    with tempfile.TemporaryDirectory() as folder, Store(folder, IDENTITY) as store:
        yield store


@settings(max_examples=150, deadline=None)
@given(state=st.dictionaries(KEYS, STATES, max_size=4))
def test_state_comes_back_bit_for_bit(anywhere: Store, state: Any) -> None:
    anywhere.write(state, 7)
    found = anywhere.newest()
    assert found is not None
    assert bits(found.state) == bits(state)


def test_hard_numbers_come_back_bit_for_bit(anywhere: Store) -> None:
    patterns = [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000123, 0xFFF0000000000000, 1, 0x8000000000000000]
    state = {
        "floats": [struct.unpack(">d", pattern.to_bytes(8, "big"))[0] for pattern in patterns]
        + [5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3, 1e16, 1e22, 1e23],
        "ints": [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**5000, -(10**5000)],
    }
    anywhere.write(state, 7)
    found = anywhere.newest()
    assert found is not None
    assert bits(found.state) == bits(state)


def test_rows_of_a_long_trace_come_back(anywhere: Store) -> None:
    draw = random.Random(0)  # noqa: S311 - no secrets
    rows = [
        {"step": step, "loss": draw.random(), "excess": None, "gap": math.nan, "coef": [draw.gauss(0, 1)] * 4}
        for step in range(8000)
    ]
    anywhere.write({"trace": rows, "generator": draw.getstate()}, 7)
    found = anywhere.newest()
    assert found is not None
    assert bits(found.state["trace"]) == bits(rows)
    draw.setstate(found.state["generator"])


def test_state_is_read_back_however_deep_it_is_or_refused(anywhere: Store) -> None:
    wraps: list[Callable[[Any], Any]] = [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, lambda v: {1: v}]
    for wrap, leaf in itertools.product(wraps, (1, math.nan, 2**70, b"", [])):
        state: Any = leaf
        written = refused = 0
        for _ in range(40):
            state = wrap(state)
            try:
                anywhere.write({"a": state}, 7)
            except CheckpointError as error:
                assert "nested too deeply" in str(error)  # noqa: PT017
                refused += 1
                continue
            found = anywhere.newest()
            assert found is not None
            assert bits(found.state) == bits({"a": state})
            assert not refused
            written += 1
        assert written >= 12
        assert refused


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.float32(1), "cannot hold lr of optimizer of the state: it is a float32"),
        (np.zeros(2), "cannot hold lr of optimizer of the state: it is a ndarray"),
        ({1}, "it is a set"),
        (1j, "it is a complex"),
        ("\ud800", "cannot hold the state: .*surrogates not allowed"),
        ([[object()]], "cannot hold lr of optimizer of the state: it is a object"),
    ],
)
def test_what_cannot_be_held_is_a_clear_error(two: Path, value: Any, message: str) -> None:
    with Store(two, IDENTITY) as store:
        with pytest.raises(CheckpointError, match=message):
            store.write({"optimizer": {"lr": value}}, 300)
        assert names(two) == ["step-000000000100.json", "step-000000000200.json"]


def test_state_that_is_too_large_to_be_read_is_refused(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "LARGEST_FILE", 1000)
    with Store(two, IDENTITY) as store, pytest.raises(CheckpointError, match="at most 1000 bytes; this one"):
        store.write({"trace": [0.1] * 300}, 300)
    assert newest(two).step == 200


# The folder


def test_folder_is_made_and_holds_the_last_two(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with Store(folder, IDENTITY) as store:
        assert store.newest() is None
        for step in (0, 100, 200, 300):
            store.write({}, step)
    assert names(folder) == ["step-000000000200.json", "step-000000000300.json"]
    for path in folder.iterdir():
        assert json.loads(path.read_text())["identity"] == IDENTITY


def test_more_steps_are_newer_however_many_digits_they_have(tmp_path: Path) -> None:
    with Store(tmp_path, IDENTITY) as store:
        for step in (999_999_999_999, 10**12):
            store.write({"step": step}, step)
    assert newest(tmp_path).state == {"step": 10**12}


def test_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store("run", IDENTITY) as store:
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        store.write({}, 1)
    assert names(tmp_path / "run") == ["step-000000000001.json"]


def test_same_step_is_written_over_and_the_one_before_stays(two: Path) -> None:
    with Store(two, IDENTITY) as store:
        store.write({"again": True}, 200)
        assert names(two) == ["step-000000000100.json", "step-000000000200.json"]
    assert newest(two).state == {"again": True}


def test_run_from_the_beginning_keeps_the_old_checkpoint_until_it_has_two(two: Path) -> None:
    with Store(two, IDENTITY) as store:
        store.write({}, 10)
        assert names(two) == ["step-000000000010.json", "step-000000000200.json"]
        store.write({}, 20)
        assert names(two) == ["step-000000000010.json", "step-000000000020.json"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    foreign = {
        "notes.txt": b"x",
        "step-5.json": b"{}",
        "step-000000000001.json": b"not ours",
        "step-000000000002.json": canonical.spell({"format": "polyoptim result"}),
        ".polyoptim.abc": b"a result on its way",
        "step-000000000009.json.bak": b"",
    }
    for name, content in foreign.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "step-000000000003.json").mkdir()
    with Store(tmp_path, IDENTITY) as store:
        for step in (100, 200, 300):
            store.write({}, step)
    assert names(tmp_path) == sorted(
        [*foreign, "step-000000000003.json", "step-000000000200.json", "step-000000000300.json"]
    )
    assert all((tmp_path / name).read_bytes() == content for name, content in foreign.items())


def test_what_a_killed_writer_left_is_removed(two: Path) -> None:
    (two / ".polyoptim-step-abc").write_bytes(b"half")
    with Store(two, IDENTITY) as store:
        assert len(names(two)) == 2
        (two / ".polyoptim-step-def").write_bytes(b"half")
        store.write({}, 300)
    assert names(two) == ["step-000000000200.json", "step-000000000300.json"]


def test_place_that_is_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "inside", "a\0b", None):
        with pytest.raises(CheckpointError, match=r"cannot be used as a folder for checkpoints: .*\. Choose another"):
            Store(place, IDENTITY)  # type: ignore[arg-type]


def test_folder_that_another_run_uses_is_a_clear_error(two: Path) -> None:
    with Store(two, IDENTITY), pytest.raises(CheckpointError, match="another run keeps its checkpoints in"):
        Store(two, IDENTITY)
    store = Store(two, IDENTITY)
    with pytest.raises(CheckpointError, match="another run keeps"):
        newest(two)
    del store  # forgotten rather than closed
    assert newest(two).step == 200


def test_folder_without_locks_is_used_without(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    (two / ".polyoptim-step-abc").write_bytes(b"of another, who may be alive")
    with Store(two, IDENTITY) as store:
        store.write({}, 300)
    assert names(two) == [".polyoptim-step-abc", "step-000000000200.json", "step-000000000300.json"]


# Whose checkpoint it is


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({**IDENTITY, "degree": 5}, "degree is 3 there and 5 here"),
        ({**IDENTITY, "lr": 1, "degree": 4}, "degree is 3 there and 4 here; lr is 0.001 there and 1 here"),
        ({**IDENTITY, "powers": [0, 1, 2]}, r"powers is \[0, 1\] there and \[0, 1, 2\] here"),
        ({**IDENTITY, "seed": None}, "seed is not given there and None here"),
        ({"degree": 3, "lr": 1e-3}, r"powers is \[0, 1\] there and not given here"),
        ({**IDENTITY, "degree": 3.0}, "degree is 3 there and 3.0 here"),
        ({**IDENTITY, "powers": ["a" * 1000]}, r"and \['a{58}… here"),
        ({**IDENTITY, **{f"more{n}": n for n in range(9)}}, "more4 is not given there and 4 here; and 4 more"),
    ],
)
def test_checkpoint_of_another_run_is_an_error_that_says_what_differs(two: Path, identity: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        Store(two, identity)
    assert str(caught.value).startswith(f"{two} holds the checkpoint of another run: ")
    assert str(caught.value).endswith("Choose another folder, or the same arguments.")
    assert newest(two).step == 200


def test_identity_takes_tuples_for_lists_and_mappings_in_any_order(tmp_path: Path) -> None:
    Store(tmp_path, {"lr": math.nan, "options": {"betas": (0.9, 0.99), "a": {1: 2, 0: 3}}}).write({}, 1)
    assert newest(tmp_path, {"options": {"a": {0: 3, 1: 2}, "betas": [0.9, 0.99]}, "lr": math.nan}).step == 1


def test_other_surroundings_are_said(tmp_path: Path) -> None:
    Store(tmp_path, IDENTITY, {"threads": 2, "torch": "2.13"}).write({}, 1)
    assert newest(tmp_path, surroundings={"torch": "2.13", "threads": 2}).notes == ()
    (note,) = newest(tmp_path, surroundings={"torch": "2.14", "threads": 4}).notes
    assert note == (
        "Resumed in other surroundings, so the last bits may differ from those of a run without a break: "
        "threads is 2 there and 4 here; torch is '2.13' there and '2.14' here."
    )


def test_checkpoint_of_a_newer_version_is_an_error(two: Path) -> None:
    path = two / "step-000000000200.json"
    path.write_bytes(canonical.spell({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(CheckpointError, match=r"has version 2, this polyoptim reads version 1\. Update polyoptim\."):
        Store(two, IDENTITY)


# Damage


def test_damaged_checkpoint_is_noticed_and_the_one_before_is_taken(two: Path) -> None:
    path = two / "step-000000000200.json"
    whole = path.read_bytes()
    torn = [whole[:size] for size in range(0, len(whole), 3)]
    torn += [whole[:size] + b"\0" * (len(whole) - size) for size in range(0, len(whole), 7)]
    torn += [whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :] for place in range(0, len(whole), 5)]
    torn += [b"hello", b"{}", whole * 2, (two / "step-000000000100.json").read_bytes()]
    with Store(two, IDENTITY) as store:
        for content in torn:
            path.write_bytes(content)
            found = store.newest()
            assert found is not None
            assert found.step == 100
            assert found.state == {"coef": [100 / 3, math.inf]}
            (note,) = found.notes
            assert note.startswith("The checkpoint step-000000000200.json is damaged and was passed over: it ")
        path.write_bytes(whole)
        found = store.newest()
        assert found is not None
        assert (found.step, found.notes) == (200, ())


def test_damaged_checkpoint_is_not_one_of_the_last_two(two: Path) -> None:
    (two / "step-000000000200.json").write_bytes(b"")
    with Store(two, IDENTITY) as store:
        store.write({}, 150)
        assert names(two)[:2] == ["step-000000000100.json", "step-000000000150.json"]
        store.write({}, 200)
        store.write({}, 250)
    assert names(two) == ["step-000000000200.json", "step-000000000250.json"]


def test_folder_with_damaged_checkpoints_only_is_a_clear_error(two: Path) -> None:
    for path in two.iterdir():
        path.write_bytes(b"")
    with Store(two, IDENTITY) as store:
        with pytest.raises(CheckpointError, match=r"every .* is damaged: step-0*200\.json, step-0*100\.json\. Delete"):
            store.newest()
        store.write({}, 300)  # a run from the beginning may go on
        found = store.newest()
        assert found is not None
        assert found.step == 300


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("broken", ["tempfile.mkstemp", "os.fdopen", "os.fsync", "pathlib.Path.replace"])
def test_disk_that_fails_leaves_the_old_checkpoints(
    two: Path, monkeypatch: pytest.MonkeyPatch, broken: str, code: int
) -> None:
    def fail(*arguments: Any, **_: Any) -> None:
        if broken == "os.fdopen":
            os.close(arguments[0])
        raise OSError(code, os.strerror(code))

    with Store(two, IDENTITY) as store:
        with monkeypatch.context() as context:
            context.setattr(broken, fail)
            for step in (300, 400):
                with pytest.raises(CheckpointError) as caught:
                    store.write({}, step)
                assert str(caught.value) == (
                    f"the checkpoint at step {step} could not be written to {two}: {os.strerror(code)}. "
                    "The one before it is as it was."
                )
            assert names(two) == ["step-000000000100.json", "step-000000000200.json"]
        store.write({}, 500)
    assert names(two) == ["step-000000000200.json", "step-000000000500.json"]


def test_disk_that_is_full_in_the_middle_of_a_file_leaves_the_old_checkpoints(two: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store(two, IDENTITY) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with pytest.raises(CheckpointError, match="File too large"):
                store.write({"trace": [0.1] * 100_000}, 300)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(two) == ["step-000000000100.json", "step-000000000200.json"]
    assert newest(two).step == 200


def test_folder_that_cannot_be_tidied_does_not_fail_the_write(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with Store(two, IDENTITY) as store, monkeypatch.context() as context:
        context.setattr("pathlib.Path.unlink", fail)
        store.write({}, 300)
    assert newest(two).step == 300


# Kill -9

WRITER = """
import os, signal, sys
from polyoptim.checkpoint import Store

folder, moment = sys.argv[1], int(sys.argv[2])
seen = 0


def die(event, arguments):
    global seen
    if moment and event in ("open", "os.chmod", "os.rename", "os.remove", "os.listdir", "os.scandir"):
        seen += 1
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)


with Store(folder, {}) as store:
    found = store.newest()
    step, x, trace = (found.step, found.state["x"], found.state["trace"]) if found else (0, 0.3, [])
    sys.addaudithook(die)
    while True:
        x = 3.9 * x * (1 - x)
        step += 1
        trace = [*trace[-3000:], x]
        store.write({"x": x, "trace": trace}, step)
        print(step, flush=True)
"""


def chaotic(steps: int) -> list[float]:
    """Return x after each of so many steps; one wrong bit would grow until nothing is the same."""
    found, x = [], 0.3
    for _ in range(steps):
        x = 3.9 * x * (1 - x)
        found.append(x)
    return found


def killed(folder: Path, moment: int = 0, delay: Callable[[], float] = lambda: 0.0) -> int:
    """Let a child write until it is killed, and return the last step of which it said that it is written."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", WRITER, str(folder), str(moment)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [] if moment else [child.stdout.readline()]
        if not moment:
            time.sleep(delay())
            child.kill()
        said += child.stdout.readlines()
    assert child.returncode == -9
    return int(said[-1]) if said else 0


def check(folder: Path, said: int) -> int:
    with Store(folder, {}) as store:
        found = store.newest()
    if found is None:
        assert said == 0
        return 0
    assert found.notes == ()
    assert found.step >= said
    expected = chaotic(found.step)
    assert found.state == {"x": expected[-1], "trace": expected[-3001:]}
    return found.step


def test_killed_at_random_moments_always_goes_on_bit_for_bit(tmp_path: Path) -> None:
    draw = random.Random(os.getpid())  # noqa: S311 - no secrets
    last = 0
    for _ in range(KILLS):
        last_before, last = last, check(tmp_path, killed(tmp_path, delay=lambda: draw.uniform(0, 0.03)))
        assert last > last_before
        assert len(names(tmp_path)) <= 3  # the last two, and one that was not yet removed


def test_killed_at_each_call_of_a_write_always_goes_on_bit_for_bit(tmp_path: Path) -> None:
    for moment in range(1, 40):
        check(tmp_path, killed(tmp_path, moment))
    check(tmp_path, killed(tmp_path))
    assert len(names(tmp_path)) <= 3
