"""How many bytes does a forward and backward pass keep, beside weights, gradients and the optimizer's state?

Counted tensor by tensor, from what the operations save for their backward pass. Two kinds of pass:

    packed_pass   this project's: `[prompt | c1 | .. | cG]` through `Decoder`, log-probabilities in blocks (decoder.py,
                  logprobs.py)
    padded_pass   a plain trainer's: one row a completion through transformers' own modules, full logits

H hidden size, F inner size of the MLP, A columns of queries, K columns of keys, V vocabulary, N tokens in the pass,
b bytes of a number in the type of activations. The attention is a fused kernel that keeps its output and one float a
row and head (Dao et al. 2022); a kernel that writes the whole matrix of weights needs B * heads * T * S more a layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model_shapes import ModelShape

__all__ = ["Pass", "packed_pass", "padded_pass"]

FLOAT = 4
BLOCK_BYTES = 16 << 20  # logprobs.BLOCK_BYTES, which cannot be imported without torch; a test compares them


@dataclass(frozen=True, slots=True)
class Pass:
    """Bytes of one pass through a model.

    activations  when the backward pass is in the last layer: all that is saved, and what is worked on
    saved        of those, what waits for the backward pass
    last         of those, what is there when it is in the first layer, and nearly all gradients are made
    logits       while log-probabilities are taken, in the pass with gradients
    head_grad    kept from the head's backward pass until the embedding's, where the two are one and trained
    forward      activations of a pass without gradients
    scores       while log-probabilities are taken without gradients
    """

    activations: int
    saved: int
    last: int
    logits: int
    head_grad: int
    forward: int
    scores: int


def packed_pass(
    shape: ModelShape,
    *,
    prompt: int,
    rows: int,
    completion: int,
    width: int,
    stored: int,
    rank: int | None,
    checkpointed: bool,
    frozen_stored: int | None = None,
) -> Pass:
    """Return the bytes of a pass of `group_logprobs`.

    rows         completions of one prompt in it; completion: tokens of each
    width        bytes of a number in the type of activations; stored: in that of the weights
    rank         of the adapter; None: all weights are trained
    frozen_stored  bytes of a number of the reference's weights, where that is a model of its own
    """
    hidden, inner, attention, kv = shape.hidden, shape.intermediate, shape.attention, shape.kv
    length = completion - 1  # nothing is predicted after a last token
    tokens = prompt + rows * length
    # Attention: queries, keys and values of all tokens; those of the completions gathered, keys and values with the
    # prompt's before them; the output, in its parts and joined; the mask, as numbers; a float a row and head.
    gathered = rows * length * attention + 2 * rows * (prompt + length) * kv
    outputs = rows * length * attention + prompt * attention + tokens * attention
    attended = width * (tokens * (attention + 2 * kv) + gathered + outputs + length * (prompt + length))
    attended += FLOAT * shape.heads * tokens
    # The rest: the residual stream before each half, its normed form, gate, up and their product.
    layer = attended + width * tokens * (4 * hidden + 3 * inner)
    if rank is not None:
        layer += width * tokens * 7 * rank  # x A' of seven matrices
        layer += FLOAT * tokens * 2  # 1/rms
    else:
        # A trained norm keeps its input divided by its size; in half precision also the wide copy of the input.
        layer += width * tokens * 2 * hidden + (0 if width == FLOAT else FLOAT * tokens * 2 * hidden)
        layer += FLOAT * tokens * 2
        if width != stored:  # narrowed copies of trained weights wait for the backward pass
            layer += width * shape.linear // shape.layers
    if shape.qk_norm:
        layer += width * tokens * (attention + kv) * (1 if rank is not None else 2)
    # At work in the MLP's backward pass: the gradient of the product, sigmoid, silu and two products of them, less the
    # product itself, which is done with; and the gradient of the residual stream.
    working = width * tokens * (4 * inner + 2 * hidden)
    if width != stored:
        working += width * shape.largest_matrix
    ends = width * tokens * 2 * hidden  # embedded tokens, last hidden states
    saved = shape.layers * layer + ends
    activations = saved + working
    if checkpointed:
        saved = width * (shape.layers + 1) * tokens * hidden  # what each layer is given, and the last one's output
        activations = saved + layer + working - width * tokens * hidden
    targets = rows * completion
    saved += targets * hidden * width  # hidden states that predict a completion's tokens
    logits, head_grad = _packed_head(shape, targets, width, stored, trained=rank is None)
    # In the MLP: residual, normed, sum; gate, up, silu; and the queries, keys and values, which are still named.
    moves = width * tokens * (3 * hidden + 3 * inner + attention + 2 * kv)
    attends = width * tokens * (3 * hidden + 2 * attention + 4 * kv) + width * (gathered + rows * length * attention)
    read = stored if frozen_stored is None else frozen_stored
    widened = 0 if width == read else width * shape.largest_matrix
    scores = _blocks(shape, targets, width, read, keeps_slope=False) + width * targets * hidden
    return Pass(activations, saved, layer + working, logits, head_grad, max(moves, attends) + widened, scores)


def _blocks(shape: ModelShape, targets: int, width: int, stored: int, *, keeps_slope: bool) -> int:
    """Return the bytes of `_TokenLogprobs.forward`: it goes over the vocabulary in blocks of columns.

    Logits and their exponentials at a time.
    """
    columns = max(256, min(shape.vocabulary, BLOCK_BYTES // (FLOAT * targets)))
    most = 2 * targets * FLOAT * columns
    if width != FLOAT:
        most += targets * columns * width
    if width != stored:
        most += columns * shape.hidden * width
    return most + (targets * shape.hidden * (2 * FLOAT + width) if keeps_slope else 0)


def _packed_head(shape: ModelShape, targets: int, width: int, stored: int, *, trained: bool) -> tuple[int, int]:
    """Return the bytes at work in `token_logprobs`, and those of the head's gradient that wait for the embedding's."""
    if not trained:
        return _blocks(shape, targets, width, stored, keeps_slope=True), 0
    rows = max(1, BLOCK_BYTES // (FLOAT * shape.vocabulary))
    slices = -(-targets // rows)
    block = min(rows, targets) * shape.vocabulary * FLOAT
    # Backward: logits and their logarithm computed again, the gradient of both; then the gradient of the head, added
    # to that of the slices before, which is not done in place.
    weight = shape.embedding * FLOAT
    narrow = 0 if width == stored else shape.embedding * width
    grads = weight * (3 if slices > 1 else 1)
    return max(3 * block + (weight if slices > 1 else 0), block + grads) + narrow, weight if shape.tied else 0


def padded_pass(
    shape: ModelShape,
    *,
    rows: int,
    length: int,
    targets: int,
    width: int,
    stored: int,
    rank: int | None,
    checkpointed: bool,
    with_head: bool = True,
) -> Pass:
    """Return the bytes of a pass through transformers' Llama modules, with padding.

    rows, length  of the batch (B, S); targets: tokens whose logits are taken
    rank          None: all weights are trained. Otherwise peft's layers, each with its own copy of its input in the
                  adapter's type, where that differs
    with_head     False for reward and value models, whose head is one column
    """
    hidden, inner, attention = shape.hidden, shape.intermediate, shape.attention
    tokens = rows * length
    # Keys and values are repeated for each head of queries when there is a mask; mlp: gate, silu, up, product.
    layer = width * (tokens * (4 * hidden + 4 * attention + 4 * inner) + rows * length * length)
    layer += FLOAT * tokens * (shape.heads + 2)
    if rank is None:
        layer += width * tokens * 2 * hidden + (0 if width == FLOAT else FLOAT * tokens * 2 * hidden)
        if width != stored:
            layer += width * shape.linear // shape.layers
    else:
        layer += width * tokens * 7 * rank
        if width != FLOAT:
            layer += width * tokens * (5 * hidden + attention + inner)
    working = width * tokens * (3 * inner + 2 * hidden)
    if width != stored:
        working += width * shape.largest_matrix
    ends = width * tokens * 2 * hidden
    saved = shape.layers * layer + ends
    activations = saved + working
    if checkpointed:
        saved = width * (shape.layers + 2) * tokens * hidden
        activations = saved + layer + working - width * tokens * hidden
    # Logits in the type of activations, log-softmax in float32 kept for the backward pass, and its gradient.
    logits = targets * shape.vocabulary * (width + 2 * FLOAT) if with_head else 0
    scores = targets * shape.vocabulary * (width + FLOAT) if with_head else 0
    head_grad = shape.embedding * FLOAT if with_head and rank is None and shape.tied else 0
    forward = width * tokens * (3 * hidden + max(4 * attention, 3 * inner))
    return Pass(activations, saved, layer + working, logits, head_grad, forward, scores)
