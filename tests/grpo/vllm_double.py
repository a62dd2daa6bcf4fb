"""A server that answers as `vllm serve` 0.32 does, failures included, and the tiny policy whose adapter it loads.

The words of its errors are those that the real one gave. tests/integration/test_vllm.py asks the real one.
"""

from __future__ import annotations

import json
import math
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

END = 2
VOCABULARY = 40


def scores(tokens: list[int], weight: float) -> list[float]:
    """A model: the logits of the next token, which the adapter's one number changes."""
    return [math.sin(weight * each + tokens[-1] * 0.7 + each * each) * 2 for each in range(VOCABULARY)]


def log_softmax(logits: list[float], temperature: float) -> list[float]:
    scaled = [each / temperature for each in logits]
    total = math.log(sum(math.exp(each) for each in scaled))
    return [each - total for each in scaled]


class Policy:
    """As much of a policy as rollouts need; its adapter is one number in a file."""

    name = "tiny"
    end_tokens = frozenset({END})
    sharded = False

    def __init__(self, weight: float = 1.0, rank: int = 8) -> None:
        self.weight = weight
        self.model = SimpleNamespace(peft_config={"default": SimpleNamespace(r=rank)})

    def save(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "adapter.json").write_text(json.dumps(self.weight))

    def logprobs(self, prompt: list[int], completions: list[list[int]], temperature: float) -> tuple[Any, None]:
        found = []
        for completion in completions:
            tokens = list(prompt)
            for token in completion:
                found.append(log_softmax(scores(tokens, self.weight), temperature)[token])
                tokens.append(token)
        return torch.tensor(found), None


class Server(ThreadingHTTPServer):
    """The endpoints of `vllm serve`, and switches for what can go wrong."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A client that has given up leaves a broken pipe."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.adapters: dict[str, float] = {}
        self.loads: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.max_length = 64
        self.max_rank = 16
        self.mode = "raw"
        self.updating = True
        self.lora = True
        self.sees_folders = True
        self.key: str | None = None
        self.script: list[str] = []  # what to do with the next completions, one after the other
        self.meeting: threading.Barrier | None = None
        self.longest = 1000
        self.token_ids = True
        self.rank = 8
        self.changed = 0.0  # of another model than the policy's
        self.lock = threading.Lock()

    def adapter(self, body: dict[str, Any]) -> tuple[int, str]:
        name, folder = body["lora_name"], Path(body["lora_path"])
        if not self.lora:
            return (
                500,
                "Call to add_lora method failed: Worker failed with error 'LoRA is not enabled. Use --enable-lora",
            )
        if not self.sees_folders or not (folder / "adapter.json").exists():
            return 404, f"Loading lora {name} failed: No adapter found for {folder}"
        if self.rank > self.max_rank:
            return (
                500,
                f"Worker failed with error 'LoRA rank {self.rank} is greater than max_lora_rank {self.max_rank}.'",
            )
        if name in self.adapters:
            return 400, f"The lora adapter '{name}' has already been loaded."
        self.adapters[name] = json.loads((folder / "adapter.json").read_text())
        self.loads.append(name)
        return 200, "Success"

    def complete(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Sample as vLLM does: a seed of its own for each of the n, end tokens and stop strings as said in the body."""
        if body["model"] not in self.adapters:
            return 404, f"The model `{body['model']}` does not exist."
        if body["temperature"] == 0 and body["n"] > 1:
            return 400, f"n must be 1 when using greedy sampling, got {body['n']}."
        if any(token >= VOCABULARY for token in body["prompt"]):
            return 400, f"Token id {max(body['prompt'])} is out of vocabulary"
        weight = self.adapters[body["model"]] + self.changed
        choices = []
        for index in range(body["n"]):
            draw = random.Random(body["seed"] + index)
            tokens, logprobs, reason = list(body["prompt"]), [], "length"
            start = len(tokens)
            while len(tokens) - start < min(body["max_tokens"], self.longest):
                logits = scores(tokens, weight)
                if len(tokens) - start < body["min_tokens"]:
                    logits[END] = -1e9
                row = log_softmax(logits, body["temperature"] or 1.0)
                token = row.index(max(row))
                if body["temperature"]:
                    token = draw.choices(range(VOCABULARY), [math.exp(each) for each in row])[0]
                tokens.append(token)
                logprobs.append((log_softmax(logits, 1.0) if self.mode == "raw" else row)[token])
                text = "".join(f"<{each}>" for each in tokens[start:])
                if token in body["stop_token_ids"] or any(text.endswith(each) for each in body["stop"]):
                    reason = "stop"
                    break
            choices.append(
                {
                    "index": index,
                    "text": "never to be read",
                    "token_ids": tokens[start:] if self.token_ids else None,
                    "finish_reason": reason,
                    "logprobs": {"token_logprobs": logprobs},
                }
            )
        return 200, {"choices": choices[::-1]}


class Answers(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, content: Any, cut: int = 0) -> None:
        if status != 200 and isinstance(content, str):
            content = {"error": {"message": content, "code": status}}
        raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw[: len(raw) - cut])
        if cut:
            self.close_connection = True

    def do_GET(self) -> None:
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            return self.answer(401, "Unauthorized")
        if self.server.script and self.server.script[0] == "starting":
            self.server.script.pop(0)
            return self.answer(503, "starting")
        if self.server.mode == "a web page":
            return self.answer(404, "<html>")
        base = {"id": "served", "root": "tiny", "parent": None, "max_model_len": self.server.max_length}
        others = [{"id": each, "root": "x", "parent": "served"} for each in self.server.adapters]
        return self.answer(200, {"data": [*others, base]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "lora" in self.path:
            if not self.server.updating:
                return self.answer(404, {"detail": "Not Found"})
            if self.path == "/v1/unload_lora_adapter":
                known = self.server.adapters.pop(body["lora_name"], None) is not None
                return self.answer(200 if known else 404, "Success" if known else "cannot be found")
            return self.answer(*self.server.adapter(body))
        with self.server.lock:
            self.server.bodies.append(body)
            todo = self.server.script.pop(0) if self.server.script else ""
        if self.server.meeting:
            self.server.meeting.wait(timeout=30)
        if todo == "restart":
            self.server.adapters.clear()
        if todo == "hang up":
            self.close_connection = True
            return None
        if todo == "busy":
            return self.answer(503, "too busy")
        status, content = self.server.complete(body)
        if todo == "silence":
            threading.Event().wait(1.0)
        if todo == "break off" and status == 200:
            content["choices"][0]["finish_reason"] = "abort"
        if todo == "one less" and status == 200:
            content["choices"].pop()
        if todo == "no JSON":
            content = '{"choices": ['
        return self.answer(status, content, cut=20 if todo == "cut" else 0)
