"""At once: solvers that find the coefficients without taking steps."""
