"""C99 of a whole function: its instructions as they stand, on floats and on words of 32 bits.

Values are those of `polyoptim.arithmetic.evaluate_body`, bit for bit but for those of NaN, whatever the compiler fuses.
"""

from __future__ import annotations

from polyoptim.exporters.body_lines import Language, Lines, hexadecimal, is_named, is_plain, products_in_sums, short
from polyoptim.exporters.c import APART, FAST_MATH, SHIFTS, function, once
from polyoptim.exporters.manifest import comment, sealed
from polyoptim.exporters.script import one_line
from polyoptim.exporters.sheet import Sheet
from polyoptim.instructions import Body, pruned, usual_case

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
    return sealed(head(sheet) + once(f"{sheet.name}_h", _text(body, sheet.name, "static inline ")))


def source(body: Body, sheet: Sheet) -> str:
    """Return a file to be compiled."""
    return sealed(head(sheet) + _text(body, sheet.name, ""))


def head(sheet: Sheet) -> str:
    """Return the comment at the top of a file: what it is, and its manifest."""
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
        parts.append(function(f"{mark}_INLINE float {name}_{case}(float x{given})", _lines(one, name)))
    if body.usual:
        mask = pruned(body, body.usual)
        parts.append(function(f"{mark}_INLINE uint32_t {name}_is_usual(float x)", _lines(mask, name, "u")))
    passed = f", {zero}" if apart else ""
    value = f"{name}_any(x{passed})"
    if body.usual:
        value = f"{name}_is_usual(x) ? {name}_usual(x{passed}) : {value}"
    parts.append(function(f"{linkage}float {name}(float x)", [f"    return {value};"]))
    before = [f"    const uint32_t zero = {zero};"] if apart else []
    passed = ", zero" if apart else ""
    loop = _blocks(name, passed) if body.usual else [_each(f"{name}_any(x[i]{passed})", "    ")]
    parts.append(function(f"{linkage}void {name}_array(const float *x, float *y, size_t n)", [*before, *loop]))
    return "\n".join(parts)


def coefficients(body: Body) -> list[str]:
    """Return lines with the coefficients."""
    return [f"    const float {one} = {hexadecimal(word)}f;" for one, word in body.constants.items() if is_named(one)]


def _lines(body: Body, name: str, letter: str = "f") -> list[str]:
    """Return the lines of a body whose value is read as a float, or as a word ("u")."""
    lines = Lines(body, _language(name))
    unused = [] if lines.reads_input else ["    (void)x;"]
    return [*coefficients(body), *lines.lines(), *unused, f"    return {lines.read(body.output, letter)};"]


def _language(name: str) -> Language:
    return Language(
        TEXTS,
        to_float=f"{name}_float({{}})",
        to_word=f"{name}_bits({{}})",
        to_integer="(int32_t){}",
        choose=f"{name}_choose({{}}, {{}}, {{}})",
        select=f"{name}_select({{}}, {{}}, {{}})",
        mask="-(uint32_t)({})",
        line="    const {kind} {name} = {value};",
        kinds=("float", "uint32_t"),
        number=lambda word: f"{hexadecimal(word)}f" if is_plain(word) else f"{name}_float({word.bits:#x}u)",
        whole=lambda bits: f"{short(bits)}u",
        apart=f"{name}_apart({{}}, zero)",
    )


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
