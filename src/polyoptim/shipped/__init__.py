"""What ships is searched: coefficients whose values, in the arithmetic that ships, err least or flip least."""

from polyoptim.shipped.search import Computed, Shipped, search_shipped

__all__ = ["Computed", "Shipped", "search_shipped"]
