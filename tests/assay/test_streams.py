"""verify in a pipe: rows go out while more are awaited, memory stays flat, and readers may leave."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading

import pytest

from assay.writer import RowWriter

ROW = {"id": 1, "response": r"so \boxed{4}", "answer": "4"}
LINE = json.dumps(ROW).encode() + b"\n"


def start(*arguments, **options):
    code = "from assay.cli import verify; verify()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})


def test_a_row_goes_out_before_the_next_one_comes_in():
    """A trainer may wait for each verdict before it writes the next response."""
    with start("-", "--task", "math", stdin=subprocess.PIPE) as process:
        for _ in range(3):
            process.stdin.write(LINE)
            process.stdin.flush()
            if not select.select([process.stdout], [], [], 60)[0]:
                process.kill()
                pytest.fail("the row is held back until more come in")
            assert json.loads(process.stdout.readline())["score"]["reward"] == 1.0
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == 0


def test_a_reader_that_leaves_is_no_error_message(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(LINE * 20_000)
    with start(source) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_interrupted_while_nobody_reads_it_ends_at_once(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(LINE * 20_000)
    with start(source) as process:
        process.stdout.read(1)  # it is writing now, and then the pipe is full
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        said = process.stderr.read().decode()
    assert said.startswith("assay: interrupted after ")
    assert "Traceback" not in said


MEASURED = """
import resource, sys
from assay.cli import verify
try:
    verify()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak_memory(rows, make):
    """The most memory in KiB that verify held for so many rows from a pipe."""
    command = [sys.executable, "-c", MEASURED, "-", "--task", "math", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        for number in range(rows):
            process.stdin.write(make(number))
        process.stdin.close()
        return int(process.stderr.read().split()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda n: b'{"id": %d, "response": "\\\\boxed{4}", "answer": 4, "pad": "%b"}\n' % (n % 50, b"x" * 2000),
        lambda n: b"x" * 2000 + b"\n",
    ],
    ids=["rows", "broken lines"],
)
def test_memory_does_not_grow_with_the_file(make):
    few, many = peak_memory(1_000, make), peak_memory(20_000, make)
    assert many - few < 12_000  # KiB; the rows are 40,000


def test_the_bar_and_colours_are_for_terminals_only(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(LINE * 4000)
    master, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    shown = bytearray()

    def watch():
        try:
            while piece := os.read(master, 4096):
                shown.extend(piece)
        except OSError:  # how Linux says that the other end is closed
            pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    with start(source, "--output", tmp_path / "out.jsonl", stderr=terminal, env=environment) as process:
        os.close(terminal)
        assert process.wait() == 0
        assert process.stdout.read() == b""
    watcher.join()
    os.close(master)
    text = shown.decode()
    assert "rows/s" in text
    assert "\x1b[32m" in text  # correct, in green
    assert "accuracy" in text


# ---- the writer alone


class Slow:
    """A stream that takes a few bytes at a time, as pipes may."""

    def __init__(self, fail_after=None):
        self.got = bytearray()
        self.fail_after = fail_after
        self.written, self.failed = threading.Event(), threading.Event()

    def write(self, data):
        if self.fail_after is not None and len(self.got) >= self.fail_after:
            self.failed.set()
            raise OSError(28, "No space left on device")
        self.got += data[:3]
        self.written.set()
        return len(data[:3])

    def flush(self):
        pass


def test_the_writer_writes_everything_in_order_to_a_stream_that_takes_little():
    sink = Slow()
    writer = RowWriter(sink)
    lines = [b"line %d\n" % number for number in range(200)]
    for line in lines:
        writer.add(line)
    writer.close()
    assert bytes(sink.got) == b"".join(lines)


def test_the_writer_does_not_wait_for_more_rows():
    sink = Slow()
    writer = RowWriter(sink)
    writer.add(b"row\n")
    assert sink.written.wait(30)
    writer.close()


def test_after_a_failed_write_nothing_more_is_written_and_the_next_row_says_why():
    sink = Slow(fail_after=6)
    writer = RowWriter(sink)
    writer.add(b"0123456789\n")
    assert sink.failed.wait(30)  # the clock of the writer writes within its delay
    with pytest.raises(OSError, match="No space left"):
        writer.add(b"more\n")
    writer.close()
    assert bytes(sink.got) == b"012345"


def test_dropping_what_is_left_does_not_wait_for_a_write_that_hangs():
    entered, release = threading.Event(), threading.Event()

    class Stuck(Slow):
        def write(self, data):
            entered.set()
            release.wait()
            return super().write(data)

    writer = RowWriter(Stuck())
    writer.add(b"row\n")
    assert entered.wait(30)  # the writer's clock hangs in the write, with its lock
    closing = threading.Thread(target=writer.close, kwargs={"drop": True}, daemon=True)
    closing.start()
    closing.join(30)
    hung = closing.is_alive()
    release.set()
    assert not hung
