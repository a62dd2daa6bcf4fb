"""What does judging cost the machine: processor time of everything on it, of our containers, of the engine?

Read from /proc and from cgroups of either version; None where that cannot be read (an engine on another machine,
another system than Linux). The time of the whole machine is a fair measure for contenders of every kind, engine and
containers included, as long as nothing else runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["busy_seconds", "container_seconds", "engine_processes", "engine_seconds", "our_containers"]

TICKS = os.sysconf("SC_CLK_TCK")
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
ENGINE = ("dockerd", "containerd", "containerd-shim")


def busy_seconds() -> float:
    """Return the CPU seconds that all processors were busy since the machine's start; 0.0 where that is not known."""
    try:
        user, nice, system, _, _, irq, softirq = map(int, (PROC / "stat").read_text().split()[1:8])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + irq + softirq) / TICKS


def our_containers(client: Any, owner: str = "") -> list[dict[str, Any]]:
    """Return what the engine says of the sandboxes' containers; `owner` limits it to those whose label begins so."""
    from assay.sandbox.docker_worker import LABEL

    found = client.api.containers(all=True, filters={"label": LABEL})
    return [one for one in found if one["Labels"][LABEL].startswith(owner)]


def container_seconds(client: Any, containers: list[dict[str, Any]]) -> float | None:
    """Return the CPU seconds that these containers used so far, None if that cannot be read from here."""
    total = 0.0
    for one in containers:
        try:
            process = client.api.inspect_container(one["Id"])["State"]["Pid"]
            total += _cgroup_seconds(process)
        except Exception:
            return None
    return total


def _cgroup_seconds(process: int) -> float:
    for line in (PROC / str(process) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpuacct" in controllers.split(","):
            return int((CGROUPS / controllers / path.lstrip("/") / "cpuacct.usage").read_text()) / 1e9
        if not controllers:
            stat = CGROUPS / path.lstrip("/") / "cpu.stat"
            if stat.exists():
                return int(dict(each.split() for each in stat.read_text().splitlines())["usage_usec"]) / 1e6
    raise OSError("no cgroup counts its processor time")


def engine_processes() -> dict[int, str]:
    """Return the processes of the engine on this machine, as {pid: name}."""
    found = {}
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if entry.name.isdigit():
            try:
                name = (entry / "comm").read_text().strip()
            except OSError:
                continue
            if name.startswith(ENGINE):
                found[int(entry.name)] = name
    return found


def engine_seconds() -> float | None:
    """Return the CPU seconds that the engine's processes used so far, None if there are none on this machine."""
    total, found = 0, False
    for process in engine_processes():
        try:
            fields = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total, found = total + int(fields[11]) + int(fields[12]), True
    return total / TICKS if found else None
