"""The command on real model outputs with labels, where ASSAY_DATA has them: 5,276 answers, 2,011 programs."""

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


PROGRAMS = FILE.with_name("code_reflexion.jsonl.gz")
# Lines whose stored label is wrong: a plain run of the program with its test passes, or ends with a NameError.
PASS = {174, 207, 335, 348, 357, 540, 571, 675, 732, 745, 754, 937, 968, 1129, 1142, 1151}
FAIL = {1325, 1817, 1827, 1834}


@pytest.mark.slow
@pytest.mark.skipif(not PROGRAMS.is_file(), reason="ASSAY_DATA does not name a folder with outputs/")
def test_programs_disagree_only_where_the_labels_are_wrong(code_box, tmp_path):
    output = tmp_path / "scored.jsonl"
    arguments = [str(PROGRAMS), "--sandbox", code_box.backend, "--label-field", "label", "--output", str(output)]
    result = CliRunner().invoke(verify, arguments)
    assert result.exit_code == 0, result.output
    assert "task      humaneval" in result.stderr
    assert "labels       1,991 agree, 20 disagree" in result.stderr
    rows = [json.loads(line) for line in output.read_bytes().splitlines()]
    right = {number for number, row in enumerate(rows, 1) if row["score"]["reward"] == 1.0}
    labelled = {number for number, row in enumerate(rows, 1) if row["label"]}
    assert (right - labelled, labelled - right) == (PASS, FAIL)
    assert {rows[number - 1]["score"]["status"] for number in FAIL} == {"crashed"}
