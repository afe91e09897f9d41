# memonotify: `make help` lists what there is. Needs Python 3.11 or newer with venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two cores are enough to halve the time; JOBS=0 runs in one process.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup test check lint types layers docs format demo bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything the project needs

$(STAMP): pyproject.toml packaging/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "memonotify needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c packaging/constraints.txt -e '.[dev]'
	@touch $(STAMP)

test: $(STAMP) ## run the tests; what cannot run here is skipped with its reason
	$(BIN)/pytest -n $(JOBS) $(ARGS)

check: lint types layers test ## everything that must be green: lint, types, layers, tests, documentation

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP) ## write the tables of the documentation from the code
	$(BIN)/python docs/generate.py

format: $(STAMP) ## rewrite the code in the project's form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

demo: $(STAMP) ## bank, mailbox and daemon together, with events flowing (ARGS=--once ends by itself)
	$(BIN)/memonotify demo $(ARGS)

bench: $(STAMP) ## measure accept, end to end, accept under backlog and many rules, as ratios
	$(BIN)/python -m bench $(ARGS)

clean: ## remove what was built
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
