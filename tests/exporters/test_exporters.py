"""Exported files run without polyoptim, and give the floats of the result."""

from __future__ import annotations

import json
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyoptim import ExportError, Result, UnknownNameError, load, train
from polyoptim.reports.text import lesson_lines
from polyoptim.targets.nodes import FUNCTIONS

X = np.linspace(-1.0, 2.0, 25)
Y = np.exp(X) - X**3
W = np.linspace(0.5, 2.0, 25)
QUICK: dict[str, Any] = {"samples": 60, "steps": 30, "every": 7, "seed": 5}


def sin(**arguments: Any) -> Any:
    return lambda: train("sin(x)", **{**QUICK, **arguments})


def expression(text: str, **arguments: Any) -> Any:
    return lambda: train(text, **{**QUICK, **arguments})


LOSSES: dict[str, dict[str, Any]] = {
    "squared": {},
    "absolute": {},
    "huber": {"delta": "1/3"},
    "smooth_l1": {"beta": 0.2},
    "logcosh": {},
    "pnorm": {"p": 1.5},
    "soft_l1": {"delta": "1/3"},
    "quantile": {"q": 0.8},
    "tukey": {"c": 1.5},
}

# One argument of each function; those of two or three are below.
DOMAINS = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "gamma", "lgamma"), (0.5, 3)),
    **dict.fromkeys(("asin", "acos", "atanh", "tan"), (-0.9, 0.9)),
    "acosh": (1.5, 4),
    "log1p": (-0.5, 3),
}
CALLS = {"min": "min(x, 1/3)", "max": "max(x, 1/3)", "where": "where(x < 0.25, -x, cbrt(x) + gamma(x + 3))"}

CASES: dict[str, Any] = {
    "the lesson": lambda: train("sin(x)", seed=0),
    "the lesson, seed 2**64 - 1": lambda: train("sin(x)", seed=2**64 - 1, steps=200),
    "float64": sin(dtype="float64"),
    "float16": sin(dtype="float16", domain=(-1, 1), reduction="mean"),
    "bfloat16": sin(dtype="bfloat16", domain=(-1, 1), reduction="mean"),
    **{basis: sin(basis=basis, degree=6) for basis in ("power", "chebyshev", "legendre", "hermite", "laguerre")},
    **{
        f"{basis}, float64, far": sin(basis=basis, degree=4, domain=(1000, "1003/1"), dtype="float64")
        for basis in ("chebyshev", "laguerre")
    },
    "chebyshev, not mapped": sin(basis="chebyshev", mapped=False),
    "mapped power": sin(mapped=True, degree=5),
    "powers": sin(powers=[1, 3]),
    "powers of legendre": sin(powers=[0, 2, 5], basis="legendre"),
    "powers of laguerre, no constant": sin(powers=[2, 4], basis="laguerre"),
    "degree 0": sin(degree=0),
    "degree 0, chebyshev": sin(degree=0, basis="chebyshev"),
    "degree 1": sin(degree=1),
    "no steps": sin(steps=0),
    "one step": sin(steps=1, every=1),
    "every step": sin(steps=12, every=1),
    "no row": sin(steps=12, every=100),
    "one sample": sin(samples=1),
    "half domain": sin(domain=("-pi/2", "pi")),
    "domain of numbers": sin(domain=(-1.1, "2*pi/3")),
    "domain of multiples": sin(domain=("-3*pi/4", "+2*pi")),
    "arrays": lambda: train(X, Y, **QUICK),
    "arrays, float64, mean": lambda: train(X, Y, dtype="float64", reduction="mean", basis="chebyshev", **QUICK),
    "arrays with weights": lambda: train(X, Y, weight=W, **QUICK),
    "arrays with weights, mean, minibatches": lambda: train(
        X, Y, weight=W, reduction="mean", batch_size=8, dtype="float64", **QUICK
    ),
    "table": lambda: train({"t": X, "v": Y, "w": W}, x="t", y="v", weight="w", **QUICK),
    "numpy callable": lambda: train(np.sin, **QUICK),
    "torch callable": lambda: train(torch.sin, **QUICK),
    "lambda": lambda: train(lambda x: x**2 + 1, **QUICK),
    **{
        f"optimizer {name}": sin(optimizer=name.lower(), lr=1e-3 if name != "SGD" else 1e-5, optimizer_options=options)
        for name, options in (
            ("Adam", {"betas": (0.8, 0.9), "amsgrad": True}),
            ("SGD", {"momentum": 0.9, "nesterov": True}),
            ("Rprop", {"etas": [0.4, 1.3]}),
            ("Adafactor", {}),
            ("Adadelta", {}),
        )
    },
    "optimizer ASGD": sin(optimizer="ASGD", lr=1e-5, optimizer_options={"weight_decay": "2**-6"}),
    "the optimizer's own rate": sin(optimizer="Adam", lr=None),
    "a rate as text": sin(lr="2**-9"),
    "LBFGS": sin(optimizer="LBFGS", lr=0.5, optimizer_options={"max_iter": 4}),
    "LBFGS, strong Wolfe": sin(optimizer="LBFGS", lr=1, optimizer_options={"line_search_fn": "strong_wolfe"}),
    "LBFGS, minibatches": sin(optimizer="LBFGS", lr=0.5, batch_size=20, optimizer_options={"max_iter": 3}),
    "LBFGS, weights": lambda: train(X, Y, weight=W, optimizer="LBFGS", lr=0.5, **QUICK),
    "minibatches": sin(batch_size=16),
    "minibatches of one": sin(batch_size=1),
    "minibatches, more than there are": sin(batch_size=1000),
    "minibatches, plateau": sin(batch_size=16, schedule="ReduceLROnPlateau", schedule_options={"patience": 0}),
    **{
        f"schedule {name}": sin(schedule=name, lr=1e-2, schedule_options=options)
        for name, options in (
            ("StepLR", {"step_size": 5}),
            ("MultiStepLR", {"milestones": [4, 9]}),
            ("ReduceLROnPlateau", {"patience": 1, "threshold": 0.5}),
            ("LambdaLR", {"lr_lambda": "1/(1 + x/10)"}),
            ("MultiplicativeLR", {"lr_lambda": "where(x > 5, 0.9, 1)"}),
            ("CosineAnnealingLR", {"T_max": 20}),
            ("OneCycleLR", {"max_lr": 0.1, "total_steps": 40, "anneal_strategy": "linear"}),
            (
                "SequentialLR",
                {
                    "schedulers": [("LinearLR", {}), ("exponentiallr", {"gamma": 0.9}), "ConstantLR"],
                    "milestones": [4, 9],
                },
            ),
            (
                "ChainedScheduler",
                {"schedulers": [("ConstantLR", {"total_iters": 3}), ("LambdaLR", {"lr_lambda": "exp(-x/10)"})]},
            ),
        )
    },
    "cyclic rate": sin(
        schedule="CyclicLR",
        schedule_options={"base_lr": 1e-4, "max_lr": 1e-2, "step_size_up": 3, "scale_fn": "1/(1+x)"},
    ),
    **{
        f"loss {name}, {reduction}": sin(loss=name, loss_options=options, reduction=reduction)
        for name, options in LOSSES.items()
        for reduction in ("sum", "MEAN")
    },
    **{
        f"loss {name}, weights, {reduction}": (
            lambda name=name, options=options, reduction=reduction: train(
                X, Y, weight=W, loss=name, loss_options=options, reduction=reduction, **QUICK
            )
        )
        for name, options in LOSSES.items()
        for reduction in ("sum", "mean")
    },
    "converged by the gradient": sin(optimizer="LBFGS", lr=1, dtype="float64", tol_gradient=1e-2),
    "converged by the loss": sin(optimizer="Adam", lr=0.05, basis="chebyshev", tol_loss=1e-2, steps=2000),
    "diverged at once": sin(optimizer="SGD", lr=0.1),
    "diverged later": sin(optimizer="SGD", lr=2e-4, every=3, steps=300),
    "diverged after it was better": sin(
        optimizer="SGD", lr=1e-6, every=3, steps=300, schedule="StepLR", schedule_options={"step_size": 10, "gamma": 40}
    ),
    "diverged at the start": sin(degree=200),
    "stopped": sin(callbacks=[lambda row: row["step"] >= 13]),
    "text of a constant": expression("3"),
    "text of several": expression("x*tanh(log1p(exp(x))) + 2**x - exp(-x**2)*cos(3*x) + -x"),
    "text, float64": expression("gamma(x) + cbrt(x) + erf(x)**2 + 1/3", dtype="float64", domain=(0.5, 2)),
    **{
        f"function {name}": expression(CALLS.get(name, f"{name}(x)"), domain=DOMAINS.get(name, (-2.5, 2.5)))
        for name in FUNCTIONS
    },
}

# Runs each program named in a file as `python program` would, one after the other; polyoptim cannot be imported.
RUNNER = """
import contextlib, io, json, runpy, sys, traceback, warnings
sys.modules["polyoptim"] = None
found = {}
for path in json.loads(sys.argv[1]):
    out, trouble = io.StringIO(), ""
    with contextlib.redirect_stdout(out):
        try:
            runpy.run_path(path, run_name="__main__")
        except Exception:
            trouble = traceback.format_exc()
    found[path] = [out.getvalue(), trouble]
print(json.dumps(found))
"""


class Runs(dict[str, Any]):
    """Results, programs and what they printed; says little about itself where a test fails."""

    def __repr__(self) -> str:
        return "<runs>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Every case: its result, and what the exported program printed in a process of its own."""
    folder = tmp_path_factory.mktemp("programs")
    results: dict[str, Result | Exception] = {}
    paths: dict[str, Path] = {}
    for place, (name, make) in enumerate(CASES.items()):
        path = folder / f"case_{place}.py"
        try:
            results[name] = made = make()
            made.export(path)
        except Exception as error:  # noqa: BLE001 - shown by the test of that case
            results[name] = error
            continue
        paths[name] = path
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", RUNNER, json.dumps([str(path) for path in paths.values()])],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    printed = json.loads(done.stdout)
    return Runs({name: (result, *printed.get(str(paths.get(name)), ("", ""))) for name, result in results.items()})


def expected_lines(result: Result) -> list[str]:
    """`t loss` for each recorded t below the steps of the result, then the line of the result."""
    every = result.arguments["every"]
    rows = [row for row in result.trace if row["step"] < result.steps and row["step"] % every == every - 1]
    return [f"{row['step']} {row['loss']!r}" for row in rows] + [lesson_lines(result).splitlines()[-1]]


@pytest.mark.parametrize("name", CASES)
def test_program_prints_the_same_losses_and_the_same_result(runs: Runs, name: str) -> None:
    result, printed, trouble = runs[name]
    if isinstance(result, Exception):
        raise result
    assert not trouble
    assert printed.splitlines() == expected_lines(result)
    if result.status == "steps_done":
        assert printed.splitlines() == lesson_lines(result).splitlines()


def test_program_of_the_lesson_stands_alone(runs: Runs, tmp_path: Path) -> None:
    result = runs["the lesson"][0]
    path = tmp_path / "lesson.py"
    result.export(path)
    text = path.read_text()
    assert "import polyoptim" not in text
    assert "from polyoptim" not in text
    assert {line for line in text.splitlines() if line.startswith(("import", "from"))} == {
        "import math",
        "import torch",
    }
    assert max(map(len, text.splitlines())) <= 120
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error::SyntaxWarning", str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == lesson_lines(result).splitlines()
    assert len(done.stdout.splitlines()) == 21
    assert done.stderr == ""


def test_program_compiles_without_a_warning(runs: Runs, tmp_path: Path) -> None:
    for name in CASES:
        result = runs[name][0]
        if isinstance(result, Result):
            result.export(tmp_path / "a.py")
            compile((tmp_path / "a.py").read_text(), name, "exec")


def test_program_of_a_loaded_result_is_the_same_run(runs: Runs, tmp_path: Path) -> None:
    for name in ("the lesson", "arrays with weights", "laguerre", "schedule StepLR", "loss logcosh, sum"):
        result = runs[name][0]
        result.save(tmp_path / "a.json")
        result.export(tmp_path / "a.py")
        load(tmp_path / "a.json").export(tmp_path / "b.py")
        assert (tmp_path / "a.py").read_text() == (tmp_path / "b.py").read_text()


# Notebook


@pytest.mark.parametrize("name", ["the lesson", "arrays with weights, mean, minibatches", "bfloat16"])
def test_notebook_is_valid_and_prints_the_same(runs: Runs, tmp_path: Path, name: str) -> None:
    import nbformat

    result = runs[name][0]
    path = tmp_path / "lesson.ipynb"
    result.export(path)
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert notebook.nbformat == 4
    assert {cell.cell_type for cell in notebook.cells} == {"markdown", "code"}
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    # a module of that name that cannot be imported comes first on the path of the kernel
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "polyoptim.py").write_text("raise ImportError('not here')\n")
    code = """
import sys, nbclient, nbformat
notebook = nbformat.read("lesson.ipynb", as_version=4)
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
nbformat.validate(notebook)
nbformat.write(notebook, "executed.ipynb")
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "shadow"), "IPYTHONDIR": str(tmp_path / "ipython")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    executed = nbformat.read(tmp_path / "executed.ipynb", as_version=4)
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert printed.splitlines() == expected_lines(result)
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_notebook_is_the_same_each_time(runs: Runs, tmp_path: Path) -> None:
    result = runs["the lesson"][0]
    result.export(tmp_path / "a.ipynb")
    result.export(tmp_path / "b.ipynb")
    assert (tmp_path / "a.ipynb").read_bytes() == (tmp_path / "b.ipynb").read_bytes()


# NumPy


@pytest.mark.parametrize("name", CASES)
def test_numpy_function_has_the_floats_of_the_result(runs: Runs, tmp_path: Path, name: str) -> None:
    result = runs[name][0]
    assert isinstance(result, Result), result
    path = tmp_path / "function.py"
    result.export(path, to="numpy")
    found = runpy.run_path(str(path))["polynomial"]
    x = np.linspace(*result.domain, 41)
    with np.errstate(all="ignore"):
        assert np.asarray(found(x)).tobytes() == np.asarray(result(x)).tobytes()
        assert np.asarray(found(x.reshape(1, 41, 1))).shape == (1, 41, 1)
        assert float(found(0.5)).hex() == float(result(0.5)).hex()
        assert np.shape(found(2)) == ()
    text = path.read_text()
    assert "import polyoptim" not in text
    assert "torch" not in text


def test_numpy_function_runs_alone(runs: Runs, tmp_path: Path) -> None:
    result = runs["laguerre"][0]
    path = tmp_path / "function.py"
    result.export(path, to="NumPy")
    code = f"import runpy; f = runpy.run_path({str(path)!r})['polynomial']; print(f(0.25).hex(), f([1, 2]).tolist())"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 1)[0] == float(result(0.25)).hex()
    assert done.stdout.split(" ", 1)[1].strip() == str(result([1.0, 2.0]).tolist())


# LaTeX, JSON, and what a file cannot hold


@pytest.mark.parametrize(
    "name", ["the lesson", "chebyshev", "mapped power", "laguerre", "degree 0", "no steps", "powers"]
)
def test_latex_is_one_balanced_equation(runs: Runs, tmp_path: Path, name: str) -> None:
    result = runs[name][0]
    path = tmp_path / "a.tex"
    result.export(path)
    text = path.read_text()
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert body[0] == r"\begin{equation}"
    assert body[-1] == r"\end{equation}"
    assert text.count("{") == text.count("}")
    assert "y = " in text
    assert "**" not in text
    assert "e-" not in "".join(body)
    assert result._repr_latex_().strip("$") in text


def test_json_is_the_saved_result(runs: Runs, tmp_path: Path) -> None:
    result = runs["the lesson"][0]
    result.export(tmp_path / "a.json")
    result.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert load(tmp_path / "a.json").coef.tolist() == result.coef.tolist()


@pytest.mark.parametrize("name", ["a", "a.txt", "a.PYC", "py"])
def test_ending_that_nobody_knows_is_one_clear_error(runs: Runs, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=r"\.py"):
        runs["the lesson"][0].export(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_export_of_any_ending_goes_where_it_is_told(runs: Runs, tmp_path: Path) -> None:
    result = runs["the lesson"][0]
    result.export(tmp_path / "program", to="torch")
    result.export(tmp_path / "a.PY")
    assert (tmp_path / "program").read_text() == (tmp_path / "a.PY").read_text()
    with pytest.raises(UnknownNameError, match="did you mean 'notebook'"):
        result.export(tmp_path / "b", to="notebok")


class Own(torch.optim.SGD):
    """An optimizer of one's own."""


class OwnSchedule(torch.optim.lr_scheduler.StepLR):
    """A scheduler of one's own."""


OWN: dict[str, tuple[dict[str, Any], str]] = {
    "optimizer class": ({"optimizer": Own, "lr": 1e-6}, "Own"),
    "optimizer factory": ({"optimizer": lambda params, lr: torch.optim.SGD(params, lr=lr * 1e-3)}, "optimizer"),
    "schedule": ({"schedule": OwnSchedule, "schedule_options": {"step_size": 3}}, "OwnSchedule"),
    "schedule inside": (
        {
            "schedule": "SequentialLR",
            "schedule_options": {"schedulers": [(OwnSchedule, {"step_size": 3}), "LinearLR"], "milestones": [4]},
        },
        "OwnSchedule",
    ),
    "function of the step": ({"schedule": "LambdaLR", "schedule_options": {"lr_lambda": math.exp}}, "exp"),
    "loss": ({"loss": torch.nn.SoftMarginLoss()}, "SoftMarginLoss"),
    "loss function": ({"loss": lambda prediction, y: (prediction - y) ** 4}, "loss"),
}


@pytest.mark.parametrize("name", OWN)
def test_own_classes_are_one_clear_error_in_a_program_and_no_trouble_elsewhere(tmp_path: Path, name: str) -> None:
    arguments, named = OWN[name]
    result = train("sin(x)", **arguments, **{**QUICK, "steps": 3})
    for ending in (".py", ".ipynb"):
        with pytest.raises(ExportError, match=named) as caught:
            result.export(tmp_path / f"a{ending}")
        assert "to='numpy'" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    result.export(tmp_path / "a.py", to="numpy")
    result.export(tmp_path / "a.tex")
    result.export(tmp_path / "a.json")
    assert load(tmp_path / "a.json").coef.tolist() == result.coef.tolist()


def test_function_of_the_step_that_torch_lacks_runs_and_is_one_clear_error_in_a_program(tmp_path: Path) -> None:
    options = {"lr_lambda": "1/cbrt(gamma(2 + x/10))"}
    result = train("sin(x)", schedule="LambdaLR", schedule_options=options, **QUICK)
    assert result.trace[-1]["lr"] < 1e-3
    with pytest.raises(ExportError, match="lr_lambda"):
        result.export(tmp_path / "a.py")


def test_class_of_torch_is_no_class_of_ones_own(tmp_path: Path) -> None:
    result = train("sin(x)", optimizer=torch.optim.Adam, **QUICK)
    result.export(tmp_path / "a.py")
    assert "torch.optim.Adam(" in (tmp_path / "a.py").read_text()


def test_samples_that_were_not_kept_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyoptim.training.LARGEST_KEPT", 10)
    result = train(X, Y, **{**QUICK, "steps": 2})
    assert result.count == 25
    assert len(result.samples) == 10
    assert any("10" in note for note in result.notes)
    with pytest.raises(ExportError, match="25 samples"):
        result.export(tmp_path / "a.py")
