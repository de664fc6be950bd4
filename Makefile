# Every target sets up what it needs first. PYTHON names another interpreter (3.11 or newer): make test PYTHON=python3.12
# TORCH=cpu takes PyTorch without CUDA, where there is no GPU: make local TORCH=cpu
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH ?=
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
ifneq ($(filter-out cpu,$(TORCH)),)
$(error TORCH=$(TORCH): allowed: cpu; without it PyTorch comes with CUDA)
endif
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt $(if $(TORCH),--extra-index-url $(TORCH_INDEX))

.PHONY: setup local test lint ci golden constraints bench clean slurm-up slurm-down test-slurm

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

# After an upgrade that the tests pass with: what make setup installs from now on.
constraints: .venv/developer
	$(BIN)/python tools/make_constraints.py

# ARGS="--data-dir DIR" for the full data sets; ARGS="steps" for one of them
bench: .venv/bench
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The folder and its pip are made once; a changed pyproject.toml or constraints.txt installs again. Another Python or system
# than that of constraints.txt gets the newest releases that fit.
.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cnnjobs needs Python 3.11 or newer, and $(PYTHON) is older: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; \
	  same = f"python_version == \"{v}\" and sys_platform == \"{sys.platform}\"" in open("constraints.txt").read(); \
	  same or print(f"Python {v} on {sys.platform}: constraints.txt is for another, so the newest releases are installed")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

.venv/user: .venv/pip pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/developer: .venv/pip pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev]'
	touch $@ .venv/user

.venv/bench: .venv/pip pyproject.toml constraints.txt
	$(INSTALL) --editable '.[bench]'
	touch $@ .venv/user
