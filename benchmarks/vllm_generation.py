"""What does vLLM take, on one CPU thread, for the completions of one GRPO step?

Run it with the Python of an environment that holds vLLM (docs/vllm.md says how to make one for a CPU):

    taskset -c 0 VLLM_PYTHON benchmarks/vllm_generation.py MODEL [--adapter FOLDER] [--dtype float32]

The engine runs in this process. CPU seconds are those of the whole process, so that what else the machine does at the
time counts little; the first run, which compiles, is left out, and the median of the others is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import torch


def main() -> None:
    """Print CPU seconds and tokens per CPU second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of the model")
    parser.add_argument("--adapter", help="folder of a LoRA adapter; the base model without it")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--prompts", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--completions", type=int, default=8, help="of each prompt")
    parser.add_argument("--tokens", type=int, default=64, help="of each completion")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    given = parser.parse_args()

    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Else vLLM leaves a processor to its server, and has none where one is all there is.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    torch.set_num_threads(1)
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    engine = LLM(
        given.model,
        dtype=given.dtype,
        enable_lora=given.adapter is not None,
        max_model_len=given.prompt_tokens + given.tokens,
        enforce_eager=given.eager,
        enable_prefix_caching=False,
    )
    sampling = SamplingParams(
        n=given.completions, max_tokens=given.tokens, min_tokens=given.tokens, temperature=1.0, ignore_eos=True
    )
    draw = torch.Generator().manual_seed(0)
    prompts = torch.randint(100, 10_000, (given.prompts, given.prompt_tokens), generator=draw).tolist()
    adapter = LoRARequest("adapter", 1, given.adapter) if given.adapter else None
    taken = []
    for _ in range(given.runs + 1):
        start = time.process_time()
        answers = engine.generate(
            [{"prompt_token_ids": each} for each in prompts], sampling, lora_request=adapter, use_tqdm=False
        )
        taken.append(time.process_time() - start)
        made = sum(len(each.token_ids) for answer in answers for each in answer.outputs)
        if made != given.prompts * given.completions * given.tokens:
            raise SystemExit(f"{made} tokens were made, which is not what was asked for")
    middle = statistics.median(taken[1:])
    print("each run:", " ".join(f"{each:.2f}" for each in taken))
    print(
        f"{torch.get_num_threads()} thread, {given.dtype}, {'with' if given.adapter else 'no'} adapter: "
        f"{given.prompts} x {given.completions} x {given.tokens} tokens in {middle:.2f} CPU s, {made / middle:.1f} tokens/s"
    )


if __name__ == "__main__":
    main()
