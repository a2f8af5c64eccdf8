"""PolynomialRegressor: scikit-learn's own checks, and what fit() and train() say, said through it."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from polyoptim import ArgumentError, DataError, PolynomialRegressor, RankError, RankWarning, fit, train
from polyoptim.compiler import single_run

BATCHES = {"method": "Adam", "degree": 1, "batch_size": 8, "steps": 1000, "lr": 0.03}
CHECKED: list[dict[str, Any]] = [
    {},
    {"degree": 1},
    {"degree": 2},
    {"basis": "power"},
    {"loss": "huber"},
    {"loss": "absolute"},
    {"ridge": 0.5, "degree": 1},
    {"missing": "drop", "degree": 1},
    {"method": "Adam", "degree": 1, "steps": 300, "lr": 0.1},
    {"method": "LBFGS", "degree": 1, "steps": 100},
    {"method": "LBFGS", "engine": "torch", "degree": 1, "steps": 20},
    {"method": "RMSprop", "engine": "torch", "degree": 1, "steps": 200, "lr": 0.03},
    {"method": "RMSprop", "engine": "fused", "degree": 1},
    {"method": "Adam", "loss": "huber", "engine": "fused", "degree": 1, "steps": 500, "lr": 0.1},
    BATCHES,
]


def expected_to_fail(estimator: PolynomialRegressor) -> dict[str, str]:
    """A minibatch holds so many rows, whatever they weigh."""
    if estimator.batch_size is None:
        return {}
    return {"check_sample_weight_equivalence_on_dense_data": "a minibatch holds so many rows, whatever they weigh"}


@pytest.mark.filterwarnings("ignore::polyoptim.RankWarning")
@parametrize_with_checks(
    [PolynomialRegressor(**given) for given in CHECKED], expected_failed_checks=expected_to_fail, xfail_strict=True
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    token = single_run.set(True)  # no loop is compiled: each check has other columns
    try:
        check(estimator)
    finally:
        single_run.reset(token)


RNG = np.random.default_rng(5)
X1 = RNG.uniform(-2, 3, size=(60, 1))
Y1 = np.sin(X1[:, 0]) + 0.1 * RNG.normal(size=60)
X3 = RNG.normal(size=(80, 3))
Y3 = X3[:, 0] * X3[:, 1] - X3[:, 2] + 0.1 * RNG.normal(size=80)
WEIGHT = RNG.integers(0, 4, size=80).astype(float)


@pytest.mark.parametrize(
    "given",
    [
        {"degree": 4},
        {"degree": 2, "basis": "legendre", "domain": (-3, 3)},
        {"powers": [1, 3]},
        {"degree": 2, "fixed": {0: 0.5}},
        {"degree": 2, "through": [(0, 0)]},
        {"degree": 3, "ridge": 0.5},
        {"degree": 3, "loss": "huber", "loss_options": {"delta": 0.1}},
        {"degree": 2, "exact": True},
    ],
)
def test_one_feature_gives_the_floats_of_fit(given: dict[str, Any]) -> None:
    model = PolynomialRegressor(**given).fit(X1, Y1)
    expected = fit(X1[:, 0], Y1, **given)
    assert model.coef_.tolist() == expected.coef.tolist()
    assert model.predict(X1).tolist() == expected(X1[:, 0]).tolist()
    assert model.result_.stats["stderr_power"] == expected.stats["stderr_power"]
    assert model.n_iter_ == 0


def test_several_features_give_the_floats_of_fit() -> None:
    model = PolynomialRegressor(degree=2).fit(X3, Y3, sample_weight=WEIGHT)
    expected = fit(X3, Y3, degree=2, weight=WEIGHT)
    assert model.coef_.tolist() == expected.coef.tolist()
    assert model.result_.terms == expected.terms
    assert model.score(X3, Y3) > 0.98
    band = model.result_.predict(X3[:4], interval="prediction")
    assert (band.low < band.y).all()


def test_sigma_gives_absolute_errors() -> None:
    model = PolynomialRegressor(degree=2).fit(X1, Y1, sigma=np.full(60, 0.1))
    assert model.result_.stats["errors"] == "absolute"
    assert model.coef_.tolist() == fit(X1[:, 0], Y1, degree=2, sigma=np.full(60, 0.1)).coef.tolist()


@pytest.mark.parametrize("engine", ["torch", "fused"])
@pytest.mark.parametrize(("x", "y"), [(X1, Y1), (X3, Y3)])
def test_an_optimizer_gives_the_floats_of_train_on_sorted_rows(engine: str, x: Any, y: Any) -> None:
    given: dict[str, Any] = {"degree": 2, "steps": 40, "lr": 0.01, "engine": engine, "dtype": "float64"}
    model = PolynomialRegressor("Adam", random_state=3, **given).fit(x, y)
    order = np.lexsort([y, *x.T[::-1]])
    points = x[order, 0] if x.shape[1] == 1 else x[order]
    expected = train(points, y[order], basis="chebyshev", reduction="mean", optimizer="Adam", seed=3, **given)
    assert model.coef_.tolist() == expected.coef.tolist()
    assert model.n_iter_ == 40
    assert model.result_.seed == 3


@pytest.mark.parametrize("engine", ["torch", "fused"])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_an_integer_weight_is_a_repetition_to_the_last_bit_of_training(engine: str, loss: str) -> None:
    given: dict[str, Any] = {"degree": 2, "loss": loss, "engine": engine, "random_state": 0, "steps": 300}
    places = np.repeat(np.arange(80), WEIGHT.astype(int))
    shuffled = RNG.permutation(places)
    weighted = PolynomialRegressor("RMSprop", **given).fit(X3, Y3, sample_weight=WEIGHT)
    repeated = PolynomialRegressor("RMSprop", **given).fit(X3[shuffled], Y3[shuffled])
    assert weighted.coef_.tolist() == repeated.coef_.tolist()


def test_minibatches_see_rows_as_they_come() -> None:
    given: dict[str, Any] = {**BATCHES, "random_state": 0, "steps": 50}
    model = PolynomialRegressor(**given).fit(X1, Y1)
    train_given = {name: value for name, value in given.items() if name not in ("method", "random_state")}
    expected = train(
        X1[:, 0], Y1, basis="chebyshev", reduction="mean", optimizer="Adam", seed=0, engine="auto", **train_given
    )
    assert model.coef_.tolist() == expected.coef.tolist()


def test_random_state_may_be_a_generator_or_be_drawn() -> None:
    given: dict[str, Any] = {"degree": 1, "steps": 3}
    seeds = [
        PolynomialRegressor("SGD", random_state=state, **given).fit(X1, Y1).result_.seed
        for state in (np.random.RandomState(0), np.random.RandomState(0), None, None)
    ]
    assert seeds[0] == seeds[1] != seeds[2] != seeds[3]


# Wrong arguments and data: the words are those of fit() and train().
NAN, INF = float("nan"), float("inf")
BAD_DATA: dict[str, tuple[Any, Any, Any]] = {
    "nan": ([[0.0], [NAN], [2.0]], [1, 2, 3], None),
    "inf": ([[0.0], [INF], [2.0]], [1, 2, 3], None),
    "nan in a second column": ([[0.0, 1], [1, NAN], [2.0, 3]], [1, 2, 3], None),
    "nan in y": ([[0.0], [1], [2.0]], [1, NAN, 3], None),
    "masked": (np.ma.masked_equal([[0.0], [7.0], [2.0]], 7.0), [1, 2, 3], None),
    "empty": (np.zeros((0, 1)), [], None),
    "no columns": (np.zeros((3, 0)), [1, 2, 3], None),
    "complex": (np.array([[1j], [2], [3]]), [1, 2, 3], None),
    "object": (np.array([[{}], [2], [3]], dtype=object), [1, 2, 3], None),
    "None": (np.array([[None], [2], [3]], dtype=object), [1, 2, 3], None),
    "text": (np.array([["1"], ["2"], ["3"]]), [1, 2, 3], None),
    "truth values": (np.array([[True], [False], [True]]), [1, 2, 3], None),
    "text in y": ([[1.0], [2], [3]], ["a", "b", "c"], None),
    "lengths": ([[1.0], [2], [3]], [1, 2], None),
    "length of weight": ([[1.0], [2], [3]], [1, 2, 3], [1, 1]),
    "negative weight": ([[1.0], [2], [3]], [1, 2, 3], [1, -1, 1]),
    "weights of zero": ([[1.0], [2], [3]], [1, 2, 3], [0, 0, 0]),
    "nan in weight": ([[1.0], [2], [3]], [1, 2, 3], [1, NAN, 1]),
    "two columns of y": ([[1.0], [2], [3]], [[1, 2], [1, 2], [1, 2]], None),
    "a large integer": (np.array([[2**60 + 1], [2], [3]]), [1, 2, 3], None),
}


@pytest.mark.parametrize("method", ["fit", "Adam"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_have_the_words_of_fit_and_train(case: str, method: str) -> None:
    x, y, weight = BAD_DATA[case]
    with pytest.raises(DataError) as through_estimator:
        PolynomialRegressor(method, degree=1).fit(x, y, sample_weight=weight)
    given: dict[str, Any] = {"optimizer": "Adam"} if method == "Adam" else {}
    with pytest.raises(DataError) as directly:
        (fit if method == "fit" else train)(np.ma.asarray(x), y, weight=weight, degree=1, **given)
    assert str(through_estimator.value) == str(directly.value)
    assert type(through_estimator.value) is type(directly.value)


@pytest.mark.parametrize("method", ["fit", "RMSprop"])
@pytest.mark.parametrize(
    "given",
    [
        {"degree": -1},
        {"degree": 2.5},
        {"degree": True},
        {"degree": 1e9},
        {"degree": "three"},
        {"basis": "chebychev", "loss": "square"},
        {"powers": [1, 1]},
        {"domain": (1, 0)},
        {"loss": "huber", "loss_options": {"delta": -1}},
    ],
)
def test_wrong_arguments_have_the_words_of_fit_and_train(given: dict[str, Any], method: str) -> None:
    with pytest.raises(ArgumentError) as through_estimator:
        PolynomialRegressor(method, **given).fit(X1, Y1)
    verb: Any = fit if method == "fit" else train
    with pytest.raises(ArgumentError) as directly:
        verb(X1[:, 0], Y1, **given)
    assert str(through_estimator.value) == str(directly.value)


@pytest.mark.parametrize(
    "given", [{"degree": -1}, {"degree": 2.5}, {"degree": "1e9"}, {"basis": "chebychev"}, {"ridge": -1}, {"degree": 70}]
)
def test_the_command_line_has_the_same_words(given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(
        "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in zip(X1[:, 0].tolist(), Y1.tolist(), strict=True))
    )
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "polyoptim", "fit", "d.csv", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RankWarning)
            PolynomialRegressor(**given).fit(X1, Y1)
    except (ArgumentError, RankWarning) as error:
        said = str(error).removesuffix(" The least coefficients that fit best were taken.")
    assert done.returncode == 2
    assert done.stderr.removeprefix("polyoptim: ").strip().casefold() == said.casefold()


def test_wrong_arguments_of_training_are_all_named() -> None:
    with pytest.raises(ArgumentError) as caught:
        PolynomialRegressor("rmspop", lr=-1, steps=2.5, reduction="men", tol_loss=-1, random_state="x").fit(X1, Y1)
    for said in (
        "did you mean 'RMSprop'?",
        "lr must be",
        "steps must be",
        "unknown reduction",
        "tol_loss must",
        "seed",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"lr": 0.1, "steps": 5}, "lr, steps: not for method 'fit'"),
        ({"method": "Adam", "ridge": 1.0, "fixed": {0: 0}}, "fixed, ridge: not for method 'Adam'"),
    ],
)
def test_what_a_method_does_not_look_at_is_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        PolynomialRegressor(**given).fit(X1, Y1)


def test_sigma_and_a_missing_y_are_refused() -> None:
    with pytest.raises(ArgumentError, match="sigma: not for method 'SGD'"):
        PolynomialRegressor("SGD").fit(X1, Y1, sigma=np.ones(60))
    with pytest.raises(DataError, match="requires y"):
        PolynomialRegressor().fit(X1, None)


@pytest.mark.parametrize("degree", [20, 500])
@pytest.mark.parametrize("method", ["fit", "SGD"])
def test_too_many_terms_are_refused_before_they_are_allocated(degree: int, method: str) -> None:
    x = RNG.normal(size=(5, 40))
    with pytest.raises(ArgumentError, match=f"degree {degree} in 40 columns of x has .* terms"):
        PolynomialRegressor(method, degree=degree).fit(x, x[:, 0])


def test_rows_with_missing_values_are_dropped_on_request() -> None:
    x, y = X3.copy(), Y3.copy()
    x[3, 1], y[5] = NAN, NAN
    model = PolynomialRegressor(degree=2, missing="drop").fit(x, y)
    whole = [place for place in range(80) if place not in (3, 5)]
    assert model.coef_.tolist() == fit(X3[whole], Y3[whole], degree=2).coef.tolist()
    assert np.flatnonzero(np.isnan(model.predict(x))).tolist() == [3]


# Samples that leave coefficients open.
def test_open_coefficients_warn_with_the_sentence_of_fit_and_interpolate() -> None:
    with pytest.raises(RankError) as caught:
        fit(X3[:12], Y3[:12])
    with pytest.warns(RankWarning) as warned:
        model = PolynomialRegressor().fit(X3[:12], Y3[:12])
    said = str(caught.value)
    assert str(warned[0].message).casefold().startswith(said.casefold())
    assert model.result_.status == "rank_deficient"
    assert model.result_.stats["covariance"] is None
    assert model.predict(X3[:12]) == pytest.approx(Y3[:12], abs=1e-12)
    assert "rank_deficient" in model.result_.report()
    with pytest.raises(ArgumentError, match="band"):
        model.result_.predict(X3[:2], interval="confidence")


def test_another_origin_of_y_changes_the_constant_alone() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        one, other = (PolynomialRegressor().fit(X3[:9], Y3[:9] + c) for c in (0.0, 100.0))
    assert other.coef_[1:] == pytest.approx(one.coef_[1:], abs=1e-12)
    assert other.predict(X3) == pytest.approx(one.predict(X3) + 100, abs=1e-11)


@pytest.mark.parametrize("basis", ["chebyshev", "power", "legendre"])
def test_one_feature_with_open_coefficients_in_any_basis(basis: str) -> None:
    x, y = np.array([[1.0], [2.0], [2.0], [5.0]]), np.array([1.0, 3.0, 5.0, 2.0])
    with pytest.warns(RankWarning, match="do not determine 6 coefficients"):
        model = PolynomialRegressor(degree=5, basis=basis).fit(x, y)
    assert model.predict(x) == pytest.approx([1, 4, 4, 2], abs=1e-12)
    assert model.result_.loss == pytest.approx(2.0)
    power = model.result_.stats["coef_power"]
    assert np.polynomial.polynomial.polyval(3.3, power) == pytest.approx(model.predict([[3.3]])[0])


@pytest.mark.parametrize("basis", ["chebyshev", "legendre"])
def test_many_open_coefficients_far_from_zero_lose_no_digits(basis: str) -> None:
    x = np.linspace(1990, 2020, 31)[:, None]
    with pytest.warns(RankWarning, match="do not determine 61 coefficients"):
        model = PolynomialRegressor(degree=60, basis=basis).fit(x, np.cos(x[:, 0]))
    assert model.predict(x) == pytest.approx(np.cos(x[:, 0]), abs=1e-11)


@pytest.mark.parametrize("loss", ["huber", "absolute"])
def test_another_loss_with_open_coefficients_is_made_least(loss: str) -> None:
    x, y = np.array([[1.0], [2.0], [2.0], [2.0], [5.0]]), np.array([1.0, 3.0, 4.0, 50.0, 2.0])
    with pytest.warns(RankWarning):
        model = PolynomialRegressor(degree=4, loss=loss).fit(x, y)
    assert model.predict([[2.0]])[0] < 5
    assert model.result_.optimum_kind == "exact"


@pytest.mark.parametrize("row", [[3.0, 4.0], [0.0, -1e300]])
def test_a_constant_column_and_one_row_are_a_constant(row: list[float]) -> None:
    with pytest.warns(RankWarning):
        model = PolynomialRegressor().fit([row], [7.0])
    assert model.predict([row]) == pytest.approx([7.0])
    assert not model.coef_[1:].any()
    trained = PolynomialRegressor("Adam", steps=3000, lr=0.01).fit([row], [7.0])
    assert trained.predict([row]) == pytest.approx([7.0], abs=1e-3)


def test_a_ridge_determines_more_terms_than_exact_sums_take() -> None:
    x = RNG.uniform(size=(20, 30))
    y = x[:, 0] ** 2
    model = PolynomialRegressor(ridge=0.1).fit(x, y)
    assert (len(model.coef_), model.result_.status) == (5456, "converged")
    columns = model.result_._columns(x)  # noqa: SLF001
    assert "Solved in float64" in model.result_.report()
    slope = columns.T @ (columns @ model.coef_ - y) + 0.1 * np.r_[0, model.coef_[1:]]
    assert np.abs(slope).max() < 1e-12


def test_powers_and_fixed_coefficients_hold_where_others_are_open() -> None:
    with pytest.warns(RankWarning):
        model = PolynomialRegressor(powers=[0, 1, 3, 5], fixed={0: 2}).fit([[1.0], [2.0]], [3.0, 4.0])
    power = model.result_.stats["coef_power"]
    assert (power[0], power[2], power[4]) == (2.0, 0.0, 0.0)
    assert model.predict([[0.0], [1.0], [2.0]]) == pytest.approx([2.0, 3.0, 4.0])


# What scikit-learn does with estimators.
@pytest.mark.parametrize("given", [{}, {"degree": 1}, {"method": "Adam", "random_state": 1, "steps": 30}])
@pytest.mark.parametrize(("x", "y"), [(X1[:15], Y1[:15]), (X3[:15], Y3[:15])])
def test_pickles_hold_the_json_of_the_result_bit_for_bit(given: dict[str, Any], x: Any, y: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        model = PolynomialRegressor(**given).fit(x, y)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
    assert again.result_.to_bytes() == model.result_.to_bytes() in pickle.dumps(model)
    assert again.predict(x).tolist() == model.predict(x).tolist()
    assert again.coef_.tolist() == model.coef_.tolist()
    assert (again.n_iter_, again.n_features_in_) == (model.n_iter_, model.n_features_in_)
    assert pickle.loads(pickle.dumps(clone(model))).get_params() == model.get_params()  # noqa: S301


def test_grid_search_over_a_pipeline_in_two_processes() -> None:
    steps = make_pipeline(StandardScaler(), PolynomialRegressor())
    grid = {
        "polynomialregressor__degree": [1, 2],
        "polynomialregressor__basis": ["chebyshev", "power"],
        "polynomialregressor__ridge": [0.0, 1e-3],
    }
    search = GridSearchCV(steps, grid, cv=3, n_jobs=2).fit(X3, Y3)
    assert search.best_params_["polynomialregressor__degree"] == 2
    assert search.best_score_ > 0.97
    assert search.best_estimator_[-1].result_.status == "converged"


def test_methods_can_be_compared_by_cross_validation() -> None:
    given: dict[str, Any] = {"method": "Adam", "degree": 2, "lr": 0.01, "random_state": 0}
    assert cross_val_score(PolynomialRegressor(degree=2), X3, Y3, cv=4).min() > 0.95
    assert cross_val_score(PolynomialRegressor(**given), X3, Y3, cv=4).min() > 0.95


def test_set_output_and_names_of_columns() -> None:
    frame = pd.DataFrame(X3, columns=["a", "b", "c"])
    steps = make_pipeline(StandardScaler(), PolynomialRegressor(degree=2)).set_output(transform="pandas")
    steps.fit(frame, pd.Series(Y3))
    assert steps[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    assert steps.score(frame, Y3) > 0.98
    with pytest.raises(ValueError, match="feature names"):
        steps[-1].predict(pd.DataFrame(X3, columns=["a", "b", "d"]))
    polar = pl.DataFrame(X3, schema=["a", "b", "c"])
    assert PolynomialRegressor(degree=2).fit(polar, Y3).feature_names_in_.tolist() == ["a", "b", "c"]


def test_every_parameter_is_one_of_fit_or_train_with_the_same_default() -> None:
    known = {**inspect.signature(train).parameters, **inspect.signature(fit).parameters}
    own = inspect.signature(PolynomialRegressor).parameters
    assert set(own) - set(known) == {"method", "random_state"}
    differing = {name for name in set(own) & set(known) if own[name].default != known[name].default}
    assert differing == {"reduction", "lr", "engine"}
    for name in own:
        assert name in (inspect.getdoc(PolynomialRegressor) or "")
