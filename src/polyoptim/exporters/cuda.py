"""CUDA: the polynomial as a device function and as a kernel over an array, in the arithmetic of its format.

Operations are intrinsics that are rounded to nearest and never fused with one another. Those of float32 are all written
as `__fmaf_ieee_rn`, the one whose subnormal numbers no option of the compiler takes away: a * b as a * b - 0, and a + b
as a * 1 + b. float16 and bfloat16 are computed by the hardware, fixed point in integers. Values are those of
`polyoptim.arithmetic.evaluate`, bit for bit.
"""

from __future__ import annotations

from polyoptim.exporters.c import (
    clamped,
    constants,
    fixed_body,
    fixed_preface,
    function,
    heading,
    inside,
    literals,
    once,
)
from polyoptim.exporters.evaluation import Evaluation, evaluation, identifier
from polyoptim.exporters.manifest import NOT_EXECUTED, manifest, sealed
from polyoptim.formats import power_of_two
from polyoptim.result import Result

TYPES = {"float64": "double", "float32": "float", "float16": "__half", "bfloat16": "__nv_bfloat16"}
HALVES = {"mul": "__hmul_rn({0}, {1})", "add": "__hadd_rn({0}, {1})", "fma": "__hfma({0}, {1}, {2})"}
# Operations, by the names that schemes give them.
OPERATIONS = {
    "float64": {"mul": "__dmul_rn({0}, {1})", "add": "__dadd_rn({0}, {1})", "fma": "__fma_rn({0}, {1}, {2})"},
    "float32": {
        "mul": "__fmaf_ieee_rn({0}, {1}, -0.0f)",
        "add": "__fmaf_ieee_rn({0}, 1.0f, {1})",
        "fma": "__fmaf_ieee_rn({0}, {1}, {2})",
    },
    "float16": HALVES,
    "bfloat16": HALVES,
}
FROM_FLOAT = {"float16": "__float2half_rn({0})", "bfloat16": "__float2bfloat16_rn({0})"}
TO_FLOAT = {"float16": "__half2float({0})", "bfloat16": "__bfloat162float({0})"}
FROM_DOUBLE = {
    "float32": "__double2float_rn({0})",
    "float16": "__double2half({0})",
    "bfloat16": "__double2bfloat16({0})",
}
HEADERS = {"float16": "#include <cuda_fp16.h>\n", "bfloat16": "#include <cuda_bf16.h>\n"}
RECENT = """\
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "{name} computes in bfloat16, which begins with compute capability 8.0. Compile with -arch=sm_80 or newer."
#endif
"""
KERNEL = """\
/* y[i] = {name}(x[i]) for all i below n, whatever the grid. */
static __global__ void {name}_kernel(const {given} *x, {found} *y, size_t n)
{{
    const size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        y[i] = {name}(x[i]);
}}
"""
LEAST_NORMAL = power_of_two(-126)  # of float32
LINKAGE = "static __device__ __forceinline__ "
FLUSHED = "compiled with -ftz=true (-use_fast_math), the guard takes subnormal x for 0"
FLUSHED_VALUE = "compiled with -ftz=true (-use_fast_math), values that are subnormal in float32 are rounded to 0"


def cuda(result: Result, name: str) -> str:
    """Return a header for CUDA C++ with everything in it.

    Raises
    ------
    ExportError
        For a format that no code can be written in, and a guard that it does not have.
    """
    one = evaluation(result)
    own = identifier(name)
    code = _fixed(one, own) if one.own.digits is None else _floating(one, own)
    document = manifest(result, "cuda", name, executed=NOT_EXECUTED)
    return sealed(heading(result, one, document, _notes(one)) + once(f"{own}_cuh", code))


def _notes(one: Evaluation) -> list[str]:
    """Return sentences about what an option of the compiler changes all the same."""
    tiny = any(abs(end) < LEAST_NORMAL for pair in one.ends for end in pair)
    guarded = one.guard != "none" and one.own.name in ("float32", "bfloat16") and tiny
    single = (one.own.name, one.output.name) == ("float64", "float32")
    return [FLUSHED] * guarded + [FLUSHED_VALUE] * single


def _floating(one: Evaluation, name: str) -> str:
    own, output = one.own.name, one.output.name
    kind = TYPES[own]
    held = literals(one.own)  # as floats, of the formats that C does not have
    literal = (lambda value: FROM_FLOAT[own].format(held(value))) if own in FROM_FLOAT else held
    parts = [_includes(own, output), RECENT.format(name=name) if own == "bfloat16" else ""]
    body: list[str] = []
    seen = "x"
    if one.guard != "none" and own in TO_FLOAT:  # operators of the narrow types may be switched off
        body, seen = [f"    float seen = {TO_FLOAT[own].format('x')};"], "seen"
    if one.guard == "clamp":
        body += clamped(one, held, seen)
        body += [f"    x = {FROM_FLOAT[own].format(seen)};"] if seen != "x" else []
    body += constants(one, kind, literal)
    for each in one.program.operations:
        body.append(f"    const {kind} {each.result} = {OPERATIONS[own][each.kind].format(*each.inputs)};")
    body += [] if one.program.operations else ["    (void)x;"]
    value = one.program.output
    if one.guard == "nan":
        nan = "(double)NAN" if own == "float64" else "(float)NAN"
        nan = FROM_FLOAT[own].format(nan) if own in FROM_FLOAT else nan
        value = f"{inside(one, held, seen)} ? {value} : {nan}"
    if output != own:
        value = (FROM_DOUBLE if own == "float64" else FROM_FLOAT)[output].format(value)
    parts.append(function(f"{LINKAGE}{TYPES[output]} {name}({kind} x)", [*body, f"    return {value};"]))
    parts.append(KERNEL.format(name=name, given=kind, found=TYPES[output]))
    return "\n".join(part for part in parts if part)


def _includes(*formats: str) -> str:
    narrow = "".join(HEADERS.get(name, "") for name in dict.fromkeys(formats))
    return f"\n#include <cuda_runtime.h>\n{narrow}#include <math.h>\n#include <stddef.h>\n"


def _fixed(one: Evaluation, name: str) -> str:
    kind, body = fixed_body(one)
    parts = ["\n#include <cuda_runtime.h>\n#include <stddef.h>\n#include <stdint.h>\n", fixed_preface(one, name)]
    parts.append(function(f"{LINKAGE}{kind} {name}({kind} x)", body))
    parts.append(KERNEL.format(name=name, given=kind, found=kind))
    return "\n".join(parts)
