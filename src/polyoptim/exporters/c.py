"""C99: the polynomial as a function and as a loop over an array, in the arithmetic of its format.

float32 and float64 are C's float and double. float16 and bfloat16, which C99 does not have, are held in floats, and
each operation is done in double and rounded, to the same bits as hardware of that format would give. Fixed point is
computed in integers. Values are those of `polyoptim.arithmetic.evaluate`, bit for bit, whatever the compiler fuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from polyoptim.exporters.evaluation import FIXED_BITS, Evaluation, evaluation, identifier, unit_places
from polyoptim.exporters.manifest import comment, manifest, sealed
from polyoptim.exporters.script import one_line
from polyoptim.formats import Format
from polyoptim.reports.curves import kind_of_polynomial
from polyoptim.result import Result
from polyoptim.schemes import Operation

INTEGERS = ((16, "int16_t", "int32_t"), (FIXED_BITS, "int32_t", "int64_t"))  # bits; what holds numbers, and products
Literal = Callable[[Fraction], str]

FAST_MATH = """\
#ifdef __FAST_MATH__
#error "{name} has proved bounds for IEEE arithmetic. Compile without -ffast-math."
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "{name} has proved bounds for operations in their own type. Use SSE2 (-msse2 -mfpmath=sse) or the like."
#endif
"""
# No compiler can know that the mask is 0, so none can fuse the product with the sum behind it.
APART = """\
/* Keeps a product apart from the sum that follows, also where the compiler would fuse them (-ffp-contract=fast). */
static const volatile {bits} {name}_zero = 0;

static inline {type} {name}_apart({type} product, {bits} zero)
{{
    {bits} b;
    memcpy(&b, &product, sizeof b);
    b ^= zero;
    memcpy(&product, &b, sizeof b);
    return product;
}}
"""
# Adding a power of two whose last bit is that of the format rounds there, to nearest and even.
NEAREST = """\
/* Rounds to {format}: to nearest, ties to even, beyond its range to infinity. */
static inline float {name}_{verb}(double v)
{{
    uint64_t b;
    double unit, r;
    memcpy(&b, &v, sizeof b);
    b = b >> 52 & 0x7ff;
    if (b == 0x7ff)
        return (float)v;
    b = b < {finest} ? {finest} : b > {highest} ? {highest} : b;
    b = (b + {shift}) << 52 | (uint64_t)1 << 51;
    memcpy(&unit, &b, sizeof unit);
    r = (v + unit) - unit;
    if (fabs(r) > {largest})
        r = INFINITY;
    return (float)copysign(r, v);
}}
"""
# bfloat16 is the upper half of a float32: half its last place, less one where that is even, is added below it.
UPPER_HALF = """\
/* Rounds to bfloat16: to nearest, ties to even, beyond its range to infinity. */
static inline float {name}_delivered(float v)
{{
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    b = v == v ? (b + 0x7fff + (b >> 16 & 1)) & 0xffff0000 : b;
    memcpy(&v, &b, sizeof v);
    return v;
}}
"""
ODD = """\
/* a + b, where it is not exact its neighbour with an odd last bit: rounded again, it is rounded as if once. */
static inline double {name}_odd(double a, double b)
{{
    const double sum = a + b, part = sum - a;
    const double left = (a - (sum - part)) + (b - part);
    uint64_t bits;
    double odd = sum;
    memcpy(&bits, &sum, sizeof bits);
    if ((left < 0 || left > 0) && !(bits & 1)) {{
        bits += (left > 0) == (sum > 0) ? 1 : -1;
        memcpy(&odd, &bits, sizeof odd);
    }}
    return odd;
}}
"""
SHIFTS = """\
#if (-1 >> 1) != -1
#error "{name} needs a compiler that shifts negative numbers arithmetically."
#endif
"""


def header(result: Result, name: str) -> str:
    """Return a header with everything in it.

    Raises
    ------
    ExportError
        For a format that C cannot compute in, and a guard that it does not have.
    """
    one = evaluation(result)
    code = _code(one, identifier(name), "static inline ")
    return sealed(heading(result, one, manifest(result, "header", name)) + once(f"{identifier(name)}_h", code))


def source(result: Result, name: str) -> str:
    """Return a file to be compiled; see `header`."""
    one = evaluation(result)
    return sealed(heading(result, one, manifest(result, "source", name)) + _code(one, identifier(name), ""))


def heading(result: Result, one: Evaluation, document: dict[str, Any], more: Sequence[str] = ()) -> str:
    """Return the comment at the top of a file in C: what it is, more sentences, and its manifest."""
    ends = " and ".join(f"[{low}, {high}]" for low, high in result.target["domains"])
    name = identifier(document["name"])
    lines = [
        f"{name}: a {kind_of_polynomial(result)} for {result.target['text']} on {ends}, by polyoptim",
        *_claims(result, one),
        *more,
    ]
    head = "\n".join(f" * {one_line(line)}".replace("*/", "* /") for line in lines)
    block = comment(document, " * ")
    return f"/*\n{head}\n *\n{block}\n */\n"


def once(name: str, code: str) -> str:
    """Return code that may be included twice."""
    mark = name.upper()
    return f"#ifndef {mark}\n#define {mark}\n{code}\n#endif\n"


def _code(one: Evaluation, name: str, linkage: str) -> str:
    return _fixed(one, name, linkage) if one.own.digits is None else _floating(one, name, linkage)


def _claims(result: Result, one: Evaluation) -> list[str]:
    """Return sentences about the error, and about what the value is rounded to."""
    kind = result.arguments["error"]
    what = f"{kind} error" if kind in ("absolute", "relative") else f"error weighted by {kind}"
    lines = [f"largest {what} {result.sup_error:.6g}, {result.sup_error_kind}, of these coefficients"]
    if result.total_error_bound is not None:
        how = f"in {one.own}" + ("" if one.output == one.own else f" and of the value to {one.output}")
        lines.append(f"with rounding of every operation {how} at most {result.total_error_bound:.6g}, proved")
    if result.max_ulp_kind is not None:
        tried = f"on {result.input_count} inputs at most {result.max_ulp:.6g} ulp of {one.output}"
        lines.append(f"{tried}, {result.flips:.6%} flips, {result.max_ulp_kind}")
    if one.output != one.own:
        unit = "" if one.output.digits is not None else f", and stands for multiples of 2^{one.output.finest}"
        lines.append(f"operations are rounded to {one.own}; the value is rounded to {one.output}{unit}")
    return lines


def _floating(one: Evaluation, name: str, linkage: str) -> str:
    own = one.own
    kind = "double" if own.name == "float64" else "float"
    emulated = own.name not in ("float32", "float64")
    apart = _apart(one) if not emulated else set()
    bits = "uint64_t" if kind == "double" else "uint32_t"
    given, passed = (f", {bits} zero", f", {name}_zero") if apart else ("", "")
    parts = ["\n#include <float.h>\n#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"]
    parts.append(FAST_MATH.format(name=name))
    if apart:
        parts.append(APART.format(name=name, type=kind, bits=bits))
    if emulated:
        parts.append(_emulation(one, name))
    if one.output != one.own:
        parts.append(_delivery(one, name))
    literal = literals(own)
    body = [f"    x = {name}_nearest(x);"] if emulated else []
    body += clamped(one, literal) if one.guard == "clamp" else []
    body += constants(one, kind, literal)
    for operation in one.program.operations:
        value = _emulated(operation, name) if emulated else _plain(operation, kind, name, apart)
        body.append(f"    const {kind} {operation.result} = {value};")
    value = one.program.output
    body += [] if one.program.operations else ["    (void)x;"]
    if one.guard == "nan":
        value = f"{inside(one, literal)} ? {value} : ({kind})NAN"
    body.append(f"    return {value};" if one.output == one.own else f"    return {name}_delivered({value});")
    if apart:
        parts.append(function(f"static inline {kind} {name}_with({kind} x{given})", body))
        parts.append(function(f"{linkage}{kind} {name}({kind} x)", [f"    return {name}_with(x{passed});"]))
        parts.append(_loop(name, kind, linkage, f"{name}_with(x[i], zero)", f"    const {bits} zero = {name}_zero;\n"))
    else:
        parts.append(function(f"{linkage}{kind} {name}({kind} x)", body))
        parts.append(_loop(name, kind, linkage, f"{name}(x[i])"))
    return "\n".join(parts)


def _apart(one: Evaluation) -> set[str]:
    """Return the products that are terms of a sum."""
    operations = one.program.operations
    products = {each.result for each in operations if each.kind == "mul"}
    return {name for each in operations if each.kind == "add" for name in each.inputs} & products


def _plain(operation: Operation, kind: str, name: str, apart: set[str]) -> str:
    a, b, *rest = operation.inputs
    match operation.kind:
        case "fma":
            return f"{'fma' if kind == 'double' else 'fmaf'}({a}, {b}, {rest[0]})"
        case "add":
            return f"{a} + {b}"
    return f"{name}_apart({a} * {b}, zero)" if operation.result in apart else f"{a} * {b}"


def _emulated(operation: Operation, name: str) -> str:
    a, b, *rest = operation.inputs
    match operation.kind:
        case "fma":
            return f"{name}_nearest({name}_odd((double){a} * {b}, {rest[0]}))"
        case "add":
            return f"{name}_nearest((double){a} + {b})"
    return f"{name}_nearest((double){a} * {b})"


def _emulation(one: Evaluation, name: str) -> str:
    text = _nearest(one.own, name, "nearest")
    return text + "\n" + ODD.format(name=name) if one.program.count("fma") else text


def _nearest(own: Format, name: str, verb: str) -> str:
    """Return the function that rounds doubles to a format."""
    places = unit_places(own)
    return NEAREST.format(name=name, verb=verb, format=own.name, largest=_double(own.largest or Fraction(0)), **places)


def _delivery(one: Evaluation, name: str) -> str:
    """Return the function that rounds the value to the format in which it is handed out."""
    upper = one.output.name == "bfloat16" and one.own.name == "float32"
    return UPPER_HALF.format(name=name) if upper else _nearest(one.output, name, "delivered")


def literals(own: Format) -> Literal:
    """Return what writes numbers of a format in C; those that C does not have as floats."""
    suffix = "" if own.name == "float64" else "f"
    return lambda value: f"{own.hex(value)}{suffix}"


def _double(value: Fraction) -> str:
    return float(value).hex()


def constants(one: Evaluation, kind: str, literal: Literal) -> list[str]:
    """Return a line for each coefficient."""
    return [f"    const {kind} c{power} = {literal(one.coef[power])}; /* x^{power} */" for power in one.coef]


def inside(one: Evaluation, literal: Literal, x: str = "x") -> str:
    """Return the condition that x lies in the domain."""
    return " || ".join(f"({x} >= {literal(low)} && {x} <= {literal(high)})" for low, high in one.ends)


def clamped(one: Evaluation, literal: Literal, x: str = "x") -> list[str]:
    """Return lines that move x to the nearest end of the domain."""
    low, high = literal(one.ends[0][0]), literal(one.ends[-1][1])
    lines = [f"    {x} = {x} < {low} ? {low} : {x};", f"    {x} = {x} > {high} ? {high} : {x};"]
    for (_, left), (right, _) in zip(one.ends, one.ends[1:], strict=False):
        middle = one.own.round((left + right) / 2)
        nearest = f"{x} < {literal(middle)} ? {literal(left)} : {literal(right)}"
        lines.append(f"    {x} = {x} > {literal(left)} && {x} < {literal(right)} ? ({nearest}) : {x};")
    return lines


def function(head: str, body: list[str]) -> str:
    """Return a function from its head and the lines of its body."""
    return "\n".join([head, "{", *body, "}", ""])


def _loop(name: str, kind: str, linkage: str, value: str, before: str = "") -> str:
    return (
        f"{linkage}void {name}_array(const {kind} *x, {kind} *y, size_t n)\n"
        f"{{\n{before}    for (size_t i = 0; i < n; ++i)\n        y[i] = {value};\n}}\n"
    )


def _fixed(one: Evaluation, name: str, linkage: str) -> str:
    kind, body = fixed_body(one)
    return "\n".join(
        [
            "\n#include <stddef.h>\n#include <stdint.h>\n",
            fixed_preface(one, name),
            function(f"{linkage}{kind} {name}({kind} x)", body),
            _loop(name, kind, linkage, f"{name}(x[i])"),
        ]
    )


def fixed_preface(one: Evaluation, name: str) -> str:
    """Return what stands before a function in fixed point."""
    places = -(one.own.finest or 0)
    what = f"/* Numbers are k / 2^{places}, and stand for k. Products are rounded to nearest, ties upwards. */"
    return f"{SHIFTS.format(name=name)}\n{what}"


def fixed_body(one: Evaluation) -> tuple[str, list[str]]:
    """Return the type of numbers in fixed point, and the lines of a function of x."""
    own = one.own
    places = -(own.finest or 0)
    kind, wide = next((kind, wide) for most, kind, wide in INTEGERS if own.width <= most)
    half = f" + ({wide}){1 << (places - 1)}" if places else ""
    body = clamped(one, own.hex) if one.guard == "clamp" else []
    body += constants(one, kind, own.hex)
    for operation in one.program.operations:
        a, b, *rest = operation.inputs
        value = f"({wide}){a} + {b}"
        if operation.kind != "add":
            value = f"((({wide}){a} * {b}{half}) >> {places})" + "".join(f" + {c}" for c in rest)
        body.append(f"    const {kind} {operation.result} = ({kind})({value});")
    body += [] if one.program.operations else ["    (void)x;"]
    value = one.program.output
    shift = places + (one.output.finest or 0)
    if shift:
        value = f"({kind})((({wide}){value} + {1 << shift - 1}) >> {shift})"
    return kind, [*body, f"    return {value};"]
