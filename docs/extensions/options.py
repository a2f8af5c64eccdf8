"""The options of a command as rows of a table, from the command itself and from the signature of its verb."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polyoptim
from polyoptim.cli import COMMANDS

# Options whose argument has another name in Python.
RENAMED = {
    "set_": "optimizer_options",
    "loss_set": "loss_options",
    "schedule_set": "schedule_options",
    "no_prove": "prove=False",
    "track": "callbacks",
}
# Options that are methods of what the verb returns.
METHODS = {
    "save": ".save(path)",
    "plot": ".plot(path)",
    "csv": ".save_csv(path)",
    "export": ".export(path)",
    "as_json": ".to_dict()",
    "report": ".report()",
    "predict": ".predict(x, interval=…)",
    "level": ".predict(…, level=…)",
    "point": ".point(number)",
    "to": ".export(path, to=…)",
}
# Those of the terminal alone.
TERMINAL = ("quiet", "help")
FIRST = "Arguments"  # the title of what is no option
STATED = re.compile(r"\s*\[default: (.+)\]$")


@dataclass(frozen=True)
class Row:
    """One option: how it is written, its argument in Python, its meaning and its default; "" for what there is not."""

    written: str
    python: str
    meaning: str
    default: str


def panels(command: str, more: Mapping[str, str], besides: Sequence[str] = ()) -> dict[str, list[Row]]:
    """Return the rows of a command under the titles of its help.

    Parameters
    ----------
    command : such as "train".
    more : the meaning of each argument that is no option, in the order of the page.
    besides : other commands; what all of them have alike is left out.

    Raises
    ------
    ValueError
        Where an argument has no meaning, or is told to have one that it has not.
    """
    own = arguments(command).keys() - (alike([command, *besides]) if besides else set())
    others = [_all(other) for other in besides]
    titled = {
        title: rows
        for title, rows in _all(command).items()
        if not others or any(rows != one.get(title) for one in others)
    }
    return {**({FIRST: _first(command, own, more)} if own or more else {}), **titled}


def shared_panels(commands: Sequence[str], more: Mapping[str, str]) -> dict[str, list[Row]]:
    """Return the rows that several commands have alike, under the titles of their help."""
    first, *others = commands
    titles = [title for title, rows in _all(first).items() if all(rows == _all(one).get(title) for one in others)]
    return {FIRST: _first(first, alike(commands), more), **{title: _all(first)[title] for title in titles}}


def arguments(command: str) -> dict[str, str]:
    """Return the arguments that are no options, with the word that stands for each on the command line, or ""."""
    found, signature = COMMANDS[command], parameters(command)
    words = {one.name: one.metavar for one in found.params if one.param_type_name == "argument"}
    if not signature:
        return words
    named = {_python(one).partition("=")[0] for one in found.params if one.param_type_name == "option"}
    left = [name for name in signature if name not in named]
    return {name: next(iter(words.values())) if name == left[0] else "" for name in left}


def alike(commands: Sequence[str]) -> set[str]:
    """Return the arguments that are no options and that all these commands have."""
    return set.intersection(*(set(arguments(one)) for one in commands))


def signature_rows(thing: Any, more: Mapping[str, str]) -> list[Row]:
    """Return the rows of a class or function: `more` has the meaning of each argument, or of several, "a, b".

    Raises
    ------
    ValueError
        Where an argument has no meaning, or is told to have one that it has not.
    """
    signature = inspect.signature(thing).parameters
    listed = {name: meaning for names, meaning in more.items() for name in names.split(", ")}
    if set(listed) != set(signature):
        raise ValueError(
            f"{sorted(set(signature) - set(listed))} have no meaning, {sorted(set(listed) - set(signature))} are none."
        )
    rows = []
    for names, meaning in more.items():
        defaults = {_said(signature[name].default) for name in names.split(", ")}
        if len(defaults) > 1:
            raise ValueError(f"{names} have different defaults: {sorted(defaults)}.")
        rows.append(Row("", names, meaning, defaults.pop()))
    return rows


def parameters(command: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the verb of that name, none where there is no such verb."""
    verb = getattr(polyoptim, command, None)
    return {} if verb is None else inspect.signature(verb).parameters


def _first(command: str, wanted: Collection[str], more: Mapping[str, str]) -> list[Row]:
    if set(more) != set(wanted):
        missing, strange = sorted(set(wanted) - set(more)), sorted(set(more) - set(wanted))
        raise ValueError(f"{command}: {missing} have no meaning here, {strange} should have none.")
    signature, words = parameters(command), arguments(command)
    return [_argument(name, words[name], meaning, signature) for name, meaning in more.items()]


def _argument(name: str, word: str, meaning: str, signature: Mapping[str, inspect.Parameter]) -> Row:
    parameter = signature.get(name)
    required = parameter is None or parameter.default is parameter.empty
    return Row(word, name if parameter else "", meaning, "required" if required else _said(parameter.default))


def _all(command: str) -> dict[str, list[Row]]:
    found, signature = COMMANDS[command], parameters(command)
    options = [one for one in found.params if one.param_type_name == "option"]
    groups = found.context_settings.get("rich_help_config", {}).get("option_groups", {}).get(f"polyoptim {command}", [])
    title_of = {name: group["name"] for group in groups for name in group["options"]}
    titled: dict[str, list[Row]] = {group["name"]: [] for group in groups}
    for one in options:
        title = next((title_of[name] for name in one.opts if name in title_of), "Options")
        titled.setdefault(title, []).append(_row(one, signature))
    return {title: rows for title, rows in titled.items() if rows}


def _row(option: Any, signature: Mapping[str, inspect.Parameter]) -> Row:
    python = _python(option)
    if python.partition("=")[0] not in signature:
        python = METHODS.get(option.name, "")
    if signature and not python and option.name not in TERMINAL:
        raise ValueError(f"{option.opts[0]} has no counterpart in Python, and is not said to belong to the terminal.")
    written = ", ".join(option.opts) + "".join(f" / {other}" for other in option.secondary_opts)
    written += "" if option.is_flag else f" {option.metavar}"
    stated = STATED.search(option.help)
    return Row(written, python, STATED.sub("", option.help), stated[1] if stated else _default(option))


def _python(option: Any) -> str:
    return RENAMED.get(option.name, option.name)


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.is_flag:
        return option.opts[0] if option.secondary_opts and option.default else ""
    return option.default if isinstance(option.default, str) else ""


def _said(value: Any) -> str:
    return "" if value is None or value == () else str(value)
