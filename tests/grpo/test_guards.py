"""What stops a run, with which words; and that nothing else does."""

from __future__ import annotations

import math
from typing import Any

import pytest
from assay.grpo.guards import EQUAL_STEPS, UNJUDGED_STEPS, Guards, TrainingStopped, fitting, out_of_memory
from assay.grpo.settings import Settings

from assay import Problem, Score, Status


def settings(**changes: Any) -> Settings:
    return Settings(model_name_or_path="tiny", **changes)


def scores(*rewards: float | None) -> list[Score]:
    detail = "the engine is away"
    return [Score(r, Status.INFRA_ERROR if r is None else Status.INCORRECT, detail=detail) for r in rewards]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_not_finite_stops_before_the_update(value: float, place: int) -> None:
    figures = [0.5, 1.0]
    Guards(settings()).update(7, *figures)
    figures[place] = value
    with pytest.raises(TrainingStopped, match=r"step 7: the .* is -?(nan|inf); .*learning_rate \(1e-06\)"):
        Guards(settings()).update(7, *figures)


def test_float16_is_named_only_where_it_is_used() -> None:
    with pytest.raises(TrainingStopped, match="bfloat16"):
        Guards(settings(dtype="float16")).update(1, math.nan, 1)
    with pytest.raises(TrainingStopped) as stopped:
        Guards(settings()).update(1, math.nan, 1)
    assert "bfloat16" not in str(stopped.value)


def test_no_verdicts_stop_after_some_steps_in_a_row_with_their_reason() -> None:
    guards = Guards(settings())
    for _ in range(3):
        for step in range(UNJUDGED_STEPS - 1):
            guards.rewards(step, [scores(None, None)])
        guards.rewards(9, [scores(None, None), scores(None, 1.0)])  # one verdict is enough to go on
    for step in range(UNJUDGED_STEPS - 1):
        guards.rewards(step, [scores(None, None)])
    with pytest.raises(TrainingStopped, match="infra_error: the engine is away"):
        guards.rewards(9, [scores(None, None)])


def test_the_first_step_without_a_verdict_is_told_with_its_reason() -> None:
    guards = Guards(settings())
    told: list[str] = []
    guards.tell = told.append
    guards.rewards(1, [scores(None, 0.0)])
    assert told == []
    for step in (2, 3):
        guards.rewards(step, [scores(None, None)])
    (notice,) = told
    assert notice.startswith("step 2: no completion had a verdict")
    assert "infra_error: the engine is away" in notice


@pytest.mark.parametrize(
    ("rewards", "words"),
    [
        ((0.0, 0.0), "all rewards are 0: make it easier"),
        ((1.0, 1.0), "all rewards are 1: these problems are solved"),
        ((0.25, 0.25), "rewards lie from 0.25 to 0.25: raise num_generations"),
        ((0.0, 0.0, None), "all rewards are 0"),
    ],
)
def test_equal_groups_stop_after_many_steps_in_a_row(rewards: tuple[float | None, ...], words: str) -> None:
    guards = Guards(settings())
    for step in range(EQUAL_STEPS - 1):
        guards.rewards(step, [scores(*rewards)] * 2)
    guards.rewards(50, [scores(*rewards), scores(0.0, 1.0)])  # one group that teaches: counted anew
    for step in range(EQUAL_STEPS - 1):
        guards.rewards(step, [scores(*rewards)] * 2)
    with pytest.raises(TrainingStopped, match=words):
        guards.rewards(99, [scores(*rewards)] * 2)


def test_groups_that_are_equal_each_at_its_own_level_teach_nothing() -> None:
    guards = Guards(settings())
    groups = [scores(0.0, 0.0), scores(1.0, 1.0)]
    for step in range(EQUAL_STEPS - 1):
        guards.rewards(step, groups)
    with pytest.raises(TrainingStopped, match="from 0 to 1: raise num_generations"):
        guards.rewards(EQUAL_STEPS, groups)


def test_steps_without_a_verdict_neither_count_as_equal_nor_as_different() -> None:
    guards = Guards(settings())
    for _ in range(EQUAL_STEPS - 1):
        guards.rewards(1, [scores(0.0, 0.0)])
    guards.rewards(1, [scores(None, None)])
    with pytest.raises(TrainingStopped, match="all rewards are 0"):
        guards.rewards(1, [scores(0.0, 0.0)])


def test_drift_stops_above_max_kl() -> None:
    for kl in (None, 0.0, 10.0, math.nan):
        Guards(settings()).drift(1, kl)
    Guards(settings(max_kl=None)).drift(1, 1e9)
    with pytest.raises(TrainingStopped, match=r"10\.1 per token, above max_kl \(10\).*raise beta \(0\)"):
        Guards(settings()).drift(1, 10.1)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_memory_that_ran_out_is_told_with_what_to_change(error: BaseException) -> None:
    with (
        pytest.raises(TrainingStopped, match=r"while training; set gradient_checkpointing: true, or halve"),
        out_of_memory(settings(), "training"),
    ):
        raise error
    with (
        pytest.raises(TrainingStopped, match=r"while sampling; lower max_completion_length \(256\)"),
        out_of_memory(settings(), "sampling"),
    ):
        raise error
    with (
        pytest.raises(TrainingStopped, match=r"while training; lower max_completion_length .* dtype: bfloat16"),
        out_of_memory(
            settings(gradient_checkpointing=True, per_device_train_batch_size=1, dtype="float32"), "training"
        ),
    ):
        raise error


def test_the_allocator_of_torch_really_says_so() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TrainingStopped, match="memory ran out"), out_of_memory(settings(), "training"):
        torch.empty(1 << 60, dtype=torch.int8)


def test_other_errors_pass_and_success_too() -> None:
    with out_of_memory(settings(), "training"):
        pass
    for error in (RuntimeError("shapes differ"), ValueError("out of memory"), TrainingStopped("out of memory")):
        with pytest.raises(type(error)) as raised, out_of_memory(settings(), "training"):
            raise error
        assert raised.value is error


def problems(*lengths: int) -> list[Problem]:
    return [Problem(f"p{length}", "x" * length) for length in lengths]


def test_prompts_that_are_too_long_are_left_out_with_a_notice() -> None:
    told: list[str] = []

    def fit(context: int | None = None, **changes: Any) -> list[int]:
        given = problems(5, 10, 11, 30)
        kept = fitting(given, lambda p: [0] * len(p.prompt), settings(**changes), told.append, context)
        return [len(tokens) for _, tokens in kept]

    assert fit() == [5, 10, 11, 30]
    assert not told
    assert fit(max_prompt_length=10) == [5, 10]
    assert told == [
        "2 of 4 problems are left out: their prompts have more than 10 tokens (max_prompt_length); the longest is p30 with 30"
    ]
    assert fit(261) == [5]  # max_completion_length is 256
    assert "the model's 261 tokens less max_completion_length 256" in told[-1]
    assert fit(300, max_prompt_length=10) == [5, 10]  # the tighter one is named
    assert "(max_prompt_length)" in told[-1]
    with pytest.raises(TrainingStopped, match=r"4 tokens are allowed .* shortest has 5; raise max_prompt_length"):
        fit(max_prompt_length=4)
    with pytest.raises(TrainingStopped, match="lower max_completion_length"):
        fit(260)
