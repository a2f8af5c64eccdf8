"""
What each optimizer does
========================

Which learning rate is too large? What does momentum add? Why does RMSprop never come to rest, and what does Adam
correct? With two coefficients to learn, the whole loss fits on a map, and every answer can be seen.
"""

# %%
# Two coefficients
# ----------------
#
# The sine is odd, so b x + d x³ is all that a cubic needs to learn it. Data and loss are those of `the first lesson
# <polynomial_optim.html>`_: 2000 points, and the sum of the squared residuals. That loss is a valley, and the
# eigenvalues λ of its Hessian say how it curves: the largest in the steepest direction, the smallest in the flattest.

import math

import numpy as np
from matplotlib.figure import Figure

import polyoptim

x = np.linspace(-math.pi, math.pi, 2000)
columns = np.stack([x, x**3], axis=1)
flattest, steepest = np.linalg.eigvalsh(2 * columns.T @ columns)
ratio = steepest / flattest
limit = 2 / steepest

print(f"steepest λmax = {steepest:.0f}, flattest λmin = {flattest:.0f}, ratio {ratio:.0f}")
print(f"2/λmax = {limit:.4g}")

# %%
# The largest rate
# ----------------
#
# Plain gradient descent, SGD, subtracts lr times the slope. Along an eigenvector the distance to the optimum is then
# multiplied by 1 − lr λ in each step. Below lr = 2/λ that factor is between −1 and 1, and the distance shrinks. Above,
# each step overshoots by more than the one before. The steepest direction is the first to break, so the limit is
# 2/λmax. One percent on either side of it decides:

options = {"powers": (1, 3), "seed": 0, "engine": "fused", "every": 1}
limits = {}
for share in (0.5, 0.99, 1.01):
    limits[share] = polyoptim.train("sin(x)", optimizer="SGD", lr=share * limit, steps=400, **options)
for share, run in limits.items():
    factor = 1 - share * limit * steepest
    last = run.trace[-1]
    print(f"lr = {share:4} × 2/λmax: factor {factor:5.2f}, loss {last['loss']:.4g} after {last['step']} steps")
print(limits[1.01].message)

figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
axes = figure.subplots()
for (share, run), color in zip(limits.items(), ("#0072B2", "#009E73", "#D55E00"), strict=True):
    axes.semilogy(run.trace["step"], run.trace["gap"], color=color, label=f"lr = {share} × 2/λmax")
axes.set(xlabel="step", ylabel="gap: loss / optimum − 1")
axes.legend()
axes.grid(alpha=0.25)
figure.set_label("The gap over the steps for three rates: below the limit it falls, just above it grows and grows.")
figure

# %%
# The limit belongs to the problem: no start and no number of steps changes it. And the same rate has to do for the flat
# direction. There 1 − lr λmin is close to 1, so that the loss, once the steep direction is done, only crawls. The blue
# line shows it: half the limit brings the steep direction home in one step, and the rest takes hundreds.
#
# Momentum
# --------
#
# Momentum adds a share of the last step to the next one. Where slopes change their sign from step to step, the steps
# cancel; where they agree, they add up. For a quadratic loss the best rate and momentum are known, and with them by
# how much each step shrinks the distance to the optimum (Polyak 1964, doi:10.1016/0041-5553(64)90137-5):

plain = (ratio - 1) / (ratio + 1)  # with lr = 2 / (λmax + λmin)
root = (math.sqrt(ratio) - 1) / (math.sqrt(ratio) + 1)  # with lr = 4 / (√λmax + √λmin)² and momentum = root²
for name, factor in (("SGD", plain), (f"with momentum {root**2:.2f}", root)):
    print(f"{name:<18} factor {factor:.3f}: {math.log(0.1) / math.log(factor):5.1f} steps for each digit")

# %%
# RMSprop's jitter
# ----------------
#
# RMSprop divides each slope by a running average of its size. The steps become as long as ``lr`` says, whatever the
# slope, steep or flat. That is its strength far away from the optimum and its trouble close by: the slope goes to
# zero, the average goes to zero with it, and the steps do not get shorter. The table has the longest of the last 100
# steps in d, in units of lr, and the gap in the end. A smaller rate gives a smaller gap, and a schedule that lowers the
# rate on the way a smaller one still. It must not be in a hurry: a rate that falls before the run has arrived leaves it
# where it is. Try a ``gamma`` of 0.995.


def steps_of(run):
    """Return the changes of b and d in each step."""
    return np.diff(run.trace["coef"][:, [1, 3]], axis=0)


schedule = {"schedule": "ExponentialLR", "schedule_options": {"gamma": 0.998}}
momentum = {"optimizer_options": {"momentum": 0.8}}
runs = {
    "SGD": polyoptim.train("sin(x)", optimizer="SGD", lr=limit / 4, **options),
    "momentum": polyoptim.train("sin(x)", optimizer="SGD", lr=limit / 4, **momentum, **options),
    "RMSprop": polyoptim.train("sin(x)", optimizer="RMSprop", lr=1e-2, **options),
    "RMSprop, lr/10": polyoptim.train("sin(x)", optimizer="RMSprop", lr=1e-3, **options),
    "RMSprop, falling lr": polyoptim.train("sin(x)", optimizer="RMSprop", lr=1e-2, **schedule, **options),
    "Adam": polyoptim.train("sin(x)", optimizer="Adam", lr=1e-2, **options),
}
for name, run in runs.items():
    if name.startswith("RMSprop"):
        last = np.abs(steps_of(run)[-100:, 1]).max() / run.trace["lr"][-1]
        print(f"{name:<20} last steps up to {last:.2f} lr   gap {run.gap:.1e}")

# %%
# Adam's bias correction
# ----------------------
#
# Adam keeps two averages: of the slope, and of its square. Both begin at zero, so at first they are too small, and not
# by the same share: after one step the first is 0.1 of the slope, the second 0.001 of its square. Uncorrected, the
# first step would be

print(f"0.1 / √0.001 = {(1 - 0.9) / math.sqrt(1 - 0.999):.2f} lr")

# %%
# long. Adam divides each average by the share that it has seen, and the first step is lr. RMSprop has such an
# average too, with 0.01 of the square after one step, and does not correct it: its first step is ten times lr.

for name in ("RMSprop", "Adam"):
    first = np.abs(steps_of(runs[name])[:5, 0]) / runs[name].trace["lr"][0]
    print(f"{name:<8} first steps in b, in units of lr:", *(f"{step:.2f}" for step in first))

# %%
# The map
# -------
#
# Four of these runs on the loss as it is, 300 steps from the star towards the cross, which is the optimum; a mark is
# made every fifth step. SGD, at a quarter of the limit, drops into the valley at once and then crawls along it. With
# momentum the same rate overshoots, swings back, and goes along the valley with long steps. RMSprop and Adam ignore how
# steep it is: they step as far in b as in d, and find the valley on the other side.

best = runs["SGD"].optimum_coef[[1, 3]]
b, d = np.meshgrid(np.linspace(0.2, 1.5, 120), np.linspace(-0.2, 0.35, 120))
away = np.stack([b, d], axis=-1) - best
gap = np.einsum("...i,ij,...j", away, columns.T @ columns, away) / runs["SGD"].optimum

figure = Figure(figsize=(11, 5.4), dpi=120, layout="constrained")
places = [["SGD", "momentum", "gap"], ["RMSprop", "Adam", "gap"]]
panels = figure.subplot_mosaic(places, width_ratios=(1, 1, 1.5))
for name, color in {"SGD": "#0072B2", "momentum": "#E69F00", "RMSprop": "#D55E00", "Adam": "#009E73"}.items():
    panel, trace = panels[name], runs[name].trace
    panel.contour(b, d, gap, levels=np.logspace(-1, 4, 11), colors="0.75", linewidths=0.7)
    panel.plot(*trace["coef"][:301, [1, 3]].T, "o-", color=color, markersize=3, markevery=5, linewidth=0.8)
    panel.plot(*trace["coef"][0, [1, 3]], "*", color="black", markersize=10)
    panel.plot(*best, "x", color="black", markersize=8, markeredgewidth=2)
    panel.set(title=name, xlim=(0.2, 1.5), ylim=(-0.2, 0.35), xlabel="b, of x", ylabel="d, of x³")
    panels["gap"].loglog(trace["step"][1:], trace["gap"][1:], color=color, label=name)
panels["gap"].set(xlabel="step", ylabel="gap: loss / optimum − 1", ylim=(1e-8, None))
panels["gap"].legend()
panels["gap"].grid(alpha=0.25)
figure.set_label("Left: the paths of four optimizers in the narrow valley of the loss. Right: their gaps by step.")
figure

# %%
# Where to go next
# ----------------
#
# The ratio of the eigenvalues made it hard, and that is no optimizer's fault: `the next lesson <bases.html>`_ takes it
# away. Which optimizer wins, when each may choose its rate, is for `a fair race <races.html>`_ to say. Try
# ``optimizer="Rprop"`` here, which looks at the sign of the slope only, or ``"Lion"``; and
# ``optimizer_options={"amsgrad": True}`` for Adam.
