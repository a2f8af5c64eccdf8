"""What is an expression and what is not; where and how an error is reported; limits."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyoptim.errors import ArgumentError, ExpressionError
from polyoptim.targets.expression import Expression, parse
from polyoptim.targets.nodes import Number

# Text, start of the reason, and a caret under its place.
MISTAKES = [
    ("x^2", "use ** for powers", 1),
    ("2x", "write 2*x for a product", 1),
    ("2 sin(x)", "write 2*sin(…) for a product", 2),
    ("x(x+1)", "write x*(…) for a product", 1),
    ("(x+1)(x-1)", "write (…)*(…) for a product", 5),
    ("pi x", "write pi*x for a product", 3),
    ("sin x", "put its argument in brackets, as in sin(x)", 0),
    ("1 + sin", "put its argument in brackets, as in sin(x)", 4),
    ("|x|", "write abs(x)", 0),
    ("x²", "write ** and the power", 1),
    ("x % 2", "write a - b*floor(a/b)", 2),
    ("x // 2", "write floor(a/b)", 3),
    ("x / / 2", "write floor(a/b)", 4),
    ("ln(x)", "did you mean 'log'?", 0),
    ("1 + arctan(x)", "did you mean 'atan'?", 4),
    ("sine(x)", "did you mean 'sin'?", 0),
    ("__import__('os')", "unknown function '__import__'; known are", 0),
    ("np.sin(x)", "write a function by its name alone", 0),
    ("x.real", ". stands in numbers only", 1),
    ("y + 1", "unknown name 'y'; the variable is x.", 0),
    ("π*y", "unknown name 'y'; the variable is x.", 2),
    ("  π − X", "unknown name 'X'; the variable is x.", 6),
    ("lambda x: x", "write only what stands after the colon", 0),
    ("x if x > 0 else 1", "use where(condition, a, b)", 2),
    ("'x'", "remove the quotes", 0),
    ("y = 3", "unknown name 'y'", 0),
    ("x = 3", "write only what stands to its right", 2),
    ("x[0]", "use round brackets", 1),
    ("x; x", "the character ';' has no meaning", 1),
    ("x\x00", r"the character '\x00' has no meaning", 1),
    ("\ud800", r"the character '\ud800'", 0),
    ("é", "latin small letter e with acute", 0),
    ("1j*x", "complex numbers are not supported", 1),
    ("0x10", "write the value of 0x10 in decimal", 1),
    ("007", "write 7", 0),
    ("1__0", "unknown name '__0'", 1),
    ("x +", "a value is missing after +", 2),
    ("* x", "a value is missing before *", 0),
    ("2*)", "a value is missing before )", 2),
    ("sin(x,)", "a value is missing before )", 6),
    ("sin(*x)", "a value is missing before *", 4),
    ("()", "nothing between these brackets", 1),
    ("2*(x + (1", "this ( is never closed", 7),
    ("x)", "this ) closes no bracket", 1),
    ("1,5*x", "write decimals with a point", 1),
    ("sin((x, 1))", "write decimals with a point", 6),
    ("sin()", "sin takes 1 argument, got 0; write sin(x).", 0),
    ("1 + sin(x, 1)", "sin takes 1 argument, got 2", 4),
    ("min(x)", "min takes 2 or more arguments, got 1; write min(x, 1).", 0),
    ("where(x > 0, 1)", "where takes 3 arguments (condition, a, b), got 2", 0),
    ("where(x, 1, 2)", "where needs a condition here, not a number", 6),
    ("where(x > 0 or x, 1, 2)", "or needs a condition here", 15),
    ("where(not x, 1, 2)", "not needs a condition here", 10),
    ("x > 0", "use where(condition, a, b)", 0),
    ("2*(x > 0) + 1", "use where(condition, a, b)", 3),
    ("π + (x > 0)", "use where(condition, a, b)", 5),
    ("x or x", "use where(condition, a, b)", 0),
    ("x + not x", "cannot be read as an expression", 4),
    ("where(1 < where(1 < x < 2, 1, 2) < 2, 1, 2)", "join them with 'and'", 10),
    ("", "the expression is empty", 0),
    (" \n\t", "the expression is empty", 0),
]


@pytest.mark.parametrize(("text", "reason", "position"), MISTAKES)
def test_error_says_what_to_do_and_where(text, reason, position):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    assert reason in error.reason
    assert error.reason.endswith((".", "?"))
    assert (error.text, error.position) == (text, position)
    assert str(error).splitlines()[-1] == " " * (2 + position) + "^"


@pytest.mark.parametrize(
    "text",
    [
        "-" * 100_000 + "x",
        "(" * 100_000,
        "1+" * 50_000 + "1",
        "x**" * 1300 + "x",
        "sin(" * 1000,
        "-" * 3999 + "x",
        "-" * 990 + "x",
        "not " * 990 + "x",
        "x**-" * 300 + "x",
        "(" * 150 + "x" + ")" * 150,
        "1+" * 400 + "1",
        "x**" * 450 + "x",
        ("(" + "-" * 9) * 100 + "x" + ")" * 100,
        "9" * 5000,
        "x<" * 490 + "x",
        ")" * 4000,
    ],
    ids=lambda text: text[:5],
)
def test_limit_is_a_clear_error_in_bounded_memory(text):
    tracemalloc.start()
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(str(caught.value)) < 400
    assert peak < 10e6


@pytest.mark.parametrize(
    "text",
    [
        "1" + "+x" * 198,
        "(" * 100 + "x" + ")" * 100,
        "abs(" * 99 + "x" + ")" * 99,
        "-" * 99 + "x",
        "x**" * 99 + "x",
        "where(x>0," * 99 + "x" + ",x)" * 99,
    ],
)
def test_expression_just_within_limits_works_on_every_face(text):
    expression = parse(text)
    assert expression.latex()
    assert compile(expression.source("numpy")[0], "source", "eval")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("  x  ", "x"),
        ("x +\n\t1", "x + 1"),
        ("sin（x）＋２", "sin(x)+2"),
        ("2·x×3⋅x − 1", "2*x*3*x - 1"),
        ("π + τ", "pi + tau"),
        ("+x", "x"),
        ("((x))", "x"),
        ("where(x>1or x<0,1,2)", "where(x>1 or x<0,1,2)"),
    ],
)
def test_spelling_does_not_matter(text, same):
    assert parse(text).root == parse(same).root


@pytest.mark.parametrize("text", ["0.1", "1_000", "1e-3", ".5", "5.", "1E+05", "0", "00", "9" * 3999])
def test_literal_keeps_its_text(text):
    assert parse(text).root == Number(text)


@pytest.mark.parametrize("value", [None, 1, b"x", ["x"]])
def test_text_must_be_text(value):
    with pytest.raises(ArgumentError, match="an expression must be text such as 'sin\\(x\\)', got"):
        parse(value)


def parses_or_explains(text):
    try:
        result = parse(text)
    except ExpressionError as error:
        result = error
    if isinstance(result, Expression):
        assert result.latex()
        return
    assert result.position is None or 0 <= result.position <= len(text)
    assert result.reason[-1] in ".?"
    assert "\n" not in result.reason


@given(st.text())
def test_parse_explains_any_text(text):
    parses_or_explains(text)


WORDS = [
    "x",
    "pi",
    "π",
    "2",
    "0.5",
    "1e3",
    "1j",
    "0x1",
    "sin",
    "where",
    "min",
    "and",
    "or",
    "not",
    "if",
    "y",
    "ln",
    "_",
]
SIGNS = [
    "+",
    "-",
    "*",
    "**",
    "/",
    "//",
    "(",
    ")",
    "()",
    ",",
    "<",
    "<=",
    "==",
    "=",
    "^",
    ".",
    " ",
    "\n",
    "²",
    "−",
    "'",
    "#",
]


@given(st.lists(st.sampled_from(WORDS + SIGNS), max_size=30).map("".join))
def test_parse_explains_any_words(text):
    parses_or_explains(text)


@given(
    st.sampled_from(
        ["exp(-x**2)*cos(3*x)", "where(0 < x <= 1 and not x == 2, -x, min(x, 1, pi))", "(1 + x)/(2 − π*x)"]
    ),
    st.data(),
)
def test_parse_explains_mutated_expression(text, data):
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        removed = data.draw(st.integers(0, 2))
        text = text[:place] + data.draw(st.sampled_from(["", *WORDS, *SIGNS])) + text[place + removed :]
    parses_or_explains(text)
