# Needs Python 3.11 or newer, pip and make; everything else goes into .venv.
# `make demo PYTHON=/path/to/python` picks the interpreter.

BIN := .venv/bin
READY := .venv/ready
OLD_PYTHON := no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python

.PHONY: help install demo test lint format bench clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

install: $(READY)  ## install regsearch and its tools into .venv, once

demo: $(READY)  ## run a small study from search to report, in about a minute
	@$(BIN)/regsearch run pipelines/quickstart.yaml

test: lint  ## lint, then run the tests, two at a time
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

lint: $(READY)  ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)  ## put the code into the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)  ## measure speed; each benchmark says what it measured where
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:  ## remove .venv and the caches; studies stay
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info

$(READY): pyproject.toml constraints.txt
	@if [ ! -x $(BIN)/python ]; then \
	    for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3); do \
	        $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	        python=; \
	    done; \
	    [ "$$python" ] || { echo "$(OLD_PYTHON)" >&2; exit 1; }; \
	    $$python -m venv .venv; \
	fi
	@echo "Installing regsearch into .venv: once, a few minutes, most of it PyTorch ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
