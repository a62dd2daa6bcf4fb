"""Evaluation: what is asked, what counts as right, pass@k against brute force, and when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from assay.grpo.eval_record import Evaluation, is_right, summed_up
from assay.grpo.evaluate import Evaluator, evaluate, judge, response_text
from assay.grpo.metrics import RunLog, read_rows
from assay.grpo.recipe import EvalSettings, Recipe
from assay.grpo.rollouts import Group, Sampling
from assay.grpo.settings import Settings

from assay import MathVerifier, Problem, Reward, Score, Status, ThinkFormat

END = 0


class Tokenizer:
    """A token is a letter."""

    chat_template = "yes"

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> str:
        return messages[-1]["content"]

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, tokens: Sequence[int], **asked: Any) -> str:
        assert asked == {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return "".join(map(chr, tokens))


class Engine:
    """Answers `a+b` rightly where a is below `knows`; of samples, the first `lucky` ones."""

    def __init__(self, knows: int, lucky: int = 0) -> None:
        self.knows, self.lucky = knows, lucky
        self.calls: list[tuple[int, int, Sampling, int]] = []
        self.said: list[str] = []

    def refresh(self) -> None:
        self.said.append("refresh")

    def release(self) -> None:
        self.said.append("release")

    def close(self) -> None: ...

    def generate(self, prompts: list[list[int]], count: int, sampling: Sampling, seed: int) -> list[Group]:
        self.calls.append((len(prompts), count, sampling, seed))
        groups = []
        for prompt in prompts:
            a, b = (int(part) for part in "".join(map(chr, prompt)).split("+"))
            answers = []
            for number in range(count):
                right = number < self.lucky if sampling.temperature else a < self.knows
                answers.append([*map(ord, f"<think>.</think>\\boxed{{{a + b if right else -1}}}"), END])
            groups.append(Group(prompt, answers, [True] * count))
        return groups


def problems(count: int) -> list[Problem]:
    return [Problem(f"p{a}", f"{a}+1", (str(a + 1),)) for a in range(count)]


def ask(engine: Engine, count: int = 10, reward: Reward | None = None, **how: Any) -> Evaluation:
    reward = reward or Reward([(MathVerifier(), 1.0), (ThinkFormat(), 0.2)])
    tokenizer = Tokenizer()
    settings = Settings(model_name_or_path="tiny", temperature=0.7, top_p=0.9, stop_strings=["!"])
    rows = evaluate(
        engine,
        problems(count),
        reward,
        lambda problem: tokenizer(problem.prompt)["input_ids"],
        lambda tokens: response_text(tokens, tokenizer, frozenset({END})),
        EvalSettings(**how),
        settings,
    )
    return summed_up(rows, reward.leading, EvalSettings(**how).k, step=0, seconds=1)


def test_greedy_counts_what_the_leading_verifier_holds_for_right() -> None:
    engine = Engine(knows=4)
    found = ask(engine, batch=4)
    assert found.exact == 0.4
    assert found.parts == {"math": 0.4, "think_format": 1.0}
    assert found.reward == pytest.approx((0.4 + 0.2) / 1.2)
    assert (found.problems, found.no_verdict, found.clipped_ratio) == (10, 0, 0)
    assert found.mean_length == pytest.approx(len("<think>.</think>\\boxed{-1}") + 1, abs=1)
    assert [call[:2] for call in engine.calls] == [(4, 1), (4, 1), (2, 1)]
    assert all(sampling == Sampling(256, 0.0, stop_strings=("!",)) for _, _, sampling, _ in engine.calls)
    assert len({seed for *_, seed in engine.calls}) == 3


def test_a_right_answer_in_the_wrong_form_is_exact() -> None:
    reward = Reward([(MathVerifier(), 1.0), (ThinkFormat("[T]", "[/T]"), 0.2)])
    found = ask(Engine(knows=10), reward=reward)
    assert found.exact == 1.0
    assert found.reward == pytest.approx(1 / 1.2)


def test_pass_at_k_of_samples() -> None:
    engine = Engine(knows=0, lucky=2)
    found = ask(engine, greedy=False, k=[4, 1, 2], samples=6, temperature=1.5, max_tokens=7)
    pairs = list(combinations(range(6), 2))
    assert found.pass_at == pytest.approx(
        {1: 2 / 6, 2: sum(a < 2 or b < 2 for a, b in pairs) / len(pairs), 4: 1 - 1 / 15}
    )
    assert list(found.pass_at) == [1, 2, 4]
    assert (found.exact, found.samples) == (None, 6)
    assert {call[1:3] for call in engine.calls} == {(6, Sampling(7, 1.5, 0.9, stop_strings=("!",)))}


def test_samples_are_as_many_as_the_greatest_k_and_as_hot_as_training() -> None:
    engine = Engine(knows=1, lucky=1)
    found = ask(engine, greedy=True, k=[1, 8])
    assert found.exact == 0.1
    assert found.pass_at == {1: 1 / 8, 8: 1.0}
    assert [(count, sampling.temperature) for _, count, sampling, _ in engine.calls] == [(1, 0.0), (8, 0.7)]


def row(id: str, reward: float | None, *, greedy: bool, sample: int = 0, status: str = "correct") -> dict[str, Any]:
    score = {"reward": reward, "status": status}
    return {"id": id, "greedy": greedy, "sample": sample, "tokens": 2, "finished": reward != 0, "score": score}


def test_what_has_no_verdict_counts_nowhere() -> None:
    rows = [row("a", 1.0, greedy=True), row("b", 0.0, greedy=True, status="timeout")]
    rows.append(row("c", None, greedy=True, status="infra_error"))
    rows += [row("a", None, greedy=False, sample=0, status="infra_error"), row("a", 1.0, greedy=False, sample=1)]
    rows += [row("b", 0.0, greedy=False, sample=n, status="incorrect") for n in range(2)]
    found = summed_up(rows, "math", [1, 2], step=3, seconds=0.5)
    assert (found.exact, found.reward, found.no_verdict, found.problems) == (0.5, 0.5, 1, 3)
    assert found.pass_at == {1: 0.5, 2: 0.0}  # a has one sample with a verdict, too few for pass@2
    assert found.clipped_ratio == pytest.approx(1 / 3)
    assert Evaluation.from_dict(found.as_dict()) == found
    assert "1 without a verdict" in found.in_words()
    assert "exact 50.0%" in found.in_words()
    nothing = summed_up([row("c", None, greedy=True, status="infra_error")], "math", [1], step=0, seconds=0)
    assert (nothing.exact, nothing.reward, nothing.pass_at) == (None, None, {})


def test_partial_credit_is_not_right() -> None:
    assert is_right({"reward": 1.0, "status": "correct"}, "code")
    assert not is_right({"reward": 0.5, "status": "incorrect"}, "code")
    assert not is_right({"reward": 0.9, "status": "correct"}, "code")
    parts = {"code": {"reward": 1.0, "status": "correct"}, "think": {"reward": 0.0, "status": "incorrect"}}
    assert is_right({"reward": 0.8, "status": "correct", "parts": parts}, "code")
    assert not is_right({"reward": 0.8, "status": "correct", "parts": parts}, "think")


def test_the_text_of_a_completion_ends_before_its_end() -> None:
    tokenizer = Tokenizer()
    assert response_text([104, 105, END], tokenizer, frozenset({END})) == "hi"
    assert response_text([104, END, 105, END, END], tokenizer, frozenset({END})) == "h\0i"  # not what lies within
    assert response_text([END], tokenizer, frozenset({END})) == ""


def test_judging_keeps_the_order() -> None:
    with Reward([(MathVerifier(), 1.0)]) as reward:
        pairs = [(f"\\boxed{{{number}}}", Problem("p", "", (str(number % 2),))) for number in range(30)]
        assert [score.reward for score in judge(reward, pairs)] == [float(number < 2) for number in range(30)]


# ---- during training


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest."""
    from assay.grpo import curves

    monkeypatch.setattr(curves, "draw", lambda folder: None)


def recipe(tmp_path: Path, **how: Any) -> Recipe:
    return Recipe(
        settings=Settings(model_name_or_path="tiny", max_steps=6, output_dir=str(tmp_path), report_to=[]),
        data={"name": "sums", "eval_count": 12, "digits": 2, "count": 20, "one_shot": False},
        prompt={"template": "{prompt}"},
        reward=[{"verifier": "math"}],
        eval=how,
    )


class Adder(Engine):
    """Knows the sums of the generated problems."""

    def generate(self, prompts: list[list[int]], count: int, sampling: Sampling, seed: int) -> list[Group]:
        digits = [
            [int(word.strip("?")) for word in "".join(map(chr, p)).split() if word.strip("?").isdigit()]
            for p in prompts
        ]
        return super().generate([list(map(ord, f"{a}+{b}")) for a, b in digits], count, sampling, seed)


@pytest.mark.parametrize(
    ("how", "at"),
    [
        ({}, [0, 6]),
        ({"before": False}, [6]),
        ({"steps": 2}, [0, 2, 4, 6]),
        ({"steps": 4, "k": [2]}, [0, 4, 6]),
        ({"greedy": False}, []),
    ],
)
def test_evaluations_are_done_when_they_are_due_and_once(tmp_path: Path, how: dict[str, Any], at: list[int]) -> None:
    chosen = recipe(tmp_path, **how)
    engine = Adder(knows=55)
    for first in (0, 3):  # the second time resumed
        with chosen.open_reward() as reward, RunLog(tmp_path, chosen.settings, step=first) as log:
            evaluator = Evaluator(chosen, reward, engine, Tokenizer(), frozenset({END}), log)
            done = [step for step in range(first, 7) if evaluator.at(step) is not None]
            again = [step for step in range(first, 7) if evaluator.at(step) is not None]
        assert done == [step for step in at if step >= first and not (first and step == 0)]
        assert again == []
    assert engine.said == ["refresh", "release"] * (len(engine.said) // 2)
    records = read_rows(tmp_path / "eval.jsonl")
    assert [record["step"] for record in records] == at
    rows = read_rows(tmp_path / "eval_completions.jsonl")
    each = 12 * (1 + 2 * bool(how.get("k")))
    assert len(rows) == each * len(at)
    for record in records:
        mine = [row for row in rows if row["step"] == record["step"] and row["greedy"]]
        assert record["exact"] == sum(row["score"]["reward"] for row in mine) / 12
        assert 0 < record["exact"] < 1
        assert {"id", "prompt", "response", "reference", "score"} <= set(mine[0])


def test_the_rollouts_are_released_when_an_evaluation_fails(tmp_path: Path) -> None:
    class Broken(Engine):
        def generate(self, *_: Any) -> list[Group]:
            raise RuntimeError("no")

    chosen = recipe(tmp_path)
    engine = Broken(1)
    with chosen.open_reward() as reward, RunLog(tmp_path, chosen.settings) as log:
        evaluator = Evaluator(chosen, reward, engine, Tokenizer(), frozenset({END}), log)
        with pytest.raises(RuntimeError, match="no"):
            evaluator.at(0)
    assert engine.said == ["refresh", "release"]
    assert read_rows(tmp_path / "eval.jsonl") == []


def test_statuses_are_compared_as_they_are_written() -> None:
    assert is_right(Score(1.0, Status.CORRECT).as_dict(), "math")
