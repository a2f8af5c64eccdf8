"""The words of an expression: which there are, and which may follow which.

Python's parser would call all of this invalid syntax. Here each mistake has its own reason and its exact place, and
what is left is short and shallow enough for that parser.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polyoptim.errors import ExpressionError
from polyoptim.registry import nearest
from polyoptim.targets.nodes import CONSTANTS, FUNCTIONS

# Far above any formula that people write, far below what exhausts Python's parser or its stack.
MAX_WORDS = 1000  # numbers, names and operators together
MAX_OPEN = 100  # brackets open at one place, or signs in a row

# One character for one, so that places in the text stay. Full-width forms come from Chinese and Japanese keyboards.
_SAME = {0xFF01 + i: 0x21 + i for i in range(94)} | {ord("−"): "-", ord("·"): "*", ord("⋅"): "*", ord("×"): "*"}
GREEK = {"π": "pi", "τ": "tau"}
_LOGIC = ("and", "or", "not")

_WORD = re.compile(
    r"(?P<blank> +)"
    r"|(?P<number>(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?)"
    r"|(?P<name>[A-Za-z_]\w*|[πτ])"
    r"|(?P<operator>\*\*|<=|>=|==|!=|[-+*/<>(),])"
    r"|(?P<other>.)",
    re.ASCII | re.DOTALL,
)

_CHARACTERS = {
    "^": "^ is no power here; use ** for powers.",
    "%": "% is not supported; write a - b*floor(a/b) for the remainder of a/b.",
    "|": "| is not supported; write abs(x) for |x|, and 'or' between conditions.",
    "&": "& is not supported; write 'and' between conditions.",
    "~": "~ is not supported; write 'not' before a condition.",
    "!": "! is not supported; write gamma(x + 1) for a factorial, and 'not' before a condition.",
    "=": "= is not supported; write only what stands to its right, and == in a condition.",
    ".": ". stands in numbers only; write a function by its name alone, such as sin(x).",
    "≤": "≤ is not supported; write <=.",
    "≥": "≥ is not supported; write >=.",
    "≠": "≠ is not supported; write !=.",
    "√": "√ is not supported; write sqrt(x).",
    "÷": "÷ is not supported; write /.",
    **{sign: f"{sign} is not supported; write ** and the power." for sign in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"},
    **{sign: f"{sign} is not supported; use round brackets." for sign in "[]{}"},
    **{sign: f"quoted text ({sign}) is not part of an expression; remove the quotes." for sign in "'\"`"},
}

_OTHER_NAMES = {"ln": "log", "tg": "tan", "sgn": "sign", "fabs": "abs", "logistic": "sigmoid", "swish": "silu"}
_OTHER_NAMES |= {f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
_OTHER_NAMES |= {f"ar{name}": f"a{name}" for name in ("sinh", "cosh", "tanh")}

_INSTEAD = {
    "if": "use where(condition, a, b)",
    "else": "use where(condition, a, b)",
    "lambda": "write only what stands after the colon",
    "pow": "use ** for powers",
    "mod": "write a - b*floor(a/b) for the remainder of a/b",
    "sec": "write 1/cos(x)",
    "csc": "write 1/sin(x)",
    "cot": "write 1/tan(x)",
}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an expression.

    Its kind is number, variable, unknown, other, function, constant, prefix, infix, "(", ")", ",",
    start or end.
    """

    kind: str
    text: str
    position: int

    @property
    def starts_value(self) -> bool:
        """Whether a value may begin with this word; signs aside."""
        return self.kind in ("number", "variable", "unknown", "constant", "function", "(", "prefix")

    @property
    def ends_value(self) -> bool:
        """Whether a value may end with this word."""
        return self.kind in ("number", "variable", "unknown", "constant", ")")


def plain(text: str) -> str:
    """Return the text in the characters Python knows, each in its old place; π and τ stay.

    >>> plain("２·x − 1")
    '2*x - 1'
    """
    return "".join(" " if char.isspace() else char for char in text.translate(_SAME))


def check_words(text: str, variable: str | None) -> None:
    """Raise an ExpressionError at the first word that cannot stand where it does.

    >>> check_words("2x + 1", "x")
    Traceback (most recent call last):
    polyoptim.errors.ExpressionError: an operator is missing between 2 and x; write 2*x for a product.
      2x + 1
       ^
    """
    words = list(_split(text, variable))
    around = zip([Word("start", "", 0), *words], words, [*words[1:], Word("end", "", len(text))], strict=False)
    signs = 0
    for before, word, after in around:
        reason = _about_word(before, word, after, variable)
        if reason:
            raise ExpressionError(reason, text, word.position)
        signs = signs + 1 if word.kind in ("infix", "prefix") else 0
        if signs > MAX_OPEN:
            reason = f"more than {MAX_OPEN} signs follow each other; keep one or none."
            raise ExpressionError(reason, text, word.position)
    _check_brackets(text, words)


def _split(text: str, variable: str | None) -> Iterator[Word]:
    """Yield the words, also single characters that no expression has."""
    source, count = plain(text), 0
    for match in _WORD.finditer(source):
        word, position = match.group(), match.start()
        if match.lastgroup == "blank":
            continue
        kind = match.lastgroup if match.lastgroup in ("number", "other") else _kind(word, variable)
        count += kind not in "(),"
        if count > MAX_WORDS:
            reason = f"the expression has more than {MAX_WORDS} numbers, names and operators; shorten it."
            raise ExpressionError(reason, text, position)
        yield Word(kind, word, position)


def _kind(word: str, variable: str | None) -> str:
    if word in ("(", ")", ","):
        return word
    if word in _LOGIC:
        return "prefix" if word == "not" else "infix"
    if not (word[0].isalpha() or word[0] == "_"):
        return "infix"
    if word == variable:
        return "variable"
    if word in FUNCTIONS:
        return "function"
    return "constant" if word in CONSTANTS or word in GREEK else "unknown"


def _about_character(char: str) -> str:
    if char in _CHARACTERS:
        return _CHARACTERS[char]
    shown = repr(char) if char.isascii() else f"{char!r} ({unicodedata.name(char, ascii(char)).lower()})"
    return f"the character {shown} has no meaning in an expression; remove it."


def _about_word(before: Word, word: Word, after: Word, variable: str | None) -> str | None:
    """Return why `word` cannot stand between its neighbours, or None."""
    value = f"a number or {variable}" if variable else "a number"
    if word.kind == "other":
        return _about_character(word.text)
    if word.kind == "unknown":
        return _about_unknown(before, word, after, variable)
    if before.ends_value and word.starts_value and word.kind != "prefix":
        left = before.text if before.kind != ")" else "(…)"
        right = {"(": "(…)", "function": f"{word.text}(…)"}.get(word.kind, word.text)
        return f"an operator is missing between {left} and {right}; write {left}*{right} for a product."
    if word.kind == "function" and after.kind != "(":
        advice = f"put its argument in brackets, as in {word.text}({variable or 1})"
        return f"{word.text} is a function; {advice}."
    if word.kind == "number" and re.fullmatch(r"0[\d_]*[1-9][\d_]*", word.text):
        return f"the whole number {word.text} starts with a zero; write {word.text.lstrip('0_')}."
    if word.kind in ("infix", ",", ")") and not before.ends_value:
        if before.text == word.text == "/":
            return "// is not supported; write floor(a/b)."
        sign = word.text in ("+", "-")
        empty = before.kind == "(" and word.kind == ")"  # whether a function may be called so is seen later
        if not sign and not empty:
            return f"a value is missing before {word.text}; write {value}."
    if word.kind in ("infix", "prefix", ",") and after.kind == "end":
        return f"a value is missing after {word.text}; write {value}."
    return None


def _about_unknown(before: Word, word: Word, after: Word, variable: str | None) -> str:
    if before.kind == "number" and word.text in ("j", "J"):
        return "complex numbers are not supported; write real numbers only."
    if before.text == "0" and re.fullmatch(r"[xXoObB]\w+", word.text):
        return f"whole numbers are decimal here; write the value of 0{word.text} in decimal."
    if after.text == ".":
        return f"{word.text}. is not supported; write a function by its name alone, such as sin(x)."
    return _about_name(word.text, variable, called=after.kind == "(")


def _about_name(name: str, variable: str | None, called: bool) -> str:
    if name in _INSTEAD:
        return f"{name} is not supported; {_INSTEAD[name]}."
    if called or name in _OTHER_NAMES:
        guess = _OTHER_NAMES.get(name) or nearest(name, FUNCTIONS)
        hint = f"did you mean {guess!r}?" if guess else f"known are {', '.join(sorted(FUNCTIONS))}."
        return f"unknown function {name!r}; {hint}"
    if variable is None:
        return f"unknown name {name!r}; only numbers, pi, e and tau may stand here."
    guess = nearest(name, [*FUNCTIONS, *CONSTANTS]) if len(name) > 1 else None
    return f"unknown name {name!r}; the variable is {variable}" + (f", or did you mean {guess!r}?" if guess else ".")


def _check_brackets(text: str, words: Sequence[Word]) -> None:
    brackets: list[tuple[Word, bool]] = []  # each open one, and whether it is that of a call
    before = Word("start", "", 0)
    for word in words:
        called = bool(brackets) and brackets[-1][1]
        reason = None
        if word.kind == "(":
            brackets.append((word, before.kind == "function"))
            if len(brackets) > MAX_OPEN:
                reason = f"more than {MAX_OPEN} brackets are open here; use fewer."
        elif word.kind == "," and not called:
            reason = "a comma separates the arguments of a function; write decimals with a point, such as 0.5."
        elif word.kind == ")" and not brackets:
            reason = "this ) closes no bracket; remove it."
        elif word.kind == ")" and before.kind == "(" and not called:
            reason = "there is nothing between these brackets; remove them."
        if reason:
            raise ExpressionError(reason, text, word.position)
        if word.kind == ")":
            brackets.pop()
        before = word
    if brackets:
        raise ExpressionError("this ( is never closed; add a ).", text, brackets[-1][0].position)
