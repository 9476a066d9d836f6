# Everything works from a fresh clone: each target sets up .venv first. PYTHON may name any Python ≥ 3.11.
PYTHON ?= python3
BIN := .venv/bin
# As the command line does: threads that wait soon sleep, so that a busy machine stays quick.
export GOMP_SPINCOUNT ?= 3000
# So many processes share the files of tests, each with its part of the cores.
WORKERS ?= 2
TEST = -m pytest -q -n $(WORKERS) --dist loadfile

.PHONY: setup demo test test-all coverage wheel-test lint format bench docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      set up, train on the embedded digits, say what to type next"
	@echo "make test      set up, run the tests (make test-all: the slow ones too)"
	@echo "make coverage  the tests, and which lines of src none of them ran"
	@echo "make wheel-test   build the package, install it where nothing else is, alone and with each extra"
	@echo "make lint      ruff and pyright;  make format mends what ruff can"
	@echo "make bench     the short benchmarks"
	@echo "make docs      set up, build the documentation: docs/_build/html/index.html"

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Striate needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/striate train digits --budget 40s
	@echo 'once in a shell, before: source .venv/bin/activate'

test: setup
	$(BIN)/python $(TEST)

test-all: setup
	$(BIN)/python $(TEST) -m "slow or not slow"

# What commands run in processes of their own counts too.
coverage: setup
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run $(TEST)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# WHEEL_PYTHON may name another Python than that of .venv; EXTRAS, with commas, some of the extras or none.
wheel-test: setup
	$(BIN)/python -m tests.wheel $(if $(WHEEL_PYTHON),--python $(WHEEL_PYTHON)) $(if $(filter undefined,$(origin EXTRAS)),,--extras "$(EXTRAS)")

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m bench

# Examples are run and references written from the code; a warning is an error.
docs: .venv/docs
	$(BIN)/python -m sphinx -W --keep-going docs docs/_build/html
	@echo 'open docs/_build/html/index.html'

.venv/docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf docs/_build docs/reference .venv .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
