"""Property: whatever the texts, the slow lane answers in time, from any thread or process, and leaves nothing behind.

The CPU time that comparisons took is read from the kernel's account of the nursery's children, so a busy machine fails
no test. What needs an interpreter of its own (its exit, its death, its forks) runs in one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from assay.verifiers import slow_lane
from assay.verifiers.slow_lane import SlowLane

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it reads /proc")

INTEGRAL = (r"\int_0^1 x^2 dx", r"\frac13")
# Takes far longer than any deadline here, in one way or another.
HANGING = (
    r"\int_0^1 \frac{\ln(1+x^3)\sin(x^2)}{1+x^2+e^{x}} dx + \int_0^1\int_0^1\int_0^1 \frac{e^{xyz}}{1+xyz} dx dy dz"
)
HOSTILE = {
    "tower": "9^{9^{9^9}}",
    "tower of variables": "x^{x^{x^{x^{x^x}}}}",
    "factorial": "1000000!",
    "factorials": "10!!!!!",
    "factorial of a tower": "(9^{9^9})!",
    "binomial": r"\binom{10^9}{5\cdot10^8}",
    "long sum": r"\sum_{i=1}^{10^9} i^{1/3}",
    "long product": r"\prod_{i=1}^{10^9} i",
    "sum in sum": r"\sum_{i=1}^{10^5}\sum_{j=1}^{10^5} \frac{1}{i+j}",
    "integral": HANGING,
    "large power": r"(x+y+z+1)^{100000}",
    "integral of a large power": r"\int_0^1 (x^2+3x+1)^{5000} dx",
    "derivative of a tower": r"\frac{d}{dx} x^{x^{x^{x^{x}}}}",
    "nested roots": r"\sqrt{2+" * 30 + "1" + "}" * 30,
    "limit": r"\lim_{x\to\infty} \frac{e^{e^{e^x}}}{x^{x^x}}",
    "fractions": r"\frac{1}{1+" * 30 + "x" + "}" * 30,
    "braces": "{" * 100_000,
    "parentheses": "(" * 900 + ")" * 900,
    "digits": "7" * 100_000,
    "digits to a power": "7" * 900 + "^{" + "7" * 900 + "}",
    "null bytes": "\x00" * 100,
    "surrogates": "\ud800\udfff",
    "environment": r"\begin{pmatrix} 1 & 2",
    "determinant": r"\det\begin{pmatrix}" + r"\\".join("&".join(f"x_{{{i}{j}}}" for j in "123456") for i in "123456")
    + r"\end{pmatrix}",
    "bars": "|" * 500,
    "integrals": r"\int " * 100 + "x" + " dx" * 100,
    "scripts": "x_" * 400 + "1",
}  # fmt: skip
DEADLINE = 0.5
SLACK = 0.25
PATIENCE = 60.0  # for what happens soon or never


@pytest.fixture(scope="module")
def lane() -> Iterator[SlowLane]:
    shared = SlowLane(workers=2)
    yield shared
    shared.close()


def pid_of(lane: SlowLane) -> int:
    return lane._pool.nursery().process.pid


def group_of(leader: int) -> list[int]:
    """Return the processes that run in the nursery's group; those that ended and wait to be reaped do not count."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def children_seconds(pid: int) -> float:
    """Return the CPU seconds of the children that a process has reaped."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def eventually(holds: Callable[[], Any]) -> bool:
    until = time.monotonic() + PATIENCE
    while not (held := holds()) and time.monotonic() < until:
        select.select([], [], [], 0.01)
    return bool(held)


def run(script: str, *arguments: str, flags: tuple[str, ...] = (), cwd: Path | str = "/", **more: Any) -> Any:
    """Run a script in its own interpreter and return the JSON that it printed."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", script, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


# ---- deadlines


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_no_more_than_the_deadline_on_either_side(lane: SlowLane, name: str) -> None:
    for pair in ((HOSTILE[name], "42"), ("42", HOSTILE[name])):
        lane.compare("1", "2", DEADLINE)
        before = children_seconds(pid_of(lane))
        outcome = lane.compare(*pair, DEADLINE)
        assert outcome.relation not in ("same", "lost")
        assert children_seconds(pid_of(lane)) - before <= DEADLINE + SLACK
    assert lane.compare(*INTEGRAL, 5.0).relation == "same"


def test_the_side_that_takes_too_long_is_named() -> None:
    with_one = SlowLane(workers=1)
    try:
        assert with_one.compare(r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2", 5.0).relation == "same"
        # No time at all: the timer ends it on the side that is worked on, which is the reference first.
        assert with_one.compare(*INTEGRAL, 0.001).relation == "reference_timeout"
        assert with_one.compare(HANGING, "1", DEADLINE).relation == "reference_timeout"
        assert with_one.compare("1", HANGING, DEADLINE).relation in ("timeout", "undecided")
        # What is wrong with an answer is never put on a reference that was done in time.
        assert with_one.compare(r"\int_0^1 x dx", HANGING, DEADLINE).relation in ("timeout", "undecided")
    finally:
        with_one.close()


def test_a_stuck_computation_in_c_is_ended_by_the_kernel() -> None:
    # One multiplication, during which no Python code runs and no handler of Python's could.
    script = """
import json, signal, sys
from assay.verifiers import slow_worker
import os
reading, writing = os.pipe()
pid = os.fork()
if not pid:
    class Nursery: channels, jobs, config = [], {}, {"memory_bytes": 1 << 30}; die_with_parent = staticmethod(lambda: None)
    def stuck(*_): return str((7 ** 5_000_000) ** 40)
    Nursery.compare = staticmethod(stuck)
    slow_worker._work({"reference": "", "answer": "", "deadline": 0.2}, writing, Nursery)
_, status = os.waitpid(pid, 0)
print(json.dumps(os.WTERMSIG(status) == signal.SIGPROF))
"""
    assert run(script)


@pytest.mark.parametrize("how", ["thread", "asyncio"])
def test_other_threads_get_verdicts_too(lane: SlowLane, how: str) -> None:
    if how == "asyncio":
        outcome = asyncio.run(asyncio.to_thread(lane.compare, *INTEGRAL, 5.0))
        hostile = asyncio.run(asyncio.to_thread(lane.compare, HANGING, "1", DEADLINE))
    else:
        with ThreadPoolExecutor(1) as threads:
            outcome = threads.submit(lane.compare, *INTEGRAL, 5.0).result()
            hostile = threads.submit(lane.compare, HANGING, "1", DEADLINE).result()
    assert (outcome.relation, hostile.relation) == ("same", "reference_timeout")


def test_sixteen_threads_each_get_their_own_answer(lane: SlowLane) -> None:
    def ask(number: int) -> tuple[str, str]:
        right = number % 3 != 0
        outcome = lane.compare(rf"\int_0^{{{number}}} 2x dx", str(number**2 + (not right)), 5.0)
        return outcome.reference_read, outcome.relation

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, range(1, 65)))
    wanted = [(f"int(2*x, x=0..{n})", "different" if n % 3 == 0 else "same") for n in range(1, 65)]
    assert answers == wanted


def test_a_fast_comparison_is_not_held_up_by_a_slow_one(lane: SlowLane) -> None:
    ended: list[str] = []

    def ask(name: str, *pair: str) -> None:
        lane.compare(*pair, 3.0)
        ended.append(name)

    slow = threading.Thread(target=ask, args=("slow", HANGING, "1"))
    slow.start()
    assert eventually(lambda: len(group_of(pid_of(lane))) > 1)
    ask("fast", *INTEGRAL)
    slow.join()
    assert ended == ["fast", "slow"]


# ---- every kind of process


MULTIPROCESSING = """
import json, multiprocessing, sys
from assay.verifiers.slow_lane import SlowLane
lane = SlowLane(1)

def work(pipe):
    pipe.send([lane.compare(r"\\int_0^1 x^2 dx", r"\\frac13", 5.0).relation, lane.compare("9^{9^{9^9}}", "1", 0.5).relation])

if __name__ == "__main__":
    warm = lane.compare("1", "2", 5.0).relation if sys.argv[1] == "warm" else "different"
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,), daemon=True)
    process.start()
    found = ours.recv()
    process.join()
    print(json.dumps([warm, *found, lane.compare("1", "1", 5.0).relation]))
"""


@pytest.mark.parametrize("state", ["warm", "cold"])
def test_a_forked_daemonic_process_has_a_lane_of_its_own(state: str) -> None:
    assert run(MULTIPROCESSING, state) == ["different", "same", "undecided", "same"]


FORK_AMID_WORK = """
import json, os, threading, warnings
warnings.simplefilter("ignore")
from assay.verifiers.slow_lane import SlowLane
lane = SlowLane(1)
hanging = threading.Thread(target=lane.compare, args=(HANGING, "1", 2.0))
lane.compare("1", "2", 5.0)
hanging.start()
while lane._pool.free: pass                        # the only slot is taken, its lock was held, a question is under way
nursery = lane._pool.current.process.pid
pid = os.fork()
if not pid:
    mine = lane.compare(r"\\int_0^1 x^2 dx", r"\\frac13", 5.0)
    apart = lane._pool.current.process.pid != nursery
    lane.close()
    os._exit(0 if mine.relation == "same" and apart else 1)
_, status = os.waitpid(pid, 0)
hanging.join()
print(json.dumps([status, lane.compare("1", "1", 5.0).relation, lane._pool.current.process.pid == nursery]))
"""


def test_a_fork_while_another_thread_waits_disturbs_neither_process() -> None:
    assert run(FORK_AMID_WORK.replace("HANGING", repr(HANGING))) == [0, "same", True]


@pytest.mark.parametrize("flags", [("-I",), ()])
def test_it_works_without_a_guarded_main_and_beside_modules_that_shadow_others(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    for name in ("sympy", "mpmath", "cmath", "datasets", "verifiers", "fractions"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module was imported')")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from assay.verifiers.slow_lane import SlowLane
print('"' + SlowLane(1).compare(r"\\int_0^1 x^2 dx", r"\\frac13", 5.0).relation + '"')
"""
    assert run(script, str(tmp_path), flags=flags, cwd=tmp_path) == "same"


def test_signals_that_the_user_blocks_or_ignores_still_end_a_comparison() -> None:
    script = f"""
import json, signal
from assay.verifiers.slow_lane import SlowLane
for number in (signal.SIGPROF, signal.SIGVTALRM, signal.SIGXCPU, signal.SIGCHLD): signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
lane = SlowLane(1)
print(json.dumps([lane.compare({HANGING!r}, "1", 0.5).relation, lane.compare("1", "1", 5.0).relation]))
lane.close()
"""
    assert run(script) == ["reference_timeout", "same"]


def test_a_lane_can_be_pickled(lane: SlowLane) -> None:
    copy = pickle.loads(pickle.dumps(lane))
    try:
        assert copy.compare(*INTEGRAL, 5.0).relation == "same"
        assert pid_of(copy) != pid_of(lane)
    finally:
        copy.close()


# ---- nothing is left behind


def test_closing_ends_every_process_and_the_lane_can_be_used_again() -> None:
    with_one = SlowLane(workers=1)
    assert with_one.compare(*INTEGRAL, 5.0).relation == "same"
    leader = pid_of(with_one)
    with_one.close()
    assert group_of(leader) == []
    assert with_one.compare(*INTEGRAL, 5.0).relation == "same"
    assert pid_of(with_one) != leader
    again = pid_of(with_one)
    with_one.close()
    with_one.close()
    assert group_of(again) == []


def test_closing_amid_a_comparison_ends_the_comparison() -> None:
    with_two = SlowLane(workers=2)
    with_two.compare("1", "2", 5.0)
    leader = pid_of(with_two)
    asking = threading.Thread(target=with_two.compare, args=(HANGING, "1", 2.0))
    asking.start()
    assert eventually(lambda: len(group_of(leader)) == 2)
    with_two.close()
    assert group_of(leader) == []
    asking.join()
    with_two.close()


def test_a_dropped_lane_closes_itself() -> None:
    with_one = SlowLane(workers=1)
    with_one.compare("1", "2", 5.0)
    leader = pid_of(with_one)
    del with_one
    gc.collect()
    assert group_of(leader) == []


def test_warming_up_does_not_wait_and_an_unused_lane_has_no_process() -> None:
    with_one = SlowLane(workers=1)
    assert with_one._pool.current is None
    with_one.warm_up()
    leader = pid_of(with_one)
    assert not any(with_one._pool.nursery().ready)
    assert with_one.compare(*INTEGRAL, 5.0).relation == "same"
    assert pid_of(with_one) == leader
    with_one.close()
    assert group_of(leader) == []


def test_the_interpreters_exit_ends_the_nursery() -> None:
    script = """
import json
from assay.verifiers.slow_lane import SlowLane
lane = SlowLane(1)
lane.compare("1", "2", 5.0)
print(json.dumps(lane._pool.current.process.pid))
"""
    leader = run(script)
    assert eventually(lambda: group_of(leader) == [])


KILLED = """
import subprocess, sys, threading
from assay.verifiers.slow_lane import SlowLane
lane = SlowLane(2)
lane.compare("1", "2", 5.0)
if sys.argv[1] == "inherited":  # somebody else holds our ends open, so that the nursery sees no end of file
    numbers = [channel.fileno() for channel in lane._pool.current.sockets]
    other = subprocess.Popen(["sleep", "60"], pass_fds=numbers, stdout=subprocess.DEVNULL)
    print(other.pid, flush=True)
threading.Thread(target=lane.compare, args=(HANGING, "1", 50.0), daemon=True).start()
while len(lane._pool.free) == 2: pass
print(lane._pool.current.process.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("ends", ["ours", "inherited"])
def test_a_killed_parent_leaves_nothing_running(ends: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED.replace("HANGING", repr(HANGING)), ends], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    other = int(parent.stdout.readline()) if ends == "inherited" else 0
    leader = int(parent.stdout.readline())
    try:
        assert eventually(lambda: len(group_of(leader)) == 2)
        parent.kill()
        parent.wait()
        assert eventually(lambda: group_of(leader) == [])
    finally:
        parent.stdout.close()
        if other:
            os.kill(other, signal.SIGKILL)


# ---- deaths


def test_a_killed_nursery_takes_its_children_along() -> None:
    with_one = SlowLane(workers=1)
    with_one.compare("1", "2", 5.0)
    leader = pid_of(with_one)
    nursery = with_one._pool.nursery()
    clean_up = nursery.end
    nursery.end = lambda at_once=False: None  # type: ignore[method-assign]  # the client shall not help
    asking = threading.Thread(target=with_one.compare, args=(HANGING, "1", 300.0))
    asking.start()
    assert eventually(lambda: len(group_of(leader)) == 2)
    os.kill(leader, signal.SIGKILL)
    assert eventually(lambda: group_of(leader) == [])
    clean_up(at_once=True)
    assert eventually(lambda: with_one._pool.current is not nursery and any(with_one._pool.nursery().ready))
    with_one.close()
    asking.join()
    with_one.close()


def test_a_killed_nursery_is_replaced() -> None:
    with_two = SlowLane(workers=2)
    try:
        with_two.compare("1", "2", 5.0)
        leader = pid_of(with_two)
        outcomes: list[Any] = []
        asking = threading.Thread(target=lambda: outcomes.append(with_two.compare(HANGING, "1", DEADLINE)))
        asking.start()
        assert eventually(lambda: len(group_of(leader)) == 2)
        os.kill(leader, signal.SIGKILL)
        assert eventually(lambda: group_of(leader) == [])
        asking.join()
        # The comparison under way was asked again; a second death would have been "lost".
        assert [outcome.relation for outcome in outcomes] == ["reference_timeout"]
        assert with_two.compare(*INTEGRAL, 5.0).relation == "same"
        assert pid_of(with_two) != leader
    finally:
        with_two.close()


def test_a_killed_child_is_reported_and_costs_nobody_else() -> None:
    with_one = SlowLane(workers=1)
    try:
        with_one.compare("1", "2", 5.0)
        leader = pid_of(with_one)
        for number, relation in ((signal.SIGKILL, "reference_memory"), (signal.SIGSEGV, "unreadable_reference")):
            outcomes: list[Any] = []
            asking = threading.Thread(target=lambda into=outcomes: into.append(with_one.compare(HANGING, "1", 9.0)))
            asking.start()
            assert eventually(lambda: len(group_of(leader)) == 2)
            (child,) = set(group_of(leader)) - {leader}
            os.kill(child, number)
            asking.join()
            assert [outcome.relation for outcome in outcomes] == [relation]
        assert pid_of(with_one) == leader
        assert with_one.compare(*INTEGRAL, 5.0).relation == "same"
    finally:
        with_one.close()


def test_a_worker_that_cannot_start_is_lost_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with_one = SlowLane(workers=1)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        outcome = with_one.compare(*INTEGRAL, 5.0)
        assert outcome.relation == "lost"
        assert "/nowhere/python" in outcome.detail
    with monkeypatch.context() as broken:
        broken.setattr(slow_lane, "BOOTSTRAP", "raise SystemExit(1)")
        assert with_one.compare(*INTEGRAL, 5.0).relation == "lost"
    with monkeypatch.context() as broken:
        missing = "import sys; sys.modules['sympy'] = None\n" + slow_lane.BOOTSTRAP
        broken.setattr(slow_lane, "BOOTSTRAP", missing)
        outcome = with_one.compare(*INTEGRAL, 5.0)
        assert outcome.relation == "lost"
        assert "sympy" in outcome.detail
    assert with_one.compare(*INTEGRAL, 5.0).relation == "same"
    with_one.close()


def test_an_interrupt_while_waiting_leaves_a_lane_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with_one = SlowLane(workers=1)
    with_one.compare("1", "2", 5.0)

    def interrupted(channel: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(slow_lane, "receive_frame", interrupted)
        with pytest.raises(KeyboardInterrupt):
            with_one.compare("1", "1", 5.0)
    # The answer to the interrupted question must not be taken for the answer to this one.
    assert with_one.compare(*INTEGRAL, 5.0).reference_read == "int(x^2, x=0..1)"
    with_one.close()


# ---- one comparison touches nothing


def test_too_much_memory_is_told_from_too_much_time() -> None:
    narrow = SlowLane(workers=1, memory_bytes=1 << 20)
    try:
        wide = r"\int_0^1 (x^2+3x+1)^{9000} dx"
        assert narrow.compare(wide, "1", 20.0).relation == "reference_memory"
        assert narrow.compare("1", wide, 20.0).relation == "memory"
        assert narrow.compare("1", "1", 5.0).relation == "same"
    finally:
        narrow.close()


@pytest.mark.slow
def test_the_whole_tree_stays_under_a_gigabyte_and_a_half() -> None:
    with_four = SlowLane(workers=4)
    try:
        with_four.compare("1", "2", 5.0)
        page = os.sysconf("SC_PAGE_SIZE")
        largest = 0
        greedy = [
            r"\int_0^1 (x^2+3x+1)^{5000} dx",
            r"\sum_{k=1}^{n} (k^2+k+1)^{90}",
            r"\frac{d^9}{dx^9} x^{x^{x^{x^x}}}",
            r"\prod_{i=1}^{90000} i",
        ]
        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(with_four.compare, text, "1", 2.0) for text in greedy * 2]
            while not all(future.done() for future in running):
                total = 0
                for pid in {os.getpid(), *group_of(pid_of(with_four))}:
                    try:
                        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
                    except OSError:
                        continue
                largest = max(largest, total)
        assert 100 << 20 < largest < 1.5e9
    finally:
        with_four.close()


def test_nothing_of_one_comparison_reaches_the_next(lane: SlowLane) -> None:
    before = lane.compare("x", "5", 5.0)
    lane.compare("x=5", "x=5", 5.0)
    lane.compare(r"f(x)=x^2", r"f(3)", 5.0)
    lane.compare(r"\sum_{x=1}^{3} x", "i", 5.0)
    after = lane.compare("x", "5", 5.0)
    assert (before.relation, after.relation) == ("different", "different")
    assert lane.compare("f(3)", "9", 5.0).relation == "different"


COMMAND = "__import__('os').system('touch PATH')"
SPELLINGS = [
    COMMAND,
    f"eval({COMMAND!r})",
    f"\\text{{{COMMAND}}}",
    f"\\operatorname{{{COMMAND}}}(x)",
    f"\\mathrm{{{COMMAND}}}",
    f"f({COMMAND})",
    f"x_{{{COMMAND}}}",
    f"\\sum_{{{COMMAND}=1}}^{{2}} 1",
    f"\\int_0^{{{COMMAND}}} x dx",
    f"\\int_0^1 x d{COMMAND}",
    f"\\lim_{{x\\to {COMMAND}}} x",
    f"\\{{{COMMAND}, 1\\}}",
    f"\\begin{{pmatrix}}{COMMAND}\\end{{pmatrix}}",
    f"`{COMMAND}`",
    f"x = {COMMAND}",
    "().__class__.__bases__[0].__subclasses__()",
    "\\variable{" + COMMAND + "}",
    "open('PATH','w').write('x')",
    "exec(\"open('PATH','w')\")",
    "lambda: open('PATH', 'w')",
    "S('" + COMMAND + "')",
    "$(touch PATH)",
    "`touch PATH`",
    "\\input{PATH}",
    "\\write18{touch PATH}",
    "\\immediate\\write18{touch PATH}",
    "\\det\\begin{vmatrix}" + COMMAND + "\\end{vmatrix}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_code_in_an_answer_never_runs(lane: SlowLane, spelling: str, tmp_path: Path) -> None:
    canary = tmp_path / "x"
    text = spelling.replace("PATH", str(canary))
    for pair in ((text, text), (text, "1"), ("1", text), (r"\int_0^1 x dx", text)):
        assert lane.compare(*pair, 2.0).relation != "lost"
    assert not canary.exists()


REFUSED = """
import json, os, socket, subprocess, sys
from assay.verifiers import slow_algebra, slow_worker
import sympy
slow_algebra.forbid_evaluation_of_text()
slow_worker._limit(5.0, 1 << 30)
path = sys.argv[1]
ways = [
    lambda: sympy.sympify("__import__('os').system('touch " + path + "')"),
    lambda: sympy.S("open('" + path + "', 'w')"),
    lambda: sympy.parsing.sympy_parser.parse_expr("1+1"),
    lambda: sympy.lambdify(sympy.Symbol("x"), sympy.Symbol("x") + 1),
    lambda: eval("1+1"),
    lambda: exec("x = 1"),
    lambda: os.system("touch " + path),
    lambda: subprocess.run(["touch", path]),
    lambda: os.fork(),
    lambda: open(path, "w"),
    lambda: os.open(path, os.O_CREAT | os.O_WRONLY),
    lambda: socket.socket(),
    lambda: os.remove(path),
    lambda: os.kill(os.getppid(), 9),
]
ran = []
for number, way in enumerate(ways):
    try:
        way()
    except Exception:
        continue
    ran.append(number)
sys.stdout.write(json.dumps([ran, str(sympy.S("3/2"))]))
"""


def test_the_walls_of_a_comparison_hold_each_by_itself(tmp_path: Path) -> None:
    assert run(REFUSED, str(tmp_path / "canary")) == [[], "3/2"]
    assert not (tmp_path / "canary").exists()
