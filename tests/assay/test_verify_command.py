"""The verify command: rows in, the same rows out with a score each, in order; what it says; how it exits."""

import gzip
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.cli import main, verify

RIGHT = {"id": "a", "response": r"so \boxed{4}", "answer": "4"}
WRONG = {"id": "b", "response": r"so \boxed{5}", "answer": "4"}
SILENT = {"id": "c", "response": "no idea", "answer": "4"}


def run(*arguments, rows=None, text=None):
    """Run verify on these rows as standard input, or on what the arguments name."""
    if rows is not None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    if text is not None:
        arguments = ("-", *arguments)
    return CliRunner().invoke(verify, [str(argument) for argument in arguments], input=text)


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def rewards(result):
    return [row["score"]["reward"] for row in lines_of(result.stdout)]


def write(path, rows):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


# ---- rows

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["id", "response", "answer", "reference", "prompt", "score", "line", "error", "label", "x"])
FREE_ROWS = st.dictionaries(NAMES | st.text(max_size=4), ANYTHING, max_size=5)
GOOD_ROWS = FREE_ROWS.map(lambda row: {**row, "response": r"\boxed{4}", "reference": "4", "id": 1, "prompt": ""})
LINES = st.one_of(GOOD_ROWS, FREE_ROWS, ANYTHING).map(json.dumps) | st.text(max_size=12).map(
    lambda text: "?" + text.replace("\n", "").replace("\r", "")
)


@settings(max_examples=40)
@given(st.lists(LINES, max_size=8))
def test_whatever_comes_in_comes_back_in_order(lines):
    result = run("--task", "text", text="".join(line + "\n" for line in lines))

    assert result.exit_code in (0, 3), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    out = lines_of(result.stdout)
    assert len(out) == len(lines)
    for number, (line, got) in enumerate(zip(lines, out, strict=True), 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            assert got.keys() == {"line", "error"}
            assert got["line"] == number
            continue
        names = list(got)
        added = 1 if names[-1] == "score" else 2
        assert names[-added:] in (["score"], ["line", "error"])
        kept = [repr(value) for value in list(got.values())[:-added]]
        assert kept == [repr(value) for value in row.values()]


def test_scores_are_those_of_the_verifier():
    row = {"id": "x", "response": r"\boxed{\frac12}", "answer": "0.5"}
    score = lines_of(run(rows=[row]).stdout)[0]["score"]
    want = assay.MathVerifier().score(row["response"], "0.5").as_dict()
    assert {**score, "seconds": 0} == {**want, "seconds": 0}


def test_blank_lines_are_no_rows_but_count_as_lines():
    result = run(text='\n{"response": "x", "answer": "1"}\n\n   \nbroken\n')
    assert [row.get("line") for row in lines_of(result.stdout)] == [None, 5]


def test_rows_without_a_reference_name_the_line_the_fields_and_the_flag():
    result = run(rows=[RIGHT, {"id": 1, "text": "t", "response": "r"}])
    error = lines_of(result.stdout)[1]
    assert error["line"] == 2
    assert error["error"] == "row 2: no reference found; fields are id, text, response; name it with --reference-field"
    assert error["text"] == "t"
    assert result.exit_code == 3
    assert error["error"] in result.stderr


def test_a_file_of_broken_lines_does_not_stop_the_rest():
    text = "nonsense\n[1, 2]\n" + json.dumps(RIGHT) + "\n" + '{"response": "cut o'
    result = run(text=text)
    assert [("score" in row) for row in lines_of(result.stdout)] == [False, False, True, False]
    assert result.exit_code == 3


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
@pytest.mark.parametrize("target", ["out.jsonl", "out.jsonl.gz"])
@pytest.mark.parametrize("workers", [1, 3])
def test_files_and_gzip_both_ways(tmp_path, name, target, workers):
    rows = [RIGHT, WRONG, {"id": 9}, SILENT] * 30
    source, output = write(tmp_path / name, rows), tmp_path / target
    result = run(source, "--output", output, "--workers", workers)
    content = output.read_bytes()
    out = lines_of((gzip.decompress(content) if target.endswith(".gz") else content).decode())
    assert [row["id"] for row in out] == [row["id"] for row in rows]
    assert [row.get("score", {}).get("status") for row in out] == ["correct", "incorrect", None, "no_answer"] * 30
    assert result.stdout == ""


def test_gzip_on_standard_input_is_read():
    packed = gzip.compress(json.dumps(RIGHT).encode())
    result = CliRunner().invoke(verify, ["-"], input=packed)
    assert rewards(result) == [1.0]


def test_a_byte_order_mark_and_crlf_are_no_trouble():
    result = CliRunner().invoke(verify, ["-"], input=b"\xef\xbb\xbf" + json.dumps(RIGHT).encode() + b"\r\n")
    assert rewards(result) == [1.0]
    assert result.stdout.startswith("{")


def test_limit_takes_the_first_rows():
    assert len(lines_of(run("--limit", 2, rows=[RIGHT] * 5).stdout)) == 2


def test_an_empty_input_is_done_at_once():
    result = run(text="")
    assert (result.exit_code, result.stdout) == (0, "")


# ---- settings


@pytest.mark.parametrize(
    ("flags", "row", "reward"),
    [
        (["--task", "math"], {"response": "the answer is 4", "answer": "4"}, 0.0),
        (["--task", "math", "--extract", "lenient"], {"response": "the answer is 4", "answer": "4"}, 1.0),
        (["--task", "text"], {"response": "the answer is 4", "answer": "4"}, 1.0),
        (["--task", "math"], {"response": r"\boxed{12+34}", "answer": "46"}, 1.0),
        (["--task", "math", "--form", "evaluated"], {"response": r"\boxed{12+34}", "answer": "46"}, 0.0),
        (["--task", "sums"], {"response": r"\boxed{12+34}", "answer": "46"}, 0.0),
        (["--task", "sums", "--form", "value"], {"response": r"\boxed{12+34}", "answer": "46"}, 1.0),
        (["--task", "math"], {"response": r"\boxed{12+34}", "answer": "46", "prompt": "What is 12+34?"}, 0.0),
        (["--task", "gsm8k"], {"response": "#### 18", "answer": "9*2=<<9*2=18>>18\n#### 18"}, 1.0),
        (["--answer-after", "A:"], {"response": "so\nA: 18", "reference": "work\nA: 18"}, 1.0),
        (["--answer-after", "A:"], {"response": "18", "reference": "work\nA: 18"}, 0.0),
        (["--task", "math"], {"response": r"<think>\boxed{4}</think> hm", "answer": "4"}, 0.0),
        (["--task", "math", "--prefilled"], {"response": r"\boxed{4}", "answer": "4"}, 0.0),
        (
            ["--task", "math", "--think-open", "[T]", "--think-close", "[/T]"],
            {"response": r"[T]\boxed{4}[/T]", "answer": "4"},
            0.0,
        ),
        (["--response-field", "text"], {"text": r"\boxed{4}", "response": "no", "answer": "4"}, 1.0),
        (["--reference-field", "gold.x"], {"response": r"\boxed{4}", "answer": "5", "gold": {"x": 4}}, 1.0),
    ],
)
def test_flags_decide_how_a_row_is_judged(flags, row, reward):
    assert rewards(run(*flags, rows=[row])) == [reward]


def test_without_the_mark_there_is_no_answer():
    result = run("--answer-after", "A:", rows=[{"response": "the answer is 18", "reference": "A: 18"}])
    assert lines_of(result.stdout)[0]["score"]["status"] == "no_answer"


def test_the_format_is_rewarded_beside_the_answer():
    rows = [
        {"response": r"<think>2+2</think>\boxed{4}", "answer": "4"},
        {"response": r"\boxed{4}", "answer": "4"},
        {"response": r"<think>2+2</think>\boxed{5}", "answer": "4"},
        {"response": "5", "answer": "4"},
    ]
    result = run("--format", "think", rows=rows)
    whole, unformatted, wrong, neither = rewards(result)
    assert whole == 1.0 > unformatted > wrong > neither == 0.0
    assert lines_of(result.stdout)[0]["score"]["parts"].keys() == {"math", "think_format"}
    assert "accuracy     50.00%" in result.stderr


def test_references_come_by_id_from_a_file(tmp_path):
    references = write(tmp_path / "refs.jsonl.gz", [{"id": "a", "answer": 4}, {"id": "b", "answer": 5}])
    result = run("--references", references, rows=[{**RIGHT, "answer": "99"}, WRONG, {"id": "z", "response": "r"}])
    first, second, third = lines_of(result.stdout)
    assert (first["score"]["reward"], second["score"]["reward"]) == (1.0, 1.0)
    assert third["error"].startswith("row 3: no reference for id 'z'")
    assert result.exit_code == 3


@pytest.mark.parametrize(
    ("row", "task"),
    [
        ({"id": "gsm8k-test-0", "response": "A: 1", "answer": "1"}, "gsm8k"),
        ({"question": "q", "response": "1", "answer": "1+1=<<1+1=2>>2 #### 2"}, "gsm8k"),
        ({"id": "sum-0123456789ab", "response": "1", "answer": "1"}, "sums"),
        ({"problem": "p", "solution": "s", "response": "1", "answer": "1"}, "math"),
        ({"response": r"\boxed{1}", "answer": "1"}, "math"),
        ({"response": "it is 1", "answer": "1"}, "text"),
    ],
)
def test_auto_takes_a_preset_and_says_which_and_why(row, task):
    result = run(rows=[row])
    assert f"task      {task} (found by auto: " in result.stderr


def test_a_task_that_is_named_is_not_said_to_be_found():
    assert "task      math\n" in run("--task", "math", rows=[RIGHT]).stderr


def test_rows_with_tests_among_others_are_errors_that_name_the_task():
    program = {"id": "p", "response": "def f(): pass", "test_list": ["assert f()"]}
    mixed = run(rows=[program, RIGHT])
    assert mixed.exit_code == 3
    assert "--task mbpp, humaneval, stdio run them" in lines_of(mixed.stdout)[0]["error"]


# ---- exit codes and wrong use


@pytest.mark.parametrize(
    ("rows", "flags", "code"),
    [
        ([RIGHT, WRONG], [], 0),
        ([RIGHT, WRONG], ["--fail-under", 0.5], 0),
        ([RIGHT, WRONG], ["--fail-under", 0.51], 1),
        ([RIGHT, {"id": 1}], [], 3),
        ([WRONG, {"id": 1}], ["--fail-under", 0.9], 3),
        ([{**RIGHT, "answer": "{{{"}], [], 3),
        ([], ["--fail-under", 0.1], 1),
    ],
)
def test_exit_codes(rows, flags, code):
    assert run(*flags, rows=rows).exit_code == code


def test_below_the_bar_is_said():
    assert "the accuracy 0.5000 is below --fail-under 0.9" in run("--fail-under", 0.9, rows=[RIGHT, WRONG]).stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "FILE"),
        (["nowhere.jsonl"], "nowhere.jsonl: No such file"),
        (["."], ".: Is a directory"),
        (["-", "--task", "chess"], "chess"),
        (["-", "--workers", "0"], "workers"),
        (["-", "--fail-under", "40"], "fail-under"),
        (["-", "--think-open", "<a>", "--think-close", "<a>"], "cannot be told apart"),
        (["-", "--answer-after", " "], "answer_after"),
        (["-", "--references", "nowhere.jsonl"], "nowhere.jsonl"),
        (["-", "--output", "no/such/folder/out.jsonl"], "no/such/folder/out.jsonl: No such file"),
        (["-", "--bogus"], "--bogus"),
    ],
)
def test_wrong_use_names_the_thing_and_how_to_get_help(tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(verify, arguments, input=json.dumps(RIGHT))
    assert result.exit_code == 2
    assert "Usage: verify [OPTIONS] FILE|-" in result.stderr
    assert "--help" in result.stderr
    assert named in result.stderr
    assert result.stdout == ""


def test_the_group_has_the_very_same_command():
    assert main.commands["verify"] is verify
    result = CliRunner().invoke(main, ["verify", "-"], input=json.dumps(RIGHT))
    assert rewards(result) == [1.0]


def test_the_version_is_the_package_s():
    for command in (main, verify):
        assert assay.__version__ in CliRunner().invoke(command, ["--version"]).stdout


# ---- summary


def test_the_summary_is_plain_text_on_stderr_without_a_terminal():
    result = run("--label-field", "label", rows=[{**RIGHT, "label": True}, {**WRONG, "label": True}, SILENT] * 2)
    text = result.stderr
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    for part in (
        "settings  extract boxed, form value, deadline 1 s",
        "correct    2  33.3%",
        "rows       6",
        "accuracy     33.33%  (2 of 6 verdicts)",
        "mean reward  0.3333",
        "pass@k       1: 33.33%   2: 33.33%   over 3 ids",
        "labels       2 agree, 2 disagree  (0 correct labelled false, 2 the other way), 2 without a label",
        "rows/s  (6 rows in ",
        "slowest",
    ):
        assert part in text


def test_quiet_says_nothing():
    assert run("--quiet", rows=[RIGHT, WRONG]).stderr == ""


def test_control_codes_and_markup_of_a_row_do_not_reach_the_terminal():
    row = {"id": "\x1b[31m[bold]x\u202e", "response": "1", "\x1b]0;title\x07": 1}
    text = run(rows=[row, {**RIGHT, "id": row["id"]}]).stderr
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[bold]x" in text


def test_importing_the_package_loads_neither_click_nor_rich_and_the_command_no_rich_when_quiet(tmp_path):
    source = write(tmp_path / "in.jsonl", [RIGHT])
    code = (
        "import sys, assay; assert not {'click', 'rich'} & sys.modules.keys(), 'import assay'\n"
        "from assay.cli import verify\n"
        f"verify.main([{str(source)!r}, '--quiet'], standalone_mode=False)\n"
        "assert not {'rich', 'sympy', 'torch'} & sys.modules.keys(), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
