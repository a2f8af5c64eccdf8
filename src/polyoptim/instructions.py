"""Instructions: a whole function as a list of operations on words of 32 bits, without branches and tables.

A word is read as a float32, as an integer with or without sign, or as a mask, whichever its instruction asks for;
nothing converts between them unless "int" or "flt" says so. What reads such a body - a printer of C, the reference
evaluation, a check of all inputs - does each instruction as it stands, so that all of them speak of the same function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from polyoptim.formats import FORMATS, Format
from polyoptim.schemes import program

BITS, MASK = 32, 0xFFFFFFFF
INPUT = "x"

# How each kind reads its words, and what its result is: "f" a float32, "i" an integer with sign, "u" one without, "m" a
# mask, all ones or 0, "w" any word.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        # float32, rounded once to nearest and even, with gradual underflow; "sub" is a - b, "fma" a * b + c
        "mul": "ff f",
        "add": "ff f",
        "sub": "ff f",
        "div": "ff f",
        "fma": "fff f",
        # integers, which wrap; the low and the high half of a product; "shr" fills with 0, "sar" with the sign
        "iadd": "uu u",
        "isub": "uu u",
        "imul": "uu u",
        "umulhi": "uu u",
        "and": "uu u",
        "or": "uu u",
        "xor": "uu u",
        "shl": "uu u",
        "shr": "uu u",
        "sar": "iu i",
        # a float with an integral value that an int32 holds, to that int32; an int32 to the nearest float
        "int": "f i",
        "flt": "i f",
        # comparisons, of floats false where one is NaN; of integers with sign, without, and of words
        "lt": "ff m",
        "le": "ff m",
        "eq": "ff m",
        "ilt": "ii m",
        "ult": "uu m",
        "ieq": "uu m",
        # the second word where the mask is all ones, else the third
        "select": "mww w",
    }
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation of a kind of `KINDS`, which names its result."""

    result: str
    kind: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A constant: 32 bits, and whether a person reads them as a float32."""

    bits: int
    is_float: bool

    @property
    def value(self) -> Fraction:
        """The rational number that the bits of a float32 stand for."""
        own = FORMATS["float32"]
        assert own.digits is not None  # noqa: S101 - it is a floating-point format
        assert own.finest is not None  # noqa: S101
        high, low = self.bits >> (own.digits - 1) & 0xFF, self.bits & ((1 << (own.digits - 1)) - 1)
        size = Fraction(low | (1 << (own.digits - 1) if high else 0)) * Fraction(2) ** (own.finest + max(high - 1, 0))
        return -size if self.bits >> (BITS - 1) else size

    @property
    def is_finite(self) -> bool:
        """Whether the bits of a float32 stand for a number."""
        return self.bits >> 23 & 0xFF != 0xFF


@dataclass(frozen=True)
class Body:
    """A function of one word.

    Parameters
    ----------
    constants : named words; coefficients are among them.
    instructions : in order; each names its result, once. The input is "x".
    output : the name that holds the value in the end.
    usual : the name of a mask, all ones for inputs as they usually are; empty where there is none. Code may ask for it
        first, and leave out for them what only others need.
    """

    constants: Mapping[str, Word]
    instructions: tuple[Instruction, ...]
    output: str
    usual: str = ""

    def __post_init__(self) -> None:
        known = {INPUT, *self.constants}
        for one in self.instructions:
            takes = KINDS[one.kind].split()[0]
            if len(takes) != len(one.inputs) or not known.issuperset(one.inputs) or one.result in known:
                raise ValueError(f"{one} has wrong inputs, or a name that is taken")
            known.add(one.result)
        if self.output not in known or not known.issuperset([self.usual] if self.usual else []):
            raise ValueError(f"{self.output} or {self.usual} is the name of no word")

    def __hash__(self) -> int:
        return hash((tuple(self.constants.items()), self.instructions, self.output, self.usual))

    def count(self, *kinds: str) -> int:
        """Return how many instructions are of one of some kinds; of all without any."""
        return sum(not kinds or one.kind in kinds for one in self.instructions)

    @property
    def floats(self) -> frozenset[str]:
        """The names that hold floats: a selected word is one where both it is chosen from are."""
        found = {INPUT, *(name for name, word in self.constants.items() if word.is_float)}
        for one in self.instructions:
            if KINDS[one.kind].endswith(" f") or (one.kind == "select" and found.issuperset(one.inputs[1:])):
                found.add(one.result)
        return frozenset(found)


def pruned(body: Body, output: str, usual: str = "") -> Body:
    """Return the body of one of its words, without what that does not need."""
    needed = {output, usual}
    kept = []
    for one in reversed(body.instructions):
        if one.result in needed:
            kept.append(one)
            needed.update(one.inputs)
    constants = {name: word for name, word in body.constants.items() if name in needed}
    return Body(MappingProxyType(constants), tuple(reversed(kept)), output, usual)


def usual_case(body: Body) -> Body:
    """Return what a body computes where its mask `usual` is all ones."""
    names: dict[str, str] = {}
    kept = []
    for one in body.instructions:
        inputs = tuple(names.get(name, name) for name in one.inputs)
        if one.kind == "select" and inputs[0] == body.usual:
            names[one.result] = inputs[1]
        else:
            kept.append(Instruction(one.result, one.kind, inputs))
    output = names.get(body.output, body.output)
    return pruned(Body(body.constants, tuple(kept), output), output)


def bits_of(value: Fraction | float | int) -> int:
    """Return the bits of a number that a float32 holds.

    >>> hex(bits_of(1)), hex(bits_of(Fraction(-3, 2))), hex(bits_of(2.0**-149))
    ('0x3f800000', '0xbfc00000', '0x1')
    """
    own: Format = FORMATS["float32"]
    exact = Fraction(value)
    if not own.holds(exact):
        raise ValueError(f"{value} is no number of float32")
    assert own.digits is not None  # noqa: S101 - it is a floating-point format
    assert own.finest is not None  # noqa: S101
    step = own.spacing(exact)
    size = int(abs(exact) / step)
    place = (step / Fraction(2) ** own.finest).numerator.bit_length() - 1  # above that of the subnormal numbers
    return (size + (place << (own.digits - 1))) | (1 << (BITS - 1) if exact < 0 else 0)


@dataclass
class Writer:
    """Instructions as they are asked for, each a method of the name of its kind; the same one is written once.

    >>> write = Writer()
    >>> body = write.body(write.fma("x", "x", write.number(1)))
    >>> [(one.kind, *one.inputs) for one in body.instructions], body.constants["k1"].value
    ([('fma', 'x', 'x', 'k1')], Fraction(1, 1))
    """

    fma_allowed: bool = True
    usual: str = ""
    constants: dict[str, Word] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    _known: dict[tuple[str, ...], str] = field(default_factory=dict)
    _words: dict[Word, str] = field(default_factory=dict)

    def body(self, output: str) -> Body:
        """Return what was written, without what the output does not need."""
        return pruned(Body(self.constants, tuple(self.instructions), output), output, self.usual)

    def do(self, kind: str, *inputs: str) -> str:
        """Return the name of the result of an instruction."""
        key = (kind, *inputs)
        if key not in self._known:
            self._known[key] = f"r{len(self._known) + 1}"
            self.instructions.append(Instruction(self._known[key], kind, inputs))
        return self._known[key]

    def number(self, value: Fraction | float | int) -> str:
        """Return the name of a constant that a float32 holds."""
        return self._constant(Word(bits_of(value), True))

    def word(self, bits: int) -> str:
        """Return the name of an integer constant, or of other bits."""
        return self._constant(Word(bits & MASK, False))

    def float_of_bits(self, bits: int) -> str:
        """Return the name of a float that is given by its bits, such as an infinity or -0."""
        return self._constant(Word(bits, True))

    def _constant(self, word: Word) -> str:
        if word not in self._words:
            self._words[word] = f"k{len(self._words) + 1}"
            self.constants[self._words[word]] = word
        return self._words[word]

    def coefficient(self, name: str, value: Fraction) -> str:
        """Return the name of a constant that has one of its own."""
        self.constants[name] = Word(bits_of(value), True)
        return name

    def polynomial(
        self, coef: Mapping[int, Fraction], x: str, scheme: str, prefix: str = "c", first: int = 0, step: int = 1
    ) -> str:
        """Return the name of a polynomial, evaluated by a scheme; its coefficients are constants of their own.

        Parameters
        ----------
        coef : by power; only those from `first` on are read.
        x : the variable or, where `step` is above 1, that power of the variable.
        prefix : the coefficient of power k is the constant f"{prefix}{k}".
        first : the polynomial is divided by this power of the variable.
        """
        kept = {k: value for k, value in sorted(coef.items()) if k >= first and value} or {first: Fraction(0)}
        names = {"x": x}
        for k, value in kept.items():
            names[f"c{(k - first) // step}"] = self.coefficient(f"{prefix}{k}", value)
        order = program([(k - first) // step for k in kept], scheme, self.fma_allowed)
        for one in order.operations:
            names[one.result] = self.do(one.kind, *(names[name] for name in one.inputs))
        return names[order.output]

    # One method a kind, so that recipes read as formulas.

    def mul(self, a: str, b: str) -> str:
        """Return a * b."""
        return self.do("mul", a, b)

    def add(self, a: str, b: str) -> str:
        """Return a + b."""
        return self.do("add", a, b)

    def sub(self, a: str, b: str) -> str:
        """Return a - b."""
        return self.do("sub", a, b)

    def div(self, a: str, b: str) -> str:
        """Return a / b."""
        return self.do("div", a, b)

    def fma(self, a: str, b: str, c: str) -> str:
        """Return a * b + c, rounded once."""
        return self.do("fma", a, b, c)

    def sum_of(self, a: str, b: str, c: str) -> str:
        """Return a * b + c, in one operation or in two."""
        return self.fma(a, b, c) if self.fma_allowed else self.add(self.mul(a, b), c)

    def select(self, mask: str, a: str, b: str) -> str:
        """Return a where the mask is all ones, else b."""
        return self.do("select", mask, a, b)

    def negative(self, a: str) -> str:
        """Return -a, of zeros and NaN too."""
        return self.do("xor", a, self.word(1 << (BITS - 1)))

    def size(self, a: str) -> str:
        """Return abs(a), as a word."""
        return self.do("and", a, self.word(MASK >> 1))

    def shift(self, kind: str, a: str, places: int) -> str:
        """Return a shifted by a constant number of places, "shl", "shr" or "sar"."""
        return self.do(kind, a, self.word(places))

    def two_sum(self, a: str, b: str) -> tuple[str, str]:
        """Return a + b, and what its rounding has left out."""
        total = self.add(a, b)
        part = self.sub(total, a)
        return total, self.add(self.sub(a, self.sub(total, part)), self.sub(b, part))

    def fast_two_sum(self, a: str, b: str) -> tuple[str, str]:
        """Return a + b, and what its rounding has left out, where abs(a) is not below abs(b)."""
        total = self.add(a, b)
        return total, self.sub(b, self.sub(total, a))

    def two_product(self, a: str, b: str) -> tuple[str, str]:
        """Return a * b, and what its rounding has left out."""
        total = self.mul(a, b)
        return total, self.fma(a, b, self.negative(total))
