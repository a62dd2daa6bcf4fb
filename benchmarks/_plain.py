"""What does a plain run say: the program and its tests as one file, in a fresh `python3 -I`?

It passes if it prints a secret line as its last act. Whole runs go on inside one container without a network, which a
small loop shares out among a few threads: programs of models do not run on the host, not even for a comparison.

What a plain run is not: safe from cheats. A program may end early or take the asserts away, which is why it is the
yardstick for real programs only, and never the judge.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from assay import AssertTests, Limits

__all__ = ["Outcome", "PlainRuns", "whole_file"]

# Inside the container: a line of JSON is a program to run, a line of JSON comes back.
LOOP = r"""
import json, os, queue, resource, subprocess, sys, tempfile, threading

threads, memory = int(sys.argv[1]), int(sys.argv[2])
waiting, say = queue.Queue(), threading.Lock()

def limits():
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 24, 1 << 24))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

def tail(file):
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(0, size - 4000))
    return file.read().decode("utf-8", "replace").strip()

def run(job):
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(job["program"])
        try:
            code = subprocess.run(
                [sys.executable, "-I", "-B", path], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder,
                timeout=job["seconds"], preexec_fn=limits, start_new_session=True,
            ).returncode
        except subprocess.TimeoutExpired:
            return {"passed": False, "why": "took longer than %g s" % job["seconds"]}
        passed = tail(out).endswith(job["secret"])
        last = tail(err).split("\n")[-1][:300]
        return {"passed": passed, "why": "" if passed else last or "ended with code %s before its end" % code}

def work():
    while True:
        job = waiting.get()
        try:
            answer = run(job)
        except Exception as error:
            answer = {"passed": False, "why": "no run: %r" % error}
        with say:
            print(json.dumps({"id": job["id"], **answer}), flush=True)

for _ in range(threads):
    threading.Thread(target=work, daemon=True).start()
for line in sys.stdin:
    waiting.put(json.loads(line))
"""


class Outcome(NamedTuple):
    """Whether it came to its end, and if not, its last line of error."""

    passed: bool
    why: str


def whole_file(solution: str, tests: AssertTests, secret: str) -> str:
    """Return the solution with its tests behind it, as people run them, and the secret line at the end."""
    return "\n".join([solution, tests.setup, *tests.asserts, f"print({secret!r})", ""])


class PlainRuns:
    """One container in which plain runs go on; raises SandboxUnavailable where there is no Docker engine."""

    def __init__(self, limits: Limits, threads: int | None = None) -> None:
        from assay.sandbox.docker_worker import DockerStream
        from assay.sandbox.engine import connect
        from assay.sandbox.image import ensure_image, python_of

        self.limits = limits
        self.threads = threads or os.cpu_count() or 1
        client = connect()
        image = ensure_image(client)
        api = client.api
        container = api.create_container(
            image,
            entrypoint=[python_of(client, image)],
            command=["-I", "-c", LOOP, str(self.threads), str(limits.memory_bytes)],
            environment={"HOME": "/tmp", "LANG": "C.UTF-8"},
            user="12345:12345",
            stdin_open=True,
            labels={"assay.benchmark.plain": str(os.getpid())},
            network_disabled=True,
            host_config={
                **api.create_host_config(
                    network_mode="none",
                    read_only=True,
                    init=True,
                    cap_drop=["ALL"],
                    security_opt=["no-new-privileges:true"],
                    mem_limit=self.threads * limits.memory_bytes + (256 << 20),
                    pids_limit=512,
                    tmpfs={"/tmp": "size=268435456,mode=1777,nosuid,nodev"},
                    log_config={"Type": "none"},
                ),
                "AutoRemove": True,
            },
        )["Id"]
        attached = api.attach_socket(container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        api.start(container)
        self.stream = DockerStream(client, container, attached)
        self.stream.settimeout(10 * limits.wall_seconds + 60)

    def run_many(self, programs: Iterable[tuple[str, AssertTests]]) -> Iterator[tuple[int, Outcome]]:
        """Yield (number, outcome) for each (solution, tests), in whatever order they end."""
        listed = list(programs)
        secret = secrets.token_hex(16)

        def send() -> None:
            with contextlib.suppress(OSError):
                for number, (solution, tests) in enumerate(listed):
                    job: dict[str, Any] = {
                        "id": number,
                        "program": whole_file(solution, tests, secret),
                        "secret": secret,
                        "seconds": self.limits.wall_seconds,
                    }
                    self.stream.sendall(json.dumps(job).encode() + b"\n")

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        rest = b""
        for _ in listed:
            while b"\n" not in rest:
                part = self.stream.recv(1 << 16)
                if not part:
                    raise RuntimeError(f"the container of the plain runs is gone: {self.stream.last_words()}")
                rest += part
            line, _, rest = rest.partition(b"\n")
            answer = json.loads(line)
            yield answer["id"], Outcome(answer["passed"], answer["why"])
        sender.join()

    def close(self) -> None:
        """Remove the container."""
        self.stream.close()

    def __enter__(self) -> PlainRuns:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
