"""function(): arguments, smallest degrees, errors, and what it hands back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from polyoptim import ArgumentError, ExportError, Function, UnknownNameError, function
from polyoptim.formats import FORMATS
from polyoptim.functions import FUNCTIONS
from polyoptim.functions.judging import judge, numbers_of, truth_of
from polyoptim.functions.search import coefficients, write_body


def test_smallest_degree_meets_the_target_and_the_one_below_does_not():
    found = function("exp2", format="bfloat16", max_ulp=0.52)
    recipe, own = FUNCTIONS["exp2"], FORMATS["bfloat16"]
    truth = truth_of(recipe, numbers_of(own), own)
    below = write_body(recipe, {"c": coefficients(recipe.reduced["c"], found.degrees["c"] - 1)}, own, "horner", True)
    assert judge(below, truth).max_ulp > 0.52 >= found.max_ulp


@pytest.mark.parametrize("scheme", ["horner", "estrin"])
def test_schemes(scheme):
    found = function("exp2", format="float16", scheme=scheme, fma=False)
    assert found.max_ulp <= 1
    assert not found.body.count("fma")


def test_what_no_degree_meets_is_said_with_the_best():
    with pytest.raises(
        ArgumentError, match=r"no degree up to 9 meets max_ulp=0.5 for exp2 in float16: the best has 0\.5"
    ):
        function("exp2", format="float16", max_ulp=0.5)


def test_wrong_arguments_are_all_named_at_once():
    with pytest.raises(ArgumentError) as caught:
        function("gellu", format="float64", max_ulp=0.1, scheme="horn", fma=2)
    text = str(caught.value)
    for part in (
        "did you mean 'gelu'",
        "unknown format 'float64'",
        "max_ulp must be a number >= 0.5",
        "'horner'",
        "fma",
    ):
        assert part in text
    with pytest.raises(UnknownNameError, match="unknown function 'cosh'"):
        function("cosh")
    with pytest.raises(ArgumentError, match="fma=False is not possible for sin"):
        function("sin", fma=False)


def test_result_is_callable_and_says_what_it_is():
    found = function("exp2", format="bfloat16")
    assert isinstance(found, Function)
    assert found([0, 1, -200, np.inf, -np.inf]).tolist() == [1, 2, 0, np.inf, 0]
    assert float(found(3)) == 8
    assert np.isnan(found(np.nan))
    assert found.worst_inputs[0][1] == found.max_ulp
    assert f"{found.max_ulp:.6g} ulp, exhaustive" in found.report()
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["arguments"] == {
        "name": "exp2",
        "format": "bfloat16",
        "max_ulp": 1.0,
        "scheme": "horner",
        "fma": True,
    }
    assert document["coef_hex"]["c"]["0"] == "0x1p+0"
    assert function("exp2", format="bfloat16").to_dict() | {"seconds": 0} == found.to_dict() | {"seconds": 0}


def test_unknown_endings_are_refused(tmp_path):
    with pytest.raises(ExportError, match=r"ending '.tex'. Use .h"):
        function("exp2", format="bfloat16").export(tmp_path / "exp2.tex")
