"""CUDA and Triton of whole functions: run with what they call put in place, compiled, run where there is a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from polyoptim import function, verify
from polyoptim.arithmetic import evaluate_body
from polyoptim.exporters.manifest import read_document
from polyoptim.functions import FUNCTIONS

SHIMS = Path(__file__).parent / "shims"
NVCC = shutil.which("nvcc")
GPU = Path("/dev/nvidia0").exists()
STRICT = ("-std=c++17", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function")

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
needs_nvcc = pytest.mark.skipif(not NVCC, reason="nvcc is not installed")
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")

# Triton looks at TRITON_INTERPRET when it is imported. The interpreter before 3.9 rounds the product in an fma and then
# the sum, which no GPU does: it gets one that rounds once.
RUN = """
import importlib.util, sys
import numpy as np, torch, triton
from polyoptim.arithmetic import operations_in
from polyoptim.formats import find_format
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

def create_fma(self, x, y, z):
    fma = operations_in(find_format("float32"))["fma"]
    return TensorHandle(fma(*(each.data.astype(np.float64) for each in (x, y, z))).astype(np.float32), z.dtype.scalar)

if tuple(map(int, triton.__version__.split(".")[:2])) < (3, 9):
    InterpreterBuilder.create_fma = create_fma
path, name, device = sys.argv[1:]
module = importlib.util.spec_from_file_location(name, path)
loaded = importlib.util.module_from_spec(module)
module.loader.exec_module(loaded)
x = np.load(f"{path}.npy")
with np.errstate(all="ignore"):
    y = getattr(loaded, name)(torch.from_numpy(x).to(device)).cpu().numpy()
np.save(f"{path}.found.npy", y)
"""


def inputs(count):
    draw = np.random.default_rng(8)
    any_ = draw.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, 2.0**17], dtype=np.float32)
    return np.concatenate([draw.normal(0, 30, count).astype(np.float32), special, any_])


def different(found, expected):
    both = np.isnan(found) & np.isnan(expected)
    return np.flatnonzero((found.view(np.uint32) != expected.view(np.uint32)) & ~both)


@needs_compiler
@pytest.mark.parametrize("name", FUNCTIONS)
def test_cuda_gives_the_bits_of_the_reference_by_a_compiler_of_c_plus_plus(tmp_path, name):
    found = function(name, format="float16")
    found.export(tmp_path / "one.cuh")
    code = 'extern "C" void call(const float *x, float *y, size_t n) { one_poly_kernel(x, y, n); }\n'
    (tmp_path / "one.cpp").write_text(f'#include "one.cuh"\n{code}')
    command = ["g++", "-shared", "-fPIC", f"-I{SHIMS}", *STRICT, "-O2", "-o", "one.so", "one.cpp"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    x = inputs(1 << 17)
    y = np.empty_like(x)
    library = ctypes.CDLL(os.fspath(tmp_path / "one.so"))
    library.call(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(x)))
    wrong = different(y, evaluate_body(found.body, x))
    assert not len(wrong), x[wrong[:3]]
    assert read_document((tmp_path / "one.cuh").read_text(), "one.cuh")["executed"] == "not executed"
    assert verify(tmp_path / "one.cuh").status == "verified"


@needs_nvcc
def test_cuda_is_compiled_by_nvcc(tmp_path):
    lines = []
    for name in FUNCTIONS:
        function(name, format="bfloat16").export(tmp_path / f"{name}.cuh")
        lines.append(f'#include "{name}.cuh"\n')
    (tmp_path / "all.cu").write_text("".join(lines))
    command = [NVCC, "-arch=sm_80", "-Werror", "all-warnings", "-diag-suppress", "177", "-c", "-o", "all.o", "all.cu"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


@needs_triton
@pytest.mark.parametrize("name", FUNCTIONS)
def test_triton_gives_the_bits_of_the_reference(tmp_path, name):
    found = function(name, format="float16")
    path = tmp_path / f"{name}.triton.py"
    found.export(path)
    x = inputs(1 << 12)
    np.save(f"{path}.npy", x)
    surroundings = {**os.environ, "TRITON_INTERPRET": "0" if GPU else "1", "TRITON_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", RUN, str(path), name, "cuda" if GPU else "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    wrong = different(np.load(f"{path}.found.npy"), evaluate_body(found.body, x))
    assert not len(wrong), x[wrong[:3]]
    assert verify(path).status == "verified"
