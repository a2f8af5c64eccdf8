"""C99 of a whole function: its instructions as they stand, on floats and on words of 32 bits.

Values are those of `polyoptim.arithmetic.evaluate_body`, bit for bit but for those of NaN, whatever the compiler fuses.
"""

from __future__ import annotations

from polyoptim.exporters.c import APART, FAST_MATH, SHIFTS
from polyoptim.exporters.manifest import comment, sealed
from polyoptim.exporters.script import one_line
from polyoptim.exporters.sheet import Sheet
from polyoptim.formats import FORMATS
from polyoptim.instructions import INPUT, KINDS, Body, Instruction, Word, pruned, usual_case

BLOCK = 64  # numbers of which is asked at once whether all are usual

INCLUDES = "\n#include <float.h>\n#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"
ONLY_FINITE = """\
#if (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__) || \\
    defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "{name} has been measured in IEEE arithmetic, with infinities and NaN. Compile without parts of -ffast-math."
#endif
"""
CASTS = """\
static inline uint32_t {name}_bits(float v)
{{
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}}

static inline float {name}_float(uint32_t b)
{{
    float v;
    memcpy(&v, &b, sizeof v);
    return v;
}}
"""
# By bits, not by a condition: compilers that keep floating-point exceptions make no vectors of conditions.
SELECT = """\
/* The first where all bits of the mask are 1, the second where none is. */
static inline uint32_t {name}_select(uint32_t mask, uint32_t a, uint32_t b)
{{
    return (mask & a) | (~mask & b);
}}

static inline float {name}_choose(uint32_t mask, float a, float b)
{{
    return {name}_float({name}_select(mask, {name}_bits(a), {name}_bits(b)));
}}
"""
# Compilers find the long body too long for the loop over an array, which then is not one over vectors.
INLINE = """\
#if defined(__GNUC__)
#define {mark}_INLINE static inline __attribute__((always_inline))
#else
#define {mark}_INLINE static inline
#endif
"""
# What each kind is of its inputs, which are read as KINDS has it.
TEXTS = {
    "mul": "{} * {}",
    "add": "{} + {}",
    "sub": "{} - {}",
    "div": "{} / {}",
    "fma": "fmaf({}, {}, {})",
    "iadd": "{} + {}",
    "isub": "{} - {}",
    "imul": "{} * {}",
    "umulhi": "(uint32_t)((uint64_t){} * {} >> 32)",
    "and": "{} & {}",
    "or": "{} | {}",
    "xor": "{} ^ {}",
    "shl": "{} << {}",
    "shr": "{} >> {}",
    "sar": "(uint32_t)({} >> {})",
    "int": "(uint32_t)(int32_t){}",
    "flt": "(float){}",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "eq": "{} == {}",
    "ilt": "{} < {}",
    "ult": "{} < {}",
    "ieq": "{} == {}",
}


def header(body: Body, sheet: Sheet) -> str:
    """Return a header with everything in it."""
    mark = f"{sheet.name.upper()}_H"
    return sealed(
        f"{_head(sheet)}#ifndef {mark}\n#define {mark}\n{_text(body, sheet.name, 'static inline ')}\n#endif\n"
    )


def source(body: Body, sheet: Sheet) -> str:
    """Return a file to be compiled."""
    return sealed(_head(sheet) + _text(body, sheet.name, ""))


def _head(sheet: Sheet) -> str:
    lines = "\n".join(f" * {one_line(line)}".replace("*/", "* /") for line in sheet.lines)
    return f"/*\n{lines}\n *\n{comment(dict(sheet.manifest), ' * ')}\n */\n"


def _text(body: Body, name: str, linkage: str) -> str:
    apart = products_in_sums(body)
    given, zero = (", uint32_t zero", f"{name}_zero") if apart else ("", "")
    parts = [INCLUDES, FAST_MATH.format(name=name), ONLY_FINITE.format(name=name), SHIFTS.format(name=name)]
    if apart:
        parts.append(APART.format(name=name, type="float", bits="uint32_t"))
    parts.append(CASTS.format(name=name))
    parts += [SELECT.format(name=name)] if body.count("select") else []
    mark = name.upper()
    parts.append(INLINE.format(mark=mark))
    cases = {"any": body} if not body.usual else {"usual": usual_case(body), "any": body}
    for case, one in cases.items():
        parts.append(_function(f"{mark}_INLINE float {name}_{case}(float x{given})", _lines(one, name)))
    if body.usual:
        mask = pruned(body, body.usual)
        parts.append(_function(f"{mark}_INLINE uint32_t {name}_is_usual(float x)", _lines(mask, name, "u")))
    passed = f", {zero}" if apart else ""
    value = f"{name}_any(x{passed})"
    if body.usual:
        value = f"{name}_is_usual(x) ? {name}_usual(x{passed}) : {value}"
    parts.append(_function(f"{linkage}float {name}(float x)", [f"    return {value};"]))
    before = [f"    const uint32_t zero = {zero};"] if apart else []
    passed = ", zero" if apart else ""
    loop = _blocks(name, passed) if body.usual else [_each(f"{name}_any(x[i]{passed})", "    ")]
    parts.append(_function(f"{linkage}void {name}_array(const float *x, float *y, size_t n)", [*before, *loop]))
    return "\n".join(parts)


def is_named(name: str) -> bool:
    """Tell whether a constant is a coefficient."""
    return not name.startswith("k")


def products_in_sums(body: Body) -> frozenset[str]:
    """Return the products that are terms of a sum, with which a compiler might fuse them."""
    products = {one.result for one in body.instructions if one.kind == "mul"}
    return frozenset(name for one in body.instructions if one.kind in ("add", "sub") for name in one.inputs) & products


def _lines(body: Body, name: str, letter: str = "f") -> list[str]:
    """Return the lines of a body whose value is read as a float, or as a word ("u")."""
    writer = _Lines(body, name)
    lines = [f"    const float {one} = {_float(word)};" for one, word in body.constants.items() if is_named(one)]
    for one in body.instructions:
        kind = "float" if one.result in writer.floats else "uint32_t"
        lines.append(f"    const {kind} {one.result} = {writer.value(one)};")
    read = {one for each in body.instructions for one in each.inputs}
    lines += [] if INPUT in read or body.output == INPUT else ["    (void)x;"]
    return [*lines, f"    return {writer.read(body.output, letter)};"]


class _Lines:
    """The text of instructions, and of words as they are read."""

    def __init__(self, body: Body, name: str) -> None:
        self.body, self.name = body, name
        self.floats, self.apart = body.floats, products_in_sums(body)

    def value(self, one: Instruction) -> str:
        takes = KINDS[one.kind].split()[0]
        if one.kind == "select":
            call, takes = ("choose", "uff") if one.result in self.floats else ("select", "uuu")
            text = f"{self.name}_{call}({{}}, {{}}, {{}})"
        else:
            text = TEXTS[one.kind]
        text = text.format(*(self.read(*pair) for pair in zip(one.inputs, takes, strict=True)))
        if KINDS[one.kind].endswith(" m"):
            return f"-(uint32_t)({text})"
        return f"{self.name}_apart({text}, zero)" if one.result in self.apart else text

    def read(self, name: str, letter: str) -> str:
        """Return a word as it is read: "f", "u" or "i"."""
        word = self.body.constants.get(name)
        if letter == "f":
            if word is not None:
                return name if is_named(name) else _literal(word, self.name)
            return name if name in self.floats else f"{self.name}_float({name})"
        if word is not None:
            text = str(word.bits) if word.bits < 64 else f"{word.bits:#x}"
            return f"(int32_t){text}u" if letter == "i" else f"{text}u"
        text = f"{self.name}_bits({name})" if name in self.floats else name
        return f"(int32_t){text}" if letter == "i" else text


def _float(word: Word) -> str:
    return f"{FORMATS['float32'].hex(word.value)}f"


def _literal(word: Word, name: str) -> str:
    plain = word.is_finite and word.bits != 1 << 31
    return _float(word) if plain else f"{name}_float({word.bits:#x}u)"


def _function(head: str, body: list[str]) -> str:
    return "\n".join([head, "{", *body, "}", ""])


def _each(value: str, indent: str, end: str = "n") -> str:
    return f"{indent}for (size_t i = 0; i < {end}; ++i)\n{indent}    y[i] = {value};"


def _blocks(name: str, passed: str) -> list[str]:
    """Return a loop in which a block of numbers that are all usual is computed as such."""
    return [
        "    size_t m;",
        "    for (; n; x += m, y += m, n -= m) {",
        "        uint32_t usual = 0xffffffffu;",
        f"        m = n < {BLOCK} ? n : {BLOCK};",
        "        for (size_t i = 0; i < m; ++i)",
        f"            usual &= {name}_is_usual(x[i]);",
        "        if (usual)",
        _each(f"{name}_usual(x[i]{passed})", " " * 12, "m"),
        "        else",
        _each(f"{name}_any(x[i]{passed})", " " * 12, "m"),
        "    }",
    ]
