"""Number formats: which rational numbers a coefficient may be, in exact arithmetic.

Binary floating point as IEEE 754 has it, with gradual underflow: float64, float32, float16, and bfloat16, which is the
upper half of a float32. Fixed point in two's complement, "qM.N". And "real", in which nothing is rounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.registry import match, unknown

FIXED = re.compile(r"[qQ](\d{1,4})\.(\d{1,4})")
MOST_BITS = 1024  # of a fixed-point number


@dataclass(frozen=True)
class Format:
    """The numbers of one format, all of them rational.

    Parameters
    ----------
    name : as users write it.
    digits : bits of the significand with the leading one; None where all numbers are equally far apart.
    finest : the binary logarithm of the smallest distance of two numbers; None where there is none ("real").
    least, largest : the ends of the range; None where there are none.

    Examples
    --------
    >>> half = FORMATS["float16"]
    >>> half.round(Fraction(1, 3)), half.spacing(Fraction(1, 3)), half.hex(half.round(Fraction(1, 3)))
    (Fraction(1365, 4096), Fraction(1, 4096), '0x1.554p-2')
    """

    name: str
    digits: int | None
    finest: int | None
    least: Fraction | None
    largest: Fraction | None

    @property
    def width(self) -> int:
        """How many bits a fixed-point number is stored in, with its sign."""
        return int((self.largest or 0) / power_of_two(self.finest or 0)).bit_length() + 1

    def spacing(self, value: Fraction) -> Fraction:
        """Return how far apart numbers are from abs(value) upwards, as far as the next power of two; 0 for "real"."""
        if self.finest is None:
            return Fraction(0)
        if self.digits is None or value == 0:
            return power_of_two(self.finest)
        return power_of_two(max(exponent(value) - self.digits + 1, self.finest))

    def holds(self, value: Fraction) -> bool:
        """Tell whether a rational number is one of the format's."""
        if self.finest is None:
            return True
        return self.within(value) and (value / self.spacing(value)).denominator == 1

    def within(self, value: Fraction) -> bool:
        """Tell whether a number lies between the ends of the range."""
        return (self.least is None or self.least <= value) and (self.largest is None or value <= self.largest)

    def clip(self, value: Fraction) -> Fraction:
        """Return the nearest number between the ends of the range."""
        above = value if self.least is None else max(value, self.least)
        return above if self.largest is None else min(above, self.largest)

    def round(self, value: Fraction) -> Fraction:
        """Return the number of the format that is nearest, of two as near the one whose last bit is 0.

        Raises
        ------
        ArgumentError
            Where it is so far beyond the range that IEEE 754 rounds to infinity, or two's complement would wrap.
        """
        if self.finest is None:
            return value
        step = self.spacing(value)
        rounded = round(value / step) * step  # Python rounds rationals to nearest even
        if not self.within(rounded):
            raise ArgumentError(
                f"{_shown(value)} is out of the range of {self.name}, {float(self.least or 0):.9g} to "
                f"{float(self.largest or 0):.9g}. Use a format with a wider range, or another scale."
            )
        return rounded

    def next_up(self, value: Fraction) -> Fraction:
        """Return the least number of the format above `value`, which need not be one itself.

        Raises
        ------
        ArgumentError
            Where there is none.
        """
        return self._next(value, 1)

    def next_down(self, value: Fraction) -> Fraction:
        """Return the greatest number of the format below `value`; see `next_up`."""
        return self._next(value, -1)

    def _next(self, value: Fraction, way: int) -> Fraction:
        if self.finest is None:
            raise ArgumentError("real numbers have no neighbours. Name a format such as 'float32'.")
        step = self.spacing(value)
        if way * value < 0 and abs(value) == step * 2 ** ((self.digits or 0) - 1) and step > power_of_two(self.finest):
            step /= 2  # towards zero from a power of two
        found = ((value * way) // step + 1) * step * way
        if not self.within(found):
            raise ArgumentError(f"{self.name} has no number beyond {float(value):.9g}, which is the end of its range.")
        return found

    def hex(self, value: Fraction) -> str:
        """Return a number of the format as text from which it is read back exactly.

        Floating point as C and ``float.fromhex`` have it, with no digit to spare: 0x1.8p-3. Fixed point as the integer
        that is stored, with its sign: -0x4000. "real" as a fraction: 1/3.

        Raises
        ------
        ArgumentError
            Where the format does not hold the value.
        """
        if self.finest is None:
            return str(value)
        if not self.holds(value):
            raise ArgumentError(f"{value} is no number of {self.name}. Round it first.")
        if self.digits is None:
            return hex(int(value / power_of_two(self.finest)))
        if value == 0:
            return "0x0p+0"
        high = exponent(value)
        fraction = abs(value) / power_of_two(high) - 1
        places = 0 if fraction == 0 else -(-(fraction.denominator.bit_length() - 1) // 4)
        tail = f".{int(fraction * 16**places):0{places}x}" if places else ""
        return f"{'-' if value < 0 else ''}0x1{tail}p{high:+d}"

    def read(self, text: str) -> Fraction:
        """Return the number whose `hex` is a text.

        Raises
        ------
        ArgumentError
            Where the text is none of the format's numbers.

        Examples
        --------
        >>> FORMATS["float32"].read("0x1.8p-1"), find_format("q0.15").read("-0x4000")
        (Fraction(3, 4), Fraction(-1, 2))
        """
        try:
            if self.finest is None:
                value = Fraction(text)
            elif self.digits is None:
                value = int(text, 16) * power_of_two(self.finest)
            else:
                value = Fraction(float.fromhex(text))
        except (ValueError, OverflowError, ZeroDivisionError):
            raise ArgumentError(f"{text!r} is no number as {self.name} writes it.") from None
        if not self.holds(value):
            raise ArgumentError(f"{text} is no number of {self.name}.")
        return value

    def __str__(self) -> str:
        return self.name


def _shown(value: Fraction) -> str:
    """Return a number for a message, also one beyond float64."""
    try:
        return f"{float(value):.9g}"
    except OverflowError:
        return f"{'-' if value < 0 else ''}2**{exponent(value)}"


def power_of_two(power: int) -> Fraction:
    """Return 2**power exactly."""
    return Fraction(1 << power) if power >= 0 else Fraction(1, 1 << -power)


def exponent(value: Fraction) -> int:
    """Return the e with ``2**e <= abs(value) < 2**(e + 1)``, of a value that is not 0."""
    over = abs(value.numerator).bit_length() - value.denominator.bit_length()
    return over if abs(value) >= power_of_two(over) else over - 1


def _floating(name: str, digits: int, smallest: int, high: int) -> Format:
    """Return a binary format: `smallest` is the exponent of the least normal number, `high` of the greatest binade."""
    largest = (2 - power_of_two(1 - digits)) * power_of_two(high)
    return Format(name, digits, smallest - digits + 1, -largest, largest)


def fixed_point(whole: int, fraction: int) -> Format:
    """Return "qM.N": a sign bit, M integer bits and N fraction bits, M + N + 1 in all.

    The numbers are k / 2**N for whole k with -2**(M + N) <= k < 2**(M + N). The sign is not one of the M bits, as DSP
    libraries write it: q0.15 fills 16 bits, q15.16 and q5.26 fill 32. (In the other convention, in which M counts the
    sign, q0.15 is called q1.15.)
    """
    end = power_of_two(whole)
    return Format(f"q{whole}.{fraction}", None, -fraction, -end, end - power_of_two(-fraction))


FORMATS = {
    "float64": _floating("float64", 53, -1022, 1023),
    "float32": _floating("float32", 24, -126, 127),
    "float16": _floating("float16", 11, -14, 15),
    "bfloat16": _floating("bfloat16", 8, -126, 127),
    "real": Format("real", None, None, None, None),
}


def find_format(name: Any) -> Format:
    """Return a format by name: float64, float32, float16, bfloat16, real, or fixed point such as "q5.26".

    Raises
    ------
    UnknownNameError
        With the nearest name.
    """
    if isinstance(name, Format):
        return name
    fixed = FIXED.fullmatch(name) if isinstance(name, str) else None
    if fixed is None:
        known = [*FORMATS, "qM.N"]
        found = match("format", name, known)
        if found == "qM.N":
            raise unknown("format", name, [*FORMATS, "q0.15", "q5.26"])
        return FORMATS[found]
    whole, fraction = int(fixed[1]), int(fixed[2])
    if not 1 <= whole + fraction < MOST_BITS:
        raise ArgumentError(f"format {name!r} must have 1 to {MOST_BITS - 1} bits beside its sign, as 'q5.26' has 31.")
    return fixed_point(whole, fraction)


def read_format(given: Any, powers: Sequence[int]) -> tuple[Format, ...]:
    """Return a format for each power: the one that is named, or those of a list as long as the powers.

    Raises
    ------
    ArgumentError
        With a sentence for each name that is none, or where the list has another length.

    Examples
    --------
    >>> [str(each) for each in read_format(["bfloat16", "q1.14"], [1, 3])]
    ['bfloat16', 'q1.14']
    """
    if isinstance(given, (str, Format)):
        return (find_format(given),) * len(powers)
    if not isinstance(given, Sequence):
        raise ArgumentError(
            f"format must be a name such as 'float32', or a list with one for each power, got {given!r}."
        )
    if len(given) != len(powers):
        raise ArgumentError(
            f"format must have one name for each of the {len(powers)} powers {list(powers)}, got {len(given)}."
        )
    found, wrong = [], []
    for name in given:
        try:
            found.append(find_format(name))
        except ArgumentError as error:
            wrong.append(str(error))
    if wrong:
        raise ArgumentError("\n".join(wrong))
    return tuple(found)


def common_format(formats: Sequence[Format]) -> Format | None:
    """Return the narrowest format that holds the numbers of all; None where there is none, or where one is "real".

    >>> str(common_format([FORMATS["bfloat16"], FORMATS["float16"]])), str(common_format([FORMATS["float16"]] * 2))
    ('float32', 'float16')
    """
    distinct = list(dict.fromkeys(formats))
    if any(one.finest is None for one in distinct):
        return None
    if len(distinct) == 1:
        return distinct[0]
    wider = (FORMATS["float32"], FORMATS["float64"])
    floating = all(one.digits is not None for one in distinct)
    return next((own for own in wider if floating and all(_within(one, own) for one in distinct)), None)


def _within(one: Format, other: Format) -> bool:
    """Tell whether a format holds all numbers of another."""
    if one == other:
        return True
    if one.finest is None or other.finest is None or other.largest is None:
        return False
    if other.digits is None:  # fixed point, whose numbers below 0 reach one unit farther
        return one.digits is None and one.finest >= other.finest and other.within(one.least or Fraction(0))
    significant = one.digits if one.digits is not None else one.width - 1
    return significant <= other.digits and one.finest >= other.finest and other.within(one.largest or Fraction(0))


def computing(
    formats: Sequence[Format], compute: Any = None, output: Any = None
) -> tuple[Format | None, Format | None]:
    """Return the format that operations are rounded to, and that to which the value is rounded in the end.

    Parameters
    ----------
    formats : of the coefficients.
    compute : a format by name; None for the narrowest that holds the numbers of all coefficients.
    output : a format by name; None for that of the operations.

    Returns
    -------
    pair
        Both None where nothing is named, and no format holds the numbers of all coefficients.

    Raises
    ------
    ArgumentError
        Where one cannot hold the numbers that it has to.

    Examples
    --------
    >>> [str(one) for one in computing([FORMATS["bfloat16"]], "float32", "float16")]
    ['float32', 'float16']
    """
    own = common_format(formats) if compute is None else _finite(compute, "compute_format")
    if own is None:
        if output is not None:
            raise ArgumentError("output_format needs a format to compute in. Give compute_format, such as 'float32'.")
        return None, None
    if compute is not None:
        lost = [str(one) for one in formats if not _within(one, own)]
        if lost:
            raise ArgumentError(
                f"compute_format {own} does not hold all numbers of {lost[0]}, the format of a coefficient. "
                "Use a format for the coefficients that it holds."
            )
    found = own if output is None else _finite(output, "output_format")
    if (own.digits is None) != (found.digits is None) or not _within(found, own):
        raise ArgumentError(
            f"output_format must be {own}, in which the value is computed, or a narrower one, got {found}."
        )
    return own, found


def _finite(given: Any, name: str) -> Format:
    found = find_format(given)
    if found.finest is None:
        raise ArgumentError(f"{name} must be a format that rounds, such as 'float32', got {str(found)!r}.")
    return found
