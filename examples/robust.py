"""
Robust fits: how many wrong values?
===================================

A sensor sometimes reports nonsense. How many such values does a fit bear before it is worth nothing? It depends on how
a loss counts a large residual, and this lesson lets four losses find out.
"""

# %%
# Nine of sixty
# -------------
#
# The truth is a cubic, x³ − x/2, and each of 60 values has a small error. Nine of them are 2 too high.

import numpy as np
from matplotlib.figure import Figure

import polyoptim

random = np.random.default_rng(3)
x = np.linspace(-1, 1, 60)
good = x**3 - x / 2 + 0.05 * random.normal(size=60)
order = random.permutation(60)


def spoiled(count, by):
    """Return the values, with so many of them too high."""
    values = good.copy()
    values[order[:count]] += by
    return values


# %%
# The loss says what a residual r costs. Squared: r², so that one that is ten times as large costs a hundred times as
# much. Absolute: its size. Huber: r² near 0 and straight from ``delta`` on. Tukey: r² near 0, and from ``c`` on all
# residuals cost the same. ``delta`` and ``c`` are in the unit of y: two and six times the small error here.

losses = {
    "squared": {},
    "absolute": {"loss": "absolute"},
    "huber": {"loss": "huber", "loss_options": {"delta": 0.1}},
    "tukey": {"loss": "tukey", "loss_options": {"c": 0.3}},
}


def error_of(result):
    """Return how far the fit is from the truth at most."""
    return np.abs(result(x) - (x**3 - x / 2)).max()


y = spoiled(9, by=2)
fits = {name: polyoptim.fit(x, y, degree=3, **loss) for name, loss in losses.items()}
for name, result in fits.items():
    print(f"{name:<9} off by at most {error_of(result):.3f}   {result.optimum_kind}")

figure = Figure(figsize=(9, 4.5), dpi=120, layout="constrained")
axes = figure.subplots()
axes.plot(x, y, ".", color="black", label="data")
lines, colors = ("-", "--", "-.", ":"), ("#D55E00", "#0072B2", "#009E73", "#CC79A7")
styles = {name: {"ls": line, "color": color} for name, line, color in zip(losses, lines, colors, strict=True)}
for name, style in styles.items():
    axes.plot(x, fits[name](x), linewidth=2, label=name, **style)
axes.plot(x, x**3 - x / 2, color="0.6", linewidth=1, label="truth")
axes.set(xlabel="x", ylabel="y")
axes.legend()
axes.grid(alpha=0.25)
figure.set_label("Data with nine outliers: least squares is lifted off the truth, the three other fits stay on it.")
figure

# %%
# The last column says what kind of best it is. Squared, absolute and Huber are convex, and their best fit is exact: a
# lower bound proves that no cubic costs less. Tukey is not convex: it is the best of several descents, and called so.
#
# The breakdown
# -------------
#
# Now the wrong values are 10 too high, and there are more and more of them. From which share on is each fit lost?

shares = np.arange(0, 31)
lost = {name: [] for name in losses}
for count in shares:
    y = spoiled(count, by=10)
    for name, loss in losses.items():
        lost[name].append(error_of(polyoptim.fit(x, y, degree=3, **loss)))
for name, errors in lost.items():
    first = next((count for count, error in zip(shares, errors, strict=True) if error > 0.5), None)
    print(f"{name:<9} " + (f"lost from {first} wrong values of 60 on" if first else "not lost with 30 of 60"))

figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
axes = figure.subplots()
for name, style in styles.items():
    axes.semilogy(100 * shares / 60, lost[name], linewidth=2, label=name, **style)
axes.set(xlabel="wrong values, % of all", ylabel="largest distance from the truth")
axes.legend()
axes.grid(alpha=0.25)
figure.set_label("The distance from the truth over the share of outliers: squares fail at once, Tukey last.")
figure

# %%
# What does it cost?
# ------------------
#
# Why not always another loss, then? For normal errors, without wrong values, the squared loss is the best there is.
# Others use less of the data, and their fits scatter more. Here are 400 clean experiments:

runs = {name: [] for name in losses}
for _ in range(400):
    y = x**3 - x / 2 + 0.05 * random.normal(size=60)
    for name in ("squared", "absolute", "huber"):
        runs[name].append(polyoptim.fit(x, y, degree=3, **losses[name]).stats["coef_power"][3])
for name in ("squared", "absolute", "huber"):
    print(f"{name:<9} coefficient of x³: {np.mean(runs[name]):.3f} ± {np.std(runs[name]):.3f}")

# %%
# Huber with this ``delta`` pays next to nothing. Absolute, which hardly looks at more than the middle values, pays.
#
# One that is far away
# --------------------
#
# A robust loss watches y. One wrong x is another thing: at x = 3 a single point is a lever that moves the whole curve.

lever_x, lever_y = np.append(x, 3.0), np.append(good, 0.0)
for name, loss in losses.items():
    print(f"{name:<9} off by at most {error_of(polyoptim.fit(lever_x, lever_y, degree=3, **loss)):.3f}")

# %%
# Only Tukey lets it go. With a convex loss, no residual is ever so large that it stops pulling.
#
# Where to go next
# ----------------
#
# ``soft_l1`` and ``logcosh`` are smooth cousins of Huber; ``quantile`` fits, with ``loss_options={"q": 0.9}``, the
# curve below which nine of ten values lie. Try to break Huber with a larger ``delta``, and Tukey with a larger ``c``.
# What to do with many tables, and with one that does not fit into memory, is `the next lesson <groups.html>`_.
