"""How did one response get its reward, step by step, for a person to read?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .records import Problem, Score
from .settings import Settings
from .summary import COLOURS, show, shown
from .verifiers.math_verifier import MathVerifier
from .verifiers.reward import Reward
from .verifiers.verifier import Verifier

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["explain"]

LONGEST = 400  # characters of a text that are shown
LANES = {
    "fast": "fast (read and compared in this process)",
    "slow": "slow (computer algebra, in another process)",
    "none": "none (nothing was compared)",
}


def explain(verifier: Verifier, settings: Settings, response: str, problem: Problem) -> Score:
    """Print what was extracted, how both sides were read, which lane decided and why; return the verdict."""
    from rich.table import Table
    from rich.text import Text

    whole = verifier.score(response, problem)
    answers = verifier.verifiers[0] if isinstance(verifier, Reward) else verifier
    assert isinstance(answers, MathVerifier)
    told = answers.explain(response, problem)

    lines: list[tuple[str, str | Text]] = [
        *settings.described(),
        ("response", _excerpt(response)),
        ("reference", "  or  ".join(shown(text, LONGEST) for text in problem.references)),
        ("extracted", "nothing" if told.extracted is None else shown(told.extracted, LONGEST)),
        ("how", told.where),
    ]
    if told.answer_read or told.reference_read:
        lines.append(("answer read", shown(told.answer_read, LONGEST) or "not read"))
        lines.append(("reference read", shown(told.reference_read, LONGEST) or "not read"))
    lines.append(("lane", LANES.get(told.lane, told.lane)))
    if whole.parts:
        lines += [(name, _verdict(part)) for name, part in whole.parts.items()]
    lines.append(("verdict", _verdict(whole, told.score.detail if not whole.parts else "")))

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
        grid.add_row(name, value if isinstance(value, Text) else Text(value))
    show(grid, sys.stdout)
    return whole


def _verdict(score: Score, detail: str | None = None) -> Text:
    from rich.text import Text

    reward = "no reward" if score.reward is None else f"reward {score.reward:.4g}"
    why = score.detail if detail is None else detail
    return Text.assemble((score.status.value, COLOURS[score.status]), f", {reward}", f": {why}" if why else "")


def _excerpt(response: str) -> str:
    """Return the end of the response, where answers stand, on one line."""
    text = " ".join(response.split())
    cut = f"… {text[-LONGEST:]}" if len(text) > LONGEST else text
    return shown(cut, LONGEST + 2) or "(empty)"
