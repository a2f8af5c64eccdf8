"""Polynomials trained step by step, next to the best that any such polynomial can do.

The public names are loaded on first use (SPEC 1), so that ``import polyoptim`` imports neither torch nor NumPy.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "train": "polyoptim.training",
    "fit": "polyoptim.fitting",
    "approximate": "polyoptim.approximating",
    "front": "polyoptim.frontier.search",
    "function": "polyoptim.functions.search",
    "verify": "polyoptim.verifying",
    "race": "polyoptim.racing.contest",
    "sweep": "polyoptim.racing.landscape",
    "advise": "polyoptim.racing.advice",
    "Front": "polyoptim.frontier.points",
    "Race": "polyoptim.racing.standings",
    "Sweep": "polyoptim.racing.landscape",
    "Advice": "polyoptim.racing.advice",
    "Function": "polyoptim.functions.whole",
    "Result": "polyoptim.result",
    "ResultTable": "polyoptim.result_table",
    "load": "polyoptim.result",
    "Status": "polyoptim.solution",
    "Trace": "polyoptim.solution",
    "PolyoptimError": "polyoptim.errors",
    "ArgumentError": "polyoptim.errors",
    "UnknownNameError": "polyoptim.errors",
    "ExpressionError": "polyoptim.errors",
    "DataError": "polyoptim.errors",
    "CellTypeError": "polyoptim.errors",
    "RankError": "polyoptim.errors",
    "RankWarning": "polyoptim.errors",
    "ResultFileError": "polyoptim.errors",
    "ExportError": "polyoptim.errors",
    "MissingDependencyError": "polyoptim.errors",
    "CheckpointError": "polyoptim.errors",
    "ClusterError": "polyoptim.errors",
    "StatusError": "polyoptim.errors",
}
# What wants a package of an optional extra, so that `from polyoptim import *` leaves it out.
_OPTIONAL = {"PolynomialRegressor": "polyoptim.estimator:PolynomialRegressor"}
_EXTRAS = {"PolynomialRegressor": "sklearn"}
_MODULES = ("nn", "callbacks")

__all__ = ["__version__", *_PLACES, *_MODULES]  # noqa: PLE0604 - the names are texts, listed once above


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    if name in _OPTIONAL:
        return importlib.import_module("polyoptim.registry").Registry("estimator", _OPTIONAL, _EXTRAS)[name]
    if name in _MODULES:
        return importlib.import_module(f"polyoptim.{name}")
    raise AttributeError(f"module 'polyoptim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_OPTIONAL])
