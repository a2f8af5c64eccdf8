"""What an expression evaluates to: against mpmath, against torch's own calls, at the edges of floats."""

import copy
import pickle
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import torch

from polyoptim.errors import ArgumentError, UnknownNameError
from polyoptim.targets.expression import BACKENDS, parse
from polyoptim.targets.nodes import FUNCTIONS

ORACLES = {
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x, 2),
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "abs": abs,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
}
UNARY = [name for name, (_, most) in FUNCTIONS.items() if most == 1]
GRID = np.concatenate([np.linspace(-8, 8, 101) + 0.0137, np.linspace(-0.99, 0.99, 51), [-30.25, 20.5, 39, 41, 170.3]])
# Units in the last place, of the value or of this much where that is more.
TOLERANCES = {
    ("numpy", "gamma"): (10, 0),
    ("torch", "gamma"): (10, 0),
    ("numpy", "lgamma"): (10, 1),  # math.lgamma is not exact near its zeros
    ("numpy", "gelu"): (1000, 0),  # at -30 the exponential magnifies the rounding of its argument by 900
    ("torch", "gelu"): (4, 10),  # 0.5*x*(1 + erf(x/sqrt(2))) cancels for negative x
}


def evaluate(text, backend, x):
    values = parse(text).evaluate(backend, torch.as_tensor(x) if backend == "torch" else x)
    return np.asarray(values)


def bits(values):
    """Return floats as whole numbers, so that signs of zero and kinds of nan count."""
    array = values if isinstance(values, np.ndarray) else values.view(getattr(torch, f"int{8 * values.itemsize}"))
    return array.view(f"i{array.itemsize}") if isinstance(array, np.ndarray) else array.numpy()


@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_has_every_function(backend):
    assert set(FUNCTIONS) <= set(BACKENDS[backend].functions)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", UNARY)
def test_function_agrees_with_mpmath(name, backend):
    oracle = ORACLES.get(name) or getattr(mpmath, name)
    values = evaluate(f"{name}(x)", backend, GRID)
    checked = 0
    with mpmath.workdps(40):
        for x, value in zip(GRID.tolist(), values.tolist(), strict=True):
            wanted = oracle(mpmath.mpf(x))
            if isinstance(wanted, mpmath.mpc):
                assert np.isnan(value)
                continue
            ulps, scale = TOLERANCES.get((backend, name), (4, 0))
            assert abs(value - wanted) <= ulps * np.spacing(max(abs(float(wanted)), scale)), x
            checked += 1
    assert checked > 40


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", [name for name in UNARY if name not in ("cbrt", "gamma")])
def test_torch_function_is_torchs_own_bit_for_bit(name, dtype):
    x = torch.from_numpy(GRID).to(dtype)
    own = getattr(torch.nn.functional, name, None) or getattr(torch, name)
    wanted = own(x, threshold=40) if (name, dtype) == ("softplus", torch.float64) else own(x)
    got = parse(f"{name}(x)").evaluate("torch", x)
    assert got.dtype == dtype
    np.testing.assert_array_equal(bits(got), bits(wanted))


def test_torch_softplus_keeps_torchs_default_bits_in_float32():
    # Every eighth float32 between torch's default threshold of 20 and ours of 40.
    x = torch.arange(0x41A00000, 0x42200001, 8, dtype=torch.int32).view(torch.float32)
    assert torch.equal(parse("softplus(x)").evaluate("torch", x), torch.nn.functional.softplus(x))


def test_torch_power_and_product_are_those_of_a_plain_program():
    x = torch.linspace(-2, 2, 999)
    assert torch.equal(parse("0.1*x**3 - x/3 + pi*x").evaluate("torch", x), 0.1 * x**3 - x / 3 + torch.pi * x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("text", ["3", "-pi", "pi/3", "9**9**9**9", "x", "1e400", "1e300", "-1e300*x", "x**1e300"])
@pytest.mark.parametrize("text2", ["{}", "where(x > 0, {}, 1)", "min({}, x)", "1/({})", "-({})"])
def test_value_has_shape_and_dtype_of_x(dtype, text, text2):
    expression = parse(text2.format(text))
    tensor = torch.tensor([[1.5, -2.0, 0.0]], dtype=getattr(torch, dtype))
    values = expression.evaluate("torch", tensor)
    assert (values.shape, values.dtype) == (tensor.shape, tensor.dtype)
    assert expression.evaluate("torch", tensor[0, 0]).shape == ()
    if dtype != "bfloat16":
        array = tensor.numpy()
        values = expression.evaluate("numpy", array)
        assert (values.shape, values.dtype) == (array.shape, array.dtype)
        assert expression.evaluate("numpy", array[0, 0]).shape == ()
        assert expression.evaluate("numpy", array[:0]).shape == (0, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_value_is_infinite_at_once_when_power_is_huge(backend):
    assert np.all(evaluate("9**9**9**9", backend, GRID) == np.inf)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("text", "at", "wanted"),
    [
        ("gamma(x)", [0.0, -1.0, -2.0, 200.0, -0.5, np.inf, -1e-310], "nan nan nan inf -3.5449077018110318 inf -inf"),
        ("lgamma(x)", [0.0, -1.0, np.inf, 1e306], "inf inf inf inf"),
        ("cbrt(x)", [0.0, -0.0, np.inf, -np.inf, 5e-324, -27.0], "0 -0 inf -inf 1.7031839360032603e-108 -3"),
        ("sigmoid(x)", [-800.0, 800.0, -np.inf, np.inf], "0 1 0 1"),
        ("softplus(x)", [-800.0, 800.0, -np.inf, np.inf], "0 800 0 inf"),
        ("min(x, 1)", [np.nan, 0.0, 2.0], "nan 0 1"),
        ("max(1, x, 0)", [np.nan, 0.0, 2.0], "nan 1 2"),
        ("where(-1 < x <= 1 and not x == 0 or x > 5, 1, 2)", [-1.0, -0.5, 0.0, 1.0, 2.0, 6.0], "2 1 2 1 2 1"),
        ("where(1 < 2 < x, 1, 2)", [1.0, 3.0], "2 1"),
        ("where(x != 1, x, pi)", [1.0, 3.0], "3.141592653589793 3"),
        ("log(x)", [-1.0, 0.0], "nan -inf"),
        ("1/x", [0.0, -0.0], "inf -inf"),
        ("x*-0", [1.0], "-0"),
        ("-x**2", [3.0], "-9"),
        ("2**-x*3", [1.0], "1.5"),
        ("--x - +x", [3.0], "0"),
        ("exp(x)", [1000.0, -1000.0], "inf 0"),
        ("10**400*x", [1.0], "inf"),
        ("２·x − π + τ/2", [1.0], "2"),
    ],
)
def test_value_at_edge(text, at, wanted, backend):
    values = evaluate(text, backend, np.array(at))
    expected = np.array([float(word) for word in wanted.split()])
    np.testing.assert_allclose(values, expected, rtol=1e-15)
    np.testing.assert_array_equal(np.signbit(values[values == 0]), np.signbit(expected[expected == 0]))


def test_numpy_tails_do_not_cancel():
    np.testing.assert_allclose(evaluate("gelu(x)", "numpy", np.array([-10.0])), -7.619853024160527e-23, rtol=1e-13)
    np.testing.assert_allclose(evaluate("sigmoid(x)", "numpy", np.array([-740.0])), 4.19955798965060e-322)
    assert evaluate("softplus(x)", "numpy", np.array([-740.0])) > 0


def test_constant_part_is_computed_in_dtype_of_x():
    x = np.ones(1, np.float32)
    assert evaluate("pi/3", "numpy", x)[0] == np.float32(np.pi) / np.float32(3)
    assert evaluate("pi/3*x", "torch", x)[0] == np.float32(np.pi) / np.float32(3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_value_never_shares_memory_with_x(backend):
    x = torch.ones(3) if backend == "torch" else np.ones(3)
    values = parse("x").evaluate(backend, x)
    values += 1
    assert x[0] == 1


def test_evaluate_rejects_x_that_is_not_of_floats():
    with pytest.raises(ArgumentError, match=r"x must hold floats, got int64; convert"):
        parse("x").evaluate("numpy", np.arange(3))
    with pytest.raises(ArgumentError, match=r"x must be a tensor of floats, got torch\.int64; convert"):
        parse("x").evaluate("torch", torch.arange(3))
    with pytest.raises(UnknownNameError, match="did you mean 'torch'"):
        parse("x").evaluate("troch", np.ones(3))


def test_numpy_evaluation_does_not_import_torch():
    code = (
        "import sys, numpy; from polyoptim.targets.expression import parse;"
        "parse('sin(x)').evaluate('numpy', numpy.ones(3)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_expression_copies_and_pickles_when_deep():
    expression = parse("1" + "+x" * 198)
    assert copy.deepcopy(expression) == expression
    assert pickle.loads(pickle.dumps(expression)) == expression  # noqa: S301 - our own bytes
    assert hash(expression) == hash(parse(expression.text))
    assert repr(expression).startswith("Expression(text='1+x")


def test_expression_uses_its_own_variable():
    expression = parse("2*t", variable="t")
    assert expression.evaluate("numpy", np.ones(1)) == 2
    assert expression.source("numpy")[0] == "2 * x"
    assert parse("time_s**2", variable="time_s").latex() == r"\mathrm{time\_s}^{2}"
    for variable in ("sin", "pi", "and", "lambda", "2x", "", "é", None.__class__):
        with pytest.raises(ArgumentError, match="variable must be a name"):
            parse("1", variable=variable)
