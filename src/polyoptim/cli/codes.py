"""What the exit codes of a command mean."""

DONE = 0
FAILED = 1  # the run diverged, or under --strict did not converge
WRONG = 2  # usage or input
INTERRUPTED = 130
