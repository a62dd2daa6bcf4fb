"""Which system calls may programs in a sandbox make?

The kernel is shared with the host, so every call that a program can make is a way in, should the kernel have a fault
there. What CPython, its threads, multiprocessing, subprocess, sqlite, numpy and the supervisor need is allowed, in two
forms made from the same tables (`syscalls`):

`profile()` for Docker names what may be called; all else fails. `bpf_filter()` for bubblewrap is the other way
round: a classic BPF program that refuses what is in FORBIDDEN and lets the rest pass, since there it is loaded after
bubblewrap has shut what needs privileges. Calls that take structures behind a pointer cannot be told apart by a filter:
clone3 and openat2 "do not exist", upon which C libraries fall back to the older ones.

Not covered: 32-bit programs (refused altogether) and processors other than x86_64 and aarch64.
"""

from __future__ import annotations

import errno
import json
import platform
import struct
from typing import Any

from .syscalls import (
    ADDRESS_FAMILIES,
    ALLOWED,
    FILE_REQUESTS,
    FORBIDDEN,
    NEW_NAMESPACES,
    NUMBERS,
    PERSONALITIES,
    TERMINAL_REQUESTS,
)

__all__ = ["bpf_filter", "profile"]

# ---- Docker


def profile() -> str:
    """Return the profile as JSON; Docker takes it as `security_opt=["seccomp=..."]`."""
    rules: list[dict[str, Any]] = [
        {"names": sorted(names), "action": "SCMP_ACT_ALLOW", "args": []} for names in ALLOWED.values()
    ]
    rules.append(_allow("clone", 0, NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ", 0))
    rules += [_allow("fcntl", 1, value, "SCMP_CMP_EQ") for value in FILE_REQUESTS]
    rules += [_allow("personality", 0, value, "SCMP_CMP_EQ") for value in PERSONALITIES]
    rules += [
        _allow(name, 0, family, "SCMP_CMP_EQ") for name, families in ADDRESS_FAMILIES.items() for family in families
    ]
    for names, code, _ in FORBIDDEN.values():
        rules.append({"names": sorted(names), "action": "SCMP_ACT_ERRNO", "errnoRet": code, "args": []})
    whole = {
        "defaultAction": "SCMP_ACT_ERRNO",
        # A call that is newer than these tables: C libraries try it, and go on with an older one if it does not exist.
        "defaultErrnoRet": errno.ENOSYS,
        "archMap": [{"architecture": f"SCMP_ARCH_{name}", "subArchitectures": []} for name in ("X86_64", "AARCH64")],
        "syscalls": rules,
    }
    return json.dumps(whole, indent=1)


def _allow(name: str, index: int, value: int, operation: str, value_two: int = 0) -> dict[str, Any]:
    argument = {"index": index, "value": value, "valueTwo": value_two, "op": operation}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]}


# ---- bubblewrap

# Of struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6], little endian on both processors.
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # the third set of numbers of x86_64, for pointers of 32 bits

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JGE, JSET, RET|K
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000  # SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS


def bpf_filter(machine: str | None = None) -> bytes:
    """Return the filter as an array of struct sock_filter, for `bwrap --seccomp FD` or prctl(PR_SET_SECCOMP).

    machine is "x86_64" or "aarch64", as platform.machine() says; None is this one. ValueError for others.
    """
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCH:
        raise ValueError(f"there is no filter of system calls for {machine!r}; expected one of {', '.join(AUDIT_ARCH)}")
    code = [
        _step(LOAD, ARCHITECTURE),
        _step(EQUAL, AUDIT_ARCH[machine], 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
    ]
    if machine == "x86_64":
        code += _refuse_if([(AT_LEAST, X32)], errno.ENOSYS)
    numbers = {name: pair[machine == "aarch64"] for name, pair in NUMBERS.items()}

    for names, error, _ in FORBIDDEN.values():
        for number in sorted(number for name in names if (number := numbers[name]) is not None):
            code += _refuse_if([(EQUAL, number)], error)
    # Of these only the low half of the argument is looked at: the kernel takes an int and drops the rest.
    code += _looked_at(numbers["clone"], 0, _refuse_if([(ANY_BIT, NEW_NAMESPACES)], errno.EPERM))
    code += _looked_at(numbers["ioctl"], 1, _refuse_if([(EQUAL, value) for value in TERMINAL_REQUESTS], errno.EPERM))
    code += _looked_at(numbers["fcntl"], 1, _refuse_unless(FILE_REQUESTS, errno.EPERM))
    code += _looked_at(numbers["personality"], 0, _refuse_unless(PERSONALITIES, errno.EPERM))
    for name, families in ADDRESS_FAMILIES.items():
        code += _looked_at(numbers[name], 0, _refuse_unless(families, errno.EAFNOSUPPORT))
    return b"".join([*code, _step(RETURN, ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse_if(tests: list[tuple[int, int]], error: int) -> list[bytes]:
    """Refuse the call if any of the tests holds of what was loaded."""
    steps = []
    for left, (test, value) in zip(range(len(tests) - 1, -1, -1), tests, strict=True):
        steps.append(_step(test, value, left, 0 if left else 1))  # jump to the refusal, or over it
    return [*steps, _step(RETURN, REFUSE | error)]


def _refuse_unless(values: tuple[int, ...], error: int) -> list[bytes]:
    """Refuse the call unless what was loaded is one of the values."""
    steps = [_step(EQUAL, value, left, 0) for left, value in zip(range(len(values), 0, -1), values, strict=True)]
    return [*steps, _step(RETURN, REFUSE | error)]


def _looked_at(number: int | None, argument: int, checks: list[bytes]) -> list[bytes]:
    """Apply checks to an argument of one system call; all others go past them with their number loaded."""
    if number is None:
        return []
    inner = [_step(LOAD, ARGUMENTS + 8 * argument), *checks, _step(RETURN, ALLOW)]
    return [_step(EQUAL, number, 0, len(inner)), *inner]
