"""The engine without torch against the engine that is torch."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyoptim import ArgumentError, ExportError, PolyoptimError, Result, load, train
from polyoptim.generator import Generator
from polyoptim.optim.rules import RULES
from polyoptim.quadratic import Quadratic
from polyoptim.targets.numpy_sampling import linspace

# Where rounding is not amplified so soon: Legendre columns, which are all but orthogonal.
CALM: dict[str, Any] = {"basis": "legendre", "degree": 4, "seed": 3, "steps": 60, "every": 7, "dtype": "float64"}
OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-5, "optimizer_options": {"momentum": 0.9, "nesterov": True}},
    "LBFGS": {"lr": 1.0, "steps": 4, "every": 1, "optimizer_options": {"line_search_fn": "strong_wolfe"}},
    "Rprop": {"lr": 1e-2},
    "Adagrad": {"lr": 0.1},
    "Adadelta": {"lr": 1.0},
    "ASGD": {"lr": 1e-5},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 9, "gamma": 0.5},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 60},
    "CyclicLR": {"base_lr": 1e-3, "max_lr": 1e-2, "step_size_up": 5},
    "CosineAnnealingLR": {"T_max": 30},
    "ReduceLROnPlateau": {"patience": 2},
    "LambdaLR": {"lr_lambda": "0.99**x"},
    "SequentialLR": {
        "schedulers": [["ConstantLR", {"factor": 0.1}], ["ExponentialLR", {"gamma": 0.9}]],
        "milestones": [20],
    },
}


def both(target: Any = "sin(x)", **options: Any) -> tuple[Result, Result]:
    return train(target, engine="fused", **options), train(target, engine="torch", **options)


def agree(fused: Result, reference: Result, tolerance: float = 1e-9) -> None:
    assert fused.trace["step"].tolist() == reference.trace["step"].tolist()
    np.testing.assert_allclose(fused.trace["loss"], reference.trace["loss"], rtol=tolerance)
    np.testing.assert_allclose(fused.trace["lr"], reference.trace["lr"], rtol=1e-12)
    np.testing.assert_allclose(fused.coef, reference.coef, rtol=tolerance, atol=tolerance)
    assert fused.status == reference.status


@pytest.mark.parametrize("name", [name for name in RULES if name != "Lion"])
def test_run_equals_torchs(name: str) -> None:
    agree(*both(**{**CALM, "optimizer": name, "lr": None, **OPTIONS.get(name, {})}))


@pytest.mark.parametrize("optimizer", ["Adam", "RMSprop"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_scheduled_run_equals_torchs(schedule: str, optimizer: str) -> None:
    momentum = {"momentum": 0.5} if optimizer == "RMSprop" else {}
    agree(
        *both(
            **CALM, optimizer=optimizer, optimizer_options=momentum, lr=1e-2,
            schedule=schedule, schedule_options=SCHEDULES[schedule],
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "problem",
    [
        {"reduction": "mean"},
        {"powers": [1, 3]},
        {"degree": 0, "basis": "power"},
        {"basis": "chebyshev", "domain": (-1, 2)},
        {"basis": "hermite"},
        {"basis": "laguerre"},
        {"mapped": True, "basis": "power"},
    ],
)
def test_problem_of_any_shape_equals_torchs(problem: dict[str, Any]) -> None:
    agree(*both("exp(x)", **{**CALM, "optimizer": "Adam", **problem}))


def test_weighted_data_equal_torchs() -> None:
    x = np.linspace(0, 2, 40)
    weight = np.linspace(0, 1, 40)
    agree(*both(x, y=np.cos(x), weight=weight, **{**CALM, "optimizer": "Adam"}))


def test_excess_is_accurate_near_the_optimum() -> None:
    result = train(
        "sin(x)",
        engine="fused",
        basis="legendre",
        optimizer="LBFGS",
        lr=1,
        steps=20,
        every=1,
        seed=0,
        optimizer_options={"tolerance_change": 0, "tolerance_grad": 0},
    )
    assert result.excess is not None
    assert 0 <= result.excess < 1e-20  # the loss itself is 8.8: a difference of two sums ends at 1e-15
    assert result.gap == pytest.approx(result.excess / result.optimum, rel=1e-12)


def test_default_dtype_is_float64_and_the_optimum_that_of_float64() -> None:
    result = train("sin(x)", engine="fused", steps=1, seed=0)
    assert result.arguments["dtype"] == "float64"
    assert result.optimum == pytest.approx(8.81716541000703, rel=1e-13)
    assert result.engine == "fused"


def test_run_does_not_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys, polyoptim\n"
        "r = polyoptim.train('gelu(x)', engine='auto', seed=0, steps=20, schedule='ExponentialLR',"
        " schedule_options={'gamma': 0.9})\n"
        f"r.save({str(tmp_path / 'r.json')!r})\n"
        "assert r.engine == 'fused' and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "r.json").engine == "fused"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": torch.nn.HuberLoss(reduction="sum")}, "loss of your own"),
        ({"dtype": "float32"}, "float32"),
        ({"device": "cuda"}, "cuda"),
        ({"optimizer": torch.optim.SGD}, "of your own"),
    ],
)
def test_auto_says_why_it_takes_torch_and_fused_refuses(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        train("sin(x)", engine="fused", steps=1, **options)
    if options.get("device") != "cuda":
        result = train("sin(x)", engine="auto", steps=1, **options)
        assert result.engine == "torch"
        assert any(said in note for note in result.notes)


def test_torchs_own_function_is_a_target_of_every_engine() -> None:
    losses = [train(torch.sin, engine=engine, steps=3, seed=0, dtype="float64").loss for engine in ("auto", "torch")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    with pytest.raises(PolyoptimError, match=r"numpy\.vectorize"):
        train(math.sin, engine="fused", steps=3)


def test_wrong_names_and_options_are_refused_as_with_torch() -> None:
    for options in (
        {"optimizer": "rmspop"},
        {"optimizer": "SGD", "optimizer_options": {"momentun": 0.9}},
        {"optimizer": "SGD", "lr": -1},
        {"schedule": "StepLRR"},
        {"schedule": "StepLR", "schedule_options": {"stepsize": 3}},
    ):
        for engine in ("fused", "torch", "auto"):
            with pytest.raises(ArgumentError):
                train("sin(x)", engine=engine, steps=1, **options)


def test_diverged_interrupted_converged_and_stopped_are_as_with_torch() -> None:
    fused, reference = both(optimizer="SGD", lr=0.1, seed=0, dtype="float64")
    assert fused.status == reference.status == "diverged"
    assert fused.steps == reference.steps == 0
    fused, reference = both(**{**CALM, "optimizer": "Adam", "steps": 4000, "lr": 0.05, "tol_gradient": 1e-3})
    assert fused.status == reference.status == "converged"
    assert fused.steps == reference.steps

    def stop(row: Any) -> bool:
        return bool(row["step"] > 20)

    fused, reference = both(**CALM, callbacks=[stop])
    assert fused.status == reference.status == "stopped"
    assert fused.steps == reference.steps

    def interrupt(_row: Any) -> None:
        raise KeyboardInterrupt

    fused, reference = both(**CALM, callbacks=[interrupt])
    assert fused.status == reference.status == "interrupted"


def test_program_of_a_fused_run_agrees_to_rounding(tmp_path: Path) -> None:
    result = train("cos(x)", engine="fused", **{**CALM, "dtype": None, "optimizer": "adam"})
    result.export(tmp_path / "p.py")
    done = subprocess.run([sys.executable, "-I", "p.py"], capture_output=True, text=True, check=True, cwd=tmp_path)
    losses = [float(line.split()[1]) for line in done.stdout.splitlines() if line[0].isdigit()]
    np.testing.assert_allclose(losses, result.trace["loss"][: len(losses)], rtol=1e-9)


def test_lion_runs_and_no_torch_program_can_hold_it(tmp_path: Path) -> None:
    result = train("sin(x)", engine="fused", optimizer="lion", lr=1e-3, seed=0)
    assert result.trace["loss"][-1] < result.trace["loss"][0]
    with pytest.raises(ExportError, match="Lion"):
        result.export(tmp_path / "p.py")
    with pytest.raises(PolyoptimError, match="Lion"):
        train("sin(x)", optimizer="Lion", steps=1)


@pytest.mark.parametrize("seed", [0, 1, 2**31 + 5, 2**63 + 7, -5])
def test_generator_draws_what_torch_draws(seed: int) -> None:
    generator = Generator(seed)
    torch.manual_seed(seed)
    assert generator.uniform(40, -2.0, 3.0).tolist() == torch.empty(40, dtype=torch.float64).uniform_(-2, 3).tolist()
    for count in (1, 7, 1000):
        assert generator.permutation(count).tolist() == torch.randperm(count).tolist()


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("columns", [0, 1, 3, 30])
def test_start_is_that_of_torchs_linear(seed: int, columns: int) -> None:
    result = train("sin(x)", engine="fused", degree=columns, basis="chebyshev", steps=0, seed=seed)
    if not columns:
        assert result.coef.tolist() == [0.0]
        return
    torch.manual_seed(seed)
    linear = torch.nn.Linear(columns, 1, dtype=torch.float64)
    assert result.coef.tolist() == [*linear.bias.tolist(), *linear.weight[0].tolist()]


def test_linspace_is_torchs_float_for_float() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        a, b = sorted((random.normal(size=2) * 10.0 ** random.integers(-3, 6)).tolist())
        count = int(random.integers(1, 3000))
        assert linspace(a, b, count).tolist() == torch.linspace(a, b, count, dtype=torch.float64).tolist()
    lesson = torch.linspace(-math.pi, math.pi, 2000, dtype=torch.float64)
    assert linspace(-math.pi, math.pi, 2000).tolist() == lesson.tolist()


def test_quadratic_has_the_loss_and_the_gradient_of_its_rows() -> None:
    random = np.random.default_rng(0)
    a, y, c = random.normal(size=(50, 4)), random.normal(size=50), random.normal(size=4)
    q, r = np.linalg.qr(a)
    rest = y - q @ (q.T @ y)
    quadratic = Quadratic(r, q.T @ y, float(rest @ rest), 0.5)
    assert quadratic.loss(c) == pytest.approx(0.5 * float(np.sum((a @ c - y) ** 2)))
    np.testing.assert_allclose(quadratic.gradient(c), a.T @ (a @ c - y))
    assert quadratic.largest_eigenvalue() == pytest.approx(np.linalg.eigvalsh(a.T @ a).max())
