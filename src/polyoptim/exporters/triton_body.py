"""Triton of a whole function: its instructions on blocks of float32 and of words; Triton is told not to fuse them.

Values are those of `polyoptim.arithmetic.evaluate_body`, bit for bit but for those of NaN.
"""

from __future__ import annotations

from polyoptim.exporters.body_lines import Language, Lines, hexadecimal, is_named, is_plain
from polyoptim.exporters.manifest import comment, sealed
from polyoptim.exporters.script import one_line
from polyoptim.exporters.sheet import Sheet
from polyoptim.exporters.triton import BLOCK
from polyoptim.instructions import Body, Word

TEXTS = {
    "mul": "{} * {}",
    "add": "{} + {}",
    "sub": "{} - {}",
    "div": "tl.div_rn({}, {})",
    "fma": "tl.fma({}, {}, {})",
    "iadd": "{} + {}",
    "isub": "{} - {}",
    "imul": "{} * {}",
    "umulhi": "tl.umulhi({}, {})",
    "and": "{} & {}",
    "or": "{} | {}",
    "xor": "{} ^ {}",
    "shl": "{} << {}",
    "shr": "{} >> {}",
    "sar": "({} >> {}).to(tl.uint32, bitcast=True)",
    "int": "{}.to(tl.int32).to(tl.uint32, bitcast=True)",
    "flt": "{}.to(tl.float32)",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "eq": "{} == {}",
    "ilt": "{} < {}",
    "ult": "{} < {}",
    "ieq": "{} == {}",
}
KERNEL = '''
@triton.jit
def {name}_kernel(x_at, y_at, n, block: tl.constexpr):
    """Write the function at n numbers that lie at x_at to y_at."""
    place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = place < n
    x = tl.load(x_at + place, mask=inside)
    tl.store(y_at + place, value(x), mask=inside)


def {name}(x):
    """Return the function at x, a tensor of float32 on the GPU."""
    x = torch.as_tensor(x, dtype=torch.float32).contiguous()
    y = torch.empty_like(x)
    if x.numel():
        grid = (triton.cdiv(x.numel(), {block}),)
        {name}_kernel[grid](x, y, x.numel(), block={block}, enable_fp_fusion=False)
    return y
'''


def triton(body: Body, sheet: Sheet) -> str:
    """Return a module with a Triton kernel and a function of tensors."""
    lines = Lines(body, LANGUAGE)
    named = {name: word for name, word in body.constants.items() if is_named(name)}
    constants = [f'{name} = tl.constexpr(float.fromhex("{hexadecimal(word)}"))' for name, word in named.items()]
    value = [*lines.lines(), f"    return {lines.read(body.output, 'f')}"]
    text = "\n".join(one_line(line) for line in sheet.lines)
    parts = [
        f'"""{text}"""\n',
        comment(dict(sheet.manifest), "# "),
        "\nimport torch\nimport triton\nimport triton.language as tl\n",
        *constants,
        '\n\n@triton.jit\ndef value(x):\n    """Return the function on a block of numbers."""',
        *value,
        "\n" + KERNEL.format(name=sheet.manifest["function"], block=BLOCK),
    ]
    return sealed("\n".join(parts))


def _block(bits: int) -> str:
    return f"tl.full(x.shape, {bits:#x}, tl.uint32)"


def _number(word: Word) -> str:
    if not is_plain(word):
        return f"{_block(word.bits)}.to(tl.float32, bitcast=True)"
    return f"tl.full(x.shape, {float(word.value)!r}, tl.float32)"


LANGUAGE = Language(
    TEXTS,
    to_float="{}.to(tl.float32, bitcast=True)",
    to_word="{}.to(tl.uint32, bitcast=True)",
    to_integer="{}.to(tl.int32, bitcast=True)",
    choose="tl.where({} != 0, {}, {})",
    select="tl.where({} != 0, {}, {})",
    mask=f"tl.where({{}}, {_block(0xFFFFFFFF)}, {_block(0)})",
    line="    {name} = {value}",
    kinds=("", ""),
    number=_number,
    whole=_block,
    coefficient="tl.full(x.shape, {}, tl.float32)",
    reads={"sar": "ii"},
)
