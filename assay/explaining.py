"""How did one response get its reward, step by step, for a person to read?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .records import Case, Problem, Score, Status
from .settings import Settings
from .summary import COLOURS, show, shown
from .verifiers.code_verifier import CodeVerifier
from .verifiers.math_verifier import MathVerifier
from .verifiers.reward import Reward
from .verifiers.verifier import Verifier

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["explain"]

LONGEST = 400  # characters of a text that are shown
MOST_LINES = 40  # of a program
MOST_CASES = 20
Line = tuple[str, "str | Text"]
LANES = {
    "fast": "fast (read and compared in this process)",
    "slow": "slow (computer algebra, in another process)",
    "none": "none (nothing was compared)",
}


def explain(verifier: Verifier, settings: Settings, response: str, problem: Problem) -> Score:
    """Print what was extracted, how both sides were read, which lane decided and why; return the verdict."""
    answers = verifier.verifiers[0] if isinstance(verifier, Reward) else verifier
    if isinstance(answers, CodeVerifier):
        return _explain_program(verifier, answers, settings, response, problem)
    assert isinstance(answers, MathVerifier)
    whole = verifier.score(response, problem)
    told = answers.explain(response, problem)

    lines: list[Line] = [
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
    _print(lines)
    return whole


def _explain_program(
    verifier: Verifier, programs: CodeVerifier, settings: Settings, response: str, problem: Problem
) -> Score:
    """Print where the program was, what was run, and what became of each test; return the verdict."""
    told = programs.explain(response, problem)
    # A second run for the format's sake alone: that part takes no time, and the whole is put together in one place.
    whole = verifier.score(response, problem) if isinstance(verifier, Reward) else told.score
    lines: list[Line] = [
        *settings.described(),
        ("sandbox", programs.start().backend),
        ("response", _excerpt(response)),
        ("found", told.how),
    ]
    if told.score.answer is not None:
        lines.append(("program", _program(told.score.answer)))
    if told.judgement is not None:
        cases = told.judgement.cases
        for number, case in enumerate(cases[:MOST_CASES], 1):
            lines.append((f"test {number}", _case(case)))
        if len(cases) > MOST_CASES:
            lines.append(("", f"and {len(cases) - MOST_CASES} more"))
        lines.append(("passed", f"{told.judgement.passed} of {told.judgement.total}"))
    if whole.parts:
        lines += [(name, _verdict(part)) for name, part in whole.parts.items()]
    lines.append(("verdict", _verdict(whole, "" if whole.parts else None)))
    _print(lines)
    return whole


def _program(code: str) -> str:
    """Return the program as it is written, its middle left out where it is long."""
    lines = [shown(line.expandtabs(4), 200) for line in code.strip("\n").split("\n")]
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        lines = [*lines[:half], f"... {len(lines) - 2 * half} lines ...", *lines[-half:]]
    return "\n".join(lines)


def _case(case: Case) -> Text:
    from rich.text import Text

    words = [shown(" ".join((case.source or case.input).split()), LONGEST)]
    if case.status is not Status.CORRECT:
        words += [f"{name} {shown(text, LONGEST)}" for name, text in (("gave", case.got),) if text]
    return Text.assemble((case.status.value, COLOURS[case.status]), "  ", "; ".join(filter(None, words)))


def _print(lines: list[Line]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
        grid.add_row(name, value if isinstance(value, Text) else Text(value))
    show(grid, sys.stdout)


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
