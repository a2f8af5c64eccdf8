"""CUDA of a whole function: its instructions as intrinsics, each rounded to nearest and never fused with another.

Operations of float32 but for division are written as `__fmaf_ieee_rn`, whose subnormal numbers no option of the
compiler takes away. Values are those of `polyoptim.arithmetic.evaluate_body`, bit for bit but for those of NaN.
"""

from __future__ import annotations

from polyoptim.exporters.body_lines import Language, Lines, hexadecimal, is_plain, short
from polyoptim.exporters.c import function, once
from polyoptim.exporters.c_body import TEXTS, coefficients, head
from polyoptim.exporters.cuda import KERNEL, LINKAGE, OPERATIONS
from polyoptim.exporters.manifest import sealed
from polyoptim.exporters.sheet import Sheet
from polyoptim.instructions import Body, Word, pruned, usual_case

INCLUDES = "\n#include <cuda_runtime.h>\n#include <stddef.h>\n#include <stdint.h>\n"
INTRINSICS = {
    **OPERATIONS["float32"],
    "sub": "__fmaf_ieee_rn({1}, -1.0f, {0})",
    "div": "__fdiv_rn({}, {})",
    "umulhi": "__umulhi({}, {})",
    "int": "(uint32_t)__float2int_rz({})",
    "flt": "__int2float_rn({})",
}


def cuda(body: Body, sheet: Sheet) -> str:
    """Return a header for CUDA C++ with everything in it."""
    name = sheet.name
    parts = [INCLUDES]
    value = f"{name}_any(x)"
    parts.append(function(f"{LINKAGE}float {name}_any(float x)", _lines(body)))
    if body.usual:  # a branch that neighbours seldom take apart
        parts.append(function(f"{LINKAGE}float {name}_usual(float x)", _lines(usual_case(body))))
        mask = _lines(pruned(body, body.usual), "u")
        parts.append(function(f"{LINKAGE}uint32_t {name}_is_usual(float x)", mask))
        value = f"{name}_is_usual(x) ? {name}_usual(x) : {value}"
    parts.append(function(f"{LINKAGE}float {name}(float x)", [f"    return {value};"]))
    parts.append(KERNEL.format(name=name, given="float", found="float"))
    return sealed(head(sheet) + once(f"{name}_cuh", "\n".join(parts)))


def _lines(body: Body, letter: str = "f") -> list[str]:
    lines = Lines(body, LANGUAGE)
    unused = [] if lines.reads_input else ["    (void)x;"]
    return [*coefficients(body), *lines.lines(), *unused, f"    return {lines.read(body.output, letter)};"]


def _number(word: Word) -> str:
    return f"{hexadecimal(word)}f" if is_plain(word) else f"__uint_as_float({word.bits:#x}u)"


LANGUAGE = Language(
    {**TEXTS, **INTRINSICS},
    to_float="__uint_as_float({})",
    to_word="__float_as_uint({})",
    to_integer="(int32_t){}",
    choose="{} ? {} : {}",
    select="{} ? {} : {}",
    mask="{} ? 0xffffffffu : 0u",
    line="    const {kind} {name} = {value};",
    kinds=("float", "uint32_t"),
    number=_number,
    whole=lambda bits: f"{short(bits)}u",
)
