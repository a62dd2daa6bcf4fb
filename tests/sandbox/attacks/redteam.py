"""Red team: the judge's own machinery as the target: its messages, its memory, its cleaning up."""

_WIRE = """
import json
import os
import struct


def packed(message):
    body = json.dumps(message).encode()
    return struct.pack(">I", len(body)) + body


def write(data):
    left = memoryview(data)
    while left:
        left = left[os.write(3, left):]


def say(message):
    write(packed(message))


def hear():
    def exactly(size):
        data = b""
        while len(data) < size:
            data += os.read(3, size - len(data))
        return data

    return json.loads(exactly(struct.unpack(">I", exactly(4))[0]))

"""

PROGRAMS = [
    (
        "slices_in_slices",
        "total",
        "the interpreter frees slices that hold slices by recursion in C, and dies of it",
        """
def total(numbers):
    chain = None
    for _ in range(60_000):
        chain = slice(None, None, chain)
    return chain
""",
        {"limits": "quick"},
    ),
    (
        "hash_of_a_deep_tuple",
        "total",
        "hashing tuples in tuples is recursion in C, without a limit",
        _WIRE
        + """
def total(numbers):
    first, count = 1_000_001, 150_000
    nodes = [[first, "t", 1]]
    nodes += [[first + 2 * n, "t", [first + 2 * n - 2], n] for n in range(1, count)]
    nodes.append([first + 2 * count, "s", [first + 2 * count - 2]])
    say(["=", [first + 2 * count], nodes, [], None])
    hear()
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "fields_that_turn_out_the_same",
        "total",
        "two field names of a struct that Python reads as one: an error of another kind while the answer is read",
        _WIRE
        + """
say(["=", {"total": [1]}, [[1, "n", "Struct", 2, "a", chr(0xFF41), 1, 2]]])
hear()


def total(numbers):
    return 0
""",
        {"danger": True},
    ),
    (
        "extras_of_another_kind",
        "total",
        "what is sent beside an answer is no dictionary",
        _WIRE
        + """
def total(numbers):
    say(["=", 0, [], [], 7])
    hear()
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "names_of_the_cleaner",
        "total",
        "the names that the supervisor moves folders to while it removes them are taken, by folders that are full",
        """
import os

for number in range(1, 120):
    os.makedirs(f"/tmp/.leaving-1-{number}/full")
for number in range(40):
    os.makedirs(f"/tmp/{number}/inner/full")


def total(numbers):
    return 0
""",
        {"danger": True},
    ),
    (
        "interrupts_the_supervisor",
        "total",
        "while it ends a run the supervisor is that run's user, and Python has a handler for SIGINT",
        """
import os

for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        while True:
            try:
                while True:
                    os.kill(1, 2)
            except OSError:
                pass


def total(numbers):
    return 0
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "slows_the_supervisor",
        "total",
        "likewise: priority and processors of process 1",
        """
import os

for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        while True:
            for attempt in (lambda: os.setpriority(os.PRIO_PROCESS, 1, 19), lambda: os.sched_setaffinity(1, [0])):
                try:
                    attempt()
                except OSError:
                    pass


def total(numbers):
    return 0
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "files_on_the_way_to_the_examiner",
        "total",
        "descriptors of removed files, sent along the wire and never read there, keep the disk full",
        _WIRE
        + """
import array
import socket

files = []
for name in ("/tmp/first", "/tmp/second"):
    files.append(os.open(name, os.O_RDWR | os.O_CREAT))
    try:
        for _ in range(28):
            os.write(files[-1], bytes(1 << 20))
    except OSError:
        pass
    os.unlink(name)


def total(numbers):
    say(["=", 99, [], [], None])
    wire = socket.socket(fileno=3)
    wire.sendmsg([b"zz"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
    hear()
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "types_with_long_descriptions",
        "total",
        "what the examiner keeps of each type of a handle is as long as the candidate likes",
        _WIRE
        + """
def total(numbers):
    for number in range(1_000_001, 1_000_061, 2):
        say(["=", [number], [[number, "h", "i", "x", "x" * (6 << 20) + str(number), "", ""]], [], None])
        hear()
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "shown_by_comparing",
        "total",
        "a set of objects with an order is sorted when it is shown to people, and comparing them is refused",
        """
class Item:
    def __init__(self, n):
        self.n = n

    def __lt__(self, other):
        return True


def total(numbers):
    return {Item(1), Item(2)}
""",
    ),
    (
        "length_that_is_the_end",
        "mapped",
        "StopIteration out of __len__, __bool__ and attributes would end a map() before its first case",
        """
class Ended:
    def __len__(self):
        raise StopIteration

    __bool__ = __index__ = __str__ = __len__


def double(x):
    return Ended()
""",
    ),
    (
        "a_class_in_place_of_the_function",
        "drawn",
        "an exception class crosses as a real class: calling it asks the solution for nothing",
        """
class half(Exception):
    pass
""",
    ),
    (
        "nothing_but_int",
        "near",
        "a builtin type in place of the function: calling it asks the solution for nothing",
        "half = complex\n",
    ),
    (
        "ranges_without_end",
        "sequence",
        "a value of a few bytes that takes for ever to go through",
        """
def items(n):
    return range(10, 10**15)
""",
        {"limits": "quick", "backends": ("docker", "bubblewrap")},
    ),
]
