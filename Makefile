# Everything needs Python 3.11 or later, and nothing else: what is missing is installed in .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Workers wait for servers: four keep two cores busy.
JOBS   ?= 4
RUNS   ?= 200
SEED   ?= 1

# The tests that do not need a server; where some of their neighbours do, these are left out.
OFFLINE := tests/flow tests/models tests/query tests/recorded \
           tests/session/test_forms.py tests/session/test_identity_laws.py \
           tests/session/test_patches.py \
           tests/client/test_calls_all.py tests/client/test_moving.py tests/client/test_paths.py \
           tests/transport/test_auth.py tests/transport/test_codec.py tests/transport/test_dry.py \
           tests/transport/test_wire.py \
           tests/test_costs.py tests/test_docstrings.py tests/test_offline.py tests/test_utils.py

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test test-offline faults bench cassettes lint docs format clean

help:           ## Say what there is.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(VENV)/demo: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python $@"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[async,server]'
	touch $@

$(VENV)/dev: $(VENV)/demo
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/bench: $(VENV)/demo
	$(BIN)/pip install --quiet --editable '.[bench]'
	touch $@

demo: $(VENV)/demo  ## Run the main job on an embedded Kinto; DATA=dump.json: on your own records.
	$(BIN)/python examples/demo.py $(DATA)

test: $(VENV)/dev  ## Run all tests, those on PostgreSQL included.
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-offline: $(VENV)/dev  ## Run the tests that need no server; the network is closed to them.
	KINTO_ORM_OFFLINE=1 $(BIN)/python -m pytest -n $(JOBS) $(OFFLINE) $(ARGS)

faults: $(VENV)/dev  ## Commit under random faults, and see whether the results are true; RUNS=200 SEED=1.
	cd tests && PYTHONPATH=. ../$(BIN)/python -m runs --runs $(RUNS) --seed $(SEED)

bench: $(VENV)/bench  ## Measure beside kinto-http; QUICK=1: in a minute; ONLY="get patch": some questions.
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(ONLY)

cassettes: $(VENV)/dev  ## Record the exchanges of tests/recorded again, from a real Kinto.
	KINTO_ORM_RECORD=1 $(BIN)/python -m pytest tests/recorded

lint: $(VENV)/dev  ## Check style, types and the directions of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy conftest.py
	$(BIN)/mypy docs/conf.py
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: $(VENV)/dev  ## Make the site, in docs/_build/html; a warning is an error.
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

format: $(VENV)/dev  ## Put the code in order.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:          ## Remove what was made.
	rm -rf $(VENV) docs/_build dist .*_cache
