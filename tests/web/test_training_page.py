"""The answers about training: the numbers of polyoptim.train(engine="fused"), bit for bit."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyoptim
from polyoptim.bases import FAMILIES
from polyoptim.certificate import largest_stable_rate
from polyoptim.cli import run
from polyoptim.optim.rules import RULES
from polyoptim.racing.stage import stage_of
from polyoptim.web.choices import SCHEDULES, choices, most_steps
from polyoptim.web.limits import LIMITS
from polyoptim.web.query import BadRequestError, offered
from polyoptim.web.training_page import LIVE_ROWS, NUMBERS, RATES, ROWS, chart, race, result_of, train, wish

Unpack = Callable[[bytes], tuple[dict[str, Any], dict[str, Any]]]
# Beside the reference run: each kind of problem, as the page asks for it and as Python does.
PROBLEMS: dict[str, tuple[dict[str, str], tuple[Any, ...], dict[str, Any]]] = {
    "reference": ({}, ("sin(x)",), {}),
    "domain": ({"target": "exp(-x**2)", "domain": "-1,pi/2"}, ("exp(-x**2)",), {"domain": ("-1", "pi/2")}),
    "samples": ({"samples": "37", "degree": "5"}, ("sin(x)",), {"samples": 37, "degree": 5}),
    "constant": ({"degree": "0", "target": "3"}, ("3",), {"degree": 0}),
    "high degree": (
        {"degree": "30", "basis": "chebyshev", "optimizer": "SGD", "lr": "1e-4"},
        ("sin(x)",),
        {"degree": 30, "basis": "chebyshev", "optimizer": "SGD", "lr": 1e-4},
    ),
    "seed": ({"seed": "12345"}, ("sin(x)",), {"seed": 12345}),
    "no steps": ({"steps": "0"}, ("sin(x)",), {"steps": 0}),
    "diverged": ({"optimizer": "SGD", "lr": "1"}, ("sin(x)",), {"optimizer": "SGD", "lr": 1.0}),
    "cusp": ({"target": "abs(x)", "basis": "legendre", "degree": "9"}, ("abs(x)",), {"basis": "legendre", "degree": 9}),
    **{
        f"basis {name}": ({"basis": name, "steps": "300"}, ("sin(x)",), {"basis": name, "steps": 300})
        for name in FAMILIES
    },
}


def compare(content: bytes, unpack: Unpack, target: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """Compare an answer with what Python says, and return that."""
    head, arrays = unpack(content)
    result = polyoptim.train(*target, **{"seed": 0, **given}, every=head["every"], engine="fused")
    same(head, arrays, result)
    return result


def same(head: dict[str, Any], arrays: dict[str, Any], result: Any) -> None:
    for name in ("loss", "optimum", "gap", "excess"):
        wanted = getattr(result, name)
        assert head[name] == (None if wanted is None or not np.isfinite(wanted) else wanted)
    assert head["formula"] == result.formula
    assert head["status"] == str(result.status)
    assert head["message"] == result.message
    assert head["steps"] == result.steps
    assert arrays["coef"].tobytes() == np.asarray(result.coef, dtype=float).tobytes()
    begun = int(result.trace["step"][0] > 0)  # the answer has the start too, where the trace begins later
    assert arrays["step"][0] == 0
    for name in ("step", "loss", "excess", "lr"):
        np.testing.assert_array_equal(arrays[name][begun:], np.asarray(result.trace[name], dtype=float))
    np.testing.assert_array_equal(arrays["coefs"][begun:], np.array([row["coef"] for row in result.trace]))


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_run_is_that_of_python(unpack: Unpack, name: str) -> None:
    query, target, given = PROBLEMS[name]
    result = compare(train(query), unpack, target, given)
    _, arrays = unpack(train(query))
    np.testing.assert_array_equal(arrays["coefs"][-1] @ arrays["columns"], arrays["coef"] @ arrays["columns"])
    np.testing.assert_allclose(
        arrays["coef"] @ arrays["columns"], result(arrays["x"]), rtol=1e-9, atol=1e-9 * np.abs(arrays["coef"]).max()
    )
    assert arrays["x"][0] == result.domain[0]
    assert arrays["x"][-1] == result.domain[1]


@pytest.mark.parametrize("detail", ["live", "full"])
@pytest.mark.parametrize("optimizer", RULES)
def test_a_run_of_every_optimizer_is_that_of_python(unpack: Unpack, optimizer: str, detail: str) -> None:
    steps = 20 if RULES[optimizer].reevaluates else 600
    query = {"optimizer": optimizer, "lr": "0.001", "steps": str(steps), "detail": detail}
    compare(train(query), unpack, ("sin(x)",), {"optimizer": optimizer, "lr": 1e-3, "steps": steps})
    names = {name[6:] for name in unpack(train(query))[1] if name.startswith("state.")}
    rule = RULES[optimizer]
    assert names <= set(rule.state if rule.functions and detail == "full" else ())
    assert bool(names) == (detail == "full" and optimizer not in ("LBFGS", "Adafactor", "SGD"))


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop", "LBFGS"])
def test_a_run_takes_the_options_of_its_optimizer(unpack: Unpack, optimizer: str) -> None:
    query, options = {
        "SGD": ({"momentum": "0.9", "nesterov": "true", "lr": "1e-7"}, {"momentum": 0.9, "nesterov": True}),
        "Adam": (
            {"betas": "0.5,0.9", "amsgrad": "true", "eps": "1e-6"},
            {"betas": (0.5, 0.9), "amsgrad": True, "eps": 1e-6},
        ),
        "RMSprop": ({"alpha": "0.9", "centered": "true"}, {"alpha": 0.9, "centered": True}),
        "LBFGS": (
            {"max_iter": "4", "line_search_fn": "strong_wolfe", "steps": "10"},
            {"max_iter": 4, "line_search_fn": "strong_wolfe"},
        ),
    }[optimizer]
    given = {"optimizer": optimizer, "lr": float(query.get("lr", "0.001")), "optimizer_options": options}
    given |= {"steps": int(query.get("steps", "2000"))}
    compare(train({**query, "optimizer": optimizer}), unpack, ("sin(x)",), given)


def test_the_start_is_the_first_row_however_few_are_recorded(unpack: Unpack) -> None:
    _, arrays = unpack(train({"schedule": "OneCycleLR", "steps": "4000"}))
    given = {"schedule": "OneCycleLR", "schedule_options": {"max_lr": 0.01, "total_steps": 4000, "pct_start": 0.3}}
    whole = polyoptim.train("sin(x)", seed=0, every=1, steps=4000, engine="fused", **given).trace[0]
    assert whole["step"] == 0
    for name in ("step", "loss", "excess", "lr"):
        assert arrays[name][0] == whole[name]
    assert arrays["coefs"][0].tolist() == whole["coef"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_by_every_schedule_is_that_of_python(unpack: Unpack, schedule: str) -> None:
    options = {name: offered(part, 400, 1e-3) for name, part in SCHEDULES[schedule].items()}
    given = {"schedule": schedule, "schedule_options": options, "steps": 400, "lr": 1e-3}
    result = compare(train({"schedule": schedule, "steps": "400"}), unpack, ("sin(x)",), given)
    assert schedule == "ReduceLROnPlateau" or len(set(result.trace["lr"])) > 1


def test_a_run_of_data_is_that_of_python(unpack: Unpack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.linspace(0, 3, 50)
    y = np.round(np.cos(x), 6)
    lines = "".join(f"{a!r},name,{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    (tmp_path / "data.csv").write_text("t,kind,value\n" + lines)
    monkeypatch.chdir(tmp_path)
    query = {"data": "data.csv", "x": "t", "y": "value", "upload": "0", "degree": "4"}
    compare(train(query), unpack, ("data.csv",), {"x": "t", "y": "value", "degree": 4})
    _, arrays = unpack(train({**query, "range": "-1,4"}))
    compare(
        train({**query, "range": "-1,4"}),
        unpack,
        ("data.csv",),
        {"x": "t", "y": "value", "degree": 4, "domain": ("-1", "4")},
    )
    assert "y" not in arrays
    np.testing.assert_array_equal(arrays["points.x"], x)
    np.testing.assert_array_equal(arrays["points.y"], y)
    with pytest.raises(BadRequestError, match="column"):
        train({**query, "x": "nobody"})
    with pytest.raises(BadRequestError):
        train({**query, "y": "kind"})


def test_the_pictures_of_the_loss_are_right(unpack: Unpack) -> None:
    head, arrays = unpack(train({"steps": "40", "samples": "50"}))
    x = np.linspace(-np.pi, np.pi, 50)
    columns = np.vander(x, 4, increasing=True)

    def loss(coef: Any) -> float:
        return float(np.sum((columns @ coef - np.sin(x)) ** 2))

    for coef in arrays["coefs"][[0, 20, -1]]:
        away = coef - arrays["best"]
        assert head["optimum"] + 0.5 * away @ arrays["hessian"] @ away == pytest.approx(loss(coef), rel=1e-12)
    stage = stage_of(wish({"steps": "40", "samples": "50"}).state().problem)
    assert head["stable_lr"] == largest_stable_rate(stage.quadratic)
    assert head["stable_lr"] == pytest.approx(2 / np.linalg.eigvalsh(2 * columns.T @ columns)[-1], rel=1e-12)
    np.testing.assert_array_equal(arrays["y"], np.sin(arrays["x"]))
    assert head["terms"] == ["1", "x", "x²", "x³"]


def test_the_state_is_that_along_the_run(unpack: Unpack) -> None:
    _, arrays = unpack(train({"detail": "full", "steps": "100", "samples": "50"}))
    x = np.linspace(-np.pi, np.pi, 50)
    columns, mean, coef = np.vander(x, 4, increasing=True), np.zeros(4), arrays["coefs"][0]
    assert arrays["step"].tolist() == list(range(101))
    for k in range(20):
        np.testing.assert_allclose(arrays["state.square_avg"][k], mean, rtol=1e-9)
        np.testing.assert_allclose(arrays["coefs"][k], coef, rtol=1e-9)
        gradient = 2 * columns.T @ (columns @ coef - np.sin(x))
        mean = 0.99 * mean + 0.01 * gradient**2
        coef = coef - 0.001 * gradient / (np.sqrt(mean) + 1e-8)


@pytest.mark.parametrize(("detail", "most"), [("live", LIVE_ROWS), ("full", ROWS)])
@pytest.mark.parametrize(("steps", "degree"), [(0, 3), (1, 3), (249, 3), (50_000, 3), (50_000, 30)])
def test_an_answer_has_no_more_rows_than_a_page_can_draw(
    unpack: Unpack, detail: str, most: int, steps: int, degree: int
) -> None:
    given = {"steps": str(steps), "degree": str(degree), "basis": "chebyshev", "detail": detail}
    if steps * degree > 1e6 and detail == "full":
        given["steps"] = "20000"
    content = train(given)
    _, arrays = unpack(content)
    assert arrays["coefs"].size <= NUMBERS + 2 * (degree + 1)
    assert len(arrays["step"]) <= most + 2
    assert arrays["step"][0] == 0
    assert arrays["step"][-1] == int(given["steps"])
    assert len(content) < 3 << 20


@pytest.mark.parametrize("name", [*PROBLEMS, "options", "schedule"])
def test_the_command_in_a_terminal_makes_the_same_run(name: str) -> None:
    query = {
        "options": {"optimizer": "Adam", "lr": "0.1", "betas": "0.8,0.9", "amsgrad": "true", "steps": "50"},
        "schedule": {"schedule": "MultiStepLR", "schedule.milestones": "10,20", "steps": "50"},
    }.get(name) or PROBLEMS[name][0]
    asked = wish(query)
    words = shlex.split(asked.command())
    assert words[0] == "polyoptim"
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        run([*words[1:], "--json"])
    found, wanted = json.loads(out.getvalue()), asked.train(100).to_dict()
    assert found["coef"] == wanted["coef"]
    assert found["loss"] == wanted["loss"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"target": "sin(y)"}, "target"),
        ({"target": "__import__('os').system('true')"}, "target"),
        ({"target": "().__class__"}, "target"),
        ({"target": "log(x)"}, "target"),
        ({"domain": "2,1"}, "domain"),
        ({"domain": "0,inf"}, "domain"),
        ({"domain": "__import__('os'),1"}, "domain"),
        ({"samples": str(LIMITS.samples + 1)}, "samples"),
        ({"samples": "0"}, "samples"),
        ({"degree": str(LIMITS.degree + 1)}, "degree"),
        ({"degree": "9" * 400}, "degree"),
        ({"steps": str(LIMITS.steps + 1)}, "steps"),
        ({"steps": str(LIMITS.long_steps + 1), "optimizer": "LBFGS"}, "steps"),
        ({"lr": "-1"}, "lr"),
        ({"lr": "open('x')"}, "lr"),
        ({"seed": "-1"}, "seed"),
        ({"seed": "9" * 30}, "seed"),
        ({"optimizer": "adm"}, "optimizer"),
        ({"optimizer": "torch.optim.SGD"}, "optimizer"),
        ({"optimizer": "Adam", "betas": "0.9,2"}, "betas"),
        ({"optimizer": "SGD", "nesterov": "true"}, "nesterov"),
        ({"schedule": "StepLR", "schedule.step_size": "0"}, "schedule.step_size"),
        ({"schedule": "OneCycleLR", "schedule.total_steps": "5"}, "schedule"),
        ({"basis": "polynomial"}, "basis"),
        ({"domain": "0,1e300"}, "page"),
    ],
)
def test_a_run_that_cannot_be_is_refused_at_its_field(query: dict[str, str], field: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        train(query)
    assert list(caught.value.fields) == [field]
    assert all("Traceback" not in sentence for sentence in caught.value.fields.values())


def test_a_run_that_loses_its_numbers_is_an_answer(unpack: Unpack) -> None:
    head, arrays = unpack(train({"optimizer": "SGD", "lr": "1", "detail": "full"}))
    assert head["status"] == "diverged"
    assert head["message"].startswith("Diverged at step")
    assert len(arrays["step"]) == len(arrays["coefs"]) == len(arrays["loss"])


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "LBFGS"])
def test_a_racer_has_the_best_rate_of_its_grid(unpack: Unpack, optimizer: str) -> None:
    steps = 20 if optimizer == "LBFGS" else 500
    head, arrays = unpack(race({"optimizer": optimizer, "steps": str(steps), "degree": "2"}))
    found = polyoptim.sweep(
        "sin(x)", degree=2, over={"lr": (*RATES, "log")}, optimizer=optimizer, steps=steps, seed=0
    )  # fmt: skip
    assert head["lr"] == found.best["lr"]
    again = polyoptim.train("sin(x)", degree=2, optimizer=optimizer, lr=head["lr"], steps=steps, seed=0, engine="fused")
    assert head["loss"] == again.loss
    assert head["status"] == str(again.status)
    np.testing.assert_array_equal(arrays["coefs"][-1], again.coef)


def test_a_race_without_an_end_says_so() -> None:
    with pytest.raises(BadRequestError, match=r"SGD diverges with every rate from 1e-09 to 10"):
        race({"optimizer": "SGD", "degree": "30", "domain": "-90,90"})


@pytest.mark.parametrize("optimizer", [name for name, one in choices()["optimizers"].items() if one["second"]])
def test_a_map_has_the_runs_of_python(unpack: Unpack, optimizer: str) -> None:
    over = choices()["optimizers"][optimizer]["second"]
    ends = {"etaplus": (1.1, 1.5), "beta2_decay": (-0.9, -0.5)}.get(over, (0.1, 0.9))
    query = {
        "optimizer": optimizer,
        "over": over,
        "lrs": "1e-7,0.1,4",
        "others": f"{ends[0]},{ends[1]},3",
        "steps": "60",
    }
    head, arrays = unpack(chart(query))
    found = polyoptim.sweep(
        "sin(x)", optimizer=optimizer, over={over: (*ends, 3), "lr": (1e-7, 0.1, 4, "log")}, steps=60, seed=0
    )
    np.testing.assert_array_equal(arrays["excess"], found.excess)
    np.testing.assert_array_equal(arrays["lr"], found.axes["lr"])
    np.testing.assert_array_equal(arrays["other"], found.axes[over])
    assert head["over"] == over
    if optimizer == "SGD":
        assert found.edge is not None
        np.testing.assert_array_equal(arrays["edge"], found.edge)
    else:
        assert np.isnan(arrays["edge"]).all()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"lrs": "1,2"}, "lrs"),
        ({"lrs": "a,2,3"}, "lrs"),
        ({"others": "0,1,0"}, "others"),
        ({"lrs": "1e-3,1,200", "others": f"0,1,{LIMITS.runs // 200 + 1}"}, "map"),
        ({"over": "nobody"}, "page"),
        ({"degree": "-1"}, "degree"),
    ],
)
def test_a_map_that_cannot_be_is_refused(query: dict[str, str], field: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        chart(query)
    assert list(caught.value.fields) == [field]


def test_a_file_holds_the_run_that_is_shown(unpack: Unpack) -> None:
    query = {"degree": "4", "optimizer": "Adam", "lr": "0.01"}
    result = result_of(query)
    head, arrays = unpack(train(query))
    assert result.loss == head["loss"]
    np.testing.assert_array_equal(result.coef, arrays["coef"])


def test_choices_are_within_the_limits() -> None:
    found = choices()
    assert found["bases"] == list(FAMILIES)
    assert list(found["optimizers"]) == list(RULES)
    for name, one in found["optimizers"].items():
        assert one["steps"] == most_steps(name)
        for option, given in one["options"].items():
            assert given["value"] == RULES[name].options[option] or list(RULES[name].options[option]) == given["value"]
            number = isinstance(given["value"], (int, float)) and not isinstance(given["value"], bool)
            if number and not given["choices"]:
                least, most = found["ranges"][option]["least"], found["ranges"][option]["most"]
                assert least <= given["value"] <= most or given["value"] == 0, (name, option)
