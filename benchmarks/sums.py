"""Does the demo learn, whatever the seed? Exact answers to held-out sums on the way, rewards by step, minutes.

    python benchmarks/sums.py [--seeds 42,43,44] [--folder out/sums-by-seed] [--at-once 1] [key=value ...]

Runs `assay train sums` for each seed in a folder of its own; what is there already is gone on with or only read. Exits 1 if
a run ends below 85 %.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run

from assay.grpo.metrics import EVALUATIONS, METRICS, read_rows

WANTED = 0.85


def main() -> int:
    """Print a line a seed, and the rewards below."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="42,43,44")
    parser.add_argument("--folder", type=Path, default=Path("out/sums-by-seed"))
    parser.add_argument("--at-once", type=int, default=1, help="runs side by side")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    asked = parser.parse_args()
    folders = {seed: asked.folder / seed for seed in asked.seeds.split(",")}

    def train(seed: str) -> None:
        words = [sys.executable, "-m", "assay.cli", "train", "sums", f"seed={seed}", f"output_dir={folders[seed]}"]
        run([*words, *asked.overrides], check=True, stdout=sys.stderr)

    with ThreadPoolExecutor(asked.at_once) as pool:
        list(pool.map(train, folders))
    evaluations = {seed: read_rows(folder / EVALUATIONS) for seed, folder in folders.items()}
    steps = {seed: read_rows(folder / METRICS) for seed, folder in folders.items()}
    first = evaluations[next(iter(folders))]
    print(f"exact answers to {first[0]['problems']} held-out sums")
    print("  seed" + "".join(f"{'step ' + str(each['step']):>10}" for each in first) + f"{'minutes':>10}")
    for seed, rows in evaluations.items():
        minutes = sum(row["step_time"] for row in steps[seed]) / 60
        print(f"{seed:>6}" + "".join(f"{row['exact']:>10.1%}" for row in rows) + f"{minutes:>10.1f}")
    print("\nmean reward of what was sampled, by step")
    for seed, rows in steps.items():
        print(f"{seed:>6}  " + " ".join(f"{row['reward']:.2f}" for row in rows))
    return int(any(rows[-1]["exact"] < WANTED for rows in evaluations.values()))


if __name__ == "__main__":
    sys.exit(main())
