"""``python -m polyoptim`` is the command ``polyoptim``."""

from polyoptim.cli import main

if __name__ == "__main__":
    main()
