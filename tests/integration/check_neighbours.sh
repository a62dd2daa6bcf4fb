#!/usr/bin/env bash
# Does assay live beside the packages whose names its folders share, with nothing overwritten either way?
#
#   tests/integration/check_neighbours.sh [FOLDER]     a few minutes; needs a package index and about 3 GB
#
# Makes a virtual environment in FOLDER (default: a new temporary one, removed at the end) with Hugging Face
# `datasets`, PyPI `verifiers`, math-verify, hydra-core and trl, installs assay from this checkout as a wheel, and then
# `datasets` and `verifiers` once more over it. Afterwards:
#   1. every file in site-packages belongs to one distribution and has the hash which that distribution recorded;
#   2. all of them import, from the root of the checkout (where bare folders have their names) and from elsewhere;
#   3. the same with assay installed in place (pip install --editable);
#   4. `pip check` names no conflict.
# Exits 1 and says what, if one of these fails. PYTHON chooses the interpreter, TORCH what is installed first.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PYTHON=${PYTHON:-python3}
# The CPU build: a version range would bring gigabytes of CUDA.
TORCH=${TORCH:-torch==2.13.0}

if [ $# -gt 0 ]; then
    FOLDER=$1
    mkdir -p "$FOLDER"
else
    FOLDER=$(mktemp -d)
    trap 'rm -rf "$FOLDER"' EXIT
fi
FOLDER=$(cd "$FOLDER" && pwd)

"$PYTHON" -m venv "$FOLDER/venv"
BIN=$FOLDER/venv/bin
pip() { "$BIN/python" -m pip --disable-pip-version-check --quiet "$@"; }

cat > "$FOLDER/files.py" <<'CHECK'
"""Check every installed file against the RECORD of its distribution, and that no two claim the same file."""

import base64
import hashlib
import sys
from collections import defaultdict
from importlib.metadata import distributions

owners, faults, checked = defaultdict(set), [], 0
for distribution in distributions():
    name = distribution.metadata["Name"]
    for file in distribution.files or []:
        path = file.locate()
        if "__pycache__" in path.parts:
            continue
        owners[path.resolve()].add(name)
        if file.hash is None:
            continue
        checked += 1
        if not path.is_file():
            faults.append(f"{name}: {file} is gone")
        else:
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                faults.append(f"{name}: {file} was overwritten")
for path, names in sorted(owners.items()):
    if len(names) > 1:
        faults.append(f"{path} belongs to {' and '.join(sorted(names))}")
ours = [fault for fault in faults if "assay" in fault or "/datasets/" in fault or "/verifiers/" in fault]
print(f"   {checked} files checked, {len(faults)} faults, {len(ours)} of them around assay")
for fault in faults:
    print("   ", fault)
sys.exit(bool(ours))
CHECK

cat > "$FOLDER/imports.py" <<'CHECK'
"""Import everybody, and check that each name means the package it should."""

import importlib
from pathlib import Path

site = Path(importlib.import_module("pip").__file__).parents[1]
for name, has in {
    "datasets": "load_dataset",
    "verifiers": "__version__",
    "math_verify": "verify",
    "hydra": "main",
    "trl": "GRPOTrainer",
}.items():
    module = importlib.import_module(name)
    assert module.__file__ and site in Path(module.__file__).parents, f"{name} is {module.__file__}, not the package"
    getattr(module, has)

import assay
from assay import MathVerifier, Problem, Reward, ThinkFormat
from assay.datasets import __path__ as rooms  # our own folder, under our own name

assert not Path(rooms[0]).samefile(Path(importlib.import_module("datasets").__file__).parent)
score = Reward([(MathVerifier(), 1.0), (ThinkFormat(), 1.0)]).score("<think>1/2</think>\\boxed{0.5}", "1/2")
assert score.reward == 1.0, score
print(f"   all import; assay from {Path(assay.__file__).parent}")
CHECK

both_places() {
    (cd "$ROOT" && echo "   in the checkout:" && PYTHONPATH= "$BIN/python" -c "exec(open('$FOLDER/imports.py').read())")
    (cd / && echo "   elsewhere:" && PYTHONPATH= "$BIN/python" -c "exec(open('$FOLDER/imports.py').read())")
}

echo "== installing the neighbours, then assay as a wheel, then datasets and verifiers again"
pip install "$TORCH"
pip install datasets verifiers math-verify hydra-core trl
# From a copy, so that no build/ appears in the checkout.
mkdir -p "$FOLDER/source"
(cd "$ROOT" && git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf -) | tar -xf - -C "$FOLDER/source"
pip install "$FOLDER/source"
pip install --force-reinstall --no-deps datasets verifiers
"$BIN/python" -m pip list 2>/dev/null | grep -iE '^(assay|datasets|verifiers|math-verify|hydra-core|trl|torch|antlr4|sympy|latex2sympy)' \
    | sed 's/^/   /'

echo "== files"
"$BIN/python" "$FOLDER/files.py"
echo "== imports, assay as a wheel"
both_places
echo "== imports, assay in place"
pip install --no-deps --editable "$ROOT"
both_places
echo "== pip check"
"$BIN/python" -m pip check
echo "== all well"
