"""Rollouts by a server, without a server: `vllm_double` answers as vLLM does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.grpo.policy import ModelError  # noqa: E402
from assay.grpo.rollouts import Group, Sampling  # noqa: E402
from assay.grpo.vllm_rollouts import VllmRollouts  # noqa: E402
from assay.grpo.vllm_server import VllmError  # noqa: E402
from vllm_double import END, Policy, Server  # noqa: E402


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def make(server: Server, tmp_path: Path) -> Iterator[Callable[..., VllmRollouts]]:
    made: list[VllmRollouts] = []

    def rollouts(policy: Any = None, **options: Any) -> VllmRollouts:
        known = {"adapter_folder": tmp_path / "adapters", "patience": 0.0, "pause": 0.0, **options}
        made.append(VllmRollouts(policy or Policy(), server.url, **known))
        return made[-1]

    yield rollouts
    for each in made:
        each.close()


def flat(groups: list[Group]) -> list[list[int]]:
    return [completion for group in groups for completion in group.completions]


PROMPTS = [[5, 6, 7], [9], [11, 12]]


# ---- what comes back


def test_a_group_for_each_prompt_in_order_with_tokens_as_the_server_gave_them(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    groups = rollouts.generate(PROMPTS, 4, Sampling(max_tokens=12), seed=3)
    assert [group.prompt for group in groups] == PROMPTS
    assert all(len(group.completions) == 4 for group in groups)
    lengths = {len(each) for each in flat(groups)}
    assert len(lengths) > 1, "nothing ended early, so nothing is shown about ends"
    for group in groups:
        for completion, finished in zip(group.completions, group.finished, strict=True):
            assert finished == (completion[-1] == END), "the end token belongs to the completion"
            assert END not in completion[:-1]
            assert finished or len(completion) == 12
        asked = next(each for each in server.bodies[1:] if each["prompt"] == group.prompt)
        told = sorted(server.complete(asked)[1]["choices"], key=lambda choice: choice["index"])
        assert group.completions == [choice["token_ids"] for choice in told], "in the order of the server's index"


def test_the_same_seed_gives_the_same_and_no_two_groups_share_theirs(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    same = [[5, 6, 7]] * 3
    first = rollouts.generate(same, 4, Sampling(max_tokens=12), seed=3)
    assert flat(rollouts.generate(same, 4, Sampling(max_tokens=12), seed=3)) == flat(first)
    assert flat(rollouts.generate(same, 4, Sampling(max_tokens=12), seed=4)) != flat(first)
    assert len({tuple(each) for each in flat(first)}) > 8
    server.bodies.clear()
    rollouts.generate(same, 4, Sampling(max_tokens=2), seed=3)
    rollouts.generate(same, 4, Sampling(max_tokens=2), seed=4)
    seeds = sorted(each["seed"] for each in server.bodies)
    assert len(seeds) == 6
    assert all(later - earlier > 1000 for earlier, later in pairwise(seeds))
    assert seeds[0] >= 0
    assert seeds[-1] + 1000 < 2**63


def test_how_tokens_are_drawn_reaches_the_server_and_nothing_else_does(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    sampling = Sampling(9, temperature=0.7, top_p=0.9, top_k=5, min_p=0.1, stop_strings=("<7>",), min_tokens=1)
    rollouts.generate([[5, 6]], 2, sampling, seed=3)
    body = server.bodies[-1]
    asked = {"n": 2, "max_tokens": 9, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "stop": ["<7>"]}
    assert asked.items() <= body.items()
    fixed = {"min_tokens": 1, "return_token_ids": True, "prompt": [5, 6], "stop_token_ids": [END]}
    assert fixed.items() <= body.items()
    # A model's generation_config.json sets these where a request does not.
    assert (body["repetition_penalty"], body["presence_penalty"], body["frequency_penalty"]) == (1, 0, 0)


def test_a_stop_string_ends_a_completion_and_its_tokens_stay(make: Any) -> None:
    rollouts = make()
    rollouts.refresh()
    free = flat(rollouts.generate(PROMPTS, 4, Sampling(max_tokens=12), seed=3))
    word = next(each[3] for each in free if len(each) > 5 and each[3] not in each[:3])
    groups = rollouts.generate(PROMPTS, 4, Sampling(max_tokens=12, stop_strings=(f"<{word}>",)), seed=3)
    ended = [
        (completion, finished)
        for group in groups
        for completion, finished in zip(group.completions, group.finished, strict=True)
        if completion[-1] == word
    ]
    assert ended
    assert all(finished for _, finished in ended)


def test_forced_lengths(make: Any) -> None:
    rollouts = make()
    rollouts.refresh()
    (group,) = rollouts.generate([[5]], 6, Sampling(max_tokens=12, min_tokens=12), seed=3)
    assert [len(each) for each in group.completions] == [12] * 6
    assert group.finished == [False] * 6


def test_greedy_groups_are_asked_for_once(make: Any, server: Server) -> None:
    """The server refuses n above 1 at temperature 0."""
    rollouts = make()
    rollouts.refresh()
    (group,) = rollouts.generate([[5, 6]], 3, Sampling(max_tokens=6, temperature=0.0), seed=3)
    assert server.bodies[-1]["n"] == 1
    assert len(group.completions) == len(group.finished) == 3
    assert group.completions[0] == group.completions[1] == group.completions[2]
    assert group.completions[0] is not group.completions[1]


def test_all_requests_of_a_batch_are_there_at_one_time(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    rollouts.generate([[5]], 2, Sampling(max_tokens=2), seed=3)
    server.meeting = threading.Barrier(20)  # nobody is answered before all have asked
    groups = rollouts.generate([[each] for each in range(3, 23)], 2, Sampling(max_tokens=2), seed=3)
    assert [group.prompt for group in groups] == [[each] for each in range(3, 23)]


def test_no_prompts_no_groups(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    assert rollouts.generate([], 4, Sampling(max_tokens=4), seed=3) == []
    assert not server.bodies


# ---- log-probabilities


@pytest.mark.parametrize("mode", ["raw", "processed"])
@pytest.mark.parametrize(
    ("sampling", "right"),
    [
        (Sampling(12), {"raw", "processed"}),
        (Sampling(12, temperature=0.6), {"processed"}),
        (Sampling(12, top_p=0.9), {"raw"}),
        (Sampling(12, top_k=5), {"raw"}),
        (Sampling(12, min_p=0.1), {"raw"}),
        (Sampling(12, temperature=0.6, top_k=5), set()),
        (Sampling(12, temperature=0.0), set()),
    ],
)
def test_log_probabilities_are_those_of_the_contract_or_none(
    make: Any, server: Server, mode: str, sampling: Sampling, right: set[str]
) -> None:
    """At the sampling's temperature, before anything is left out: which the server's are depends on how it was started."""
    server.mode = mode
    policy = Policy()
    rollouts = make(policy)
    rollouts.refresh()
    (group,) = rollouts.generate([[5, 6]], 4, sampling, seed=3)
    if mode not in right:
        assert group.logprobs is None
        return
    assert group.logprobs is not None
    assert [len(each) for each in group.logprobs] == [len(each) for each in group.completions]
    ours, _ = policy.logprobs([5, 6], group.completions, sampling.temperature)
    theirs = torch.tensor([each for row in group.logprobs for each in row])
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)


def test_another_model_than_the_policys_is_told(make: Any, server: Server) -> None:
    server.changed = 0.8
    rollouts = make()
    rollouts.refresh()
    with pytest.raises(VllmError, match=r"serves served \(tiny\), which is not the policy's model tiny.* differ by \d"):
        rollouts.generate([[5, 6]], 4, Sampling(8), seed=3)


def test_a_policy_in_shares_is_compared_where_all_processes_are(make: Any, server: Server) -> None:
    """Log-probabilities of theirs need them all, and generate() may have nothing to do in some."""
    policy = Policy()
    policy.sharded = True
    rollouts = make(policy)
    rollouts.refresh()
    policy.logprobs = None  # type: ignore[assignment, method-assign]
    assert rollouts.generate([[5, 6]], 4, Sampling(8), seed=3)
    server.changed = 0.8
    other = Policy()
    other.sharded = True
    with pytest.raises(VllmError, match="not the policy's model"):
        make(other).refresh()


def test_another_vocabulary_is_told(make: Any) -> None:
    rollouts = make()
    rollouts.refresh()
    with pytest.raises(VllmError, match=r"another vocabulary.*99.*vllm serve tiny"):
        rollouts.generate([[5, 99]], 4, Sampling(8), seed=3)


# ---- the adapter


def test_a_refresh_changes_what_is_sampled_and_nothing_piles_up(make: Any, server: Server, tmp_path: Path) -> None:
    policy = Policy()
    rollouts = make(policy)
    seen = []
    for weight in (1.0, 1.3, 1.0):
        policy.weight = weight
        rollouts.refresh()
        seen.append(flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=3)))
        assert list(server.adapters.values()) == [weight]
        assert len(list((tmp_path / "adapters").glob("*/*"))) == 1
    assert seen[0] == seen[2] != seen[1]
    assert len(set(server.loads)) == 3, "a new name each time: the server's prefix cache goes by the name"
    rollouts.close()
    rollouts.close()
    assert not server.adapters
    assert not list((tmp_path / "adapters").iterdir())


def test_generate_uses_the_policy_as_it_was_at_the_last_refresh(make: Any) -> None:
    policy = Policy()
    rollouts = make(policy)
    rollouts.refresh()
    before = flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=3))
    policy.weight = 1.3
    assert flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=3)) == before


def test_a_refresh_that_fails_leaves_the_adapter_before_it(make: Any, server: Server, tmp_path: Path) -> None:
    policy = Policy()
    rollouts = make(policy)
    rollouts.refresh()
    before = flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=3))
    policy.weight = 1.3
    server.sees_folders = False
    with pytest.raises(VllmError):
        rollouts.refresh()
    assert flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=3)) == before
    assert len(list((tmp_path / "adapters").glob("*/*"))) == 1


def test_the_first_refresh_happens_by_itself(make: Any, server: Server) -> None:
    (group,) = make().generate([[5]], 2, Sampling(8), seed=3, logprobs=False)
    assert list(server.adapters.values()) == [1.0]
    assert group.logprobs is None


def test_training_of_all_weights_is_refused() -> None:
    policy: Any = SimpleNamespace(model=SimpleNamespace(), name="tiny")
    with pytest.raises(ModelError, match="set use_peft true, or rollouts native"):
        VllmRollouts(policy, "http://127.0.0.1:9")


# ---- failures of the server


def test_no_server() -> None:
    with pytest.raises(VllmError) as caught:
        VllmRollouts(Policy(rank=40), "http://127.0.0.1:9", patience=0.0)  # type: ignore[arg-type]
    words = str(caught.value)
    assert "no vLLM server answers at http://127.0.0.1:9" in words
    assert "refused" in words
    assert "LORA_UPDATING=True vllm serve tiny --enable-lora --max-lora-rank 64`" in words
    assert "vllm_server_base_url" in words


def test_a_server_that_is_starting_is_waited_for(make: Any, server: Server) -> None:
    server.script = ["starting"] * 3
    rollouts = make(patience=60.0)
    assert not server.script
    rollouts.refresh()
    assert len(rollouts.generate([[5]], 2, Sampling(4), seed=3)) == 1


def test_what_is_no_vllm_server(make: Any, server: Server) -> None:
    server.mode = "a web page"
    with pytest.raises(VllmError, match=r"is no vLLM server.*HTTP 404"):
        make()


def test_an_api_key(make: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "secret"
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(VllmError, match="VLLM_API_KEY"):
        make()
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    make()


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        (
            {"updating": False},
            r"does not let adapters be loaded.*VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve tiny",
        ),
        ({"lora": False}, "started without --enable-lora"),
        ({"rank": 32}, r"rank 32 \(lora_r\).*takes 16 at most.*--max-lora-rank 32`, or set lora_r to 16"),
        ({"sees_folders": False}, "cannot read the adapter in .*give a folder that both see"),
    ],
)
def test_adapters_that_cannot_be_loaded(make: Any, server: Server, switch: dict[str, Any], words: str) -> None:
    for name, value in switch.items():
        setattr(server, name, value)
    rollouts = make(Policy(rank=switch.get("rank", 8)))
    with pytest.raises(VllmError, match=words):
        rollouts.refresh()


def test_a_prompt_that_is_too_long(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    with pytest.raises(VllmError, match=r"61 tokens and 4 .*more than the 64.*--max-model-len 65 .*max_prompt_length"):
        rollouts.generate([[5], [5] * 61], 2, Sampling(4), seed=3)
    assert not server.bodies, "the server would shorten the completion without a word"


def test_completions_that_the_server_cuts_shorter_than_asked(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    rollouts.generate([[5]], 2, Sampling(4), seed=3)
    server.longest = 5
    with pytest.raises(VllmError, match=r"at 5 tokens, though 20 were asked for.*max_new_tokens"):
        rollouts.generate(PROMPTS, 4, Sampling(20), seed=3)


def test_a_server_without_token_ids(make: Any, server: Server) -> None:
    server.token_ids = False
    rollouts = make()
    rollouts.refresh()
    with pytest.raises(VllmError, match=r"no token ids.*older than vLLM 0\.10\.2"):
        rollouts.generate([[5]], 2, Sampling(4), seed=3)


@pytest.mark.parametrize("trouble", ["hang up", "busy", "cut", "no JSON", "break off", "one less", "restart"])
def test_what_passes_is_tried_again_and_changes_nothing(make: Any, server: Server, trouble: str) -> None:
    rollouts = make()
    rollouts.refresh()
    right = flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=3))
    server.script = [trouble, trouble]
    server.bodies.clear()
    assert flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=3)) == right
    assert not server.script
    assert len(server.bodies) >= 5 if trouble != "restart" else len(server.loads) > 1
    assert len(server.adapters) == 1


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("hang up", "the connection failed"),
        ("busy", "it answered HTTP 503: too busy"),
        ("cut", "cut off"),
        ("no JSON", "cut off"),
        ("break off", "some were broken off"),
        ("one less", "lacks completions"),
        ("silence", r"no answer within 0\.05 s; give it more time"),
    ],
)
def test_what_does_not_pass_is_told(make: Any, server: Server, trouble: str, words: str) -> None:
    rollouts = make(timeout=0.05 if trouble == "silence" else 60.0)
    rollouts.refresh()
    server.script = [trouble] * 3
    with pytest.raises(VllmError, match=f"failed 3 times at /v1/completions; at last .*{words}"):
        rollouts.generate([[5]], 4, Sampling(8), seed=3)


def test_a_server_that_is_gone_during_the_run_is_waited_for_and_then_told(make: Any, server: Server) -> None:
    rollouts = make()
    rollouts.refresh()
    rollouts.generate([[5]], 2, Sampling(4), seed=3)
    server.script = ["hang up", "starting"]  # the address answers, the engine behind it does not
    with pytest.raises(VllmError, match="no vLLM server answers"):
        rollouts.generate([[5]], 2, Sampling(4), seed=3)


def test_rollouts_in_several_threads_do_not_disturb_each_other(make: Any) -> None:
    rollouts = make()
    rollouts.refresh()
    right = [flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=each)) for each in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda each: flat(rollouts.generate(PROMPTS, 4, Sampling(8), seed=each)), range(6)))
    assert found == right
