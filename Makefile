# Two commands on a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench lock clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

# The lock pins every distribution by hash; the project itself is then built without the network.
.venv/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || { echo "making .venv"; $(PYTHON) -m venv .venv; }
	@echo "installing what requirements.lock pins (a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/.installed  ## gateway, Redis, a stand-in inference API, and requests to paste
	@exec $(BIN)/tidegate demo $(DEMO_ARGS)

test: .venv/.installed  ## every test, on real servers; TEST_ARGS="tests/wire -x" for some
	@$(BIN)/python -m pytest --cov=gateway --cov-report=term:skip-covered $(TEST_ARGS)

lint: .venv/.installed  ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/.installed  ## load test against peers, interleaved; BENCH_ARGS="--quick" for a short one
	@$(BIN)/python -m loadtest $(BENCH_ARGS)

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"

lock:  ## pin again what pyproject.toml asks for (needs uv)
	@printf 'hatchling\neditables\n' | $(LOCK) --extra dev pyproject.toml - -o requirements.lock
	@$(LOCK) --constraint requirements.lock --extra postgres --extra traces pyproject.toml -o requirements-runtime.lock
	@printf 'hatchling\n' | $(LOCK) --constraint requirements.lock - -o requirements-build.lock

clean:  ## remove what make made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage htmlcov
