"""What a sweep goes over: ranges, lists, and values of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polyoptim.optim.rules import RULES
from polyoptim.racing.axes import Settings, read_axes


@pytest.mark.parametrize(
    ("rule", "over", "values", "log"),
    [
        ("SGD", {"lr": ("2**-10", "1", 11, "log")}, tuple(2.0**k for k in range(-10, 1)), True),
        ("SGD", {"lr": (1, 0, 3)}, (1.0, 0.5, 0.0), False),
        ("SGD", {"lr": (1, 1e-2, 3, "log")}, (1.0, 0.1, 0.01), True),
        ("SGD", {"lr": [1e-3, "1e-2", 0.1]}, (1e-3, 1e-2, 0.1), True),
        ("SGD", {"lr": np.array([3, 1, 2])}, (3.0, 1.0, 2.0), False),
        ("SGD", {"momentum": (0, 1, 2)}, (0, 1), False),
        ("LBFGS", {"history_size": (1, 9, 3)}, (1, 5, 9), False),
        ("LBFGS", {"line_search_fn": [None, "strong_wolfe"]}, (None, "strong_wolfe"), False),
        ("LBFGS", {"line_search_fn": (None, "strong_wolfe")}, (None, "strong_wolfe"), False),
        ("Adafactor", {"eps1": [None, "1e-3"]}, (None, 1e-3), False),
        ("Adam", {"amsgrad": [0, True]}, (False, True), False),
        ("Adam", {"basis": ("Power", "LEGENDRE", "hermite")}, ("power", "legendre", "hermite"), False),
        ("Adam", {"degree": ("1", "2**3", 8)}, tuple(range(1, 9)), False),
        ("Adam", {"seed": [2**63, 0]}, (2**63, 0), False),
    ],
)
def test_axis_has_the_values(rule: str, over: dict[str, Any], values: tuple[Any, ...], log: bool) -> None:
    (axis,) = read_axes(over, RULES[rule])
    assert axis.values == pytest.approx(values, rel=1e-15, abs=0) if log else axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]
    assert axis.log == log


@pytest.mark.parametrize("name", list(RULES))
def test_settings_of_many_places_are_those_that_the_rule_reads(name: str) -> None:
    rule = RULES[name]
    given = {"lr": (1e-3, 1e-1, 150), "weight_decay" if "weight_decay" in rule.options else "seed": (0, 1, 90)}
    axes = [axis for axis in read_axes(given, rule) if axis.name != "seed"] if "weight_decay" in given else []
    axes = axes or read_axes({"lr": (1e-3, 1e-1, 10_001)}, rule)
    settings = Settings(rule, {}, axes)
    places = [np.array([0, len(axis.values) // 3, len(axis.values) - 1]) for axis in axes]
    numbers, flags = settings.at(places, 3)
    for row in range(3):
        options = {axis.name: axis.values[place[row]] for axis, place in zip(axes, places, strict=True)}
        wanted, named = rule.read(options)
        assert (tuple(numbers[row]), flags[row].tolist()) == (wanted, list(named.values()))
