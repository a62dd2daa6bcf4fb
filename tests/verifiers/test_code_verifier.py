"""What CodeVerifier makes of a response and its tests: statuses and rewards kept apart, one sandbox for all, in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from assay.sandbox import opening
from assay.sandbox.errors import SandboxUnavailable
from assay.verifiers import code_verifier

from assay import AssertTests, Case, CodeVerifier, Judgement, Limits, Problem, Status, StdioTests

TESTS = AssertTests(["assert f(1) == 2", "assert f(2) == 3"], entry_point="f")
RIGHT = "Here:\n```python\ndef f(x):\n    return x + 1\n```\n"


class Fake:
    """A sandbox that says what it is told to say, and notes what it was asked."""

    backend = "fake"
    image: str | None = None

    def __init__(
        self, judgement: Judgement | Exception | Callable[[str], Judgement] | None = None, workers: int = 2
    ) -> None:
        self.workers = workers
        self.judgement = judgement if judgement is not None else Judgement(Status.CORRECT, 2, 2)
        self.asked: list[tuple[str, AssertTests | StdioTests]] = []
        self.closed = 0

    def judge(self, solution: str, tests: AssertTests | StdioTests) -> Judgement:
        self.asked.append((solution, tests))
        if isinstance(self.judgement, Exception):
            raise self.judgement
        return self.judgement(solution) if callable(self.judgement) else self.judgement

    def close(self) -> None:
        self.closed += 1


def judged(status: Status, passed: int = 1, total: int = 2, *cases: Case, detail: str = "") -> Judgement:
    return Judgement(status, passed, total, cases, detail)


# ---- scores


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("credit", ["all", "fraction"])
def test_each_status_has_its_reward(status: Status, credit: Any) -> None:
    passed = 2 if status is Status.CORRECT else 1
    score = CodeVerifier(Fake(judged(status, passed)), credit=credit).score(RIGHT, TESTS)
    assert score.status is status
    if status in (Status.BAD_REFERENCE, Status.INFRA_ERROR):
        assert score.reward is None
    elif status is Status.CORRECT:
        assert score.reward == 1.0
    else:
        assert score.reward == (0.5 if credit == "fraction" else 0.0)
    assert score.answer == "def f(x):\n    return x + 1\n"
    assert score.detail


@pytest.mark.parametrize(("passed", "total"), [(0, 0), (2, 2), (3, 2), (0, 5), (-1, 2)])
def test_no_share_is_paid_that_is_none(passed: int, total: int) -> None:
    """All passed and still not correct contradicts itself; it earns nothing."""
    assert (
        CodeVerifier(Fake(judged(Status.CRASHED, passed, total)), credit="fraction").score(RIGHT, TESTS).reward == 0.0
    )


@pytest.mark.parametrize(
    ("status", "texts", "detail"),
    [
        (Status.INCORRECT, ("a", "f(2)", "3", "4"), "test 2 of 2: f(2) should give 3, gave 4"),
        (Status.CRASHED, ("a", "f(2)", "3", "KeyError: 1"), "test 2 of 2: f(2) should give 3, ended with KeyError: 1"),
        (Status.TIMEOUT, ("a", "f(2)", "3"), "test 2 of 2: f(2) took too long"),
        (Status.INCORRECT, ("assert f(2)",), "test 2 of 2: assert f(2) did not pass"),
        (Status.UNVERIFIABLE, ("a", "f(2)", "", "an __eq__"), "test 2 of 2: f(2) cannot be verified: an __eq__"),
        (
            Status.CRASHED,
            ("loading the solution", "", "", "SyntaxError: bad"),
            "the program does not load: SyntaxError: bad",
        ),
        (Status.INCORRECT, (), "what the sandbox said"),
    ],
)
def test_the_failing_case_is_told(status: Status, texts: tuple[str, ...], detail: str) -> None:
    case = Case(status, *texts)
    judgement = judged(
        case.status, 1, 2, Case(Status.CORRECT, "assert f(1) == 2"), case, detail="what the sandbox said"
    )
    assert CodeVerifier(Fake(judgement)).score(RIGHT, TESTS).detail.endswith(detail)


def test_long_values_are_cut() -> None:
    case = Case(Status.INCORRECT, "a", "f(" + "1" * 9999 + ")", "\n" * 999 + "3" * 9999, "4\n" * 9999)
    detail = CodeVerifier(Fake(judged(Status.INCORRECT, 0, 1, case))).score(RIGHT, TESTS).detail
    assert len(detail) < 500
    assert "\n" not in detail
    assert detail.startswith("f(111")


# ---- what goes to the sandbox


def test_the_code_and_the_tests_go_there() -> None:
    box = Fake()
    CodeVerifier(box).score(RIGHT, Problem("1", "prompt", tests=TESTS))
    assert box.asked == [("def f(x):\n    return x + 1\n", TESTS)]


def test_code_in_the_thinking_is_not_judged() -> None:
    box = Fake()
    wrong = "```python\ndef f(x):\n    return 0\n```"
    verifier = CodeVerifier(box)
    verifier.score(f"<think>{wrong}</think>{RIGHT}<think>{wrong}</think>", TESTS)
    assert "return x + 1" in box.asked[0][0]
    for response in (f"<think>{RIGHT}</think>", f"<think>{RIGHT}"):
        assert verifier.score(response, TESTS).status is Status.NO_ANSWER
    assert CodeVerifier(box, prefilled=True).score(RIGHT, TESTS).status is Status.NO_ANSWER
    assert CodeVerifier(box, open="[T]", close="[/T]").score(f"[T]{wrong}[/T]{RIGHT}", TESTS).reward == 1.0
    assert len(box.asked) == 2


def test_the_prompt_goes_before_a_body() -> None:
    box = Fake()
    tests = AssertTests(["check(f)"], "def check(f): assert f(1) == 2", "f", "import math\n\ndef f(x):\n    'Add.'\n")
    CodeVerifier(box).score("    return x + 1", tests)
    assert box.asked[0][0] == "import math\n\ndef f(x):\n    'Add.'\n    return x + 1\n"


@pytest.mark.parametrize(
    ("tests", "blocks"),
    [
        (AssertTests(["assert g(1) == 2"]), ["def f(): 0", "def g(x): return 2", "x = 1"]),
        (AssertTests(["assert A().g(1) == 2"], entry_point="A().g"), ["class A:\n    def g(self, x): return 2"]),
        (AssertTests(["t = Tree()\nassert height(t) == 2"]), ["class Tree: pass\ndef height(t): return 2", "5"]),
        (AssertTests(["assert math.isclose(g(1), 2)"], "import math"), ["def g(x): return 2", "math = 1"]),
        (AssertTests([], "assert g(1) == 2"), ["def g(x): return 2", "y = 1"]),
    ],
)
def test_tests_without_an_entry_point_show_what_they_need(tests: AssertTests, blocks: list[str]) -> None:
    box = Fake()
    response = "\n".join(f"```python\n{block}\n```" for block in blocks)
    assert CodeVerifier(box).score(response, tests).reward == 1.0
    assert "return 2" in box.asked[0][0]


def test_blocks_are_joined_when_asked() -> None:
    box = Fake()
    CodeVerifier(box, blocks="all").score("```py\nimport math\n```\nand\n```py\ndef f(x): return x\n```", TESTS)
    assert "import math" in box.asked[0][0]


# ---- what never gets there


@pytest.mark.parametrize("response", ["", "no code", "```python\ndef g(): pass\n```", "\0", "\ud800", "x" * 2_000_000])
def test_a_response_without_code(response: str) -> None:
    box = Fake()
    score = CodeVerifier(box).score(response, TESTS)
    assert (score.reward, score.status, score.answer) == (0.0, Status.NO_ANSWER, None)
    assert score.detail
    assert not box.asked


@pytest.mark.parametrize("response", [None, 3, b"def f(): 1", ["def f(): 1"]])
def test_what_is_no_text(response: Any) -> None:
    assert CodeVerifier(Fake()).score(response, TESTS).status is Status.NO_ANSWER


@pytest.mark.parametrize(
    "problem",
    [
        Problem("1", references=("5",)),
        AssertTests([]),
        StdioTests([]),
        AssertTests(["assert f( == 2"]),
        AssertTests(["assert f(1)"], setup="def g(:"),
        AssertTests(["assert f(1)\0"]),
        AssertTests(["assert f(" + "-" * 100_000 + "1)"]),
        "assert f(1) == 2",
        None,
    ],
)
@pytest.mark.parametrize("response", [RIGHT, "no code"])
def test_bad_tests_are_nobodys_fault(problem: Any, response: str) -> None:
    """Whatever the response is: else a bad row would punish some responses of a group and skip the others."""
    box = Fake()
    score = CodeVerifier(box).score(response, problem)
    assert (score.reward, score.status) == (None, Status.BAD_REFERENCE)
    assert "tests" in score.detail
    assert not box.asked


def test_surrogates_buy_no_missing_verdict() -> None:
    box = Fake(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"))
    score = CodeVerifier(box).score("```python\ndef f(x): return '\ud800'\n```", TESTS)
    assert (score.reward, score.status) == (0.0, Status.CRASHED)


def test_a_sandbox_that_fails_is_our_fault() -> None:
    score = CodeVerifier(Fake(OSError("gone"))).score(RIGHT, TESTS)
    assert (score.reward, score.status) == (None, Status.INFRA_ERROR)
    assert "gone" in score.detail


def test_explain_says_where_the_code_was() -> None:
    verifier = CodeVerifier(Fake())
    told = verifier.explain(RIGHT, TESTS)
    assert told.how == "the last fenced block that defines 'f'"
    assert told.judgement is not None
    assert verifier.explain("", TESTS).judgement is None


# ---- the sandbox and its owner


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    """Open fakes in place of sandboxes, and list them."""
    boxes: list[Fake] = []

    def open_fake(
        backend: str, workers: int | None = None, limits: Limits | None = None, image: str | None = None
    ) -> Fake:
        if backend == "bubblewrap":
            raise SandboxUnavailable("bwrap is not installed: apt install bubblewrap")
        boxes.append(Fake(workers=workers or 2))
        boxes[-1].backend = backend
        boxes[-1].image = image
        return boxes[-1]

    monkeypatch.setattr(opening, "open_sandbox", open_fake)
    return boxes


def test_an_open_sandbox_stays_its_owners() -> None:
    box = Fake()
    with CodeVerifier(box) as verifier:
        assert verifier.start() is box
        verifier.score(RIGHT, TESTS)
    assert not box.closed


def test_a_named_backend_opens_at_the_first_verdict_and_once(
    opened: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_at_once, open_fake = threading.Barrier(2), opening.open_sandbox

    def slowly(*arguments: Any, **settings: Any) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):  # nobody else may come here
            two_at_once.wait(0.2)
        return open_fake(*arguments, **settings)

    monkeypatch.setattr(opening, "open_sandbox", slowly)
    with CodeVerifier("docker", workers=3) as verifier:
        assert not opened
        assert verifier.score("no code", TESTS).status is Status.NO_ANSWER
        assert not opened
        start = threading.Barrier(8)

        def score(_: int) -> float | None:
            start.wait()
            return verifier.score(RIGHT, TESTS).reward

        threads = [threading.Thread(target=score, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (box,) = opened
        assert (box.backend, box.workers, len(box.asked)) == ("docker", 3, 8)
    assert box.closed == 1
    verifier.score(RIGHT, TESTS)
    assert len(opened) == 2, "a closed verifier that is used again opens another"
    verifier.close()


def test_a_dropped_verifier_closes_what_it_opened(opened: list[Fake]) -> None:
    verifier = CodeVerifier("auto")
    verifier.score(RIGHT, TESTS)
    del verifier
    assert opened[0].closed == 1


def test_a_missing_backend_is_told_at_once(opened: list[Fake]) -> None:
    verifier = CodeVerifier("bubblewrap")
    with pytest.raises(SandboxUnavailable, match="apt install"):
        verifier.start()
    with pytest.raises(SandboxUnavailable, match="apt install"):
        verifier.score(RIGHT, TESTS)


def test_a_verifier_goes_to_other_processes_by_its_settings(opened: list[Fake]) -> None:
    verifier = CodeVerifier(
        "docker", "fraction", "all", Limits(wall_seconds=3), 5, "[T]", "[/T]", True, "program", "mine"
    )
    assert verifier.start().image == "mine"
    other = pickle.loads(pickle.dumps(verifier))
    assert len(opened) == 1
    assert (other.credit, other.blocks, other.open, other.close_tag, other.prefilled, other.name) == (
        "fraction", "all", "[T]", "[/T]", True, "program",
    )  # fmt: skip
    assert (other.start().workers, other.start().image) == (5, "mine")
    assert len(opened) == 2
    verifier.close()
    other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_does_not_inherit_a_held_lock(opened: list[Fake]) -> None:
    verifier = CodeVerifier("docker")
    with verifier._box._lock:  # as a thread that is opening it would have it
        child = os.fork()
        if child == 0:
            os._exit(0 if verifier.score(RIGHT, TESTS).reward == 1.0 else 1)
        for _ in range(1000):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            threading.Event().wait(0.01)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child waits for a lock that nobody holds")
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"sandbox": "podman"}, ValueError, "docker"),
        ({"sandbox": 3}, TypeError, "open sandbox"),
        ({"credit": "half"}, ValueError, "fraction"),
        ({"blocks": "first"}, ValueError, "last"),
        ({"workers": 0}, ValueError, "at least 1"),
        ({"open": ""}, ValueError, "tag"),
        ({"sandbox": Fake(), "limits": Limits()}, ValueError, "open_sandbox"),
        ({"sandbox": Fake(), "workers": 2}, ValueError, "open_sandbox"),
        ({"sandbox": Fake(), "image": "mine"}, ValueError, "open_sandbox"),
        ({"sandbox": "bubblewrap", "image": "mine"}, ValueError, "Python of this machine"),
        ({"sandbox": "restricted", "image": "mine"}, ValueError, "Python of this machine"),
        ({"sandbox": "docker", "image": ""}, ValueError, "name of an image"),
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        CodeVerifier(**settings)


# ---- many


def test_many_come_back_in_order_with_few_in_hand() -> None:
    drawn = 0
    entered = threading.Semaphore(0)

    def judge(solution: str) -> Judgement:
        number = int(solution.rpartition(" ")[2])
        if number % 2:
            entered.acquire(timeout=5)  # an odd one waits until an even one is through
        else:
            entered.release()
        return Judgement(Status.CORRECT if number % 3 else Status.INCORRECT, 1, 1)

    def pairs() -> Iterator[tuple[str, AssertTests]]:
        nonlocal drawn
        for number in range(400):
            drawn += 1
            yield f"def f(): return {number}", TESTS

    verifier = CodeVerifier(Fake(judge, workers=3))
    for number, score in enumerate(verifier.score_many(pairs())):
        assert score.answer == f"def f(): return {number}"
        assert score.reward == (1.0 if number % 3 else 0.0)
        assert drawn - number <= 100
    assert drawn == 400


def test_many_in_one_thread() -> None:
    here = threading.get_ident()
    seen = set()

    def judge(solution: str) -> Judgement:
        seen.add(threading.get_ident())
        return Judgement(Status.CORRECT, 1, 1)

    assert [s.reward for s in CodeVerifier(Fake(judge)).score_many([(RIGHT, TESTS)] * 3, workers=1)] == [1.0] * 3
    assert seen == {here}


def test_under_asyncio_the_loop_goes_on() -> None:
    turn = threading.Event()

    def judge(solution: str) -> Judgement:
        assert turn.wait(5)
        return Judgement(Status.CORRECT, 1, 1)

    async def main() -> list[float | None]:
        verifier = CodeVerifier(Fake(judge))
        tasks = [asyncio.create_task(verifier.ascore(RIGHT, TESTS)) for _ in range(3)]
        await asyncio.sleep(0)
        turn.set()
        return [score.reward for score in await asyncio.gather(*tasks)]

    assert asyncio.run(main()) == [1.0] * 3


def test_the_tests_of_a_group_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    code_verifier._wanted.cache_clear()
    verifier = CodeVerifier(Fake())
    for _ in range(8):
        verifier.score(RIGHT, AssertTests(["assert f(7) == 8"]))
    assert code_verifier._wanted.cache_info().misses == 1
