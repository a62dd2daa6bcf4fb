"""Does the program in a response pass its tests?

`CodeVerifier` puts the pieces in a row: response -> visible text (thinking) -> program (code_extraction) -> Judgement
(a sandbox, where it runs apart from its tests) -> Score. No code of a response or of a test runs in this process.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import textwrap
import threading
import weakref
from collections.abc import Iterable, Iterator
from functools import lru_cache
from time import perf_counter
from typing import Any, Literal, NamedTuple, Protocol

from ..parsing import FAULTS, parse
from ..records import AssertTests, Case, Judgement, Limits, Problem, Score, Status, StdioTests
from .code_extraction import Wanted, find_code
from .code_parsing import bound_names
from .thinking import CLOSE, OPEN, check_tags, split_thinking
from .verifier import Verifier, in_order

__all__ = ["BACKENDS", "BAD_TESTS", "WITH_IMAGES", "CodeVerifier", "Explanation", "Sandbox"]

BACKENDS = ("auto", "docker", "bubblewrap", "restricted")
WITH_IMAGES = ("auto", "docker")
BAD_TESTS = "bad_tests"  # in the meta of a Problem whose row had tests that could not be used: why
LOADING = "loading the solution"  # the source of a case that failed before any test
CUT = 120  # characters of an input, an expected and a given value in a detail


class Sandbox(Protocol):
    """What a verifier needs of an open sandbox."""

    workers: int
    backend: str

    def judge(self, solution: str, tests: AssertTests | StdioTests) -> Judgement:
        """Run the solution against the tests; any thread may call, and waits."""

    def close(self) -> None:
        """End it."""


class Explanation(NamedTuple):
    """A score with what led to it: where the code was found, and what the sandbox said (None: nothing was run)."""

    score: Score
    how: str
    judgement: Judgement | None


class CodeVerifier(Verifier):
    """Earns 1.0 for a program that passes every test of its problem, else 0.0, or with credit="fraction" the share it passes.

    sandbox  an open sandbox (its owner closes it), or the name of a backend ("auto" takes docker, else bubblewrap): that
             is opened at the first verdict, shared by all threads, opened again after a fork or in another process that
             got this verifier pickled, and ended by `close`
    credit   "all": every test or nothing. "fraction": the share of the tests that passed; the status is CORRECT only if
             all did
    blocks   "last": the last fenced block that defines the entry point. "all": all Python blocks are one program
    limits   what a program may use, and workers: how many run at a time; for a backend that is opened here
    image    of the containers, for one with packages; for docker, opened here
    open, close, prefilled   the thinking tags, as `MathVerifier` has them: code in the thinking is not judged

        >>> with CodeVerifier("docker") as verifier:
        ...     verifier.score(response, AssertTests(["assert add(1, 2) == 3"]))
    """

    # Judged by tests; nobody needs to find a reference answer on its account.
    needs_reference = False
    needs_tests = True

    def __init__(
        self,
        sandbox: Sandbox | str = "auto",
        credit: Literal["all", "fraction"] = "all",
        blocks: Literal["last", "all"] = "last",
        limits: Limits | None = None,
        workers: int | None = None,
        open: str = OPEN,
        close: str = CLOSE,
        prefilled: bool = False,
        name: str = "code",
        image: str | None = None,
    ) -> None:
        if credit not in ("all", "fraction"):
            raise ValueError(f"credit must be 'all' or 'fraction', not {credit!r}")
        if blocks not in ("last", "all"):
            raise ValueError(f"blocks must be 'last' or 'all', not {blocks!r}")
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        if isinstance(sandbox, str):
            if sandbox not in BACKENDS:
                raise ValueError(f"sandbox must be an open sandbox or one of {', '.join(BACKENDS)}, not {sandbox!r}")
            if image is not None and sandbox not in WITH_IMAGES:
                raise ValueError(f"image={image!r} is for docker; {sandbox} runs the Python of this machine")
            if image == "":
                raise ValueError("image must be the name of an image; leave it out for the usual one")
        elif not callable(getattr(sandbox, "judge", None)):
            raise TypeError(f"sandbox must be an open sandbox or the name of a backend, not {sandbox!r}")
        elif limits is not None or workers is not None or image is not None:
            raise ValueError("limits, workers and image belong to an open sandbox: give them to open_sandbox(...)")
        check_tags(open, close)
        self.name = name
        self.credit = credit
        self.blocks: Literal["last", "all"] = blocks
        self.open, self.close_tag, self.prefilled = open, close, prefilled
        self._box = _Box(sandbox, limits, workers, image)

    def start(self) -> Sandbox:
        """Open the sandbox if it is not open yet, and return it.

        Raises SandboxUnavailable, whose message says what is missing and what to do.
        """
        return self._box.opened()

    def close(self) -> None:
        """Close the sandbox that was opened here; a closed verifier that is used again opens another."""
        self._box.close()

    def score(self, response: str, problem: Problem | AssertTests | StdioTests | str) -> Score:
        """Return the verdict; never raises for what the response or the tests hold.

        Raises SandboxUnavailable if there is no sandbox to be had.
        """
        return self.explain(response, problem).score

    def score_many(self, pairs: Iterable[tuple[str, Any]], workers: int | None = None) -> Iterator[Score]:
        """Yield the verdict of each (response, problem), in order; holds a few rows at a time, however many come.

        workers  threads that wait for verdicts; None: eight for each worker of the sandbox, so that it has the responses
                 to one problem before it and need not change between the tests of several
        """
        if workers is None:
            workers = 8 * self.start().workers
        return in_order(lambda pair: self.score(*pair), pairs, workers)

    async def ascore(self, response: str, problem: Problem | AssertTests | StdioTests | str) -> Score:
        """Return the verdict without blocking the event loop."""
        return await super().ascore(response, problem)  # type: ignore[arg-type]

    def explain(self, response: str, problem: Problem | AssertTests | StdioTests | str) -> Explanation:
        """Return the verdict with what led to it."""
        start = perf_counter()

        def unjudged(status: Status, detail: str, answer: str | None = None) -> Explanation:
            reward = 0.0 if status.is_verdict else None
            return Explanation(Score(reward, status, answer, detail, perf_counter() - start), detail, None)

        tests = problem.tests if isinstance(problem, Problem) else problem
        asked = _asked(tests)
        if isinstance(asked, str):
            why = problem.meta.get(BAD_TESTS) if isinstance(problem, Problem) else None
            return unjudged(Status.BAD_REFERENCE, why or asked)
        assert isinstance(tests, AssertTests | StdioTests)
        if not isinstance(response, str):
            return unjudged(Status.NO_ANSWER, f"the response is not text but {type(response).__name__}")
        try:
            _, visible = split_thinking(response, self.open, self.close_tag, self.prefilled)
            code, how = find_code(visible, asked, self.blocks)
        except Exception as error:  # a bug of ours
            return unjudged(Status.INFRA_ERROR, f"looking for the code failed: {_words(error)}")
        if code is None:
            return unjudged(Status.NO_ANSWER, how)
        if not code.isascii() and not _encodable(code):
            return unjudged(Status.CRASHED, "the code holds characters that no file can hold (lone surrogates)", code)
        box = self.start()
        try:
            seconds = perf_counter() - start
            judgement = box.judge(code, tests)
            score = self._score(judgement, code, seconds + judgement.seconds)
        except Exception as error:
            failed = unjudged(Status.INFRA_ERROR, f"the sandbox failed: {_words(error)}", code)
            return failed._replace(how=how)
        return Explanation(score, how, judgement)

    def _score(self, judgement: Judgement, code: str, seconds: float) -> Score:
        status = judgement.status
        reward: float | None = None
        if status is Status.CORRECT:
            reward = 1.0
        elif status.is_verdict:
            share = self.credit == "fraction" and 0 < judgement.passed < judgement.total
            reward = judgement.passed / judgement.total if share else 0.0
        return Score(reward, status, code, _detail(judgement), seconds)


class _Box:
    """The sandbox of a verifier: given, or opened when it is first needed, in whichever process that is."""

    def __init__(
        self, sandbox: Sandbox | str, limits: Limits | None, workers: int | None, image: str | None = None
    ) -> None:
        self.sandbox, self.limits, self.workers, self.image = sandbox, limits, workers, image
        self._lock = threading.Lock()
        self._own: Sandbox | None = None
        _boxes.add(self)
        weakref.finalize(self, _close_dropped, self.__dict__)

    def opened(self) -> Sandbox:
        if not isinstance(self.sandbox, str):
            return self.sandbox
        own = self._own
        if own is not None:
            return own
        from ..sandbox.opening import open_sandbox

        with self._lock:
            if self._own is None:
                backend: Any = self.sandbox
                self._own = open_sandbox(backend, workers=self.workers, limits=self.limits, image=self.image)
            return self._own

    def close(self) -> None:
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.close()

    def __reduce__(self) -> tuple[type[_Box], tuple[Any, ...]]:
        return _Box, (self.sandbox, self.limits, self.workers, self.image)


_boxes: weakref.WeakSet[_Box] = weakref.WeakSet()


def _close_dropped(state: dict[str, Any]) -> None:
    """Close what a dropped verifier had opened; also runs at the interpreter's exit."""
    if state.get("_own") is not None:
        state["_own"].close()


def _after_fork() -> None:
    """Replace the locks, which a thread of the parent may have held. A sandbox itself knows that it was forked."""
    for box in list(_boxes):
        box._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# ---- what the tests ask for


def _asked(tests: Any) -> Wanted | str:
    """Return what code the tests are for, or why they cannot judge any."""
    if isinstance(tests, StdioTests):
        if not tests.cases:
            return "the problem has no tests: there are no cases"
        return Wanted(reads_input=any(given.strip() for given, _ in tests.cases))
    if isinstance(tests, AssertTests):
        if not tests.asserts and not tests.setup.strip():
            return "the problem has no tests: neither asserts nor a setup that runs some"
        return _wanted(tuple(tests.asserts), tests.setup, tests.entry_point, tests.prefix)
    if tests is None:
        return "the problem has no tests"
    return f"a program is judged by tests: AssertTests or StdioTests is needed, not {type(tests).__name__}"


@lru_cache(maxsize=4096)
def _wanted(asserts: tuple[str, ...], setup: str, entry_point: str | None, prefix: str) -> Wanted | str:
    if entry_point is not None and (name := re.match(r"\s*([A-Za-z_]\w*)", entry_point)):
        entry = name[1]  # of "Solution().two_sum" the class
    else:
        entry = None
    used: set[str] = set()
    called: set[str] = set()
    known = set(dir(builtins))
    try:
        known.update(bound_names(_quiet(setup).body))
        for text in asserts or (setup,):
            module = _quiet(text)
            known.update(bound_names(module.body))
            for node in ast.walk(module):
                if isinstance(node, ast.Name):
                    used.add(node.id)
                elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    called.add(node.func.id)
    except FAULTS as error:
        return f"the tests are not Python: {_words(error)}"
    if entry is None and len(called - known) == 1:
        (entry,) = called - known  # the only function that the asserts call
    return Wanted(entry, tuple(sorted(used - known)), prefix)


def _quiet(code: str) -> ast.Module:
    return parse(textwrap.dedent(code))


# ---- for people


def _detail(judgement: Judgement) -> str:
    """Return one sentence: how many passed, or the first case that did not, with its input and both outputs."""
    total = judgement.total
    if judgement.status is Status.CORRECT:
        return "the test passes" if total == 1 else f"all {total} tests pass"
    for number, case in enumerate(judgement.cases, 1):
        if case.status is not Status.CORRECT:
            alone = total == 1 or case.source == LOADING
            return ("" if alone else f"test {number} of {total}: ") + (
                _case(case, judgement.detail) or judgement.detail
            )
    return judgement.detail or judgement.status.value


def _case(case: Case, detail: str) -> str:
    what = _cut(case.input or case.source)
    if case.source == LOADING:
        return f"the program does not load: {_cut(case.got)}" if case.got else detail
    if case.status is Status.UNVERIFIABLE:
        return f"{what} cannot be verified: {_cut(case.got) or detail}"
    if case.status is Status.TIMEOUT:
        return f"{what} took too long"
    verb = "ended with" if case.status is Status.CRASHED else "gave"
    if case.expected and case.got:
        return f"{what} should give {_cut(case.expected)}, {verb} {_cut(case.got)}"
    if case.got:
        return f"{what} {verb} {_cut(case.got)}"
    return f"{what} did not pass" if what else ""


def _cut(text: str) -> str:
    """Return a text on one line, cut to a size."""
    line = " ".join(text[: 4 * CUT].split())
    return line if len(line) <= CUT and len(text) <= 4 * CUT else f"{line[: CUT - 1]}…"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
