"""Two processes that hold half of each tensor learn what one learns that holds them whole.

This file is also what the two processes run, as users start them: `accelerate launch --use_fsdp --fsdp_version 2
--num_processes 2 test_sharded.py MODEL FOLDER`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from assay.grpo import packed_weights, sharded  # noqa: E402
from assay.grpo import policy as policy_module  # noqa: E402
from assay.grpo.decoder import NotOurs  # noqa: E402
from assay.grpo.distributed import join, process_index  # noqa: E402
from assay.grpo.experience import Experience  # noqa: E402
from assay.grpo.guards import Guards  # noqa: E402
from assay.grpo.learning import Learner, passes_of  # noqa: E402
from assay.grpo.native_rollouts import NativeRollouts  # noqa: E402
from assay.grpo.policy import Policy, open_policy  # noqa: E402
from assay.grpo.rollouts import Sampling  # noqa: E402
from assay.grpo.settings import Settings  # noqa: E402

from assay import Score, Status  # noqa: E402

torch.set_num_threads(1)

LENGTHS = [[3, 1, 6, 2], [6, 5, 1, 4], [2, 2, 7, 3], [4, 4, 4, 4]]
KEPT = [[True, True, False, True], [True] * 4, [True] * 4, [False] * 4]  # the last group teaches nothing
ADVANTAGES = [[1.0, -0.5, 2.0, -0.6], [0.3, -1.0, 0.1, 0.7], [-0.2, 1.1, 0.4, -0.9], [1.0, 1.0, 1.0, 1.0]]
TOKENS = sum(n for row, kept in zip(LENGTHS, KEPT, strict=True) for n, keep in zip(row, kept, strict=True) if keep)
HIGHEST = 0.05  # norm of the gradient, which is above that without clipping

ALL: dict[str, Any] = {"use_peft": False}
SAVING: dict[str, Any] = {"gradient_checkpointing": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "adapter": {},
    "adapter, checkpointing": SAVING,
    "adapter on bfloat16": {"dtype": "bfloat16", "lora_r": 3},  # of which one process holds two rows
    "adapter, another family": {},
    "adapter, another family, checkpointing": SAVING,
    "all weights": ALL,
    "all weights, checkpointing": {**ALL, **SAVING},
    "all weights, another family": ALL,
    "adapter, computed in bfloat16": {"dtype": "bfloat16"},
    "all weights, computed in bfloat16": ALL,
}
PROMPTS = [[7, 8, 9], [20, 21]]
SAMPLING = Sampling(max_tokens=6, temperature=1.0)

RUNS: dict[str, list[str]] = {
    "adapter": ["lora_r=3"],
    "all weights": ["use_peft=false", "learning_rate=0.01", "save_total_limit=1"],
    "lopsided": ["dynamic_sampling=redraw", "beta=0"],  # with rewards from which one of the two learns nothing
}
# One evaluation problem for two processes. Steps of Adam where the gradient is rounding would be a matter of luck.
SHORT = [
    "max_steps=4",
    "save_steps=2",
    "lr_scheduler_type=constant",
    "adam_epsilon=1e-3",
    "eval.greedy=true",
    "data.eval_count=1",
]


def group(number: int) -> Experience:
    """Return something to learn from, always the same."""
    random = torch.Generator().manual_seed(number)
    completions = [torch.randint(4, 200, (length,), generator=random).tolist() for length in LENGTHS[number]]
    return Experience([5 + number, 60, 70 + number], completions, ADVANTAGES[number], KEPT[number])


def opened(name: str, model: Path, batch: int) -> tuple[Policy, Settings]:
    """Return the policy of a variant, sharded if that is what accelerate was asked for, some way from its reference."""
    from assay.grpo.train import _open_policy

    shape = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": 2, "num_generations": 4}
    given = {"dtype": "float32", "beta": 0.1, "max_grad_norm": HIGHEST, **shape, **VARIANTS[name]}
    settings = Settings(model_name_or_path=str(model), **given)
    with pytest.MonkeyPatch.context() as patch:
        if "another family" in name:
            patch.setattr(policy_module, "read_decoder", refuse)
        for module in (policy_module, sharded):
            patch.setattr(module, "compute_dtype", lambda *_: torch.bfloat16 if "computed" in name else torch.float32)
        policy = _open_policy(settings, join()) if "WORLD_SIZE" in os.environ else open_policy(settings, "cpu")
    with torch.no_grad():
        for number, weight in enumerate(policy.trainable.values()):
            noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number))
            weight.add_(policy.share(0.02 * noise, weight))
    return policy, settings


def refuse(*_: Any) -> Any:
    raise NotOurs("it is to be another family's")


def with_old(policy: Policy, each: Experience, number: int) -> Experience:
    """Return a group with log-probabilities of an older policy and of the reference."""
    with torch.no_grad():
        given = (each.prompt, each.completions, 1.0)
        old, reference = policy.logprobs(*given)[0], policy.logprobs(*given, reference=True)[0]
    noise = torch.randn(old.shape, generator=torch.Generator().manual_seed(number))
    return replace(each, old=old + 0.3 * noise, reference=reference)


def learnt(name: str, model: Path, groups: list[int], batch: int) -> dict[str, Any]:
    """Return the gradient of a weight update from some groups as the optimizer finds it, and its figures."""
    policy, settings = opened(name, model, batch)
    learner = Learner(policy, settings, Guards(settings))
    grads: dict[str, Any] = {}

    def step() -> None:
        grads.update({name: weight.grad for name, weight in policy.trainable.items()})
        grads.update(policy.gathered(grads))

    learner.optimizer.step = step
    buffer = [with_old(policy, group(number), number) for number in groups]
    figures = learner.update(1, passes_of(buffer, batch), TOKENS)
    rollouts = NativeRollouts(policy, form="plain")
    rollouts.refresh()
    prompts = PROMPTS if process_index() == 0 else []  # nobody waits for the other
    sampled = [each.completions for each in rollouts.generate(prompts, 3, SAMPLING, seed=3)]
    rollouts.release()
    return {"grads": grads, "figures": figures, "sampled": sampled, "held": held(policy)}


def held(policy: Policy) -> list[float]:
    """Return which share of the policy's numbers this process holds, and of those of its second model."""
    models = [each.model for each in (policy, policy.reference) if each is not None]
    every = [list(model.parameters()) for model in models]
    return [sum(map(own, each)) / sum(weight.numel() for weight in each) for each in every]


def own(weight: Any) -> int:
    return int(weight.to_local().numel() if hasattr(weight, "to_local") else weight.numel())


def two_processes(model: Path, folder: Path) -> None:
    """Be one of the two: learn from half of the groups, and train, with halves and with whole tensors."""
    sys.path.insert(0, str(Path(__file__).parent))
    import letters
    from assay.grpo import curves, guards
    from assay.grpo import train as module

    join()
    rank = process_index()
    monkeypatch = pytest.MonkeyPatch()
    found: dict[str, Any] = {name: learnt(name, model, [2 * rank, 2 * rank + 1], 4) for name in VARIANTS}
    # With it the base would stay packed in one of the two ways alone, and be rounded otherwise.
    monkeypatch.setattr(packed_weights, "packs_fp16", lambda: False)
    monkeypatch.setattr(curves, "draw", lambda folder: None)
    real = module._open_policy
    found["shares"] = []

    def open_policy(*given: Any) -> Policy:
        policy = real(*given)
        found["shares"].append((os.environ["ACCELERATE_USE_FSDP"], held(policy)))
        return policy

    monkeypatch.setattr(module, "_open_policy", open_policy)

    def run(kind: str, name: str, *overrides: str, fsdp: bool = True) -> None:
        os.environ["ACCELERATE_USE_FSDP"] = str(fsdp and kind != "plain").lower()
        recipe = letters.recipe_of(model, folder / f"{kind} {name}", [*SHORT, *RUNS[name], *overrides])
        with monkeypatch.context() as patch:
            if name == "lopsided":
                patch.setattr(guards, "EQUAL_STEPS", 1)
            if name == "lopsided" and rank:
                patch.setattr(letters.Letters, "score", lambda *_: Score(0.5, Status.CORRECT))
            module.train(recipe, resume=True)

    for name in RUNS:
        run("plain", name)
        if name == "all weights":
            run("sharded", name, "max_steps=2", fsdp=False)  # whole tensors go on as shares
        run("sharded", name)
    run("halves", "adapter", "max_steps=2")
    run("halves", "adapter")
    os.environ["FSDP_VERSION"] = "1"
    try:
        run("first", "adapter")
    except ValueError as error:
        found["refused"] = str(error)
    torch.save(found, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """Where two processes that accelerate started left what they found."""
    folder = tmp_path_factory.mktemp("sharded")
    words = ["-m", "accelerate.commands.launch", "--use_fsdp", "--fsdp_version", "2", "--num_processes", "2"]
    words += ["--main_process_port", "0", __file__, str(tiny_model), str(folder)]
    plain = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    environment = {**plain, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
    started = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        said = started.communicate(timeout=300)[1]
    finally:
        started.terminate()  # which ends the two as well
    assert started.returncode == 0, said[-6000:]
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is computed by its own forward pass")
@pytest.mark.parametrize("name", VARIANTS)
def test_two_halves_learn_what_one_learns_from_all(two: list[dict[str, Any]], tiny_model: Path, name: str) -> None:
    """Gradients, clipped, the norm before and the loss; one of the two has less to learn and makes an idle pass."""
    expected = learnt(name, tiny_model, [0, 1, 2, 3], 8)
    assert expected["figures"]["grad_norm"] > 2 * HIGHEST
    # Where weights travel as bfloat16, the gradient of the embedding is rounded to that.
    near = 1e-2 if name == "all weights, computed in bfloat16" else 1e-6
    worst = 0.0
    for found in two:
        assert found[name]["grads"].keys() == expected["grads"].keys()
        for key, grad in expected["grads"].items():
            assert grad.norm() > 0
            apart = (found[name]["grads"][key] - grad).norm() / grad.norm()
            worst = max(worst, float(apart))
        for figure in ("loss", "kl", "grad_norm", "entropy", "ratio/max"):
            assert found[name]["figures"][figure] == pytest.approx(expected["figures"][figure], rel=10 * near)
    print(f"{name}: gradients differ by {worst:.1e}")
    assert worst < near
    assert two[0][name]["figures"] == two[1][name]["figures"]
    assert two[0][name]["sampled"] == expected["sampled"]


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_each_holds_a_half(two: list[dict[str, Any]], name: str) -> None:
    """After an update and a sampling; of the second, frozen model too."""
    for found in two:
        assert len(found["shares"]) == 9
        assert all(
            share == (1 if fsdp == "false" else pytest.approx(0.5, abs=0.01))
            for fsdp, each in found["shares"]
            for share in each
        )
        assert len(found[name]["held"]) == (2 if "all weights" in name else 1)
        assert all(0.49 < share < 0.51 for share in found[name]["held"])


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(next(folder.glob("*.safetensors")))


def apart(one: Path, other: Path) -> float:
    """Return how far the weights of two folders are apart, relative to their norm."""
    first, second = weights(one), weights(other)
    assert {name: each.shape for name, each in first.items()} == {name: each.shape for name, each in second.items()}
    assert {name: each.dtype for name, each in first.items()} == {name: each.dtype for name, each in second.items()}
    both = [torch.cat([each.flatten() for _, each in sorted(every.items())]) for every in (first, second)]
    return float((both[0] - both[1]).norm() / both[0].norm())


def model_of(folder: Path, kind: str, name: str) -> Path:
    return folder / f"{kind} {name}" / ("model" if name == "all weights" else "adapter")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_ends_as_that_of_two_with_whole_tensors(folder: Path, name: str) -> None:
    """One in which one process never has anything to learn neither waits for it nor is stopped by its guards."""
    found = apart(model_of(folder, "plain", name), model_of(folder, "sharded", name))
    print(f"{name}: weights differ by {found:.1e}")
    assert found < 1e-5
    lines = [
        [json.loads(line) for line in (folder / f"{kind} {name}" / "metrics.jsonl").read_text().splitlines()]
        for kind in ("plain", "sharded")
    ]
    assert [line["reward"] for line in lines[0]] == [line["reward"] for line in lines[1]]
    if name == "lopsided":
        assert [line["frac_reward_zero_std"] for line in lines[1]] == [0.8] * 4  # three redraws, all in vain
        assert all(line["grad_norm"] > 0 for line in lines[1])


@pytest.mark.slow
def test_what_was_cut_off_ends_the_same(folder: Path) -> None:
    """Bit for bit. The run that trains all weights was cut off as well, and began with whole tensors."""
    assert apart(model_of(folder, "sharded", "adapter"), model_of(folder, "halves", "adapter")) == 0.0


@pytest.mark.slow
def test_training_moved_the_weights(folder: Path) -> None:
    """The comparisons above can fail."""
    early = folder / "sharded adapter" / "checkpoints" / "step-000002" / "adapter"
    assert apart(early, model_of(folder, "sharded", "adapter")) > 1e-3


@pytest.mark.slow
def test_peft_and_transformers_load_what_it_leaves(folder: Path, tiny_model: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tokens = torch.tensor([[5, 6, 7]])
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    before = base(tokens).logits
    adapted = PeftModel.from_pretrained(base, str(model_of(folder, "sharded", "adapter")))
    whole = AutoModelForCausalLM.from_pretrained(model_of(folder, "sharded", "all weights"), dtype=torch.float32)
    for model in (adapted, whole):
        assert (model(tokens).logits - before).norm() > 1e-3 * before.norm()


@pytest.mark.slow
def test_the_checkpoint_is_that_of_whole_tensors(folder: Path) -> None:
    states = [
        torch.load(folder / f"{kind} adapter" / "checkpoints" / "step-000004" / "state.pt", weights_only=True)
        for kind in ("plain", "sharded")
    ]
    first, second = (each["optimizer"]["state"] for each in states)
    assert states[0]["weights"].keys() == states[1]["weights"].keys()
    assert first.keys() == second.keys()
    for number, state in first.items():
        for name, value in state.items():
            torch.testing.assert_close(second[number][name], value, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_the_first_version_is_refused(two: list[dict[str, Any]]) -> None:
    for found in two:
        assert "--fsdp_version 2" in found["refused"]


@pytest.mark.parametrize("name", ["FSDP_OFFLOAD_PARAMS", "FSDP_ACTIVATION_CHECKPOINTING"])
def test_what_is_not_to_be_had_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from assay.grpo.sharded import is_wanted

    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert not is_wanted()  # a process alone has nobody to share with
    monkeypatch.setenv(name, "true")
    with pytest.raises(ValueError, match=f"leave out --{name.lower()}"):
        is_wanted()


if __name__ == "__main__":
    two_processes(Path(sys.argv[1]), Path(sys.argv[2]))
