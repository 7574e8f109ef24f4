# The verbs of the project; CI runs the same ones.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
DEMO   ?= demo
REAL   ?= real
SKILLQUERY ?= skillquery
# Real play-by-play, for `make real` and the tests marked real_data.
OPENBASKET_REAL_DATA ?= ../shared/data
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo real skillquery test test-slow lint types imports check check-long bench docs clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.installed  ## Make .venv and install openbasket with all extras
setup-dev: $(VENV)/.installed-dev  ## The same, with what tests and docs need

# torch goes first: another order brings in several GB of CUDA packages.
$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "openbasket needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(PIP) install -c constraints.txt torch==2.13.0
	@$(PIP) install -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: setup  ## Simulate two leagues, film them, build the dataset, train, evaluate, report
	@$(BIN)/openbasket demo $(DEMO)

test: setup-dev  ## Run the tests (slow ones and missing real data are left out)
	$(BIN)/pytest -n $(JOBS) -m "not slow"

test-slow: setup-dev  ## Run the slow tests alone
	$(BIN)/pytest -n $(JOBS) -m slow

lint: setup-dev  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev  ## mypy --strict on src
	$(BIN)/mypy

imports: setup-dev  ## import-linter: imports go only downwards
	$(BIN)/lint-imports

docs: setup-dev  ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

check: lint types imports docs test  ## Everything that CI runs

check-long: check test-slow bench skillquery  ## check, the slow tests and the benchmarks

bench: setup-dev  ## Side-by-side measurements; each writes benchmarks/results/
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# The main job on real input: seven verbs, nothing hidden.
real: setup  ## Import, check, label, split real seasons; render a real game; cut a real reel
	@test -d $(OPENBASKET_REAL_DATA)/events/euroleague || { echo "no real data at $(OPENBASKET_REAL_DATA); set OPENBASKET_REAL_DATA" >&2; exit 1; }
	OPENBASKET_REAL_DATA=$(OPENBASKET_REAL_DATA) OPENBASKET=$(BIN)/openbasket bash benchmarks/real.sh $(REAL)

# The model of our own beside others, on reels that are drawn on demand; goes on where it was stopped.
skillquery: setup  ## SkillQuery, others and ablations on the rendered benchmark (hours)
	OPENBASKET_REAL_DATA="$(OPENBASKET_REAL_DATA)" OPENBASKET=$(BIN)/openbasket bash benchmarks/skillquery.sh "$(SKILLQUERY)"

clean:  ## Remove what demo, real, docs and the tools wrote (not .venv)
	rm -rf $(DEMO) $(REAL) site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
