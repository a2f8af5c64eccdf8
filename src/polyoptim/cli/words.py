"""What click's parser lacks: targets that begin with a minus sign, and options that take several words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

import rich_click as click
from click.shell_completion import CompletionItem

from polyoptim.errors import ArgumentError, PolyoptimError
from polyoptim.registry import Registry

# Put before a word that begins with a minus sign but is no option, and taken off again when it is read.
_MARK = "\N{ZERO WIDTH SPACE}"
_OPTION_NAME = re.compile(r"--[A-Za-z][A-Za-z-]*(=.*)?", re.DOTALL)
_SETTING = re.compile(r"[A-Za-z_]\w*=(?!=)")
_EXPORT = re.compile(r".+\.(py|ipynb|json|onnx|tex|h|c|cuh)$")
# Options that may be followed by several words, and what such a word looks like.
_SEVERAL = {"--set": _SETTING, "--loss-set": _SETTING, "--schedule-set": _SETTING, "--export": _EXPORT}


class Command(click.RichCommand):
    """A command whose words are prepared before click parses them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, those that begin with a minus sign included."""
        try:
            return super().parse_args(ctx, _prepare(self, ctx, args))
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser leaves it out for some; the message names the command
            raise


def _prepare(command: click.Command, ctx: click.Context, words: Sequence[str]) -> list[str]:
    takes = {
        name: 0 if getattr(parameter, "is_flag", False) else parameter.nargs
        for parameter in command.get_params(ctx)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if isinstance(parameter, click.Option)
    }
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*found, word, *rest]
        if word in takes:
            count = takes[word]
            found += [word, *rest[:count]]
            rest = rest[count:]
            looks = _SEVERAL.get(word)
            while looks and rest and not rest[0].startswith("-") and looks.match(rest[0]):
                found += [word, rest.pop(0)]
        elif word.startswith("-") and word != "-" and not _OPTION_NAME.fullmatch(word):
            found.append(_MARK + word)
        else:
            found.append(word)
    return found


def unmarked(word: str) -> str:
    """Return words as the user wrote them."""
    return word.replace(_MARK, "")


class Word(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """An argument as the user wrote it, a minus sign in front included."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """Take the mark off."""
        return unmarked(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Let the shell complete the names of files."""
        return [CompletionItem(incomplete, type="file")]


WORD = Word()


# Loaded late: --help needs no NumPy.
READERS = Registry("reader", {"number": "polyoptim.targets.expression:number"})


class Number(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """A number, or an expression for one: 0.001, 2**-10, -pi/2; checked by the function that takes it."""

    name = "number"


NUMBER = Number()


def settings(option: str, pairs: Sequence[str]) -> dict[str, Any] | None:
    """Return {name: value} for words ``NAME=VALUE``, or None where there are none."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ArgumentError(f"{option} takes NAME=VALUE, got {pair!r}.")
        if name in found:
            raise ArgumentError(f"{option} has {name!r} twice. Give it once.")
        found[name] = value(text)
    return found or None


def value(text: str) -> Any:
    """Return the value that a word stands for.

    Truth values, None, JSON in brackets, numbers and expressions for them, several of these with commas, or the text.

    >>> value("0.9,0.999"), value("true"), value("2**-10"), value("strong_wolfe"), value("100")
    ((0.9, 0.999), True, 0.0009765625, 'strong_wolfe', 100)
    """
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.casefold() in words:
        return words[text.casefold()]
    if text[:1] in ("[", "{", "("):
        try:
            return json.loads(text)
        except ValueError:
            pass
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text
    if re.fullmatch(r"[+-]?\d{1,20}", text):
        return int(text)
    try:
        return READERS["number"](text)
    except PolyoptimError:
        pass
    if "," in text and "(" not in text:
        return tuple(value(part.strip()) for part in text.split(",") if part.strip())
    return text


def powers(text: str | None) -> list[Any] | None:
    """Return the powers of ``0,1,3``."""
    return None if text is None else [part.strip() for part in text.split(",")]


def coefficients(pairs: Sequence[str]) -> dict[str, str] | None:
    """Return the coefficients of words ``POWER=VALUE``, None for none."""
    found: dict[str, str] = {}
    for pair in pairs:
        power, equals, text = pair.partition("=")
        if not equals:
            raise ArgumentError(f"--fixed takes POWER=VALUE, got {pair!r}.")
        if power in found:
            raise ArgumentError(f"--fixed has the power {power!r} twice. Give it once.")
        found[power] = text
    return found or None


def words(text: str) -> list[str]:
    """Return the words between the commas that are in no brackets.

    >>> words("SGD, Adam:betas=(0.9,0.99)")
    ['SGD', 'Adam:betas=(0.9,0.99)']
    """
    parts = re.split(r",(?![^()\[\]]*[)\]])", text)
    return [part.strip() for part in parts if part.strip()]


def racer(text: str) -> tuple[str, dict[str, Any]]:
    """Return the optimizer and the options of ``SGD:momentum=0.9:nesterov=true``.

    >>> racer("SGD:momentum=0.9:nesterov=true")
    ('SGD', {'momentum': 0.9, 'nesterov': True})
    """
    name, *options = text.split(":")
    return name, settings("--optimizers", options) or {}


def grid_of(option: str, text: str) -> Any:
    """Return the range of ``FIRST:LAST:COUNT`` or ``FIRST:LAST:COUNT:log``, or the list of values with commas.

    >>> grid_of("--lrs", "1e-6:1:7:log"), grid_of("--over", "power,legendre"), grid_of("--over", "true,false")
    ((1e-06, 1, 7, 'log'), ['power', 'legendre'], [True, False])
    """
    if ":" not in text:
        return [value(part) for part in words(text)]
    parts = [part.strip() for part in text.split(":")]
    if not (len(parts) == 3 or (len(parts) == 4 and parts[3].casefold() in ("log", "lin"))):
        raise ArgumentError(
            f"{option} takes FIRST:LAST:COUNT, FIRST:LAST:COUNT:log or values with commas, got {text!r}."
        )
    found = tuple(value(part) for part in parts[:3])
    return (*found, "log") if parts[-1].casefold() == "log" else found


def over_axis(text: str) -> tuple[str, Any]:
    """Return name and values of ``NAME=VALUES``."""
    name, equals, values = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ArgumentError(f"--over takes NAME=VALUES, such as lr=1e-6:1:61:log, got {text!r}.")
    return name.strip(), grid_of("--over", values)
