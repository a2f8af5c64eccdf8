"""The instructions of a whole function as lines of a language, each as it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from polyoptim.formats import FORMATS
from polyoptim.instructions import INPUT, KINDS, Body, Instruction, Word

SHORT = 64  # integers below are written in decimal


@dataclass(frozen=True)
class Language:
    """How a language writes instructions; `{}` stands for what is put in place.

    Parameters
    ----------
    texts : each kind but "select", of its inputs as they are read.
    to_float, to_word, to_integer : a word read as a float; a float read as a word; a word read with its sign.
    choose, select : a selection of floats, and of words, by a mask.
    mask : a comparison as a mask.
    line : of the kind of a word, its name and its value: "{kind} {name} {value}".
    kinds : the names of the types of floats and words.
    number, whole : a constant as a float, and as a word.
    coefficient : a named constant as a float.
    reads : where a kind is read otherwise than `KINDS` says.
    apart : a product that no compiler may fuse with the sum behind it; empty where none does.
    """

    texts: Mapping[str, str]
    to_float: str
    to_word: str
    to_integer: str
    choose: str
    select: str
    mask: str
    line: str
    kinds: tuple[str, str]
    number: Callable[[Word], str]
    whole: Callable[[int], str]
    coefficient: str = "{}"
    reads: Mapping[str, str] = field(default_factory=dict)
    apart: str = ""


def is_named(name: str) -> bool:
    """Tell whether a constant is a coefficient."""
    return not name.startswith("k")


def hexadecimal(word: Word) -> str:
    """Return a float constant as C and ``float.fromhex`` have it."""
    return FORMATS["float32"].hex(word.value)


def is_plain(word: Word) -> bool:
    """Tell whether a float has a literal: it is finite, and not -0."""
    return word.is_finite and word.bits != 1 << 31


def short(value: int) -> str:
    """Return an integer in decimal or, where it is long, in hexadecimal."""
    return str(value) if value < SHORT else f"{value:#x}"


def products_in_sums(body: Body) -> frozenset[str]:
    """Return the products that are terms of a sum, with which a compiler might fuse them."""
    products = {one.result for one in body.instructions if one.kind == "mul"}
    return frozenset(name for one in body.instructions if one.kind in ("add", "sub") for name in one.inputs) & products


class Lines:
    """The lines of a body in a language."""

    def __init__(self, body: Body, language: Language) -> None:
        self.body, self.language = body, language
        self.floats = body.floats
        self.apart = products_in_sums(body) if language.apart else frozenset()

    @property
    def reads_input(self) -> bool:
        """Whether x is asked for at all."""
        return self.body.output == INPUT or any(INPUT in one.inputs for one in self.body.instructions)

    def lines(self) -> list[str]:
        """Return a line for each instruction."""
        found = []
        for one in self.body.instructions:
            kind = self.language.kinds[one.result not in self.floats]
            found.append(self.language.line.format(kind=kind, name=one.result, value=self._value(one)))
        return found

    def _value(self, one: Instruction) -> str:
        own = self.language
        takes, result = KINDS[one.kind].split()
        takes = own.reads.get(one.kind, takes)
        if one.kind == "select":
            text, takes = (own.choose, "uff") if one.result in self.floats else (own.select, "uuu")
        else:
            text = own.texts[one.kind]
        text = text.format(*(self.read(*pair) for pair in zip(one.inputs, takes, strict=True)))
        if result == "m":
            return own.mask.format(text)
        return own.apart.format(text) if one.result in self.apart else text

    def read(self, name: str, letter: str) -> str:
        """Return a word as it is read: as a float "f", without sign "u" or with it "i"."""
        own = self.language
        word = self.body.constants.get(name)
        if letter == "f":
            if word is not None:
                return own.coefficient.format(name) if is_named(name) else own.number(word)
            return name if name in self.floats else own.to_float.format(name)
        text = own.whole(word.bits) if word is not None else own.to_word.format(name) if name in self.floats else name
        return own.to_integer.format(text) if letter == "i" else text
