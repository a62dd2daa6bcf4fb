"""System calls: what is forbidden fails, in a container and under the filter for bubblewrap, and Python still works."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from assay.sandbox.engine import connect
from assay.sandbox.errors import SandboxUnavailable
from assay.sandbox.image import ensure_image
from assay.sandbox.seccomp import bpf_filter, profile
from assay.sandbox.syscalls import ADDRESS_FAMILIES, ALLOWED, FILE_REQUESTS, FORBIDDEN, NUMBERS

MACHINE = platform.machine()
REQUIRED = os.environ.get("ASSAY_REQUIRE", "").split(",")
Run = Callable[[str, str], str]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or MACHINE not in ("x86_64", "aarch64"), reason="there is no filter for this machine"
)

# Makes the calls that standard input names, with their arguments, and prints the error that each gave, 0 for none.
CALLS = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
found = {}
for line in sys.stdin.read().splitlines():
    name, number, *arguments = line.split()
    words = [ctypes.c_ulong(int(value) & (1 << 64) - 1) for value in arguments] + [ctypes.c_ulong(0)] * 6
    ctypes.set_errno(0)
    found[name] = 0 if libc.syscall(ctypes.c_long(int(number)), *words[:6]) >= 0 else ctypes.get_errno()
print(json.dumps(found))
"""

# A day in the life of Python: everything here is what programs under test, or the supervisor, do.
ORDINARY = """
import asyncio, ctypes, concurrent.futures, multiprocessing, os, resource, select, shutil, signal, socket, sqlite3, \
    subprocess, sys, tempfile, threading, time, array
done = []
thread = threading.Thread(target=done.append, args=("thread",)); thread.start(); thread.join()
with multiprocessing.get_context("fork").Pool(2) as pool:
    done.append(pool.map(abs, [-1, 2]))
with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
    done.append(list(pool.map(abs, [-3])))
done.append(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True).stdout.strip())
async def serve():
    async def echo(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"echo\\n"); done.append((await reader.readline()).decode().strip()); writer.close()
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=-1)
    done.append((await child.communicate())[0].decode().strip())
asyncio.run(serve())
with tempfile.TemporaryDirectory() as folder:
    with sqlite3.connect(folder + "/db") as base:
        base.execute("create table t (a)"); base.execute("insert into t values (7)")
        done.append(base.execute("select a from t").fetchall())
    shutil.copy2(folder + "/db", folder + "/copy"); shutil.copytree(folder, folder + "/tree", ignore=lambda *_: ["tree"])
    os.mkfifo(folder + "/fifo"); os.symlink("db", folder + "/link"); os.truncate(folder + "/copy", 3)
left, right = socket.socketpair()
with open(os.devnull) as file:
    socket.send_fds(left, [b"x"], [file.fileno()]); done.append(len(socket.recv_fds(right, 9, 1)[1]))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
signal.signal(signal.SIGALRM, lambda *_: done.append("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
child = os.fork()
if child == 0:
    signal.pause()
descriptor = os.pidfd_open(child); signal.pidfd_send_signal(descriptor, signal.SIGKILL)
select.select([descriptor], [], []); done.append(os.waitpid(child, 0)[1])
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
print(done)
"""
ORDINARY_DONE = "['thread', [1, 2], [3], 'child', 'echo', '1', [(7,)], 1, 'alarm', 9]"


def number(name: str, machine: str = MACHINE) -> int | None:
    return NUMBERS[name][machine == "aarch64"]


def forbidden() -> dict[str, str]:
    """Return the line of CALLS for each call that must fail; -1 is no valid anything, so one let through does no harm."""
    names = sorted({name for names, _, _ in FORBIDDEN.values() for name in names if number(name) is not None})
    lines = {name: f"{name} {number(name)} -1 -1 -1 -1 -1 -1" for name in names if name not in ("sync", "vhangup")}
    for bit in (17, 25, 26, 27, 28, 29, 30):  # a new namespace each; 17 is the signal at its end
        lines[f"clone-{bit}"] = f"clone-{bit} {number('clone')} {1 << bit | 17}"
    lines["clone-high"] = f"clone-high {number('clone')} {1 << 40 | 1 << 28 | 17}"  # the kernel drops the upper half
    lines["personality-fixed"] = f"personality-fixed {number('personality')} {0x40000}"
    for request in (5, 36, 1024, 1025, 1026, 1 << 32 | 1026):  # who holds a lock, leases, notices about a folder
        lines[f"fcntl-{request}"] = f"fcntl-{request} {number('fcntl')} 0 {request}"
    for family in (3, 4, 9, 16, 17, 29, 38, 40, 1 << 32 | 16):
        lines[f"socket-{family}"] = f"socket-{family} {number('socket')} {family} 2"
    lines["socketpair-inet"] = f"socketpair-inet {number('socketpair')} 2 1"
    return lines


def allowed() -> dict[str, str]:
    lines = {f"socket-{family}": f"socket-{family} {number('socket')} {family} 1" for family in (1, 2, 10)}
    lines |= {f"fcntl-{request}": f"fcntl-{request} {number('fcntl')} 0 {request}" for request in (0, 1, 3, 1030)}
    return lines | {"personality": f"personality {number('personality')} {0xFFFFFFFF}"}


def run_process(command: list[str], text: str, **more: Any) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def container() -> Iterator[Run]:
    """Return what runs a program, with its standard input, in a container under our profile."""
    try:
        client = connect()
    except SandboxUnavailable as error:
        (pytest.fail if "docker" in REQUIRED else pytest.skip)(str(error))
    image = ensure_image(client)

    def run(program: str, text: str) -> str:
        started = client.containers.run(
            image, ["-c", f"import io, sys; sys.stdin = io.StringIO({text!r})\n{program}"],
            detach=True, user="65534:65534", network_mode="none", read_only=True, tmpfs={"/tmp": "size=64m"}, init=True,
            cap_drop=["ALL"], security_opt=[f"seccomp={profile()}", "no-new-privileges"], pids_limit=64, mem_limit="1g",
        )  # fmt: skip
        try:
            assert started.wait(timeout=60)["StatusCode"] == 0, started.logs().decode()
            return started.logs(stderr=False).decode()
        finally:
            started.remove(force=True)

    yield run
    client.close()


@pytest.fixture
def bubblewrap() -> Run:
    """Return what runs a program under `bwrap --seccomp`, with our filter and nothing else that would forbid."""
    bwrap = shutil.which("bwrap")
    probe = [bwrap or "", "--dev-bind", "/", "/", "true"]
    if bwrap is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        (pytest.fail if "bubblewrap" in REQUIRED else pytest.skip)("bwrap is not installed, or may not make namespaces")

    def run(program: str, text: str) -> str:
        with tempfile.TemporaryFile() as file:
            file.write(bpf_filter())
            file.seek(0)
            command = [bwrap, "--dev-bind", "/", "/", "--seccomp", str(file.fileno()), sys.executable, "-c", program]
            return run_process(command, text, pass_fds=[file.fileno()])

    return run


@pytest.fixture(params=["container", "bubblewrap"])
def confined(request: pytest.FixtureRequest) -> Run:
    run: Run = request.getfixturevalue(request.param)
    return run


def test_forbidden_calls_fail(confined: Run) -> None:
    wanted = {name: error for names, error, _ in FORBIDDEN.values() for name in names}
    lines = forbidden()
    found = json.loads(confined(CALLS, "\n".join(lines.values())))
    assert found.keys() == lines.keys()
    for name, error in found.items():
        # An engine whose library does not know the newest calls says ENOSYS to them.
        expected = (wanted[name], errno.ENOSYS) if name in wanted else (errno.EPERM, errno.EAFNOSUPPORT, errno.ENOSYS)
        assert error in expected, (name, errno.errorcode.get(error, error))


def test_the_calls_do_fail_by_the_filter() -> None:
    """Without it most give another error or succeed: the test above measures something."""
    harmless = {name: line for name, line in forbidden().items() if not name.startswith("clone-") and name != "sync"}
    program = f"import ctypes, json, os, sys\nif os.getuid() == 0: os.setuid(65534)\n{CALLS}"
    found = json.loads(run_process([sys.executable, "-c", program], "\n".join(harmless.values())))
    wanted = {name: error for names, error, _ in FORBIDDEN.values() for name in names}
    other = [name for name, error in found.items() if name in wanted and error != wanted[name]]
    assert len(other) > 40, found
    assert found["socket-16"] == 0  # netlink
    assert found["fcntl-1025"] == 0  # which lease


def test_allowed_sockets_and_questions_pass(confined: Run) -> None:
    assert set(json.loads(confined(CALLS, "\n".join(allowed().values()))).values()) == {0}


def test_ordinary_programs_work(confined: Run) -> None:
    assert confined(ORDINARY, "").strip() == ORDINARY_DONE


@pytest.mark.skipif(MACHINE != "x86_64", reason="x86_64 alone has a second set of numbers")
def test_numbers_of_x32_do_not_pass(confined: Run) -> None:
    """Number 0x40000000 + n is the same call, and a filter that compares numbers alone would let it through."""
    lines = [f"{name} {0x40000000 + (number(name) or 0)} -1 -1 -1 -1" for name in ("keyctl", "mount", "unshare")]
    try:
        found = json.loads(confined(CALLS, "\n".join(lines)))
    except AssertionError:
        return  # killed, which is Docker's way
    assert not {name for name, error in found.items() if error not in (errno.ENOSYS, errno.EPERM)}


def test_the_terminal_cannot_be_typed_into(bubblewrap: Run) -> None:
    lines = "\n".join(
        f"ioctl-{request} {number('ioctl')} 0 {request}" for request in (0x5412, 1 << 32 | 0x5412, 0x541C)
    )
    assert set(json.loads(bubblewrap(CALLS, lines)).values()) == {errno.EPERM}


# ---- the tables


def test_no_call_is_both_allowed_and_forbidden() -> None:
    seen: set[str] = set()
    for names in (
        *ALLOWED.values(),
        *(group[0] for group in FORBIDDEN.values()),
        {"clone", "fcntl", "personality"},
        ADDRESS_FAMILIES,
    ):
        assert not seen & set(names)
        seen |= set(names)


def test_every_forbidden_call_has_its_numbers_and_its_reason() -> None:
    for names, error, reason in FORBIDDEN.values():
        assert reason
        assert error in (errno.EPERM, errno.ENOSYS)
        assert names <= NUMBERS.keys()
    for column in (0, 1):
        known = [pair[column] for pair in NUMBERS.values() if pair[column] is not None]
        assert len(known) == len(set(known))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_read_step_by_step(machine: str) -> None:
    """An interpreter of the program, so that the filter for the other processor is tested as well."""
    program = bpf_filter(machine)
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    allow = 0x7FFF0000
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096  # what the kernel takes
    for name, pair in NUMBERS.items():
        nr = pair[machine == "aarch64"]
        if nr is None or name in ("clone", "fcntl", "ioctl", "personality", "socket", "socketpair"):
            continue
        assert interpret(program, nr, arch, [0] * 6) & 0xFFFF0000 == 0x00050000, name
    assert interpret(program, 63, arch, [0] * 6) == allow  # uname, read
    assert interpret(program, number("clone", machine) or 0, arch, [0x10000000 | 17]) == 0x00050001
    assert interpret(program, number("clone", machine) or 0, arch, [0x01200011]) == allow  # fork of a C library
    assert interpret(program, number("clone", machine) or 0, arch, [0x3D0F00]) == allow  # a thread
    for family in range(60):
        wanted = allow if family in (1, 2, 10) else 0x00050000 | errno.EAFNOSUPPORT
        assert interpret(program, number("socket", machine) or 0, arch, [family]) == wanted
    for request in range(1100):
        wanted = allow if request in FILE_REQUESTS else 0x00050000 | errno.EPERM
        assert interpret(program, number("fcntl", machine) or 0, arch, [3, request]) == wanted
    other = 0xC00000B7 if machine == "x86_64" else 0xC000003E
    assert interpret(program, 63, other, [0] * 6) == 0x80000000
    assert interpret(program, 63, 0x40000003, [0] * 6) == 0x80000000  # 32 bits


def interpret(program: bytes, nr: int, arch: int, arguments: list[int]) -> int:
    """Return what a classic BPF program answers to one system call."""
    words = {0: nr, 4: arch, **{16 + 8 * index: value & 0xFFFFFFFF for index, value in enumerate(arguments)}}
    at = loaded = 0
    while True:
        operation, yes, no, value = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if operation == 0x20:
            loaded = words[value]
        elif operation == 0x06:
            return value
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[operation]
            at += yes if holds else no


def test_a_processor_without_a_filter_is_named() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        bpf_filter("riscv64")
