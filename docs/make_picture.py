"""Draw docs/summary.svg: the summary of `verify` on the shipped sample, as a terminal shows it.

python docs/make_picture.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "examples" / "sums_smollm2.jsonl.gz"


def main() -> None:
    command = [sys.executable, "-c", "from assay.cli import verify; verify()", str(SAMPLE)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    console = Console(record=True, width=88, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(Text("$ verify examples/sums_smollm2.jsonl.gz > scored.jsonl\n", style="bold"))
    for line in shown.splitlines():
        text = Text(line)
        text.highlight_regex(
            r"━+", "green" if line.strip().startswith("correct") else "red" if "incorrect" in line else "yellow"
        )
        text.highlight_regex(r"^  [a-z@]+ ", "cyan")
        console.print(text)
    console.save_svg(str(HERE / "summary.svg"), title="verify", clear=False)


if __name__ == "__main__":
    main()
