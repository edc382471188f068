# Every target says what it does in its own line: `make help`. Targets are in alphabetical order.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
RUNS ?= 5
SCENARIOS ?=
PYTEST_ARGS ?=
LOCKED := pyproject.toml constraints.txt scripts/venv

.PHONY: bench check clean demo format help install soak test

bench: install  ## time against docker compose on the same daemon; RUNS=5 SCENARIOS="p2 chain" narrow it
	bench/peer
	tests/engines/provision
	scripts/with-docker $(BIN)/python -m bench.run --runs $(RUNS) $(SCENARIOS)

check: install  ## all that needs no engine and runs no test: ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove what the other targets made inside this folder
	rm -rf $(VENV) .bench .demo build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

demo: $(VENV)/.runtime  ## bring a real stack up in readiness order, look at it, break it, take it down
	scripts/with-docker $(BIN)/python scripts/demo.py

format: install  ## lay the code out as `check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

help:  ## list the targets
	@sed -nE 's/^([a-z]+):.*##[ ]*(.*)/  make \1\t\2/p' Makefile | expand -t 16

install: $(VENV)/.dev  ## make .venv with zun-compose and the tools that develop it

soak: install  ## the tests that have a full size, at full size: hours, not minutes
	tests/engines/provision
	bench/peer >/dev/null
	ZUN_COMPOSE_SOAK=1 $(BIN)/pytest -m soak --timeout 3600 $(PYTEST_ARGS)

test: check  ## everything: check, then every test at small N, on real engines
	tests/engines/provision
	bench/peer >/dev/null
	$(BIN)/pytest $(PYTEST_ARGS)

# Stamps, so that a repeat costs nothing. The demo does without the tools of development.
$(VENV)/.runtime: $(LOCKED)
	scripts/venv $(VENV) docker
	touch $@

$(VENV)/.dev: $(LOCKED)
	scripts/venv $(VENV) dev
	touch $@ $(VENV)/.runtime
