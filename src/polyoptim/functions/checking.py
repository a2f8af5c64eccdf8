"""Checking: a generated file of a whole function measured again from its coefficients, and made again."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from polyoptim.errors import ResultFileError
from polyoptim.exporters.function_manifest import check_function_manifest, function_coefficients
from polyoptim.formats import FORMATS
from polyoptim.functions import FUNCTIONS
from polyoptim.functions.judging import Judged
from polyoptim.functions.recipe import Recipe
from polyoptim.functions.search import function, measured, write_body
from polyoptim.functions.whole import text_of


def read_function(text: str, document: Mapping[str, Any], where: str) -> dict[str, dict[int, Fraction]]:
    """Return the coefficients that stand in a file, with those that its code need not hold, such as a factor 1.

    Raises
    ------
    ResultFileError
        For a manifest that lacks something, an unknown function, or other coefficients than its degrees have.
    """
    check_function_manifest(document, where)
    recipe: Recipe = FUNCTIONS[document["function"]]
    found = function_coefficients(text, where)
    coef: dict[str, dict[int, Fraction]] = {}
    for prefix, one in recipe.reduced.items():
        powers = one.powers(int(document["degrees"][prefix]))
        held = {power: Fraction(value) for power, value in one.fixed.items()}
        coef[prefix] = {**dict.fromkeys(powers, Fraction(0)), **held, **found.pop(prefix, {})}
        if set(coef[prefix]) != {*powers, *held}:
            raise ResultFileError(f"{where} has coefficients {prefix} of other powers than {powers}. Export it again.")
    if found:
        raise ResultFileError(f"{where} has coefficients {', '.join(found)}, which {recipe.name} has none of.")
    return coef


def measured_again(coef: Mapping[str, Mapping[int, Fraction]], document: Mapping[str, Any]) -> Judged:
    """Return how far the function with these coefficients is from the truth, at every input."""
    recipe: Recipe = FUNCTIONS[document["function"]]
    own, asked = FORMATS[document["format"]], document["asked"]
    return measured(recipe, write_body(recipe, coef, own, asked["scheme"], asked["fma"]), own)


def made_again(document: Mapping[str, Any]) -> str:
    """Return the text of the file that a search from its manifest gives."""
    found = function(document["function"], format=document["format"], **document["asked"])
    return text_of(found, document["export"], document["name"])
