# make demo   install, score the shipped sample of real model outputs, print the summary
# make test   install, run the tests
# make check  lint, format, types        make bench  the measurements behind the README's table

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check bench clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras: installing again when nothing changed would cost more than the tests.
$(VENV)/.base: $(BIN)/python pyproject.toml
	$(PIP) install --editable .
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	$(PIP) install --editable '.[test]'
	@touch $@

$(VENV)/.check: $(BIN)/python pyproject.toml
	$(PIP) install --editable '.[test,check]'
	@touch $@

$(VENV)/.bench: $(BIN)/python pyproject.toml
	$(PIP) install --editable '.[test,bench]'
	@touch $@

demo: $(VENV)/.base
	$(BIN)/verify examples/sums_smollm2.jsonl.gz --output demo-scored.jsonl

test: $(VENV)/.test
	$(BIN)/python -m pytest

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .types build *.egg-info && $(PIP) install --no-deps --target .types . && $(BIN)/mypy assay verifiers datasets

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/speed.py

clean:
	rm -rf $(VENV) .types build *.egg-info demo-scored.jsonl
