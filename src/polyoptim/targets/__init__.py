"""What is to be predicted: an expression in x, a callable, arrays, or columns of a table."""
