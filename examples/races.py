"""
Fair races
==========

"Adam is faster than SGD" is easily said, and easily shown: give Adam a good learning rate and SGD a poor one. What does
it take to compare optimizers fairly, and who wins then?
"""

# %%
# An unfair race
# --------------
#
# Both optimizers learn sin(x) from the same start, in 500 steps. Both have a learning rate. Who is better?

import numpy as np
from matplotlib.figure import Figure

import polyoptim


def gap(optimizer, lr, **options):
    """Return how far above the optimum a run of 500 steps ends, as a share of it."""
    return polyoptim.train("sin(x)", optimizer=optimizer, lr=lr, steps=500, seed=0, engine="fused", **options).gap


momentum = {"optimizer_options": {"momentum": 0.9}}
print(f"lr   1e-2: Adam {gap('Adam', 1e-2):.1e}   lr 1e-7: SGD with momentum {gap('SGD', 1e-7, **momentum):.1e}")
print(f"lr   1e-3: Adam {gap('Adam', 1e-3):.1e}   lr 3e-6: SGD with momentum {gap('SGD', 3e-6, **momentum):.1e}")

# %%
# Both lines are true, and they say the opposite. The answer was in the rates.
#
# The rules
# ---------
#
# ``race`` gives each optimizer the same grid of 41 rates and the same 21 starts to tune on. The rate with which most
# runs reach a gap, and with the fewest evaluations of the gradient, is taken. Then that rate has to do it again from 21
# other starts, and the median of these is what counts. So nobody wins by a better rate, nor by luck. Evaluations are
# counted and not seconds, because they do not depend on the machine.

entrants = ["SGD", ("SGD", {"momentum": 0.9}), "RMSprop", "Adam", "Adagrad", "Rprop"]
race = polyoptim.race("sin(x)", optimizers=entrants)


def show(race):
    """Print the median number of evaluations until the gap is at most 1e-6, with its interval."""
    for racer in race.racers:
        last = racer.finishes[-1]
        span = f"[{last.low:.0f}, {last.high:.0f}]"
        print(f"{racer.name:<18} {last.evaluations:>5.0f} {span:<13} lr {last.lr:<8.2g} in the end {racer.gap:.1e}")


show(race)

# %%
# The brackets hold the median with 95 % confidence. Where two of them overlap, the race does not tell the two apart.
# The last column is another question: the gap after all 2000 evaluations, each with the rate that is best for that.
# RMSprop, so it seems, comes by the optimum and does not stay: `what each optimizer does <optimizers.html>`_ shows why.

race.plot()

# %%
# The right half is the grid. For Rprop, which adapts its steps by itself, every rate works, and for Adam a whole range
# does. For SGD it is a narrow place just below the limit, and one rate further all is grey: diverged.
#
# The course decides
# ------------------
#
# The same optimizers learn the same cubic in the Chebyshev basis:

show(polyoptim.race("sin(x)", optimizers=entrants, basis="chebyshev"))

# %%
# Now plain SGD is among the fastest and Adam is not. Momentum of 0.9 was a help on the narrow course and is a burden
# here. An optimizer is not good or bad by itself: it is good for a problem, and what it makes up for is mostly
# `the basis <bases.html>`_.
#
# All rates at once
# -----------------
#
# A race tunes one number. Momentum is a second one, and ``sweep`` makes a map of both: 3000 runs side by side. Grey has
# diverged. The dashed line is not drawn along the grey by eye: it is where theory says that SGD becomes unstable.

over = {"lr": (1e-8, 1e-5, 60, "log"), "momentum": (0, 0.98, 50)}
sweep = polyoptim.sweep("sin(x)", over=over, optimizer="SGD", steps=500)
best = sweep.best
print(f"the best of {sweep.runs} runs: lr {best['lr']:.2g}, momentum {best['momentum']:.2f}, gap {best['gap']:.1e}")

sweep.plot()

# %%
# How much is the best worth?
# ---------------------------
#
# The best cell of a map is the best for its start and its number of steps. So look at how wide the good part is before
# you trust a single cell. For each momentum: how many of the 60 rates end with a gap below 1e-6?

good = np.count_nonzero(sweep.gap < 1e-6, axis=0)  # where a run diverged, the gap is not a number
figure = Figure(figsize=(8, 3.6), dpi=120, layout="constrained")
axes = figure.subplots()
axes.plot(sweep.axes["momentum"], good, "o-", color="#0072B2", markersize=3)
axes.set(xlabel="momentum", ylabel="good rates of 60")
axes.grid(alpha=0.25)
figure.set_label("The number of good rates over the momentum: none at first, most at a high one, then a sharp drop.")
figure

# %%
# Without momentum no rate is good enough in 500 steps. With the right one a wide range of them is. That is a better
# reason for momentum than the best cell.

# %%
# Where to go next
# ----------------
#
# ``polyoptim.race("sin(x)")`` without a list lets all optimizers start there are. Race them on a target of yours,
# and with options: ``("Adam", {"betas": (0.5, 0.99)})``. From the command line:
#
# .. code-block:: console
#
#     $ polyoptim race "sin(x)" --optimizers SGD,Adam,RMSprop,Rprop --plot race.png
#     $ polyoptim sweep "sin(x)" --optimizer SGD --over lr=1e-8:1e-5:60:log --over momentum=0:0.98:50 --plot map.png
