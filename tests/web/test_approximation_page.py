"""The answer to the page about approximation says what approximate() says."""

import json
import shlex

import numpy as np
import pytest

import polyoptim
from polyoptim.cli import run
from polyoptim.web import approximation_page
from polyoptim.web.choices import CODE
from polyoptim.web.query import BadRequestError

EXP2 = {"target": "2**x", "domain": "0,1", "degree": "3", "error": "relative"}


def test_approximation_is_that_of_python(unpack):
    head, arrays = unpack(approximation_page.approximate({**EXP2, "fixed": "0=1", "scheme": "estrin"}))
    wanted = polyoptim.approximate(
        "2**x", domain=(0, 1), degree=3, error="relative", format="float32", fixed={0: 1}, scheme="estrin"
    )
    assert [one["exactly"] for one in head["coefficients"]] == list(wanted.coef_hex)
    assert [one["value"] for one in head["coefficients"]] == wanted.coef.tolist()
    for name in ("sup_error", "sup_error_kind", "sup_error_bound", "lower_bound", "total_error_bound", "gap"):
        assert head[name] == getattr(wanted, name)
    x, error = arrays["x"], arrays["error"]
    assert np.abs(error).max() == pytest.approx(wanted.sup_error, rel=1e-3)
    assert error == pytest.approx(wanted(x) / 2**x - 1, abs=1e-12)


def test_approximation_in_a_small_format_has_all_inputs(unpack):
    head, arrays = unpack(approximation_page.approximate({**EXP2, "format": "bfloat16"}))
    assert head["max_ulp_kind"] == "exhaustive"
    assert arrays["histogram"][:, 2].sum() == head["input_count"]


@pytest.mark.parametrize("kind", CODE)
def test_code_is_what_the_download_holds(unpack, kind, tmp_path):
    head, _ = unpack(approximation_page.approximate({**EXP2, "code": kind}))
    path = tmp_path / f"polynomial{CODE[kind]}"
    approximation_page.result_of(EXP2).export(path)
    assert head["file"] == path.name
    assert head["code"] == path.read_text(encoding="utf-8")


def test_tolerance_finds_the_degree(unpack):
    head, _ = unpack(approximation_page.approximate({"target": "exp(x)", "domain": "0,1", "tolerance": "1e-4"}))
    assert head["sup_error"] <= 1e-4
    wanted = polyoptim.approximate("exp(x)", domain=(0, 1), tolerance=1e-4, format="float32")
    assert head["degree"] == max(wanted.powers)


@pytest.mark.parametrize("objective", ["l1", "l2"])
def test_other_objectives(unpack, objective):
    head, _ = unpack(approximation_page.approximate({**EXP2, "objective": objective, "error": "absolute"}))
    wanted = polyoptim.approximate("2**x", domain=(0, 1), degree=3, format="float32", objective=objective)
    assert (head["objective"], head["loss"]) == (objective, wanted.loss)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"target": "2**y"}, "target"),
        ({"domain": "1,0"}, "domain"),
        ({"domain": "1"}, "domain"),
        ({"degree": "21"}, "degree"),
        ({"tolerance": "-1"}, "tolerance"),
        ({"fixed": "0:1"}, "fixed"),
        ({"format": "float33"}, "format"),
        ({"error": "relativ"}, "error"),
        ({"objective": "maximin"}, "objective"),
        ({"scheme": "hornet"}, "scheme"),
        ({"fma": "perhaps"}, "fma"),
        ({"guard": "wall"}, "guard"),
        ({"output_format": "bfloat"}, "output_format"),
        ({"code": "rust"}, "code"),
    ],
)
def test_approximation_refuses_at_the_field(more, field):
    with pytest.raises(BadRequestError) as caught:
        approximation_page.approximate({**EXP2, **more})
    assert list(caught.value.fields) == [field]


def test_command_makes_the_same(unpack, capsys):
    asked = {**EXP2, "fixed": "0=1", "fma": "false", "output_format": "bfloat16", "guard": "clamp"}
    head, _ = unpack(approximation_page.approximate(asked))
    assert run([*shlex.split(head["command"])[1:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["coef_hex"] == [one["exactly"] for one in head["coefficients"]]


def test_odd_function_has_odd_powers_only(unpack):
    head, _ = unpack(approximation_page.approximate({"target": "sin(x)", "degree": "5", "domain": "-pi,pi"}))
    assert [one["power"] for one in head["coefficients"]] == [1, 3, 5]
    assert [float.fromhex(one["exactly"]) for one in head["coefficients"]] == [
        one["value"] for one in head["coefficients"]
    ]
