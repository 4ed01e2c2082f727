# `make` shows what there is. Everything happens in .venv; state is in .kb (or where KB_HOME says).

PYTHON ?= python3
JOBS ?= 2
# Extra arguments for pytest: make test ARGS='-k search'
ARGS ?=
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run quality test check lint up down bench lock clean install install-cpu-torch install-finetune install-dev
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: install ## Install, ingest the sample documents, search them; leaves nothing running
	@$(BIN)/python scripts/quickstart.py

quality: install ## The quality loop on an invented bank, from a first measurement to the gate; leaves nothing behind
	@$(BIN)/python -m scripts.quality

up: install ## Dagster, its daemon and the search server in the foreground; Ctrl-C stops all of it
	@$(BIN)/kb up

down: ## Stop what runs for this KB_HOME
	@if [ -x $(BIN)/kb ]; then $(BIN)/kb down; else echo "Nothing is installed, so nothing runs."; fi

test: lint ## The whole suite: style, types, imports and tests
	@$(PYTEST) --durations=20 --durations-min=1 $(ARGS)

check: lint ## Style, types, imports and the unit tests: for every change, in about a minute
	@$(PYTEST) kb_pipeline_tests/unit $(ARGS)

lint: install-dev ## Style, types, who imports whom, and the tables in the docs against the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q kb_pipeline_tests/unit/test_docs.py

bench: install-dev ## The benchmarks: each prints a table and a ratio
	@set -e; for benchmark in benchmarks/bench_*.py; do $(BIN)/python "$$benchmark"; done

install: ## Make .venv with what running needs
	@$(PYTHON) scripts/install.py run

install-cpu-torch: ## The same, with torch for other embedding models by name (KB_EMBEDDING_MODEL)
	@$(PYTHON) scripts/install.py cpu-torch

install-finetune: ## The same, with what tuning a model needs (kb tune)
	@$(PYTHON) scripts/install.py finetune

install-dev: ## The same as install, with what the tests need
	@$(PYTHON) scripts/install.py dev

lock: ## Remake requirements/ from pyproject.toml with the newest versions it allows
	@$(PYTHON) scripts/lock.py

clean: down ## Remove .venv and caches; the knowledge base in .kb stays
	@rm -rf .venv build kb_pipeline.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
