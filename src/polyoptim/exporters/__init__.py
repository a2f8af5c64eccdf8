"""Ways to take a result away, one file each."""
