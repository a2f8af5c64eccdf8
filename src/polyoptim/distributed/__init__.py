"""Rows on many machines: dask's partitions are reduced where they lie, and only their sums travel."""
