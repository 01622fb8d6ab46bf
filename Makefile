# Everything there is to run. Each target sets itself up in .venv; only Python 3.10 or newer and make are needed.
PYTHON ?= python3
VENV ?= .venv
OFFICIAL ?= .venv-official
LOWEST ?= .venv-lowest
EXAMPLES ?= .venv-examples
RELEASE ?= .venv-release
PYTHONS ?= python3.10 python3.11 python3.12 python3.13
FUZZ_SECONDS ?= 3600
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

PROJECT = pyproject.toml constraints.txt src/vectorshift/version.py

# The tests start hundreds of Pythons: each would compile the package anew where this is set.
test whole lowest: export PYTHONDONTWRITEBYTECODE :=

# The oldest anyio and starlette leave sockets and streams of cancelled tasks to the collector.
LEAKS = -W ignore::pytest.PytestUnraisableExceptionWarning

.DEFAULT_GOAL := help
.PHONY: help demo test whole matrix lowest check compat examples docs bench soak chaos fuzz mutants build clean

help: ## List what there is to run
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.sandbox ## Run the main job against real servers on loopback
	@$(BIN)/vectorshift sandbox
	@echo "To call it from your own code: $(BIN)/vectorshift sandbox --serve"

test: $(VENV)/.test ## Run the tests
	@$(BIN)/python -m pytest -n auto --dist worksteal

whole: $(VENV)/.test ## Run the tests in each combination, where `make test` takes each pair of values
	@$(BIN)/python -m pytest -n auto --dist worksteal --whole

matrix: ## Run the tests on each of PYTHONS, each in an environment of its own
	@for each in $(PYTHONS); do \
	  version=$$($$each -c 'import platform; print(platform.python_version())') || exit 1; \
	  echo "Python $$version"; \
	  $(MAKE) --no-print-directory test PYTHON=$$each VENV=.venv-$$version || exit 1; \
	done

lowest: $(LOWEST)/.ready ## Run the tests with the oldest versions that pyproject.toml allows
	@$(LOWEST)/bin/python -m pytest -n auto --dist worksteal $(LEAKS)

check: $(VENV)/.dev ## Lint, types, import directions, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.words
	$(BIN)/python -m tests.prose
	$(BIN)/python -m tests.docs.block_types
	$(BIN)/pyright --warnings
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

compat: $(VENV)/.test $(OFFICIAL)/.ready ## The official SDK on the stand-in API, and its tests on this package
	@OFFICIAL=$(OFFICIAL) $(BIN)/python -m pytest -m compat tests/compat

examples: $(EXAMPLES)/.ready ## The packages of examples/ whose tests need the client library of a cloud
	@for each in azure-keyvault gcp; do \
	  (cd examples/vectorshift-$$each && $(CURDIR)/$(EXAMPLES)/bin/python -m pytest -q -p no:cacheprovider) || exit 1; \
	done

docs: $(VENV)/.dev ## Serve the documentation on loopback
	$(BIN)/mkdocs serve

bench: $(VENV)/.bench ## Measure speed and memory, beside other libraries where that makes sense
	@$(BIN)/python -m benchmarks

soak: $(VENV)/.test ## The long campaigns that CI leaves out
	@$(BIN)/python -m pytest -m soak

fuzz: $(VENV)/.test ## Try what is parsed and shown with mutated texts, for FUZZ_SECONDS (an hour)
	@$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

chaos: $(VENV)/.test ## An hour of everything at once, CHAOS_SECONDS; figures and a plot in .chaos/
	@$(BIN)/python -m pytest -q -m soak tests/chaos

mutants: $(VENV)/.mutants ## Change the code in one place at a time; goes on where it was stopped
	@$(BIN)/python -m tests.mutants

build: $(RELEASE)/.ready ## Build wheel, source distribution and SBOM into dist/, and try them
	@rm -rf dist
	@$(RELEASE)/bin/python -m build --outdir dist
	@$(RELEASE)/bin/python -m twine check --strict dist/*
	@$(RELEASE)/bin/python -m tests.artefacts dist

clean: ## Remove what the targets made
	rm -rf $(VENV) .venv-3.* $(OFFICIAL) $(LOWEST) $(EXAMPLES) $(RELEASE) dist site .mypy_cache .ruff_cache .hypothesis
	rm -rf .fuzz .chaos .mutants .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "vectorshift needs Python 3.10 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is incomplete here (on Debian and Ubuntu: apt-get install python3-venv)."; exit 1; }
	@$(PIP) install 'pip>=25.1'

$(VENV)/.sandbox: $(PROJECT) | $(VENV)/bin/python
	@$(PIP) install -c constraints.txt -e '.[sandbox]'
	@touch $@

$(VENV)/.test: $(PROJECT) | $(VENV)/bin/python
	@$(PIP) install -c constraints.txt -e '.[sandbox]' --group test
	@touch $@ $(VENV)/.sandbox

$(VENV)/.dev: $(PROJECT) | $(VENV)/bin/python
	@$(PIP) install -c constraints.txt -e '.[sandbox]' --group dev
	@touch $@ $(VENV)/.test $(VENV)/.sandbox

$(VENV)/.mutants: $(VENV)/.test
	@$(PIP) install -c constraints.txt --group mutants
	@touch $@

$(RELEASE)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(RELEASE) ..."
	@$(PYTHON) -m venv $(RELEASE)
	@$(RELEASE)/bin/python -m pip --disable-pip-version-check --quiet install 'pip>=25.1'
	@$(RELEASE)/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt --group release
	@touch $@

$(OFFICIAL)/.ready: tests/compat/official.txt
	@echo "Setting up $(OFFICIAL) ..."
	@rm -rf $(OFFICIAL) && $(PYTHON) -m venv $(OFFICIAL)
	@$(OFFICIAL)/bin/python -m pip --disable-pip-version-check --quiet download --no-deps \
	  --require-hashes -r tests/compat/official.txt -d $(OFFICIAL)/wheel
	@$(OFFICIAL)/bin/python -m pip --disable-pip-version-check --quiet install $(OFFICIAL)/wheel/*.whl
	@touch $@

$(LOWEST)/.ready: pyproject.toml
	@echo "Setting up $(LOWEST) ..."
	@rm -rf $(LOWEST) && $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check --quiet install 'pip>=25.1' uv
	@$(LOWEST)/bin/uv pip compile --quiet --resolution lowest-direct --extra all --extra testing \
	  --python $(LOWEST)/bin/python -o $(LOWEST)/lowest.txt pyproject.toml
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check --quiet install \
	  -c $(LOWEST)/lowest.txt -e '.[sandbox]' --group test
	@touch $@

$(EXAMPLES)/.ready: $(PROJECT) $(wildcard src/vectorshift/plugins.py examples/vectorshift-azure-keyvault/src/*/*.py examples/vectorshift-gcp/src/*/*.py)
	@echo "Setting up $(EXAMPLES) ..."
	@$(PYTHON) -m venv $(EXAMPLES)
	@$(EXAMPLES)/bin/python -m pip --disable-pip-version-check --quiet install pytest trio blockbuster cryptography \
	  -e . ./examples/vectorshift-azure-keyvault ./examples/vectorshift-gcp
	@touch $@

$(VENV)/.bench: $(PROJECT) | $(VENV)/bin/python
	@$(PIP) install -c constraints.txt -e '.[sandbox]' --group bench
	@touch $@ $(VENV)/.sandbox
