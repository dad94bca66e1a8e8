# What people type. `make help` lists it all.
ifeq ($(filter oneshell,$(.FEATURES)),)
$(error This Makefile needs GNU make 3.82 or newer; on macOS: brew install make, then use gmake)
endif
SHELL := /bin/bash
.DEFAULT_GOAL := help
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
BIN := .venv/bin
PY := $(BIN)/python
# The loader finds this checkout's stack by itself; dbt is told, unless a variable names a server.
STACK_ENV := test -n "$${THRIFT_HOST:-}" || eval "$$($(PY) -m stack env)"
STAMP := .venv/.installed

.PHONY: help install up down status demo load build docs test test-all test-fast test-odd torture torture-builds bench-loader bench-imports bench-matomo bench-messages bench-meters bench-simulator lint format clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## Make .venv, install everything, fetch the servers' jars
	@test -e loader.toml || cp loader.toml.example loader.toml
	@test -e profiles.yml || cp profiles.yml.example profiles.yml
	@$(PY) -m stack install
	@# dbt finds dbt_lacustre.py by this.
	@echo "$(CURDIR)" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/lacustre.pth"

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "Lacustre needs Python 3.10 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
			"install one and run: make install PYTHON=python3.12" >&2; exit 2; }
	echo "Making .venv and installing the packages (some minutes the first time)"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements.lock
	touch $(STAMP)

demo: install ## Everything once, from Kafka to views, on sample data
	@$(PY) -m stack demo

up: install ## Start the local stack
	@$(PY) -m stack up

down: ## Stop what `up` or `demo` started, and only that
	@if test -x $(PY); then $(PY) -m stack down; else echo "Nothing is installed, so nothing runs."; fi

status: install ## Servers of the local stack, and what the loader has loaded
	@$(PY) -m stack status
	$(PY) -m loader status

load: install ## Land what is new in Kafka
	@$(PY) -m loader run

build: install ## Build every model, snapshot and test of the lake
	@$(STACK_ENV)
	$(BIN)/dbt build

docs: install ## Build the documentation site and serve it on port 8080
	@$(STACK_ENV)
	$(BIN)/dbt docs generate
	$(BIN)/dbt docs serve --host 127.0.0.1 --port $${DOCS_PORT:-8080}

# Each worker starts servers of its own.
TEST_WORKERS ?= 2
PYTEST := $(PY) -m pytest --numprocesses $(TEST_WORKERS) --durations 20

test: install ## What shows that this checkout works, on real servers that it starts (TEST_WORKERS=…)
	@$(PYTEST) -m "not exhaustive"

test-all: install ## The same and every permutation: kill points, databases, sizes, odd inputs
	@$(PYTEST)

test-fast: install ## The tests that need no server
	@$(PY) -m pytest -m "not stack"

test-odd: install ## Every field and column set to every odd value (LACUSTRE_ODD=field=value: one field)
	@$(PY) -m pytest tests/odd tests/end_to_end/test_sweep.py tests/loader/test_odd_imports.py tests/end_to_end/test_odd_park.py

torture: install ## The loader under random kills for about half an hour (TORTURE_ROUNDS=…)
	@TORTURE_ROUNDS=$${TORTURE_ROUNDS:-60} $(PY) -m pytest tests/loader/test_torture.py -s -o timeout=7200

torture-builds: install ## Builds at once while a loader and a replay run, fifty times (OVERLAP_ROUNDS=…)
	@OVERLAP_ROUNDS=$${OVERLAP_ROUNDS:-50} $(PY) -m pytest tests/end_to_end/test_overlaps.py -s -o timeout=14400

bench-loader: install ## The loader against a stream, a driver loop and the bare read
	@$(PY) -m benchmarks.loader

bench-matomo: install ## 100,000 visits from raw to views, and one more day on a long history
	@$(PY) -m benchmarks.matomo

bench-messages: install ## Visits in one message against visits in messages of their own
	@$(PY) -m benchmarks.messages

bench-imports: install ## Imports from PostgreSQL against a plain JDBC read and COPY
	@$(PY) -m benchmarks.imports

bench-simulator: install ## Making and playing 12.6 million meter events, against peers
	@$(PY) -m benchmarks.simulator

bench-meters: install ## 12.6 million meter events from raw to views, against the prototype's way
	@$(PY) -m benchmarks.meters

lint: install ## The pins, ruff, mypy, sqlfluff, dbt parse, dbt-bouncer
	@$(PY) .ci/pins.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint models tests/data --processes 2
	$(BIN)/dbt parse --no-partial-parse --warn-error-options '{"error": "all"}' --profiles-dir . --quiet
	if test -x $(BIN)/dbt-bouncer; then
		$(BIN)/dbt-bouncer run --config-file dbt-bouncer.yml
	else
		echo "dbt-bouncer needs Python 3.11 or newer: its checks are skipped"
	fi

format: install ## Rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix models tests/data --processes 2

clean: down ## Remove what was built and loaded; keep .venv and the jars
	@rm -rf .stack .demo target logs
