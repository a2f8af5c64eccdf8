"""
Replacing exp2 in a bfloat16 kernel
===================================

A kernel spends its time in exp2, and in the end each value is rounded to bfloat16, which holds about three digits. So a
short polynomial should do. How short may it be, and how many results does it change?
"""

# %%
# What has to be approximated
# ---------------------------
#
# With n the integer below x and f = x − n, the power 2^x is 2^n times 2^f. The first factor is only an exponent, a
# matter of bits. So the polynomial is needed for f in [0, 1), where 2^f is between 1 and 2.
#
# A Taylor series is best at 0 and bad at 1. ``approximate`` makes the largest relative error as small as it can be,
# with coefficients that are numbers of float32. The constant is held at 1, so that 2^0 is 1 exactly.

import math
import tempfile
from pathlib import Path

import numpy as np

import polyoptim

f = np.linspace(0, 1, 10_001)
taylor = sum(math.log(2) ** k / math.factorial(k) * f**k for k in range(4))
kernel = {"domain": (0, 1), "error": "relative", "fixed": {0: 1}, "format": "float32"}
cubic = polyoptim.approximate("2**x", degree=3, **kernel)

print(f"Taylor, degree 3:  {np.max(np.abs(taylor / 2**f - 1)):.2e}")
print(f"ours, degree 3:    {cubic.sup_error:.6e}, {cubic.sup_error_kind}")
print(f"none is below:     {cubic.lower_bound:.6e}")
print(*cubic.coef_hex)

# %%
# *Proved* means: ball arithmetic has shown that no f in [0, 1] has a larger error. It is the error of these very
# coefficients, in arithmetic without rounding.
#
# What ships
# ----------
#
# A kernel rounds after every operation, and rounds its value to bfloat16. Nobody has to guess what that gives: all the
# values that f can have are tried, 2^24 of them, with the roundings of the code. Two numbers come back. *ulp* is the
# largest error in units in the last place of bfloat16; a correctly rounded value is off by at most 0.5. *flips* is the
# share of inputs whose result is not the correctly rounded one.

ships = {**kernel, "output_format": "bfloat16", "inputs": "grid"}
tried = {degree: polyoptim.approximate("2**x", degree=degree, **ships) for degree in (2, 3, 4)}
for degree, result in tried.items():
    print(f"degree {degree}: {result.max_ulp:.4f} ulp, {result.flips:7.3%} flips, {result.max_ulp_kind}")

# %%
# Degree 2 changes a good part of all results. Degree 3 changes one in a hundred, to a neighbour of the right value, and
# each degree more costs one multiply-add. The picture has the error on the domain, and below it how many inputs have
# which error in bfloat16.

tried[3].plot()

# %%
# The whole function
# ------------------
#
# Reduction and exponent around it, for any x: here in NumPy, without the rounding to bfloat16.

x = np.random.default_rng(0).uniform(-30, 30, 1_000_000).astype(np.float32)
n = np.floor(x)
whole = np.ldexp(tried[3](x - n).astype(np.float32), n.astype(np.int32))
print(f"largest relative error at a million x: {np.max(np.abs(whole / np.exp2(x.astype(np.float64)) - 1)):.2e}")

# %%
# Code
# ----
#
# ``export`` writes C, CUDA or Triton by the ending of the name. Every operation is spelled so that no compiler fuses or
# reorders it. This is the CUDA function:

folder = tempfile.TemporaryDirectory()
for name in ("exp2.h", "exp2.cuh", "exp2.triton.py"):
    tried[3].export(Path(folder.name, name))
code = Path(folder.name, "exp2.cuh").read_text()
start = code.index("static __device__")
print(code[start : code.index("\n}", start) + 2])

# %%
# Do not trust, verify
# --------------------
#
# Above the code, the file says what holds for it. Anybody can have that proved again, without us: the error from the
# coefficients that stand there, the ulp and the flips at all inputs, and that the file is what its manifest makes.

print(*polyoptim.verify(Path(folder.name, "exp2.h")).reasons, sep="\n")

# %%
# Now change the last bit of one coefficient, as a slip in an editor might, and ask again:

header = Path(folder.name, "exp2.h")
slope = cubic.coef_hex[1]
slipped = slope.replace("8p", "ap")
header.write_text(header.read_text().replace(slope, slipped))
found = polyoptim.verify(header)
print(slope, "->", slipped)
print(found.status, *found.reasons, sep="\n")
folder.cleanup()

# %%
# Where to go next
# ----------------
#
# The coefficients above make the error small, not the flips. ``objective="flips"`` searches for those that flip the
# fewest results, and ``objective="ulp"`` for the least ulp; each takes a minute or so. ``polyoptim.front`` compares
# degrees, formats and schemes by error and cost:
#
# .. code-block:: console
#
#     $ polyoptim front "2**x" --domain 0 1 --degrees 2:4 --formats float32,bfloat16 --output-format bfloat16
#
# A function for every float32, without a reduction by hand, is `the next lesson <every_input.html>`_.
