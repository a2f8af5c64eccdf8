"""A float32 rounded to a shorter format, as instructions: to nearest, ties to even, beyond the range to infinity."""

from __future__ import annotations

from polyoptim.formats import Format
from polyoptim.functions.pieces import INFINITY, signed
from polyoptim.instructions import Writer


def narrowed(write: Writer, value: str, own: Format) -> str:
    """Return a float rounded to a format whose numbers a float32 holds; NaN stays one."""
    if own.name == "float32":
        return value
    found = _upper_half(write, value) if own.name == "bfloat16" else _half(write, value, own)
    return write.select(write.do("eq", value, value), found, value)


def _upper_half(write: Writer, value: str) -> str:
    """Return the nearest bfloat16: just under half of its last bit is added, and half where that bit is 1."""
    last = write.do("and", write.shift("shr", value, 16), write.word(1))
    moved = write.do("iadd", value, write.do("iadd", last, write.word(0x7FFF)))
    return write.do("and", moved, write.word(0xFFFF0000))


def _half(write: Writer, value: str, own: Format) -> str:
    """Return the nearest number of a format with fewer exponents: what is added has the last bit of the format's."""
    assert own.digits is not None  # noqa: S101 - it is a floating-point format
    assert own.finest is not None  # noqa: S101
    size = write.size(value)
    exponent = write.do("and", size, write.word(0x7F800000))
    least = write.word((own.finest + own.digits - 1 + 127) << 23)
    above = write.select(write.do("ult", exponent, least), least, exponent)
    # 1.5 times a power of two whose last bit, 23 places below, is that of the format.
    magic = write.do("or", write.do("iadd", above, write.word((24 - own.digits) << 23)), write.word(1 << 22))
    near = write.sub(write.add(size, magic), magic)
    fits = write.do("le", near, write.number(own.largest or 0))
    return signed(write, write.select(fits, near, write.float_of_bits(INFINITY)), value)
