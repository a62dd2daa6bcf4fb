"""Two processes learn as one: their averaged gradients are those of one process that has the whole batch.

This file is also what the two processes run: `python test_distributed.py RANK FOLDER`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.grpo import distributed  # noqa: E402
from assay.grpo.losses import per_token, policy_loss, token_weights, tokens_per_update  # noqa: E402
from assay.grpo.settings import Settings  # noqa: E402

torch.set_num_threads(1)

LONGEST = 6
LENGTHS = [[3, 1, 6, 2], [6, 5, 0, 4]]  # a group for each process
KEPT = [[True, True, False, True], [True] * 4]
ADVANTAGES = [[1.0, -0.5, 2.0, -0.6], [0.3, -1.0, 0.0, 0.7]]
LOSSES: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo"},
    "dr_grpo": {"loss_type": "dr_grpo"},
    "bnpo": {"loss_type": "bnpo"},
    "dapo": {"loss_type": "dapo"},
    "cispo": {"loss_type": "cispo", "epsilon_high": 1.3},
    "GSPO": {"loss_type": "grpo", "importance_sampling_level": "sequence"},
}
VOCABULARY = 11


def settings(name: str) -> Settings:
    return Settings(model_name_or_path="none", max_completion_length=LONGEST, beta=0.1, **LOSSES[name])


def policy() -> torch.nn.Parameter:
    """Logits of each next token after each token: as small a model as can be."""
    random = torch.Generator().manual_seed(1)
    return torch.nn.Parameter(torch.randn(VOCABULARY, VOCABULARY, generator=random))


def loss_of(
    table: torch.nn.Parameter, chosen: Settings, groups: list[int], passes: int, gathered: bool
) -> torch.Tensor:
    """Return the loss of some groups, in as many passes, as the training loop weighs it."""
    total = torch.zeros(())
    in_pass = len(groups) // passes
    counts = [sum(n for n, keep in zip(LENGTHS[g], KEPT[g], strict=True) if keep) for g in groups]
    processes = distributed.process_count()
    tokens = distributed.sum_over_processes([sum(counts)])[0]
    for start in range(0, len(groups), in_pass):
        part = groups[start : start + in_pass]
        mine = sum(counts[start : start + in_pass])
        weights = token_weights(
            chosen.loss_type,
            [length for group in part for length in LENGTHS[group]],
            [keep for group in part for keep in KEPT[group]],
            max_completion_length=LONGEST,
            tokens_in_update=tokens_per_update(tokens, processes=processes, accumulate=passes, passes=passes),
            accumulate=passes,
            tokens_in_pass=distributed.sum_over_processes([mine])[0] / processes if gathered else None,
        ).split([sum(LENGTHS[group]) for group in part])
        for group, weight in zip(part, weights, strict=True):
            random = torch.Generator().manual_seed(group)
            count = sum(LENGTHS[group])
            before, after = torch.randint(0, VOCABULARY, (2, count), generator=random)
            logprobs = table.log_softmax(-1)[before, after]
            old, ref = (logprobs.detach() + 0.3 * torch.randn(count, generator=random) for _ in range(2))
            advantages = per_token(torch.tensor(ADVANTAGES[group]), LENGTHS[group])
            total = total + policy_loss(logprobs, old, ref, advantages, weight, LENGTHS[group], chosen)[0]
    return total


def gradient(name: str, groups: list[int], passes: int, gathered: bool) -> torch.Tensor:
    table = policy()
    loss_of(table, settings(name), groups, passes, gathered).backward()
    distributed.reduce_gradients([table])
    assert table.grad is not None
    return table.grad


def run(rank: int, folder: Path) -> None:
    """Be one of two processes."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found: dict[str, Any] = {"where": (distributed.process_index(), distributed.process_count())}
    for name in LOSSES:
        for gathered in (False, True):
            found[f"{name} {gathered}"] = gradient(name, [rank], 1, gathered)
    found["sums"] = distributed.sum_over_processes([rank + 1, 0.5])
    found["objects"] = distributed.gather_objects({"rank": rank})
    found["rows"] = distributed.gather_rows(torch.tensor([[rank, 10 * rank]]))
    both, one, none, narrow = (torch.nn.Parameter(torch.zeros(2)) for _ in range(4))
    narrow.data = narrow.data.bfloat16()
    both.grad = torch.tensor([1.0, 2.0]) * (rank + 1)
    one.grad = torch.tensor([4.0, 8.0]) if rank == 0 else None
    narrow.grad = torch.tensor([1.0, 3.0], dtype=torch.bfloat16) * (rank + 1)
    distributed.reduce_gradients(each for each in (both, one, none, narrow))
    found["reduced"] = [both.grad, one.grad, none.grad, narrow.grad]
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two processes found."""
    folder = tmp_path_factory.mktemp("two")
    started = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(folder)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        ended = [(process.communicate(timeout=300)[1], process.returncode) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [code for _, code in ended] == [0, 0], ended
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_are_one_with_the_joined_batch(two: list[dict[str, Any]], name: str) -> None:
    """As one pass of both groups; bnpo, whose weights depend on what else is in the pass, with the gathered count."""
    expected = gradient(name, [0, 1], 1, False)
    assert expected.abs().max() > 1e-3
    for found in two:
        torch.testing.assert_close(found[f"{name} True"], expected, rtol=1e-6, atol=1e-7)
    assert torch.equal(two[0][f"{name} True"], two[1][f"{name} True"])


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_are_one_with_two_passes(two: list[dict[str, Any]], name: str) -> None:
    """TRL's weights: a process more is a pass more."""
    expected = gradient(name, [0, 1], 2, False)
    torch.testing.assert_close(two[0][f"{name} False"], expected, rtol=1e-6, atol=1e-7)


def test_one_group_is_not_the_batch() -> None:
    """A control: what one process would learn alone is something else."""
    for name in LOSSES:
        whole = gradient(name, [0, 1], 1, False)
        assert (gradient(name, [0], 1, False) - whole).norm() > 0.1 * whole.norm()


@pytest.mark.slow
def test_gradients_that_lack(two: list[dict[str, Any]]) -> None:
    """One that a process lacks counts as 0; one that all lack stays away, and the optimizer leaves its weight alone."""
    for found in two:
        both, one, none, narrow = found["reduced"]
        assert both.tolist() == [1.5, 3.0]
        assert one.tolist() == [2.0, 4.0]
        assert none is None
        assert narrow.dtype == torch.bfloat16
        assert narrow.tolist() == [1.5, 4.5]


@pytest.mark.slow
def test_counts_and_rows(two: list[dict[str, Any]]) -> None:
    for rank, found in enumerate(two):
        assert found["where"] == (rank, 2)
        assert found["sums"] == [3.0, 1.0]
        assert found["objects"] == [{"rank": 0}, {"rank": 1}]
        assert found["rows"].tolist() == [[0, 0], [1, 10]]


def test_a_process_alone() -> None:
    assert (distributed.process_index(), distributed.process_count()) == (0, 1)
    assert distributed.sum_over_processes([1, 2.5]) == [1.0, 2.5]
    assert distributed.gather_objects("mine") == ["mine"]
    rows = torch.ones(2, 3)
    assert distributed.gather_rows(rows) is rows
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    distributed.reduce_gradients([parameter, torch.nn.Parameter(torch.zeros(2))])
    assert parameter.grad.tolist() == [1.0, 1.0]


if __name__ == "__main__":
    run(int(sys.argv[1]), Path(sys.argv[2]))
