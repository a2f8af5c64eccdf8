"""Triton: an approximation as a kernel over torch tensors on a GPU, in the arithmetic of its format.

float64, float32 and float16 are Triton's own; it is told not to fuse a product with the sum behind it. Operations of
bfloat16 are done in float64 and rounded, and casts from and to bfloat16 are done on bits, for Triton's interpreter does
not round to it as GPUs do. Values are those of `polyoptim.arithmetic.evaluate`, bit for bit, in both.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction

from polyoptim.exporters.evaluation import Evaluation, evaluation, unit_places
from polyoptim.exporters.manifest import NOT_EXECUTED, comment, manifest, sealed
from polyoptim.exporters.script import one_line
from polyoptim.formats import Format
from polyoptim.reports.curves import kind_of_polynomial
from polyoptim.result import Result
from polyoptim.schemes import Operation

BLOCK = 1024  # numbers that one program of the kernel takes
# Operations, by the names that schemes give them, on blocks of numbers.
NATIVE = {"mul": "{0} * {1}", "add": "{0} + {1}", "fma": "tl.fma({0}, {1}, {2})"}
BY_FLOAT64 = {"mul": "nearest({0} * {1})", "add": "nearest({0} + {1})", "fma": "nearest(odd_sum({0} * {1}, {2}))"}

WIDENED = '''
@triton.jit
def widened(x):
    """Return numbers of bfloat16 as float32, of which they are the upper half."""
    return (x.to(tl.int16, bitcast=True).to(tl.int32) << 16).to(tl.float32, bitcast=True)
'''
NARROWED = '''
@triton.jit
def narrowed(v):
    """Return float32 rounded to bfloat16: to nearest, ties to even, beyond its range to infinity."""
    b = v.to(tl.int32, bitcast=True)
    b = tl.where(v == v, b + 0x7FFF + (b >> 16 & 1), 0x7FC00000)
    return (b >> 16).to(tl.int16).to(tl.bfloat16, bitcast=True)
'''
NEAREST = '''
@triton.jit
def nearest(v):
    """Return float64 rounded to {format}: to nearest, ties to even, beyond its range to infinity."""
    b = v.to(tl.int64, bitcast=True)
    exponent = b >> 52 & 0x7FF
    near = tl.where(exponent < {finest}, {finest}, tl.where(exponent > {highest}, {highest}, exponent))
    half = tl.full(v.shape, 1, tl.int64) << 51
    unit = ((near + {shift}) << 52 | half).to(tl.float64, bitcast=True)  # its last bit is that of the format
    r = (v + unit) - unit
    size = r.to(tl.int64, bitcast=True) & 0x7FFFFFFFFFFFFFFF
    size = tl.where(size > {largest:#x}, {infinity:#x}, size)
    sign = b & (tl.full(v.shape, 1, tl.int64) << 63)
    return tl.where(exponent == 0x7FF, v, (size | sign).to(tl.float64, bitcast=True))
'''
ODD = '''
@triton.jit
def odd_sum(a, b):
    """Return a + b, where it is not exact its neighbour with an odd last bit: rounded again, it is as if once."""
    total = a + b
    part = total - a
    left = (a - (total - part)) + (b - part)
    bits = total.to(tl.int64, bitcast=True)
    step = tl.where((left > 0) == (total > 0), 1, -1)
    inexact = ((left < 0) | (left > 0)) & ((bits & 1) == 0)
    return tl.where(inexact, bits + step, bits).to(tl.float64, bitcast=True)
'''
KERNEL = '''
@triton.jit
def polynomial_kernel(x_at, y_at, n, block: tl.constexpr):
    """Write the polynomial at n numbers that lie at x_at to y_at."""
    place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = place < n
    x = tl.load(x_at + place, mask=inside)
    tl.store(y_at + place, value(x), mask=inside)


def polynomial(x):
    """Return the polynomial at x, a tensor on the GPU, {about}."""
    x = torch.as_tensor(x, dtype=torch.{given}).contiguous()
    y = torch.empty_like(x, dtype=torch.{found})
    if x.numel():
        grid = (triton.cdiv(x.numel(), {block}),)
        polynomial_kernel[grid](x, y, x.numel(), block={block}, enable_fp_fusion=False)
    return y
'''


def triton_scheme(result: Result) -> str:
    """Return a module with a Triton kernel and ``polynomial(x)`` for tensors.

    Raises
    ------
    ExportError
        For a format in which nothing can be evaluated.
    """
    one = evaluation(result)
    ends = " and ".join(f"[{low}, {high}]" for low, high in result.target["domains"])
    title = one_line(f"A {kind_of_polynomial(result)} for {result.target['text']} on {ends}, by polyoptim.")
    block = comment(manifest(result, "triton", executed=NOT_EXECUTED), "# ")
    code = _fixed(one) if one.own.digits is None else _floating(one)
    imports = "import torch\nimport triton\nimport triton.language as tl"
    return sealed(f'"""{title}"""\n\n{block}\n\n{imports}\n\n{code}')


def _floating(one: Evaluation) -> str:
    own, output = one.own.name, one.output.name
    emulated = own == "bfloat16"
    doubles = emulated or (own == "float64" and output == "bfloat16")
    inside = "float64" if emulated else own
    helpers = [WIDENED] if emulated else []
    helpers += [nearest(one.output)] if doubles else []
    helpers += [ODD] if emulated and one.program.count("fma") else []
    helpers += [NARROWED] if output == "bfloat16" else []
    body = ["x = widened(x).to(tl.float64)"] if emulated else []
    if one.guard == "clamp":
        body += _clamped(one, inside)
    body += [f"a{power} = tl.full(x.shape, c{power}, tl.{inside})" for power, _ in one.table]
    body += operations(one.program.operations, BY_FLOAT64 if emulated else NATIVE)
    value = operand(one.program.output)
    if one.guard == "nan":
        body.append(f"inside = {_inside(one, inside)}")
        value = f'tl.where(inside, {value}, float("nan"))'
    if doubles:
        value = value if emulated else f"nearest({value})"
        value = f"narrowed({value}.to(tl.float32))"
    elif output != own:
        value = f"narrowed({value})" if output == "bfloat16" else f"{value}.to(tl.{output})"
    body.append(f"return {value}")
    constants = [f'c{power} = tl.constexpr(float.fromhex("{text}"))  # x^{power}' for power, text in one.table]
    about = f"as {output}; every operation is rounded to {own}"
    return _module(constants, helpers, body, about, own, output)


def _fixed(one: Evaluation) -> str:
    places = -(one.own.finest or 0)
    half = f" + {1 << (places - 1)}" if places else ""
    body = _clamped(one, "int64") if one.guard == "clamp" else []
    body += [f"a{power} = tl.full(x.shape, c{power}, tl.int64)" for power, _ in one.table]
    product = f"({{0}} * {{1}}{half} >> {places})"
    body += operations(one.program.operations, {"mul": product, "add": "{0} + {1}", "fma": product + " + {2}"})
    shift = places + (one.output.finest or 0)
    value = operand(one.program.output)
    body.append(f"return {value} + {1 << shift - 1} >> {shift}" if shift else f"return {value}")
    constants = [f"c{power} = tl.constexpr({text})  # x^{power}" for power, text in one.table]
    about = f"as integers k that stand for k / 2**{places - shift}, of x that stand for k / 2**{places}"
    return _module(constants, [], body, about, "int64", "int64")


def _block(value: Fraction, one: Evaluation, kind: str) -> str:
    """Return a number as a block; a bare one would be of float32."""
    number = int(value * 2 ** -(one.own.finest or 0)) if one.own.digits is None else float(value)
    return f"tl.full(x.shape, {number!r}, tl.{kind})"


def _clamped(one: Evaluation, kind: str) -> list[str]:
    """Return lines that move x to the nearest end of the domain."""
    lines = [
        f"low, high = {_block(one.ends[0][0], one, kind)}, {_block(one.ends[-1][1], one, kind)}",
        "x = tl.where(x < low, low, x)",
        "x = tl.where(x > high, high, x)",
    ]
    for (_, left), (right, _) in zip(one.ends, one.ends[1:], strict=False):
        lines += [
            f"left, right = {_block(left, one, kind)}, {_block(right, one, kind)}",
            f"middle = {_block(one.own.round((left + right) / 2), one, kind)}",
            "x = tl.where((x > left) & (x < right), tl.where(x < middle, left, right), x)",
        ]
    return lines


def _inside(one: Evaluation, kind: str) -> str:
    pairs = [(_block(low, one, kind), _block(high, one, kind)) for low, high in one.ends]
    return " | ".join(f"((x >= {low}) & (x <= {high}))" for low, high in pairs)


def _module(constants: list[str], helpers: list[str], body: list[str], about: str, given: str, found: str) -> str:
    lines = "\n".join(f"    {line}" for line in body)
    value = f'\n@triton.jit\ndef value(x):\n    """Return the polynomial on a block of numbers."""\n{lines}\n'
    kernel = KERNEL.format(about=about, given=given, found=found, block=BLOCK)
    return "\n".join(constants) + "\n\n" + "\n".join([*helpers, value, kernel])


def nearest(own: Format) -> str:
    """Return the function that rounds float64 to a narrower format."""
    bits = struct.unpack("<q", struct.pack("<d", float(own.largest or 0)))[0]
    return NEAREST.format(format=own.name, largest=bits, infinity=0x7FF << 52, **unit_places(own))


def operand(name: str) -> str:
    """Return the name of a block: coefficients stand at the module's top as numbers, and as blocks under another."""
    return f"a{name[1:]}" if name.startswith("c") else name


def operations(given: tuple[Operation, ...], texts: Mapping[str, str]) -> list[str]:
    """Return a line for each operation, from the text of its kind."""
    return [f"{each.result} = {texts[each.kind].format(*map(operand, each.inputs))}" for each in given]
