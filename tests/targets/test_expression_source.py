"""Source text: it reads like a plain program and computes the same floats, bit for bit."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.targets.expression import BACKENDS, parse
from polyoptim.targets.nodes import FUNCTIONS

POINTS = [-3.0, -1.0, -0.5, -0.0, 0.0, 0.3, 1.0, 2.5, 7.0, 25.0, 800.0, -800.0]
MODULES = {"numpy": {"math": math, "np": np}, "torch": {"math": math, "torch": torch}}


def run_source(expression, backend, x):
    """Run the source text as an exported program would: with the library, math and x, nothing else."""
    code, helpers = expression.source(backend)
    names = {**MODULES[backend], "x": x}
    exec("\n\n".join([*helpers, f"y = {code}"]), names)  # noqa: S102 - our own text
    return names["y"]


def assert_source_agrees(text):
    expression = parse(text)
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        x = torch.tensor(POINTS, dtype=getattr(torch, dtype))
        wanted, got = expression.evaluate("torch", x), run_source(expression, "torch", x)
        assert got.dtype == x.dtype
        kind = getattr(torch, f"int{8 * x.itemsize}")
        assert torch.equal(got.view(kind), wanted.view(kind))
        if dtype != "bfloat16":
            x = x.numpy()
            with np.errstate(all="ignore"):
                got = run_source(expression, "numpy", x)
            assert got.dtype == x.dtype
            assert got.tobytes() == expression.evaluate("numpy", x).tobytes()


def assert_braces_balance(tex):
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", tex):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert tex.count(r"\left") - tex.count(r"\leftarrow") == tex.count(r"\right")
    assert tex.count(r"\begin{cases}") == tex.count(r"\end{cases}")


def extend(inner):
    pair = st.tuples(inner, inner)
    condition = st.one_of(
        st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner).map(" ".join),
        st.sampled_from(["-1 < x <= 2", "not x > 1", "x > 1 or x < 0", "1 < 2", "x == 1 and (x > 0 or 2 < 1)"]),
    )
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(" ".join),
        pair.map("({0[0]}) - ({0[1]})".format),
        pair.map("({0[0]}) / ({0[1]})".format),
        pair.map("({0[0]})**({0[1]})".format),
        inner.map("-{}".format),
        inner.map("-({})".format),
        st.tuples(st.sampled_from([name for name in FUNCTIONS if FUNCTIONS[name] == (1, 1)]), inner).map(
            "{0[0]}({0[1]})".format
        ),
        st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda drawn: f"{drawn[0]}({', '.join(drawn[1])})"
        ),
        st.tuples(condition, inner, inner).map("where({0[0]}, {0[1]}, {0[2]})".format),
    )


NUMBERS = ["0", "1", "2", "3", "0.1", "1e-3", "2.50", ".5", "1_000", "1e300", "1e400", "70000", str(2**60)]
EXPRESSIONS = st.recursive(st.sampled_from(["x"] * 8 + ["pi", "e", "tau", *NUMBERS]), extend, max_leaves=10)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_source_computes_same_bits(text):
    assert_source_agrees(text)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_source_of_function_computes_same_bits(name):
    args = {"min": "x, 0", "max": "0, x, 1", "where": "x > 0, 1, 0"}.get(name)
    assert_source_agrees(f"{name}({args or 'x'})")
    assert_source_agrees(f"{name}({args or '2'}) + x")


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS)
def test_latex_balances_its_braces(text):
    assert_braces_balance(parse(text).latex())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("exp(-x**2)*cos(3*x)", "torch.exp(-x**2) * torch.cos(3 * x)"),
        ("3", "torch.full_like(x, 3)"),
        ("pi/3", "torch.full_like(x, x.new_tensor(math.pi) / 3)"),
        ("pi/3*x", "x.new_tensor(math.pi) / 3 * x"),
        ("pi*x", "math.pi * x"),
        ("9**9", "torch.full_like(x, x.new_tensor(9) ** 9)"),
        ("x", "x"),
        ("(x - 1) - (x - 2)", "x - 1 - (x - 2)"),
        ("(2*x)/(3*x)", "2 * x / (3 * x)"),
        ("(-3)**x - -3**x", "(-3) ** x - -3**x"),
        ("(x**2)**3", "(x**2) ** 3"),
        ("x**(2**x)", "x ** 2**x"),
        ("x**-2", "x**-2"),
        ("-(x + 1)", "-(x + 1)"),
        ("-(-3)*x", "3 * x"),
        ("1e-3*x + 1e400", "0.001 * x + math.inf"),
        ("9007199254740993*x", "9007199254740992.0 * x"),
        ("softplus(x)", "torch.nn.functional.softplus(x, threshold=40)"),
        ("min(x, 0)", "torch.minimum(x, x.new_tensor(0))"),
        (
            "where(0 < x <= 1 and not x == 0.5, 1, 2)",
            "torch.where((0 < x) & (x <= 1) & ~(x == 0.5), x.new_tensor(1), 2)",
        ),
        ("where(x > 1 or x < 0, x, 1e300)", "torch.where((x > 1) | (x < 0), x, x.new_tensor(1e+300))"),
    ],
)
def test_torch_source_reads_like_a_plain_program(text, code):
    assert parse(text).source("torch") == (code, [])


def test_helpers_come_once_and_in_order():
    code, helpers = parse("gamma(x) + erf(x)*gamma(2*x)").source("numpy")
    assert code == "gamma(x) + erf(x) * gamma(2 * x)"
    assert [text.split("(")[0] for text in helpers] == ["def erf", "def gamma"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_helpers_name_their_libraries_only(backend):
    everything = " + ".join(f"{name}(x)" for name in FUNCTIONS if FUNCTIONS[name] == (1, 1))
    code, helpers = parse(everything).source(backend)
    assert "polyoptim" not in code + "".join(helpers)
    with np.errstate(all="ignore"):
        run_source(parse(everything), backend, MODULES[backend].get("np", torch).ones(3))
