"""The command `assay memory`: what is printed, plain data, exit codes, and that it needs neither torch nor weights."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assay.cli import main

CONFIG = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
}
SETUPS = ["PPO", "GRPO, reward model", "GRPO", "LoRA-GRPO", "QLoRA-GRPO"]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["memory", *arguments])


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return str(tmp_path)


def test_five_set_ups_with_their_peaks(model: str) -> None:
    done = run(model, "--card", "H100")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    for setup in SETUPS:
        assert any(line.startswith(setup) and " GiB" in line for line in lines), setup
    assert "7,616 M parameters" in lines[0]
    assert any(line.startswith("LoRA-GRPO") and " yes " in line for line in lines)
    assert any(line.startswith("PPO") and " no " in line for line in lines)
    assert any("GRPO lacks" in line and "Change first:" in line for line in lines)


def test_what_the_table_does_not_count_is_said(model: str) -> None:
    assert "max_position_embeddings" not in run(model).output
    quantized = {"quantization_config": {"quant_method": "gptq", "bits": 4}, "max_position_embeddings": 1024}
    (Path(model) / "config.json").write_text(json.dumps(CONFIG | quantized))
    said = " ".join(run(model, "--prompt-length", "1000").output.split())
    assert "The weights are quantized (gptq, 4 bits), says config.json: here they are counted as bfloat16" in said
    assert "1256 tokens of prompt and completion are more than the 1024 that the model can take" in said
    said = run(model, "--prompt-length", "768").output
    assert "more than the 1024" not in said


def test_plain_data_says_the_same(model: str) -> None:
    done = run(model, "--card", "24GB", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert [each["setup"] for each in found["setups"]] == SETUPS
    for each in found["setups"]:
        assert each["peak"] == max(each["phases"].values()) == each["phases"][each["phase"]]
        assert each["fits"] == (each["peak"] <= found["card"]["usable"])
        assert (each["advice"] is None) == each["fits"]
    assert found["plan"]["parameters"] == 7_615_616_512  # as the model's card on the hub has it


def test_flags_reach_the_plan(model: str) -> None:
    def peak(*flags: str) -> int:
        found = json.loads(run(model, "--json", *flags).stdout)
        return int(found["setups"][2]["peak"])

    assert peak("--dtype", "float32") > peak()
    assert peak("--no-reference") < peak()
    assert peak("--devices", "4", "--shard", "fsdp") < peak()
    assert peak("--optimizer", "sgd") < peak()
    long = ("--completion-length", "4096", "--batch", "16", "--group", "16", "--no-reference", "--optimizer", "sgd")
    assert peak(*long, "--gradient-checkpointing") < peak(*long)


def test_neither_torch_nor_transformers_is_needed(model: str) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'peft', 'huggingface_hub', 'pydantic'):\n"
        "    sys.modules[name] = None\n"
        "from assay.cli import main\n"
        f"main(['memory', {model!r}, '--card', '80GB'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "QLoRA-GRPO" in done.stdout


def test_the_small_model_is_known_by_name() -> None:
    done = run("smollm2-135m-instruct")
    assert done.exit_code == 0
    assert "135 M parameters" in done.output


def test_of_the_hub_the_configuration_alone_is_fetched(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def fetch(*arguments: str) -> str:
        asked.append(arguments)
        return f"{model}/config.json"

    hub = types.ModuleType("huggingface_hub")
    hub.hf_hub_download = fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert run("Qwen/Qwen2.5-7B").exit_code == 0
    assert asked == [("Qwen/Qwen2.5-7B", "config.json")]


def test_a_model_that_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: str) -> str:
        raise OSError("404 Client Error\nmore")

    hub = types.ModuleType("huggingface_hub")
    hub.hf_hub_download = fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    done = run("nobody/nothing")
    assert done.exit_code == 2
    assert "nobody/nothing: there is no such file or folder, and its config.json could not be had" in done.output
    assert "404 Client Error" in done.output
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    done = run("nobody/nothing")
    assert done.exit_code == 2
    assert "pip install huggingface_hub" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["./no/such/folder"], "no such file or folder"),
        (["--card", "GPU-9000"], "card 'GPU-9000' is not known"),
        (["--batch", "0"], "'--batch'"),
        (["--group", "1"], "'--group'"),
        (["--prompt-length", "-5"], "'--prompt-length'"),
        (["--devices", "2", "--measure"], "runs on one device"),
    ],
)
def test_wrong_use_is_named(arguments: list[str], said: str, model: str) -> None:
    if "--measure" in arguments:
        pytest.importorskip("torch")
        pytest.importorskip("peft")
    done = run(*(arguments if arguments[0].startswith("./") else [model, *arguments]))
    assert done.exit_code == 2
    assert said in done.output


def test_a_file_that_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1, 2]")
    done = run(str(tmp_path))
    assert done.exit_code == 2
    assert "holds a list" in done.output
    (tmp_path / "config.json").write_text("{")
    assert "cannot be read as JSON" in run(str(tmp_path)).output
    (tmp_path / "config.json").unlink()
    assert "has no config.json" in run(str(tmp_path)).output


def test_measuring_without_torch_says_what_to_install(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    done = run(model, "--measure")
    assert done.exit_code == 2
    assert "install torch" in done.output


@pytest.mark.parametrize(("measured", "code"), [(1000, 0), (800, 1)])
def test_a_prediction_that_is_off_is_an_exit_code(
    measured: int, code: int, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    from assay.grpo import memory_measure
    from assay.grpo.memory_measure import Measured

    one = Measured("GRPO", "float32", False, "cpu", "float32", 1000 << 20, measured << 20, {}, {"training": measured})
    monkeypatch.setattr(memory_measure, "measure_setups", lambda *_: [one])
    done = run(model, "--measure")
    assert done.exit_code == code
    assert "+0.0%" in done.output if not code else "+25.0%" in done.output
