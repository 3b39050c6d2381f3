# Needs Python 3.11 or newer, git and make; everything else is installed into .venv.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Only the registry and the lock decide what is installed.
unexport PIP_FIND_LINKS
unexport UV_FIND_LINKS

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := search_space supernet evaluators search service
BENCHMARKS = $(shell grep -lw '^def measure' benchmarks/*.py 2>/dev/null | sed 's|^benchmarks/||; s|\.py$$||')
# One worker a core and one more, since many tests wait for processes; at most 8, and 2 GiB of memory for each.
WORKERS ?= $(shell $(BIN)/python -c "import os; gib = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30; \
	print(max(1, min(8, (os.cpu_count() or 1) + 1, int(gib // 2))))")
# Each worker computes in one thread: more would only fight over the same cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
PYTEST_ARGS ?=

.PHONY: help setup check format test chromium demo bench chaos adapters lock clean

help:  ## say what the targets do
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make the environment, and nothing else

$(STAMP): requirements.lock pyproject.toml
	@python=""; for candidate in python3.11 python3.12 python3.13 python3.14 python3; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "make setup: found no Python 3.11 or newer on PATH; install one" >&2; exit 1; fi; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		"$$python" -m venv --clear $(VENV) || { \
			echo "make setup: $$python cannot make an environment; on Debian: apt install python3-venv" >&2; exit 1; }; \
	fi
	@$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

check: setup  ## format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_layers.py

format: setup  ## rewrite the files as `check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup check chromium  ## everything a change must pass
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

chromium:
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Chromium for the browser tests"; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get install -y -qq --no-install-recommends chromium \
			|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }; } >/dev/null 2>&1 \
			|| echo "Chromium could not be installed: the browser tests will be skipped" >&2; \
	else echo "no Chromium here, and no right to install it: the browser tests will be skipped" >&2; fi

demo: setup  ## a whole search, from data to a downloaded neck
	$(BIN)/neckline demo

bench: setup  ## measure every benchmark again, quickly
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name --quick; done

chaos: setup  ## the long fault run
	$(ONE_THREAD) $(BIN)/python -m pytest -m chaos --timeout 3600 $(PYTEST_ARGS)

adapters: setup  ## the adapters in mmdetection and detectron2 themselves; compiles mmcv first
	tests/adapters/environment.sh .venv-adapters $(BIN)/uv
	$(BIN)/python -m pytest tests/adapters $(PYTEST_ARGS)

lock: setup  ## resolve requirements.lock again; UPGRADE=1 takes the newest versions
	$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 --all-extras \
		--no-emit-index-url --no-header --quiet $(if $(UPGRADE),--upgrade) -o requirements.lock

clean:  ## remove the environment, builds and caches; data folders stay
	rm -rf $(VENV) .venv-adapters build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis screenshots test-results
	find $(PACKAGES) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
