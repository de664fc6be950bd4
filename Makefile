# Every target sets up what it needs first. PYTHON names another interpreter (3.11 or newer): make test PYTHON=python3.12
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: setup local test lint ci golden bench clean slurm-up slurm-down test-slurm

setup: .venv/developer

local: .venv/user
	$(BIN)/cnnjobs local

test: .venv/developer
	$(BIN)/pytest $(ARGS)

lint: .venv/developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ci: lint test

# A several-node Slurm on this machine, from Debian's packages; needs root. ARGS="--nodes 8 --no-accounting", for example.
slurm-up: .venv/developer
	@$(BIN)/python tests/slurm/cluster.py install && $(BIN)/python tests/slurm/cluster.py up $(ARGS)

slurm-down: .venv/developer
	@$(BIN)/python tests/slurm/cluster.py down

test-slurm: .venv/developer
	$(BIN)/python tests/slurm/cluster.py install
	$(BIN)/pytest -m slurm

golden: .venv/developer
	CNNJOBS_GOLDEN=write $(BIN)/pytest -k golden

# ARGS="--data-dir DIR" for the full data sets; ARGS="steps" for one of them
bench: .venv/bench
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The folder and its pip are made once; a changed pyproject.toml installs again.
.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cnnjobs needs Python 3.11 or newer, and $(PYTHON) is older: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

.venv/user: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/developer: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ .venv/user

.venv/bench: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@ .venv/user
