"""Result: saved, shown, and read back where there is no torch."""

from __future__ import annotations

import copy
import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyoptim
from polyoptim import ArgumentError, ExportError, PolyoptimError, Result, ResultFileError, Trace, canonical, load, train
from polyoptim.reports.formula import TOLERANCE
from polyoptim.result_document import FIELDS, LATER

SOURCE = Path(polyoptim.__file__).resolve().parents[1]
X = np.linspace(-1.0, 2.0, 20)
QUICK = {"steps": 20, "every": 5, "seed": 0}

RESULTS: dict[str, Any] = {
    "lesson": lambda: train("sin(x)", **QUICK),
    "arrays": lambda: train(X, np.exp(X), weight=X + 2, **QUICK),
    "callable": lambda: train(np.cos, basis="chebyshev", degree=6, samples=50, **QUICK),
    "table": lambda: train({"t": X, "v": X**2}, x="t", y="v", **QUICK),
    "diverged": lambda: train("sin(x)", optimizer="SGD", lr=1.0, **QUICK),
    "overflow": lambda: train("sin(x)", degree=200, **QUICK),
    "huber": lambda: train("sin(x)", loss="huber", loss_options={"delta": "1/2"}, **QUICK),
    "tukey": lambda: train("sin(x)", loss="tukey", loss_options={"c": "1/2"}, **QUICK),
    "own classes": lambda: train("sin(x)", loss=lambda p, y: (p - y) ** 4, optimizer=_factory, **QUICK),
    "schedule": lambda: train(
        "sin(x)",
        schedule="SequentialLR",
        schedule_options={"schedulers": [("ConstantLR", {}), ("ExponentialLR", {"gamma": 0.9})], "milestones": [3]},
        **QUICK,
    ),
    "lambda": lambda: train(
        "sin(x)", schedule="LambdaLR", schedule_options={"lr_lambda": lambda t: 1 / (1 + t)}, **QUICK
    ),
    "powers": lambda: train("sin(x)", powers=[1, 3], basis="legendre", domain=("-pi/2", "pi"), **QUICK),
    "degree 0": lambda: train("sin(x)", degree=0, **QUICK),
    "exact": lambda: train("x**2", **QUICK),
    "no steps": lambda: train("sin(x)", steps=0, seed=0),
}


def _factory(params: Any, lr: float) -> Any:
    import torch

    return torch.optim.Adam(params, lr=lr)


class Results(dict[str, Result]):
    """The results by name; says little about itself where a test fails."""

    def __repr__(self) -> str:
        return "<results>"


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return Results({name: make() for name, make in RESULTS.items()})


@pytest.fixture(params=list(RESULTS))
def result(request: pytest.FixtureRequest, results: dict[str, Result]) -> Result:
    return results[request.param]


def same(one: Any, two: Any) -> bool:
    """Equal, where nan equals nan, and arrays bit for bit."""
    if isinstance(one, np.ndarray):
        return isinstance(two, np.ndarray) and one.tobytes() == two.tobytes()
    if isinstance(one, float) and isinstance(two, float):
        return one == two or (math.isnan(one) and math.isnan(two))
    if isinstance(one, Trace):
        return isinstance(two, Trace) and len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(two) and len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, str):
        return isinstance(two, str) and one == two
    return type(one) is type(two) and one == two


# Saving


def test_save_and_load_give_the_same_result(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result.save(path)
    found = load(path)
    for name in FIELDS:
        before, after = getattr(result, name), getattr(found, name)
        if name == "samples" and before is not None:
            assert same([before.x, before.y], [after.x, after.y])
            assert same(before.weight, after.weight)
        elif name != "trace":
            assert same(before, after), name
    # what was not finite is null in the file, and nan afterwards
    for before, after in zip(result.trace, found.trace, strict=True):
        for key, value in before.items():
            finite = not isinstance(value, float) or math.isfinite(value)
            assert same(value, after[key]) if finite else after[key] is None or math.isnan(after[key])  # type: ignore[literal-required,arg-type]
    assert found.to_bytes() == result.to_bytes() == path.read_bytes()
    x = np.linspace(*result.domain, 101)
    assert np.asarray(found(x)).tobytes() == np.asarray(result(x)).tobytes()
    assert found.formula == result.formula
    assert found.report(plot=False) == result.report(plot=False)


def test_saved_file_holds_hex_floats_and_no_nan(result: Result) -> None:
    text = result.to_bytes().decode()
    document = json.loads(text, parse_constant=pytest.fail)
    assert [float.fromhex(value) for value in document["coef"]] == result.coef.tolist()
    assert len(document["sha256"]) == 64


def test_to_dict_is_ready_for_json(result: Result) -> None:
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    for name in ("coef", "basis", "domain", "formula", "loss", "optimum", "excess", "gap", "status", "engine", "seed",
                 "seconds", "trace"):  # fmt: skip
        assert name in found
    assert found["coef"] == result.coef.tolist()
    assert found["loss"] == (result.loss if math.isfinite(result.loss) else None)
    assert [row["step"] for row in found["trace"]] == result.trace["step"].tolist()


def test_provenance_holds_versions_arguments_and_seed() -> None:
    import torch

    found = train("sin(x)", lr="2**-10", domain=("-pi/2", "pi/2"), **QUICK)
    assert found.versions["torch"] == torch.__version__
    assert found.versions["numpy"] == np.__version__
    assert found.versions["polyoptim"] == polyoptim.__version__
    assert found.arguments["lr"] in ("2**-10", 2.0**-10)
    assert found.arguments["optimizer"] == "RMSprop"
    assert found.arguments["seed"] == found.seed == 0
    assert found.target == {"kind": "expression", "text": "sin(x)"}
    again = train(found.target["text"], **found.arguments)
    assert again.coef.tolist() == found.coef.tolist()


def test_arguments_make_the_run_again(results: dict[str, Result]) -> None:
    for name in ("lesson", "diverged", "huber", "schedule", "powers", "degree 0"):
        found = results[name]
        again = train(found.target["text"], **found.arguments)
        assert again.coef.tolist() == found.coef.tolist(), name
        assert same(again.trace["loss"], found.trace["loss"]), name


def test_no_face_calls_the_best_that_was_found_an_optimum(results: dict[str, Result], tmp_path: Path) -> None:
    found, exact = results["tukey"], results["huber"]
    assert (found.optimum_kind, exact.optimum_kind) == ("best found", "exact")
    assert found.optimum is not None
    assert found.gap == (found.loss - found.optimum) / found.optimum
    assert "no cubic can do better" in exact.report()
    found.export(tmp_path / "run.py")
    for text in (found.report(plot=True), found._repr_html_(), (tmp_path / "run.py").read_text(encoding="utf-8")):
        assert "can do better" not in text
        assert "not convex" in " ".join(text.replace("# ", "").split())
        assert "optimum" not in text.casefold()


# Reading with suspicion


def spelled(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "result.json"
    path.write_bytes(canonical.spell(document))
    return path


def document_of(result: Result) -> dict[str, Any]:
    found = json.loads(result.to_bytes())
    del found["sha256"]
    return dict(found)


WRONG: list[tuple[str, Any]] = [
    ("format", "another"),
    ("format", None),
    ("version", 2),
    ("version", "1"),
    ("verb", "fitted"),
    ("verb", []),
    ("coef", []),
    ("coef", ["0x1p+0"]),
    ("coef", [1.0, 2.0, 3.0, 4.0]),
    ("coef", ["nan"] * 4),
    ("coef", ["inf"] * 4),
    ("coef", ["1.5"] * 4),
    ("coef", ["0x1p99999"] * 4),
    ("coef", ["x" * 10_000] * 4),
    ("coef", "0x1.0p+0"),
    ("basis", "fourier"),
    ("basis", None),
    ("domain", [1.0, 0.0]),
    ("domain", [0.0]),
    ("domain", ["a", "b"]),
    ("domain", [0, 10**400]),
    ("domain", [-1e308, 1e308]),
    ("window", [1, 1]),
    ("window", True),
    ("powers", []),
    ("powers", [3, 1]),
    ("powers", [0, 0, 1, 2]),
    ("powers", [0, 1, 2, 10**9]),
    ("powers", [-1, 0, 1, 3]),
    ("powers", [0, True, 2, 3]),
    ("powers", {"0": 1}),
    ("target", {"kind": "magic", "text": ""}),
    ("target", {"kind": "expression"}),
    ("target", {"kind": "expression", "text": 5}),
    ("target", "sin(x)"),
    ("loss", "8.9"),
    ("loss", True),
    ("optimum", []),
    ("optimum_coef", ["0x1.0p+0"]),
    ("gap", "none"),
    ("trace", [{}]),
    ("trace", [5]),
    ("trace", {"step": 1}),
    ("status", "fine"),
    ("status", []),
    ("status", None),
    ("message", 5),
    ("steps", -1),
    ("steps", 1.5),
    ("seed", "0"),
    ("count", None),
    ("samples", {"x": [1.0], "y": []}),
    ("samples", {"x": [1.0], "y": [1.0, 2.0], "weight": None}),
    ("samples", {"x": [], "y": [], "weight": None}),
    ("samples", {"x": [1.0], "y": [1.0], "weight": [1.0, 2.0]}),
    ("samples", {"x": [None], "y": [1.0], "weight": None}),
    ("arguments", []),
    ("method", None),
    ("versions", {"torch": 2}),
    ("notes", "none"),
    ("notes", [1]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_field_with_a_valid_hash_is_one_clear_error(
    results: dict[str, Result], tmp_path: Path, name: str, value: Any
) -> None:
    document = document_of(results["lesson"])
    with pytest.raises(ResultFileError, match=r"is not a saved result|has version|format") as caught:
        load(spelled(tmp_path, {**document, name: value}))
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_missing_or_unknown_field_with_a_valid_hash_is_one_clear_error(
    results: dict[str, Result], tmp_path: Path
) -> None:
    document = document_of(results["arrays"])
    for name in document.keys() - set(LATER):
        with pytest.raises(ResultFileError):
            load(spelled(tmp_path, {key: value for key, value in document.items() if key != name}))
    older = {key: value for key, value in document.items() if key not in LATER}
    assert load(spelled(tmp_path, older)).stats is None
    with pytest.raises(ResultFileError, match="extra"):
        load(spelled(tmp_path, {**document, "extra": 1}))


def test_samples_that_are_needed_and_missing_are_one_clear_error(results: dict[str, Result], tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="samples"):
        load(spelled(tmp_path, {**document_of(results["arrays"]), "samples": None}))


def test_trace_row_without_a_finite_coefficient_can_be_saved_again(results: dict[str, Result], tmp_path: Path) -> None:
    document = document_of(results["lesson"])
    document["trace"][0]["coef"][1] = None
    found = load(spelled(tmp_path, document))
    assert math.isnan(found.trace[0]["coef"][1])
    assert json.loads(found.to_bytes())["trace"][0]["coef"][1] is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_target_text_that_is_no_expression_is_one_clear_error(results: dict[str, Result], tmp_path: Path) -> None:
    document = document_of(results["lesson"])
    path = spelled(tmp_path, {**document, "target": {"kind": "expression", "text": "__import__('os')"}})
    with pytest.raises(PolyoptimError):
        load(path).report(plot=True)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(["0x1.8p+1", "power", "steps_done", "expression", "sin(x)", 10**400, -1, 0, 3, 1e308, 5e-324]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def show(result: Result) -> None:
    """Look at a result in every way that needs no torch and no matplotlib; only our own errors may come out."""
    for look in (
        lambda: result.formula,
        lambda: result.report(plot=True),
        lambda: result.report(plot=False),
        result.to_dict,
        result.to_bytes,
        result._repr_latex_,
        lambda: repr(result),
        lambda: result(0.5),
    ):
        try:
            look()
        except PolyoptimError:
            continue


@settings(max_examples=200, deadline=None)
@given(document=st.dictionaries(TEXT | st.sampled_from(sorted(FIELDS)), JSON, max_size=8))
def test_arbitrary_document_with_a_valid_hash_is_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.json"
    path.write_bytes(canonical.spell(document))
    with pytest.raises(ResultFileError):
        load(path)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        found += places(value, (*path, key))
    return found


@pytest.mark.parametrize("name", ["lesson", "arrays", "powers", "schedule"])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_changed_document_with_a_valid_hash_is_a_result_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, results: dict[str, Result], name: str, data: st.DataObject
) -> None:
    document = copy.deepcopy(document_of(results[name]))
    place = data.draw(st.sampled_from(places(document)))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = data.draw(JSON)
    path = tmp_path_factory.getbasetemp() / "changed.json"
    path.write_bytes(canonical.spell(document))
    try:
        found = load(path)
    except ResultFileError:
        return
    assert isinstance(found, Result)
    show(found)


HOSTILE = "SGD(model.parameters()); print('PWNED'); ("


@pytest.mark.parametrize(
    "change",
    [
        {"method": {"optimizer": HOSTILE}},
        {"method": {"schedule": "StepLR(optimizer, 3); print('PWNED'); ("}},
        {"arguments": {"optimizer_options": {"eps=1e-8); print('PWNED'); dict(a": 1}}},
        {"arguments": {"device": "cpu\nprint('PWNED')"}},
        {"arguments": {"dtype": "float32)\nprint('PWNED')\n("}},
        {"arguments": {"reduction": "sum\nprint('PWNED')\n"}},
        {"versions": {"polyoptim": '"""\nprint("PWNED")\n"""'}},
        {"versions": {"polyoptim": "1\nprint('PWNED')"}},
        {"arguments": {"loss": "squared\nprint('PWNED')"}},
        {"target": {"text": "sin(x)\nprint('PWNED')"}},
    ],
)
def test_export_of_a_forged_file_holds_no_code_of_the_forger(
    results: dict[str, Result], tmp_path: Path, change: dict[str, dict[str, Any]]
) -> None:
    """A hash is no signature: whoever can write a file can write its hash."""
    import ast

    document = document_of(results["lesson"])
    for field, values in change.items():
        document[field] = {**document[field], **values}
    path = spelled(tmp_path, document)
    for kind in ("torch", "numpy"):
        out = tmp_path / f"{kind}.py"
        try:
            load(path).export(out, to=kind)
        except PolyoptimError:
            continue
        calls = [
            node
            for node in ast.walk(ast.parse(out.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        ]
        assert not any("PWNED" in ast.unparse(call) for call in calls)


# Looking at it


def test_result_is_callable(results: dict[str, Result]) -> None:
    found = results["callable"]
    x = np.linspace(-3, 3, 30).reshape(5, 6)
    expected = np.polynomial.Chebyshev(found.coef, domain=found.domain)(x)
    np.testing.assert_allclose(found(x), expected, rtol=1e-12, atol=1e-12)
    assert found(x).shape == (5, 6)
    assert isinstance(float(found(0.5)), float)
    assert np.shape(found(0.5)) == ()
    assert found([0.0, 1.0]).tolist() == [found(0.0), found(1.0)]


def test_errors_say_how_they_were_obtained(results: dict[str, Result]) -> None:
    found = results["arrays"]
    assert found.sup_error == pytest.approx(np.abs(found(X.astype(np.float32)) - np.exp(X)).max(), rel=1e-5)
    assert found.sup_error_kind == "sampled"
    assert "sampled on the 20 samples" in found.report(plot=False)


def test_reports_have_no_trouble_with_any_result(result: Result) -> None:
    for plot in (True, False):
        text = result.report(plot=plot)
        assert result.formula in text
        assert str(result.status) in text
    assert "<" in result._repr_html_()
    assert result._repr_latex_().startswith("$")
    assert result.status in repr(result)


def test_report_has_a_plot_on_a_terminal_only(results: dict[str, Result], capsys: pytest.CaptureFixture[str]) -> None:
    found = results["lesson"]
    assert found.report() == found.report(plot=False)
    assert len(found.report(plot=True)) > len(found.report(plot=False))
    capsys.readouterr()


@pytest.mark.filterwarnings("default")
def test_plot_is_written_in_several_formats(results: dict[str, Result], tmp_path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    for name in ("lesson", "arrays", "diverged", "huber", "tukey", "degree 0", "exact", "no steps"):
        results[name].plot(tmp_path / "plot.png")
        plt.close("all")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    results["lesson"].plot(tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text()
    plt.close("all")
    with pytest.raises((ArgumentError, ExportError)):
        results["lesson"].plot(tmp_path / "plot.xyz")
    plt.close("all")


def test_trace_becomes_a_data_frame(result: Result) -> None:
    frame = pd.DataFrame(result.trace)
    assert list(frame.columns) == ["step", "loss", "excess", "gap", "lr", "gradient_norm", "coef"]
    assert len(frame) == len(result.trace)
    assert frame["step"].tolist() == result.trace["step"].tolist()
    of_polars = pl.DataFrame(list(result.trace))
    assert of_polars["step"].to_list() == result.trace["step"].tolist()
    assert of_polars.columns == list(frame.columns)


def test_trace_is_a_sequence_of_mappings(results: dict[str, Result]) -> None:
    trace = results["lesson"].trace
    assert len(trace) == 5
    assert trace[-1] == list(trace)[-1]
    assert isinstance(trace[1:3], Trace)
    assert trace["loss"].tolist() == [row["loss"] for row in trace]
    with pytest.raises(KeyError, match="losss"):
        trace["losss"]
    assert np.isnan(results["own classes"].trace["gap"]).all()


# The formula


FORMULAS: dict[str, Any] = {
    **{
        name: RESULTS[name]
        for name in ("lesson", "arrays", "callable", "powers", "degree 0", "exact", "huber", "no steps")
    },
    "mapped power": lambda: train("exp(x)", mapped=True, degree=5, domain=(0, 3), dtype="float64", **QUICK),
    "hermite": lambda: train("exp(x)", basis="hermite", degree=6, domain=(-2, 3), **QUICK),
    "laguerre": lambda: train("exp(x)", basis="laguerre", degree=4, domain=(1, 2), **QUICK),
    "time stamps": lambda: train(
        1.7e9 + 3600.0 * np.arange(200),
        np.sin(np.arange(200) / 30),
        basis="chebyshev",
        degree=5,
        dtype="float64",
        **QUICK,
    ),
    "time stamps, laguerre": lambda: train(
        1.7e9 + 3600.0 * np.arange(200),
        np.sin(np.arange(200) / 30),
        basis="laguerre",
        degree=5,
        dtype="float64",
        **QUICK,
    ),
    "time stamps, power": lambda: train(
        1.7e9 + 3600.0 * np.arange(200), np.sin(np.arange(200) / 30), mapped=True, degree=5, dtype="float64", **QUICK
    ),
    "tiny": lambda: train(X, 1e-200 * np.exp(X), steps=0, seed=0, dtype="float64"),
    "high degree": lambda: train("sin(9*x)", basis="chebyshev", degree=60, domain=(-1, 1), dtype="float64", **QUICK),
    "far": lambda: train("sin(x)", basis="legendre", degree=3, domain=(1000, 1001), dtype="float64", **QUICK),
}


@pytest.fixture(params=list(FORMULAS))
def shown(request: pytest.FixtureRequest) -> Result:
    return FORMULAS[request.param]()  # type: ignore[no-any-return]


def read_formula(result: Result, text: str, x: np.ndarray) -> np.ndarray:
    """Evaluate the text of a formula as a reader would: plain Python, in float64."""
    body, _, where = text.removeprefix("y = ").partition(", u = ")
    names: dict[str, Any] = {"x": x}
    if where:
        names["u"] = eval(where, {"__builtins__": {}}, {"x": x})  # noqa: S307 - our own text
    symbol = result.family.symbol
    classes = {
        "T": np.polynomial.Chebyshev,
        "P": np.polynomial.Legendre,
        "H": np.polynomial.Hermite,
        "L": np.polynomial.Laguerre,
    }
    if symbol:
        window = list(result.family.window)
        for k in range(result.degree + 1):
            names[f"{symbol}{k}"] = classes[symbol].basis(k, domain=window)
    return np.asarray(eval(body, {"__builtins__": {}}, names) + 0 * x)  # noqa: S307 - our own text


def test_formula_reproduces_the_polynomial(shown: Result) -> None:
    x = np.linspace(*shown.domain, 1001)
    truth = shown(x)
    with np.errstate(all="ignore"):
        found = read_formula(shown, shown.formula, x)
    assert np.abs(found - truth).max() <= 1.05 * TOLERANCE * np.abs(truth).max()


def test_formula_has_the_fewest_digits(shown: Result) -> None:
    """One digit fewer anywhere is too few."""
    import re

    body, comma, where = shown.formula.removeprefix("y = ").partition(", u = ")
    x = shown.domain[0] + (shown.domain[1] - shown.domain[0]) * np.linspace(0, 1, 401)
    truth = shown(x)
    limit = TOLERANCE * np.abs(truth).max()
    number = re.compile(r"(?<![\w.*])(\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?=$|[ *])")
    for match in itertools.islice(number.finditer(body), 11):
        value = float(match[1])
        significant = f"{value:.17e}" and len(re.sub(r"e.*|\.", "", match[1]).strip("0") or "0")
        shorter = float(f"{value:.{significant - 2}e}") if significant > 1 else 0.0
        if shorter == value:
            continue
        changed = f"{body[: match.start()]}{shorter!r}{body[match.end() :]}{comma}{where}"
        with np.errstate(all="ignore"):
            assert np.abs(read_formula(shown, changed, x) - truth).max() > 0.95 * limit, (shown.formula, changed)


@pytest.mark.parametrize("name", ["time stamps", "time stamps, power", "time stamps, laguerre"])
def test_formula_stays_in_the_mapped_basis_when_powers_cannot_carry_it(name: str) -> None:
    found = FORMULAS[name]()
    assert ", u = " in found.formula
    assert "float64" in found.formula_note
    assert "Plain powers of x cannot carry it" in found.formula_note
    assert "1700" in found.formula


def test_formula_is_in_plain_powers_where_they_carry_it() -> None:
    found = FORMULAS["callable"]()
    assert "u" not in found.formula.replace("u =", "u")
    assert "cannot" not in found.formula_note


# Without torch


def test_saved_result_is_shown_and_exported_without_torch(results: dict[str, Result], tmp_path: Path) -> None:
    names = ["lesson", "arrays", "callable", "powers", "diverged", "schedule"]
    for name in names:
        results[name].save(tmp_path / f"{name}.json")
    code = """
import json, sys
sys.modules["torch"] = None
import matplotlib
matplotlib.use("Agg")
import polyoptim
for name in json.loads(sys.argv[1]):
    result = polyoptim.load(f"{name}.json")
    result.report(plot=True), result.report(plot=False), result.formula, result._repr_html_(), result._repr_latex_()
    result.to_dict(), result(0.5)
    for ending in (".json", ".tex", ".py", ".ipynb"):
        result.export(f"{name}-2{ending}")
    result.export(f"{name}-numpy.py", to="numpy")
    result.plot(f"{name}.png")
assert not any(module.split(".")[0] == "torch" for module in sys.modules if sys.modules[module] is not None)
print("done")
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code, json.dumps(names)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    for name in names:
        load(tmp_path / f"{name}.json").export(tmp_path / "here.py")
        assert (tmp_path / "here.py").read_text() == (tmp_path / f"{name}-2.py").read_text()
        assert (tmp_path / f"{name}-2.json").read_bytes() == results[name].to_bytes()
