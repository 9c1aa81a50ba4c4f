# Everything is set up by the targets themselves; needed beforehand: Python >= 3.11 (with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# where it is set, every child process of the tests compiles the package anew
unexport PYTHONDONTWRITEBYTECODE
REPORT_ARGUMENTS ?=
# one test process per processor; idle ones take work from the others
PARALLEL ?= --numprocesses auto --dist worksteal

.DEFAULT_GOAL := report
.PHONY: report test test-all test-minimum lint bench bench-peers clean help

report: $(VENV)/.report ## write report/index.html from the sample data (or REPORT_ARGUMENTS="--data my.csv")
	@$(BIN)/python -m dynamics report --output report $(REPORT_ARGUMENTS)

test: lint ## ruff, mypy, import contracts, pytest with doctests and notebooks
	@$(BIN)/python -m pytest -q -p no:cacheprovider $(PARALLEL)
	@$(BIN)/python -m pytest -q -p no:cacheprovider --nbmake --nbmake-timeout=300 $(PARALLEL) -W default notebooks

test-all: lint ## the same with the slow checks
	@$(BIN)/python -m pytest -q -p no:cacheprovider $(PARALLEL) -m "slow or not slow"
	@$(BIN)/python -m pytest -q -p no:cacheprovider --nbmake --nbmake-timeout=600 $(PARALLEL) -W default notebooks

test-minimum: $(VENV)/bin/python ## the fast tests with exactly the least versions of setup.cfg, in an environment of their own
	@$(BIN)/python tests/minimum_versions.py

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(VENV)/.report ## speed against SciPy and NumPy, cold start, scaling; tables go to benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/run.py trajectories maps noise agents cold_start scaling

bench-peers: $(VENV)/.report ## speed against other engines, each in an environment of its own under build/peers
	@$(BIN)/python benchmarks/run.py "peers --set-up"

clean: ## remove the environment and everything that was made
	rm -rf $(VENV) build dist report *.egg-info

help:
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "dynamics needs Python 3.11 or newer, and '$(PYTHON)' is not; run: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no 'venv' module (on Debian or Ubuntu: apt install python3-venv); install it and run make again."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.report: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "Installing dynamics into $(VENV) (once)"
	@$(PIP) install --quiet --editable '.[data]'
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "Installing dynamics and its test tools into $(VENV) (once)"
	@$(PIP) install --quiet --editable '.[data,test]'
	@touch $@ $(VENV)/.report
