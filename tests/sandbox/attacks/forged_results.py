"""Forged results: the program speaks on the wire itself, or changes what is said there in its name.

Whoever sits on the other end must read it as an enemy's words: none of it may make a wrong answer right, disturb the
next run, or break the reader so that no verdict comes of it.
"""

# The sockets and pipes of the process, other than the standard streams.
_WIRES = """
import json
import os
import socket
import stat
import struct
import sys


def wires():
    for fd in range(3, 256):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            yield fd


def say(data):
    for fd in wires():
        try:
            os.write(fd, data)
        except OSError:
            pass


def frame(message):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack(">I", len(body)) + body

"""

_WRONG = """

def total(numbers):
    return -1
"""

# Every message that leaves the process by json passes through `change` first.
_CHANGES = (
    _WIRES
    + """
real = json.dumps


def every(message, change):
    if isinstance(message, list):
        return change([every(part, change) for part in message])
    if isinstance(message, tuple):
        return change(tuple(every(part, change) for part in message))
    if isinstance(message, dict):
        return change({key: every(part, change) for key, part in message.items()})
    return change(message)


def say_instead(change):
    json.dumps = lambda message, *args, **kwargs: real(every(message, change), *args, **kwargs)

"""
)

PROGRAMS = [
    (
        "answers_before_it_is_asked",
        "total",
        "frames with verdicts and results lie on the wire before the first question comes",
        _WIRES
        + """
for message in (
    {"status": "correct", "passed": 3, "total": 3},
    ["=", {"total": ["h", 0]}, []],
    ["correct", 3, 3],
    [0, "ok"],
    True,
    None,
):
    say(frame(message) * 3)
"""
        + _WRONG,
    ),
    (
        "answers_many_times",
        "total",
        "each answer comes a hundred times: those too many would be the answers to the next questions, or the next run's",
        _WIRES
        + """
send_all = socket.socket.sendall


def again(self, data, *flags):
    for _ in range(100):
        send_all(self, data, *flags)


socket.socket.sendall = again
socket.socket.send = lambda self, data, *flags: again(self, data) or len(data)
write = os.write
os.write = lambda fd, data: [write(fd, data) for _ in range(100)][0]
"""
        + _WRONG,
    ),
    (
        "never_answers",
        "total",
        "the question is read and nothing comes back",
        _WIRES
        + """
import time

socket.socket.sendall = socket.socket.send = os.write = lambda *args: time.sleep(3600)
"""
        + _WRONG,
        {"limits": "quick"},
    ),
    (
        "answers_a_byte_at_a_time",
        "total",
        "a deadline for each read is never missed, and the answer never complete",
        _WIRES
        + """
import time


def total(numbers):
    while True:
        for byte in struct.pack(">I", 1 << 20) + b"[" * 1000:
            say(bytes([byte]))
            time.sleep(0.05)
""",
        {"limits": "quick"},
    ),
    (
        "half_a_frame_and_gone",
        "total",
        "a frame is announced and its sender dies in the middle",
        _WIRES
        + """
def total(numbers):
    say(struct.pack(">I", 1000) + b'{"status": "correct"')
    os._exit(0)
""",
    ),
    (
        "announces_four_gigabytes",
        "total",
        "a length that a reader might make room for",
        _WIRES
        + """
def total(numbers):
    say(b"\\xff" * 16)
    return -1
""",
    ),
    (
        "noise",
        "total",
        "bytes of no meaning",
        _WIRES
        + """
import random

rng = random.Random(1)


def total(numbers):
    for size in (1, 3, 4, 5, 100, 5000):
        say(rng.randbytes(size))
    say(frame(b"\\xff\\xfe not text"))
    return -1
""",
    ),
    (
        "floods_the_wire",
        "total",
        "frames for as long as it is let: a reader that keeps them all runs out of memory",
        _WIRES
        + """
def total(numbers):
    body = frame("x" * 1_000_000)
    while True:
        say(body)
""",
        {"limits": "quick"},
    ),
    (
        "deep_frames",
        "total",
        "nesting that overflows a recursive reader",
        _WIRES
        + """
def total(numbers):
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        say(frame(opened * 100_000 + b"1" + closed * 100_000))
    return -1
""",
    ),
    (
        "numbers_without_end",
        "total",
        "an integer of a million digits, whose reading takes quadratic time",
        _WIRES
        + """
def total(numbers):
    say(frame(b"[" + b"9" * 1_000_000 + b"]"))
    say(frame(b'["return", NaN, Infinity, -Infinity, 1e999999, -0.0]'))
    return -1
""",
    ),
    (
        "colliding_keys",
        "total",
        "an object of equal and of colliding keys",
        _WIRES
        + """
def total(numbers):
    keys = ",".join('"%d":1' % (i * ((1 << 61) - 1)) for i in range(20_000))
    say(frame(("{" + keys + "}").encode()))
    say(frame(b'{"a":1,"a":2,"status":"incorrect","status":"correct"}'))
    return -1
""",
    ),
    (
        "every_string_another",
        "total",
        "the words by which messages and types are told apart are replaced",
        _CHANGES
        + """
say_instead(lambda part: "builtins.SystemExit" if isinstance(part, str) else part)
"""
        + _WRONG,
    ),
    (
        "every_string_empty_or_huge",
        "total",
        "the same with the empty string, a megabyte and a lone surrogate",
        _CHANGES
        + """
turn = iter(range(1 << 30))
say_instead(lambda part: ["", "x" * 1_000_000, "\\ud800", "\\x00"][next(turn) % 4] if isinstance(part, str) else part)
"""
        + _WRONG,
    ),
    (
        "every_number_another",
        "total",
        "numbers of handles, nodes and lengths point elsewhere: below zero, to each other, far beyond the end",
        _CHANGES
        + """
turn = iter(range(1 << 30))
OTHERS = [0, 1, 2, -2, 3, 1 << 40, 5, 6, 1 << 70, 7]
say_instead(lambda part: OTHERS[next(turn) % 10] if type(part) is int else part)
"""
        + _WRONG,
    ),
    (
        "every_number_a_small_other",
        "total",
        "handles are small numbers, and some of them are not the program's",
        _CHANGES
        + """
turn = iter(range(1 << 30))
say_instead(lambda part: next(turn) % 6 if type(part) is int else part)
"""
        + _WRONG,
    ),
    (
        "every_list_shorter",
        "total",
        "messages lack their last part",
        _CHANGES
        + "\nsay_instead(lambda part: part[:-1] if isinstance(part, list) and len(part) > 1 else part)\n"
        + _WRONG,
    ),
    (
        "every_list_longer",
        "total",
        "messages have parts too many",
        _CHANGES + "\nsay_instead(lambda part: part + part if isinstance(part, list) else part)\n" + _WRONG,
    ),
    (
        "every_list_itself",
        "total",
        "parts of a message are the message: lists in lists, objects for lists, nulls for everything",
        _CHANGES
        + """
turn = iter(range(1 << 30))
say_instead(lambda part: [[part], {"": part}, None, [[], part], True][next(turn) % 5] if isinstance(part, list) else part)
"""
        + _WRONG,
    ),
    (
        "types_confused",
        "operators",
        "one kind of value with the parts of another",
        _CHANGES
        + """
import decimal
import fractions

KINDS = ["z", "D", "F", "r", "sl", "dk", "dv", "di", "dt", "k", "T", "x", "n", "np", "h", "l", "t", "d", "s", "i", "f",
         "list", "tuple", "set", "dict", "int", "float", "range"]
turn = iter(range(1 << 30))
say_instead(lambda part: KINDS[next(turn) % len(KINDS)] if isinstance(part, str) and len(part) < 3 else part)
VALUES = [1j, decimal.Decimal("NaN"), fractions.Fraction(1, 3), range(3), [], {}, (1,), {1}, ValueError("x"), int, ...]


def value(x):
    return VALUES[next(turn) % len(VALUES)]
""",
    ),
    (
        "late_answer_for_the_next_run",
        "total",
        "a child keeps the wire, and speaks when the next program is judged",
        _WIRES
        + """
import time


def total(numbers):
    if os.fork() == 0:
        os.setsid()
        for _ in range(200):
            time.sleep(0.01)
            say(frame({"status": "correct", "passed": 3, "total": 3}))
        os._exit(0)
    os._exit(0)
""",
        {"danger": True},
    ),
    (
        "child_answers_too",
        "total",
        "two processes answer each question, the parent and the child that its first call forked",
        _WIRES
        + """
def total(numbers):
    os.fork()
    return -1
""",
        {"danger": True},
    ),
    (
        "reads_what_others_are_asked",
        "token",
        "it reads on the wire itself, ahead of the loop that serves it, to see whether more than questions comes",
        _WIRES
        + """
import re

found = []
for fd in wires():
    try:
        os.set_blocking(fd, False)
        found += re.findall(rb"expected-[0-9a-f]{10}", os.read(fd, 1 << 20))
        os.set_blocking(fd, True)
    except OSError:
        pass


def token(x):
    for fd in wires():
        try:
            with socket.socket(fileno=os.dup(fd)) as wire:
                found.extend(re.findall(rb"expected-[0-9a-f]{10}", wire.recv(1 << 20, socket.MSG_PEEK | socket.MSG_DONTWAIT)))
        except OSError:
            pass
    return found[x % len(found)].decode() if found else "nothing found"
""",
    ),
    (
        "exceptions_that_end_the_examiner",
        "refusal",
        "an exception of the program crosses, and is raised where the tests run: one that ends them well",
        """
class Stop(SystemExit, KeyboardInterrupt):
    pass


def parse(text):
    if text == "":
        raise SystemExit(0)
    raise Stop(0) if text == "x" else GeneratorExit
""",
    ),
    (
        "exceptions_with_dishonest_parts",
        "refusal",
        "arguments, text, cause and attributes of an exception are the program's own objects",
        """
class Anything(str):
    def __contains__(self, item):
        return True

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


class Failure(Exception):
    def __init__(self, *args):
        self.args = (self, Failure)
        self.__cause__ = self
        self.__context__ = self
        self.__traceback__ = None
        self.with_traceback = self.add_note = self

    def __str__(self):
        return Anything("")

    @property
    def __class__(self):
        return ValueError


def parse(text):
    if text == "12":
        raise StopIteration(12)
    raise Failure()
""",
    ),
    (
        "values_too_large_to_send",
        "total",
        "a result of hundreds of megabytes, as text, as numbers, as one list many times",
        """
def total(numbers):
    if len(numbers) == 3:
        shared = [0] * 1000
        for _ in range(6):
            shared = [shared] * 1000
        return shared
    return "x" * (200 << 20) if numbers[0] > 0 else list(range(5_000_000))
""",
        {"limits": "quick"},
    ),
    (
        "values_that_contain_themselves",
        "sequence",
        "lists and dicts in a ring, a thousand deep and more",
        """
def items(n):
    ring = []
    ring.append({"ring": (ring, [ring])})
    deep = ring
    for _ in range(50_000):
        deep = [deep]
    return deep
""",
        {"limits": "quick"},
    ),
    (
        "integer_of_a_hundred_million_digits",
        "total",
        "turning it to text takes longer than the universe has",
        "def total(numbers):\n    return 1 << 400_000_000\n",
        {"limits": "quick"},
    ),
]
