"""advise(): eigenvalues against NumPy's, the rates that follow, and one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyoptim
from polyoptim import ArgumentError, advise
from polyoptim.bases import FAMILIES

FEW: dict[str, Any] = {"seeds": 1, "steps": 30, "lrs": [1e-4, 1e-2]}


@pytest.fixture(scope="module")
def found() -> polyoptim.Advice:
    return advise("sin(x)", **FEW)


@pytest.mark.parametrize("name", ["power", "chebyshev", "legendre", "hermite"])
def test_eigenvalues_are_those_of_the_hessian(name: str, found: polyoptim.Advice) -> None:
    x = np.linspace(-np.pi, np.pi, 2000)
    u = x if name == "power" else x / np.pi
    columns = np.stack(FAMILIES[name].columns(u, 3), axis=1)
    basis = next(basis for basis in found.bases if basis.basis == name)
    assert basis.eigenvalues == pytest.approx(np.linalg.eigvalsh(2 * columns.T @ columns), rel=1e-9)
    assert basis.stable == pytest.approx(2 / basis.eigenvalues[-1])
    assert basis.condition == pytest.approx(basis.eigenvalues[-1] / basis.eigenvalues[0])


def test_rates_are_measured_for_the_own_and_the_best_basis(found: polyoptim.Advice) -> None:
    assert [basis.basis for basis in found.bases if basis.rates] == ["power", "chebyshev"]
    rate, gap = next(basis for basis in found.bases if basis.basis == "chebyshev").rates["SGD"]
    assert rate == 1e-4
    given: dict[str, Any] = {"basis": "chebyshev", "optimizer": "SGD", "lr": rate, "seed": 0, "steps": 30}
    assert gap == polyoptim.train("sin(x)", engine="fused", **given).gap


def test_report_says_why_the_basis_matters_and_fits_a_terminal(found: polyoptim.Advice) -> None:
    text = found.report()
    assert max(map(len, text.splitlines())) <= 80
    assert "times steeper in one direction" in text
    assert "median of 1 seed." in text


def test_advice_has_a_sentence_when_the_basis_is_the_best() -> None:
    assert "has the smallest condition number" in advise("sin(x)", basis="chebyshev", **FEW).sentence


def test_advice_says_when_chosen_powers_are_other_polynomials_in_another_basis() -> None:
    done = advise("exp(x)", powers=[0, 1, 3, 4], **FEW)
    assert "these powers are other polynomials" in done.sentence
    assert len({round(basis.optimum, 6) for basis in done.bases}) > 1


def test_advice_on_an_optimum_of_zero_has_no_gap() -> None:
    done = advise("x**2", **FEW)
    assert "optimum zero to rounding" in done.report()
    assert "gap –" in done.report()


def test_advice_is_strict_json(tmp_path: Path) -> None:
    x = np.array([0.0, 1.0, 2.0])  # fewer than coefficients: the condition is infinite
    done = advise(x, x**2 + 1, degree=3, **FEW)
    done.save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert document["bases"][0]["condition"] is None
    assert document["bases"][0]["plain"] is None
    assert (document["degree"], document["samples"], document["steps"]) == (3, 3, 30)
    assert "∞" in done.report()


def test_table_has_a_row_for_each_basis(found: polyoptim.Advice, tmp_path: Path) -> None:
    assert list(found.data_frame()["basis"]) == list(FAMILIES)
    found.save_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().startswith("basis,optimum,smallest,largest,condition,stable,plain_lr,")


def test_bases_that_overflow_are_named() -> None:
    done = advise("sin(x)", degree=80, basis="legendre", domain=(0, 1e5), seeds=1, steps=1, lrs=[1e-3])
    assert "power" in done.left_out
    assert "Left out, because the columns overflow on the samples: power" in " ".join(done.report().split())


def test_interrupted_advice_keeps_what_was_measured() -> None:
    def stop(done: int, _total: int) -> None:
        if done > 6:
            raise KeyboardInterrupt

    done = advise("sin(x)", **FEW, progress=stop)
    assert done.interrupted
    power = next(basis for basis in done.bases if basis.basis == "power")
    assert len(power.rates) == 3
    assert "Interrupted: what is missing was not measured." in done.report()


def test_progress_ends_with_all_runs() -> None:
    told: list[tuple[int, int]] = []
    advise("sin(x)", **FEW, progress=lambda *count: told.append(count))
    assert told[-1] == (2 * 14 * 2, 2 * 14 * 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"basis": "legendr"}, "did you mean 'legendre'?"),
        ({"lrs": [0]}, "lrs must be rates > 0"),
        ({"steps": 0}, "steps must be an integer >= 1"),
        ({"seeds": 10**9}, "are more than 10000000"),
    ],
)
def test_wrong_arguments_are_said(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        advise("sin(x)", **arguments)
    assert sentence in str(caught.value)
