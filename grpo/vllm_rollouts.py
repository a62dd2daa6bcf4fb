"""How does a vLLM server sample from the policy? It is given the adapter, under a new name at each refresh().

The server holds the base model; what training changes is the adapter, a few megabytes that pass through a folder which
both can see. Old adapters are unloaded and their folders removed. A new name each time, rather than new weights
under an old one, because the server's prefix cache goes by the name.

Prompts and completions travel as token ids, never as text: text tokenized again is not always what the model wrote. All
requests of a batch are sent at one time, one for each prompt; the server makes a batch of them. If it was restarted in
between, it gets the adapter again.

At the first generate() the server's log-probabilities are held against the policy's, which shows another model under
the right name, and also tells whether the server reports them before or after temperature. Where processes hold shares of
the policy that is done at refresh(). Not covered: training of all weights, which would have to be sent as a whole.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import uuid4

import torch

from .at_one_time import at_one_time
from .policy import ModelError, Policy
from .rollouts import Group, Sampling
from .vllm_server import AdapterGone, VllmError, VllmServer

__all__ = ["VllmRollouts"]

ALLOWED_DIFFERENCE = 0.3  # nats per token, between two computations of one model; bfloat16 alone makes about 0.05
PROBE = Sampling(max_tokens=16, temperature=0.5)


class VllmRollouts:
    """Samples from the policy by means of `vllm serve`; keeps the contract of `rollouts.Rollouts`.

    base_url        where the server listens
    adapter_folder  where adapters are put, seen by the server under the same path; a temporary folder if not given
    patience        seconds to wait for a server that is not there, at the start and later
    timeout         seconds for the completions of one prompt, waiting in the server's queue included
    pause           seconds before something that failed is tried again

    Raises ModelError for a policy without an adapter, and VllmError if no server comes up.
    """

    def __init__(
        self,
        policy: Policy,
        base_url: str = "http://localhost:8000",
        *,
        adapter_folder: str | Path | None = None,
        patience: float = 240.0,
        timeout: float = 1800.0,
        pause: float = 1.0,
    ) -> None:
        configs = getattr(policy.model, "peft_config", None)
        if not configs:
            raise ModelError(
                "rollouts by a vLLM server need an adapter, because only adapters can be sent to it while it runs; this "
                "policy trains all weights: set use_peft true, or rollouts native"
            )
        rank = max(int(config.r) for config in configs.values())
        self._policy = policy
        self._server = VllmServer(
            base_url, model=policy.name, rank=rank, patience=patience, timeout=timeout, pause=pause
        )
        self._served = self._server.wait()
        if adapter_folder is not None:
            Path(adapter_folder).mkdir(parents=True, exist_ok=True)
        self._folders = tempfile.TemporaryDirectory(
            prefix="assay-adapters-", dir=adapter_folder, ignore_cleanup_errors=True
        )
        if adapter_folder is not None:
            os.chmod(self._folders.name, 0o755)  # the server may run as another user
        self._run = uuid4().hex[:8]
        self._count = 0
        self._adapter: str | None = None
        self._lock = threading.Lock()
        self._modes: frozenset[str] | None = None  # of log-probabilities that the server may have; None: not yet known

    def refresh(self) -> None:
        """Write the policy's adapter and have the server load it, and forget the one before."""
        self._count += 1
        before, fresh = self._adapter, f"assay-{self._run}-{self._count}"
        folder = self._folder(fresh)
        try:
            self._policy.save(folder)
            self._server.load(fresh, str(folder))
        except BaseException:
            rmtree(folder, ignore_errors=True)
            raise
        self._adapter = fresh
        if before is not None:
            self._forget(before)
        if self._policy.sharded and self._modes is None:  # every process is here; some may have nothing to generate
            self._modes = self._compare([min(self._policy.end_tokens)], 0)

    def generate(
        self, prompts: list[list[int]], num_generations: int, sampling: Sampling, seed: int, *, logprobs: bool = True
    ) -> list[Group]:
        """Return a group for each prompt, in order. The first refresh() happens by itself.

        The same seed is the same draw only as far as the server computes alike twice: what shares a batch changes the
        last digits.
        logprobs  also say how likely each token was, where the server's way to count is that of `Group`
        Raises VllmError with what to do about it.
        """
        if self._adapter is None and prompts:
            self.refresh()
        for prompt in prompts:
            room = self._served.max_length
            if room is not None and len(prompt) + sampling.max_tokens > room:
                raise VllmError(
                    f"a prompt of {len(prompt)} tokens and {sampling.max_tokens} for its completion are more than the "
                    f"{room} that the server takes: start it with --max-model-len {len(prompt) + sampling.max_tokens} or "
                    "more, or lower max_prompt_length or max_completion_length"
                )
        if self._modes is None and prompts:
            self._modes = self._compare(prompts[0], seed)

        def group(at: int) -> Group:
            made = self._group(prompts[at], num_generations, sampling, _own_seed(seed, at))
            return made if logprobs else replace(made, logprobs=None)

        return at_one_time(group, range(len(prompts)))

    def release(self) -> None:
        """Give back nothing: the server's memory is its own."""

    def close(self) -> None:
        """Unload the adapter, remove its folder and close the connections. May be called twice."""
        adapter, self._adapter = self._adapter, None
        try:
            if adapter is not None:
                self._forget(adapter)
        except VllmError:
            pass  # a server that is gone has forgotten it
        finally:
            self._folders.cleanup()
            self._server.close()

    # ---- one group

    def _group(self, prompt: list[int], count: int, sampling: Sampling, seed: int) -> Group:
        greedy = sampling.temperature == 0  # the server then wants n to be 1, as all would be the same
        choices = self._complete(
            {
                "prompt": prompt,
                "n": 1 if greedy else count,
                "seed": seed,
                "max_tokens": sampling.max_tokens,
                "min_tokens": sampling.min_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
                "min_p": sampling.min_p,
                # Said though they are usual: the model's generation_config.json would fill in its own.
                "repetition_penalty": 1.0,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
                "stop": list(sampling.stop_strings),
                "include_stop_str_in_output": True,
                "skip_special_tokens": False,  # a stop string may be one
                "stop_token_ids": sorted(self._policy.end_tokens),
                "return_token_ids": True,
                "logprobs": 0,  # of the sampled tokens alone
            }
        )
        choices.sort(key=lambda choice: int(choice["index"]))
        completions = [self._tokens(choice) for choice in choices]
        finished = [choice["finish_reason"] == "stop" for choice in choices]
        for tokens, ended in zip(completions, finished, strict=True):
            if not ended and len(tokens) != sampling.max_tokens:
                raise VllmError(
                    f"the server cut a completion off at {len(tokens)} tokens, though {sampling.max_tokens} were asked "
                    "for: start it without max_new_tokens in --override-generation-config or --generation-config"
                )
        logprobs = None
        if self._modes is None or self._modes <= _right_modes(sampling):
            logprobs = _logprobs(choices, completions)
        if greedy:
            return Group(list(prompt), [list(completions[0]) for _ in range(count)], finished * count)
        return Group(list(prompt), completions, finished, logprobs)

    def _complete(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        adapter = self._adapter
        assert adapter is not None
        try:
            return self._server.complete({"model": adapter, **body})
        except AdapterGone:
            with self._lock:  # a restarted server gets it once; for the other threads it is then loaded already
                self._server.load(adapter, str(self._folder(adapter)))
        return self._server.complete({"model": adapter, **body})

    def _tokens(self, choice: dict[str, Any]) -> list[int]:
        tokens = choice.get("token_ids")
        if not tokens:
            raise VllmError(
                f"the server at {self._server.base_url} gives no token ids (return_token_ids): it is older than vLLM "
                "0.10.2, or something else that speaks its language; install a newer one"
            )
        return [int(token) for token in tokens]

    def _folder(self, adapter: str) -> Path:
        return Path(self._folders.name) / adapter

    def _forget(self, adapter: str) -> None:
        try:
            self._server.unload(adapter)
        finally:
            rmtree(self._folder(adapter), ignore_errors=True)

    # ---- is it the same model?

    def _compare(self, prompt: list[int], seed: int) -> frozenset[str]:
        """Return how the server may report log-probabilities, "raw" or "processed" (its --logprobs-mode), or both.

        Raises VllmError if the policy finds the server's tokens otherwise likely, however they are reported.
        """
        group = self._group(prompt, 4, PROBE, _own_seed(seed, -1))
        if group.logprobs is None:
            return frozenset({"raw", "processed"})
        theirs = torch.tensor([each for row in group.logprobs for each in row])
        apart = {}
        with torch.no_grad():
            for mode, temperature in (("raw", 1.0), ("processed", PROBE.temperature)):
                ours, _ = self._policy.logprobs(prompt, group.completions, temperature)
                apart[mode] = (ours.float().cpu() - theirs).abs().mean().item()
        nearest = min(apart.values())
        if not nearest <= ALLOWED_DIFFERENCE:
            raise VllmError(
                f"the server at {self._server.base_url} serves {self._served.name} ({self._served.root}), which is not the "
                f"policy's model {self._policy.name}: log-probabilities of its tokens differ by {nearest:.2f} on average "
                f"(up to {ALLOWED_DIFFERENCE} is rounding); serve the policy's model, unquantized, and without "
                "--logprobs-mode raw_logits or processed_logits"
            )
        return frozenset(mode for mode, each in apart.items() if each <= 2 * nearest)


def _right_modes(sampling: Sampling) -> frozenset[str]:
    """Return the modes whose log-probabilities are those of `Group`: at the temperature, before anything is left out."""
    if sampling.temperature == 0:
        return frozenset()
    everything = sampling.top_p == 1 and not sampling.top_k and not sampling.min_p and not sampling.min_tokens
    modes = {"raw"} if sampling.temperature == 1 else set()
    return frozenset(modes | {"processed"} if everything else modes)


def _logprobs(choices: list[dict[str, Any]], completions: list[list[int]]) -> list[list[float]] | None:
    """Return what the choices say, or None if it does not belong to their tokens one by one."""
    rows = [(choice.get("logprobs") or {}).get("token_logprobs") or [] for choice in choices]
    if any(len(row) != len(tokens) or None in row for row, tokens in zip(rows, completions, strict=True)):
        return None
    return [[float(each) for each in row] for row in rows]


def _own_seed(seed: int, at: int) -> int:
    """Return a seed for one group. The server counts up from it within the group, so neighbours must lie far apart."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {at}".encode(), digest_size=7).digest())
