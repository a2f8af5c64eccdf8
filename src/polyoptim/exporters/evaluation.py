"""What a file evaluates: exact coefficients, the format, the operations, and which inputs it is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from polyoptim.errors import ArgumentError, ExportError
from polyoptim.formats import Format, computing, exponent, read_format
from polyoptim.request import END_BITS
from polyoptim.result import Result
from polyoptim.schemes import Program, program_of
from polyoptim.targets.constants import read_constant

FIXED_BITS = 32  # of a fixed-point number, whose products integers hold


@dataclass(frozen=True)
class Evaluation:
    """An approximation as it is evaluated.

    Parameters
    ----------
    coef : exact, of the powers of `program`.
    own : the format of x and of all results of operations.
    output : the format to which the value is rounded in the end.
    program : the operations.
    guard : "none", "clamp" or "nan", for what lies outside `ends`.
    ends : the first and the last number of the format in each interval, ascending.
    """

    coef: dict[int, Fraction]
    own: Format
    output: Format
    program: Program
    guard: str
    ends: tuple[tuple[Fraction, Fraction], ...]

    @property
    def table(self) -> list[tuple[int, str]]:
        """The powers with their coefficients as the format writes them."""
        return [(power, self.own.hex(self.coef[power])) for power in self.program.powers]


def evaluation(result: Result) -> Evaluation:
    """Return what a file with the polynomial of a result evaluates.

    Raises
    ------
    ExportError
        Where there is no format in which it could be, or where it has no numbers in the domain.
    """
    arguments = result.arguments
    try:
        formats = read_format(list(arguments["format"]), result.powers)
        own, output = computing(formats, arguments.get("compute_format"), arguments.get("output_format"))
    except ArgumentError as error:
        raise ExportError(f"the formats of this result are damaged: {error}") from None
    if own is None or output is None:
        names = ", ".join(dict.fromkeys(map(str, formats)))
        raise ExportError(
            f"no code can be written in format {names}, for no number format holds all coefficients. "
            "Approximate in float64, float32, float16, bfloat16, or in one fixed point such as q5.26."
        )
    if own.digits is None:
        _check_fixed(own, arguments["guard"])
    texts = result.coef_hex or ()
    exact = {power: one.read(texts[power]) for power, one in zip(result.powers, formats, strict=True)}
    scheme = program_of(exact, arguments["scheme"], arguments["fma"])
    ends = tuple(_ends(pair, own) for pair in arguments["domain"])
    return Evaluation({power: exact[power] for power in scheme.powers}, own, output, scheme, arguments["guard"], ends)


def _check_fixed(own: Format, guard: str) -> None:
    if own.width > FIXED_BITS:
        raise ExportError(
            f"{own} has {own.width} bits, and no integers of C and of arrays hold products of more than {FIXED_BITS}. "
            "Use a shorter fixed point."
        )
    if guard == "nan":
        raise ExportError(f"guard='nan' has no meaning in {own}, which has no NaN. Use guard='clamp' or 'none'.")


def _ends(pair: list[str], own: Format) -> tuple[Fraction, Fraction]:
    low, high = (read_constant(text, "domain") for text in pair)
    try:
        first, last = own.clip(low.above(END_BITS)), own.clip(high.below(END_BITS))
        start, end = own.round(first), own.round(last)
        start = own.next_up(start) if start < first else start
        end = own.next_down(end) if end > last else end
    except ArgumentError:
        start, end = Fraction(1), Fraction(0)
    if start > end:
        raise ExportError(f"no number of {own} lies in [{low.text}, {high.text}]. Use a finer format.")
    return start, end


def unit_places(own: Format) -> dict[str, int]:
    """Return what rounds a double to a narrower floating-point format by adding a power of two, and taking it off.

    The exponent of that power, biased as in the double's bits, is the double's own, not below "finest" nor above
    "highest" (beyond which all doubles are out of range), plus "shift".
    """
    digits, bias = own.digits or 0, 1023
    highest = exponent(own.largest or Fraction(1)) + 1
    return {"finest": bias + (own.finest or 0) + digits - 1, "highest": bias + highest, "shift": 52 - (digits - 1)}


def identifier(name: str) -> str:
    """Return the name of a file as one of C and Python, with "_poly" behind it.

    >>> identifier("exp2"), identifier("2 to the x")
    ('exp2_poly', 'p2_to_the_x_poly')
    """
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "a"
    return f"{plain if plain[0].isalpha() else f'p{plain}'}_poly"
