"""How do trainers call a reward, and what do they make of its answer?

`Reward.for_trl()` and `Reward.for_verl()` return objects of this module: plain callables that translate a
trainer's arguments into (response, Problem), and a Score into what that trainer understands. They hold only
the reward and their settings, so they can be pickled, sent to workers and forked.

Checked against TRL 1.16 (GRPOTrainer, RLOOTrainer) and verl 0.9; neither is imported.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..given_tests import BadTests, find_tests, has_tests
from ..records import Problem, Score
from .code_verifier import BAD_TESTS
from .extraction import extract
from .thinking import CLOSE, OPEN

if TYPE_CHECKING:
    from .code_verifier import Sandbox
    from .reward import Reward

__all__ = ["AsyncTrlReward", "TrlReward", "VerlReward"]

# The columns in which data sets keep the reference, in the order they are tried: where a data set has both,
# as MATH has, `answer` is the short one and `solution` is worked.
REFERENCE_COLUMNS = ("answer", "reference", "ground_truth", "target", "gold", "final_answer", "solution")

# What TRL adds to the columns of the data set.
_TRL_EXTRAS = frozenset({"trainer_state", "log_extra", "log_metric", "environments"})

# Where verl's own preprocessing scripts and common data sets leave the question.
_VERL_PROMPT_KEYS = ("question", "problem", "prompt", "query")

# verl keeps these texts for every sample in arrays as wide as the longest.
_TEXT_LIMIT = 200

# GSM8K's `answer` is a worked solution whose last line is "#### 18".
_LAST_LINE = re.compile(r"^####[ \t]*(.+?)\s*\Z", re.MULTILINE)


class _TrlCall:
    """What the two TRL callables share: columns to pairs, Scores to rewards."""

    def __init__(self, reward: Reward, reference: str | None, workers: int | None, tests: str | None = None) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self.reward = reward
        self.reference = reference
        self.workers = workers
        self.tests = tests
        self.__name__ = reward.name  # TRL's metrics: rewards/<name>/mean

    def _pairs(
        self, prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]
    ) -> list[tuple[str, Problem]]:
        if self.reward.needs_reference:
            references = [_references(value) for value in columns[self._reference_column(columns)]]
        else:
            references = [()] * len(completions)
        tags = _thinking_tags(self.reward)
        questions = [_prompt_text(prompt) for prompt in prompts]
        problems = (
            self._tested(questions, references, columns)
            if self.reward.needs_tests
            else [Problem("", text, reference) for text, reference in zip(questions, references, strict=True)]
        )
        return [
            (_completion_text(completion, *tags), problem)
            for completion, problem in zip(completions, problems, strict=True)
        ]

    def _tested(
        self, questions: list[str], references: list[tuple[str, ...]], columns: Mapping[str, Any]
    ) -> list[Problem]:
        """Return the problems with the tests that are in the columns."""
        names = [name for name in columns if name not in _TRL_EXTRAS]
        rows = [{name: columns[name][at] for name in names} for at in range(len(questions))]
        if self.tests is not None and self.tests not in names:
            raise ValueError(f"no column {self.tests!r} in the data set; {_others(names)}")
        if self.tests is None and rows and not any(map(has_tests, rows)):
            raise ValueError(
                f"no column with tests in the data set; {_others(names)}. Name it: reward.for_trl(tests='...')"
            )
        known = zip(questions, references, rows, strict=True)
        return [_tested(text, reference, row, self.tests) for text, reference, row in known]

    def _threads(self) -> int:
        """Return how many verdicts to make at a time; opens the sandbox, so that a missing one stops the run at once."""
        boxes = _opened(self.reward)
        return self.workers or max([8 * box.workers for box in boxes], default=4)

    def _reference_column(self, columns: Mapping[str, Any]) -> str:
        there = [name for name in columns if name not in _TRL_EXTRAS]
        wanted = (self.reference,) if self.reference is not None else REFERENCE_COLUMNS
        for name in wanted:
            if name in there:
                return name
        raise ValueError(
            f"no reference column {' or '.join(map(repr, wanted))} in the data set; {_others(there)}. "
            "Name it: reward.for_trl(reference='...')"
        )

    def _report(
        self,
        scores: list[Score],
        log_extra: Callable[[str, list[Any]], None] | None,
        log_metric: Callable[[str, float], None] | None,
    ) -> list[float | None]:
        name = self.reward.name
        if log_extra is not None:
            log_extra(f"{name}_status", [score.status.value for score in scores])
            log_extra(f"{name}_detail", [score.detail for score in scores])
        if log_metric is not None and scores:
            for verifier in self.reward.verifiers:
                rewards = [score.parts[verifier.name].reward for score in scores]
                known = [reward for reward in rewards if reward is not None]
                if known:
                    log_metric(f"{name}/{verifier.name}", sum(known) / len(known))
            log_metric(f"{name}/no_verdict", sum(score.reward is None for score in scores) / len(scores))
        return [score.reward for score in scores]


class TrlReward(_TrlCall):
    """A reward function for TRL: one reward for each completion, None where TRL is to skip the sample.

    Strings and message lists are both read; the thinking that TRL has parsed out of a message is put back
    between the tags, so that the verifiers see what the model wrote. Status and detail go to TRL's table of
    completions, the mean of each part and the share without a verdict to its metrics.
    """

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Any = None,
        *,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return the rewards. Raises ValueError when the data set has no column with the reference."""
        pairs = self._pairs(prompts, completions, columns)
        return self._report(list(self.reward.score_many(pairs, self._threads())), log_extra, log_metric)


class AsyncTrlReward(_TrlCall):
    """The same as a coroutine function: TRL runs it beside its other asynchronous reward functions."""

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Any = None,
        *,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return the rewards. Raises ValueError when the data set has no column with the reference."""
        pairs = self._pairs(prompts, completions, columns)
        # score_many spreads the work; a task for each completion would fill the event loop's own threads
        scores = await asyncio.to_thread(lambda: list(self.reward.score_many(pairs, self._threads())))
        return self._report(scores, log_extra, log_metric)


class VerlReward:
    """A reward function for verl: the score of one response, with what verl may log beside it.

    The dict has the same keys for every response, as verl requires:

    score          the reward; `none_as` where there is no verdict
    acc            the leading verifier's reward: what validation curves show and group filters look at
    verdict        1.0, or 0.0 where there is none: mask or count with it
    status, detail, pred   texts; verl votes on `pred`, the answer that was found
    <name>_reward  the reward of each verifier

    verl cannot skip a sample (a None or NaN breaks the batch), so where there is no verdict a number must
    stand, and no number is right. A bad reference gives it to all responses of a prompt alike, which teaches
    nothing; a failure of the machinery gives it to one response among others, which teaches something wrong.
    Watch the mean of `verdict`: below 1.0 something needs repair.
    """

    def __init__(self, reward: Reward, none_as: float) -> None:
        if not math.isfinite(none_as):
            raise ValueError(f"none_as={none_as!r}: verl needs a finite number where there is no verdict")
        self.reward = reward
        self.none_as = float(none_as)
        self.__name__ = reward.name

    def __call__(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: Any,
        extra_info: Mapping[str, Any] | None = None,
        **ignored: Any,
    ) -> dict[str, float | str]:
        """Return the score dict of one response; never raises for what a response holds.

        Raises SandboxUnavailable if programs are to be run and there is no sandbox to be had.
        """
        prompt = _verl_prompt(extra_info)
        references = _references(ground_truth) if self.reward.needs_reference else ()
        if self.reward.needs_tests:
            _opened(self.reward)
            problem = _tested(prompt, references, {**(extra_info or {}), _GIVEN: ground_truth}, _GIVEN)
        else:
            problem = Problem("", prompt, references)
        score = self.reward.score(solution_str, problem)
        result: dict[str, float | str] = {
            "score": self._number(score),
            "acc": self._number(score.parts[self.reward.leading]),
            "verdict": 0.0 if score.reward is None else 1.0,
            "status": score.status.value,
            "detail": _plain(score.detail),
            "pred": _plain(score.answer or ""),
        }
        for name, part in score.parts.items():
            result[f"{name}_reward"] = self._number(part)
        return result

    def _number(self, score: Score) -> float:
        return self.none_as if score.reward is None else float(score.reward)


# The name under which verl's ground_truth lies among the fields that tests are looked for in.
_GIVEN = "ground_truth"


def _tested(prompt: str, references: tuple[str, ...], fields: Mapping[str, Any], name: str | None) -> Problem:
    """Return the problem with the tests of a row. Unusable ones make BAD_REFERENCE: the run goes on."""
    try:
        tests = find_tests(fields, prompt, name)
        if tests is None and name == _GIVEN:
            tests = find_tests(fields, prompt)
    except BadTests as error:
        return Problem("", prompt, references, None, {BAD_TESTS: str(error)})
    return Problem("", prompt, references, tests)


def _opened(reward: Reward) -> list[Sandbox]:
    """Return the sandboxes of a reward's verifiers, open; raises SandboxUnavailable, which says what is missing."""
    running: list[Any] = [verifier for verifier in reward.verifiers if getattr(verifier, "needs_tests", False)]
    return [verifier.start() for verifier in running if hasattr(verifier, "start")]


def _others(columns: list[str]) -> str:
    return f"its columns besides the prompt are {', '.join(map(repr, columns)) or 'none'}"


def _thinking_tags(reward: Reward) -> tuple[str, str, bool]:
    """Return (open, close, prefilled) of the first verifier that knows tags."""
    knowing: Any
    for knowing in reward.verifiers:
        if hasattr(knowing, "close_tag"):
            return knowing.open, knowing.close_tag, knowing.prefilled
    return OPEN, CLOSE, False


def _completion_text(completion: Any, open: str, close: str, prefilled: bool) -> str:
    """Return what the model wrote: a text, or the last message of the assistant in a list of messages."""
    if isinstance(completion, str):
        return completion
    for message in reversed(completion):
        if message.get("role", "assistant") == "assistant":
            text = _content_text(message.get("content"))
            thought = message.get("reasoning_content") or message.get("thinking")
            if thought:
                text = f"{'' if prefilled else open}{thought}{close}{text}"
            return text
    return ""


def _prompt_text(prompt: Any) -> str:
    """Return the question: a text, or the last message of the user in a list of messages."""
    if isinstance(prompt, str):
        return prompt
    for message in reversed(_plain_list(prompt)):
        if isinstance(message, Mapping) and message.get("role") == "user":
            return _content_text(message.get("content"))
    return ""


def _content_text(content: Any) -> str:
    """Return a message's text: a string, or the text blocks of a multimodal content."""
    if isinstance(content, str):
        return content
    return "\n".join(
        block["text"]
        for block in _plain_list(content)
        if isinstance(block, Mapping) and isinstance(block.get("text"), str)
    )


def _verl_prompt(extra_info: Mapping[str, Any] | None) -> str:
    for key in _VERL_PROMPT_KEYS:
        value = (extra_info or {}).get(key)
        if value is not None:
            return _prompt_text(value)
    return ""


def _references(value: Any) -> tuple[str, ...]:
    """Return the acceptable answers in a cell of a data set; none if it holds nothing usable (null, NaN).

    Without references the verifiers say BAD_REFERENCE, the sample is skipped and the run goes on.
    """
    if isinstance(value, str):
        return (_short_answer(value),)
    if isinstance(value, float) and math.isnan(value):
        return ()
    if isinstance(value, bool | int | float):
        return (str(value),)
    return tuple(reference for item in _plain_list(value) for reference in _references(item))


def _short_answer(text: str) -> str:
    r"""Return the answer of a worked solution (GSM8K's `#### 18`, MATH's `\boxed{18}`), or the text itself."""
    if "####" in text and (last := _LAST_LINE.search(text, text.rfind("####"))):
        return last.group(1)
    if "\\boxed" in text or "\\fbox" in text:
        answers = extract(text, lenient=False, open=OPEN, close=CLOSE).answers
        if answers:
            return ", ".join(answers)
    return text


def _plain_list(value: Any) -> list[Any]:
    """Return the items of a list, a tuple or a numpy array (parquet files give those); [] for others."""
    if hasattr(value, "tolist"):
        value = value.tolist()
        if not isinstance(value, list):
            return [value]
    return list(value) if isinstance(value, list | tuple) else []


def _plain(text: str) -> str:
    """Return a text that fits verl's arrays and that its JSONL writer can encode."""
    return text[:_TEXT_LIMIT].encode("utf-8", "replace").decode("utf-8")
