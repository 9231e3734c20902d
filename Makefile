# Needs Python 3.11 and make; everything else goes into .venv.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install compare test long lint package published docs bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install: $(VENV)/.installed ## create .venv with everything in it

$(VENV)/.installed: setup.py pyproject.toml constraints.txt keras_mixup_gan/versions.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[all,dev]"
	@touch $@

compare: install ## train, defend, attack and compare on real digits; ARGS=--quick for a first look
	$(BIN)/python -m benchmarks.compare $(ARGS)

test: install ## run the fast tests; ARGS="-m slow" for those that take minutes each
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

long: install ## run the tests that train for seconds each
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "long and not slow" $(ARGS)

lint: install ## check style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

package: install ## build the wheel and the source archive, and check them
	rm -rf build dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m benchmarks.check_package dist

published: install ## check the committed results and the pages made from them
	$(BIN)/python -m benchmarks.check_published

docs: $(VENV)/.docs ## build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[docs]"
	@touch $@

bench: install ## measure what a training step costs
	$(BIN)/python -m benchmarks.speed $(ARGS)

clean: ## delete .venv and build products, not results
	rm -rf $(VENV) build dist site *.egg-info
