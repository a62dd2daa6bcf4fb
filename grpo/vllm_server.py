"""What does a vLLM server answer, and what is to be done when it does not?

The four endpoints that rollouts need, over plain HTTP: /v1/models, /v1/completions and the two that load and unload
adapters while it runs. Every failure becomes a `VllmError` that says what happened and how to mend it. What may pass is tried
again: a lost connection, a broken answer, a busy server. A server that is away is waited for.

Written against vLLM 0.32; token ids in answers came with 0.10.2.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

__all__ = ["AdapterGone", "Served", "VllmError", "VllmServer"]

TRIES = 3  # of one request
CONNECT_SECONDS = 10.0
QUICK_SECONDS = 60.0  # for what needs no generation
LOAD_SECONDS = 300.0
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what --max-lora-rank takes


class VllmError(RuntimeError):
    """The server cannot do what was asked; the message says what to change."""


class AdapterGone(VllmError):
    """The server does not know the adapter: it was restarted, or somebody unloaded it."""


@dataclass(frozen=True, slots=True)
class Served:
    """The base model of a server. name: in requests; root: its path or hub id; max_length: of prompt and completion, in tokens."""

    name: str
    root: str
    max_length: int | None


class VllmServer:
    """A client of the vLLM server at `base_url`. Its methods may be called from several threads at one time.

    model     of the policy, and `rank` of its adapter: for the command that error messages show
    patience  seconds to wait for a server that is not (or no longer) there
    timeout   seconds for one answer, waiting in the server's queue included
    pause     seconds before a second try; four times as long before a third

    The environment variable VLLM_API_KEY is sent as the key, where the server wants one.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        rank: int,
        patience: float = 240.0,
        timeout: float = 1800.0,
        pause: float = 1.0,
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        self._patience, self._timeout, self._pause = patience, timeout, pause
        most = next((each for each in RANKS if each >= rank), rank)
        self._command = (
            f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve {model} --enable-lora --max-lora-rank {max(most, 16)}"
        )
        self._session = requests.Session()
        # A rollout server stands nearby: no proxy of the environment and no .netrc lies between.
        self._session.trust_env = not self.base_url.startswith("http://")
        self._session.mount(self.base_url, requests.adapters.HTTPAdapter(pool_maxsize=256))
        if key := os.environ.get("VLLM_API_KEY"):
            self._session.headers["Authorization"] = f"Bearer {key}"

    def wait(self) -> Served:
        """Return what is served, as soon as it is; raise VllmError if it is not within `patience` seconds."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._served()
            except (requests.RequestException, _NotNow) as error:
                if time.monotonic() + self._pause > deadline:
                    raise VllmError(
                        f"no vLLM server answers at {self.base_url} ({_reason(error)}; waited {self._patience:g} s): "
                        f"start one with `{self._command}`, or name another with vllm_server_base_url"
                    ) from None
            time.sleep(self._pause)

    def load(self, adapter: str, folder: str) -> None:
        """Load the adapter that lies in a folder. One that is loaded already is left as it is."""
        status, message = self._post("load_lora_adapter", {"lora_name": adapter, "lora_path": folder}, LOAD_SECONDS)
        if status == 200 or "already been loaded" in message:
            return
        if found := re.search(r"rank (\d+) is greater than max_lora_rank (\d+)", message):
            raise VllmError(
                f"the adapter has rank {found[1]} (lora_r), and the server at {self.base_url} takes {found[2]} at most: "
                f"start it as `{self._command}`, or set lora_r to {found[2]} or less"
            )
        if "No adapter found" in message or "No such file" in message or "does not contain" in message:
            raise VllmError(
                f"the server at {self.base_url} cannot read the adapter in {folder}: it runs on another machine, in a "
                f"container or as another user; give a folder that both see under one path (the server said: {message})"
            )
        if "lora is not enabled" in message.lower():
            raise VllmError(f"the server at {self.base_url} was started without --enable-lora: `{self._command}`")
        if status in (404, 405):
            raise VllmError(
                f"the server at {self.base_url} does not let adapters be loaded while it runs (HTTP {status} for "
                f"/v1/load_lora_adapter): start it as `{self._command}`"
            )
        raise VllmError(f"the server at {self.base_url} did not load the adapter (HTTP {status}): {message}")

    def unload(self, adapter: str) -> None:
        """Make the server forget an adapter. One that it does not know is no error."""
        status, message = self._post("unload_lora_adapter", {"lora_name": adapter}, QUICK_SECONDS)
        if status not in (200, 404):
            raise VllmError(f"the server at {self.base_url} did not unload {adapter} (HTTP {status}): {message}")

    def complete(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the choices that /v1/completions answers.

        Raises AdapterGone if the model that the body names is not there, VllmError for all else.
        """

        def whole(answer: Any) -> bool:
            choices = answer.get("choices") if isinstance(answer, dict) else None
            return (
                isinstance(choices, list)
                and len(choices) == body["n"]
                and all(each.get("finish_reason") in ("stop", "length") for each in choices)
            )

        status, answer = self._post("completions", body, self._timeout, whole)
        if status == 200:
            return list(answer["choices"])
        if status == 404 and "does not exist" in answer:
            raise AdapterGone(f"the server at {self.base_url} does not know the adapter {body['model']}: {answer}")
        if "context length" in answer or "max_model_len" in answer:
            raise VllmError(
                f"a prompt of {len(body['prompt'])} tokens and {body['max_tokens']} for its completion are too long "
                f"for the server at {self.base_url}: start it with a larger --max-model-len, or lower max_prompt_length "
                f"or max_completion_length (it said: {answer})"
            )
        if "out of vocabulary" in answer:
            raise VllmError(
                f"the server at {self.base_url} serves another model than the policy's, with another vocabulary "
                f"({answer}): start it as `{self._command}`"
            )
        raise VllmError(f"the server at {self.base_url} did not generate (HTTP {status}): {answer}")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    # ---- below the endpoints

    def _served(self) -> Served:
        answer = self._session.get(f"{self.base_url}/v1/models", timeout=(CONNECT_SECONDS, QUICK_SECONDS))
        self._refuse_key(answer)
        if answer.status_code >= 500:
            raise _NotNow(_message(answer))
        try:
            bases = [each for each in answer.json()["data"] if not each.get("parent")]
            first = bases[0]
            return Served(str(first["id"]), str(first.get("root") or first["id"]), first.get("max_model_len"))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise VllmError(
                f"what answers at {self.base_url} is no vLLM server (HTTP {answer.status_code} for /v1/models): "
                f"start one with `{self._command}`, or name another with vllm_server_base_url"
            ) from None

    def _post(
        self, path: str, body: dict[str, Any], seconds: float, whole: Callable[[Any], bool] | None = None
    ) -> tuple[int, Any]:
        """Return the status and, for 200, the answer as JSON where `whole` is given to judge it, else the server's words."""
        url = f"{self.base_url}/v1/{path}"
        trouble = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self._pause * 4 ** (attempt - 1))
            try:
                answer = self._session.post(url, json=body, timeout=(CONNECT_SECONDS, seconds))
                self._refuse_key(answer)
                if answer.status_code in (429, 502, 503, 504) or (answer.status_code == 500 and whole is not None):
                    trouble = f"it answered HTTP {answer.status_code}: {_message(answer)}"
                elif answer.status_code != 200:
                    return answer.status_code, _message(answer)
                elif whole is None:
                    return 200, answer.text
                elif whole(result := answer.json()):
                    return 200, result
                else:
                    trouble = f"its answer lacks completions, or some were broken off: {answer.text[:200]}"
            except requests.ReadTimeout:
                trouble = (
                    f"no answer within {seconds:g} s; give it more time (timeout), ask for fewer or shorter "
                    "completions at one time, or look at the server's log"
                )
            except requests.ConnectionError as error:
                trouble = f"the connection failed: {_reason(error)}"
                self.wait()
            except (requests.RequestException, ValueError) as error:  # cut off, or no JSON
                trouble = f"its answer was cut off: {_reason(error)}"
        raise VllmError(f"the server at {self.base_url} failed {TRIES} times at /v1/{path}; at last {trouble}")

    def _refuse_key(self, answer: requests.Response) -> None:
        if answer.status_code in (401, 403):
            raise VllmError(
                f"the server at {self.base_url} wants another API key (HTTP {answer.status_code}): put the one that it "
                "was started with into the environment variable VLLM_API_KEY"
            )


class _NotNow(Exception):
    """The server is there, but not ready."""


def _message(answer: requests.Response) -> str:
    """Return the words of an error, however the server wraps them."""
    try:
        found = answer.json()
        found = found.get("error", found)
        return str(found.get("message") or found.get("detail") or found)
    except (ValueError, AttributeError):
        return answer.text[:500] or answer.reason


def _reason(error: Exception) -> str:
    """Return the innermost cause, which says more than the wrappings of three libraries."""
    inner: Any = error
    while inner.args and isinstance(inner.args[0], Exception):
        inner = inner.args[0]
    inner = getattr(inner, "reason", None) or inner
    return str(inner).rpartition(": ")[2] or type(inner).__name__
