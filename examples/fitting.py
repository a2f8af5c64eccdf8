"""
Fitting data: how sure is it?
=============================

A ball is thrown, and a camera takes its height. The curve bends by g, and a fit gives a number for it. How sure is that
number? And does the band around the curve mean what it says?
"""

# %%
# The data
# --------
#
# They are made here, so that the truth is known: 30 heights with an error of 5 cm, in metres and seconds.

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import t as student

import polyoptim

random = np.random.default_rng(1)
time = np.linspace(0.05, 1.5, 30)
g, error = 9.81, 0.05


def height(t):
    """Return the true height, in metres, after t seconds."""
    return 1.5 + 8 * t - g / 2 * t**2


measured = height(time) + error * random.normal(size=30)

# %%
# The fit
# -------
#
# No steps are taken here. ``fit`` solves for the coefficients at once, and tells how far each may be off: the standard
# error. It is estimated from how much the heights scatter about the curve.

ball = polyoptim.fit(time, measured, degree=2)
print(ball.report(plot=False))

found, off = -2 * ball.stats["coef_power"][2], 2 * ball.stats["stderr_power"][2]
wide = student.ppf(0.975, ball.stats["dof"]) * off
print(f"g = {found:.2f} ± {off:.2f}; with 95 % confidence between {found - wide:.2f} and {found + wide:.2f}")

# %%
# The dark band is where the true curve should be: confidence. The light one is where the next measurement should be:
# prediction, wider by the error of a single height. Below are the residuals: they should show no pattern.

ball.plot()

# %%
# Does the band hold?
# -------------------
#
# "95 %" is a promise about many experiments. Here the experiment is done 2000 times. With ``by``, the column of the
# experiment's number, all of them are fitted in one call. In how many does the interval hold the true g?

times, experiment = np.tile(time, 2000), np.repeat(np.arange(2000), 30)
heights = height(times) + error * random.normal(size=times.size)
table = polyoptim.fit(times, heights, by=experiment, degree=2)

distance = np.abs(-2 * table.coef_power[:, 2] - g) / (2 * table.stderr_power[:, 2])
print(f"g within its interval: {np.mean(distance < student.ppf(0.975, 27)):.1%} of {len(table)} experiments")

true_curve = next_height = 0
for one in range(300):
    result = polyoptim.fit(time, heights[experiment == one], degree=2)
    confidence, prediction = (result.predict([1.0], interval=kind) for kind in ("confidence", "prediction"))
    true_curve += (confidence.low < height(1.0) < confidence.high).item()
    new = height(1.0) + error * random.normal()
    next_height += (prediction.low < new < prediction.high).item()
print(f"the curve at 1 s within its band: {true_curve / 300:.0%}, a new height within its: {next_height / 300:.0%}")

# %%
# Two cameras
# -----------
#
# Now two cameras take turns, and the second has an error of 20 cm. If the error of each height is known, hand it over
# as ``sigma``. Then good heights count for more, and the standard errors are those that the given errors make:
# absolute, not estimated. If only the ratio is known, hand over ``weight``, 1/error²: the size comes from the
# residuals. Without either, a fit takes all heights for equally good.

errors = np.where(np.arange(30) % 2, 0.2, error)
mixed = height(time) + errors * random.normal(size=30)
fits = {
    "as if all were equal": polyoptim.fit(time, mixed, degree=2),
    "weight": polyoptim.fit(time, mixed, degree=2, weight=1 / errors**2),
    "sigma": polyoptim.fit(time, mixed, degree=2, sigma=errors),
}
for name, result in fits.items():
    print(f"{name:<20} g = {-2 * result.stats['coef_power'][2]:.2f} ± {2 * result.stats['stderr_power'][2]:.2f}")

# %%
# Which degree?
# -------------
#
# That a throw is a quadratic we knew. If not, the data can say. A higher degree always comes closer to the data that it
# was fitted to; so leave out a tenth of the rows, fit the others, and see how well those that were left out are
# predicted. ``degree="auto"`` does this for each degree up to 12.

auto = polyoptim.fit(time, measured, degree="auto")
tenth = polyoptim.fit(time, measured, degree=10)
print(f"chosen: degree {auto.degree}")
for row in auto.stats["degrees"][:11:2]:
    print(f"degree {row['degree']:>2}: mean squared error {row['error']:.2g} on the rows that were left out")

# %%
# A degree that is too high is hardly seen between the data, and it is a disaster beyond them. The band says so, for a
# polynomial of that degree. For the right degree it opens slowly; and ``outside`` marks points where no data are.

ahead = np.linspace(0, 1.8, 400)
figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
axes = figure.subplots()
for result, color, name in ((tenth, "#D55E00", "degree 10"), (ball, "#0072B2", "degree 2")):
    band = result.predict(ahead, interval="confidence")
    axes.fill_between(ahead, band.low, band.high, color=color, alpha=0.25, linewidth=0)
    axes.plot(ahead, band.y, color=color, label=f"{name}, with its confidence band")
axes.plot(time, measured, ".", color="black", label="data")
axes.plot(ahead, height(ahead), "--", color="black", linewidth=1, label="truth")
axes.set(ylim=(-3, 8), xlabel="time in s", ylabel="height in m")
axes.legend()
axes.grid(alpha=0.25)
figure.set_label("Fits of degree 2 and 10: alike among the data; beyond them the band of degree 10 fills the picture.")
figure

# %%
# Where to go next
# ----------------
#
# Known facts can be built in: ``fixed={0: 1.5}`` holds a coefficient, ``through=[(0, 1.5)]`` a point. Try it with x
# far from zero, such as years: no digits are lost, and ``polyoptim selftest`` shows that on certified data. A file will
# do as well:
#
# .. code-block:: console
#
#     $ polyoptim fit ball.csv --x t --y h --degree 2 --plot ball.png
#
# What one bad measurement does to all of this is the next question: `robust fits <robust.html>`_.
