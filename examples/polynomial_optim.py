"""
A cubic learns sin(x)
=====================

A cubic, y = a + b x + c x² + d x³, has four coefficients to choose. In this lesson PyTorch's ``nn`` and ``optim``
choose them, so that the cubic predicts sin(x) for x from −π to π. Then the lesson asks what a falling loss does not
tell: is the result any good? All before that question needs PyTorch only; all after it needs polyoptim.
"""

# %%
# The data
# --------
#
# There are 2000 points x, evenly spaced, and the sine of each. The model will start from random numbers. The seed
# fixes them, so that every run gives the same floats. On another processor or with another PyTorch the last digits
# may differ.

import math

import torch

torch.manual_seed(0)

x = torch.linspace(-math.pi, math.pi, 2000)
y = torch.sin(x)

# %%
# The model
# ---------
#
# A cubic bends, but each of its coefficients only multiplies a number. So a linear layer can hold them, once x, x²
# and x³ stand side by side as columns. The weights of the layer are b, c and d; its bias is a. ``Flatten`` turns the
# layer's output, one column, into the shape of y.

columns = x.unsqueeze(-1) ** torch.tensor([1, 2, 3])
model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))

print(tuple(x.shape), "->", tuple(columns.shape), "->", tuple(model(columns).shape))

# %%
# What to minimise, and how
# -------------------------
#
# The loss is the sum of the squared residuals. A residual is the prediction minus the truth. RMSprop is one of the
# optimizers in ``torch.optim``: it divides each slope by a running average of its size, so that steep and flat
# directions make equally long steps. How long is up to the learning rate ``lr``.

squared = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)

# %%
# The loop
# --------
#
# Each turn predicts, measures the loss, asks for its slope in every coefficient, and takes one step downhill. Every
# hundredth loss is printed. It is the loss before the step of that turn.

losses = []
for t in range(2000):
    loss = squared(model(columns), y)
    if t % 100 == 99:
        losses.append(loss.item())
        print(t, loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

a, (b, c, d) = model[0].bias.item(), model[0].weight[0].tolist()
print(f"Result: y = {a} + {b} x + {c} x^2 + {d} x^3")

# %%
# Is 8.9 good?
# ------------
#
# The loss fell from tens of thousands to about 8.9, and there it stays. Is that close to the best? Or is the
# optimizer stuck, and another one would reach 5? The loss alone cannot say. No cubic is sin(x), so zero is out of
# reach. What is in reach?
#
# polyoptim answers that. First it does all of the above in one line:

import polyoptim

result = polyoptim.train("sin(x)", seed=0)

# %%
# It is the same run: the same twenty losses and the same four coefficients, to the last bit.

print("same losses:      ", result.trace["loss"][:-1].tolist() == losses)
print("same coefficients:", result.coef.tolist() == [a, b, c, d])

# %%
# Then it puts the loss next to the optimum: the least loss that any cubic can reach on these samples. For the squared
# loss no steps are needed to find it. It follows from linear algebra, here in float64 and in an orthogonal basis.

print(f"loss after {result.steps} steps: {result.loss:.6f}")
print(f"optimum:               {result.optimum:.6f}")
print(f"gap:                   {result.gap:.2%}")

# %%
# So 8.9 is good. No optimizer reaches 5, nor even 8.8, with any learning rate, in any number of steps. What is left
# of the loss is the price of having only a cubic.

# %%
# The picture
# -----------
#
# Left: the cubic on the sine, and the residual between them. Right: the loss on its way down to the optimum, and the
# coefficients on their way to those of the best cubic. That one is odd, as the sine is: it has no constant and no x².
# With a path, as in ``result.plot("sine.png")``, the picture is saved too.

result.plot()

# %%
# The formula
# -----------
#
# The formula has as few digits as it can, and says how much that costs.

print(result.formula)
print(result.formula_note)

# %%
# Closing the gap
# ---------------
#
# Why is there a gap at all? RMSprop's steps keep about the same length, so near the optimum they lead to and fro across
# it. And a step of 0.001 in the coefficient of x³ is a large one: at the ends, where x³ is 31, it moves the cubic by
# 0.03. Legendre polynomials describe the same cubics and never exceed 1, so the same step moves it by 0.001 at most.
# Another way is LBFGS: it estimates the curvature of the loss, and fits its steps to that.

legendre = polyoptim.train("sin(x)", seed=0, basis="legendre")
options = {"lr": 1, "steps": 20, "optimizer_options": {"line_search_fn": "strong_wolfe"}}
lbfgs = polyoptim.train("sin(x)", seed=0, optimizer="LBFGS", **options)

runs = {"RMSprop, powers": result, "RMSprop, Legendre": legendre, "LBFGS, powers": lbfgs}
for name, run in runs.items():
    print(f"{name:<18} {run.steps:>4} steps   loss {run.loss:.7f}   gap {run.gap:.1e}")

# %%
# The optimum has not moved. A smaller loss takes a larger family: with powers up to x⁵ the best is

degree_5 = polyoptim.train("sin(x)", seed=0, degree=5, steps=0)
print(f"{degree_5.optimum:.6f}")

# %%
# Where to go next
# ----------------
#
# A result is a function, and can be kept:
#
# .. code-block:: python
#
#     result(0.5)                  # the polynomial at 0.5
#     print(result.report())       # all about the run, as text
#     result.save("sine.json")     # polyoptim.load("sine.json") reads it back, bit for bit
#     result.export("sine.py")     # a program with torch and nothing of polyoptim; .ipynb and .tex work too
#
# The same from the command line:
#
# .. code-block:: console
#
#     $ polyoptim train "sin(x)" --seed 0 --save sine.json --plot sine.png
#     $ polyoptim show sine.json
#     $ polyoptim export sine.json sine.py sine.ipynb
#
# Try another target, such as ``"exp(-x**2)*cos(3*x)"``, your own points with ``polyoptim.train(x, y)``, or columns of
# a CSV file. Any optimizer of ``torch.optim`` that takes dense parameters goes by its name.
#
# What these optimizers do, and why RMSprop cannot come to rest here, is `the next lesson <optimizers.html>`_. Why
# Legendre polynomials helped so much is `the one after it <bases.html>`_. To fit data at once, without steps, begin
# with `fitting data <fitting.html>`_; to replace a function in a program, with `exp2 in a kernel <exp2_kernel.html>`_;
# to put a polynomial into a network of your own, with `polynomial layers <layers.html>`_.
