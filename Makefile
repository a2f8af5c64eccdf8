# All logic is in make.py. Without make (Windows): python make.py train
PYTHON ?= python3
ARGS =

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: train test docs lint format help clean

train test docs lint format help clean:
	@command -v $(firstword $(PYTHON)) >/dev/null 2>&1 || { echo "$(firstword $(PYTHON)) was not found. Install Python 3.11 or newer, or choose another with: make $@ PYTHON=/path/to/python3" >&2; exit 127; }
	@$(PYTHON) make.py $@ $(ARGS)
