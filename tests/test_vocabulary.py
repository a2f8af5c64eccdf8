"""One word per idea: the names of train(), of a row, and of a result are those of the project's vocabulary."""

from __future__ import annotations

import inspect

import pytest

import polyoptim
from polyoptim import ArgumentError, DataError, Status, train
from polyoptim.bases import FAMILIES
from polyoptim.losses import LOSSES

SIGNATURE = """target, y=None, *, x=None, weight=None, domain=("-pi", "pi"), samples=2000, degree=3, powers=None, \
basis="power", mapped=None, loss="squared", loss_options=None, reduction="sum", optimizer="RMSprop", lr=1e-3, \
optimizer_options=None, schedule=None, schedule_options=None, steps=2000, batch_size=None, every=100, tol_loss=None, \
tol_gradient=None, seed=None, dtype=None, device="cpu", engine="torch", strict=False, callbacks=(), \
checkpoint=None, checkpoint_every="30s", resume=False"""


def test_signature_of_train() -> None:
    namespace: dict[str, object] = {}
    exec(f"def wanted({SIGNATURE}): ...", namespace)  # noqa: S102 - the text above
    wanted = inspect.signature(namespace["wanted"]).parameters  # type: ignore[arg-type]
    found = inspect.signature(train).parameters
    assert [(p.name, p.kind, p.default) for p in found.values()] == [
        (p.name, p.kind, p.default) for p in wanted.values()
    ]


def test_docstring_of_train_names_every_parameter() -> None:
    text = inspect.getdoc(train) or ""
    for name in inspect.signature(train).parameters:
        assert name in text


def test_bases_and_losses() -> None:
    assert list(FAMILIES) == ["power", "chebyshev", "legendre", "hermite", "laguerre"]
    assert list(LOSSES) == [
        "squared", "absolute", "huber", "smooth_l1", "soft_l1", "logcosh", "pnorm", "quantile", "tukey",
    ]  # fmt: skip


def test_status() -> None:
    assert {"steps_done", "converged", "diverged", "interrupted"} <= set(Status)


def test_result_and_its_rows() -> None:
    result = train("sin(x)", steps=2, seed=0)
    for name in (
        "coef", "basis", "domain", "window", "formula", "loss", "optimum", "optimum_kind", "excess", "gap", "trace",
        "status", "seconds", "seed", "engine", "steps", "sup_error", "versions", "arguments",
    ):  # fmt: skip
        assert hasattr(result, name)
    assert list(result.trace[0]) == ["step", "loss", "excess", "gap", "lr", "gradient_norm", "coef"]
    assert set(result.arguments) == set(inspect.signature(train).parameters) - {
        "target",
        "y",
        "x",
        "weight",
        "callbacks",
        "checkpoint",
        "checkpoint_every",
        "resume",
    }


def test_wrong_arguments_are_all_named_at_once() -> None:
    with pytest.raises(ArgumentError) as caught:
        train(
            "sin(x)",
            degree=-1,
            basis="chebychev",
            lr=-1,
            steps=2.5,
            every=0,
            batch_size=0,
            samples=0,
            loss="square",
            reduction="men",
            dtype="float31",
            domain=(1, 0),
            tol_loss=-1,
            tol_gradient="a",
            seed=-(2**64),
            engine="fusd",
            optimizer_options=5,
            schedule_options=[],
            optimizer="rmspop",
            schedule="steplrr",
        )
    text = str(caught.value)
    for said in (
        "degree must be an integer >= 0, got -1.",
        "did you mean 'chebyshev'?",
        "lr must be a number >= 0, got -1.0.",
        "steps must be an integer >= 0, got 2.5.",
        "every must be an integer >= 1, got 0.",
        "batch_size must be an integer >= 1, got 0.",
        "samples must be an integer >= 1, got 0.",
        "did you mean 'squared'?",
        "unknown reduction 'men'",
        "did you mean 'float32'?",
        "domain must be two finite numbers a < b",
        "tol_loss must be a number >= 0",
        "tol_gradient must be a number",
        "seed must be an integer >= -9223372036854775808",
        "unknown engine 'fusd'",
        "optimizer_options must map",
        "schedule_options must map",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", True),
        ("lr", float("nan")),
        ("lr", "fast"),
        ("lr", [1]),
        ("steps", None),
        ("steps", "1e-3"),
        ("steps", True),
        ("every", 2.5),
        ("seed", 2**64),
        ("seed", 1.5),
        ("samples", None),
        ("degree", 1e9),
        ("degree", "three"),
        ("powers", []),
        ("powers", 3),
        ("powers", "0,1"),
        ("powers", [1, 1]),
        ("powers", [-1]),
        ("powers", [0.5]),
        ("basis", None),
        ("basis", 3),
        ("mapped", "no"),
        ("reduction", None),
        ("reduction", "none"),
        ("optimizer", 3),
        ("optimizer", None),
        ("dtype", "int32"),
        ("dtype", 32),
        ("engine", None),
        ("strict", "no"),
        ("optimizer_options", [("momentum", 1)]),
        ("batch_size", "all"),
    ],
)
def test_wrong_argument_is_one_clear_sentence_that_names_it(name: str, value: object) -> None:
    with pytest.raises((ArgumentError, DataError), match=name) as caught:
        train("sin(x)", **{name: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_numbers_may_be_text() -> None:
    found = train(
        "sin(x)", lr="2**-10", steps="2*5", samples="4*5", degree="1 + 2", every="5", seed="3", tol_loss="2**-60"
    )
    expected = train("sin(x)", lr=2.0**-10, steps=10, samples=20, degree=3, every=5, seed=3, tol_loss=2.0**-60)
    assert found.coef.tolist() == expected.coef.tolist()
    assert polyoptim.train is train
