"""What the exit codes of a command mean."""

DONE = 0
FAILED = 1  # the run diverged, or under --strict did not converge
WRONG = 2  # usage or input
DIFFERENT = 3  # a file was verified, but could not be made again by other versions
INTERRUPTED = 130
