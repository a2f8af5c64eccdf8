"""C of whole functions: compiled, and compared bit for bit with the reference evaluation."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess

import numpy as np
import pytest

from polyoptim import function
from polyoptim.arithmetic import evaluate_body
from polyoptim.exporters.c_body import header
from polyoptim.exporters.sheet import Sheet
from polyoptim.functions import FUNCTIONS
from polyoptim.instructions import Writer

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
OPTIONS = [
    ("-O0",),
    ("-O3", "-march=native", "-ffp-contract=fast"),
    ("-O2", "-ffp-contract=off", "-std=c99"),
]
STRICT = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-function")

needs_compiler = pytest.mark.skipif(not COMPILERS, reason="there is no C compiler")


def inputs(count=1 << 18):
    """Bit patterns of all kinds, numbers of ordinary size, and special values."""
    draw = np.random.default_rng(5)
    any_ = draw.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)
    usual = draw.normal(0, 30, count).astype(np.float32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, 2.0**17], dtype=np.float32)
    return np.concatenate([usual, special, any_])


def compiled(path, name, compiler, options, kind="c"):
    code = path.parent / f"unit.{kind}"
    call = f"void call(const float *x, float *y, size_t n) {{ {name}_array(x, y, n); }}\n"
    linkage = 'extern "C" ' if kind == "cpp" else ""
    code.write_text(f'#include "{path.name}"\n{linkage}{call}{linkage}float one(float x) {{ return {name}(x); }}\n')
    library = path.parent / f"{path.stem}_{compiler}_{abs(hash(options))}_{kind}.so"
    command = [compiler, "-shared", "-fPIC", *STRICT, *options, "-o", str(library), str(code), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(os.fspath(library))


def called(library, x):
    found = np.empty_like(x)
    library.call(x.ctypes.data_as(ctypes.c_void_p), found.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(x)))
    return found


def different(found, expected):
    """Places with other bits, where not both are NaN."""
    both = np.isnan(found) & np.isnan(expected)
    return np.flatnonzero((found.view(np.uint32) != expected.view(np.uint32)) & ~both)


@needs_compiler
@pytest.mark.parametrize("name", FUNCTIONS)
def test_c_gives_the_bits_of_the_reference(tmp_path, name):
    found = function(
        name, format="float16"
    )  # short of a long check; the code is that of float32 but for the last lines
    x = inputs()
    expected = evaluate_body(found.body, x)
    for ending, compiler, options in itertools.product((".h", ".c"), COMPILERS, OPTIONS):
        if ending == ".c" and options != OPTIONS[1]:
            continue
        path = tmp_path / f"{name}f{ending}"
        found.export(path)
        library = compiled(path, f"{name}f_poly", compiler, options)
        wrong = different(called(library, x), expected)
        assert not len(wrong), (compiler, options, x[wrong[:3]])
        library.one.argtypes, library.one.restype = [ctypes.c_float], ctypes.c_float
        for place in range(0, len(x), 9973):
            assert not len(different(np.array([library.one(x[place])], dtype=np.float32), expected[place : place + 1]))


@needs_compiler
def test_every_kind_of_instruction_gives_the_bits_of_the_reference(tmp_path):
    """A body in which each word goes on through all kinds, and products meet sums."""
    write = Writer()
    place = write.do("and", "x", write.word(31))
    names = ["x", write.mul("x", "x"), write.number(3), write.float_of_bits(1 << 31), write.word(0x12345678)]
    for kind in ("add", "sub", "mul", "div", "iadd", "isub", "imul", "umulhi", "and", "or", "xor"):
        names.append(write.do(kind, names[-1], names[-4]))
    names.append(write.fma(names[1], names[2], names[5]))
    for kind in ("shl", "shr", "sar"):
        names.append(write.do(kind, names[-2], place))
    names.append(write.do("flt", names[-1]))
    for kind in ("lt", "le", "eq", "ilt", "ult", "ieq"):
        mask = write.do(kind, names[1], names[-1])
        names.append(write.select(mask, names[-1], names[-3]))
        names.append(write.do("xor", mask, names[-1]))
    small = write.select(write.do("lt", write.size("x"), write.number(2**30)), "x", write.number(-7))
    truncated = write.do("int", write.sub(write.add(small, write.number(3 << 22)), write.number(3 << 22)))
    total = names[0]
    for name in (*names[1:], truncated):
        total = write.do("iadd", write.do("imul", total, write.word(0x9E3779B1)), name)
    body = write.body(total)
    x = inputs(1 << 16)
    x = x[np.isfinite(x)]  # the bits of NaN are nobody's
    expected = evaluate_body(body, x)
    path = tmp_path / "all.h"
    path.write_text(header(body, Sheet("all_poly", ("all kinds",), {"sha256": "0" * 64})))
    for compiler, options in itertools.product(COMPILERS, OPTIONS):
        found = called(compiled(path, "all_poly", compiler, options), x)
        made_nan = np.isnan(evaluate_body(write.body(names[8]), x))
        wrong = (found.view(np.uint32) != expected.view(np.uint32)) & ~made_nan
        assert not wrong.any(), (compiler, options, x[wrong][:3])


@pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
def test_headers_are_c_plus_plus_too(tmp_path):
    found = function("sin", format="float16")
    found.export(tmp_path / "sinf.h")
    library = compiled(tmp_path / "sinf.h", "sinf_poly", "g++", ("-std=c++17", "-O2"), "cpp")
    x = inputs(1 << 14)
    assert not len(different(called(library, x), evaluate_body(found.body, x)))


@needs_compiler
@pytest.mark.parametrize("option", ["-Ofast", "-ffinite-math-only"])
def test_fast_math_is_refused(tmp_path, option):
    function("exp2", format="bfloat16").export(tmp_path / "e.c")
    command = ["gcc", "-c", option, "-o", "e.o", "e.c"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "-ffast-math" in done.stderr
