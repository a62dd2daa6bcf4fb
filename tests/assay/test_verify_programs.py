"""The verify command on programs: tests in the rows or by id, one sandbox for all, what is said, what is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from assay.sandbox import opening
from assay.sandbox.errors import SandboxUnavailable
from click.testing import CliRunner, Result

from assay import AssertTests, Case, Judgement, Limits, Status, StdioTests
from assay.cli import main, verify

RIGHT = {
    "id": "a",
    "response": "```python\ndef f(x):\n    return x + 1\n```",
    "test_list": ["assert f(1) == 2", "assert f(2) == 3"],
}
HALF = {**RIGHT, "response": "def f(x): return 2"}
SILENT = {**RIGHT, "response": "I don't know."}
HUMAN = {
    "task_id": "HumanEval/0",
    "prompt": "def f(x):\n    'Add one.'\n",
    "entry_point": "f",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
    "completion": "    return x + 1\n",
}
STDIO = {
    "id": "s",
    "response": "```python\nprint(int(input()) + 1)\n```",
    "input_output": '{"inputs": ["1\\n"], "outputs": ["2\\n"]}',
}


class Oracle:
    """A sandbox that runs nothing and knows the programs of this page."""

    def __init__(self, backend: str, workers: int | None, limits: Limits | None, image: str | None) -> None:
        self.backend = "docker" if backend == "auto" else backend
        self.workers = workers or 3
        self.limits = limits
        self.image = image
        self.closed = False
        self.asked: list[tuple[str, AssertTests | StdioTests]] = []

    def judge(self, solution: str, tests: AssertTests | StdioTests) -> Judgement:
        assert not self.closed
        self.asked.append((solution, tests))
        total = len(tests.cases if isinstance(tests, StdioTests) else tests.asserts)
        if "+ 1" in solution:
            return Judgement(Status.CORRECT, total, total, (Case(Status.CORRECT),) * total)
        failed = Case(Status.INCORRECT, "assert f(2) == 3", "f(2)", "3", "2")
        return Judgement(Status.INCORRECT, total - 1, total, (Case(Status.CORRECT, "assert f(1) == 2"), failed))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Oracle]]:
    """Open oracles in place of sandboxes; each must be closed in the end."""
    opened: list[Oracle] = []

    def open_oracle(
        backend: str, workers: int | None = None, limits: Limits | None = None, image: str | None = None
    ) -> Oracle:
        if backend == "bubblewrap":
            raise SandboxUnavailable("bwrap is not installed: apt install bubblewrap")
        opened.append(Oracle(backend, workers, limits, image))
        return opened[-1]

    monkeypatch.setattr(opening, "open_sandbox", open_oracle)
    yield opened
    assert all(box.closed for box in opened)


def run(*arguments: Any, rows: list[dict[str, Any]] | None = None) -> Result:
    text = "".join(json.dumps(row) + "\n" for row in rows) if rows is not None else None
    if rows is not None:
        arguments = ("-", *arguments)
    return CliRunner().invoke(verify, [str(argument) for argument in arguments], input=text)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scores(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line).get("score") for line in result.stdout.splitlines()]


def rewards(result: Result) -> list[float | None]:
    return [score["reward"] for score in scores(result)]


# ---- rows and tasks


@pytest.mark.parametrize(("rows", "task"), [([RIGHT, HALF], "mbpp"), ([HUMAN], "humaneval"), ([STDIO], "stdio")])
def test_auto_sees_by_the_tests_what_the_rows_are(boxes: list[Oracle], rows: list[dict[str, Any]], task: str) -> None:
    result = run(rows=rows)
    assert result.exit_code == 0, result.output
    assert f"{task} (found by auto" in result.stderr
    assert rewards(result)[0] == 1.0
    assert rewards(run("--task", task, rows=rows)) == rewards(result)


def test_a_body_continues_the_prompt_of_its_row(boxes: list[Oracle]) -> None:
    run(rows=[HUMAN])
    solution, tests = boxes[0].asked[0]
    assert solution == "def f(x):\n    'Add one.'\n    return x + 1\n"
    assert tests == AssertTests(["check(f)"], HUMAN["test"].rstrip(), "f", HUMAN["prompt"])


def test_each_row_comes_back_with_its_verdict(boxes: list[Oracle]) -> None:
    result = run(rows=[RIGHT, HALF, SILENT, {"id": "x"}, {**RIGHT, "test_list": ["assert ("]}, STDIO])
    assert [score and score["status"] for score in scores(result)] == [
        "correct",
        "incorrect",
        "no_answer",
        None,
        "bad_reference",
        "correct",
    ]
    assert scores(result)[0]["answer"] == "def f(x):\n    return x + 1\n"
    assert scores(result)[1]["detail"] == "test 2 of 2: f(2) should give 3, gave 2"
    errors = [json.loads(line).get("error") for line in result.stdout.splitlines()]
    assert errors[3] == "row 4: no response found; fields are id; name it with --response-field"
    assert errors[4] is None
    assert scores(result)[4]["reward"] is None
    assert scores(result)[4]["detail"].startswith("code or tests are not Python")
    assert result.exit_code == 3


def test_a_row_without_tests_says_what_to_do(boxes: list[Oracle]) -> None:
    result = run("--task", "mbpp", rows=[{"id": "x", "response": "def f(): 1"}])
    assert "no tests found; fields are id, response; name theirs with --reference-field" in result.stdout
    assert (
        run(
            "--reference-field",
            "secret",
            "--task",
            "mbpp",
            rows=[{"response": "def f(): 1 + 1", "secret": "assert f()"}],
        ).exit_code
        == 0
    )


def test_tests_that_cannot_be_used_are_no_fault_of_the_response(boxes: list[Oracle], tmp_path: Path) -> None:
    rows = [RIGHT, {**RIGHT, "test_list": ["assert ("]}, {**SILENT, "test_list": ["assert ("]}, RIGHT]
    for flags in ([], ["--format", "think"]):
        result = run("--task", "mbpp", *flags, rows=rows)
        assert [score["reward"] is None for score in scores(result)] == [False, True, True, False]
        assert {score["status"] for score in scores(result)[1:3]} == {"bad_reference"}
        assert result.exit_code == 3

    tests = write(tmp_path / "problems.jsonl", rows[:2])
    told = explain("--file", str(tests), "--line", "2")
    assert told.exit_code == 3
    assert "bad_reference, no reward: code or tests are not Python" in told.stdout
    result = run("--references", tests, "--task", "mbpp", rows=[RIGHT])
    assert result.exit_code == 2, "one bad line of a file of references is better mended than left out"
    assert "line 2: code or tests are not Python" in result.stderr


def test_tests_come_by_id_from_a_file(boxes: list[Oracle], tmp_path: Path) -> None:
    tests = write(
        tmp_path / "problems.jsonl",
        [{"task_id": "a", "text": "Add one.", "code": "def f(x): pass", "test_list": RIGHT["test_list"]}, HUMAN],
    )
    bare = [
        {"id": "a", "response": RIGHT["response"]},
        {"id": "HumanEval/0", "response": "return x + 1"},
        {"id": "z", "response": "x"},
    ]
    result = run("--references", tests, "--task", "mbpp", rows=bare)
    assert [score and score["reward"] for score in scores(result)] == [1.0, 1.0, None]
    assert "no reference for id 'z'" in result.stdout
    assert boxes[0].asked[1][0].startswith("def f(x):\n    'Add one.'"), "the prompt comes from there, too"


def test_two_different_tests_of_one_id_are_refused(boxes: list[Oracle], tmp_path: Path) -> None:
    tests = write(tmp_path / "problems.jsonl", [RIGHT, {**RIGHT, "test_list": ["assert f(5)"]}])
    result = run("--references", tests, "--task", "mbpp", rows=[RIGHT])
    assert result.exit_code == 2
    assert "two rows have the id 'a' and different tests" in result.stderr


def test_a_problem_with_an_answer_is_no_problem_for_programs(boxes: list[Oracle], tmp_path: Path) -> None:
    answers = write(tmp_path / "answers.jsonl", [{"id": "a", "answer": "5"}])
    assert "no tests" in run("--references", answers, "--task", "mbpp", rows=[RIGHT]).stdout


# ---- credit, format, limits, workers


def test_credit(boxes: list[Oracle]) -> None:
    rows = [RIGHT, HALF, SILENT]
    assert rewards(run(rows=rows)) == [1.0, 0.0, 0.0]
    result = run("--credit", "fraction", rows=rows)
    assert rewards(result) == [1.0, 0.5, 0.0]
    assert "accuracy     33.33%" in result.stderr
    assert "mean reward  0.5000" in result.stderr


def test_blocks(boxes: list[Oracle]) -> None:
    split = {**RIGHT, "response": "```py\nONE = 0 + 1\n```\n```py\ndef f(x): return x + ONE\n```"}
    assert rewards(run(rows=[split])) == [0.0]
    assert rewards(run("--blocks", "all", rows=[split])) == [1.0]


def test_the_format_has_its_part(boxes: list[Oracle]) -> None:
    result = run("--format", "think", rows=[RIGHT, {**RIGHT, "response": "<think>hm</think>" + RIGHT["response"]}])
    assert rewards(result) == [pytest.approx(1 / 1.2), 1.0]
    assert list(scores(result)[0]["parts"]) == ["code", "think_format"]
    assert "accuracy     100.00%" in result.stderr


def test_limits_and_workers_go_to_the_sandbox_once(boxes: list[Oracle]) -> None:
    run("--time-limit", 3, "--memory-limit", 256, "--workers", 5, rows=[RIGHT] * 30)
    (box,) = boxes
    assert box.limits == Limits(cpu_seconds=3, wall_seconds=6, memory_bytes=256 << 20)
    assert box.workers == 5
    assert len(box.asked) == 30
    run(rows=[RIGHT])
    assert boxes[1].limits == Limits()
    assert boxes[1].workers == 3, "as many as the sandbox takes"


@pytest.mark.parametrize("flags", [[], ["--sandbox", "docker"]])
def test_an_image_goes_to_the_sandbox(boxes: list[Oracle], flags: list[str]) -> None:
    told = run("--sandbox-image", "my-image:3", *flags, rows=[RIGHT]).stderr
    assert boxes[0].image == "my-image:3"
    assert "image my-image:3" in told
    told = explain(RIGHT["response"], "--reference", "assert f(1) == 2", "--sandbox-image", "my-image:3", *flags).stdout
    assert boxes[1].image == "my-image:3"
    assert "image my-image:3" in told
    assert "image" not in run(rows=[RIGHT]).stderr
    assert boxes[2].image is None


def test_the_summary_names_the_sandbox_and_counts_verdicts(boxes: list[Oracle]) -> None:
    told = run("--sandbox", "docker", rows=[RIGHT, HALF]).stderr
    assert "sandbox   docker, 3 workers" in told
    assert "verdicts/s" in told
    assert "limits 5 s of CPU, 10 s in all, 1024 MiB" in told
    assert "docker (found by auto), 3 workers" in run(rows=[RIGHT]).stderr


# ---- wrong use


@pytest.mark.parametrize(
    ("flags", "rows", "words"),
    [
        (["--sandbox", "podman"], [RIGHT], "podman"),
        (["--sandbox", "bubblewrap"], [RIGHT], "apt install bubblewrap"),
        (["--task", "mbpp", "--sandbox", "bubblewrap"], [], "apt install bubblewrap"),
        (["--extract", "boxed"], [RIGHT], "--extract is not for the task mbpp"),
        (["--task", "humaneval", "--answer-after", "A:"], [], "--answer-after is not for the task humaneval"),
        (["--deadline", "2"], [STDIO], "--deadline is not for the task stdio"),
        (["--sandbox", "docker"], [{"response": "5", "answer": "5"}], "--sandbox is not for the task text"),
        (["--task", "math", "--time-limit", "2"], [], "--time-limit is not for the task math"),
        (["--memory-limit", "1"], [RIGHT], "--memory-limit"),
        (["--sandbox", "restricted", "--sandbox-image", "x"], [RIGHT], "--sandbox-image is for --sandbox docker"),
        (["--sandbox-image", "x", "--sandbox", "bubblewrap"], [RIGHT], "--sandbox-image is for --sandbox docker"),
        (["--sandbox-image", "x"], [{"response": "5", "answer": "5"}], "--sandbox-image is not for the task text"),
        (["--sandbox-image", ""], [RIGHT], "name of an image"),
    ],
)
def test_wrong_use(boxes: list[Oracle], flags: list[str], rows: list[dict[str, Any]], words: str) -> None:
    result = run(*flags, rows=rows)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not result.stdout


def test_a_missing_backend_leaves_the_output_alone(boxes: list[Oracle], tmp_path: Path) -> None:
    output = tmp_path / "scored.jsonl"
    assert run("--sandbox", "bubblewrap", "--output", output, rows=[RIGHT]).exit_code == 2
    assert not output.exists()


# ---- runs that are cut off


def test_a_run_goes_on_and_keeps_its_settings(boxes: list[Oracle], tmp_path: Path) -> None:
    rows, output = write(tmp_path / "rows.jsonl", [RIGHT, HALF, SILENT, RIGHT]), tmp_path / "scored.jsonl"
    assert run(rows, "--output", output).exit_code == 0
    whole = output.read_bytes()
    output.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]) + b'{"id": "a", "resp')
    assert run(rows, "--output", output, "--sandbox", "docker").exit_code == 0, "auto had taken docker"
    assert len(boxes[1].asked) == 1, "only what was missing is judged; one of the two rows has no program"
    assert [json.loads(line)["score"]["reward"] for line in output.read_bytes().splitlines()] == [1.0, 0.0, 0.0, 1.0]
    for name, flags in {
        "sandbox": ["--sandbox", "restricted"],
        "image": ["--sandbox-image", "x"],
        "credit": ["--credit", "fraction"],
        "limits": ["--time-limit", "9"],
        "blocks": ["--blocks", "all"],
    }.items():
        result = run(rows, "--output", output, *flags)
        assert result.exit_code == 2
        assert "was begun with other settings" in result.stderr
        assert f"{name} was " in result.stderr


# ---- one response, explained


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def test_explain_tells_each_test(boxes: list[Oracle]) -> None:
    result = explain(HALF["response"], "--reference", "assert f(1) == 2\nassert f(2) == 3", "--credit", "fraction")
    assert result.exit_code == 0
    for words in (
        "credit fraction",
        "sandbox   docker",
        "code outside fenced blocks",
        "def f(x): return 2",
        "correct  assert f(1) == 2",
        "incorrect  assert f(2) == 3; gave 2",
        "1 of 2",
        "incorrect, reward 0.5: test 2 of 2: f(2) should give 3, gave 2",
    ):
        assert words in result.stdout


def test_explain_of_a_row_and_of_no_program(boxes: list[Oracle], tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", [RIGHT, SILENT])
    assert "correct, reward 1: all 2 tests pass" in explain("--file", str(rows)).stdout
    told = explain("--file", str(rows), "--line", "2", "--format", "think").stdout
    assert "no code found that defines 'f'" in told
    assert "think_format" in told


# ---- with programs really run


def test_rows_of_every_kind_in_a_real_sandbox(code_box: Any) -> None:
    result = run(
        "--sandbox", code_box.backend, "--credit", "fraction", "--workers", 1, rows=[RIGHT, HALF, SILENT, HUMAN, STDIO]
    )
    assert rewards(result) == [1.0, 0.5, 0.0, 1.0, 1.0], result.stderr
    assert f"sandbox   {code_box.backend}, 1 worker" in result.stderr
