"""Whole functions: for each a recipe, from reduced problems to all numbers of a format."""

from polyoptim.registry import Registry

FUNCTIONS = Registry(
    "function",
    {
        "exp2": "polyoptim.functions.exp2:RECIPE",
        "sin": "polyoptim.functions.sin:RECIPE",
        "exp": "polyoptim.functions.exp:RECIPE",
        "log2": "polyoptim.functions.log2:RECIPE",
        "tanh": "polyoptim.functions.tanh:RECIPE",
        "gelu": "polyoptim.functions.gelu:RECIPE",
        "silu": "polyoptim.functions.silu:RECIPE",
        "erf": "polyoptim.functions.erf:RECIPE",
    },
)
