"""assay explain: one response, and how it came to its reward."""

import json
import re

import pytest
from click.testing import CliRunner

from assay.cli import main


def explain(*arguments, text=None):
    return CliRunner().invoke(main, ["explain", *arguments], input=text)


def told(result):
    """The lines of the output by their first word or two."""
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in result.stdout.splitlines() if "  " in line)


def test_it_says_what_was_extracted_how_both_were_read_which_lane_and_why():
    result = explain(r"so it is \boxed{\frac12}", "--reference", "0.5")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    lines = told(result)
    assert lines["extracted"] == r"\frac12"
    assert lines["response"] == r"so it is \boxed{\frac12}"
    assert lines["reference"] == "0.5"
    assert lines["lane"].startswith("fast")
    assert lines["verdict"].startswith("correct, reward 1: ")
    assert {"how", "answer read", "reference read", "task", "settings"} <= lines.keys()


def test_the_help_has_each_example_on_a_line():
    lines = [line.strip() for line in explain("--help").stdout.splitlines()]
    assert r"assay explain 'so it is \boxed{\frac12}' --reference 0.5" in lines
    assert "assay explain --file outputs.jsonl --line 17" in lines
    assert "\\b" not in lines


def test_a_response_without_an_answer_says_that_nothing_was_extracted():
    lines = told(explain("no idea", "--reference", "4", "--task", "math"))
    assert lines["extracted"] == "nothing"
    assert lines["verdict"].startswith("no_answer, reward 0")
    assert lines["lane"].startswith("none")


def test_the_prompt_and_the_flags_count():
    assert "incorrect" in explain(r"\boxed{12+34}", "--reference", "46", "--prompt", "What is 12+34?").stdout
    assert "incorrect" in explain(r"\boxed{12+34}", "--reference", "46", "--form", "evaluated").stdout
    assert "correct, reward 1" in explain("so\nA: 18", "--reference", "work\nA: 18", "--answer-after", "A:").stdout
    assert "correct, reward 1" in explain("#### 18", "--reference", "9*2\n#### 18").stdout


def test_the_parts_of_a_reward_are_told():
    lines = told(explain(r"<think>hm</think> \boxed{4}", "--reference", "4", "--format", "think"))
    assert lines["math"].startswith("correct, reward 1")
    assert lines["think_format"].startswith("correct, reward 1")
    assert lines["verdict"] == "correct, reward 1"


def test_the_response_may_come_from_standard_input():
    for arguments in (["-"], []):
        assert "correct, reward 1" in explain(*arguments, "--reference", "4", text="it is\n\\boxed{4}").stdout


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"response": r"\boxed{3}", "answer": 4}, {"text": r"\boxed{4}", "gold": 4, "id": "b"}]
    path.write_text(json.dumps(rows[0]) + "\n\nbroken\n" + json.dumps(rows[1]) + "\n")
    return str(path)


def test_a_row_of_a_file_is_explained_as_verify_would_score_it(rows, tmp_path):
    assert "incorrect, reward 0" in explain("--file", rows).stdout
    assert "correct, reward 1" in explain("--file", rows, "--line", "4", "--response-field", "text").stdout
    references = tmp_path / "refs.jsonl"
    references.write_text('{"id": "b", "answer": 5}')
    flags = ["--response-field", "text", "--references", str(references)]
    assert "incorrect, reward 0" in explain("--file", rows, "--line", "4", *flags).stdout


def test_no_verdict_exits_3():
    result = explain(r"\boxed{1}", "--reference", "{{{")
    assert result.exit_code == 3
    assert "bad_reference, no reward" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["answer"], "give --reference TEXT"),
        (["--file", "nowhere.jsonl"], "nowhere.jsonl: No such file"),
        (["--file", "ROWS", "answer"], "don't give them as well"),
        (["--file", "ROWS", "--line", "2"], "line 2 is blank"),
        (["--file", "ROWS", "--line", "3"], "line 3: not valid JSON"),
        (["--file", "ROWS", "--line", "9"], "there is no line 9; the last row is on line 4"),
        (["--file", "ROWS", "--line", "4"], "row 4: no response found; fields are text, gold, id"),
        (["x", "--reference", "(", "--task", "mbpp"], "the tests are not Python"),
        (["x", "--reference", "4", "--task", "mbpp", "--deadline", "3"], "--deadline is not for the task mbpp"),
        (["x", "--reference", "4", "--task", "math", "--credit", "all"], "--credit is not for the task math"),
    ],
)
def test_wrong_use_says_what_and_exits_2(rows, arguments, said):
    result = explain(*[rows if argument == "ROWS" else argument for argument in arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Usage: main explain" in result.stderr


def test_control_codes_of_a_response_do_not_reach_the_terminal():
    result = explain("\x1b[31m[bold]\\boxed{4\x07}", "--reference", "4\u202e")
    assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)
