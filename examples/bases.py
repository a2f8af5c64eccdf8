"""
The basis, not the optimizer
============================

A polynomial of degree 8 learns a bell with ripples, and no optimizer gets near the optimum. Which one is to blame?
This lesson changes none of them. It writes the same polynomials in another basis.
"""

# %%
# Nothing works
# -------------
#
# ``sweep`` makes a run for each of 46 learning rates, here for three optimizers of 2000 steps each, and the best of
# them counts. The gap is the loss divided by the optimum, minus one; the optimum is the least loss that any
# polynomial of degree 8 can have on these samples.

import numpy as np
from matplotlib.figure import Figure
from numpy.polynomial import chebyshev, legendre, polynomial

import polyoptim

bell, domain, degree = "exp(-x**2)*cos(3*x)", (-2, 2), 8
over = {"lr": (1e-9, 1, 46, "log"), "basis": ["power", "legendre", "chebyshev"]}
sweeps = {
    name: polyoptim.sweep(bell, domain=domain, degree=degree, over=over, optimizer=name, steps=2000)
    for name in ("SGD", "RMSprop", "Adam")
}
for name, found in sweeps.items():
    print(f"{name:<8} in powers: the smallest gap of {len(found.gap)} rates is {np.nanmin(found.gap[:, 0]):.2g}")

# %%
# The same polynomials, written otherwise
# ---------------------------------------
#
# The sweep had a second axis that was not shown: the basis. Sums of 1, x, x², …, x⁸ are the same polynomials as sums of
# the first nine of Legendre or of Chebyshev, so the optimum is the same number. Only what a coefficient means has
# changed.

print(f"{'gap':<8}", *(f"{basis:>10}" for basis in over["basis"]))
for name, found in sweeps.items():
    print(f"{name:<8}", *(f"{gap:>10.1e}" for gap in np.nanmin(found.gap, axis=0)))
print(f"{'optimum':<8}", *(f"{optimum:>10.6f}" for optimum in sweeps["SGD"].optimum[0]))

figure = Figure(figsize=(11, 4), dpi=120, layout="constrained")
for axes, (name, found) in zip(figure.subplots(1, 3, sharey=True), sweeps.items(), strict=True):
    for gap, color, basis in zip(found.gap.T, ("#D55E00", "#0072B2", "#009E73"), over["basis"], strict=True):
        axes.loglog(found.axes["lr"], np.maximum(gap, 1e-16), "o-", color=color, markersize=3, label=basis)
    axes.set(title=name, xlabel="lr", xlim=(1e-9, 1), ylim=(1e-16, 1e7))
    axes.grid(alpha=0.25)
figure.axes[0].set_ylabel("gap after 2000 steps")
figure.axes[0].legend()
figure.set_label("The gap over the learning rate for three optimizers: in powers it stays large for every rate.")
figure

# %%
# Why
# ---
#
# Look at what the coefficients multiply. The even powers are all bowls: from x⁶ to x⁸ the shape hardly changes, so that
# more of one and less of the other nearly cancel. The loss is flat in such a direction, and steep where all move
# together. Each of Legendre's polynomials has a shape of its own: they are orthogonal.

u = np.linspace(-1, 1, 2000)
figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
columns = {"power": polynomial.polyvander(u, degree), "legendre": legendre.legvander(u, degree)}
styles = {2: ("-", "#000000"), 4: ("--", "#0072B2"), 6: ("-.", "#D55E00"), 8: (":", "#009E73")}
for axes, (basis, values) in zip(figure.subplots(1, 2), columns.items(), strict=True):
    for k, (style, color) in styles.items():
        axes.plot(u, values[:, k], style, color=color, label=f"degree {k}")
    axes.set(title=basis, xlabel="u = x / 2")
    axes.grid(alpha=0.25)
    axes.legend()
figure.set_label("Left: four even powers, bowls close to each other. Right: four Legendre polynomials, all different.")
figure

# %%
# The condition number is the ratio of the steepest and the flattest curvature of the loss. Plain SGD at its best takes
# about as many steps for each digit as that number says: `what each optimizer does <optimizers.html>`_ has the formula.
# In powers it explodes with the degree. In the others it stays small.

families = {
    "power": lambda k: polynomial.polyvander(2 * u, k),
    "legendre": lambda k: legendre.legvander(u, k),
    "chebyshev": lambda k: chebyshev.chebvander(u, k),
}
print(f"{'degree':>6}", *(f"{basis:>10}" for basis in families))
for k in (1, 2, 3, 5, 8, 12):
    print(f"{k:>6}", *(f"{np.linalg.cond(columns_of(k)) ** 2:>10.3g}" for columns_of in families.values()))

# %%
# Advice
# ------
#
# ``advise`` does this for a problem of yours: the eigenvalues in five bases, the limits of the learning rate that
# follow from them, and a good rate for each optimizer, measured. About the cubic that learns sin(x) it says:

print(polyoptim.advise("sin(x)").report())

# %%
# Where to go next
# ----------------
#
# In a good basis the optimizers come close to each other, and only then is it worth asking which of them is fastest:
# `fair races <races.html>`_. Try ``"hermite"`` in the sweep, whose polynomials are orthogonal on another domain than
# this. Try ``mapped=True`` with powers, which puts x on [−1, 1] first, and see how little that helps. And where no
# steps are needed, ``polyoptim.fit`` solves such a problem at once: `fitting data <fitting.html>`_.
