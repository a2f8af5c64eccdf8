"""
Polynomial layers inside a network
==================================

A network bends its numbers with a fixed function, mostly ReLU. A polynomial bends too, and it can learn how. Is that
worth anything? Here are small networks with both, trained by torch, and compared as fairly as a lesson can.
"""

# %%
# A layer like any other
# ----------------------
#
# ``polyoptim.nn.Polynomial`` is a torch module: numbers of any shape go in, and the polynomial of each comes out. Its
# coefficients are parameters, which an optimizer of ``torch.optim`` moves with all others.

import time

import torch
from matplotlib.figure import Figure

from polyoptim.nn import Polynomial

torch.set_num_threads(1)  # such small products are faster on one core

layer = Polynomial(3, basis="chebyshev")
print(layer)
print(layer(torch.zeros(5, 2)).shape, layer.coef.shape, sum(p.numel() for p in layer.parameters()))

# %%
# Four networks
# -------------
#
# All have the same linear layers, of 12 units. Between them stands ReLU; or tanh; or tanh followed by a cubic in the
# Chebyshev basis. Why the tanh? It keeps numbers in [−1, 1], where Chebyshev's polynomials are at home. The fourth
# network leaves it out, to see what happens.

bends = {
    "ReLU": torch.nn.ReLU,
    "tanh": torch.nn.Tanh,
    "tanh, cubic": lambda: torch.nn.Sequential(torch.nn.Tanh(), Polynomial(3, basis="chebyshev")),
    "cubic alone": lambda: Polynomial(3),
}


def network(bend):
    """Return a network of one input and one output, with two hidden layers."""
    first, second, last = torch.nn.Linear(1, 12), torch.nn.Linear(12, 12), torch.nn.Linear(12, 1)
    return torch.nn.Sequential(first, bend(), second, bend(), last).double()


for name, bend in bends.items():
    print(f"{name:<12} {sum(p.numel() for p in network(bend).parameters())} parameters")

# %%
# Two targets
# -----------
#
# One is smooth. The other has kinks, which ReLU has and a polynomial has not. There are 64 samples to learn from; what
# counts is the mean squared error at 1001 points in between.

x, between = (torch.linspace(-1, 1, count, dtype=torch.float64).unsqueeze(1) for count in (64, 1001))
targets = {
    "smooth": lambda x: torch.sin(6 * x) * torch.exp(-(x**2)),
    "kinked": lambda x: (2 * ((1.5 * x) % 1) - 1).abs(),
}


def trained(bend, target, steps, seed):
    """Return a network after so many steps of Adam from a start of its own, and its error between the samples."""
    torch.manual_seed(seed)
    net = network(bend)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    y = target(x)
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return net, torch.nn.functional.mse_loss(net(between), target(between)).item()


# %%
# One start may be lucky, so there are three of each. A step through a polynomial takes longer than one through ReLU or
# tanh. So ReLU is given 1000 steps where the cubics have 300. Tanh is given 300, and then 700, which take about as long
# as 300 with a cubic. The time is printed too.

trained(bends["ReLU"], targets["smooth"], 1, 0)  # what torch loads at its first step is nobody's time
nets = {}
for kind, target in targets.items():
    for name, steps in (("ReLU", 1000), ("tanh", 300), ("tanh", 700), ("tanh, cubic", 300), ("cubic alone", 300)):
        begin = time.perf_counter()
        found = [trained(bends[name], target, steps, seed) for seed in range(3)]
        seconds = time.perf_counter() - begin
        nets[kind, name] = found[-1][0]
        print(f"{kind} {name:<12} {steps:>4} steps", *(f"{error:.1e}" for _, error in found), f"{seconds:.1f} s")

# %%
# What to make of it
# ------------------
#
# On the smooth target the cubic after tanh is ahead of all others, from every start, and ReLU is far behind. But look
# at the two rows of tanh alone. With the same steps the cubic beats it by far; with about the same time, by a few times
# on the smooth target and hardly on the kinked one. Had only steps been counted, the layer would look better than it
# is.
#
# On the kinked target the starts of ReLU differ most: the best one comes near the cubic, the others stay away. And the
# cubic alone is no bargain: what goes into the second one is not bounded, and a third power makes large what is large.
#
# These are two targets, one size and one rate. They show that such a layer can be worth a try, and no more.

figure = Figure(figsize=(11, 4), dpi=120, layout="constrained")
left, right = figure.subplots(1, 2)
wide = torch.linspace(-1.6, 1.6, 400, dtype=torch.float64).unsqueeze(1)
colors = {"ReLU": "#D55E00", "tanh, cubic": "#0072B2"}
left.plot(wide, targets["smooth"](wide), color="black", linewidth=1, label="truth")
left.axvspan(-1, 1, color="0.93")
with torch.no_grad():
    for name, color in colors.items():
        left.plot(wide, nets["smooth", name](wide), "--", color=color, label=name)
    v = torch.linspace(-3, 3, 300, dtype=torch.float64)
    for place, style in ((1, "-"), (3, "--")):
        bend = nets["smooth", "tanh, cubic"][place]
        right.plot(v, bend(v), style, color=colors["tanh, cubic"], label=f"learned, layer {(place + 1) // 2}")
    right.plot(v, torch.relu(v), ":", color=colors["ReLU"], label="ReLU")
left.set(xlabel="x (grey: where samples are)", ylabel="y", ylim=(-1.5, 1.5))
right.set(xlabel="what goes in", ylabel="what comes out", ylim=(-2, 3))
for axes in (left, right):
    axes.legend()
    axes.grid(alpha=0.25)
figure.set_label("Left: two networks and the truth, alike among the samples, astray outside. Right: the learned bends.")
figure

# %%
# Left: outside the samples neither network knows anything. Right: what the two layers have learned in place of ReLU.
#
# Where to go next
# ----------------
#
# Give the layers another degree, or another basis. ``PolynomialFeatures`` makes columns for a linear layer of your own.
# A network that is nothing but one polynomial layer is where these lessons began: `a cubic learns sin(x)
# <polynomial_optim.html>`_. And once a network is trained, its tanh may be too slow: `replace it <exp2_kernel.html>`_.
