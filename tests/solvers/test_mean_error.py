"""The least integral of the error: against mpmath, classical points, and all neighbours in small formats."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from polyoptim import ArgumentError, DataError, approximate
from polyoptim.formats import find_format
from polyoptim.solvers.closest import Enumeration

FUNCTIONS = {
    "exp(x)": mpmath.exp,
    "1/(x + 2)": lambda x: 1 / (x + 2),
    "2**x": lambda x: mpmath.mpf(2) ** x,
    "sqrt(x)": mpmath.sqrt,
    "sin(x)": mpmath.sin,
    "expm1(x)/x": lambda x: mpmath.expm1(x) / x,
    "log(x)": mpmath.log,
}
WEIGHTS = {
    "absolute": lambda *_: 1,
    "relative": lambda _, f: 1 / abs(f),
    "exp(-x)": lambda x, _: mpmath.exp(-x),
}


def exact(result):
    """The coefficients as mpmath has them."""
    formats = result.arguments["format"]
    reals = dict(zip(result.powers, formats, strict=True))
    return [
        mpmath.mpf(Fraction(text).numerator) / Fraction(text).denominator if reals.get(power) == "real" else value
        for power, (text, value) in enumerate(zip(result.coef_hex, map(mpmath.mpf, result.coef.tolist()), strict=True))
    ]


def integral(function, coef, ends, *, power, error="absolute", parts=60):
    """The integral of abs(w (p - f))**power by mpmath, on parts that end where the error changes its sign."""

    def missed(x):
        f = function(x)
        return WEIGHTS[error](x, f) * (mpmath.polyval(coef[::-1], x) - f)

    total = mpmath.mpf(0)
    for low, high in ends:
        width = mpmath.mpf(high - low)
        # Parts are short towards the lower end, for functions with a root there.
        grid = [low + width * (mpmath.mpf(k) / parts) ** 3 for k in range(parts + 1)]
        cuts = [grid[0]]
        for a, b in itertools.pairwise(grid):
            inner = (a + (b - a) / 1000, b)
            if missed(inner[0]) * missed(inner[1]) < 0:
                cuts.append(mpmath.findroot(missed, inner, solver="anderson", tol=1e-60, verify=False))
            cuts.append(b)
        total += mpmath.quad(lambda x: abs(missed(x)) ** power, cuts)
    return total if power == 1 else mpmath.sqrt(total)


@pytest.mark.parametrize("degree", [1, 4, 9, 32])
def test_l2_is_legendres_projection(degree):
    found = approximate("exp(x)", domain=(-1, 1), degree=degree, objective="l2", format="real", prove=False)
    with mpmath.workdps(110):
        # Integrals of exp(x) x**k, from which those with Legendre polynomials follow.
        moments = [
            sum(sign**k * mpmath.hyp1f1(k + 1, k + 2, sign) for sign in (1, -1)) / (k + 1) for k in range(degree + 1)
        ]
        coef, rest = [mpmath.mpf(0)] * (degree + 1), mpmath.sinh(2)
        for k in range(degree + 1):
            own = legendre_coefficients(k)
            part = sum(a * b for a, b in zip(own, moments, strict=False))
            rest -= (k + mpmath.mpf(1) / 2) * part**2
            for power, value in enumerate(own):
                coef[power] += (k + mpmath.mpf(1) / 2) * part * value
        assert found.loss == pytest.approx(float(mpmath.sqrt(rest)), rel=1e-12)
        assert found.coef == pytest.approx([float(value) for value in coef], rel=1e-13, abs=1e-16)
    assert found.loss * (1 - 1e-10) <= found.lower_bound < found.loss


def legendre_coefficients(degree):
    """The coefficients of a Legendre polynomial, lowest first, exact."""
    before, now = [Fraction(1)], [Fraction(0), Fraction(1)]
    for k in range(1, degree):
        up = [Fraction(0), *(Fraction(2 * k + 1, k + 1) * value for value in now)]
        for power, value in enumerate(before):
            up[power] -= Fraction(k, k + 1) * value
        before, now = now, up
    return [mpmath.mpf(value.numerator) / value.denominator for value in (now if degree else before)]


@pytest.mark.parametrize("objective", ["l2", "l1"])
@pytest.mark.parametrize(
    ("text", "ends", "degree", "error", "name"),
    [
        ("2**x", [(0, 1)], 3, "relative", "real"),
        ("exp(x)", [(0, 1), (2, 3)], 4, "absolute", "float32"),
        ("exp(x)", [(0, 1)], 3, "exp(-x)", "bfloat16"),
        ("sqrt(x)", [(0, 1)], 3, "absolute", "real"),
        ("log(x)", [(1.25, 2)], 4, "relative", "float16"),
        ("sin(x)", [(-1, 1)], 5, "absolute", "float16"),
        ("expm1(x)/x", [(-1, 2)], 4, "absolute", "float64"),
    ],
)
def test_loss_is_the_integral(objective, text, ends, degree, error, name):
    found = approximate(text, domain=ends, degree=degree, error=error, objective=objective, format=name, prove=False)
    with mpmath.workdps(40):
        truth = integral(FUNCTIONS[text], exact(found), ends, power=int(objective[1]), error=error)
    assert found.loss == pytest.approx(float(truth), rel=1e-9)
    assert 0 < found.lower_bound <= found.loss
    assert found.gap == pytest.approx(found.loss / found.lower_bound - 1)


@pytest.mark.parametrize("text", ["exp(x)", "1/(x + 2)"])
@pytest.mark.parametrize("degree", [0, 3, 8])
def test_l1_interpolates_at_the_zeros_of_chebyshevs_polynomial_of_the_second_kind(text, degree):
    """Where f - p changes its sign there and nowhere else, no polynomial has a smaller integral of abs."""
    found = approximate(text, domain=(-1, 1), degree=degree, objective="l1", format="real", prove=False)
    with mpmath.workdps(40):
        coef = exact(found)
        for k in range(1, degree + 2):
            x = mpmath.cos(k * mpmath.pi / (degree + 2))
            assert abs(mpmath.polyval(coef[::-1], x) - FUNCTIONS[text](x)) <= 1e-9 * found.loss
    assert found.gap <= 1e-10


@pytest.mark.parametrize(
    ("text", "domain", "degree", "least"),
    [
        ("abs(x)", (-1, 1), 1, 0.5),  # interpolated at 1/2 and -1/2
        ("where(x < 0.7, 0, 1)", (0, 1), 0, 0.3),  # the median, and the error 0 on an interval
        ("x**-0.5", (0, 1), 0, math.sqrt(8) - 2),  # the median again: integrable, though not its square
        ("where(x < 0.8, x**2, 2)", (0, 1), 2, None),
    ],
)
def test_l1_reaches_its_bound_for_corners_jumps_and_errors_that_are_0_on_an_interval(text, domain, degree, least):
    found = approximate(text, domain=domain, degree=degree, objective="l1", format="real", prove=False)
    assert found.gap <= 1e-9
    if least is not None:
        assert found.loss == pytest.approx(least, rel=1e-10)
    x = np.linspace(*domain, 200_001)[1:]
    function = {"abs(x)": np.abs, "x**-0.5": lambda x: x**-0.5}.get(text)
    if function is not None:
        assert np.abs(found(x) - function(x)).mean() * (domain[1] - domain[0]) == pytest.approx(found.loss, rel=5e-3)


@pytest.mark.parametrize("objective", ["l2", "l1"])
@pytest.mark.parametrize(
    ("text", "domain", "degree", "name", "reach"),
    [
        ("2**x", (0, 1), 2, "q1.3", 4),
        ("exp(x)", (-1, 1), 2, "q2.3", 3),
        ("sin(x)", (0, 1), 1, "bfloat16", 5),
        ("exp(x)", (0, 1), 2, "bfloat16", 5),
        ("1/(x + 2)", (0, 1), 2, "bfloat16", 5),
        ("exp(x)", (-1, 1), 3, "q1.4", 3),
    ],
)
def test_no_neighbour_of_the_rounded_coefficients_is_better(objective, text, domain, degree, name, reach):
    options = {"domain": domain, "degree": degree, "objective": objective, "prove": False}
    found = approximate(text, format=name, **options)
    real = approximate(text, format="real", **options)
    chosen = find_format(name)
    near = []
    for value in map(Fraction, real.coef.tolist()):
        above = [chosen.round(value)]
        below = [above[0]]
        for _ in range(reach):
            above.append(chosen.next_up(above[-1]))
            below.append(chosen.next_down(below[-1]))
        near.append([float(one) for one in {*above, *below}])
    x, weights = np.polynomial.legendre.leggauss(400)
    middle, half = (domain[0] + domain[1]) / 2, (domain[1] - domain[0]) / 2
    x = middle + half * x
    f = np.array([float(FUNCTIONS[text](one)) for one in x.tolist()])
    coefs = np.array(list(itertools.product(*near)))
    errors = np.abs(coefs @ np.vander(x, degree + 1, increasing=True).T - f)
    losses = half * errors @ weights if objective == "l1" else np.sqrt(half * errors**2 @ weights)
    assert found.loss <= losses.min() * (1 + 1e-4)  # what 400 points leave open for abs
    assert all(chosen.holds(Fraction(value)) for value in found.coef.tolist())
    if objective == "l2":
        assert found.gap <= 1e-8  # the whole lattice was searched
        assert found.loss == pytest.approx(losses.min(), rel=1e-9)


@pytest.mark.parametrize("objective", ["l2", "l1"])
@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32", "q2.12"])
@pytest.mark.parametrize("degree", [2, 5, 8])
def test_rounded_coefficients_are_never_worse_than_each_rounded_by_itself(objective, name, degree):
    options = {"domain": (0, 1), "degree": degree, "objective": objective, "prove": False}
    found = approximate("exp(x)", format=name, **options)
    real = approximate("exp(x)", format="real", **options)
    each = {power: find_format(name).round(Fraction(value)) for power, value in enumerate(real.coef.tolist())}
    with mpmath.workdps(30):
        coef = [mpmath.mpf(float(value)) for value in each.values()]
        rounded = integral(mpmath.exp, coef, [(0, 1)], power=int(objective[1]), parts=20)
    assert real.lower_bound <= found.lower_bound * (1 + 1e-9)
    assert found.lower_bound <= found.loss <= float(rounded) * (1 + 1e-9)


@pytest.mark.parametrize("objective", ["l2", "l1"])
@pytest.mark.parametrize(("text", "high", "name"), [("cos(x)", 1, "bfloat16"), ("tanh(x)", 3, "float16")])
def test_more_powers_are_not_worse_where_their_coefficients_are_coarse(objective, text, high, name):
    options = {"domain": (0, high), "objective": objective, "format": name, "prove": False}
    losses = [approximate(text, degree=degree, **options).loss for degree in (3, 6, 11)]
    assert losses[0] > 5 * losses[1] > 5 * losses[2]


def test_l1_in_a_format_is_bounded_where_rounding_is_most_of_the_error():
    found = approximate("sin(x)", domain=(-1, 1), powers=range(8), objective="l1", format="bfloat16", prove=False)
    real = approximate("sin(x)", domain=(-1, 1), powers=range(8), objective="l1", format="real", prove=False)
    assert found.loss > 100 * real.loss
    assert found.gap < 10


def test_conditions_are_met_exactly():
    for objective in ("l2", "l1"):
        options = {"domain": (0, 1), "degree": 4, "objective": objective, "prove": False}
        real = approximate("2**x", through=[0, "1/3", 1], format="real", **options)
        coef = [Fraction(text) for text in real.coef_hex]
        assert (coef[0], sum(coef)) == (1, 2)
        third = sum(value / 3**power for power, value in enumerate(coef))
        assert float(third) == pytest.approx(2 ** (1 / 3), abs=1e-15)
        rounded = approximate("2**x", through=[0, 1], format="float32", **options)
        assert (rounded.coef[0], sum(map(Fraction, rounded.coef.tolist()))) == (1, 2)
        assert rounded.loss >= real.lower_bound / 2
        zeros = approximate("cosh(x) - 1", domain=(-1, 1), degree=6, error="relative", objective=objective)
        assert zeros.coef[0] == zeros.coef[1] == 0
        assert zeros.sup_error_kind == "proved"
        with pytest.raises(DataError, match="contradict"):
            approximate("2**x", through=[0, "1/4", "1/2", 1], format="real", **{**options, "degree": 2})
        with pytest.raises(ArgumentError, match="meets the conditions exactly"):
            approximate("x/3", domain=(0, 1), degree=1, through=[1], objective=objective, format="q1.3")


@pytest.mark.parametrize("objective", ["l2", "l1"])
def test_a_target_that_is_a_polynomial_is_found(objective):
    options = {"domain": (0, 1), "objective": objective}
    found = approximate("x**2 + x/3", degree=3, format="real", **options)
    assert found.coef_hex == ("0", "1/3", "1", "0")
    assert (found.loss, found.sup_error, found.lower_bound) == (0, 0, 0)
    assert approximate("pi*x", degree=1, format="real", **options).loss < 1e-50
    rounded = approximate("x/3", degree=1, format="bfloat16", **options)
    c = rounded.coef.tolist()
    with mpmath.workdps(30):
        truth = integral(lambda x: x / 3, c, [(0, 1)], power=int(objective[1]))
    assert rounded.loss == pytest.approx(float(truth), rel=1e-9)


def test_mixed_formats_have_their_own_numbers():
    names = ["real", "bfloat16", "float16", "bfloat16"]
    for objective in ("l2", "l1"):
        found = approximate("exp(x)", domain=(-1, 1), degree=3, objective=objective, format=names)
        for name, value in zip(names[1:], found.coef.tolist()[1:], strict=True):
            assert find_format(name).holds(Fraction(value))
        coarse = approximate("exp(x)", domain=(-1, 1), degree=3, objective=objective, format=["float16", *names[1:]])
        assert found.loss <= coarse.loss * (1 + 1e-9)


def test_scales_do_not_matter():
    for objective, times in (("l2", 1.0), ("l1", 1.0)):
        one = approximate("exp(x)", domain=(0, 1), degree=4, objective=objective, format="real", error="relative")
        tiny = approximate(
            "1e-100*exp(x)", domain=(0, 1), degree=4, objective=objective, format="real", error="relative"
        )
        assert tiny.loss == pytest.approx(times * one.loss, rel=1e-12)
        short = approximate("exp(1e6*x)", domain=(0, "1e-6"), degree=4, objective=objective, format="real")
        long = approximate("exp(x)", domain=(0, 1), degree=4, objective=objective, format="real")
        share = 1e-3 if objective == "l2" else 1e-6
        assert short.loss == pytest.approx(share * long.loss, rel=1e-9)


def test_a_half_of_a_symmetric_domain_counts_twice():
    for objective in ("l2", "l1"):
        options = {"objective": objective, "format": "real", "powers": [1, 3, 5], "prove": False}
        both = approximate("sin(x)", domain=(-1, 1), **options)
        one = approximate("sin(x)", domain=(0, 1), **options)
        assert both.loss == pytest.approx(one.loss * (2 if objective == "l1" else math.sqrt(2)), rel=1e-11)


@pytest.mark.parametrize(
    ("text", "objective", "words"),
    [
        ("1/x", "l1", "pole"),
        ("1/x", "l2", "pole"),
        ("x**-0.5", "l2", "pole"),
        ("log(x - 0.5)", "l2", "no finite value at x"),
        ("sin(1/x)", "l1", "x = "),
    ],
)
def test_what_cannot_be_integrated_is_refused(text, objective, words):
    for wanted in ({"degree": 2}, {"tolerance": 1e-3}):
        with pytest.raises(DataError, match=words):
            approximate(text, domain=(0, 1), objective=objective, **wanted)


def test_coefficients_beyond_float64_are_refused():
    for name in ("real", "float64"):
        with pytest.raises(ArgumentError, match="beyond all float64"):
            approximate("exp(x)", domain=(1000, 1001), degree=4, error="relative", objective="l2", format=name)


def test_functions_of_floats_are_taken_as_they_are():
    for objective in ("l2", "l1"):
        options = {"domain": (0, 1), "objective": objective, "format": "float32"}
        own, known = approximate(np.exp, degree=5, **options), approximate("exp(x)", degree=5, **options)
        assert own.sup_error_kind == "sampled"
        assert own.loss == pytest.approx(known.loss, rel=1e-7)
        assert own.sup_error == pytest.approx(known.sup_error, rel=1e-6)


def test_enumeration_finds_the_closest_point():
    random = np.random.default_rng(5)
    for _ in range(40):
        m = int(random.integers(1, 5))
        columns, offset = random.normal(size=(m + 1, m)), 3 * random.normal(size=m + 1)
        best: list[tuple[float, list[int]]] = [(math.inf, [])]

        def take(g, columns=columns, offset=offset, best=best):
            best[0] = min(best[0], (float(np.linalg.norm(offset + columns @ np.array(g))), g))
            return best[0][0]

        assert Enumeration(columns, offset, 1e3, take, 10**6).run()
        centre = np.rint(np.linalg.lstsq(columns, -offset, rcond=None)[0])
        around = np.array(list(itertools.product(range(-9, 10), repeat=m))) + centre
        truth = np.linalg.norm(offset + around @ columns.T, axis=1).min()
        assert best[0][0] == pytest.approx(truth, rel=1e-12)
        assert not Enumeration(columns, offset, 1e3, lambda _: 1e3, 5).run()
