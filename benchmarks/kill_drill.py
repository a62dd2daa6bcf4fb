"""Does every program get its verdict, once and rightly, while containers die and the engine is restarted?

    python benchmarks/kill_drill.py [--judgements 2000] [--restart-engine [COMMAND]]

Right, wrong and crashing programs, endless loops under a short limit, and programs for standard input are judged from
several threads, while about every second one of the containers, drawn at random, is killed. Each program gives numbers
of its own, so that a verdict that belongs to another is seen. With --restart-engine, the engine is restarted once when
a third is done: by the command (`systemctl restart docker`), or without one by ending dockerd and starting it again
as it was, which takes root and an engine on this machine. It ends ALL containers there, so nothing is restarted unless
asked for. Exit code 1 unless all verdicts are right and nothing is left behind.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from _cost import engine_processes, our_containers
from assay.sandbox.engine import connect, engine_address
from assay.sandbox.errors import SandboxUnavailable

from assay import AssertTests, Judgement, Limits, Status, StdioTests, open_sandbox

LIMITS = Limits(wall_seconds=0.5, cpu_seconds=1)
INT = 4  # bytes of a C int


class Order(NamedTuple):
    """A program to judge; `said` is a text that its verdict must hold, if it fails in a way that can be told."""

    kind: str
    program: str
    tests: AssertTests | StdioTests
    status: Status
    said: str = ""


def orders(count: int, numbers: random.Random) -> list[Order]:
    """Return as many programs; four in a row share their tests, as samples of a group do."""
    made = []
    for serial in range(count):
        group = serial // 4
        tests = AssertTests([f"assert f({i}) == ({i}, {group})" for i in range(3)], entry_point="f")
        kind = numbers.choices([*KINDS], weights=[weight for weight, _ in KINDS.values()])[0]
        made.append(KINDS[kind][1](serial, group, tests))
    return made


def right(serial: int, group: int, tests: AssertTests) -> Order:
    return Order("right", f"def f(x):\n    return (x, {group})  # {serial}\n", tests, Status.CORRECT)


def wrong(serial: int, group: int, tests: AssertTests) -> Order:
    return Order("wrong", f"def f(x):\n    return (x, 'no {serial}.')\n", tests, Status.INCORRECT, f"no {serial}.")


def raising(serial: int, group: int, tests: AssertTests) -> Order:
    program = f"def f(x):\n    raise ValueError('no {serial}.')\n"
    return Order("raising", program, tests, Status.CRASHED, f"no {serial}.")


def dying(serial: int, group: int, tests: AssertTests) -> Order:
    return Order("dying", f"import os\ndef f(x):\n    os.abort()  # {serial}\n", tests, Status.CRASHED)


def endless(serial: int, group: int, tests: AssertTests) -> Order:
    return Order("endless", f"def f(x):\n    while True:\n        x += {serial}\n", tests, Status.TIMEOUT)


def reading(serial: int, group: int, tests: AssertTests) -> Order:
    given = StdioTests([(f"{serial}\n", f"{serial * 2}\n")])
    return Order("stdio", "print(int(input()) * 2)\n", given, Status.CORRECT)


KINDS: dict[str, tuple[int, Callable[[int, int, AssertTests], Order]]] = {
    "right": (50, right),
    "wrong": (24, wrong),
    "raising": (10, raising),
    "dying": (6, dying),
    "stdio": (8, reading),
    "endless": (2, endless),
}


def fault(order: Order, judgement: Judgement) -> str:
    """Return what is wrong with a verdict, "" if nothing is."""
    if judgement.status is not order.status:
        return f"a {order.kind} program was judged {judgement.status.value}: {judgement.detail[:200]}"
    if order.said and order.said not in repr(judgement):
        return f"a {order.kind} program got the verdict of another: {judgement.detail[:200]}"
    return ""


class Killer(threading.Thread):
    """Kills one of this process's containers about once a second."""

    def __init__(self, numbers: random.Random) -> None:
        super().__init__(daemon=True)
        self.numbers, self.deaths, self.done = numbers, 0, threading.Event()

    def run(self) -> None:
        client = None
        while not self.done.wait(self.numbers.uniform(0.5, 1.5)):
            try:
                client = client or connect()
                running = [one for one in our_containers(client, f"{os.getpid()}-") if one["State"] == "running"]
                if running:
                    client.api.kill(self.numbers.choice(running)["Id"])
                    self.deaths += 1
            except (SandboxUnavailable, OSError):  # the engine is being restarted
                client = None
            except Exception as error:  # gone between the look and the kill, or the engine is
                if "Connection" in type(error).__name__:
                    client = None


def restart_engine(command: str) -> float:
    """Restart it and wait until it answers; return the seconds that it was away."""
    begin = time.monotonic()
    if command:
        subprocess.run(command, shell=True, check=True)
    else:
        restart_dockerd()
    while True:
        try:
            connect().close()
            return time.monotonic() - begin
        except SandboxUnavailable:
            if time.monotonic() > begin + 120:
                raise
            time.sleep(0.2)


def dockerd() -> Path:
    """Return the engine's place in /proc; raises SystemExit if it is not on this machine or not ours to restart."""
    address, place = engine_address(), None
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(address.removeprefix("unix://"))
            listener = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * INT)
            place = Path(f"/proc/{int.from_bytes(listener[:INT], sys.byteorder)}")
    if place is None or os.geteuid() != 0 or engine_processes().get(int(place.name)) != "dockerd":
        raise SystemExit(f"--restart-engine needs a command: {address} is not a dockerd that this user can restart")
    return place


def restart_dockerd() -> None:
    """End dockerd as its users would, and start it with the same arguments, environment and log."""
    place = dockerd()
    words = (place / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    program, folder = os.readlink(place / "exe"), os.readlink(place / "cwd")
    pairs = [line.partition(b"=") for line in (place / "environ").read_bytes().split(b"\0") if b"=" in line]
    log = os.readlink(place / "fd" / "1")
    os.kill(int(place.name), signal.SIGTERM)
    while place.exists() and ") Z " not in (place / "stat").read_text():
        time.sleep(0.05)
    with open(log if log.startswith("/") and os.path.isfile(log) else os.devnull, "ab") as output:
        subprocess.Popen(
            words,
            executable=program,
            cwd=folder,
            env={name: value for name, _, value in pairs},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgements", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--restart-engine", nargs="?", const="", default=None, metavar="COMMAND")
    options = parser.parse_args()
    if options.restart_engine == "":
        dockerd()  # say now that it can't be, and not in the middle
    numbers = random.Random(options.seed)
    listed = orders(options.judgements, numbers)
    verdicts: Counter[int] = Counter()
    faults: list[str] = []
    attempts = away = 0.0
    lock = threading.Lock()
    third = threading.Event()

    with open_sandbox("docker", limits=LIMITS) as box:
        attempt = box._attempt

        def counted(*arguments: Any, **options: Any) -> list[Any]:  # a retry shows nowhere else
            nonlocal attempts
            with lock:
                attempts += 1
            return attempt(*arguments, **options)

        box._attempt = counted  # type: ignore[method-assign]

        def judge(serial: int) -> None:
            try:
                problem = fault(listed[serial], box.judge(listed[serial].program, listed[serial].tests))
            except Exception as error:
                problem = f"judge raised {error!r}"
            with lock:
                verdicts[serial] += 1
                if problem:
                    faults.append(f"{serial}: {problem}")
                if verdicts.total() >= len(listed) // 3:
                    third.set()

        killer = Killer(random.Random(options.seed + 1))
        begin = time.perf_counter()
        killer.start()
        with ThreadPoolExecutor(box.workers + 2) as threads:
            done = [threads.submit(judge, serial) for serial in range(len(listed))]
            if options.restart_engine is not None:
                third.wait()
                away = restart_engine(options.restart_engine)
            for one in done:
                one.result()
        seconds = time.perf_counter() - begin
        killer.done.set()
        killer.join()
    left = len(our_containers(connect(), f"{os.getpid()}-"))
    missing = len(listed) - len(verdicts)
    twice = sum(count > 1 for count in verdicts.values())
    print(f"{'judgements':>10} {'verdicts':>9} {'right':>6} {'missing':>8} {'twice':>6} {'killed':>7} ", end="")
    print(f"{'attempts':>9} {'engine away s':>14} {'seconds':>8} {'left':>5}")
    print(
        f"{len(listed):10} {verdicts.total():9} {verdicts.total() - len(faults):6} {missing:8} {twice:6} "
        f"{killer.deaths:7} {attempts:9.0f} {away:14.1f} {seconds:8.1f} {left:5}"
    )
    print("    " + ", ".join(f"{count} {kind}" for kind, count in Counter(each.kind for each in listed).items()))
    if options.restart_engine is None:
        print("    the engine was not restarted; --restart-engine does it")
    for line in faults[:40]:
        print("    " + line)
    return int(bool(faults or missing or twice or left))


if __name__ == "__main__":
    sys.exit(main())
