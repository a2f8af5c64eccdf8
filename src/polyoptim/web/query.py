"""The state of the page, as it stands in its address, read into arguments; every wrong field gets its sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from polyoptim.errors import ArgumentError, ExpressionError, PolyoptimError
from polyoptim.optim.rule import Rule
from polyoptim.registry import match
from polyoptim.targets.expression import integer, number, parse
from polyoptim.web.choices import SCHEDULES
from polyoptim.web.limits import LIMITS

Value = TypeVar("Value")
# What a sentence begins with is the argument that it is about; these stand in the page under another name.
FIELDS = {"optimizer_options": "optimizer", "schedule_options": "schedule", "expression": "target"}
WHOLE = "page"  # the field of what belongs to no other


class BadRequestError(PolyoptimError, ValueError):
    """A request that cannot be answered: a sentence for each field that is wrong.

    Parameters
    ----------
    fields : name of the field to its sentence.
    position : of the mistake in the target's text, where it is known.
    """

    def __init__(self, fields: Mapping[str, str], position: int | None = None) -> None:
        super().__init__(dict(fields), position)
        self.fields, self.position = dict(fields), position


def bad_request(error: PolyoptimError, *names: str) -> BadRequestError:
    """Return an error of the package with each of its sentences at the field that it is about.

    >>> bad_request(ArgumentError("degree must be an integer >= 0, got -1."), "degree").fields
    {'degree': 'degree must be an integer >= 0, got -1.'}
    >>> bad_request(ArgumentError("gamma must be a number, got 'a'."), "schedule.gamma").fields
    {'schedule.gamma': "gamma must be a number, got 'a'."}
    """
    if isinstance(error, BadRequestError):
        return error
    if isinstance(error, ExpressionError):
        return BadRequestError({"target": error.reason}, error.position)
    fields: dict[str, str] = {}
    places = {name.rpartition(".")[2]: name for name in names}  # schedule.gamma is gamma to who complains
    sentences = [str(error)] if not isinstance(error, ArgumentError) else str(error).splitlines()
    for sentence in sentences:
        known = re.match(r"(?:unknown |the )?(\w+)", sentence)
        word = known[1] if known else WHOLE
        word = "schedule" if word in SCHEDULES else FIELDS.get(word, word)
        place = places.get(word, WHOLE)
        fields[place] = f"{fields[place]} {sentence}" if place in fields else sentence
    return BadRequestError(fields)


class Query:
    """Reads the values of a query and collects what is wrong with them.

    Parameters
    ----------
    values : names to texts.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values, self._wrong = values, {}
        self._position: int | None = None
        for name, value in values.items():
            if len(value) > LIMITS.text:
                self._wrong[name] = f"{name} has {len(value)} characters, more than {LIMITS.text}. Shorten it."

    def read(self, name: str, default: Value, reader: Callable[[str], Value]) -> Value:
        """Return what `reader` makes of the value of this name; the default where there is none, or a wrong one."""
        text = self.values.get(name)
        if text is None or name in self._wrong:
            return default
        try:
            return reader(text)
        except ExpressionError as error:
            self._wrong[name] = error.reason
            if name == "target":
                self._position = error.position
        except PolyoptimError as error:
            self._wrong[name] = str(error)
        return default

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        return self.read(name, default, str)

    def number(self, name: str, default: float) -> float:
        """Return a finite number, which may be written as an expression such as 2**-10."""
        return self.read(name, default, lambda text: number(text, name))

    def whole(self, name: str, default: int, most: int, least: int = 0) -> int:
        """Return a whole number from `least` to `most`."""

        def reader(text: str) -> int:
            found = integer(text, name, least)
            if found > most:
                raise ArgumentError(f"{name} must be at most {most} here, got {found}.")
            return found

        return self.read(name, default, reader)

    def choice(self, name: str, default: str, known: Any) -> str:
        """Return one of the known names."""
        return self.read(name, default, lambda text: match(name, text, known))

    def truth(self, name: str, default: bool = False) -> bool:
        """Return whether something is so."""
        return self.choice(name, str(default).lower(), ("true", "false")) == "true"

    def pair(self, name: str, default: tuple[str, str]) -> tuple[str, str]:
        """Return two texts with a comma between them."""
        return self.read(name, default, lambda text: _pair(name, text))

    def options(self, rule: Rule) -> dict[str, Any]:
        """Return the options of an optimizer that the query names, lr aside."""
        given = {name: value for name, value in rule.options.items() if name in self.values and name != "lr"}
        return {name: self.read(name, default, _option_reader(name, default)) for name, default in given.items()}

    def schedule(self, steps: int, lr: float) -> tuple[str | None, dict[str, Any]]:
        """Return the schedule by name and its options: those of the query, and for the others what the page offers."""
        name = self.choice("schedule", "none", ("none", *SCHEDULES))
        if name == "none":
            return None, {}
        options = {}
        for option, part in SCHEDULES[name].items():
            field = f"schedule.{option}"
            default = offered(part, steps, lr)
            options[option] = self.read(field, default, _option_reader(option, default))
        return name, options

    def done(self) -> None:
        """Raise what was collected.

        Raises
        ------
        BadRequestError
        """
        if self._wrong:
            raise BadRequestError(self._wrong, self._position)


def offered(part: Mapping[str, Any], steps: int, lr: float) -> Any:
    """Return the value that the page offers for an option of a schedule.

    >>> offered({"steps": 0.25}, 2000, 0.1), offered({"lr": 10.0}, 2000, 0.1), offered({"list": [0.5, 0.75]}, 200, 0.1)
    (500, 1.0, [100, 150])
    """
    [(kind, value)] = part.items()
    if kind == "steps":
        return max(1, round(value * steps))
    if kind == "lr":
        return value * lr
    return [max(1, round(share * steps)) for share in value] if kind == "list" else value


def _pair(name: str, text: str) -> tuple[str, str]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise ArgumentError(f"{name} must be two values with a comma between them, got {text!r}.")
    return parts[0].strip(), parts[1].strip()


def _option_reader(name: str, default: Any) -> Callable[[str], Any]:
    """Return what reads an option from text by the kind of its default."""
    if isinstance(default, bool):
        return lambda text: match(name, text, ("true", "false")) == "true"
    if isinstance(default, str):
        return _expression if name == "lr_lambda" else str
    if isinstance(default, (tuple, list)):
        kind = type(default)
        return lambda text: kind(_number_or_none(name, part) for part in text.split(","))
    if isinstance(default, int) and default > 1:
        return lambda text: integer(text, name)
    return lambda text: _number_or_none(name, text)


def _expression(text: str) -> str:
    parse(text)
    return text


def _number_or_none(name: str, text: str) -> Any:
    text = text.strip()
    if text.casefold() == "none":
        return None
    if text == "strong_wolfe":
        return text
    found = number(text, name)
    return int(found) if found.is_integer() and re.fullmatch(r"[+-]?\d+", text) else found


def described(error: BadRequestError) -> dict[str, Any]:
    """Return an error for JSON."""
    return {"error": {"message": " ".join(error.fields.values()), "fields": error.fields, "position": error.position}}
