# make test    set up .venv and run everything: lint, format, types, tests
# make lint    the first three only
# make demo    set up .venv and open real neurons in napari; without a display, play and keep pictures
# make docs    the documentation, into site/
# make bench   the benchmarks
# make clean   remove what these made

PYTHON := .venv/bin/python
READY := .venv/ready
# one more than the cores of a small machine: tests of windows and of disks wait a good part of their time
WORKERS ?= 3
MAKEFLAGS += --no-print-directory
export PYTHONUTF8 = 1
# not the user's own settings
export NAPARI_CONFIG := $(CURDIR)/.venv/napari.yaml

# Tests and samples read their geometry as files; without their dependencies, since nothing of them is imported.
REAL_DATA := dipy==1.12.1 navis==1.12.0

.DEFAULT_GOAL := test
.PHONY: test lint demo docs bench clean

test: lint
	@echo "tests"
	@$(PYTHON) -m pytest -q -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

lint: $(READY)
	@echo "ruff check"
	@$(PYTHON) -m ruff check .
	@echo "ruff format"
	@$(PYTHON) -m ruff format --check .
	@echo "mypy"
	@$(PYTHON) -m mypy --no-error-summary

demo: $(READY)
	@$(PYTHON) -m zvview demo

docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet --strict

bench: $(READY)-bench
	@$(PYTHON) benchmarks/run_all.py

clean:
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist site
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml tools/venv.sh
	@tools/venv.sh dev
	@echo "fetching real data: $(REAL_DATA)"
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input --no-deps $(REAL_DATA)
	@touch $@

$(READY)-%: $(READY)
	@tools/venv.sh $*
	@touch $@
