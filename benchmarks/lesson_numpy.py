"""The reference run as a plain NumPy program, on the quadratic; its arguments are the coefficients of the start."""

import sys

import numpy as np

x = np.linspace(-np.pi, np.pi, 2000)
y = np.sin(x)
columns = np.stack([np.ones_like(x), x, x * x, x * x * x], axis=1)
turn, r = np.linalg.qr(columns)
q = turn.T @ y
rest = y - turn @ q
rss, h, b = rest @ rest, 2 * r.T @ r, 2 * r.T @ q

coef, mean = np.array([float(word) for word in sys.argv[1:]]), np.zeros(4)
for t in range(2000):
    if t % 100 == 99:
        residual = r @ coef - q
        print(t, rss + residual @ residual)
    gradient = h @ coef - b
    mean = 0.99 * mean + 0.01 * gradient * gradient
    coef -= 1e-3 * gradient / (np.sqrt(mean) + 1e-8)

print("Result: y = {} + {} x + {} x^2 + {} x^3".format(*coef))
