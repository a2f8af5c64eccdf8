"""Whole runs on the reference problem: fused goes with torch until torch parts from itself with its rows permuted.

Some optimizers amplify rounding in their limit cycles (RMSprop, Adadelta). From there on a loss band is what can hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from polyoptim import train
from polyoptim.optim.rules import RULES

PARTED = 1e-9  # of the loss: then torch has parted from itself
STEPS, EVERY = 2000, 20
# Rates with which a run neither diverges nor stands still; the others have torch's own.
RATES = {"SGD": 3e-6, "ASGD": 3e-6, "RMSprop": 1e-3, "Adadelta": 1.0, "Adagrad": 0.5, "RAdam": 3e-6}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{}, {"momentum": 0.9, "nesterov": True, "lr": 1e-6}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.5}],
    "Adam": [{}, {"amsgrad": True}],
    "LBFGS": [{}, {"line_search_fn": "strong_wolfe"}],
}
CASES = [(name, options) for name, rule in RULES.items() if rule.in_torch for options in OPTIONS.get(name, [{}])]


def run(name: str, options: dict[str, Any], **more: Any) -> Any:
    given: dict[str, Any] = {"domain": ("-pi", "pi"), "seed": 0, "steps": STEPS, "every": EVERY, "dtype": "float64"}
    lr = options.get("lr", RATES.get(name))
    rest = {key: value for key, value in options.items() if key != "lr"}
    target = more.pop("target", ("sin(x)",))
    return train(*target, optimizer=name, lr=lr, optimizer_options=rest, **given, **more)


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{'-'.join(options)}" for name, options in CASES])
def test_run_goes_with_torch_until_torch_parts_from_itself(name: str, options: dict[str, Any]) -> None:
    reference = run(name, options, engine="torch")
    x = torch.linspace(-torch.pi, torch.pi, STEPS, dtype=torch.float64)
    order = np.random.default_rng(7).permutation(STEPS)
    permuted = run(name, options, engine="torch", target=(x.numpy()[order], torch.sin(x).numpy()[order]))
    fused = run(name, options, engine="fused")
    losses = [result.trace["loss"] for result in (reference, permuted, fused)]
    assert len({len(loss) for loss in losses}) == 1
    control, apart = (np.abs(loss / losses[0] - 1) for loss in losses[1:])
    parted = np.flatnonzero(control > PARTED)
    together = len(control) if not len(parted) else max(int(parted[0]) - 1, 1)
    assert apart[:together].max() <= 100 * PARTED
    rest = slice(together, None)
    if together < len(control):
        level, ours = (np.median(result.trace["excess"][rest]) for result in (reference, fused))
        assert level / 5 - 1e-12 <= ours <= 5 * level + 1e-12
