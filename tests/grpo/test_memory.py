"""The memory planner: parameters are counted exactly, activations as torch allocates them, and advice is true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from assay.grpo import (  # noqa: E402
    group_cache,
    logprobs,
    memory,
    memory_activations,
    native_rollouts,
    packed_weights,
)
from assay.grpo.memory import SETUPS, Plan, PlanError, estimate  # noqa: E402
from assay.grpo.memory_activations import packed_pass, padded_pass  # noqa: E402
from assay.grpo.memory_cards import CARDS, advice, card_of, remedy, usable  # noqa: E402
from assay.grpo.memory_measure import measure  # noqa: E402
from assay.grpo.model_shapes import ModelShape, ShapeError, read_shape  # noqa: E402
from assay.grpo.settings import Settings  # noqa: E402

GIB = 1 << 30
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 500,
}
FAMILY: list[dict[str, Any]] = [
    {"model_type": "llama", "tie_word_embeddings": True},
    {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    {"model_type": "mistral", "head_dim": 32},
    {"model_type": "qwen2"},
    {"model_type": "qwen3", "head_dim": 32, "tie_word_embeddings": True},
]


def written(folder: Path, config: dict[str, Any]) -> str:
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def small(**changes: Any) -> ModelShape:
    given: dict[str, Any] = {"hidden": 64, "intermediate": 176, "layers": 3, "heads": 4, "kv_heads": 2, "head_size": 16}
    return ModelShape(name="small", **(given | {"vocabulary": 500, "tied": True} | changes))


SEVEN = ModelShape("7B", 3584, 18944, 28, 28, 4, 128, 152064, False, qkv_bias=True)


# ---- sizes


@pytest.mark.parametrize("config", FAMILY, ids=lambda config: "-".join(map(str, config.values())))
def test_parameters_are_those_of_the_model_and_its_adapter(config: dict[str, Any], tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    given = SIZES | config
    shape = read_shape(written(tmp_path, given))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**given))
    assert shape.exact
    assert shape.parameters == sum(each.numel() for each in model.parameters())
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert shape.adapter(4) == adapted.get_nb_trainable_parameters()[0]


def test_another_family_is_counted_on_the_meta_device(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, GPT2Config

    config = GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=300, n_positions=128)
    shape = read_shape(written(tmp_path, config.to_dict()))
    model = AutoModelForCausalLM.from_config(config)
    assert not shape.exact
    assert shape.parameters == sum(each.numel() for each in model.parameters())
    assert (shape.hidden, shape.layers, shape.heads, shape.intermediate) == (64, 2, 4, 256)
    assert not estimate(Plan(shape), "GRPO").own


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "llama"}, "no hidden_size"),
        (SIZES | {"model_type": "llama", "vocab_size": -3}, "vocab_size is -3"),
        (SIZES | {"model_type": "llama", "num_key_value_heads": 3}, "cannot share 3 heads"),
        (SIZES, "no model_type"),
        ({"model_type": "no-such-model"}, "no causal language model"),
        (
            {"model_type": "mamba", "num_hidden_layers": 1, "vocab_size": 50},
            "a mamba model has no attention heads, and only",
        ),
    ],
)
def test_a_configuration_that_lacks_something_is_named(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=said):
        read_shape(written(tmp_path, config))


# ---- what a pass keeps, against what torch allocates


def test_constants_are_those_of_the_loop() -> None:
    assert memory_activations.BLOCK_BYTES == logprobs.BLOCK_BYTES
    assert memory.CACHE_BYTES == native_rollouts.CACHE_BYTES
    assert memory.ENCODED == group_cache.CHUNK
    assert memory.SLICE == packed_weights.SLICE
    assert Plan(SEVEN).keep_rollout_weights == Settings.model_fields["keep_rollout_weights"].default


def allocated(work: Any) -> int:
    """Return the bytes of tensors at the fullest moment of some work, beyond those that were there before."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    now = most = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def llama_of(shape: ModelShape) -> Any:
    """Return a Llama of that shape, with random weights in float32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
    )
    return LlamaForCausalLM(config).float()


def decoder_of(shape: ModelShape, rank: int | None) -> Any:
    from assay.grpo.families import read_decoder
    from peft import LoraConfig, get_peft_model

    model = llama_of(shape)
    if rank is not None:
        model = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear"))
    return read_decoder(model, torch.float32)


WIDE = small(hidden=128, intermediate=352, heads=4, kv_heads=2, head_size=32, layers=4)


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("rank", [8, None])
@pytest.mark.parametrize(
    ("shape", "prompt", "rows", "completion"),
    [
        (WIDE, 64, 8, 65),
        (replace(WIDE, kv_heads=4, layers=6), 200, 3, 33),
        (replace(WIDE, vocabulary=30000, tied=False), 16, 8, 33),
    ],
)
def test_a_packed_pass_takes_what_torch_allocates(
    shape: ModelShape, prompt: int, rows: int, completion: int, rank: int | None, checkpointed: bool
) -> None:
    decoder = decoder_of(shape, rank)
    tokens = [number % 300 for number in range(prompt)]
    completions = [[3 + row] * completion for row in range(rows)]

    def trained() -> None:
        logprobs.group_logprobs(decoder, tokens, completions, 1.0, checkpointed=checkpointed)[0].sum().backward()

    def scored() -> None:
        with torch.no_grad():
            logprobs.group_logprobs(decoder, tokens, completions, 1.0)

    found = packed_pass(
        shape,
        prompt=prompt,
        rows=rows,
        completion=completion,
        width=4,
        stored=4,
        rank=rank,
        checkpointed=checkpointed,
    )
    gradients = 4 * (shape.parameters if rank is None else shape.adapter(rank))
    embedding = 0 if rank else 4 * shape.embedding
    training = max(
        found.saved + found.logits,
        found.activations + found.head_grad,
        gradients - embedding + found.last + found.head_grad,
        gradients + found.head_grad,
    )
    assert training == pytest.approx(allocated(trained), rel=0.08)
    assert max(found.forward, found.scores) == pytest.approx(allocated(scored), rel=0.08)


@pytest.mark.parametrize("rank", [8, None])
def test_a_padded_pass_saves_what_transformers_saves(rank: int | None) -> None:
    from peft import LoraConfig, get_peft_model

    shape = replace(WIDE, layers=3)
    model = llama_of(shape)
    if rank is not None:
        model = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear"))
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
    storages: dict[int, int] = {}
    kept = []  # alive, so that no address comes twice

    def pack(tensor: Any) -> Any:
        kept.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.arange(4 * 96).view(4, 96) % 400
    mask = torch.ones_like(ids)
    mask[0, :7] = 0
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=1)
    found = padded_pass(shape, rows=4, length=96, targets=4, width=4, stored=4, rank=rank, checkpointed=False)
    assert found.saved == pytest.approx(sum(storages.values()), rel=0.08)


# ---- set-ups


def test_sixteen_bytes_for_each_trained_parameter() -> None:
    full = estimate(Plan(SEVEN, dtype="bfloat16"), "GRPO")
    assert (full.weights, full.gradients, full.optimizer) == tuple(
        SEVEN.parameters * each for each in (4 + 2, 4, 8)
    )  # policy in float32, reference in bfloat16
    lora = estimate(Plan(SEVEN, lora_r=8), "LoRA-GRPO")
    adapter = SEVEN.adapter(8)
    assert (lora.weights, lora.gradients, lora.optimizer) == (
        2 * SEVEN.parameters + 4 * adapter,
        4 * adapter,
        8 * adapter,
    )
    assert estimate(Plan(SEVEN, beta=False), "GRPO").weights == 4 * SEVEN.parameters


def test_models_in_memory_grow_from_lora_to_ppo() -> None:
    weights = {setup: estimate(Plan(SEVEN), setup).weights for setup in SETUPS}
    ordered = [weights[setup] for setup in ("QLoRA-GRPO", "LoRA-GRPO", "GRPO", "GRPO, reward model", "PPO")]
    assert ordered == sorted(ordered)
    head = estimate(Plan(SEVEN, value_head=True), "PPO").weights
    assert weights["GRPO, reward model"] < head < weights["PPO"] - 3 * SEVEN.parameters


@pytest.mark.parametrize("setup", SETUPS)
def test_more_work_never_takes_less_memory(setup: Any) -> None:
    plan = Plan(SEVEN, per_device_train_batch_size=4, num_generations=4, prompt_length=64, max_completion_length=64)
    base = estimate(plan, setup).peak
    for more in (
        {"per_device_train_batch_size": 8, "num_generations": 8},
        {"prompt_length": 512},
        {"max_completion_length": 512},
        {"gradient_accumulation_steps": 4},
        {"dtype": "float32"},
        {"lora_r": 64},
    ):
        assert estimate(replace(plan, **more), setup).peak >= base  # type: ignore[arg-type]
    checkpointed = estimate(replace(plan, gradient_checkpointing=True), setup)
    assert checkpointed.phases["training"] <= estimate(plan, setup).phases["training"]


@pytest.mark.parametrize("setup", SETUPS)
def test_the_peak_is_the_largest_phase_and_never_the_sum(setup: Any) -> None:
    found = estimate(Plan(SEVEN), setup)
    assert found.peak == max(found.phases.values()) == found.phases[found.phase]
    assert found.weights + found.optimizer < found.peak
    parts = found.weights + found.gradients + found.optimizer + found.activations + found.logits + found.rollouts
    if setup == "LoRA-GRPO":
        assert found.peak < parts


def test_shards_are_shares_of_what_each_device_would_hold() -> None:
    alone = estimate(Plan(SEVEN), "GRPO")
    four = estimate(Plan(SEVEN, devices=4, shard="fsdp"), "GRPO")
    assert (four.weights, four.gradients, four.optimizer) == tuple(
        -(-part // 4) for part in (alone.weights, alone.gradients, alone.optimizer)
    )
    many = estimate(Plan(SEVEN, devices=1 << 20, shard="fsdp"), "LoRA-GRPO")  # to sample, each has all of them
    assert not SEVEN.tied
    assert many.phases["rollout"] >= 2 * (SEVEN.linear + 2 * SEVEN.embedding)
    copies = estimate(Plan(SEVEN, devices=4), "GRPO")
    assert copies.weights == alone.weights
    assert copies.phases["update"] >= alone.weights + alone.gradients + alone.optimizer + 4 * SEVEN.parameters


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"per_device_train_batch_size": 0}, "per_device_train_batch_size is 0"),
        ({"prompt_length": -1}, "prompt_length is -1"),
        ({"num_generations": 1}, "num_generations is 1"),
        ({"dtype": "int3"}, "dtype is 'int3'; known are float32"),
        ({"optimizer": "lion"}, "optimizer is 'lion'"),
        ({"shard": "none"}, "shard is 'none'"),
    ],
)
def test_numbers_that_make_no_sense_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        Plan(SEVEN, **wrong)


# ---- cards


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("H100", 81559 << 20),
        ("nvidia H100 80GB", 81559 << 20),
        ("RTX 4090", 24564 << 20),
        ("a100-40gb", 40960 << 20),
        ("80GB", 80 * GIB),
        ("23.5 GiB", round(23.5 * GIB)),
        ("24", 24 * GIB),
        ("80000MB", 80000 << 20),
        ("AMD Instinct MI300X", 196592 << 20),
    ],
)
def test_cards_go_by_name_or_size(text: str, size: int) -> None:
    assert card_of(text).size == size
    assert 0.85 * size < usable(card_of(text)) < size


@pytest.mark.parametrize("text", ["", "GPU", "-3", "0GB", "12 apples"])
def test_an_unknown_card_is_told_what_is_known(text: str) -> None:
    with pytest.raises(PlanError, match="H200"):
        card_of(text)


@pytest.mark.parametrize("setup", SETUPS)
def test_what_is_advised_fits_and_was_needed(setup: Any) -> None:
    plan = Plan(SEVEN, dtype="float32", gradient_accumulation_steps=2)
    advised = set()
    for card in sorted(CARDS):
        room = usable(card_of(card))
        if estimate(plan, setup).peak <= room:
            continue
        found = remedy(plan, setup, room)
        said = advice(plan, setup, room)
        if found is None:
            assert "nothing here is enough" in said
            continue
        change, better = found
        advised.add(change)
        assert said.startswith((change, "use_peft=true"))
        assert estimate(better, setup).peak <= room
    assert len(advised) > 1  # larger cards need less


def test_checkpointing_is_advised_before_what_changes_the_run() -> None:
    plan = Plan(SEVEN, prompt_length=1024, max_completion_length=2048)
    small_room = estimate(replace(plan, gradient_checkpointing=True), "LoRA-GRPO").peak
    assert estimate(plan, "LoRA-GRPO").peak > small_room
    found = remedy(plan, "LoRA-GRPO", small_room)
    assert found is not None
    assert found[0] == "gradient_checkpointing=true"


# ---- against a real run


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_a_real_run_takes_what_is_predicted(tmp_path: Path, kept: bool) -> None:
    """Large enough that tensors outweigh what Python itself takes: about 250 MiB."""
    sizes = {"hidden_size": 512, "intermediate_size": 1408, "num_attention_heads": 8, "vocab_size": 16000}
    model = written(tmp_path, SIZES | sizes | {"model_type": "llama", "tie_word_embeddings": True})
    plan = Plan(read_shape(model), dtype="bfloat16", prompt_length=32, max_completion_length=48)
    plan = replace(plan, keep_rollout_weights=kept, gradient_checkpointing=True)
    found = measure(model, plan, "LoRA-GRPO", timeout=300)
    assert abs(found.off) <= 0.10, found
