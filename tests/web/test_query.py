"""The state of the page as arguments: each kind of field, and each mistake at its own field."""

from __future__ import annotations

import pytest

from polyoptim.errors import ArgumentError, DataError, ExpressionError
from polyoptim.optim.rules import RULES
from polyoptim.web.choices import SCHEDULES
from polyoptim.web.limits import LIMITS
from polyoptim.web.query import BadRequestError, Query, bad_request, described


def wrong(query: Query) -> dict[str, str]:
    with pytest.raises(BadRequestError) as caught:
        query.done()
    return caught.value.fields


def test_query_returns_defaults_where_nothing_is_given() -> None:
    query = Query({})
    assert query.text("target", "sin(x)") == "sin(x)"
    assert query.number("lr", 0.5) == 0.5
    assert query.whole("degree", 3, 30) == 3
    assert query.choice("basis", "power", ("power", "legendre")) == "power"
    assert query.truth("map") is False
    assert query.pair("domain", ("-pi", "pi")) == ("-pi", "pi")
    assert query.options(RULES["Adam"]) == {}
    assert query.schedule(100, 0.1) == (None, {})
    query.done()


def test_query_reads_each_kind_of_value() -> None:
    query = Query({"lr": "2**-10", "degree": " 7 ", "basis": "LEGENDRE", "map": "true", "domain": " -1 , pi/2"})
    assert query.number("lr", 0.5) == 2**-10
    assert query.whole("degree", 3, 30) == 7
    assert query.choice("basis", "power", ("power", "legendre")) == "legendre"
    assert query.truth("map") is True
    assert query.pair("domain", ("", "")) == ("-1", "pi/2")
    query.done()


@pytest.mark.parametrize(
    ("name", "text", "start"),
    [
        ("degree", "-1", "degree must be an integer >= 0"),
        ("degree", "2.5", "degree must be an integer >= 0"),
        ("degree", "three", "degree must be an integer >= 0"),
        ("degree", "31", "degree must be at most 30 here"),
        ("lr", "abc", "lr must be a number"),
        ("lr", "1e999", "lr must be a finite number"),
        ("lr", "nan", "lr must be a number"),
        ("lr", "", "lr must be a number"),
        ("basis", "cheb", "unknown basis 'cheb'; did you mean"),
        ("map", "yes", "unknown map 'yes'"),
        ("domain", "1", "domain must be two values"),
        ("domain", "1,", "domain must be two values"),
        ("domain", "1,2,3", "domain must be two values"),
    ],
)
def test_query_says_what_is_wrong_at_its_field(name: str, text: str, start: str) -> None:
    query = Query({name: text})
    query.whole("degree", 3, 30)
    query.number("lr", 1.0)
    query.choice("basis", "power", ("power", "chebyshev"))
    query.truth("map")
    query.pair("domain", ("0", "1"))
    found = wrong(query)
    assert list(found) == [name]
    assert found[name].startswith(start)


def test_query_collects_all_mistakes_and_the_place_in_the_target() -> None:
    query = Query({"target": "sin(", "degree": "-1", "lr": "a"})
    query.read("target", None, _refuse)
    query.whole("degree", 3, 30)
    query.number("lr", 1.0)
    with pytest.raises(BadRequestError) as caught:
        query.done()
    assert list(caught.value.fields) == ["target", "degree", "lr"]
    assert caught.value.position == 2
    assert described(caught.value)["error"] == {
        "message": " ".join(caught.value.fields.values()),
        "fields": caught.value.fields,
        "position": 2,
    }


def _refuse(text: str) -> None:
    raise ExpressionError("there is no end.", text, 2)


def test_query_refuses_long_values_unread() -> None:
    query = Query({"target": "x" * (LIMITS.text + 1), "weird": "x" * LIMITS.text})
    assert query.text("target", "sin(x)") == "sin(x)"
    assert list(wrong(query)) == ["target"]


@pytest.mark.parametrize(
    ("optimizer", "name", "text", "value"),
    [
        ("Adam", "betas", "0.5, 2**-1", (0.5, 0.5)),
        ("Adam", "amsgrad", "true", True),
        ("Adafactor", "eps", "none,0.001", (None, 0.001)),
        ("LBFGS", "max_iter", "5", 5),
        ("LBFGS", "max_eval", "none", None),
        ("LBFGS", "line_search_fn", "strong_wolfe", "strong_wolfe"),
        ("SGD", "momentum", "0.25", 0.25),
        ("SGD", "momentum", "0", 0),
        ("ASGD", "t0", "1e3", 1000.0),
    ],
)
def test_query_reads_options_of_optimizers(optimizer: str, name: str, text: str, value: object) -> None:
    query = Query({name: text, "lr": "3", "centered_": "1"})
    found = query.options(RULES[optimizer])
    query.done()
    assert found == {name: value}
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(
    ("optimizer", "name", "text"), [("Adam", "betas", "0.9,b"), ("LBFGS", "max_iter", "x"), ("SGD", "nesterov", "1")]
)
def test_query_says_which_option_is_wrong(optimizer: str, name: str, text: str) -> None:
    query = Query({name: text})
    query.options(RULES[optimizer])
    assert list(wrong(query)) == [name]


@pytest.mark.parametrize("name", SCHEDULES)
def test_query_offers_options_for_every_schedule(name: str) -> None:
    query = Query({"schedule": name})
    found, options = query.schedule(1000, 0.1)
    query.done()
    assert found == name
    assert list(options) == list(SCHEDULES[name])


def test_query_reads_options_of_schedules() -> None:
    query = Query({"schedule": "MultiStepLR", "schedule.milestones": "3, 5", "schedule.gamma": "1/2"})
    assert query.schedule(1000, 0.1) == ("MultiStepLR", {"milestones": [3, 5], "gamma": 0.5})
    query.done()


@pytest.mark.parametrize("text", ["__import__('os').getcwd()", "open('x')", "x.real", "lambda x: 1", ""])
def test_query_never_evaluates_the_text_of_a_schedule(text: str) -> None:
    query = Query({"schedule": "LambdaLR", "schedule.lr_lambda": text})
    query.schedule(1000, 0.1)
    with pytest.raises(BadRequestError) as caught:
        query.done()
    assert list(caught.value.fields) == ["schedule.lr_lambda"]
    assert caught.value.position is None  # that is the target's


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (ArgumentError("degree must be 1."), ["degree"]),
        (ArgumentError("unknown basis 'a'."), ["basis"]),
        (ArgumentError("optimizer_options must be a dict."), ["optimizer"]),
        (ArgumentError("step_size must not be 0."), ["schedule.step_size"]),
        (ArgumentError("OneCycleLR ends after total_steps=5."), ["schedule"]),
        (ArgumentError("degree must be 1.\nlr must be 2.\ndegree must be 3."), ["degree", "lr"]),
        (DataError("the target 'log(x)' is not a number at x = 0."), ["target"]),
        (DataError("two lines\nof one sentence."), ["page"]),
        (ExpressionError("this ( is never closed; add a ).", "(", 0), ["target"]),
    ],
)
def test_errors_of_the_package_come_to_their_fields(error: ArgumentError, fields: list[str]) -> None:
    names = ("target", "degree", "basis", "lr", "optimizer", "schedule", "schedule.step_size")
    assert list(bad_request(error, *names).fields) == fields


def test_an_error_of_a_request_stays_as_it_is() -> None:
    error = BadRequestError({"degree": "no."}, 4)
    assert bad_request(error, "lr") is error
