"""Long runs: what goes on from a checkpoint is bit for bit what a run without a break would have been."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polyoptim
from polyoptim import ArgumentError, CheckpointError, Result, canonical, train
from polyoptim.callbacks import JSONLines
from polyoptim.engines.keeper import Keeper, read_every
from polyoptim.generator import Generator
from polyoptim.optim.optimizer import optimizers
from polyoptim.optim.rules import RULES
from polyoptim.solution import Row

SOURCE = Path(polyoptim.__file__).resolve().parents[1]
KILLS = int(os.environ.get("POLYOPTIM_KILLS", "8"))  # more of them where there is time
SMALL: dict[str, Any] = {"steps": 60, "every": 7, "samples": 40, "seed": 3, "degree": 4, "basis": "legendre"}
ENGINES = ["fused", "torch"]
SCHEDULES: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 9, "gamma": 0.5},
    "MultiStepLR": {"milestones": [5, 5, 30], "gamma": 0.5},
    "MultiplicativeLR": {"lr_lambda": "1 - 0.01*x/60"},
    "LambdaLR": {"lr_lambda": "0.99**x"},
    "LinearLR": {"total_iters": 40},
    "ConstantLR": {"total_iters": 20},
    "PolynomialLR": {"total_iters": 50},
    "ExponentialLR": {"gamma": 0.97},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 60},
    "CyclicLR": {"base_lr": 1e-3, "max_lr": 1e-2, "step_size_up": 5, "mode": "exp_range", "gamma": 0.99},
    "CosineAnnealingLR": {"T_max": 30},
    "CosineAnnealingWarmRestarts": {"T_0": 4, "T_mult": 2},
    "ReduceLROnPlateau": {"patience": 2, "cooldown": 1},
    "ChainedScheduler": {"schedulers": [["StepLR", {"step_size": 8}], ["ExponentialLR", {"gamma": 0.95}]]},
    "SequentialLR": {
        "schedulers": [
            ["ConstantLR", {"factor": 0.1}],
            ["MultiStepLR", {"milestones": [3, 9]}],
            ["StepLR", {"step_size": 4}],
        ],
        "milestones": [20, 40],
    },
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-4, "optimizer_options": {"momentum": 0.9, "nesterov": True}},
    "LBFGS": {"lr": 0.5, "optimizer_options": {"line_search_fn": "strong_wolfe", "max_iter": 3}, "loss": "huber"},
    "Muon": {"powers": [1, 3]},
    "Adam": {"lr": 1e-2, "optimizer_options": {"amsgrad": True}},
}


class Stop:
    """A callback that ends the run after so many updates, as if it had been killed between two of them."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, row: Row) -> None: ...

    def on_step(self, step: int, loss: float) -> None:  # noqa: ARG002
        if step >= self.after:
            raise StopIteration


def same(found: Result, expected: Result) -> None:
    """Assert that all that a run gives is bit for bit the same."""
    assert repr(list(found.trace)) == repr(list(expected.trace))
    assert found.coef.tobytes() == expected.coef.tobytes()
    assert (found.status, found.message, found.steps) == (expected.status, expected.message, expected.steps)
    assert (found.loss, found.excess, found.gap, found.seed) == (
        expected.loss, expected.excess, expected.gap, expected.seed
    )  # fmt: skip


def broken(folder: Path, target: Any = "sin(x)", breaks: Any = (1, 13, 14, 41), **arguments: Any) -> Result:
    """Return the result of a run that was broken off some times, and taken up again."""
    for after in breaks:
        train(target, checkpoint=folder, checkpoint_every=5, resume=True, callbacks=[Stop(after)], **arguments)
    return train(target, checkpoint=folder, checkpoint_every=5, resume=True, **arguments)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What goes on


@pytest.mark.parametrize(
    ("engine", "optimizer"),
    [("fused", name) for name in RULES] + [("torch", name) for name in optimizers() if name != "SparseAdam"],
)
def test_resumed_run_is_that_without_a_break_for_each_optimizer(tmp_path: Path, engine: str, optimizer: str) -> None:
    arguments = {**SMALL, "dtype": "float64", "engine": engine, "optimizer": optimizer, "lr": None}
    arguments |= OPTIONS.get(optimizer, {})
    same(broken(tmp_path, **arguments), train("sin(x)", **arguments))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_resumed_run_is_that_without_a_break_for_each_schedule(tmp_path: Path, engine: str, schedule: str) -> None:
    arguments = {**SMALL, "engine": engine, "optimizer": "Adam", "lr": 1e-2, "schedule": schedule}
    arguments |= {"schedule_options": SCHEDULES[schedule]}
    same(broken(tmp_path, **arguments), train("sin(x)", **arguments))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "more",
    [
        {"batch_size": 7},
        {"batch_size": 40},
        {"batch_size": 100},
        {"batch_size": 7, "loss": "huber", "reduction": "mean"},
        {"loss": "logcosh"},
        {"degree": 14, "basis": "chebyshev", "optimizer": "Adam"},
        {"tol_loss": 1e-3, "lr": 0.1, "steps": 400},
        {"tol_loss": 1e-2, "lr": 0.1, "steps": 400, "batch_size": 9},
        {"tol_gradient": 20.0, "lr": 0.1, "steps": 400},
        {"every": 1},
        {"every": 1000},
        {"optimizer": "SGD", "lr": 0.1, "steps": 500},
    ],
)
def test_resumed_run_is_that_without_a_break(tmp_path: Path, engine: str, more: dict[str, Any]) -> None:
    arguments = {**SMALL, "engine": engine, **more}
    same(broken(tmp_path, **arguments), train("sin(x)", **arguments))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_resumed_run_is_that_without_a_break_in_each_dtype(tmp_path: Path, dtype: str) -> None:
    arguments = {**SMALL, "dtype": dtype, "optimizer": "NAdam", "batch_size": 9}
    same(broken(tmp_path, **arguments), train("sin(x)", **arguments))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "more", [{}, {"batch_size": 7}, {"schedule": "ExponentialLR", "schedule_options": {"gamma": 0.999}}]
)
@pytest.mark.parametrize("every", [1, 3, 64, "0.001s", "1s"])
def test_checkpoint_changes_no_number(tmp_path: Path, engine: str, more: dict[str, Any], every: Any) -> None:
    arguments = {**SMALL, "engine": engine, "steps": 300, "every": 150, "optimizer": "Adam", **more}
    same(train("sin(x)", checkpoint=tmp_path, checkpoint_every=every, **arguments), train("sin(x)", **arguments))


@pytest.mark.parametrize("engine", ENGINES)
def test_run_that_is_done_goes_on_with_more_steps(tmp_path: Path, engine: str) -> None:
    arguments = {**SMALL, "engine": engine, "batch_size": 7}
    for steps in (23, 24, 24, 60):
        found = train("sin(x)", **{**arguments, "steps": steps}, checkpoint=tmp_path, resume=True)
        same(found, train("sin(x)", **{**arguments, "steps": steps}))
    with pytest.raises(
        ArgumentError, match=r"steps must be at least 60, which the run in .* has made already, got 10\."
    ):
        train("sin(x)", **{**arguments, "steps": 10}, checkpoint=tmp_path, resume=True)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("more", [{}, {"tol_gradient": 20.0, "lr": 0.1, "steps": 400}, {"optimizer": "SGD", "lr": 1.0}])
def test_run_that_is_done_returns_the_same_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, more: dict[str, Any]
) -> None:
    arguments = {**SMALL, "engine": engine, **more}
    whole = train("sin(x)", checkpoint=tmp_path, **arguments)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr(canonical, "write_atomically", never)
    seen: list[int] = []

    class Count(Stop):
        def on_step(self, step: int, loss: float) -> None:  # noqa: ARG002
            seen.append(step)

    again = train("sin(x)", checkpoint=tmp_path, resume=True, callbacks=[Count(0)], **arguments)
    same(again, whole)
    assert seen == []


def test_rows_drawn_ahead_of_a_loop_that_stops_early_are_not_lost(tmp_path: Path) -> None:
    arguments = {**SMALL, "engine": "fused", "optimizer": "Adam", "lr": 0.05, "steps": 900, "every": 450}
    arguments |= {"tol_gradient": 1e-9, "tol_loss": 1e-12, "schedule": "CosineAnnealingLR"}
    arguments |= {"schedule_options": {"T_max": 250}}
    same(broken(tmp_path, breaks=range(50, 900, 61), **arguments), train("sin(x)", **arguments))


@pytest.mark.parametrize("engine", ENGINES)
def test_callbacks_learn_where_the_run_goes_on_and_a_log_is_that_without_a_break(tmp_path: Path, engine: str) -> None:
    arguments = {**SMALL, "engine": engine}
    train("sin(x)", callbacks=[JSONLines(tmp_path / "whole")], **arguments)
    log, told = JSONLines(tmp_path / "broken"), []

    class Told:
        def __call__(self, row: Row) -> None: ...

        def on_resume(self, step: int) -> None:
            told.append(("resume", step))

        def on_begin(self, steps: int) -> None:
            told.append(("begin", steps))

    for after in (16, 41, 99):
        callbacks = [log, Told(), Stop(after)]
        train("sin(x)", checkpoint=tmp_path / "c", checkpoint_every=5, resume=True, callbacks=callbacks, **arguments)
    assert told == [("begin", 60), ("resume", 16), ("begin", 60), ("resume", 41), ("begin", 60)]
    assert (tmp_path / "broken").read_text() == (tmp_path / "whole").read_text()


class Own(torch.optim.Optimizer):
    """Plain descent that remembers how often it was called."""

    def __init__(self, params: Any, lr: float = 1e-4) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        assert closure is None
        for group in self.param_groups:
            for param in group["params"]:
                calls = self.state[param]["calls"] = self.state[param].get("calls", 0) + 1
                param.data.sub_(param.grad + torch.rand(1).item(), alpha=group["lr"] / calls)


class Noisy(torch.nn.Module):
    """A loss that draws from torch's global generator, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, prediction: Any, y: Any) -> Any:
        self.seen += 1
        return (torch.nn.functional.dropout(prediction - y, 0.3) ** 2).sum() * (1 + 1 / self.seen)


def test_optimizer_and_loss_of_ones_own_go_on(tmp_path: Path) -> None:
    whole = train("sin(x)", optimizer=Own, loss=Noisy(), **SMALL)
    for after in (1, 13, 41, 99):
        found = train(
            "sin(x)", optimizer=Own, loss=Noisy(), checkpoint=tmp_path, resume=True, callbacks=[Stop(after)], **SMALL
        )  # fmt: skip
    same(found, whole)


def test_what_cannot_tell_its_state_is_an_error_at_the_start(tmp_path: Path) -> None:
    class Bare:
        def __init__(self, params: Any) -> None:
            self.param_groups = [{"params": [*params], "lr": 0.1}]

        def zero_grad(self) -> None: ...

        def step(self) -> None:
            raise AssertionError("it has begun")

    class Odd(Own):
        def state_dict(self) -> Any:
            return {"thing": object}  # a class is made anew; its instance is not

    class Odder(Own):
        def state_dict(self) -> Any:
            return {"thing": object()}

    with pytest.raises(ArgumentError, match=r"optimizer 'Bare' cannot be kept in a checkpoint: it has no state_dict"):
        train("sin(x)", optimizer=Bare, checkpoint=tmp_path, **SMALL)
    with pytest.raises(ArgumentError, match=r"optimizer 'Odder' cannot be kept .*: its state holds a object"):
        train("sin(x)", optimizer=Odder, checkpoint=tmp_path, **SMALL)
    assert names(tmp_path) == []


# Whose checkpoint it is


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": 0.5}, "lr is 0.001 there and 0.5 here"),
        ({"optimizer": "SGD"}, "optimizer is 'rmsprop' there and 'sgd' here"),
        ({"every": 8}, "every is 7 there and 8 here"),
        ({"seed": 4}, "seed is 3 there and 4 here"),
        ({"samples": 41}, "samples is 40 there and 41 here"),
        ({"loss": "huber"}, "loss is 'squared' there and 'huber' here"),
        ({"engine": "torch"}, "engine is 'fused' there and 'torch' here"),
    ],
)
@pytest.mark.parametrize("resume", [True, False])
def test_folder_of_another_run_is_an_error(tmp_path: Path, change: dict[str, Any], said: str, resume: bool) -> None:
    train("sin(x)", engine="fused", checkpoint=tmp_path, **SMALL)
    before = names(tmp_path)
    with pytest.raises(CheckpointError, match="holds the checkpoint of another run: .*" + said):
        train("sin(x)", **{**SMALL, "engine": "fused", **change}, checkpoint=tmp_path, resume=resume)
    assert names(tmp_path) == before


def test_other_data_under_the_same_name_is_an_error(tmp_path: Path) -> None:
    arguments = {"checkpoint": tmp_path / "c", "x": "t", "y": "v", "steps": 20, "seed": 0, "engine": "fused"}
    path = tmp_path / "data.csv"
    path.write_text("t,v\n" + "".join(f"{k},{k % 3}\n" for k in range(20)))
    train(str(path), **arguments)
    train(str(path), resume=True, **arguments)
    path.write_text("t,v\n" + "".join(f"{k},{k % 3}\n" for k in range(19)) + "19,1.0000001\n")
    with pytest.raises(CheckpointError, match="data is '"):
        train(str(path), resume=True, **arguments)


def test_spelling_does_not_make_another_run(tmp_path: Path) -> None:
    arguments = {**SMALL, "engine": "fused", "checkpoint": tmp_path, "resume": True}
    train("sin(x)", optimizer="adam", lr="2**-10", **arguments)
    found = train("sin(x)", optimizer="Adam", lr=2.0**-10, domain=("-pi", np.pi), powers=range(5), **arguments)
    assert found.notes == ()


def test_seed_that_was_drawn_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    arguments = {**SMALL, "engine": "fused", "seed": None, "checkpoint": tmp_path}
    first = train("sin(x)", callbacks=[Stop(20)], **arguments)
    resumed = train("sin(x)", resume=True, **arguments)
    same(resumed, train("sin(x)", engine="fused", **{**SMALL, "seed": first.seed}))
    assert resumed.arguments["seed"] == first.seed
    with pytest.raises(
        CheckpointError, match=f"holds a checkpoint of this run with seed={first.seed}. Resume it, give"
    ):
        train("sin(x)", **arguments)


def test_run_that_is_not_resumed_starts_anew(tmp_path: Path) -> None:
    arguments = {**SMALL, "engine": "fused", "checkpoint": tmp_path}
    whole = train("sin(x)", **arguments)
    seen: list[int] = []
    same(train("sin(x)", callbacks=[lambda row: seen.append(row["step"])], **arguments), whole)
    assert seen[0] == 6


def test_empty_folder_is_said(tmp_path: Path) -> None:
    found = train("sin(x)", engine="fused", checkpoint=tmp_path / "new", resume=True, **SMALL)
    assert found.notes == (
        f"There is no checkpoint in {tmp_path / 'new'} yet, so the run started from the beginning.",
    )  # fmt: skip
    assert train("sin(x)", engine="fused", checkpoint=tmp_path / "new", resume=True, **SMALL).notes == ()


def test_other_surroundings_are_said_and_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {**SMALL, "checkpoint": tmp_path, "resume": True}
    train("sin(x)", callbacks=[Stop(20)], **arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        train("sin(x)", callbacks=[Stop(40)], **arguments)
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setattr("polyoptim.training.__version__", "9.9")
    notes = [note for note in train("sin(x)", **arguments).notes if note.startswith("Resumed in other surroundings")]
    assert len(notes) == 2
    assert f"threads is {threads} there and {threads + 1} here" in notes[0]
    assert "polyoptim is '0.1.0' there and '9.9' here" in notes[1]


def test_damaged_checkpoint_is_said_and_the_one_before_is_taken(tmp_path: Path) -> None:
    arguments = {**SMALL, "engine": "fused"}
    train("sin(x)", checkpoint=tmp_path, checkpoint_every=10, callbacks=[Stop(33)], **arguments)
    assert names(tmp_path) == ["step-000000000030.json", "step-000000000033.json"]
    newest = tmp_path / "step-000000000033.json"
    newest.write_bytes(newest.read_bytes()[:-20])
    found = train("sin(x)", checkpoint=tmp_path, resume=True, **arguments)
    same(found, train("sin(x)", **arguments))
    assert [note.split(" is ")[0] for note in found.notes] == ["The checkpoint step-000000000033.json"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"resume": True}, "resume needs the folder of the checkpoints"),
        ({"checkpoint": "c", "resume": 1}, "resume must be True or False, got 1"),
        ({"checkpoint": "c", "checkpoint_every": 0}, "checkpoint_every must be an integer >= 1, got 0"),
        ({"checkpoint": "c", "checkpoint_every": "0s"}, "checkpoint_every must be above 0 seconds, got '0s'"),
        ({"checkpoint": "c", "checkpoint_every": "often"}, "checkpoint_every must be an integer"),
        ({"checkpoint": "c", "checkpoint_every": "fives"}, "checkpoint_every must be a number"),
        ({"checkpoint": "c", "checkpoint_every": None}, "checkpoint_every must be an integer"),
    ],
)
def test_wrong_arguments_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=said):
        train("sin(x)", **SMALL, **wrong)
    assert names(tmp_path) == []


# When it is written


def test_every_may_be_updates_or_seconds() -> None:
    assert [read_every(text) for text in (5, "2**10", "30s", " 0.5s", "2*60s", "5e-3s")] == [
        5,
        1024,
        30.0,
        0.5,
        120,
        0.005,
    ]


@pytest.mark.parametrize("every", [500, "0.01s"])
def test_loops_stop_in_time_for_a_checkpoint(monkeypatch: pytest.MonkeyPatch, every: Any) -> None:
    clock, written = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    keeper = Keeper(lambda _state, made: written.append((made, clock[0])), read_every(every))
    made = 0
    while made < 20_000:
        made += keeper.ahead(made)
        clock[0] += keeper.ahead(made) * 1e-5
        if keeper.due(made):
            keeper.save({}, made)
    if every == 500:
        assert [made for made, _ in written] == list(range(500, made + 1, 500))
    else:
        moments = [moment for _, moment in written]
        assert len(moments) > 5
        assert max(np.diff(moments)) < 0.05


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_writes_the_last_state(tmp_path: Path, engine: str) -> None:
    code = f"""
import json, sys
from polyoptim import train
def tell(row):
    if row["step"] > 300: print(row["step"], flush=True)
result = train("sin(x)", steps=10**9, every=50, samples=40, batch_size=7, seed=0, engine={engine!r},
               checkpoint={str(tmp_path)!r}, checkpoint_every=10**8, callbacks=[tell])
print(json.dumps([result.status, result.steps, result.message]))
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        status, steps, message = json.loads(process.stdout.read().splitlines()[-1])
    assert status == "interrupted"
    assert message == f"Interrupted after {steps} updates; what there is was kept."
    assert names(tmp_path) == [f"step-{steps:012d}.json"]
    arguments = {"steps": steps + 100, "every": 50, "samples": 40, "batch_size": 7, "seed": 0, "engine": engine}
    same(train("sin(x)", checkpoint=tmp_path, resume=True, **arguments), train("sin(x)", **arguments))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_disk_that_fails_does_not_fail_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, code: int
) -> None:
    arguments = {**SMALL, "engine": engine}
    train("sin(x)", checkpoint=tmp_path, callbacks=[Stop(20)], **arguments)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("tempfile.mkstemp", fail)
    with pytest.warns(RuntimeWarning, match="could not be written") as warned:
        found = train("sin(x)", checkpoint=tmp_path, checkpoint_every=10, resume=True, **arguments)
    assert len(warned) == 1
    same(found, train("sin(x)", **arguments))
    note = next(note for note in found.notes if "checkpoint" in note)
    assert note.startswith(
        f"The checkpoint at step 30 could not be written to {tmp_path}: {os.strerror(code)}. The one before it is as "
        "it was. So it was with "
    )
    assert note.endswith(" more. The run went on without.")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    monkeypatch.undo()
    same(train("sin(x)", checkpoint=tmp_path, resume=True, **arguments), found)


# Kill -9

NURSERY = """
import json, os, sys
from pathlib import Path
from polyoptim import train

arguments, folder, answer = json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
train("exp(x)", **{**arguments, "steps": 300})
print("ready", flush=True)
for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        result = train("exp(x)", checkpoint=folder, resume=True, **arguments)
        answer.write_text(repr([list(result.trace), result.coef.tolist(), result.message]))
        os._exit(0)
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    print("killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}", flush=True)
"""


def kill_until_done(folder: Path, arguments: dict[str, Any], kills: int, longest: float) -> tuple[str, dict[str, int]]:
    """Kill a run again and again, every other time in the middle of a write; return its answer and what was seen."""
    draw, answer = random.Random(7), folder.parent / "answer"  # noqa: S311 - no secrets
    seen = {"killed": 0, "in a write": 0, "with a checkpoint": 0}
    command = [sys.executable, "-c", NURSERY, json.dumps(arguments), str(folder), str(answer)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        assert nursery.stdout.readline() == "ready\n"
        furthest, said = -1, ""
        while not said.startswith("ended"):
            nursery.stdin.write("\n")
            nursery.stdin.flush()
            pid = int(nursery.stdout.readline())
            if seen["killed"] < kills:
                time.sleep(draw.uniform(0, longest))
                if seen["killed"] % 2:
                    await_write(folder)
                with contextlib.suppress(ProcessLookupError):  # it has come to its end
                    os.kill(pid, signal.SIGKILL)
            said = nursery.stdout.readline().strip()
            seen["killed"] += said == "killed"
            found = names(folder) if folder.exists() else []
            seen["in a write"] += said == "killed" and any(name.startswith(".polyoptim-step-") for name in found)
            steps = [int(name[5:-5]) for name in found if name.startswith("step-")]
            seen["with a checkpoint"] += said == "killed" and bool(steps)
            assert max(steps, default=-1) >= furthest  # nothing is ever lost
            furthest = max(steps, default=-1)
        assert said == "ended 0"
        nursery.stdin.close()
    return answer.read_text(), seen


def await_write(folder: Path) -> None:
    """Return as soon as a checkpoint is being written."""
    until = time.monotonic() + 1
    while time.monotonic() < until:
        if folder.exists() and any(name.startswith(".polyoptim-step-") for name in os.listdir(folder)):  # noqa: PTH208
            return


def test_killed_fused_run_is_that_without_a_break(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"engine": "fused", "seed": 1, "samples": 256, "batch_size": 16, "optimizer": "Adam"}
    arguments |= {"degree": 5, "basis": "chebyshev", "lr": 1e-4, "steps": 120_000 * KILLS, "every": 80_000}
    begin = time.monotonic()
    whole = train("exp(x)", **arguments)
    seconds = time.monotonic() - begin
    answer, seen = kill_until_done(tmp_path / "c", {**arguments, "checkpoint_every": "0.002s"}, KILLS, 0.4)
    assert answer == repr([list(whole.trace), whole.coef.tolist(), whole.message])
    print(f"\n{seen}; {seconds:.1f} s without checkpoints, {time.monotonic() - begin - seconds:.1f} s with")  # noqa: T201
    assert seen["killed"] >= KILLS // 3


def test_killed_torch_run_is_that_without_a_break(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"engine": "torch", "seed": 1, "samples": 256, "batch_size": 16, "optimizer": "Adam"}
    arguments |= {"schedule": "ExponentialLR", "schedule_options": {"gamma": 0.9999}, "steps": 1200, "every": 300}
    code = f"from polyoptim import train; r = train('exp(x)', **{arguments!r})\n"
    code += "print(repr([list(r.trace), r.coef.tolist(), r.message]))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    whole = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    answer, seen = kill_until_done(tmp_path / "c", {**arguments, "checkpoint_every": 3}, 3, 0.6)
    assert answer == whole
    assert seen["killed"] >= 2


# Beside torch


def fused_line(result: Result) -> list[str]:
    return [note for note in result.notes if note.startswith("The fused engine makes these")]


@pytest.mark.parametrize("dtype", [None, "float64"])
def test_report_says_what_fused_makes_of_the_run(dtype: str | None) -> None:
    result = train("sin(x)", seed=0, dtype=dtype)
    (line,) = fused_line(result)
    assert "these 2000 updates in " in line
    assert ("in float64 its losses differ" in line) == (dtype is None)
    assert line in result.report() if hasattr(result, "report") else True
    difference = float(line.split("at most ")[1].split()[0])
    assert 0 <= difference < 0.5


@pytest.mark.parametrize("seed", [0, 7, 2**63])
def test_generator_draws_what_torch_draws_in_float32(seed: int) -> None:
    generator = Generator(seed)
    torch.manual_seed(seed)
    for count, bound in ((3, 0.57735), (1, 1 / 3), (40, 1.0)):
        expected = torch.empty(count).uniform_(-bound, bound).tolist()
        assert generator.uniform(count, -bound, bound, single=True).tolist() == expected
    assert generator.permutation(9).tolist() == torch.randperm(9).tolist()


def test_comparison_starts_where_torch_started() -> None:
    result = train("sin(x)", seed=0, optimizer="Adam", lr=0.01)
    (line,) = fused_line(result)
    assert float(line.split("at most ")[1].split()[0]) < 1e-3


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": "float32"},
        {"optimizer": "SparseAdamX"},
        {"optimizer": Own},
        {"loss": Noisy()},
        {"callbacks": [Stop(1500)]},
        {"optimizer": "SGD", "lr": 0.1},
        {"engine": "fused"},
        {"steps": 3},
    ],
)
def test_nothing_is_said_where_fused_could_not_or_where_it_would_cost_too_much(arguments: dict[str, Any]) -> None:
    if arguments.get("optimizer") == "SparseAdamX":
        arguments = {"optimizer": "Muon", "powers": [1, 3]}
    assert fused_line(train("sin(x)", seed=0, **arguments)) == []


def test_comparison_calls_no_callback_and_no_function_of_the_users_again() -> None:
    calls, rows = [], []

    def target(x: Any) -> Any:
        calls.append(len(x))
        return torch.sin(x)

    assert fused_line(train(target, seed=0, steps=3)) == []
    before = len(calls)
    result = train(target, seed=0, callbacks=[rows.append])
    assert len(fused_line(result)) == 1
    assert len(calls) == 2 * before
    assert [row["step"] for row in rows] == result.trace["step"].tolist()


def test_comparison_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ArgumentError("no")

    monkeypatch.setattr("polyoptim.engines.fused.run", fail)
    assert train("sin(x)", seed=0).notes == ()


def test_comparison_compiles_nothing() -> None:
    code = "import sys; from polyoptim import train; print(len(train('sin(x)', seed=0).notes), 'numba' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["1", "False"]
