"""With what: one family of polynomials per file, and what all families share."""

from polyoptim.registry import Registry

FAMILIES = Registry(
    "basis",
    {
        "power": "polyoptim.bases.power:POWER",
        "chebyshev": "polyoptim.bases.chebyshev:CHEBYSHEV",
        "legendre": "polyoptim.bases.legendre:LEGENDRE",
        "hermite": "polyoptim.bases.hermite:HERMITE",
        "laguerre": "polyoptim.bases.laguerre:LAGUERRE",
    },
)
