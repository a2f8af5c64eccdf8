"""The reference run as a plain JAX program, on all samples; its arguments are the coefficients of the start."""

import sys

import jax
import jax.numpy as jnp
import optax

jax.config.update("jax_enable_x64", True)

x = jnp.linspace(-jnp.pi, jnp.pi, 2000)
y = jnp.sin(x)
columns = jnp.stack([jnp.ones_like(x), x, x * x, x * x * x], axis=1)
rule = optax.rmsprop(1e-3, decay=0.99, eps=1e-8, eps_in_sqrt=False)


def update(state, _):
    """Make one update and return the loss that it saw."""
    coef, moments = state
    loss, gradient = jax.value_and_grad(lambda coef: jnp.sum((columns @ coef - y) ** 2))(coef)
    change, moments = rule.update(gradient, moments)
    return (optax.apply_updates(coef, change), moments), loss


start = jnp.array([float(word) for word in sys.argv[1:]])
(end, _), losses = jax.jit(lambda state: jax.lax.scan(update, state, None, length=2000))((start, rule.init(start)))
for t in range(99, 2000, 100):
    print(t, losses[t])
print("Result: y = {} + {} x + {} x^2 + {} x^3".format(*end))
