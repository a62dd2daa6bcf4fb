"""Which models are refused, and in which words: one line that names the model and the remedy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from assay.grpo.policy import ModelError, Policy, TargetError, open_policy
from assay.grpo.settings import Settings


def opened(model: Path | str, **changes: Any) -> Policy:
    return open_policy(Settings(model_name_or_path=str(model), dtype="float32", **changes), "cpu")


def refused(model: Path | str, **changes: Any) -> str:
    with pytest.raises(ModelError) as raised:
        opened(model, **changes)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def test_an_adapter_is_no_model(tiny_model: Path, tmp_path: Path) -> None:
    opened(tiny_model).save(tmp_path / "adapter")
    said = refused(tmp_path / "adapter")
    assert f"{tmp_path / 'adapter'} is an adapter of {tiny_model}: merge it" in said


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("config.json", "the folder has no config.json"),
        ("tokenizer.json", "the tokenizer of {copy} cannot be loaded (ValueError: "),
        ("model.safetensors", "{copy} cannot be loaded (OSError: Error no file named model.safetensors"),
    ],
)
def test_a_folder_that_lacks_something(copy: Path, lacking: str, words: str) -> None:
    (copy / lacking).unlink()
    assert words.format(copy=copy) in refused(copy)


def test_weights_that_were_cut_off(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "SafetensorError" in refused(copy)


def test_a_path_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "none") == f"model_name_or_path: {tmp_path / 'none'}: there is no such file or folder"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "models/none: there is no such file or folder, and its config.json could not be had" in refused(
        "models/none"
    )


@pytest.mark.parametrize("kind", ["foo", "flash_attention_2"])
def test_attention_that_is_not_to_be_had(tiny_model: Path, kind: str) -> None:
    assert refused(tiny_model, attn_implementation=kind).endswith(": attn_implementation=eager is what every model has")


def test_a_model_without_sdpa(tmp_path: Path, copy: Path) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(vocab_size=260, hidden_size=16, num_hidden_layers=1, state_size=2)
    MambaForCausalLM(config).save_pretrained(copy)
    assert "does not support" in refused(copy)
    assert "attn_implementation=eager" in refused(copy)


@pytest.mark.parametrize("targets", ["nothere", ["nothere"], ["q_proj", "nothere"], ["proj"], [], ["norm"], "("])
def test_layers_that_take_no_adapter(tiny_model: Path, targets: str | list[str]) -> None:
    """One that is misspelt among others too: peft would leave it out."""
    with pytest.raises(TargetError, match="its linear layers are down_proj, gate_proj, k_proj, lm_head"):
        opened(tiny_model, lora_target_modules=targets)


@pytest.mark.parametrize(
    ("targets", "count"),
    [(["q_proj"], 4), (["self_attn.q_proj", "k_proj"], 8), (["model.layers.0.mlp.up_proj"], 2), (".*_proj", 28)],
)
def test_layers_go_by_the_ends_of_their_names(tiny_model: Path, targets: str | list[str], count: int) -> None:
    assert len(opened(tiny_model, lora_target_modules=targets).trainable) == count


def test_the_layers_of_gpt2_are_named_too(copy: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=260, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(copy)
    assert "layers are c_attn, c_fc, c_proj, lm_head" in refused(copy, lora_target_modules=["c_atn"])
