"""What can be chosen in the playground, with ranges for sliders: optimizers and schedules with their options, bases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from polyoptim import __version__
from polyoptim.bases import FAMILIES
from polyoptim.formats import FORMATS
from polyoptim.losses import LOSSES
from polyoptim.optim.rules import RULES
from polyoptim.web.limits import LIMITS

# Ranges of sliders by the name of an option; "log" ones are spaced so. A value beyond can be typed.
DECAY = {"least": 0.0, "most": 0.9999, "step": 0.0001}
SMALL = {"least": 1e-12, "most": 1.0, "log": True}
RANGES: Mapping[str, Mapping[str, Any]] = {
    "lr": {"least": 1e-9, "most": 10.0, "log": True},
    "momentum": {"least": 0.0, "most": 0.999, "step": 0.001},
    "dampening": {"least": 0.0, "most": 1.0, "step": 0.01},
    "alpha": DECAY,
    "rho": DECAY,
    "betas": DECAY,
    "eps": SMALL,
    "weight_decay": {"least": 0.0, "most": 1.0, "step": 0.001},
    "lr_decay": {"least": 0.0, "most": 1.0, "step": 0.001},
    "initial_accumulator_value": {"least": 0.0, "most": 10.0, "step": 0.01},
    "lambd": {"least": 0.0, "most": 1.0, "step": 0.0001},
    "t0": {"least": 1.0, "most": 1e6, "log": True},
    "momentum_decay": {"least": 0.0, "most": 0.1, "step": 0.0001},
    "etas": {"least": 0.01, "most": 3.0, "step": 0.01},
    "step_sizes": {"least": 1e-9, "most": 100.0, "log": True},
    "beta2_decay": {"least": -1.0, "most": 0.0, "step": 0.01},
    "d": {"least": 0.1, "most": 10.0, "step": 0.1},
    "max_iter": {"least": 1, "most": 100, "step": 1},
    "history_size": {"least": 1, "most": 100, "step": 1},
    "tolerance_grad": SMALL,
    "tolerance_change": SMALL,
}
# What a slider for the other axis of the map is about: the first of these that the optimizer has.
SECOND = ("momentum", "beta1", "rho", "etaplus", "beta2_decay", "alpha", "lr_decay")
HIDDEN = ("lr", "maximize")  # lr has a slider of its own; uphill there is nothing to see

# Degrees beyond are no formula to trust, or take long to be found.
HIGHEST: Mapping[str, int] = {"fit": 15, "approximate": 20}
# Code of an approximation, and the ending of its file.
CODE = {"c": ".h", "source": ".c", "cuda": ".cuh", "triton": ".triton.py", "numpy": ".py", "latex": ".tex"}

# The options of schedules: a value, or a share of the steps, or a multiple of lr.
Part = Mapping[str, Any]
SCHEDULES: Mapping[str, Mapping[str, Part]] = {
    "StepLR": {"step_size": {"steps": 0.25}, "gamma": {"value": 0.5}},
    "MultiStepLR": {"milestones": {"list": [0.5, 0.75]}, "gamma": {"value": 0.1}},
    "ExponentialLR": {"gamma": {"value": 0.998}},
    "LinearLR": {"start_factor": {"value": 1.0}, "end_factor": {"value": 0.01}, "total_iters": {"steps": 1.0}},
    "PolynomialLR": {"total_iters": {"steps": 1.0}, "power": {"value": 2.0}},
    "CosineAnnealingLR": {"T_max": {"steps": 1.0}, "eta_min": {"value": 0.0}},
    "CosineAnnealingWarmRestarts": {"T_0": {"steps": 0.25}, "T_mult": {"value": 1}, "eta_min": {"value": 0.0}},
    "OneCycleLR": {"max_lr": {"lr": 10.0}, "total_steps": {"steps": 1.0}, "pct_start": {"value": 0.3}},
    "CyclicLR": {"base_lr": {"lr": 0.1}, "max_lr": {"lr": 1.0}, "step_size_up": {"steps": 0.1}},
    "ConstantLR": {"factor": {"value": 0.1}, "total_iters": {"steps": 0.1}},
    "ReduceLROnPlateau": {"factor": {"value": 0.5}, "patience": {"value": 20}},
    "LambdaLR": {"lr_lambda": {"text": "1/(1 + x/100)"}},
    "MultiplicativeLR": {"lr_lambda": {"text": "0.999"}},
}


def choices() -> dict[str, Any]:
    """Return what the page builds its controls from."""
    return {
        "version": __version__,
        "limits": asdict(LIMITS),
        "optimizers": {name: _optimizer(name) for name in RULES},
        "schedules": {name: dict(parts) for name, parts in SCHEDULES.items()},
        "ranges": dict(RANGES),
        "bases": list(FAMILIES),
        "formats": list(FORMATS),
        "losses": {
            name: {option: found.default for option, found in loss.options.items()} for name, loss in LOSSES.items()
        },
        "highest": dict(HIGHEST),
        "code": dict(CODE),
    }


def most_steps(name: str) -> int:
    """Return how many steps of an optimizer are made."""
    return LIMITS.long_steps if RULES[name].reevaluates else LIMITS.steps


def _optimizer(name: str) -> dict[str, Any]:
    rule = RULES[name]
    numbers = [*rule.options, *(part for parts in rule.parts.values() for part in parts)]
    return {
        "lr": rule.options["lr"],
        "options": {
            option: {
                "value": list(value) if isinstance(value, tuple) else value,
                "parts": list(rule.parts.get(option, ())),
                "choices": list(rule.choices.get(option, ())),
            }
            for option, value in rule.options.items()
            if option not in HIDDEN
        },
        "state": list(rule.state) if rule.functions else [],
        "second": next((option for option in SECOND if option in numbers), None),
        "steps": most_steps(name),
    }
