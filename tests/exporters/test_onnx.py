"""The ONNX model, run by onnxruntime, against the result it was made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import polyoptim
from polyoptim import ExportError, Result, fit, load, train
from polyoptim.bases import FAMILIES

RNG = np.random.default_rng(2)
X = np.sort(RNG.uniform(-2, 3, size=50))
TABLE = RNG.normal(size=(90, 3)) * [1, 1e3, 1e-3] + [0, 5e3, 0]
Y = TABLE[:, 0] * TABLE[:, 1] / 1e3 + np.sin(TABLE[:, 2])
QUICK: dict[str, Any] = {"samples": 60, "steps": 30, "seed": 5}

ONE_COLUMN: dict[str, Any] = {
    **{
        f"train, {basis}, mapped {mapped}": lambda basis=basis, mapped=mapped: train(
            "sin(x)", basis=basis, mapped=mapped, degree=6, domain=(-1, 2), **QUICK
        )
        for basis in FAMILIES
        for mapped in (False, True)
    },
    **{f"fit, {basis}": lambda basis=basis: fit(X, np.exp(X), degree=7, basis=basis) for basis in FAMILIES},
    "fit of years": lambda: fit(np.arange(1990.0, 2020), np.arange(30.0) ** 2, degree=3),
    "degree 0": lambda: fit(X, X, degree=0),
    "degree 0, not mapped": lambda: fit(X, X, degree=0, basis="power"),
    "degree 1": lambda: fit(X, X, degree=1),
    "degree 60": lambda: fit(np.linspace(0, 1, 200), np.abs(np.linspace(-1, 1, 200)), degree=60),
    "chosen powers": lambda: train("sin(x)", powers=[1, 3, 5], **QUICK),
    "huber": lambda: fit(X, np.exp(X), loss="huber"),
}
SEVERAL: dict[str, Any] = {
    "fit, chebyshev": lambda: fit(TABLE, Y, degree=3),
    "fit, power": lambda: fit(TABLE, Y, degree=2, basis="power"),
    "fit, chosen powers": lambda: fit(TABLE, Y, powers=[(0, 0, 0), (1, 1, 0), (0, 0, 3)]),
    "train, chebyshev": lambda: train(TABLE, Y, basis="chebyshev", degree=4, steps=30, seed=0),
    "train, power": lambda: train(TABLE[:, :1].repeat(2, axis=1), Y, degree=2, steps=30, seed=0),
    "degree 0": lambda: fit(TABLE, Y, degree=0),
}


def exported(result: Result, folder: Path) -> Path:
    path = folder / "p.onnx"
    result.export(path)
    return path


def run(path: Path, x: Any) -> Any:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [(one.name, one.type) for one in session.get_inputs()] == [("x", "tensor(double)")]
    assert [(one.name, one.type) for one in session.get_outputs()] == [("y", "tensor(double)")]
    return session.run(["y"], {"x": x})[0]


@pytest.mark.parametrize("case", ONE_COLUMN)
def test_one_column_gives_the_floats_of_the_result(case: str, tmp_path: Path) -> None:
    result = ONE_COLUMN[case]()
    a, b = result.domain
    x = np.concatenate([np.linspace(a, b, 401), [a - 0.3 * (b - a), b + 0.3 * (b - a), 0.0, -0.0]])
    found = run(exported(result, tmp_path), x)
    assert found.dtype == np.float64
    assert found.tolist() == result(x).tolist()


@pytest.mark.parametrize("case", SEVERAL)
def test_several_columns_give_the_result_to_the_rounding_of_one_sum(case: str, tmp_path: Path) -> None:
    result = SEVERAL[case]()
    x = np.concatenate([TABLE, TABLE * 1.5])[:, : len(result.domains)]
    found = run(exported(result, tmp_path), x)
    assert found.shape == (len(x),)
    # Two sums of m products in any two orders differ by at most 2 m eps of the sum of their sizes.
    sizes = np.abs(result._columns(x)) @ np.abs(result.coef)  # noqa: SLF001
    ulps = np.abs(found - result(x)) / (np.finfo(float).eps * sizes)
    assert ulps.max() <= min(2 * len(result.coef), 4)


@pytest.mark.parametrize("x", [np.zeros(0), np.array([np.nan, np.inf, 1.0])])
def test_no_points_and_points_that_are_none(x: Any, tmp_path: Path) -> None:
    result = fit(X, np.exp(X), degree=2)
    found = run(exported(result, tmp_path), x)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(found, result(x), equal_nan=True)


def test_the_model_is_checked_says_what_it_is_and_has_no_other_bytes(tmp_path: Path) -> None:
    result = fit(X, np.exp(X), degree=4)
    path = exported(result, tmp_path)
    made = onnx.load(path)
    onnx.checker.check_model(made, full_check=True)
    about = {one.key: one.value for one in made.metadata_props}
    assert about["formula"] == result.formula
    assert about["basis"] == "chebyshev"
    assert about["domain"] == f"[[{result.domain[0]!r}, {result.domain[1]!r}]]"
    assert about["window"] == "[-1.0, 1.0]"
    assert about["version"] == polyoptim.__version__
    first = path.read_bytes()
    result.save(tmp_path / "r.json")
    load(tmp_path / "r.json").export(path, to="onnx")
    assert path.read_bytes() == first
    code = f"import polyoptim; polyoptim.load({str(tmp_path / 'r.json')!r}).export({str(path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert path.read_bytes() == first
    assert {one.op_type for one in made.graph.node} == {"Sub", "Mul", "Add"}


def test_the_command_line_writes_it_for_both_verbs(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("t,v\n" + "".join(f"{x!r},{x * x!r}\n" for x in X.tolist()))
    for words in (["fit", "d.csv"], ["train", "sin(x)", "--steps", "20", "--seed", "0"]):
        command = [sys.executable, "-m", "polyoptim", *words, "--export", "p.onnx", "--save", "r.json"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        points = np.linspace(-1, 1, 9)
        assert run(tmp_path / "p.onnx", points).tolist() == load(tmp_path / "r.json")(points).tolist()


def test_a_missing_onnx_is_said_before_the_work(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from polyoptim.cli import main\n"
        "sys.argv = ['polyoptim', 'train', 'sin(x)', '--steps', '10**12', '--export', 'p.onnx']\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode != 0
    assert "export 'onnx' needs onnx, which is not installed" in done.stderr
    assert "pip install 'polyoptim[onnx]'" in done.stderr


def test_other_programs_name_onnx_as_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"Export \.py, \.onnx, \.tex or \.json"):
        fit(X, X).export(tmp_path / "p.ipynb")
    with pytest.raises(ExportError, match=r"Export \.onnx, \.tex or \.json"):
        fit(TABLE, Y, degree=1).export(tmp_path / "p.py")
