"""Rollouts of our own are those of the model: token by token, row by row, whatever else is in the batch."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from assay.grpo import native_rollouts, packed_weights  # noqa: E402
from assay.grpo.any_model import AnyModel  # noqa: E402
from assay.grpo.cuda_graphs import GraphCache  # noqa: E402
from assay.grpo.decoder import Linear, NotOurs  # noqa: E402
from assay.grpo.families import read_decoder  # noqa: E402
from assay.grpo.group_cache import GroupCache  # noqa: E402
from assay.grpo.native_rollouts import NativeRollouts  # noqa: E402
from assay.grpo.packed_weights import Product, choose_form, packs_fp16  # noqa: E402
from assay.grpo.policy import Policy  # noqa: E402
from assay.grpo.rollout_model import RolloutModel  # noqa: E402
from assay.grpo.rollouts import Group, Sampling  # noqa: E402
from assay.grpo.stop_strings import StopStrings  # noqa: E402

VOCABULARY = 120
PROMPTS = [[5, 9, 33, 2, 71], [8], [100, 4, 4, 17, 60, 61, 62, 63, 90], [5, 9, 33, 2, 72]]
torch.set_num_threads(1)

pytestmark = pytest.mark.filterwarnings("ignore")  # those of transformers and peft


class Letters:
    """A tokenizer: token n writes the n-th of these, again and again."""

    pieces = ("a", "b", "ab", "c", "</", "an", "swer", ">", " ", "x\n")

    def decode(self, tokens: list[int], **_: object) -> str:
        return "".join(self.pieces[token % len(self.pieces)] for token in tokens)


def llama(**more: Any) -> Any:
    torch.manual_seed(0)
    config = {
        "vocab_size": VOCABULARY, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
        "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 8, "eos_token_id": None, "pad_token_id": 0,
        "bos_token_id": None, "initializer_range": 0.3, "max_position_embeddings": 256,
    }  # fmt: skip
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**config, **more})).eval()


def qwen3() -> Any:
    torch.manual_seed(0)
    return transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=VOCABULARY, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6,
            num_key_value_heads=2, head_dim=8, initializer_range=0.3, eos_token_id=None, pad_token_id=0,
        )
    ).eval()  # fmt: skip


def qwen2() -> Any:
    torch.manual_seed(0)
    model = transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(
            vocab_size=VOCABULARY, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6,
            num_key_value_heads=2, initializer_range=0.3, eos_token_id=None, pad_token_id=0,
        )
    ).eval()  # fmt: skip
    for name, each in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(each)
    return model


def gpt2() -> Any:
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=VOCABULARY, n_positions=128, n_embd=48, n_layer=2, n_head=4, initializer_range=0.3,
            eos_token_id=None, bos_token_id=None, pad_token_id=0,
        )
    ).eval()  # fmt: skip


def gemma3() -> Any:
    torch.manual_seed(0)
    return transformers.Gemma3ForCausalLM(
        transformers.Gemma3TextConfig(
            vocab_size=VOCABULARY, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, head_dim=12, initializer_range=0.3, eos_token_id=None, pad_token_id=0, sliding_window=6,
            bos_token_id=None,
        )
    ).eval()  # fmt: skip


def mamba() -> Any:
    torch.manual_seed(0)
    return transformers.MambaForCausalLM(
        transformers.MambaConfig(
            vocab_size=VOCABULARY, hidden_size=32, state_size=4, num_hidden_layers=2, initializer_range=0.3,
            eos_token_id=None, pad_token_id=0, bos_token_id=None,
        )
    ).eval()  # fmt: skip


def with_adapter(model: Any) -> Any:
    torch.manual_seed(1)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
    return peft.get_peft_model(model.requires_grad_(False), config).eval()


def policy(model: Any, ends: set[int] | None = None) -> Any:
    try:
        decoder = read_decoder(model, torch.float32)
    except NotOurs:
        decoder = None
    return Policy(
        "random", model, Letters(), decoder, None, {}, frozenset(ends or ()), torch.device("cpu"), torch.float32
    )


def greedy(model: Any, prompt: list[int], tokens: int) -> list[int]:
    out = model.generate(
        input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
        max_new_tokens=tokens, min_new_tokens=tokens,
    )  # fmt: skip
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("make", [llama, qwen2, qwen3, gpt2, gemma3, mamba])
@pytest.mark.parametrize("adapted", [False, True])
def test_greedy_is_generate_token_by_token(make: Any, adapted: bool) -> None:
    if adapted and make is mamba:
        pytest.skip("its fused kernel goes round adapters")
    model = with_adapter(make()) if adapted else make()
    given = policy(model)
    assert (given.decoder is not None) == (make in (llama, qwen2, qwen3))
    groups = NativeRollouts(given, form="plain").generate(PROMPTS, 2, Sampling(20, temperature=0), 1)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        expected = greedy(model, prompt, 20)
        assert group.prompt == prompt
        assert group.completions == [expected, expected]
        assert group.finished == [False, False]
    assert len({token for group in groups for token in group.completions[0]}) > 3


@pytest.mark.parametrize(
    "form", ["plain", pytest.param("fp16", marks=pytest.mark.skipif(not packs_fp16(), reason="-"))]
)
@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("make", [llama, qwen2, qwen3])
def test_hidden_states_are_the_decoders(form: Any, merge: bool, make: Any) -> None:
    decoder = policy(with_adapter(make())).decoder
    from assay.grpo.logprobs import causal_attention

    tokens = torch.tensor(PROMPTS[2])
    hidden = decoder.hidden(tokens, torch.arange(len(tokens)), causal_attention)
    expected = (hidden[-1:] @ decoder.head.t()).detach()
    given = GroupCache(RolloutModel(decoder, form, merge=merge), 4).start([PROMPTS[2]], 1)
    error = (given - expected).norm() / expected.norm()
    assert error < (1e-5 if form == "plain" else 5e-3)
    assert form == "plain" or error > 1e-6  # it is half precision


def sampled(groups: list[Group]) -> list[list[list[int]]]:
    return [group.completions for group in groups]


def test_the_batch_makes_no_difference_to_a_row() -> None:
    """Rows that end are dropped, prompts are of different lengths, and end tokens come at random times."""
    ends = set(range(12))
    rollouts = NativeRollouts(policy(llama(), ends), form="plain")
    how = Sampling(30)
    together = rollouts.generate(PROMPTS, 6, how, 3)
    lengths = [len(each) for group in together for each in group.completions]
    assert len(set(lengths)) > 6
    for group in together:
        for completion, finished in zip(group.completions, group.finished, strict=True):
            assert finished == (completion[-1] in ends)
            assert finished or len(completion) == 30
            assert not ends.intersection(completion[:-1])
    rollouts.policy.end_tokens = frozenset()
    onward = rollouts.generate(PROMPTS, 6, how, 3)
    for group, longer in zip(together, onward, strict=True):
        for completion, whole in zip(group.completions, longer.completions, strict=True):
            assert whole[: len(completion)] == completion
            assert len(whole) == 30


@pytest.mark.parametrize("make", [llama, gpt2])
def test_prompts_together_are_prompts_one_by_one(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rollouts = NativeRollouts(policy(make(), {1, 2, 3}), form="plain")
    together = rollouts.generate(PROMPTS, 3, Sampling(16), 5)
    monkeypatch.setattr(native_rollouts, "CACHE_BYTES", 1)
    assert sampled(rollouts.generate(PROMPTS, 3, Sampling(16), 5)) == sampled(together)
    assert sampled(rollouts.generate(PROMPTS, 3, Sampling(16), 6)) != sampled(together)


def test_long_lists_of_prompts_are_encoded_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.grpo import group_cache

    rollouts = NativeRollouts(policy(llama()), form="plain")
    together = rollouts.generate(PROMPTS, 2, Sampling(8), 5)
    monkeypatch.setattr(group_cache, "CHUNK", 7)
    assert [len(each) for each in group_cache._chunks(PROMPTS, 7)] == [2, 1, 1]
    assert sampled(rollouts.generate(PROMPTS, 2, Sampling(8), 5)) == sampled(together)


@pytest.mark.parametrize("engine", [GraphCache, AnyModel])
def test_engines_give_the_same_logits(engine: Any) -> None:
    model = llama()
    packed = RolloutModel(policy(model).decoder, "plain", merge=True)
    one = GroupCache(packed, 8)
    other = AnyModel(model, torch.device("cpu")) if engine is AnyModel else GraphCache(packed, 8)
    random = torch.Generator().manual_seed(0)
    torch.testing.assert_close(one.start(PROMPTS, 3), other.start(PROMPTS, 3), atol=1e-4, rtol=1e-4)
    rows = 12
    for kept in (None, None, [0, 1, 2, 4, 6, 7, 8, 9, 10, 11], None, [0, 1, 4, 5, 7], None, [3]):
        if kept is not None:
            one.keep(torch.tensor(kept))
            other.keep(torch.tensor(kept))
            rows = len(kept)
        tokens = torch.randint(VOCABULARY, (rows,), generator=random)
        torch.testing.assert_close(one.step(tokens), other.step(tokens), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("make", [llama, gpt2])
def test_logprobs_are_the_models(make: Any) -> None:
    model = make()
    (group,) = NativeRollouts(policy(model, {3}), form="plain").generate(
        [PROMPTS[0]], 4, Sampling(9, temperature=0.8, top_p=0.9), 2, logprobs=True
    )
    assert group.logprobs is not None
    for completion, said in zip(group.completions, group.logprobs, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([PROMPTS[0] + completion])).logits[0, len(PROMPTS[0]) - 1 : -1]
        expected = torch.log_softmax(logits / 0.8, -1).gather(1, torch.tensor(completion)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(said), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("keep", [False, True])
def test_a_changed_adapter_is_seen_after_refresh_alone(keep: bool) -> None:
    model = with_adapter(llama())
    rollouts = NativeRollouts(policy(model), keep=keep)
    rollouts.refresh()
    before = sampled(rollouts.generate(PROMPTS, 2, Sampling(12), 1))
    with torch.no_grad():
        for name, each in model.named_parameters():
            if "lora_B" in name:
                each.mul_(-1)
    assert sampled(rollouts.generate(PROMPTS, 2, Sampling(12), 1)) == before
    rollouts.refresh()
    after = sampled(rollouts.generate(PROMPTS, 2, Sampling(12), 1))
    assert after != before
    assert sampled(NativeRollouts(policy(model), keep=keep).generate(PROMPTS, 2, Sampling(12), 1)) == after


@pytest.mark.parametrize("keep", [False, True])
def test_a_full_fine_tune_is_seen_after_refresh(keep: bool) -> None:
    model = llama()  # its weights are in training
    rollouts = NativeRollouts(policy(model), keep=keep)
    before = sampled(rollouts.generate(PROMPTS, 2, Sampling(12), 1))
    with torch.no_grad():
        model.lm_head.weight.mul_(-1)
    rollouts.refresh()
    assert sampled(rollouts.generate(PROMPTS, 2, Sampling(12), 1)) != before


def test_release_frees_and_the_next_call_makes_the_weights_anew() -> None:
    import weakref

    rollouts = NativeRollouts(policy(with_adapter(llama())), form="plain")
    before = sampled(rollouts.generate(PROMPTS, 2, Sampling(6), 1))
    assert rollouts.model is not None
    gone = weakref.ref(rollouts.model)
    rollouts.release()
    assert gone() is None
    assert sampled(rollouts.generate(PROMPTS, 2, Sampling(6), 1)) == before
    rollouts.close()
    assert rollouts.model is None


def test_a_kept_base_stays_and_a_trained_one_does_not() -> None:
    if not packs_fp16():
        pytest.skip("this machine does not pack fp16")
    kept = NativeRollouts(policy(with_adapter(llama())), keep=True)
    kept.refresh()
    packed = kept.model
    kept.release()
    kept.refresh()
    assert kept.model is packed
    trained = NativeRollouts(policy(llama()), keep=True)
    trained.refresh()
    trained.release()
    assert trained.model is None


def test_stop_strings_end_rows_at_the_token_that_completes_them() -> None:
    rollouts = NativeRollouts(policy(llama()), form="plain")
    free = rollouts.generate(PROMPTS, 8, Sampling(40), 1)
    stopped = rollouts.generate(PROMPTS, 8, Sampling(40, stop_strings=("ba", "</an")), 1)
    ended = 0
    for group, whole in zip(stopped, free, strict=True):
        for completion, finished, longer in zip(group.completions, group.finished, whole.completions, strict=True):
            texts = [Letters().decode(longer[: n + 1]) for n in range(40)]
            at = next((n for n, text in enumerate(texts) if "ba" in text or "</an" in text), None)
            assert completion == longer[: 40 if at is None else at + 1]
            assert finished == (at is not None)
            ended += finished
    assert 4 < ended < 32


def test_no_completion_ends_before_min_tokens() -> None:
    rollouts = NativeRollouts(policy(llama(), set(range(60))), form="plain")
    groups = rollouts.generate(PROMPTS, 4, Sampling(20, min_tokens=7, stop_strings=("a",)), 1)
    lengths = [len(each) for group in groups for each in group.completions]
    assert min(lengths) == 7
    forced = rollouts.generate(PROMPTS, 4, Sampling(20, min_tokens=20), 1)
    assert all(len(each) == 20 for group in forced for each in group.completions)


class Bytes:
    """A tokenizer whose tokens are bytes of UTF-8."""

    def decode(self, tokens: list[int], **_: object) -> str:
        return bytes(tokens).decode(errors="replace")


@pytest.mark.parametrize("stop", ["é", "né", "</a>", "\n\n", "a a", "€"])
@pytest.mark.parametrize("before", ["", "€", "xé", "</</a"[:4], "a" * 90, "\n "])
def test_a_stop_string_is_found_with_its_last_byte(stop: str, before: str) -> None:
    stops = StopStrings(Bytes(), ["zzz", stop])
    tokens = list((before + stop).encode())
    first = next(n for n in range(1, len(tokens) + 1) if stop in Bytes().decode(tokens[:n]))
    assert [stops.ended(tokens[:n]) for n in range(1, first + 1)] == [False] * (first - 1) + [True]
    assert not stops.ended([*tokens, ord("q")])  # it has been there before


def test_wrong_use_is_told() -> None:
    rollouts = NativeRollouts(policy(llama()), form="plain")
    with pytest.raises(ValueError, match="prompt 1 has no tokens"):
        rollouts.generate([[1], []], 2, Sampling(4), 1)
    with pytest.raises(ValueError, match="empty stop string"):
        rollouts.generate([[1]], 2, Sampling(4, stop_strings=("",)), 1)
    assert rollouts.generate([], 2, Sampling(4), 1) == []
    assert rollouts.generate([[1]], 2, Sampling(0), 1)[0].completions == [[], []]


def test_the_form_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr(packed_weights, "packs_fp16", lambda: True)
    assert choose_form(cpu, torch.float32) == "fp16"
    assert choose_form(cpu, torch.bfloat16) == "plain"  # a CPU where the policy computes in bf16: it is fast there
    assert choose_form(gpu, torch.float32) == "plain"
    monkeypatch.setattr(packed_weights, "packs_fp16", lambda: False)
    assert choose_form(cpu, torch.float32) == "plain"


@pytest.mark.skipif(not packs_fp16(), reason="this machine does not pack fp16")
@pytest.mark.parametrize("scale", [1e6, 1e-7])
def test_weights_out_of_reach_of_fp16_stay_wide(scale: float) -> None:
    weight = torch.randn(20, 16, generator=torch.Generator().manual_seed(0)) * scale
    product = Product([Linear(weight)], "fp16", torch.float32, merge=True)
    assert product.packed is None
    x = torch.ones(3, 16)
    torch.testing.assert_close(product(x), x @ weight.t())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_recorded_step_is_the_step() -> None:
    model = llama().cuda()
    given = policy(model)
    given.device = torch.device("cuda")
    packed = RolloutModel(given.decoder, "plain", merge=True)
    one, other = GraphCache(packed, 8), GroupCache(packed, 8)
    torch.testing.assert_close(one.start(PROMPTS, 3), other.start(PROMPTS, 3))
    for _ in range(4):
        tokens = torch.randint(VOCABULARY, (12,), device="cuda")
        torch.testing.assert_close(one.step(tokens), other.step(tokens), atol=1e-3, rtol=1e-3)
    assert one.graph is not None


def test_shared_weights_are_widened_and_nothing_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_weights, "SLICE", 5)
    torch.manual_seed(0)
    layers = [
        Linear(torch.randn(12, 8).bfloat16(), torch.randn(12), torch.randn(2, 8), torch.randn(12, 2), 0.5),
        Linear(torch.randn(7, 8).bfloat16()),
    ]
    order = torch.randperm(19)
    product = Product(layers, "shared", torch.float32, merge=False, order=order)
    x = torch.randn(3, 8)
    wide = [Linear(each.weight.float(), each.bias, each.down, each.up, each.scale) for each in layers]
    expected = torch.cat([each(x, True) for each in wide], -1)[:, order]
    torch.testing.assert_close(product(x), expected)
    assert product.weight is None
    assert product.scratch.room is not None
    assert product.scratch.room.numel() == 5 * 8
