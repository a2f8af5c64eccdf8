"""LaTeX: the brackets and signs that a mathematician expects."""

import pytest

from polyoptim.targets.expression import parse
from polyoptim.targets.nodes import FUNCTIONS


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("sin(x)", r"\sin\left(x\right)"),
        ("sin(x)**2", r"\sin^{2}\left(x\right)"),
        ("sin(x)**-1", r"\left(\sin\left(x\right)\right)^{-1}"),
        ("log(x)**2", r"\left(\ln\left(x\right)\right)^{2}"),
        ("abs(x)**2", r"\left|x\right|^{2}"),
        ("exp(-x**2)*cos(3*x)", r"e^{-x^{2}} \cos\left(3 x\right)"),
        ("exp(x)**2", r"\left(e^{x}\right)^{2}"),
        ("2**x", "2^{x}"),
        ("(-2)**x", r"\left(-2\right)^{x}"),
        ("-2**x", "-2^{x}"),
        ("(x**2)**3", r"\left(x^{2}\right)^{3}"),
        ("x**2**3", "x^{2^{3}}"),
        ("x/2", r"\frac{x}{2}"),
        ("(x/2)**2", r"\left(\frac{x}{2}\right)^{2}"),
        ("(x + 1)/(x - 1)", r"\frac{x + 1}{x - 1}"),
        ("1/2*x", r"\frac{1}{2} x"),
        ("2*(1/2)", r"2 \cdot \frac{1}{2}"),
        ("2*3*x*4", r"2 \cdot 3 x \cdot 4"),
        ("2*10**x", r"2 \cdot 10^{x}"),
        ("x*(x + 1)", r"x \left(x + 1\right)"),
        ("x*-x", r"x \left(-x\right)"),
        ("x - (x - 1)", r"x - \left(x - 1\right)"),
        ("x - -x", r"x - \left(-x\right)"),
        ("x + -2*x", r"x + \left(-2 x\right)"),
        ("-(x + 1)", r"-\left(x + 1\right)"),
        ("--x", r"-\left(-x\right)"),
        ("1e-3*x", "10^{-3} x"),
        ("2.5e+06*x", r"2.5 \cdot 10^{6} x"),
        (".5*x + 1_000 + 2.", "0.5 x + 1000 + 2"),
        ("pi*x/tau + e", r"\frac{\pi x}{\tau} + e"),
        ("sqrt(x) + cbrt(x)", r"\sqrt{x} + \sqrt[3]{x}"),
        ("exp2(x) - expm1(x)", r"2^{x} - \left(e^{x} - 1\right)"),
        ("log1p(exp(x))", r"\ln\left(1 + e^{x}\right)"),
        ("log2(x) + log10(x)", r"\log_{2}\left(x\right) + \log_{10}\left(x\right)"),
        ("asin(x) + asinh(x)", r"\arcsin\left(x\right) + \operatorname{arsinh}\left(x\right)"),
        ("erf(x)*gamma(x)", r"\operatorname{erf}\left(x\right) \Gamma\left(x\right)"),
        ("lgamma(x)", r"\ln\left|\Gamma\left(x\right)\right|"),
        ("floor(x) + ceil(x)", r"\left\lfloor x\right\rfloor + \left\lceil x\right\rceil"),
        ("sign(x)*max(x, 0, 1)", r"\operatorname{sgn}\left(x\right) \max\left(x, 0, 1\right)"),
        ("where(x > 0, x, -x)", r"\begin{cases} x & \text{if } x > 0 \\ -x & \text{otherwise} \end{cases}"),
        (
            "1 + where(0 < x <= 1 and not x == 0.5 or x != 2, 1, 2)",
            r"1 + \left(\begin{cases} 1 & \text{if } 0 < x \le 1 \land \lnot \left(x = 0.5\right) \lor x \ne 2 \\"
            r" 2 & \text{otherwise} \end{cases}\right)",
        ),
        (
            "where((x < 0 or x >= 2) and x > -5, 1, 2)",
            r"\begin{cases} 1 & \text{if } \left(x < 0 \lor x \ge 2\right) \land x > -5 \\"
            r" 2 & \text{otherwise} \end{cases}",
        ),
    ],
)
def test_latex_reads_as_written_by_hand(text, tex):
    assert parse(text).latex() == tex


@pytest.mark.parametrize("name", FUNCTIONS)
def test_latex_knows_every_function(name):
    args = {"min": "x, 0", "max": "x, 0", "where": "x > 0, 1, 0"}.get(name, "x")
    assert "x" in parse(f"{name}({args})").latex()
