r"""Is the answer of a response the same as its reference?

`MathVerifier` puts the pieces in a row: response -> answer text (extraction) -> plain text (dressing) -> expression
(reader) -> same or not (sameness), in process and in microseconds to a few milliseconds; what that cannot read or decide
goes to the slow lane, another process with a computer algebra system and a deadline. What counts as the same is written in
docs/answers.md.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import Any, Literal, NamedTuple

from ..records import Problem, Score, Status
from .dressing import join_groups, undress
from .expr import COLLECTIONS, Expr, Unreadable, show, symbols
from .extraction import Extraction, extract
from .guards import echoes_prompt, is_done
from .reader import MAX_LENGTH, Foreign, read
from .sameness import BEYOND, DIFFERENT, SAME, UNDECIDED, UNSOUND, Comparison
from .slow_lane import SlowLane
from .thinking import CLOSE, OPEN, check_tags
from .verifier import Verifier

__all__ = ["Explanation", "MathVerifier"]

_CHOICE = re.compile(r"(?:\(\s*([A-Ja-j])\s*\)|([A-J])\s*[.:)](?!\S*=)|([A-Ja-j])\s*$)\s*(.*)", re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NOT_PROSE = re.compile(r"[\\=^_<>+*/!$%|\[\]]|^\s*-|-\s*\d")
_NUMBERED_PROSE = re.compile(r"[{}\"\s]+")
_PROSE = re.compile(r"[{}$\\,.;:!?'\"()\s-]+")
_SINGLE = re.compile(r"\{([A-Za-z0-9])\}(?![0-9A-Za-z])")
_LOOSE = re.compile(r"(?<![0-9A-Za-z]) +| +(?![0-9A-Za-z])")
_TEXT = re.compile(r"\\text\s*|[{}]")
_OPTION_WORD = re.compile(r"^(?:the\s+)?(?:option|choice|answer)\s*:?\s*(?=\(?[A-J]\b)", re.IGNORECASE)
_MORE_CHOICES = re.compile(r"^\s*(?:[,;&/+=<>]|and\b|or\b)|\([A-J]\)|\b[B-J]\s*[.)](?:\s|$)|\b(?:or|and)\s+[A-J]\b")


MAX_DRESSED = 20_000  # characters of an answer or reference that are looked at; MAX_LENGTH of what is left are read


class Verdict(NamedTuple):
    """What the comparison of one answer with one reference found, and how."""

    status: Status
    detail: str
    lane: str = "fast"
    reference_read: str = ""
    answer_read: str = ""


class Explanation(NamedTuple):
    """How a score came about: what was extracted, how both sides were read, which lane decided.

    lane is "fast", "slow", or "none" where nothing was compared.
    """

    score: Score
    extracted: str | None
    where: str
    reference_read: str
    answer_read: str
    lane: str


class MathVerifier(Verifier):
    r"""Judges mathematical answers by value.

    extract       "boxed": only a `\boxed{}` after the thinking earns; "lenient": also `#### x`, "the answer is x", ...
    form          "value": any expression of the right value; "evaluated": for a numeric reference, a sum, product,
                  power, ... left undone earns nothing
    deadline      CPU seconds that one verdict may take in the slow lane
    open, close   the thinking tags; prefilled: the prompt already ends with the opening one
    answer_after  take the answer from what follows the last such mark (`A:`) instead

        >>> MathVerifier().score(r"Half of it: \boxed{\frac12}", "0.5").status
        <Status.CORRECT: 'correct'>
    """

    def __init__(
        self,
        extract: Literal["boxed", "lenient"] = "boxed",
        form: Literal["value", "evaluated"] = "value",
        deadline: float = 1.0,
        open: str = OPEN,
        close: str = CLOSE,
        prefilled: bool = False,
        answer_after: str | None = None,
        name: str = "math",
    ) -> None:
        if extract not in ("boxed", "lenient"):
            raise ValueError(f"extract must be 'boxed' or 'lenient', not {extract!r}")
        if form not in ("value", "evaluated"):
            raise ValueError(f"form must be 'value' or 'evaluated', not {form!r}")
        if not deadline > 0:
            raise ValueError(f"deadline must be a positive number of seconds, not {deadline!r}")
        check_tags(open, close)
        if answer_after is not None and not answer_after.strip():
            raise ValueError("answer_after must be a mark such as 'A:', not blank")
        self.name = name
        self.extract = extract
        self.form = form
        self.deadline = deadline
        self.open, self.close_tag, self.prefilled = open, close, prefilled
        self.answer_after = answer_after
        self._slow = SlowLane()
        # The shortcut for whole numbers knows tags by their angle brackets only.
        self._express = not prefilled and answer_after is None and "<" in open and "<" in close

    def close(self) -> None:
        self._slow.close()

    def score(self, response: str, problem: Problem | str) -> Score:
        """Return the verdict; never raises for what the response or the reference holds."""
        start = perf_counter()
        if self._express and type(response) is str:
            reference = problem
            if type(problem) is Problem and len(problem.references) == 1 and "boxed" not in problem.prompt:
                reference = problem.references[0]
            if type(reference) is str:
                quick = self._whole_number(response, reference)
                if quick is not None:
                    content, same = quick
                    if same:
                        return Score(1.0, Status.CORRECT, content, "the same whole number", perf_counter() - start)
                    return Score(0.0, Status.INCORRECT, content, reference + " is wanted", perf_counter() - start)
        return self.explain(response, problem)[0]

    def score_many(self, pairs: Iterable[tuple[str, Any]], workers: int = 1) -> Iterator[Score]:
        """Yield the verdict of each (response, problem), in order.

        With several workers, verdicts that need the slow lane wait for it beside each other; the others are made
        right here, since threads would only slow them down.
        """
        if workers == 1:
            return super().score_many(pairs)
        return self._overlapped(pairs, workers)

    def _overlapped(self, pairs: Iterable[tuple[str, Any]], workers: int) -> Iterator[Score]:
        with ThreadPoolExecutor(workers, thread_name_prefix="assay-math") as threads:
            pending: deque[Score | Future[Score]] = deque()
            for response, problem in pairs:
                quick = self._explain(response, problem, slow=False)
                pending.append(quick.score if quick is not None else threads.submit(self.score, response, problem))
                while pending and (len(pending) > 8 * workers or not isinstance(pending[0], Future)):
                    first = pending.popleft()
                    yield first.result() if isinstance(first, Future) else first
            for first in pending:
                yield first.result() if isinstance(first, Future) else first

    def explain(self, response: str, problem: Problem | str) -> Explanation:
        """Return the verdict with what led to it."""
        explanation = self._explain(response, problem, slow=True)
        assert explanation is not None
        return explanation

    # ---- one response, from end to end

    def _whole_number(self, response: str, reference: str) -> tuple[str, bool] | None:
        """Decide the commonest case at once: one box, at the end, whole numbers; None when it is anything else.

        Whatever extraction would look at twice (a second box, a tag, code, a quotation, a negation) is left to it.
        """
        at = response.rfind("\\boxed{")
        if at < 0:
            return None
        end = response.find("}", at)
        content = response[at + 7 : end]
        if (
            not content.isdigit()
            or not reference.isdigit()
            or len(content) > 15
            or len(reference) > 15
            or not response.isascii()
            or not reference.isascii()
            or (response.find("box") != at + 1 and (response.find("boxed") != at + 1 or "fbox" in response))
            or "<" in response
            or ">" in response
            or '"' in response
            or "`" in response
            or "~" in response
            or (len(response) > end + 1 and response[end + 1 :].strip(" $.\n"))
        ):
            return None
        # A negation, a comparison or a command before the box: perhaps it is not said for true.
        before = response[max(0, at - 40) : at]
        if "not" in before or "n't" in before or "neve" in before or "neit" in before or "nor" in before:
            return None
        if "rong" in before or "ncor" in before or "than" in before or "inst" in before:
            return None
        if "\\" in before or "!" in before or "%" in before:
            return None
        return content, content == reference or int(content) == int(reference)

    def _explain(self, response: str, problem: Problem | str, *, slow: bool) -> Explanation | None:
        """Return the verdict; None where only the slow lane could give it and `slow` is False."""
        start = perf_counter()
        try:
            return self._from_end_to_end(start, response, problem, slow=slow)
        except RecursionError:  # the caller's stack is nearly full: a thread has one of its own
            with ThreadPoolExecutor(1) as fresh:
                return fresh.submit(self._deeply_nested, start, response, problem, slow=slow).result()
        except Exception as error:  # a bug of ours must not end a training run, nor be scored as the response's fault
            return self._explained(start, self._fault(problem, error), None, "")

    def _deeply_nested(self, start: float, response: str, problem: Problem | str, *, slow: bool) -> Explanation | None:
        try:
            return self._from_end_to_end(start, response, problem, slow=slow)
        except Exception as error:
            return self._explained(start, self._fault(problem, error), None, "")

    def _fault(self, problem: Problem | str, error: Exception) -> Verdict:
        """Tell whose fault a failure is: where the reference against itself goes well, it is the response's."""
        words = f"{type(error).__name__}: {error}"[:200]
        references = problem.references if isinstance(problem, Problem) else (problem,)
        try:
            for reference in references:
                self._judge((reference,), reference, "", slow=True)
        except Exception:
            return Verdict(Status.INFRA_ERROR, f"the verifier failed on the reference: {words}", "none")
        return Verdict(Status.UNVERIFIABLE, f"the answer cannot be compared: {words}", "none")

    def _from_end_to_end(
        self, start: float, response: str, problem: Problem | str, *, slow: bool
    ) -> Explanation | None:
        if isinstance(problem, Problem):
            references, prompt = problem.references, problem.prompt
        else:
            references, prompt = (problem,), ""
        if not isinstance(response, str):
            found = Extraction((), f"the response is not text but {type(response).__name__}")
        elif not references or not all(isinstance(r, str) and r.strip() for r in references):
            return self._explained(
                start, Verdict(Status.BAD_REFERENCE, "the problem has no reference answer", "none"), None, ""
            )
        else:
            found = extract(
                response,
                lenient=self.extract == "lenient",
                open=self.open,
                close=self.close_tag,
                prefilled=self.prefilled,
                answer_after=self.answer_after,
                prompt=prompt,
            )
        if not found.answers:
            return self._explained(start, Verdict(Status.NO_ANSWER, found.how, "none"), None, found.how)
        best: Verdict | None = None
        for reference in references:
            verdict = self._judge(found.answers, reference, prompt, slow=slow)
            if verdict is None:
                return None
            if best is None or _RANK[verdict.status] < _RANK[best.status]:
                best = verdict
            if verdict.status is Status.CORRECT:
                break
        assert best is not None
        return self._explained(start, best, ", ".join(found.answers), found.how)

    def _explained(self, start: float, verdict: Verdict, answer: str | None, how: str) -> Explanation:
        status = verdict.status
        reward = 1.0 if status is Status.CORRECT else 0.0 if status.is_verdict else None
        score = Score(reward, status, answer, verdict.detail, perf_counter() - start)
        return Explanation(score, answer, how, verdict.reference_read, verdict.answer_read, verdict.lane)

    def _judge(self, answers: tuple[str, ...], reference: str, prompt: str, *, slow: bool) -> Verdict | None:
        """Compare an answer (several when the response offers several at once) with one reference."""
        if len(reference) > MAX_DRESSED or any(len(answer) > MAX_DRESSED for answer in answers):
            if answers == (reference.strip(),) and _well_formed(reference):
                return Verdict(Status.CORRECT, "the same text")
            return Verdict(Status.UNVERIFIABLE, f"more than {MAX_DRESSED:,} characters are not read")
        wanted = undress(reference)
        given = undress(answers[0]) if len(answers) == 1 else ", ".join(undress(answer) for answer in answers)
        if not wanted:
            return Verdict(Status.BAD_REFERENCE, "nothing is left of the reference when its dressing is off")
        if not given:
            return Verdict(Status.NO_ANSWER, "nothing is left of the answer when its dressing is off")
        if len(answers) == 1 and (given == wanted or _tight(given) == _tight(wanted)):
            if _well_formed(wanted):
                return Verdict(Status.CORRECT, "the same text", "fast", wanted, given)
            return Verdict(Status.BAD_REFERENCE, "the brackets of the reference do not match")
        if len(answers) == 1 and _WHOLE.fullmatch(wanted) and _WHOLE.fullmatch(whole := join_groups(given)):
            if int(wanted) == int(whole):
                return Verdict(Status.CORRECT, "the same whole number", "fast", wanted, whole)
            return Verdict(Status.INCORRECT, f"{wanted} is wanted", "fast", wanted, whole)
        if (choice := _choices(wanted, given)) is not None:
            return choice
        if (option_text := _option_text(wanted)) and not _CHOICE.fullmatch(given):
            return self._judge(answers, option_text, prompt, slow=slow)
        prose = _as_prose(wanted)
        if prose is not None and len(given) < MAX_LENGTH and prose == _as_prose(given):
            return Verdict(Status.CORRECT, "the same words", "fast", prose, prose)

        joined = join_groups(wanted)
        wanted_read = _read(joined)
        several = len(answers) > 1 or (isinstance(wanted_read, tuple) and _is_collection(wanted_read))
        given_joined = join_groups(given, unmistakable=several)
        given_read = _read(given_joined)
        if isinstance(wanted_read, Unreadable) and not isinstance(wanted_read, Foreign):
            if prose is not None:
                return _compare_prose(prose, wanted, given)
        if isinstance(wanted_read, tuple) and wanted_read[0] == "text" and wanted_read != given_read:
            return _compare_prose(_words(wanted), wanted, given)
        shown = [
            side.__class__.__name__ if isinstance(side, Unreadable) else show(side)
            for side in (wanted_read, given_read)
        ]
        if isinstance(wanted_read, Unreadable):
            return self._ask_slow(
                wanted,
                given,
                slow=slow,
                reference_known=False,
                why=f"the reference cannot be read: {wanted_read}",
            )
        if (
            isinstance(given_read, Foreign)
            and self.form == "evaluated"
            and is_done(wanted_read)
            and not symbols(wanted_read)
        ):
            return Verdict(Status.INCORRECT, f"a computation is left undone: {given_read}", "fast", shown[0], "")
        if isinstance(given_read, Foreign):
            return self._ask_slow(
                wanted, given, slow=slow, reference_known=True, why=f"the answer cannot be read: {given_read}"
            )
        if isinstance(given_read, Unreadable):
            return Verdict(Status.INCORRECT, f"the answer cannot be read: {given_read}", "fast", shown[0], "")
        judged = self._compare(wanted_read, given_read, joined, given_joined)
        if judged.relation == BEYOND:
            return self._ask_slow(wanted, given, slow=slow, reference_known=True, why=judged.why)
        if judged.relation == UNSOUND:
            return Verdict(Status.BAD_REFERENCE, judged.why, "fast", shown[0], shown[1])
        if judged.relation == UNDECIDED:
            return Verdict(Status.UNVERIFIABLE, f"it could not be decided: {judged.why}", "fast", shown[0], shown[1])
        if judged.relation == DIFFERENT:
            return Verdict(Status.INCORRECT, judged.why, "fast", shown[0], shown[1])
        undone = self._undone(wanted_read, given_read, given, prompt)
        if undone:
            return Verdict(Status.INCORRECT, undone, "fast", shown[0], shown[1])
        return Verdict(Status.CORRECT, judged.why, "fast", shown[0], shown[1])

    def _compare(self, wanted: Expr, given: Expr, wanted_text: str, given_text: str) -> Any:
        digits = 50 + min(500, max(len(wanted_text), len(given_text)))
        judged = Comparison(wanted, given, digits).judge()
        if judged.relation == DIFFERENT and ("qty" in (wanted[0], given[0])):
            # "5 m" is five metres beside a bare 5, and five times m beside 5m: the letters may be a product after all.
            again = [_read(text, soft_units=False) for text in (wanted_text, given_text)]
            if not any(isinstance(side, Unreadable) or side[0] == "qty" for side in again):
                second = Comparison(again[0], again[1], digits).judge()  # type: ignore[arg-type]
                if second.relation == SAME:
                    return second
        return judged

    def _undone(self, wanted: Expr, given: Expr, given_text: str, prompt: str) -> str:
        """Say what work an answer of the right value leaves undone; an empty string if none."""
        if self.form == "evaluated" and wanted != given and not is_done(given) and is_done(wanted):
            return "the value is right, but a computation is left undone"
        if prompt and echoes_prompt(given_text, given, wanted, prompt):
            return "the value is right, but the answer only repeats an expression of the prompt"
        return ""

    def _ask_slow(self, wanted: str, given: str, *, slow: bool, reference_known: bool, why: str) -> Verdict | None:
        if len(wanted) > MAX_LENGTH or len(given) > MAX_LENGTH:
            over = "reference" if len(wanted) > MAX_LENGTH else "answer"
            return Verdict(
                Status.UNVERIFIABLE,
                f"the {over} is longer than {MAX_LENGTH:,} characters and not the same text",
            )
        if not reference_known and not _well_formed(wanted):
            return Verdict(Status.BAD_REFERENCE, "the brackets of the reference do not match")
        if not slow:
            return None
        outcome = self._slow.compare(wanted, given, self.deadline)
        status, words = _OUTCOMES[outcome.relation]
        if status is Status.BAD_REFERENCE and reference_known and outcome.relation == "unreadable_reference":
            status, words = Status.UNVERIFIABLE, "it could not be decided whether they are the same"
        detail = f"{words}: {outcome.detail}" if outcome.detail else words
        if outcome.relation == "undecided" and why:
            detail = f"{words}: {why}"
        return Verdict(status, detail, "slow", outcome.reference_read, outcome.answer_read)


_RANK = {
    status: rank
    for rank, status in enumerate(
        (
            Status.CORRECT, Status.INFRA_ERROR, Status.BAD_REFERENCE, Status.TIMEOUT, Status.UNVERIFIABLE, Status.INCORRECT,
            Status.NO_ANSWER, Status.CRASHED,
        )
    )
}  # fmt: skip

_OUTCOMES = {
    "same": (Status.CORRECT, "computer algebra finds them the same"),
    "different": (Status.INCORRECT, "computer algebra finds them different"),
    "undecided": (Status.UNVERIFIABLE, "it could not be decided whether they are the same"),
    "unreadable_reference": (Status.BAD_REFERENCE, "the reference cannot be read"),
    "unreadable_answer": (Status.INCORRECT, "the answer cannot be read"),
    "timeout": (Status.TIMEOUT, "no verdict within the deadline"),
    "memory": (Status.UNVERIFIABLE, "the comparison needs more memory than it may have"),
    "reference_timeout": (Status.BAD_REFERENCE, "the reference alone exceeds the deadline"),
    "reference_memory": (Status.BAD_REFERENCE, "the reference alone needs more memory than it may have"),
    "lost": (Status.INFRA_ERROR, "the process that compares was lost"),
}


def _read(text: str, *, soft_units: bool = True) -> Expr | Unreadable:
    try:
        return read(text, soft_units=soft_units)
    except Unreadable as unreadable:
        return unreadable


def _is_collection(expr: Expr) -> bool:
    return (
        expr[0] in COLLECTIONS or (expr[0] in ("named", "range") and expr[2][0] in COLLECTIONS) or expr[0] == "system"
    )


def _well_formed(text: str) -> bool:
    """Tell whether braces are closed; round and square brackets need not match (an interval)."""
    if "{" not in text and "}" not in text:
        return True
    bare = text.replace("\\{", "").replace("\\}", "")
    depth = 0
    for found in re.finditer(r"[{}]", bare):
        depth += 1 if found.group() == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _choices(wanted: str, given: str) -> Verdict | None:
    """Compare answers to a multiple-choice question; None when the reference is not one option's letter."""
    if len(wanted) > 300 or len(given) > 600:
        return None
    wanted, given = (_TEXT.sub("", text).strip() for text in (wanted, given))
    wanted, given = (_OPTION_WORD.sub("", text) for text in (wanted, given))
    option = _CHOICE.fullmatch(wanted)
    answer = _CHOICE.fullmatch(given)
    if option is None or answer is None or _MORE_CHOICES.search(option[4]):
        return None
    if option[4] and answer[4] and _words(option[4]) != _words(answer[4]):
        return None  # the letter with another text: the texts decide
    letters = [(found[1] or found[2] or found[3]) for found in (option, answer)]
    if (letters[0].islower() and letters[1].islower()) or {*letters} & {"e", "i"}:
        return None  # variables, and numbers
    if _MORE_CHOICES.search(answer[4]):
        return Verdict(Status.INCORRECT, "several options are offered", "fast", option[0], given)
    if letters[0].upper() != letters[1].upper():
        return Verdict(Status.INCORRECT, f"option {letters[0]} is wanted", "fast", letters[0], letters[1])
    return Verdict(Status.CORRECT, "the same option", "fast", letters[0], letters[1])


def _option_text(wanted: str) -> str:
    """Return the text of a reference that gives an option's letter and its text: `(C) 12`."""
    option = _CHOICE.fullmatch(wanted) if len(wanted) <= 300 else None
    return option[4].strip() if option is not None and option[1] and not _MORE_CHOICES.search(option[4]) else ""


def _tight(text: str) -> str:
    """Return the text without the spaces and braces that TeX does not need either."""
    text = _SINGLE.sub(r"\1", text)
    return _LOOSE.sub("", text)


def _words(text: str) -> str:
    """Return the words of a text in lower case; marks between them go only where no number could change by it."""
    bare = text.replace("\\text", " ")
    if any(c.isdigit() for c in bare):
        return _NUMBERED_PROSE.sub(" ", bare).strip().lower()
    return _PROSE.sub(" ", bare).strip().lower()


def _as_prose(text: str) -> str | None:
    """Return the words of a text that is prose rather than mathematics; None if it is not."""
    bare = text.replace("\\text", "")
    if _NOT_PROSE.search(bare) or not _well_formed(text):
        return None
    longest = max((len(word) for word in re.findall(r"[^\W\d_]+", bare)), default=0)
    if longest < 2 or (longest < 4 and re.search(r"[^\w\s{}]|\d", bare)):
        return None  # symbols, or a number with a unit
    if any(c.isdigit() for c in bare) and len(re.findall(r"[^\W\d_]{3,}", bare)) < 2:
        return None
    return _words(text)


def _compare_prose(prose: str, wanted: str, given: str) -> Verdict:
    words = _words(given)
    for article in ("the ", "a ", "an "):
        prose, words = prose.removeprefix(article), words.removeprefix(article)
    if prose == words:
        return Verdict(Status.CORRECT, "the same words", "fast", prose, words)
    return Verdict(Status.INCORRECT, f"the words differ: {wanted[:60]!r} is wanted", "fast", prose, words)
