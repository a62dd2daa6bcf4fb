"""The loss and its gradients are TRL's: its GRPOTrainer on the same batch and weights, for every type of loss.

Skipped where trl is not installed. Checked with TRL 1.16. benchmarks/parity.py prints the same as a table.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed"),
    pytest.mark.filterwarnings("ignore"),  # theirs
]
if importlib.util.find_spec("trl") is not None:
    import torch

    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import _parity as parity
    finally:
        sys.path.pop(0)

    torch.set_num_threads(1)
    CASES = parity.CASES
else:
    CASES = []

LOSS, GRADIENT, CONTROL = 1e-5, 5e-5, 5e-3
REAL = ("dr_grpo, temperature", "dapo, truncated masked", "bnpo, 2 passes", "cispo, beta", "GSPO, delta")


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return parity.tiny_model()


@pytest.fixture(scope="module")
def real() -> tuple[Any, Any]:
    from assay.grpo.small_model import small_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        folder = small_model()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return parity.adapted(model), AutoTokenizer.from_pretrained(folder)


def check(model: Any, tokenizer: Any, case: Any, folder: Path, controls: bool = True) -> tuple[Any, Any]:
    theirs, ours, wrong = parity.compare(model, tokenizer, case, folder, controls)
    assert wrong or not controls
    assert set(ours.gradients) == set(theirs.gradients)
    assert len(ours.gradients) >= 2 * 7 * 2  # A and B of seven projections in each layer
    assert abs(ours.loss - theirs.loss) <= LOSS
    assert ours.apart(theirs) <= GRADIENT
    for name, found in wrong.items():
        assert found.apart(theirs) >= CONTROL, f"a wrong {name} goes unseen"
    return theirs, ours


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tiny(tiny: tuple[Any, Any], case: Any, tmp_path: Path) -> None:
    """And both clips are active, and the figures that are told are TRL's."""
    theirs, ours = check(*tiny, case, tmp_path)
    assert ours.told["clip_high"] > 0
    if case.accumulate > 1 or case.given.get("mask_truncated_completions"):
        return  # TRL takes means of means there, and counts what is masked
    assert (ours.told["clip_low"] > 0) == (case.loss_type != "cispo")
    for name, mine in (
        ("kl", "kl"),
        ("entropy", "entropy"),
        ("clip_ratio/low_mean", "clip_low"),
        ("clip_ratio/high_mean", "clip_high"),
        ("cispo_clip_ratio", "clip_high"),
    ):
        if name in theirs.told:
            assert ours.told[mine] == pytest.approx(theirs.told[name], rel=1e-4), name


@pytest.mark.parametrize("case", [case for case in CASES if case.name in REAL], ids=lambda case: case.name)
def test_real(real: tuple[Any, Any], case: Any, tmp_path: Path) -> None:
    check(*real, case, tmp_path, controls=False)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_advantages(tiny: tuple[Any, Any], scale: str, tmp_path: Path) -> None:
    """With verdicts that lack, in TRL's own code from rewards to advantages."""
    from assay.grpo.advantages import advantages_of

    nan = float("nan")
    rewards = torch.tensor(
        [[1.0, 0.0, 0.25, 0.5], [1.0, nan, 0.0, 1.0], [nan, nan, nan, 1.0], [0.5, 0.5, 0.5, 0.5], [nan] * 4]
    )
    case = parity.Case("advantages", "grpo", {"scale_rewards": scale})
    trainer = parity.make_trainer(*tiny, case, tmp_path)
    prompts = [[{"role": "user", "content": "x"}]] * rewards.numel()
    trainer._generate = lambda prompts: (
        [[3, 4]] * len(prompts), [[5, 2]] * len(prompts), None, [[{"role": "assistant", "content": "y"}]] * len(prompts),
        None, {}, None, None,
    )  # fmt: skip
    trainer._calculate_rewards = lambda *_: rewards.reshape(-1, 1)
    trainer.model.train()
    theirs = trainer._generate_and_score_completions([{"prompt": prompt} for prompt in prompts])["advantages"]
    torch.testing.assert_close(advantages_of(rewards, scale).values.flatten(), theirs, rtol=1e-5, atol=1e-6)
    assert theirs.abs().max() > 0
