"""How good is the policy on problems that it was not trained on? Greedy exact answers, and pass@k from n samples.

    evaluator = Evaluator(recipe, reward, rollouts, tokenizer, end_tokens, log)
    evaluator.at(step)      called with the step that the run starts from, and after each step: evaluates where it is due
                            (before the first step, each eval.steps, after the last one) and not yet in the log
    evaluate(...)                                  once, of any rollouts engine
    response_text(tokens, tokenizer, end_tokens)   the text that verifiers see, the same in training
    judge(reward, pairs)                           scores of (response, problem) pairs, in order, in threads

Several processes share the problems; each has to call. What counts as right is said in eval_record.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..records import Problem, Score
from ..verifiers.code_verifier import CodeVerifier
from .distributed import gather_objects, process_count, process_index
from .eval_record import Evaluation, summed_up
from .rollouts import Sampling

if TYPE_CHECKING:
    from ..verifiers.reward import Reward
    from .metrics import RunLog
    from .recipe import EvalSettings, Recipe
    from .rollouts import Rollouts
    from .settings import Settings

__all__ = ["Evaluation", "Evaluator", "evaluate", "judge", "response_text"]

SEED = 20_240_402  # of sampled answers: the same at each evaluation, whatever the training's
WAITING = 4  # verdicts at one time where no sandbox says more

Row = dict[str, Any]


class Evaluator:
    """Evaluates a policy during its training, or an adapter afterwards."""

    def __init__(
        self,
        recipe: Recipe,
        reward: Reward,
        rollouts: Rollouts,
        tokenizer: Any,
        end_tokens: frozenset[int],
        log: RunLog | None = None,
    ) -> None:
        self.recipe = recipe
        self.reward = reward
        self.rollouts = rollouts
        self.tokenizer = tokenizer
        self.end_tokens = end_tokens
        self.log = log

    def due(self, step: int) -> bool:
        """Whether an evaluation belongs to this step."""
        how, last = self.recipe.eval, self.recipe.settings.max_steps
        if not self.recipe.data.eval_count or not (how.greedy or how.k):
            return False
        return (step == 0 and how.before) or step >= last or (step > 0 and how.steps > 0 and step % how.steps == 0)

    def at(self, step: int) -> Evaluation | None:
        """Evaluate if it is due at this step and was not done, and write it down."""
        assert self.log is not None
        if not self.due(step) or gather_objects(step in self.log.evaluations)[0]:  # the first process has the log
            return None
        found, rows = self.now(step)
        self.log.evaluation(found, rows)
        return found

    def now(self, step: int) -> tuple[Evaluation, list[Row]]:
        """Return what an evaluation of the present weights finds, and a row for each response.

        Refreshes the rollouts before, and releases them after.
        """
        started = time.perf_counter()
        self.rollouts.refresh()
        try:
            rows = evaluate(
                self.rollouts,
                self.recipe.eval_problems()[process_index() :: process_count()],
                self.reward,
                lambda problem: self.recipe.encode(problem, self.tokenizer),
                lambda tokens: response_text(tokens, self.tokenizer, self.end_tokens),
                self.recipe.eval,
                self.recipe.settings,
                watch=self.log.doing if self.log is not None else lambda text: None,
            )
        finally:
            self.rollouts.release()
        every = [{"step": step, **row} for mine in gather_objects(rows) for row in mine]
        seconds = time.perf_counter() - started
        return summed_up(every, self.reward.leading, self.recipe.eval.k, step=step, seconds=seconds), every


def evaluate(
    rollouts: Rollouts,
    problems: Sequence[Problem],
    reward: Reward,
    encode: Callable[[Problem], list[int]],
    decode: Callable[[Sequence[int]], str],
    how: EvalSettings,
    settings: Settings,
    watch: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Return a row for each response: {id, prompt, response, reference, greedy, sample, tokens, finished, score}.

    rollouts  refreshed, with the weights that are to be evaluated
    watch     gets a line of how far it is, at the end an empty one
    """
    most = how.max_tokens or settings.max_completion_length
    stop = tuple(settings.stop_strings)
    asked = []
    if how.greedy:
        asked.append((1, Sampling(most, 0.0, stop_strings=stop)))
    if how.k:
        temperature = how.temperature or settings.temperature
        drawn = Sampling(most, temperature, settings.top_p, settings.top_k, settings.min_p or 0.0, stop)
        asked.append((how.samples or max(how.k), drawn))
    rows: list[Row] = []
    for count, sampling in asked:
        for at in range(0, len(problems), how.batch):
            watch(f"evaluation, {'samples' if sampling.temperature else 'greedy'} {at}/{len(problems)}")
            chosen = problems[at : at + how.batch]
            groups = rollouts.generate([encode(problem) for problem in chosen], count, sampling, SEED + at)
            drafts = [
                (problem, number, decode(tokens), len(tokens), finished)
                for problem, group in zip(chosen, groups, strict=True)
                for number, (tokens, finished) in enumerate(zip(group.completions, group.finished, strict=True))
            ]
            scores = judge(reward, [(text, problem) for problem, _, text, _, _ in drafts])
            rows += [
                {
                    "id": problem.id,
                    "prompt": problem.prompt,
                    "response": text,
                    **_reference(problem),
                    "greedy": not sampling.temperature,
                    "sample": number,
                    "tokens": tokens,
                    "finished": finished,
                    "score": score.as_dict(),
                }
                for (problem, number, text, tokens, finished), score in zip(drafts, scores, strict=True)
            ]
    watch("")
    return rows


def _reference(problem: Problem) -> dict[str, Any]:
    references = problem.references
    return {"reference": references[0] if len(references) == 1 else list(references)} if references else {}


def response_text(tokens: Sequence[int], tokenizer: Any, end_tokens: frozenset[int]) -> str:
    """Return a completion as text, without its end token; other special tokens stay, for verifiers to see.

    Nobody reads the end token; a tag such as [THINK], which some models have as a special token, is read.
    """
    kept = list(tokens)
    while kept and kept[-1] in end_tokens:
        kept.pop()
    return str(tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def judge(reward: Reward, pairs: Sequence[tuple[str, Problem]]) -> list[Score]:
    """Return the scores of (response, problem) pairs, in order; several at a time where verifiers wait."""
    boxes = [verifier.start().workers for verifier in reward.verifiers if isinstance(verifier, CodeVerifier)]
    # Eight for each worker of a sandbox, which then has the responses to one problem before it.
    return list(reward.score_many(pairs, workers=max((8 * count for count in boxes), default=WAITING)))
