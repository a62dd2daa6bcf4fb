"""The command `assay memory`: how much memory set-ups of reinforcement learning take, before any weight is loaded.

The arithmetic is in `grpo/memory.py`, what fits a card in `grpo/memory_cards.py`, measuring in `grpo/memory_measure.py`;
here is what is asked and what is printed. Results go to stdout.

Exit codes: 0 done, also where something does not fit; 1 a measured peak is more than 10 % off; 2 wrong use.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from .summary import show

if TYPE_CHECKING:
    from .grpo.memory import Estimate, Plan
    from .grpo.memory_cards import Card
    from .grpo.memory_measure import Measured

__all__ = ["memory"]

OFF = 1
CLOSE = 0.10  # measured and predicted
COLUMNS = ("weights", "gradients", "optimizer", "activations", "logits", "rollouts", "peak")
Count = click.IntRange(min=1)


@click.command()
@click.argument("model")
@click.option(
    "--dtype",
    type=click.Choice(["bfloat16", "float16", "float32"]),
    default="bfloat16",
    show_default=True,
    help="Of frozen weights and activations; what is trained is kept in float32.",
)
@click.option("--batch", type=Count, default=8, show_default=True, help="Completions in one forward pass.")
@click.option("--accumulation", type=Count, default=1, show_default=True, help="Passes for one weight update.")
@click.option("--group", type=click.IntRange(min=2), default=8, show_default=True, help="Completions of one prompt.")
@click.option("--prompt-length", type=Count, default=512, show_default=True, metavar="TOKENS")
@click.option("--completion-length", type=click.IntRange(min=2), default=256, show_default=True, metavar="TOKENS")
@click.option("--lora-r", type=Count, default=16, show_default=True, help="Rank of the adapter, on all linear layers.")
@click.option("--gradient-checkpointing", is_flag=True, help="Keep one tensor a layer for the backward pass.")
@click.option("--no-reference", is_flag=True, help="As with beta 0: no KL term, no reference model.")
@click.option("--value-head", is_flag=True, help="PPO's value function is a head on the policy, not a model.")
@click.option("--devices", type=Count, default=1, show_default=True, help="The table is of each of them.")
@click.option(
    "--shard",
    type=click.Choice(["ddp", "fsdp"]),
    default="ddp",
    show_default=True,
    help="Each device holds everything (ddp), or its share of weights, gradients and optimizer (fsdp).",
)
@click.option(
    "--optimizer", type=click.Choice(["adamw", "adamw_8bit", "sgd"]), default="adamw", show_default=True, help="State."
)
@click.option("--card", metavar="CARD", help='Say what fits: 80GB, H100, 4090, ... or "24" (GiB).')
@click.option("--measure", is_flag=True, help="Run the set-ups that exist here, and compare. Takes a minute and torch.")
@click.option("--json", "as_json", is_flag=True, help="Print plain data, in bytes.")
@click.pass_context
def memory(
    context: click.Context,
    /,
    model: str,
    dtype: str,
    batch: int,
    accumulation: int,
    group: int,
    prompt_length: int,
    completion_length: int,
    lora_r: int,
    gradient_checkpointing: bool,
    no_reference: bool,
    value_head: bool,
    devices: int,
    shard: str,
    optimizer: str,
    card: str | None,
    measure: bool,
    as_json: bool,
) -> None:
    """Say how much memory MODEL takes in training: PPO, GRPO, LoRA and QLoRA side by side.

    MODEL is a Hugging Face id (its config.json alone is fetched), a folder, or a config.json. No weights are read.

    \b
    assay memory Qwen/Qwen2.5-7B --card H100
    assay memory ./model --group 16 --completion-length 1024 --gradient-checkpointing --card 24GB
    assay memory smollm2-135m-instruct --dtype float32 --measure

    Exit codes: 0 done, 1 a measured peak is more than 10 % off (--measure), 2 wrong use.
    """
    from .grpo.memory import SETUPS, Plan, PlanError, estimate
    from .grpo.memory_cards import card_of
    from .grpo.model_shapes import ShapeError, read_shape

    try:
        known = card_of(card) if card is not None else None
        plan = Plan(
            read_shape(model),
            dtype=dtype,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            num_generations=group,
            prompt_length=prompt_length,
            max_completion_length=completion_length,
            lora_r=lora_r,
            gradient_checkpointing=gradient_checkpointing,
            beta=not no_reference,
            optimizer=optimizer,
            devices=devices,
            shard=shard,
            value_head=value_head,
        )
    except (ShapeError, PlanError) as error:
        raise click.UsageError(str(error)) from None
    rows = [estimate(plan, setup) for setup in SETUPS]
    measured = _measured(model, plan) if measure else []
    if as_json:
        click.echo(json.dumps(_plain(plan, rows, known, measured), indent=2))
    else:
        show(_table(plan, rows, known), sys.stdout)
        for line in _remarks(plan, rows):
            show(line, sys.stdout)
        if known:
            _print_fits(plan, rows, known)
        if measured:
            show(_comparison(measured), sys.stdout)
    if any(abs(each.off) > CLOSE for each in measured):
        context.exit(OFF)


def _measured(model: str, plan: Plan) -> list[Measured]:
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("torch", "transformers", "peft")):
        raise click.UsageError(
            "--measure trains for real, for which torch, transformers and peft are needed: install torch, then "
            "assay-rewards[train]"
        )
    from .grpo.memory_measure import MeasureError, measure_setups

    try:
        return measure_setups(model, plan)
    except MeasureError as error:
        raise click.UsageError(str(error)) from None


def size(number: float) -> str:
    """Return bytes in words: GiB, or MiB where that is under 0.1."""
    if number >= 0.1 * (1 << 30):
        return f"{number / (1 << 30):,.2f} GiB"
    return "-" if not number else f"{number / (1 << 20):,.1f} MiB"


def _table(plan: Plan, rows: list[Estimate], card: Card | None) -> Any:
    from rich.markup import escape
    from rich.table import Table

    shape = plan.shape
    title = (
        f"{escape(shape.name)}: {shape.parameters / 1e6:,.0f} M parameters, {plan.dtype}, batch "
        f"{plan.per_device_train_batch_size}, group {plan.num_generations}, {plan.prompt_length} + "
        f"{plan.max_completion_length} tokens"
        + (", checkpointed" if plan.gradient_checkpointing else "")
        + (f", each of {plan.devices} devices ({plan.shard})" if plan.devices > 1 else "")
    )
    table = Table(box=None, pad_edge=False, header_style="dim", title=title, title_justify="left", title_style="bold")
    table.add_column("set-up", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("in", no_wrap=True)
    if card:
        table.add_column(f"fits {escape(card.name)}", no_wrap=True)
    table.add_column("assumed")
    for row in rows:
        cells = [size(getattr(row, name)) for name in COLUMNS[:-1]]
        fits = []
        if card:
            fits = ["[green]yes[/]" if _fits(row, card) else "[red]no[/]"]
        table.add_row(row.setup, *cells, f"[bold]{size(row.peak)}[/]", row.phase, *fits, escape(row.note))
    return table


def _fits(row: Estimate, card: Card) -> bool:
    from .grpo.memory_cards import usable

    return row.peak <= usable(card)


def _remarks(plan: Plan, rows: list[Estimate]) -> list[str]:
    from rich.markup import escape

    from .grpo.memory import estimate

    lines = [
        "peak: the fullest of rollout, scores, training and update, which never are together, so parts do not add up."
    ]
    lines.append("rollouts: the cache of keys and values, weights merged for sampling, logits of one token a row.")
    plain = [f"{row.setup} {size(estimate(plan, row.setup, own=False).peak)}" for row in rows if row.own]
    if plain:
        lines.append(f"In a plain trainer (padded rows, full logits): {', '.join(plain)}.")
    if not plan.shape.exact:
        lines.append(
            "[yellow]This family is not counted tensor by tensor:[/] parameters are exact, activations are those of a "
            "Llama of the same sizes in a plain trainer, an estimate."
        )
    if plan.shape.packed:
        lines.append(
            f"[yellow]The weights are quantized[/] ({escape(plan.shape.packed)}), says config.json: here they are counted as "
            f"{plan.dtype}, as of a copy that is not."
        )
    length = plan.prompt_length + plan.max_completion_length
    if plan.shape.context is not None and length > plan.shape.context:
        lines.append(
            f"[yellow]{length} tokens of prompt and completion[/] are more than the {plan.shape.context} that the model can take "
            "(max_position_embeddings)."
        )
    return ["", *lines]


def _print_fits(plan: Plan, rows: list[Estimate], card: Card) -> None:
    from rich.markup import escape

    from .grpo.memory_cards import advice, usable

    room = usable(card)
    show(f"\n[bold]{escape(card.name)}[/]: {size(room)} of {size(card.size)} are there for tensors.", sys.stdout)
    for row in rows:
        if not _fits(row, card):
            show(
                f"  {row.setup} lacks {size(row.peak - room)}. Change first: {advice(plan, row.setup, room)}",
                sys.stdout,
            )


def _comparison(measured: list[Measured]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", title="\nmeasured here", title_justify="left")
    for name in ("set-up", "dtype", "checkpointed", "predicted", "measured", "off", "in"):
        table.add_column(name, justify="right" if name in ("predicted", "measured", "off") else "left", no_wrap=True)
    for each in measured:
        colour = "green" if abs(each.off) <= CLOSE else "red"
        table.add_row(
            each.setup,
            each.dtype,
            "yes" if each.checkpointed else "no",
            size(each.predicted),
            size(each.measured),
            f"[{colour}]{each.off:+.1%}[/]",
            each.phase,
        )
    return table


def _plain(plan: Plan, rows: list[Estimate], card: Card | None, measured: list[Measured]) -> dict[str, Any]:
    from dataclasses import asdict

    from .grpo.memory_cards import advice, usable

    found: dict[str, Any] = {"plan": asdict(plan) | {"parameters": plan.shape.parameters}, "setups": []}
    for row in rows:
        plain = asdict(row) | {"peak": row.peak, "phase": row.phase}
        if card:
            fits = row.peak <= usable(card)
            plain |= {"fits": fits, "advice": None if fits else advice(plan, row.setup, usable(card))}
        found["setups"].append(plain)
    if card:
        found["card"] = {"name": card.name, "size": card.size, "usable": usable(card)}
    if measured:
        found["measured"] = [asdict(each) | {"off": each.off} for each in measured]
    return found
