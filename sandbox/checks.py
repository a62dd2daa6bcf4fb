"""What of the sandbox works on this machine, and what helps where it does not?

Each function looks at one backend and yields a Finding at a time, the cheap ones first, and stops where the next would
make no sense. Limits are tried, not asked for: engines without the right to set a limit often take it and say nothing.

Not covered: whether a verdict can be forged; that is `drill`.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from enum import StrEnum
from importlib import metadata
from typing import Any, NamedTuple

from .engine import connect, engine_address
from .errors import SandboxUnavailable

__all__ = ["CHECKS", "Finding", "State", "check_bubblewrap", "check_docker", "check_restricted"]


class State(StrEnum):
    """FAILED: the backend cannot be used. WARNING: it can, with less protection than it is meant to give."""

    FINE = "fine"
    WARNING = "warning"
    FAILED = "failed"


class Finding(NamedTuple):
    """One thing that was looked at: what was found, and what to do about it."""

    subject: str
    state: State
    detail: str
    remedy: str = ""


def _fine(subject: str, detail: str) -> Finding:
    return Finding(subject, State.FINE, detail)


# ---- docker

MEMORY = 64 << 20  # bytes that the memory probe may have; it touches three times as many
PROCESSES = 24
CPUS = 0.25

PROBE = """
import json, os, sys, time
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
begin, used = time.monotonic(), time.process_time()
while time.monotonic() - begin < 1.0:
    pass
cpu = (time.process_time() - used) / (time.monotonic() - begin)
try:
    open("/probe", "w").close(); root = "can be written"
except OSError:
    root = "read-only"
children = []
try:
    while len(children) < 60:
        child = os.fork()
        if child == 0:
            time.sleep(30); os._exit(0)
        children.append(child)
except OSError:
    pass
for child in children:
    os.kill(child, 9)
net = os.listdir("/sys/class/net") if os.path.isdir("/sys/class/net") else []
print(json.dumps({"python": sys.version.split()[0], "seccomp": status.get("Seccomp", "0"),
    "privileges": status.get("NoNewPrivs", "0"), "root": root, "cpu": cpu, "children": len(children),
    "interfaces": net}))
"""
MEMORY_PROBE = f"""
held = bytearray({3 * MEMORY})
held[::4096] = b"x" * len(held[::4096])
print("all of it")
"""


def check_docker(image: str | None = None) -> Iterator[Finding]:
    """Look at the docker backend, with the image that is to be used (None: our own, which is made if need be)."""
    try:
        client = connect(timeout=120)
    except SandboxUnavailable as error:
        what, _, remedy = str(error).partition(": ")
        yield Finding("engine", State.FAILED, what, remedy)
        return
    with contextlib.closing(client):
        version = client.version()
        yield _fine("engine", f"{version.get('Version')}, API {version.get('ApiVersion')}, at {engine_address()}")
        from .image import ensure_image, python_of

        begin = time.monotonic()
        try:
            name = ensure_image(client, image)
        except SandboxUnavailable as error:
            yield Finding("image", State.FAILED, str(error), "`assay sandbox build --from IMAGE`, or --image NAME")
            return
        size = client.images.get(name).attrs.get("Size", 0) / 1e6
        yield _fine("image", f"{name}, {size:.0f} MB, there after {time.monotonic() - begin:.1f} s")
        try:
            yield from _check_containers(client, name, python_of(client, name))
        except SandboxUnavailable as error:
            yield Finding(
                "container",
                State.FAILED,
                str(error),
                "see the engine's log (`journalctl -u docker`); does `docker run --rm hello-world` work?",
            )


def _check_containers(client: Any, image: str, python: str) -> Iterator[Finding]:
    from .seccomp import profile

    begin = time.monotonic()
    code, said = _run(
        client, image, python, PROBE,
        security_opt=["no-new-privileges:true", f"seccomp={profile()}"], pids_limit=PROCESSES,
        nano_cpus=int(CPUS * 1e9), mem_limit=1 << 29,
    )  # fmt: skip
    seconds = time.monotonic() - begin
    try:
        found = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise SandboxUnavailable(f"a program in a container ended with {code} and said: {said[-500:]!r}") from None
    yield _fine("container", f"starts and ends, runs Python {found['python']} ({seconds:.1f} s with the probes in it)")

    if found["seccomp"] == "2" and found["privileges"] == "1":
        yield _fine("system calls", "our own list is in force, and privileges cannot be gained")
    else:
        yield Finding(
            "system calls",
            State.WARNING,
            "programs may make any system call: the engine applies no seccomp profile",
            "use an engine and a kernel built with seccomp (`docker info` lists it under Security Options)",
        )
    walls = [f"the network has {', '.join(found['interfaces'])}"] if set(found["interfaces"]) - {"lo"} else []
    walls += ["its root can be written"] if found["root"] != "read-only" else []
    if walls:
        yield Finding("walls", State.WARNING, f"in a container without network and with a read-only root, {' and '.join(walls)}",
                      "use another engine: this one ignores what it is told")  # fmt: skip
    else:
        yield _fine("walls", "no network, root read-only")

    if found["children"] < PROCESSES:
        yield _fine("limit of processes", f"{PROCESSES} allowed, no more could be started")
    else:
        yield _unlimited(client, "processes", f"{PROCESSES} allowed, {found['children']} more were started")
    if found["cpu"] < 2 * CPUS:
        yield _fine("limit of processors", f"{CPUS} allowed, {found['cpu']:.2f} used by a loop without end")
    else:
        yield _unlimited(client, "processors", f"{CPUS} allowed, {found['cpu']:.2f} used")

    code, said = _run(client, image, python, MEMORY_PROBE, mem_limit=MEMORY, memswap_limit=MEMORY)
    if code == 0 and "all of it" in said:
        yield _unlimited(client, "memory", f"{MEMORY >> 20} MiB allowed, {3 * MEMORY >> 20} MiB used")
    else:
        yield _fine("limit of memory", f"{MEMORY >> 20} MiB allowed, a program that wanted more was ended")


def _unlimited(client: Any, what: str, detail: str) -> Finding:
    """Return the finding of a limit that does not hold, with the remedy for this kind of engine."""
    about = client.info()
    if any("rootless" in str(option) for option in about.get("SecurityOptions") or []):
        remedy = (
            "a rootless engine needs cgroup v2 and delegated controllers: put `[Service]` and `Delegate=cpu cpuset io "
            "memory pids` into /etc/systemd/system/user@.service.d/delegate.conf, then `systemctl daemon-reload` and log in again"
        )
    elif what == "memory" and str(about.get("CgroupVersion", "1")) == "1":
        remedy = (
            "on cgroup v1 swap is not counted unless the kernel is started with `cgroup_enable=memory swapaccount=1`; "
            "or switch swap off, or use cgroup v2"
        )
    else:
        remedy = "the engine cannot use this control group of the kernel; `docker info` ends with warnings that name it"
    return Finding(f"limit of {what}", State.WARNING, detail, remedy)


def _run(client: Any, image: str, python: str, program: str, **options: Any) -> tuple[int, str]:
    """Run a program in a container as nobody; returns its exit status and what it said."""
    import docker
    import requests

    container = None
    try:
        container = client.containers.create(
            image, ["-s", "-c", program], entrypoint=[python], user="65534:65534", network_mode="none", read_only=True,
            cap_drop=["ALL"], **options,
        )  # fmt: skip
        container.start()
        code = container.wait(timeout=60)["StatusCode"]
        return code, container.logs().decode(errors="replace")
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        raise SandboxUnavailable(
            f"no container could be run: {getattr(error, 'explanation', None) or error}"
        ) from error
    finally:
        if container is not None:
            container.remove(force=True, v=True)


# ---- bubblewrap

# What stands between a user and a namespace of their own: setting, value that forbids, remedy.
SETTINGS = (
    ("kernel/unprivileged_userns_clone", "0", "`sudo sysctl kernel.unprivileged_userns_clone=1`"),
    ("user/max_user_namespaces", "0", "`sudo sysctl user.max_user_namespaces=15000`"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "allow it for bwrap with an AppArmor profile (`flags=(unconfined) { userns, }`, see Ubuntu's bwrap-userns-restrict), or "
        "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
)
WALLS = [
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--ro-bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
]


def check_bubblewrap() -> Iterator[Finding]:
    """Look at the bubblewrap backend."""
    if sys.platform != "linux":
        yield Finding("bwrap", State.FAILED, f"bubblewrap is for Linux, this is {platform.system()}", "use Docker")
        return
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        yield Finding(
            "bwrap", State.FAILED, "there is no program `bwrap`", "`apt install bubblewrap`, or as your system has it"
        )
        return
    version = subprocess.run([bwrap, "--version"], capture_output=True, text=True, check=False).stdout.split()
    yield _fine("bwrap", f"{version[-1] if version else 'of an unknown version'}, {bwrap}")

    program = 'print([l.split()[1] for l in open("/proc/self/status") if l.startswith("Seccomp:")][0])'
    from .seccomp import bpf_filter

    try:
        rules = bpf_filter()
    except ValueError as error:
        yield Finding("system calls", State.FAILED, str(error), "use Docker")
        return
    with tempfile.TemporaryFile() as file:
        file.write(rules)
        file.seek(0)
        done = subprocess.run(
            [bwrap, *WALLS, "--seccomp", str(file.fileno()), sys.executable, "-I", "-c", program],
            capture_output=True, text=True, check=False, pass_fds=[file.fileno()], timeout=60,
        )  # fmt: skip
    if done.returncode:
        yield Finding("namespaces", State.FAILED, done.stderr.strip()[-500:], _why_no_namespace())
        return
    yield _fine("namespaces", "a program without network, and with processes and mounts of its own, starts and ends")
    if done.stdout.strip() == "2":
        yield _fine("system calls", "our filter is in force")
    else:
        yield Finding("system calls", State.WARNING, "the filter was not applied", "use a kernel built with seccomp")


def _why_no_namespace() -> str:
    for name, forbids, remedy in SETTINGS:
        try:
            with open(f"/proc/sys/{name}", encoding="ascii") as file:
                value = file.read().strip()
        except OSError:
            continue
        if value == forbids and os.getuid() != 0:
            return f"{name.replace('/', '.')} is {value}: {remedy}"
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return (
            "inside a container namespaces are forbidden unless it was started with `--security-opt seccomp=unconfined "
            "--security-opt systempaths=unconfined`"
        )
    return "does `bwrap --unshare-all --ro-bind / / true` work in a shell? Programs like SELinux may forbid it"


# ---- restricted


def check_restricted() -> Iterator[Finding]:
    """Look at the restricted backend, which needs nothing of the machine."""
    try:
        version = metadata.version("RestrictedPython")
    except metadata.PackageNotFoundError:
        yield Finding("RestrictedPython", State.FAILED, "it is not installed", "`pip install 'RestrictedPython>=8'`")
        return
    if int(version.split(".")[0]) < 8:
        yield Finding(
            "RestrictedPython", State.FAILED, f"version {version} is too old", "`pip install -U RestrictedPython`"
        )
        return
    yield _fine(
        "RestrictedPython", f"version {version}; it isolates by language alone, so it is taken only if asked for"
    )


CHECKS = {"docker": check_docker, "bubblewrap": check_bubblewrap, "restricted": check_restricted}
