"""Inspection: the program looks for the expected values, which have a shape it knows, in all the memory it can read."""

# What each program does with a text that it found somewhere: it keeps every token in it, and answers in turn.
_KEEP = """
import re

SHAPE = re.compile(r"expected-[0-9a-f]{10}")
found = []


def keep(text):
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    for one in SHAPE.findall(text):
        if one not in found:
            found.append(one)


def answer(x):
    return found[(x - 1) % len(found)] if found else "nothing found"

"""

_ENTRY = """

def token(x=0, *args, **kwargs):
    try:
        look()
    except Exception as error:
        pass
    return answer(x if isinstance(x, int) else 1)
"""

PROGRAMS = [
    (
        "frames",
        "token",
        "the frames of the callers, their locals, globals and constants",
        _KEEP
        + """
import sys


def look():
    frame = sys._getframe()
    while frame is not None:
        keep(repr(frame.f_code.co_consts))
        keep(repr([value for value in frame.f_locals.values() if isinstance(value, (str, list, dict, tuple))]))
        for name, value in frame.f_globals.items():
            if isinstance(value, (str, list, dict, tuple, set)) and name != "found":
                keep(repr(value))
        frame = frame.f_back
"""
        + _ENTRY,
    ),
    (
        "frames_of_all_threads",
        "token",
        "the frames of the other threads of the process",
        _KEEP
        + """
import sys
import threading


def look():
    for frame in sys._current_frames().values():
        while frame is not None:
            keep(repr(frame.f_code.co_consts))
            keep(repr(list(frame.f_locals.values())))
            frame = frame.f_back
    for thread in threading.enumerate():
        keep(repr(vars(thread)))
"""
        + _ENTRY,
    ),
    (
        "inspect_stack",
        "token",
        "the source text of the callers, by inspect and traceback",
        _KEEP
        + """
import inspect
import traceback


def look():
    for info in inspect.stack(context=50):
        keep("".join(info.code_context or []))
        try:
            keep(inspect.getsource(info.frame))
        except (OSError, TypeError):
            pass
    keep("".join(traceback.format_stack()))
"""
        + _ENTRY,
    ),
    (
        "traceback_of_a_raised_error",
        "token",
        "an exception is raised, and its traceback read for the frames below and above",
        _KEEP
        + """
import sys


def look():
    try:
        raise KeyError
    except KeyError as error:
        tb = error.__traceback__
        while tb is not None:
            frame = tb.tb_frame
            while frame is not None:
                keep(repr(frame.f_locals) + repr(frame.f_code.co_consts))
                frame = frame.f_back
            tb = tb.tb_next
    keep(repr(sys.exc_info()) + repr(getattr(sys, "last_value", "")))
"""
        + _ENTRY,
    ),
    (
        "collector",
        "token",
        "every container that the garbage collector knows, and what it refers to",
        _KEEP
        + """
import gc


def look():
    gc.collect()
    for thing in gc.get_objects():
        if thing is found:
            continue
        for part in gc.get_referents(thing):
            if isinstance(part, (str, bytes)) and len(part) < 100_000:
                keep(part)
"""
        + _ENTRY,
    ),
    (
        "code_constants",
        "token",
        "the constants of all code objects and functions, nested ones too",
        _KEEP
        + """
import gc
import types


def walk(code):
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            walk(constant)
        elif isinstance(constant, (str, bytes, tuple, frozenset)):
            keep(repr(constant))


def look():
    for thing in gc.get_objects():
        code = getattr(thing, "__code__", None)
        if isinstance(code, types.CodeType):
            walk(code)
"""
        + _ENTRY,
    ),
    (
        "collector_from_deep_below",
        "check",
        "the numbers that are expected are constants of a code object called check",
        """
import gc
import types


def total(numbers):
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__name__ == "check":
            wanted = [c for c in thing.__code__.co_consts if isinstance(c, int)]
            if wanted:
                return wanted[0]
    return None
""",
    ),
    (
        "linecache_and_loaders",
        "token",
        "the source of the tests in linecache, in loaders and in __main__'s file",
        _KEEP
        + """
import linecache
import sys


def look():
    keep(repr(linecache.cache))
    for module in list(sys.modules.values()):
        for name in ("__loader__", "__spec__"):
            loader = getattr(module, name, None)
            for method in ("get_source", "get_data"):
                try:
                    keep(str(getattr(loader, method)(module.__name__)))
                except Exception:
                    pass
        file = getattr(module, "__file__", None)
        if file and "lib/python" not in file:
            keep("".join(linecache.getlines(file)))
"""
        + _ENTRY,
    ),
    (
        "tracemalloc_and_refs",
        "token",
        "allocations traced from the load on, and the lines that they came from",
        _KEEP
        + """
import gc
import linecache
import tracemalloc

tracemalloc.start(25)


def look():
    for trace in tracemalloc.take_snapshot().traces:
        for line in trace.traceback.format():
            keep(line)
    for thing in gc.get_objects(generation=0) + gc.get_objects(generation=2):
        if isinstance(thing, (list, dict, tuple)) and thing is not found:
            keep(repr(thing)[:10_000])
"""
        + _ENTRY,
        {"limits": "quick"},
    ),
    (
        "own_memory",
        "token",
        "/proc/self/mem holds what the parent of a forked process held, freed or not",
        _KEEP
        + """
def scan(pid):
    marker = b"expected" + b"-"
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or "[v" in line:
                continue
            low, high = (int(part, 16) for part in span.split("-"))
            if high - low > 64 << 20:
                continue
            try:
                memory.seek(low)
                data = memory.read(high - low)
            except (OSError, ValueError, OverflowError):
                continue
            at = data.find(marker)
            while at >= 0:
                keep(data[at : at + 19])
                at = data.find(marker, at + 1)


def look():
    scan("self")
"""
        + _ENTRY,
        {"danger": True},
    ),
    (
        "memory_by_ctypes",
        "token",
        "the same, read with ctypes where /proc is closed",
        _KEEP
        + """
import ctypes


def look():
    marker = b"expected" + b"-"
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            low, high = (int(part, 16) for part in span.split("-"))
            if high - low > 32 << 20:
                continue
            data = ctypes.string_at(low, high - low)
            at = data.find(marker)
            while at >= 0:
                keep(data[at : at + 19])
                at = data.find(marker, at + 1)
"""
        + _ENTRY,
        {"danger": True},
    ),
    (
        "memory_by_probing",
        "token",
        "write(2) tells which addresses are mapped, and copies what is there: no list of them is needed",
        _KEEP
        + """
import ctypes
import gc
import os


def look():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    r, w = os.pipe()
    regions = {id(thing) >> 20 for thing in gc.get_objects()}
    regions |= {region + step for region in regions for step in range(-3, 4)}
    marker, left = b"expected" + b"-", b""
    for region in sorted(regions):
        for page in range(region << 20, (region + 1) << 20, 1 << 16):
            if libc.write(w, page, 1 << 16) <= 0:
                left = b""
                continue
            data = left + os.read(r, 1 << 16)
            at = data.find(marker)
            while at >= 0:
                keep(data[at : at + 19])
                at = data.find(marker, at + 1)
            left = data[-32:]
"""
        + _ENTRY,
        {"danger": True},
    ),
    (
        "memory_of_everybody_else",
        "token",
        "/proc/PID/mem and process_vm_readv of parents, siblings and pid 1",
        _KEEP
        + """
import ctypes
import os


def read(pid, low, size):
    try:
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            memory.seek(low)
            return memory.read(size)
    except OSError:
        pass
    libc = ctypes.CDLL(None, use_errno=True)

    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(size)
    local, remote = Vector(ctypes.addressof(buffer), size), Vector(low, size)
    got = libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return buffer.raw[:got] if got > 0 else b""


def look():
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if pid == os.getpid():
            continue
        for line in open(f"/proc/{pid}/maps").read().splitlines() if os.access(f"/proc/{pid}/maps", os.R_OK) else []:
            span, rights = line.split()[:2]
            low, high = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw") and high - low < 32 << 20:
                keep(read(pid, low, high - low))
"""
        + _ENTRY,
        {"danger": True},
    ),
    (
        "ptrace_the_parent",
        "token",
        "a debugger may read and write the process that it is attached to",
        _KEEP
        + """
import ctypes
import os


def look():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    for pid in {os.getppid(), 1, *pids} - {os.getpid(), 0}:
        for request in (0x4206, 16):  # SEIZE, ATTACH
            if libc.ptrace(request, pid, 0, 0) == 0:
                found.append("attached")
                libc.ptrace(17, pid, 0, 0)
"""
        + _ENTRY,
        {"danger": True},
    ),
    (
        "command_lines_and_environments",
        "token",
        "what the other processes were started with, and where they are",
        _KEEP
        + """
import os
import sys


def look():
    keep(repr(dict(os.environ)) + repr(sys.argv) + repr(sys.orig_argv) + repr(sys.path) + repr(sys._xoptions))
    for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
        for part in ("cmdline", "environ", "comm", "stack", "auxv", "syscall", "io", "mountinfo", "task/%s/children" % pid):
            try:
                keep(open(f"/proc/{pid}/{part}", "rb").read())
            except OSError:
                pass
"""
        + _ENTRY,
    ),
    (
        "memory_of_the_other_run",
        "token",
        "what an earlier run of the same tests left in the heap of the process that forks",
        _KEEP
        + """
import gc
import sys


def look():
    for name in dir(sys.intern):
        keep(name)
    strings = set()
    for thing in gc.get_objects():
        try:
            for part in gc.get_referents(thing):
                if type(part) is str:
                    strings.add(part)
                elif type(part) in (list, tuple, dict, set):
                    strings.update(inner for inner in gc.get_referents(part) if type(inner) is str)
        except Exception:
            pass
    for text in strings - {None}:
        if SHAPE.fullmatch(text):
            keep(text)
"""
        + _ENTRY,
        {"before": "def token(x):\n    return ['expected' + '-' + 'ffffffffff'] * 1000\n"},
    ),
    (
        "uninitialised_buffers",
        "token",
        "memory that is handed out without being wiped: empty arrays, freed strings, stack of finished calls",
        _KEEP
        + """
import ctypes
import mmap


def look():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    for size in (64, 256, 1024, 4096, 65_536, 120_000):
        for _ in range(200):
            address = libc.malloc(size)
            if address:
                data = ctypes.string_at(address, size)
                at = data.find(b"expected" + b"-")
                if at >= 0:
                    keep(data[at : at + 19])
"""
        + _ENTRY,
        {"danger": True},
    ),
    (
        "open_files_of_the_interpreter",
        "token",
        "file objects, sockets and pipes that the collector knows, with the bytes that they have buffered",
        _KEEP
        + """
import gc
import io


def look():
    for thing in gc.get_objects():
        if isinstance(thing, (io.BytesIO, io.StringIO)):
            keep(thing.getvalue())
        elif isinstance(thing, io.BufferedReader):
            try:
                if thing.fileno() > 2:
                    keep(thing.peek()[:100_000])
            except (OSError, ValueError):
                pass
        elif isinstance(thing, (bytearray, memoryview)):
            keep(bytes(thing))
"""
        + _ENTRY,
    ),
]
