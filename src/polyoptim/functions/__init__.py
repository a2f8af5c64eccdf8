"""Whole functions: for each a recipe, from reduced problems to all numbers of a format."""

from polyoptim.registry import Registry

FUNCTIONS = Registry(
    "function",
    {
        "exp2": "polyoptim.functions.exp2:RECIPE",
        "sin": "polyoptim.functions.sin:RECIPE",
    },
)
