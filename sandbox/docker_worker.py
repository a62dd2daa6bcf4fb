"""How is one sandbox started in a container, and what is it allowed?

Nothing: no network, no capability but that of the supervisor to change its user, a file system that cannot be
written but for two small ones in memory, limits on memory, processes and processors, our own list of system calls.
The supervisor is process 1; host and container talk over its standard input and output, which works with any engine.
When the host goes away, standard input ends, the supervisor with it, and the engine removes the container.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import struct
import time
from typing import Any

from ..records import Limits
from .bootstrap import ENVIRONMENT, FLAGS, LOADER
from .process_stream import ready

__all__ = ["LABEL", "DockerStream", "start"]

LABEL = "assay.sandbox.worker"
USERS = 64  # user ids for candidates in a container, and as many for examiners
EXAMINER_SPACE = SHARED_SPACE = 16 << 20
OVERHEAD = 192 << 20  # bytes for supervisor, examiner and their file systems beside a program's memory


class DockerStream:
    """The attached standard streams of a container; see worker.Stream."""

    def __init__(self, client: Any, container: str, attached: Any) -> None:
        self.client, self.container, self.attached = client, container, attached
        self.socket: socket.socket = getattr(attached, "_sock", attached)
        self.left = 0  # bytes of standard output still to come of the current block
        self.errors = b""

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes of standard output."""
        while not self.left:
            if not self._next_block():
                return b""
        part = self.socket.recv(min(size, self.left))
        self.left -= len(part)
        return part

    def _next_block(self) -> bool:
        """Read the head of the next block, and all of it if it is of standard error; False at the end of the stream."""
        head = self._exactly(8)
        if not head:
            return False
        kind, length = head[0], struct.unpack(">I", head[4:])[0]
        if kind == 1:
            self.left = length
        else:
            self.errors = (self.errors + self._exactly(length))[-10_000:]
        return True

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                return b""
            data += part
        return data

    def sendall(self, data: bytes) -> None:
        """Write to standard input."""
        self.socket.sendall(data)

    def settimeout(self, seconds: float) -> None:
        """Set the patience of the socket."""
        self.socket.settimeout(seconds)

    def waits(self) -> bool:
        """Tell whether there is something to read."""
        while not self.left and ready(self.socket.fileno(), select.POLLIN, 0):
            if not self._next_block():
                return True
        return self.left > 0

    def last_words(self) -> str:
        """Return the end of standard error."""
        return self.errors.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Remove the container; whatever ran in it is gone after that."""
        with contextlib.suppress(Exception):
            self.attached.close()
            self.socket.close()
        remove(self.client, self.container)


def remove(client: Any, container: str, patience: float = 20.0) -> None:
    """Have the engine remove a container, and wait until it has."""
    import docker

    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            client.api.remove_container(container, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError:
            time.sleep(0.05)  # it is being removed already
        except Exception:  # the engine is away: containers without a host remove themselves
            time.sleep(0.5)


def start(client: Any, image: str, python: str, limits: Limits, owner: str) -> tuple[DockerStream, dict[str, Any]]:
    """Start a container; return its stream and the config of its supervisor. Raises what the engine raises."""
    from .seccomp import profile

    first = 20_000 + 2 * USERS * random.randrange(300)
    api = client.api
    memory = int(limits.memory_bytes + limits.disk_bytes + OVERHEAD)
    host_config = api.create_host_config(
        network_mode="none",
        init=False,  # the supervisor is process 1 itself, and takes what it kills
        ipc_mode="private",
        read_only=True,
        cap_drop=["ALL"],
        cap_add=["SETUID", "SETGID"],
        security_opt=["no-new-privileges:true", f"seccomp={profile()}"],
        mem_limit=memory,
        memswap_limit=memory,
        pids_limit=int(limits.processes) + 48,
        nano_cpus=min(2, os.cpu_count() or 1) * 1_000_000_000,
        tmpfs={
            "/tmp": f"size={int(limits.disk_bytes)},mode=1707,gid={first},nr_inodes=2048,noexec,nosuid,nodev",
            "/dev/shm": f"size={SHARED_SPACE},mode=1777,nr_inodes=1024,noexec,nosuid,nodev",
            "/examiner": f"size={EXAMINER_SPACE},mode=0770,gid={first},nr_inodes=2048,noexec,nosuid,nodev",
        },
        log_config={"Type": "none"},
        auto_remove=True,
    )
    container = api.create_container(
        image,
        entrypoint=[python],
        command=[*FLAGS, "-c", LOADER],
        environment=ENVIRONMENT,
        user="0:0",
        working_dir="/",
        stdin_open=True,
        stop_signal="SIGKILL",  # process 1 would wait for any other until the engine loses patience
        labels={LABEL: owner},
        network_disabled=True,
        host_config={**host_config, "AutoRemove": True},
    )["Id"]
    try:
        attached = api.attach_socket(container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        api.start(container)
    except BaseException:
        remove(client, container)
        raise
    return DockerStream(client, container, attached), {"cell": "user", "users": [first, USERS - 1]}
