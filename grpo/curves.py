"""What does a run look like? curves.png: reward, exact answers before and after, KL, length, entropy, from the files on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .eval_record import Evaluation

__all__ = ["draw"]

BLUE, ORANGE, GREEN, GREY, RED = "#2f6fb3", "#d9772b", "#3a8f5d", "#8a8f98", "#c0392b"
PARTS = (ORANGE, GREEN, "#8e5ea2", "#7f6a4d")
SMOOTHED = 30  # steps from which on a running mean is drawn over the raw line
Rows = Sequence[Mapping[str, Any]]


def draw(folder: Path) -> Path | None:
    """Draw the curves of a run into its folder; returns the file, None if nothing has happened yet."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from .metrics import CURVES, EVALUATIONS, METRICS, read_rows

    steps = read_rows(folder / METRICS)
    evaluations = [Evaluation.from_dict(row) for row in read_rows(folder / EVALUATIONS)]
    if not steps and not evaluations:
        return None
    panels: list[Callable[[Any], None]] = [
        lambda ax: _reward(ax, steps),
        lambda ax: _evaluations(ax, evaluations, steps),
        lambda ax: _length(ax, steps),
    ]
    if _has(steps, "kl"):
        panels.append(lambda ax: _line(ax, steps, "kl", "KL from the reference, per token", RED))
    panels.append(lambda ax: _line(ax, steps, "entropy", "Entropy of the policy, per token (nats)", GREEN))
    panels.append(lambda ax: _line(ax, steps, "grad_norm", "Norm of the gradient, before clipping", GREY))
    if len(panels) < 6:
        panels.append(lambda ax: _line(ax, steps, "frac_reward_zero_std", "Groups whose rewards are all equal", GREY))
    figure = Figure(figsize=(12.5, 6.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(folder, steps, evaluations), fontsize=13, x=0.012, ha="left", fontweight="bold")
    last = max([row["step"] for row in steps] + [each.step for each in evaluations])
    for number, panel in enumerate(panels):
        ax = figure.add_subplot(2, 3, number + 1)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.tick_params(labelsize=9, color=GREY)
        panel(ax)
        ax.margins(x=0.03)
        ax.set_xlim(left=-0.03 * last, right=1.03 * last or 1)
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if number >= 3:
            ax.set_xlabel("step", fontsize=9)
    fresh = folder / f"{CURVES}.new"
    figure.savefig(fresh, format="png")
    fresh.replace(folder / CURVES)
    return folder / CURVES


def _title(folder: Path, steps: Rows, evaluations: Sequence[Evaluation]) -> str:
    from .metrics import RECIPE
    from .recipe_file import RecipeError, Source

    try:
        recipe = Source(RECIPE, (folder / RECIPE).read_text(encoding="utf-8")).data
    except (OSError, RecipeError):
        return folder.name
    model = Path(str(recipe.get("model_name_or_path", ""))).name
    data = Path(str((recipe.get("data") or {}).get("name", ""))).name
    seconds = sum(row.get("step_time") or 0 for row in steps)
    took = f", {seconds / 60:.1f} minutes" if seconds else ""
    last = max((row["step"] for row in steps), default=0)
    wanted = recipe.get("max_steps", last)
    return f"{model} on {data}: {last} {'' if last == wanted else f'of {wanted} '}steps{took}"


def _has(rows: Rows, name: str) -> bool:
    return any(row.get(name) is not None for row in rows)


def _series(rows: Rows, name: str) -> tuple[list[int], list[float]]:
    known = [(row["step"], float(row[name])) for row in rows if row.get(name) is not None]
    return [step for step, _ in known], [value for _, value in known]


def _plot(
    ax: Any, x: Sequence[int], y: Sequence[float], colour: str, label: str | None = None, width: float = 1.8
) -> None:
    """Draw a line; a long one faint, under its running mean."""
    marker = "o" if len(x) == 1 else None
    if len(x) < SMOOTHED:
        ax.plot(x, y, color=colour, linewidth=width, label=label, marker=marker)
        return
    ax.plot(x, y, color=colour, linewidth=0.8, alpha=0.35)
    reach = max(2, len(x) // 30)
    windows = [y[max(0, place - reach) : place + reach + 1] for place in range(len(y))]
    smooth = [sum(window) / len(window) for window in windows]
    ax.plot(x, smooth, color=colour, linewidth=width, label=label)


def _line(ax: Any, rows: Rows, name: str, title: str, colour: str) -> None:
    ax.set_title(title, fontsize=10, loc="left")
    x, y = _series(rows, name)
    if not x:
        _nothing(ax, "not measured")
        return
    _plot(ax, x, y, colour)
    if min(y) >= 0:
        ax.set_ylim(bottom=0)


def _nothing(ax: Any, why: str) -> None:
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=GREY, fontsize=9)
    ax.set_yticks([])


def _reward(ax: Any, rows: Rows) -> None:
    ax.set_title("Reward of sampled completions", fontsize=10, loc="left")
    x, y = _series(rows, "reward")
    if not x:
        _nothing(ax, "no reward yet")
        return
    names = sorted({name for row in rows for name in row if name.startswith("rewards/") and name.endswith("/mean")})
    if len(names) > 1:
        for name, colour in zip(names, PARTS, strict=False):
            _plot(ax, *_series(rows, name), colour, name.removeprefix("rewards/").removesuffix("/mean"), 1.2)
    _plot(ax, x, y, BLUE, "reward" if len(names) > 1 else None)
    ax.set_ylim(-0.03, 1.03)
    if len(names) > 1:
        ax.legend(fontsize=8, frameon=False, loc="best")


def _evaluations(ax: Any, evaluations: Sequence[Evaluation], rows: Rows) -> None:
    exact = [(each.step, each.exact, each.error(each.exact)) for each in evaluations if each.exact is not None]
    count = max((each.problems for each in evaluations), default=0)
    ax.set_title(
        f"Right answers to {count} held-out problems" if count else "Held-out problems", fontsize=10, loc="left"
    )
    if not evaluations:
        _nothing(ax, "not evaluated yet")
        return
    if exact:
        x, y, error = zip(*exact, strict=True)
        ax.errorbar(x, y, error, color=BLUE, marker="o", linewidth=1.8, capsize=3, label="greedy")
        for step, value, margin in {exact[0], exact[-1]}:
            below = value > 0.9
            ax.annotate(
                f"{value:.0%}",
                (step, value - margin if below else value + margin),
                xytext=(0, -5 if below else 5),
                textcoords="offset points",
                ha="left" if step == 0 else "right",
                va="top" if below else "bottom",
                fontsize=11,
                fontweight="bold",
                color=BLUE,
            )
    ks = sorted({k for each in evaluations for k in each.pass_at})
    for k, colour in zip(ks, PARTS, strict=False):
        points = [(each.step, each.pass_at[k]) for each in evaluations if k in each.pass_at]
        ax.plot(*zip(*points, strict=True), color=colour, marker="s", markersize=4, linewidth=1.2, label=f"pass@{k}")
    if ks:
        ax.legend(fontsize=8, frameon=False, loc="best")
    ax.set_ylim(-0.03, 1.03)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _length(ax: Any, rows: Rows) -> None:
    ax.set_title("Length of completions (tokens)", fontsize=10, loc="left")
    x, y = _series(rows, "completions/mean_length")
    if not x:
        _nothing(ax, "no completions yet")
        return
    _plot(ax, x, y, BLUE)
    ax.set_ylim(bottom=0, top=1.12 * max(y) or 1)
    cut = _series(rows, "completions/clipped_ratio")
    if any(cut[1]):
        other = ax.twinx()
        other.spines[["top", "right"]].set_visible(False)
        _plot(other, *cut, ORANGE, None, 1.2)
        other.set_ylim(0, 1.05)
        other.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        other.tick_params(labelsize=8, colors=ORANGE, length=0)
        ax.set_title("Length of completions (tokens)", fontsize=10, loc="left")
        other.set_title("cut off", fontsize=9, loc="right", color=ORANGE)
