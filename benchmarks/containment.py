"""Do programs that want the whole machine stay within their limits, and their neighbours unharmed?

    python benchmarks/containment.py [--backend docker] [--only TEXT] [--times 2]

Each bomb of `_bombs.py` is judged a few times in a row, while on the other worker right and wrong programs are judged
one after the other. Shown for each: what it was judged; the longest time above the wall-clock limit; how much memory
and disk the host had less, and how many processes and threads more, at the worst moment and afterwards; how many
neighbours were judged meanwhile, and how many of them wrongly. Then what is left of all: containers, processes.
Exit code 1 if a bomb earns anything or has no verdict, a limit is passed by a second, a neighbour gets a wrong verdict,
or something is left.

Memory and the rest are those of the whole host: run it where nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from _bombs import BOMBS, Bomb
from _cost import our_containers
from _processes import alive, descendants

from assay import AssertTests, Limits, Status, open_sandbox

LIMITS = Limits(wall_seconds=2.0, cpu_seconds=2, memory_bytes=256 << 20, processes=16, disk_bytes=32 << 20)
SLACK = 1.0  # seconds above the limit
NEIGHBOUR = AssertTests(["assert add(2, 3) == 5", "assert add([1], [2]) == [1, 2]"], entry_point="add")
DISKS = ("/", "/tmp", "/dev/shm", "/var/lib/docker")


class Host(NamedTuple):
    """Bytes of memory and disk in use, and processes with their threads."""

    memory: int
    disk: int
    processes: int

    @staticmethod
    def now() -> Host:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        memory = int(lines["MemTotal"].split()[0]) - int(lines["MemAvailable"].split()[0])
        places = {os.stat(place).st_dev: place for place in DISKS if os.path.isdir(place)}
        disk = sum(shutil.disk_usage(place).used for place in places.values())
        return Host(memory << 10, disk, int(Path("/proc/loadavg").read_text().split()[3].split("/")[1]))


class Worst(threading.Thread):
    """Looks at the host twenty times a second, and keeps the most of everything."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.most = Host.now()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.05):
            self.most = Host(*map(max, self.most, Host.now()))

    def __enter__(self) -> Worst:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.join()


class Neighbours(threading.Thread):
    """Judges honest programs one after the other, right and wrong in turn, until told to stop."""

    def __init__(self, box: Any) -> None:
        super().__init__(daemon=True)
        self.box, self.done = box, threading.Event()
        self.judged = 0
        self.slowest = 0.0
        self.faults: list[str] = []

    def run(self) -> None:
        while not self.done.is_set():
            sign, expected = (("+", Status.CORRECT), ("-", Status.CRASHED))[self.judged % 2]
            program = f"def add(a, b):\n    return a {sign} b\n"
            if self.judged % 4 == 3:
                program, expected = "def add(a, b):\n    return a\n", Status.INCORRECT
            try:
                judgement = self.box.judge(program, NEIGHBOUR)
                self.slowest = max(self.slowest, judgement.seconds)
                if judgement.status not in (expected, Status.INCORRECT if sign == "-" else expected):
                    self.faults.append(
                        f"{expected.value} was judged {judgement.status.value}: {judgement.detail[:120]}"
                    )
            except Exception as error:
                self.faults.append(repr(error))
            self.judged += 1

    def __enter__(self) -> Neighbours:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.join()


def settled(before: Host, patience: float = 3.0) -> Host:
    """Return the state of the host once it has calmed down."""
    until = time.monotonic() + patience
    least = Host.now()
    while time.monotonic() < until and (least.memory > before.memory + (8 << 20) or least.processes > before.processes):
        time.sleep(0.1)
        least = Host(*map(min, least, Host.now()))
    return least


def try_bomb(box: Any, bomb: Bomb, times: int) -> list[str]:
    """Print a line, and return what went wrong."""
    faults, statuses = [], []
    above = 0.0
    with Worst() as host:
        with Neighbours(box) as neighbours:
            for _ in range(times):
                judgement = box.judge(bomb.program, bomb.tests)
                statuses.append(judgement.status.value)
                above = max(above, judgement.seconds - LIMITS.wall_seconds)
                if judgement.status is Status.CORRECT or not judgement.status.is_verdict:
                    faults.append(f"judged {judgement.status.value}: {judgement.detail[:200]}")
        after = settled(host.before)
    if above > SLACK:
        faults.append(f"took {above:.2f} s longer than its limit")
    faults += [f"a neighbour that was {each}" for each in neighbours.faults[:5]]
    if not neighbours.judged:
        faults.append("no neighbour was judged meanwhile")
    print(
        f"{bomb.name:44.44} {'/'.join(dict.fromkeys(statuses)):22} {above:+8.2f} "
        f"{(host.most.memory - host.before.memory) / 1e6:8.0f} {(after.memory - host.before.memory) / 1e6:6.0f} "
        f"{(host.most.disk - host.before.disk) / 1e6:8.1f} {(after.disk - host.before.disk) / 1e6:6.1f} "
        f"{host.most.processes - host.before.processes:7} {after.processes - host.before.processes:6} "
        f"{neighbours.judged:7} {len(neighbours.faults):6} {neighbours.slowest:8.2f}",
        flush=True,
    )
    for each in faults:
        print(f"    {each}", flush=True)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="docker", choices=["docker", "bubblewrap"])
    parser.add_argument("--only", default="", help="only bombs whose name holds this text")
    parser.add_argument("--times", type=int, default=2, help="how often each is judged (default 2)")
    options = parser.parse_args()
    chosen = [bomb for bomb in BOMBS if options.only in bomb.name]
    faults: list[str] = []
    start = Host.now()
    with open_sandbox(options.backend, workers=2, limits=LIMITS) as box:
        with Neighbours(box):
            box.judge("def add(a, b):\n    return a + b\n", NEIGHBOUR)
            time.sleep(1)  # both workers up
        print(
            f"{len(chosen)} bombs on {box.backend}, 2 workers, limits {LIMITS.wall_seconds:.0f} s, "
            f"{LIMITS.memory_bytes >> 20} MiB, {LIMITS.processes} processes, {LIMITS.disk_bytes >> 20} MiB of disk"
        )
        print(f"{'':44} {'':22} {'seconds':>8} {'memory MB':>15} {'disk MB':>15} {'processes':>14} {'neighbours':>14}")
        print(f"{'':44} {'judged':22} {'above':>8} {'most':>8} {'after':>6} {'most':>8} {'after':>6} ", end="")
        print(f"{'most':>7} {'after':>6} {'judged':>7} {'wrong':>6} {'slowest':>8}")
        for bomb in chosen:
            faults += try_bomb(box, bomb, options.times)
        seen = descendants()
        if options.backend == "docker":
            from assay.sandbox.engine import connect

            client = connect()
            ours = f"{os.getpid()}-"
            for one in our_containers(client, ours):
                seen |= processes_of(client, one["Id"])
    left = alive(seen)
    containers = len(our_containers(client, ours)) if options.backend == "docker" else 0
    end = settled(start)
    print(
        f"left: {containers} containers, {len(left)} processes of the sandboxes; host: memory "
        f"{(end.memory - start.memory) / 1e6:+.0f} MB, disk {(end.disk - start.disk) / 1e6:+.1f} MB, "
        f"processes and threads {end.processes - start.processes:+}"
    )
    return int(bool(faults or left or containers))


def processes_of(client: Any, container: str) -> dict[int, str]:
    """Return the processes in a container, as {pid of the host: start time}."""
    try:
        process = client.api.inspect_container(container)["State"]["Pid"]
    except Exception:
        return {}
    return descendants(process)


if __name__ == "__main__":
    sys.exit(main())
