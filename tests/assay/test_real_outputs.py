"""The command on 5,276 real model outputs with labels, where ASSAY_DATA has them."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from assay.cli import verify

FILE = Path(os.environ.get("ASSAY_DATA", "nowhere")) / "outputs" / "gsm8k_openai_solutions.jsonl.gz"


@pytest.mark.skipif(not FILE.is_file(), reason="ASSAY_DATA does not name a folder with outputs/")
def test_not_one_disagreement_with_the_labels(tmp_path):
    output = tmp_path / "scored.jsonl.gz"
    arguments = [str(FILE), "--answer-after", "A:", "--label-field", "label", "--output", str(output)]
    result = CliRunner().invoke(verify, arguments)
    assert result.exit_code == 0
    assert "task      gsm8k" in result.stderr
    assert "labels       5,276 agree, 0 disagree" in result.stderr
    assert "over 1,319 ids" in result.stderr
    rows, before = (
        [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()] for path in (output, FILE)
    )
    scores = [row.pop("score") for row in rows]
    assert rows == before
    assert [score["reward"] == 1.0 for score in scores] == [row["label"] for row in rows]
    without_mark = sum("A:" not in row["response"] for row in rows)
    assert Counter(score["status"] for score in scores)["no_answer"] == without_mark == 11
