r"""Does the class MathVerifier keep its contract: settings, many at once, asyncio, threads, forks, pickles, closing?

What counts as the same answer is in test_answers_page.py and test_cases.py; the two texts here are one that the fast lane
decides and one that only the slow lane can.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from assay.verifiers import math_verifier as module

from assay import MathVerifier, Problem, Score, Status

LINUX = sys.platform.startswith("linux")
on_linux = pytest.mark.skipif(not LINUX, reason="processes are counted in /proc")

FAST = (r"Half of it: \boxed{\frac12}", "0.5")
SLOW = (r"So \boxed{\int_0^1 x^2\,dx}", r"\frac13")
SLOW_WRONG = (r"So \boxed{\int_0^1 x^3\,dx}", r"\frac13")


@pytest.fixture
def verifier() -> Iterator[MathVerifier]:
    # A deadline that a busy machine keeps: what is asked here is not how fast.
    with MathVerifier(deadline=10.0) as made:
        yield made


def children() -> set[str]:
    """Return the processes that this one has, ended ones that nobody waited for included."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def run(script: str) -> str:
    """Run Python in a process of its own, warnings as errors, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- settings


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"extract": "all"}, "extract must be 'boxed' or 'lenient', not 'all'"),
        ({"extract": None}, "extract must be 'boxed' or 'lenient', not None"),
        ({"form": "exact"}, "form must be 'value' or 'evaluated', not 'exact'"),
        ({"deadline": 0}, "deadline must be a positive number of seconds, not 0"),
        ({"deadline": -1.0}, "deadline must be a positive number of seconds, not -1.0"),
        ({"deadline": float("nan")}, "deadline must be a positive number of seconds, not nan"),
        ({"answer_after": " "}, "answer_after must be a mark such as 'A:', not blank"),
        ({"open": ""}, "tag"),
        ({"close": " "}, "tag"),
        ({"open": "<t>", "close": "<t>"}, "<t>"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        MathVerifier(**wrong)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="tolerance"):
        MathVerifier(tolerance=0.1)  # type: ignore[call-arg]


def test_settings_can_be_read_back() -> None:
    made = MathVerifier("lenient", "evaluated", 2.5, name="strict")
    assert (made.extract, made.form, made.deadline, made.name) == ("lenient", "evaluated", 2.5, "strict")
    assert MathVerifier().name == "math"


def test_thinking_tags_are_those_given() -> None:
    with MathVerifier(open="[THINK]", close="[/THINK]") as made:
        assert made.score(r"[THINK]\boxed{4}[/THINK]\boxed{5}", "5").reward == 1.0
        assert made.score(r"[THINK]\boxed{5}[/THINK] five", "5").status is Status.NO_ANSWER
        assert made.score(r"<think>\boxed{5}", "5").reward == 1.0
    with MathVerifier(open="<t>", close="</t>") as made:
        assert made.score(r"<t>\boxed{5}", "5").status is Status.NO_ANSWER


def test_a_prefilled_response_begins_inside_its_thinking() -> None:
    with MathVerifier(prefilled=True) as made:
        assert made.score(r"2+3</think>\boxed{5}", "5").reward == 1.0
        assert made.score(r"\boxed{5}", "5").status is Status.NO_ANSWER
        assert made.score(r"\boxed{5}</think>five", "5").status is Status.NO_ANSWER


def test_answer_after_a_mark() -> None:
    with MathVerifier(answer_after="A:") as made:
        assert made.score("9 * 2\nA: 17\nno\nA: 18", "18").reward == 1.0
        assert made.score("9 * 2\nA: 18\nno\nA: 17", "18").reward == 0.0
        assert made.score("A: 18\nand so on", "18").reward == 1.0
        assert "'A:' does not occur" in made.score(r"\boxed{18}", "18").detail
        assert "nothing follows" in made.score("A: ", "18").detail
        assert made.score("<think>A: 18</think>", "18").status is Status.NO_ANSWER


# ---- references


def test_one_of_several_references_is_enough(verifier: MathVerifier) -> None:
    for references in (("0.5", "2"), ("2", "0.5"), ("2", "3", "1/2")):
        assert verifier.score(FAST[0], Problem("p", references=references)).reward == 1.0
    assert verifier.score(FAST[0], Problem("p", references=("2", "3"))).status is Status.INCORRECT
    assert verifier.score(SLOW[0], Problem("p", references=("2", SLOW[1]))).reward == 1.0


@pytest.mark.parametrize("references", [(), ("",), (" \n",), ("5", ""), (None,), ("5", 5)], ids=repr)
def test_a_problem_without_a_reference_has_no_verdict(verifier: MathVerifier, references: tuple[Any, ...]) -> None:
    score = verifier.score(r"\boxed{5}", Problem("p", references=references))
    assert (score.status, score.reward) == (Status.BAD_REFERENCE, None)


@pytest.mark.parametrize("reference", [r"\frac{1}{", r"\sum_{k}", "5 +", "1/0", "$$", r"\\"])
def test_a_reference_that_cannot_be_read_has_no_verdict(verifier: MathVerifier, reference: str) -> None:
    score = verifier.score(r"\boxed{7}", reference)
    assert (score.status, score.reward) == (Status.BAD_REFERENCE, None)
    assert "reference" in score.detail


def test_a_bad_reference_beside_one_that_is_met_does_not_matter(verifier: MathVerifier) -> None:
    assert verifier.score(FAST[0], Problem("p", references=(r"\frac{1}{", "0.5"))).reward == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "8",
        "",
        "your answer",
        "x",
        "7, 8",
        r"\frac{7",
        "}{",
        r"\foo",
        "7" * 5000,
        r"\int x",
        "1/0",
        "\x00",
        "ü",
        r"\begin{a}",
    ],
)
def test_no_answer_buys_itself_out_of_a_verdict(verifier: MathVerifier, answer: str) -> None:
    """None is for what is not the response's fault: a response must not be able to bring it about."""
    for reference in ("7", r"\frac{\pi}{7}", "(1,2)", r"\text{east}", "x^2+7"):
        assert verifier.score(f"\\boxed{{{answer}}}", reference).reward == 0.0


# ---- explain


def test_explain_says_how_the_fast_lane_read_both_sides(verifier: MathVerifier) -> None:
    told = verifier.explain(*FAST)
    assert (told.score.status, told.extracted, told.where) == (Status.CORRECT, r"\frac12", "the last box")
    assert (told.reference_read, told.answer_read, told.lane) == ("0.5", "1/2", "fast")
    assert told.score.answer == told.extracted


def test_explain_says_what_the_slow_lane_found(verifier: MathVerifier) -> None:
    told = verifier.explain(*SLOW)
    assert (told.lane, told.score.reward) == ("slow", 1.0)
    assert told.score.detail.startswith("computer algebra")
    assert "Integral" in told.answer_read or "int" in told.answer_read.lower()
    assert "1/3" in told.reference_read.replace(" ", "")
    assert verifier.explain(*SLOW_WRONG).score.status is Status.INCORRECT


def test_explain_says_why_nothing_was_compared(verifier: MathVerifier) -> None:
    told = verifier.explain("It is five.", "5")
    assert (told.lane, told.extracted, told.reference_read, told.answer_read) == ("none", None, "", "")
    assert told.where == told.score.detail
    assert "boxed" in told.where
    assert verifier.explain(r"\boxed{5}", "").lane == "none"


def test_score_is_what_explain_says(verifier: MathVerifier) -> None:
    for pair in (FAST, SLOW, SLOW_WRONG, ("It is five.", "5"), (r"\boxed{5}", ""), (r"\boxed{1} or \boxed{2}", "1")):
        assert verifier.score(*pair)[:4] == verifier.explain(*pair).score[:4]


def test_a_score_takes_the_time_it_says(verifier: MathVerifier) -> None:
    assert 0 < verifier.score(r"\boxed{5}", "5").seconds < 60
    assert 0 < verifier.score(*SLOW).seconds < 60


# ---- many at once


def mixed(count: int) -> list[tuple[tuple[str, str], float]]:
    """Return rows of every kind, slow ones among them, each with the reward that it should get."""
    kinds = [
        lambda n: ((rf"\boxed{{{n}}}", str(n)), 1.0),
        lambda n: ((rf"\boxed{{{n}}}", str(n + 1)), 0.0),
        lambda n: ((rf"\boxed{{\int_0^1 {n}x\,dx}}", rf"\frac{{{n}}}{{2}}"), 1.0),
        lambda n: ((rf"\boxed{{\frac{{{n}}}{{7}}}}", rf"\frac{{{2 * n}}}{{14}}"), 1.0),
        lambda n: ((f"it is {n}", str(n)), 0.0),
        lambda n: ((rf"\boxed{{\lim_{{x\to 0}} {n}x}}", "5"), 0.0),
    ]
    return [kinds[n % len(kinds)](n + 1) for n in range(count)]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_score_many_keeps_the_order(verifier: MathVerifier, workers: int) -> None:
    rows = mixed(48)
    scores = list(verifier.score_many((pair for pair, _ in rows), workers=workers))
    assert [score.reward for score in scores] == [reward for _, reward in rows]
    assert [score.answer for score in scores] == [verifier.score(*pair).answer for pair, _ in rows]


def test_score_many_takes_problems(verifier: MathVerifier) -> None:
    rows = [(pair[0], Problem("p", references=(pair[1],))) for pair, _ in mixed(12)]
    assert [s.reward for s in verifier.score_many(rows, workers=3)] == [reward for _, reward in mixed(12)]
    assert list(verifier.score_many([], workers=3)) == []


@pytest.mark.parametrize("workers", [0, -1])
def test_score_many_wants_a_worker(verifier: MathVerifier, workers: int) -> None:
    with pytest.raises(ValueError, match=r"at least 1|greater than 0"):
        list(verifier.score_many([FAST], workers=workers))


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("row", [FAST, SLOW, ("no box", "5")], ids=["fast", "slow", "none"])
def test_score_many_reads_ahead_a_little_only(verifier: MathVerifier, workers: int, row: tuple[str, str]) -> None:
    """Memory does not grow with the input: an endless one is read as far as it is asked for, and a bit."""
    taken = 0

    def endless() -> Iterator[tuple[str, str]]:
        nonlocal taken
        while taken < 150:  # an end, for a verifier that would read on and on
            taken += 1
            yield row

    with closing(verifier.score_many(endless(), workers=workers)) as scores:  # type: ignore[type-var]
        for count in range(1, 21):
            next(scores)
            assert taken <= count + 8 * workers + 1


def test_ten_times_the_rows_take_no_more_memory(verifier: MathVerifier) -> None:
    def peak(count: int) -> int:
        rows = ((rf"Row {n} is worth \boxed{{{n}}}", str(n + n % 2)) for n in range(count))
        tracemalloc.start()
        assert sum(1 for _ in verifier.score_many(rows, workers=2)) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(500)
    assert peak(5_000) < peak(500) + 100_000


@pytest.mark.parametrize("workers", [1, 4])
def test_score_many_may_be_left_in_the_middle(verifier: MathVerifier, workers: int) -> None:
    rows = [pair for pair, _ in mixed(48)]
    scores = verifier.score_many(iter(rows), workers=workers)
    assert len(list(islice(scores, 7))) == 7
    scores.close()  # type: ignore[attr-defined]
    assert verifier.score(*SLOW).reward == 1.0


@pytest.mark.parametrize("workers", [1, 4])
def test_an_error_in_the_input_reaches_the_caller(verifier: MathVerifier, workers: int) -> None:
    def rows() -> Iterator[tuple[str, str]]:
        yield FAST
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(verifier.score_many(rows(), workers=workers))


def test_many_at_once_under_asyncio(verifier: MathVerifier) -> None:
    rows = mixed(60)

    async def all_of_them() -> list[Score]:
        return await asyncio.gather(*(verifier.ascore(*pair) for pair, _ in rows))

    assert [score.reward for score in asyncio.run(all_of_them())] == [reward for _, reward in rows]
    # Another event loop, the same verifier.
    assert asyncio.run(verifier.ascore(*SLOW)).reward == 1.0


def test_the_event_loop_goes_on_while_a_verdict_is_made(verifier: MathVerifier) -> None:
    async def ticks_meanwhile() -> int:
        verdict = asyncio.ensure_future(verifier.ascore(*SLOW))  # the worker starts first: that takes its time
        ticks = 0
        while not verdict.done():
            await asyncio.sleep(0)
            ticks += 1
        assert (await verdict).reward == 1.0
        return ticks

    assert asyncio.run(ticks_meanwhile()) > 10


def test_threads_share_a_verifier(verifier: MathVerifier) -> None:
    rows = mixed(36)
    wrong: list[Any] = []
    begin = threading.Barrier(6)
    before = children() if LINUX else set()

    def work(offset: int) -> None:
        begin.wait()  # the first slow verdicts come at the same time: one process is started, not six
        for pair, reward in rows[offset:] + rows[:offset]:
            score = verifier.score(*pair)
            if score.reward != reward:
                wrong.append((pair, score))

    threads = [threading.Thread(target=work, args=(6 * n + 2,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    if LINUX:
        assert len(children() - before) <= 1


# ---- processes


@on_linux
def test_no_process_is_started_before_one_is_needed() -> None:
    before = children()
    with MathVerifier() as made:
        for pair in (FAST, ("no box", "5"), (r"\boxed{x^2-1}", "(x-1)(x+1)"), (r"\boxed{1/0}", "5")):
            made.score(*pair)
        assert children() == before
        made.score(*SLOW)
        assert len(children()) == len(before) + 1
    assert children() == before


@on_linux
def test_a_verifier_that_is_dropped_takes_its_process_along() -> None:
    before = children()
    made = MathVerifier(deadline=10.0)
    made.score(*SLOW)
    assert children() > before
    del made
    gc.collect()
    assert children() == before


def test_a_closed_verifier_may_be_used_again(verifier: MathVerifier) -> None:
    for _ in range(2):
        assert verifier.score(*SLOW).reward == 1.0
        verifier.close()
        verifier.close()
        assert verifier.score(*FAST).reward == 1.0


@on_linux
def test_a_worker_that_is_killed_is_replaced(verifier: MathVerifier) -> None:
    before = children()
    for _ in range(3):
        assert verifier.score(*SLOW).reward == 1.0
        (worker,) = children() - before
        os.kill(int(worker), signal.SIGKILL)
    assert verifier.score(*SLOW_WRONG).status is Status.INCORRECT


def test_where_no_process_can_be_started_there_is_no_verdict(
    verifier: MathVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    score = verifier.score(*SLOW)
    assert (score.status, score.reward) == (Status.INFRA_ERROR, None)
    assert "process" in score.detail
    assert verifier.score(*FAST).reward == 1.0
    monkeypatch.undo()
    assert verifier.score(*SLOW).reward == 1.0


def test_a_fault_of_ours_is_neither_rewarded_nor_punished(
    verifier: MathVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(module, "undress", broken)
    score = verifier.score(*FAST)
    assert (score.status, score.reward) == (Status.INFRA_ERROR, None)
    assert "a bug" in score.detail


def test_a_deadline_ends_the_verdict_and_nothing_else() -> None:
    with MathVerifier(deadline=0.05) as hasty:
        assert hasty.score(r"\boxed{\int_0^1 \sin(x^{x^{x}}) e^{x^x}\,dx}", "5").reward == 0.0
        assert hasty.score(*FAST).reward == 1.0
    with MathVerifier(deadline=10.0) as patient:
        assert patient.score(*SLOW).reward == 1.0


@pytest.mark.parametrize("used", [False, True])
def test_a_pickle_is_another_verifier_with_the_same_settings(used: bool) -> None:
    with MathVerifier(extract="lenient", deadline=10.0, open="<t>", close="</t>", name="mine") as original:
        if used:
            assert original.score(*SLOW).reward == 1.0
        with pickle.loads(pickle.dumps(original)) as copy:
            assert (copy.name, copy.extract, copy.deadline, copy.open) == ("mine", "lenient", 10.0, "<t>")
            assert copy.score(*SLOW).reward == 1.0
            assert copy.score("<t>so</t> The answer is 5.", "5").reward == 1.0
            original.close()
            assert copy.score(*SLOW_WRONG).status is Status.INCORRECT


IN_A_FORK = rf"""
import os
from assay import MathVerifier
verifier = MathVerifier(deadline=10.0)

def rewards(pair):  # many: were both on one worker, one would get the other's replies
    return {{verifier.score(*pair).reward for _ in range(15)}}

for round in range(2):  # once before there is a worker, once after
    child = os.fork()
    if child == 0:
        good = rewards({SLOW_WRONG!r}) == {{0.0}}
        verifier.close()
        os._exit(0 if good else 1)
    print(*rewards({SLOW!r}), os.waitpid(child, 0)[1], *rewards({SLOW!r}))
verifier.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_and_its_parent_both_go_on() -> None:
    assert run(IN_A_FORK).split() == ["1.0", "0", "1.0"] * 2


UNCLOSED = rf"""
import os
from assay import MathVerifier
verifier = MathVerifier(deadline=10.0)
assert verifier.score(*{SLOW!r}).reward == 1.0
(task,) = os.listdir("/proc/self/task")
print(open(f"/proc/self/task/{{task}}/children").read())
"""


@on_linux
def test_an_interpreter_that_ends_leaves_no_process() -> None:
    workers = run(UNCLOSED).split()
    assert len(workers) == 1
    assert not any(Path("/proc", pid).exists() for pid in workers)


UNGUARDED = rf"""
from assay import MathVerifier
for score in MathVerifier(deadline=10.0).score_many([{SLOW!r}, {FAST!r}], workers=2):
    print(score.reward)
"""


def test_a_script_without_a_main_guard_runs_once() -> None:
    """As multiprocessing would not: it imports the script again in each worker."""
    assert run(UNGUARDED).split() == ["1.0", "1.0"]
