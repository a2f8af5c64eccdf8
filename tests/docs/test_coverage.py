"""The table of optimizers and schedules in the documentation: found from torch, filled by running each of them.

POLYOPTIM_UPDATE=1 in the environment writes the table anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from polyoptim import PolyoptimError, train
from polyoptim.engines.lanes import lanes_fit
from polyoptim.engines.traces import kind_of
from polyoptim.optim.rates.sequence import rates
from polyoptim.optim.rules import RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "use" / "coverage.txt"
RUN: dict[str, Any] = {"basis": "legendre", "degree": 4, "seed": 3, "steps": 40, "every": 5, "dtype": "float64"}
STEPS = {"LBFGS": 4}  # it has converged by then
UPDATES = 500
# Options without a default, and for ReduceLROnPlateau some that make it do something.
SCHEDULES: dict[str, dict[str, Any]] = {
    "ChainedScheduler": {"schedulers": [["ConstantLR", {}], ["ExponentialLR", {"gamma": 0.99}]]},
    "CosineAnnealingLR": {"T_max": 50},
    "CosineAnnealingWarmRestarts": {"T_0": 10},
    "CyclicLR": {"base_lr": 1e-4, "max_lr": 1e-2, "cycle_momentum": False},
    "ExponentialLR": {"gamma": 0.99},
    "LambdaLR": {"lr_lambda": "0.99**x"},
    "MultiStepLR": {"milestones": [10, 30]},
    "MultiplicativeLR": {"lr_lambda": "0.99"},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": UPDATES + 1},
    "ReduceLROnPlateau": {"patience": 1, "threshold": 0.5},
    "SequentialLR": {"schedulers": [["ConstantLR", {}], ["ExponentialLR", {"gamma": 0.9}]], "milestones": [20]},
    "StepLR": {"step_size": 7},
}
BUCKETS = (1e-12, 1e-9)


def of_torch(module: Any, base: type) -> list[str]:
    """Return the names of the public classes below a class."""
    found = {name for name, value in vars(module).items() if isinstance(value, type) and issubclass(value, base)}
    return sorted(name for name in found - {base.__name__, "LRScheduler"} if not name.startswith("_"))


def outcome(**options: Any) -> tuple[str, Any]:
    """Return "yes" and the result, or "no" where the run is refused."""
    try:
        return "yes", train("sin(x)", **{**RUN, **options})
    except PolyoptimError:
        return "no", None


def agreement(ours: Any, torchs: Any) -> str:
    """Return how closely the losses of two runs agree."""
    if ours is None or torchs is None:
        return ""
    apart = np.abs(ours.trace["loss"] / torchs.trace["loss"] - 1).max()
    return next((f"{bucket:g}" for bucket in BUCKETS if apart <= bucket), f"only {apart:.0e}")


def optimizer_row(name: str) -> list[str]:
    rate = 1e-5 if name in ("SGD", "ASGD") else None
    options = {"optimizer": name, "lr": rate, "steps": STEPS.get(name, RUN["steps"])}
    in_torch, theirs = outcome(engine="torch", **options) if hasattr(torch.optim, name) else ("not in torch", None)
    if name not in RULES:
        return [name, in_torch, "no", "", ""]
    fused, ours = outcome(engine="fused", **options)
    rule = RULES[name]
    together = lanes_fit(kind_of(rule, rule.read({})[1], 4, True))
    return [name, in_torch, fused, agreement(ours, theirs), "yes" if together else "one by one"]


def schedule_row(name: str) -> list[str]:
    options = {"schedule": name, "schedule_options": SCHEDULES.get(name, {}), "optimizer": "Adam", "lr": 1e-2}
    in_torch, theirs = outcome(engine="torch", **options)
    fused, ours = outcome(engine="fused", **options)
    return [name, in_torch, fused, "bit for bit" if same_rates(ours, theirs) else "no"]


def same_rates(ours: Any, theirs: Any) -> bool:
    return ours is not None and theirs is not None and bool((ours.trace["lr"] == theirs.trace["lr"]).all())


def table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    lines = ["  ".join(row).rstrip() for row in padded]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def test_table_is_what_the_engines_do() -> None:
    optimizers = sorted({*of_torch(torch.optim, torch.optim.Optimizer), *RULES}, key=str.casefold)
    schedules = sorted({*of_torch(lr_scheduler, lr_scheduler.LRScheduler), "ReduceLROnPlateau"}, key=str.casefold)
    text = (
        table(
            ["optimizer", "torch", "fused", "losses agree to", "race, sweep"],
            [optimizer_row(name) for name in optimizers],
        )
        + "\n\n"
        + table(["schedule", "torch", "fused", "learning rates agree"], [schedule_row(name) for name in schedules])
        + "\n"
    )
    if os.environ.get("POLYOPTIM_UPDATE"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


def test_every_rate_is_torchs() -> None:
    for name, options in SCHEDULES.items():
        if name in ("ReduceLROnPlateau", "LambdaLR", "MultiplicativeLR", "ChainedScheduler", "SequentialLR"):
            continue  # these look at the loss, or are given functions and schedules; tests/optim compares them
        parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = torch.optim.SGD([parameter], lr=0.01, momentum=0.9)
        schedule = getattr(lr_scheduler, name)(optimizer, **options)
        expected = []
        for _ in range(UPDATES):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        assert list(rates(name, options, 0.01, UPDATES, {"momentum": 0.9}).lr) == expected
