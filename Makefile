# Every target says what it does in its own line: `make help`. Targets are in alphabetical order.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Modules compiled anew at each start would triple what a command costs, and every figure of the bench.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
BIN := $(VENV)/bin
DRIVER ?= local
RUNS ?= 5
SCENARIOS ?=
PYTEST_ARGS ?=
CLOUD_ARGS ?=
LOCKED := pyproject.toml constraints.txt scripts/venv

.PHONY: bench check clean cloud-down cloud-status cloud-up cloud-wipe demo format generate help install soak test

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

cloud-down:  ## stop the OpenStack of the tests; its state stays
	python3 -m tests.cloud down $(CLOUD_ARGS)

cloud-status:  ## which of its processes run; fails if one is down
	python3 -m tests.cloud status

cloud-up:  ## a real OpenStack on this machine, as root, for the tests: docs/cloud.md; CLOUD_ARGS="--port zun=9518"
	python3 -m tests.cloud up $(CLOUD_ARGS)

cloud-wipe:  ## remove it with all that it made; CLOUD_ARGS=--keep-venv keeps its packages
	python3 -m tests.cloud wipe $(CLOUD_ARGS)

demo: $(VENV)/.$(DRIVER)  ## a real stack comes up in order, is looked at, breaks, goes; DRIVER=docker: on Docker
	$(if $(filter docker,$(DRIVER)),scripts/with-docker) $(BIN)/python scripts/demo.py --driver $(DRIVER)

format: install  ## lay the code out as `check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: install  ## write what is made of tables: the JSON Schema, docs/attributes.md, docs/capabilities.md
	$(BIN)/python scripts/generate.py
	$(BIN)/python scripts/capabilities.py

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*##[ ]*(.*)/  make \1\t\2/p' Makefile | expand -t 20

install: $(VENV)/.dev  ## make .venv with zun-compose and the tools that develop it

soak: install  ## the tests that have a full size, at full size: hours, not minutes
	tests/engines/provision
	bench/peer >/dev/null
	ZUN_COMPOSE_SOAK=1 $(BIN)/pytest -m soak --timeout 3600 $(PYTEST_ARGS)

test: check  ## everything: check, then every test at small N, on real engines
	tests/engines/provision
	bench/peer >/dev/null
	$(BIN)/pytest $(PYTEST_ARGS)

# Stamps, so that a repeat costs nothing. The demo does without the tools of development, and where containers are
# our own without the SDK of an engine.
$(VENV)/.local: $(LOCKED)
	scripts/venv $(VENV)
	touch $@

$(VENV)/.docker: $(LOCKED)
	scripts/venv $(VENV) docker
	touch $@ $(VENV)/.local

$(VENV)/.dev: $(LOCKED)
	scripts/venv $(VENV) dev
	touch $@ $(VENV)/.docker $(VENV)/.local
