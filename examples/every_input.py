"""
A float32 sin, checked on every input
=====================================

How do you know that a sin is right? The usual test takes a million random numbers and reports the worst. But a float32
has only 32 bits: all of them can be tried. This lesson does that, and says of each number what kind of knowledge it is.
"""

# %%
# Proved
# ------
#
# On [−π/4, π/4] the sine is an odd polynomial, nearly: x + c₃ x³ + c₅ x⁵ + c₇ x⁷. Below 2^-12 not even x³ matters: its
# share, x²/6, is too small to be seen in a float32. So what is left is [2^-12, π/4]; the negative half is the same.

import runpy
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import polyoptim
from polyoptim import checker

sine = {"domain": ("2**-12", "pi/4"), "powers": (1, 3, 5, 7), "fixed": {1: 1}, "error": "relative", "format": "float32"}
found = polyoptim.approximate("sin(x)", **sine, exhaustive=True)
print(*(text for text in found.coef_hex if text != "0"))
print(f"largest relative error {found.sup_error:.4e}, {found.sup_error_kind}")

# %%
# "proved" is the first of three words. A proof in ball arithmetic says that no real x of the domain has a larger
# error. It comes with a certificate, and a checker, which shares no code with the search, shows every step again:

shown = checker.check(found.certificate)
print(shown)

# %%
# Hand over a Python function in place of the text, and nothing can be proved about it: the program inside is not known.
# The number is nearly the same, but the word is another, and a note says why.

blind = polyoptim.approximate(np.sin, **{**sine, "domain": (2**-12, np.pi / 4)})
print(f"largest relative error {blind.sup_error:.4e}, {blind.sup_error_kind}")
print(*blind.notes)

# %%
# What rounding adds
# ------------------
#
# That was the polynomial in exact arithmetic. Code rounds at each operation, and here most of the error comes from
# that. A bound for all roundings together can be proved as well. It holds whatever happens, so it is a bit large:

print(f"with rounding at most {found.total_error_bound:.3e}, proved")
print(f"half a unit in the last place is between {2**-25:.3e} and {2**-24:.3e} of a float32")

# %%
# Exhaustive
# ----------
#
# And then there is simply trying. Every float32 of the domain goes through the operations of the code, in their order,
# each rounded; the truth next to it is known well enough to decide every case. No proof is needed, and no estimate:

print(f"{found.input_count:,} inputs, {found.max_ulp_kind}: at most {found.max_ulp:.6f} ulp")
print(f"{found.flips:.3%} of them are not the correctly rounded value")

found.plot()

# %%
# Why not a sample?
# -----------------
#
# ``export`` writes the same operations as a NumPy function. With it, the worst of some random inputs can be compared
# with the worst of all. A sample never says too much, mostly too little, and it cannot say by how much.

with tempfile.TemporaryDirectory() as folder:
    found.export(Path(folder, "sine.py"))
    polynomial = runpy.run_path(str(Path(folder, "sine.py")))["polynomial"]


def ulps(x):
    """Return the error of the code at x, in units in the last place of the true sine."""
    truth = np.sin(x.astype(np.float64))  # good to 1e-16, which is enough for six digits of an ulp
    return np.abs(polynomial(x) - truth) / np.exp2(np.floor(np.log2(truth)) - 23)


random = np.random.default_rng(0)
for count in (1_000, 30_000, 1_000_000):
    x = random.uniform(2**-12, np.pi / 4, count).astype(np.float32)
    print(f"worst of {count:>10,} random inputs: {ulps(x).max():.6f} ulp")
worst = np.array(found.worst_inputs[:1], dtype=np.float32)
print(f"worst of {found.input_count:>10,}, which is all: {ulps(worst)[0]:.6f} ulp, at x = {worst[0]!r}")

# %%
# Where are the bad ones? Not spread evenly. Where the sine passes 1/2, its unit in the last place doubles; just before
# that, an error of the same size counts twice.

x = np.linspace(2**-12, np.pi / 4, 400_000).astype(np.float32)
tops = ulps(x).reshape(400, -1).max(axis=1)
figure = Figure(figsize=(9, 3.8), dpi=120, layout="constrained")
axes = figure.subplots()
axes.plot(x[::1000], tops, color="#0072B2", linewidth=1, label="worst of 1000 neighbours")
axes.plot(worst, [found.max_ulp], "D", color="#D55E00", label="worst of all")
axes.axhline(0.5, color="black", linestyle="--", linewidth=1, label="correctly rounded")
axes.set(xlabel="x", ylabel="error in ulp")
axes.legend()
axes.grid(alpha=0.25)
figure.set_label("The worst error in ulp along x: it climbs towards each place where the unit doubles, then it drops.")
figure

# %%
# The order matters
# -----------------
#
# The same coefficients, evaluated otherwise, are another function. Estrin's scheme does two products at once and is
# faster; and not every machine fuses a product and a sum.

for scheme, fma in (("horner", True), ("horner", False), ("estrin", True)):
    tried = polyoptim.approximate("sin(x)", **sine, exhaustive=True, scheme=scheme, fma=fma)
    print(f"{scheme}{' with FMA' if fma else '':<9} {tried.max_ulp:.4f} ulp, {tried.max_ulp_kind}")

# %%
# All numbers there are
# ---------------------
#
# ``function`` puts the range reduction around it, so that every number of a format has its sine, the huge ones too. For
# bfloat16 that takes a moment; for float32 all 2^32 inputs are tried in some minutes.

whole = polyoptim.function("sin", format="bfloat16", max_ulp=0.6)
print(whole.report())

# %%
# Where to go next
# ----------------
#
# ``whole.export("sin.h")`` writes the code, and ``polyoptim verify sin.h`` tries all inputs again. From the command
# line:
#
# .. code-block:: console
#
#     $ polyoptim function sin --format float32 --export sin.h
#     $ polyoptim approximate "sin(x)" --domain -pi/4 pi/4 --degree 7 --format float32 --error relative --exhaustive
#
# Polynomials are good at more than imitating functions: in `the last lesson <layers.html>`_ they stand in a network.
