"""Ways to look at a result: formula, text, HTML, figure."""
