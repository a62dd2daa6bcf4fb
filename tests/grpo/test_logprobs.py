"""Log-probabilities of completions that share a prompt: those that transformers gives each alone, by every way to them."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from assay.grpo import logprobs as ours  # noqa: E402
from assay.grpo.decoder import NotOurs, rms_norm, rotate, swiglu  # noqa: E402
from assay.grpo.families import read_decoder  # noqa: E402
from assay.grpo.logprobs import group_logprobs, token_logprobs  # noqa: E402
from assay.grpo.padded import padded_logprobs  # noqa: E402

torch.set_num_threads(1)

VOCABULARY = 700  # more than one block of 256, and no multiple of it
TINY = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "initializer_range": 0.15,
    "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
# The fast families, each with what is special in it
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama, tied": ("Llama", {"tie_word_embeddings": True}),
    "llama, biases": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, scaled rope": (
        "Llama",
        {
            "rope_parameters": {
                "rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
            }
        },
    ),
    "llama, one head for each": ("Llama", {"num_key_value_heads": 4}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {"head_dim": 32}),
    "mistral": ("Mistral", {"sliding_window": None, "head_dim": 24}),
}  # fmt: skip
# Those that go through the model's own forward pass
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": (
        "GPT2",
        {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.15,
         "bos_token_id": None, "eos_token_id": 1},
    ),
    "gemma2": ("Gemma2", {"head_dim": 16, "final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0}),
    "mistral, window": ("Mistral", {"sliding_window": 4}),
    "granite": ("Granite", {"logits_scaling": 3.0}),
    "phi": ("Phi", {"num_key_value_heads": 4}),
}  # fmt: skip
PROMPT = [5, 9, 300, 699, 17]
COMPLETIONS = [[8, 650, 2, 2, 77, 1], [], [255], [256, 699], [0, 511, 512, 3, 3, 3, 3, 9, 1], []]


def make(kind: str, given: dict[str, Any], dtype: torch.dtype = torch.float32) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(**(given if kind == "GPT2" else {**TINY, **given}))
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)  # they are made as zeros
        elif "norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)  # and these as ones
    return model.to(dtype).requires_grad_(False)


def with_adapter(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(2)
    config = LoraConfig(
        r=4,
        lora_alpha=12,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        fan_in_fan_out=hasattr(model, "transformer"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers in an old way
        model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def one_by_one(
    model: Any, prompt: list[int], completions: list[list[int]], temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each completion alone, with all logits."""
    found, entropies = [], []
    for completion in completions:
        if completion:
            logits = model(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0].float()
            every = torch.log_softmax(logits[len(prompt) - 1 : -1] / temperature, -1)
            found.append(every.gather(1, torch.tensor(completion)[:, None])[:, 0])
            entropies.append(-(every.exp() * every).sum(-1))
    return torch.cat(found), torch.cat(entropies)


def gradients(model: Any, values: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradients of a sum that weighs every token differently."""
    model.zero_grad()
    (values * torch.linspace(-1, 2, len(values))).sum().backward()
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def same_gradients(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], close: float = 5e-5) -> None:
    assert set(found) == set(expected)
    assert found
    assert any(gradient.norm() > 0 for gradient in expected.values())
    for name, gradient in expected.items():  # that of scores is 0 where there is one key to look at
        assert (found[name] - gradient).norm() <= close * gradient.norm() + 1e-5, name


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "many blocks":
        monkeypatch.setattr(ours, "BLOCK_BYTES", 1)
    return request.param


# ---- our own forward pass


@pytest.mark.parametrize("family", OURS)
def test_the_familys_members(family: str) -> None:
    model = with_adapter(make(*OURS[family]))
    decoder = read_decoder(model, torch.float32)
    found, entropies = group_logprobs(decoder, PROMPT, COMPLETIONS, 0.8)
    expected, theirs = one_by_one(model, PROMPT, COMPLETIONS, 0.8)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(entropies, theirs, rtol=1e-5, atol=2e-5)
    same_gradients(gradients(model, found), gradients(model, expected))


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_the_adapter_switched_off_is_the_base(family: str) -> None:
    """Bit for bit the numbers of the model that never had one, and with it on they are others."""
    model = make(*OURS[family])
    before, _ = group_logprobs(read_decoder(model, torch.float32), PROMPT, COMPLETIONS, 1.0)
    decoder = read_decoder(with_adapter(model), torch.float32)
    off, _ = group_logprobs(decoder, PROMPT, COMPLETIONS, 1.0, adapted=False)
    on, _ = group_logprobs(decoder, PROMPT, COMPLETIONS, 1.0)
    assert torch.equal(off, before)
    assert (on - before).abs().max() > 0.1


def test_checkpointing_changes_nothing() -> None:
    model = with_adapter(make(*OURS["qwen3"]))
    decoder = read_decoder(model, torch.float32)
    plain, _ = group_logprobs(decoder, PROMPT, COMPLETIONS, 0.7)
    kept = gradients(model, plain)
    again, _ = group_logprobs(decoder, PROMPT, COMPLETIONS, 0.7, checkpointed=True)
    assert torch.equal(again, plain)
    found = gradients(model, again)
    assert all(torch.equal(found[name], gradient) for name, gradient in kept.items())


@pytest.mark.parametrize(
    ("prompt", "completions"),
    [
        ([7], COMPLETIONS),
        ([7], [[3]]),
        (PROMPT, [[3]]),
        (PROMPT, [[3], [4]]),
        (PROMPT, [[3, 5]]),
        (PROMPT, [[], [3, 5], []]),
        (PROMPT, [[3, 5, 7, 9]] * 3),
    ],
)
def test_lengths(prompt: list[int], completions: list[list[int]]) -> None:
    model = with_adapter(make(*OURS["llama"]))
    found, entropies = group_logprobs(read_decoder(model, torch.float32), prompt, completions, 1.0)
    expected, theirs = one_by_one(model, prompt, completions, 1.0)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(entropies, theirs, rtol=1e-5, atol=2e-5)
    same_gradients(gradients(model, found), gradients(model, expected))


@pytest.mark.parametrize("completions", [[], [[]], [[], []]])
def test_nothing_written(completions: list[list[int]]) -> None:
    """No tokens, no numbers, and a backward pass that does nothing."""
    model = with_adapter(make(*OURS["llama"]))
    found, entropies = group_logprobs(read_decoder(model, torch.float32), PROMPT, completions, 1.0)
    assert found.shape == entropies.shape == (0,)
    padded, others = padded_logprobs(model, PROMPT, completions, 1.0)
    assert padded.shape == others.shape == (0,)


def test_a_completion_does_not_see_another() -> None:
    """Its numbers are the same, bit for bit or nearly, whoever stands beside it."""
    decoder = read_decoder(make(*OURS["llama"]), torch.float32)
    alone, _ = group_logprobs(decoder, PROMPT, [COMPLETIONS[4]], 1.0)
    among, _ = group_logprobs(decoder, PROMPT, COMPLETIONS, 1.0)
    at = sum(map(len, COMPLETIONS[:4]))
    torch.testing.assert_close(among[at : at + len(alone)], alone, rtol=1e-5, atol=1e-5)


def test_bfloat16() -> None:
    """As near to the float32 numbers as transformers' own bfloat16 is; weights in bfloat16 alone lose nothing more."""
    exact = make(*OURS["llama"], dtype=torch.bfloat16)  # weights rounded, computed in float32
    decoder = read_decoder(exact, torch.float32)
    wide = group_logprobs(decoder, PROMPT, COMPLETIONS, 1.0)[0]
    assert decoder.embedding.dtype == torch.bfloat16
    torch.testing.assert_close(wide, one_by_one(exact.float(), PROMPT, COMPLETIONS, 1.0)[0], rtol=1e-5, atol=2e-5)
    model = exact.to(torch.bfloat16)
    theirs = one_by_one(model, PROMPT, COMPLETIONS, 1.0)[0]
    mine = group_logprobs(read_decoder(model, torch.bfloat16), PROMPT, COMPLETIONS, 1.0)[0]
    assert mine.dtype == torch.float32
    assert (mine - wide).abs().mean() <= 1.5 * (theirs - wide).abs().mean() + 1e-3


def test_bfloat16_gradients() -> None:
    """Adapters stay in float32; their gradients point where those of float32 computing point."""
    model = with_adapter(make(*OURS["llama"], dtype=torch.bfloat16))
    expected = gradients(model, group_logprobs(read_decoder(model, torch.float32), PROMPT, COMPLETIONS, 1.0)[0])
    found = gradients(model, group_logprobs(read_decoder(model, torch.bfloat16), PROMPT, COMPLETIONS, 1.0)[0])
    for name, gradient in expected.items():
        assert found[name].dtype == torch.float32
        assert torch.cosine_similarity(found[name].flatten(), gradient.flatten(), 0) > 0.99, name


def test_full_fine_tune() -> None:
    """All weights in training, embedding, norms and head included."""
    for family in ("qwen3", "llama, tied", "llama, biases"):
        model = make(*OURS[family]).requires_grad_(True)
        found, _ = group_logprobs(read_decoder(model, torch.float32), PROMPT, COMPLETIONS, 0.8)
        mine = gradients(model, found)
        expected = gradients(model, one_by_one(model, PROMPT, COMPLETIONS, 0.8)[0])
        # the bias of keys moves all scores of a query alike: its gradient is rounding error
        same_gradients(*({n: g for n, g in each.items() if "k_proj.bias" not in n} for each in (mine, expected)))


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "mistral, window", "granite"])
def test_other_families_are_refused(family: str) -> None:
    with pytest.raises(NotOurs):
        read_decoder(make(*OTHERS[family]), torch.float32)


def test_shapes_that_do_not_fit_are_refused() -> None:
    """A norm over all heads at once, of a class that calls itself by the family's names."""
    model = make(*OURS["qwen3"])
    for layer in model.model.layers:
        layer.self_attn.q_norm.weight = torch.nn.Parameter(torch.ones(4 * 32), requires_grad=False)
    with pytest.raises(NotOurs, match="does not fit"):
        read_decoder(model, torch.float32)


def test_layers_trained_beside_their_adapter_are_refused() -> None:
    """Our backward pass knows frozen weights under an adapter, and would leave these without a gradient."""
    model = with_adapter(make(*OURS["llama, biases"]))
    model.get_base_model().model.layers[0].self_attn.q_proj.base_layer.bias.requires_grad_(True)
    with pytest.raises(NotOurs, match="trained themselves"):
        read_decoder(model, torch.float32)


def test_an_empty_prompt_is_refused() -> None:
    model = make(*OURS["llama"])
    with pytest.raises(ValueError, match="prompt is empty"):
        group_logprobs(read_decoder(model, torch.float32), [], COMPLETIONS, 1.0)
    with pytest.raises(ValueError, match="prompt is empty"):
        padded_logprobs(model, [], COMPLETIONS, 1.0)


# ---- the head


def vocabulary_of(rows: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(4)
    hidden = torch.randn(rows, 12, generator=random, dtype=dtype)
    return hidden, torch.randn(VOCABULARY, 12, generator=random, dtype=dtype), torch.randint(0, VOCABULARY, (rows,))


@pytest.mark.parametrize("temperature", [1.0, 0.6, 2.0])
@pytest.mark.parametrize("trained", [False, True])
def test_blocks_of_the_vocabulary(blocks: str, temperature: float, trained: bool) -> None:
    """The running sum is the whole one, forward and backward, for hidden states and for a head in training."""
    hidden, head, tokens = vocabulary_of(9, torch.float32)
    tokens[:4] = torch.tensor([0, 255, 256, VOCABULARY - 1])  # at the borders of blocks
    hidden.requires_grad_()
    head.requires_grad_(trained)
    wanted = [hidden, head] if trained else [hidden]
    found, entropies = token_logprobs(hidden, head, tokens, temperature)
    every = torch.log_softmax(hidden.double() @ head.double().t() / temperature, -1)
    expected = every.gather(1, tokens[:, None])[:, 0]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropies.double(), -(every.exp() * every).sum(-1), rtol=1e-5, atol=1e-5)
    weigh = torch.linspace(-1, 2, 9)
    mine = torch.autograd.grad((found * weigh).sum(), wanted)
    theirs = torch.autograd.grad((expected * weigh).sum(), wanted)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_sure_and_unlikely_tokens(blocks: str) -> None:
    """Logits of hundreds: no overflow, no nan, entropy 0 where there is no doubt."""
    hidden = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    head = torch.zeros(VOCABULARY, 2)
    head[300, 0], head[:, 1] = 800.0, -500.0
    found, entropies = token_logprobs(hidden, head, torch.tensor([300, 300, 7]))
    even = torch.tensor(VOCABULARY).log()
    torch.testing.assert_close(found, torch.stack((torch.tensor(0.0), -800 - (even.exp() - 1).log(), -even)))
    torch.testing.assert_close(
        entropies, torch.stack((torch.tensor(0.0), (even.exp() - 1).log(), even)), rtol=1e-4, atol=1e-4
    )
    found.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()


@pytest.mark.parametrize("way", ["packed", "padded"])
def test_full_logits_never_exist(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and backward, no tensor is as wide as the vocabulary."""
    from torch.utils._python_dispatch import TorchDispatchMode

    widths = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            widths.update(
                each.shape[-1] for each in torch.utils._pytree.tree_leaves(made) if hasattr(each, "ndim") and each.ndim
            )
            return made

    model = with_adapter(make(*OURS["llama"]))
    decoder = read_decoder(model, torch.float32)
    padded_logprobs(model, PROMPT, COMPLETIONS, 0.8)  # looks at the head, whose few logits do no harm
    monkeypatch.setattr(ours, "BLOCK_BYTES", 1)
    with Watch():
        if way == "packed":
            found, _ = group_logprobs(decoder, PROMPT, COMPLETIONS, 0.8)
        else:
            found, _ = padded_logprobs(model, PROMPT, COMPLETIONS, 0.8)
        found.sum().backward()
    assert max(widths) == 256
    with Watch():
        one_by_one(model, PROMPT, COMPLETIONS, 0.8)
    assert max(widths) == VOCABULARY  # it would be seen


@pytest.mark.parametrize("way", ["packed", "checkpointed", "padded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ratio_is_one_on_the_first_iteration(way: str, dtype: torch.dtype) -> None:
    """Old log-probabilities, computed without gradients, are the policy's own to the last bit."""
    model = with_adapter(make(*OURS["qwen3"], dtype=dtype))
    decoder = read_decoder(model, dtype)

    def compute() -> torch.Tensor:
        if way == "padded":
            return padded_logprobs(model, PROMPT, COMPLETIONS, 0.8)[0]
        return group_logprobs(decoder, PROMPT, COMPLETIONS, 0.8, checkpointed=way == "checkpointed")[0]

    with torch.no_grad():
        old = compute()
    ratio = (compute() - old).exp()
    assert ratio.requires_grad
    assert (ratio == 1).all()


# ---- the parts, in float64


def test_gradients_of_the_parts() -> None:
    """Those written by hand against differences, and against the plain formula."""
    from assay.grpo.decoder import Linear

    random = torch.Generator().manual_seed(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    gate, up = some(3, 4).requires_grad_(), some(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(swiglu, (gate, up))
    x, weight, bias = some(3, 4).requires_grad_(), some(5, 4), some(5)
    down, high = some(2, 4).requires_grad_(), some(5, 2).requires_grad_()

    def adapted(x: torch.Tensor, down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        return Linear(weight, bias, down, up, 1.7)(x, True)

    assert torch.autograd.gradcheck(adapted, (x, down, high))
    torch.testing.assert_close(adapted(x, down, high), x @ (weight + 1.7 * high @ down).t() + bias)
    merged = Linear(weight, bias, down, high, 1.7).merged()
    torch.testing.assert_close(merged, (weight + 1.7 * high @ down).float())
    angle = some(3, 1, 2)
    cos, sin = torch.cat((angle, angle), -1).cos(), torch.cat((angle, angle), -1).sin()
    turned = rotate(some(3, 2, 4).requires_grad_(), cos, sin)
    assert turned.shape == (3, 2, 4)


@pytest.mark.parametrize("trained", [False, True])
def test_gradient_of_the_norm(trained: bool) -> None:
    """It computes in float32, so against the formula and not against differences."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(5, 8, generator=random).requires_grad_()
    weight = torch.rand(8, generator=random).requires_grad_(trained)
    found = rms_norm(x, weight, 1e-3)
    wide, heavy = x.double(), weight.double()
    expected = wide / (wide.square().mean(-1, keepdim=True) + 1e-3).sqrt() * heavy
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    weigh = torch.randn(5, 8, generator=random)
    wanted = [x, weight] if trained else [x]
    for one, other in zip(
        torch.autograd.grad((found * weigh).sum(), wanted),
        torch.autograd.grad((expected * weigh).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


# ---- any other family


@pytest.mark.parametrize("family", [*OTHERS, "llama", "qwen2"])
def test_any_family(family: str, blocks: str) -> None:
    """Own head or the model's logits, all rows at once or in slices: the numbers and gradients of each row alone."""
    model = with_adapter(make(*{**OURS, **OTHERS}[family]))
    found, entropies = padded_logprobs(model, PROMPT, COMPLETIONS, 0.8)
    expected, theirs = one_by_one(model, PROMPT, COMPLETIONS, 0.8)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(entropies, theirs, rtol=1e-5, atol=2e-5)
    assert not entropies.requires_grad
    same_gradients(gradients(model, found), gradients(model, expected))


@pytest.mark.parametrize("family", OTHERS)
def test_whose_head_is_plain(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soft caps, scales and biases are seen though this model's logits are small; plain heads are not mistaken."""
    from assay.grpo import padded

    model = make(*OTHERS[family])
    assert padded.head_is_plain(model) == (family in ("gpt2", "mistral, window"))
    model.lm_head.weight.data *= 1e-3  # what a cap does to small logits is rounding error
    assert padded._look(model) == (family in ("gpt2", "mistral, window"))


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_any_family_checkpointed(family: str) -> None:
    model = with_adapter(make(*OTHERS[family]))
    expected = gradients(model, padded_logprobs(model, PROMPT, COMPLETIONS, 0.8)[0])
    before = {name: type(each).forward for name, each in model.named_modules()}
    found, _ = padded_logprobs(model, PROMPT, COMPLETIONS, 0.8, checkpointed=True)
    same_gradients(gradients(model, found), expected, 1e-6)
    assert not any("forward" in vars(each) for each in model.modules())
    assert before == {name: type(each).forward for name, each in model.named_modules()}


def test_checkpointing_computes_layers_again() -> None:
    """Otherwise the test above would pass with nothing done."""
    model = with_adapter(make(*OTHERS["gpt2"]))
    padded_logprobs(model, PROMPT, COMPLETIONS, 0.8)  # looks at the head
    runs = []
    hook = model.get_base_model().transformer.h[0].ln_1.register_forward_hook(lambda *_: runs.append(1))
    for checkpointed, expected in ((False, 1), (True, 2)):
        runs.clear()
        gradients(model, padded_logprobs(model, PROMPT, COMPLETIONS, 0.8, checkpointed=checkpointed)[0])
        assert len(runs) == expected
    hook.remove()


def test_any_familys_base(blocks: str) -> None:
    """The adapter disabled gives the base, bit for bit."""
    model = make(*OTHERS["gemma2"])
    before, _ = padded_logprobs(model, PROMPT, COMPLETIONS, 1.0)
    adapted = with_adapter(model)
    with torch.no_grad(), adapted.disable_adapter():
        assert torch.equal(padded_logprobs(adapted, PROMPT, COMPLETIONS, 1.0)[0], before)
    assert not torch.equal(padded_logprobs(adapted, PROMPT, COMPLETIONS, 1.0)[0], before)
