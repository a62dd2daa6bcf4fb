"""A row of a published data set becomes the Problem it stands for, wherever it comes from, and none is lost.

The rows written here are made up, in the shapes of the real ones; the real ones are read where ASSAY_DATA is set.
"""

from __future__ import annotations

import ast
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from assay.datasets.jsonl import RowError
from assay.datasets.loaders import gsm8k, humaneval, jsonl, load, math500, mbpp
from assay.datasets.source import DatasetNotFoundError

from assay.records import Problem

GSM8K_ROW = {"question": "Two boxes of 600 pens?", "answer": "2*600=<<2*600=1200>>1200\n#### 1,200"}
MATH_ROW = {
    "problem": "Halve $1$.",
    "solution": r"It is $\boxed{\frac12}$.",
    "answer": r"\frac12",
    "subject": "Algebra",
    "level": 1,
    "unique_id": "test/algebra/1.json",
}
MBPP_ROW = {
    "text": "Write a function to add up.",
    "code": "import sys\r\nR = 3\r\ndef helper(x):\r\n\treturn x\r\ndef add(a, b=2, *rest): \r\n\treturn a + b\r",
    "task_id": 11,
    "test_setup_code": "",
    "test_list": ["assert add(1) == 3", "assert add(1, 4) == 5", "assert add(sys.maxsize, 0) == sys.maxsize"],
    "challenge_test_list": ["assert add(0, 0) == 0"],
}
SANITIZED_ROW = {
    "source_file": "x.ipynb",
    "task_id": 12,
    "prompt": "Write a function to halve.",
    "code": "import math\ndef halve(x):\n  return x / 2",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(halve(1), 0.5)"],
}
HUMANEVAL_ROW = {
    "task_id": "HumanEval/900",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}
LAYOUT: dict[str, list[dict[str, Any]]] = {
    "gsm8k/test.jsonl": [GSM8K_ROW, GSM8K_ROW],
    "gsm8k/train.jsonl": [GSM8K_ROW],
    "math500/test.jsonl": [MATH_ROW],
    "mbpp/mbpp.jsonl": [MBPP_ROW | {"task_id": number} for number in (10, 11, 510, 511, 600, 601, 974)],
    "mbpp/sanitized-mbpp.jsonl": [SANITIZED_ROW],
    "humaneval/HumanEval.jsonl": [HUMANEVAL_ROW],
}


def write_rows(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here depends on the data, or the library, that this machine happens to have."""
    monkeypatch.delenv("ASSAY_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", ModuleType("datasets"))  # importable, and not Hugging Face's


@pytest.fixture(params=["", ".gz"])
def data_folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    for name, rows in LAYOUT.items():
        write_rows(tmp_path / (name + request.param), rows)
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None, str]]:
    """A stand-in for Hugging Face's `datasets` that serves the same rows and records what is asked of it."""
    asked: list[tuple[str, str | None, str]] = []
    served = {
        ("openai/gsm8k", "main"): "gsm8k/{split}.jsonl",
        ("HuggingFaceH4/MATH-500", None): "math500/{split}.jsonl",
        ("google-research-datasets/mbpp", "full"): "mbpp/mbpp.jsonl",
        ("google-research-datasets/mbpp", "sanitized"): "mbpp/sanitized-mbpp.jsonl",
        ("openai/openai_humaneval", None): "humaneval/HumanEval.jsonl",
    }

    def load_dataset(name: str, config: str | None = None, *, split: str) -> list[dict[str, Any]]:
        asked.append((name, config, split))
        return LAYOUT[served[name, config].format(split=split)]

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


LOADED: list[tuple[str, Callable[..., Iterator[Problem]], int]] = [
    ("gsm8k", gsm8k, 2),
    ("math500", math500, 1),
    ("mbpp", mbpp, 2),
    ("humaneval", humaneval, 1),
]


@pytest.mark.parametrize(("name", "loader", "count"), LOADED)
def test_a_folder_a_file_the_environment_and_the_hub_give_the_same_problems(
    name: str,
    loader: Callable[..., Iterator[Problem]],
    count: int,
    data_folder: Path,
    hub: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from_hub = list(loader())
    assert len(from_hub) == count
    assert list(loader(path=data_folder)) == from_hub
    folder = next(data_folder.glob(f"{name}"))
    assert list(loader(path=folder)) == from_hub
    file = next(file for file in folder.iterdir() if not file.name.startswith(("train", "sanitized")))
    assert list(loader(path=str(file))) == from_hub
    assert list(load(name, path=file)) == from_hub
    monkeypatch.setenv("ASSAY_DATA", str(data_folder))
    hub.clear()
    assert list(loader()) == from_hub
    assert hub == []  # what is here is not fetched


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("gsm8k", ("openai/gsm8k", "main", "test")),
        ("openai/gsm8k", ("openai/gsm8k", "main", "test")),
        ("MATH-500", ("HuggingFaceH4/MATH-500", None, "test")),
        ("HuggingFaceH4/MATH-500", ("HuggingFaceH4/MATH-500", None, "test")),
        ("mbpp", ("google-research-datasets/mbpp", "full", "test")),
        ("google-research-datasets/mbpp", ("google-research-datasets/mbpp", "full", "test")),
        ("mbpp-sanitized", ("google-research-datasets/mbpp", "sanitized", "test")),
        ("openai_humaneval", ("openai/openai_humaneval", None, "test")),
        ("openai/openai_humaneval", ("openai/openai_humaneval", None, "test")),
    ],
)
def test_the_ids_that_people_know_are_understood(name: str, asked: Any, hub: list[Any]) -> None:
    assert list(load(name))
    assert hub == [asked]


def test_gsm8k(data_folder: Path) -> None:
    first, second = gsm8k(path=data_folder)
    assert (first.id, second.id) == ("gsm8k-test-0", "gsm8k-test-1")
    assert first.references == ("1200",)
    assert first.meta["solution"] == GSM8K_ROW["answer"]
    assert first.prompt.startswith(GSM8K_ROW["question"])
    assert r"\boxed{}" in first.prompt
    assert next(gsm8k("train", path=data_folder, instruction="")).prompt == GSM8K_ROW["question"]


def test_math500(data_folder: Path) -> None:
    (problem,) = math500(path=data_folder)
    assert problem.id == "test/algebra/1.json"
    assert problem.references == (r"\frac12",)
    assert (problem.meta["level"], problem.meta["subject"]) == (1, "Algebra")


def test_mbpp_splits_by_task_id(data_folder: Path) -> None:
    found = {
        split: [p.id for p in mbpp(split, path=data_folder)] for split in ("prompt", "test", "validation", "train")
    }
    assert found == {"prompt": ["10"], "test": ["11", "510"], "validation": ["511", "600"], "train": ["601", "974"]}
    assert len(list(mbpp("all", path=data_folder))) == 7


def test_mbpp_shows_one_assert_and_scores_all(data_folder: Path) -> None:
    problem = next(mbpp(path=data_folder))
    asserts = MBPP_ROW["test_list"]
    assert problem.tests is not None
    assert problem.tests.asserts == asserts
    assert [shown for shown in asserts if shown in problem.prompt] == asserts[:1]
    assert "def add(a, b=2, *rest):" in problem.prompt
    assert "helper" not in problem.prompt
    assert "return" not in problem.prompt
    assert problem.tests.entry_point == "add"


@pytest.mark.parametrize("shown", [0, 2, 99])
def test_mbpp_shows_as_many_asserts_as_asked(shown: int, data_folder: Path) -> None:
    problem = next(mbpp(path=data_folder, shown=shown))
    assert sum(each in problem.prompt for each in MBPP_ROW["test_list"]) == min(shown, 3)
    assert len(problem.tests.asserts) == 3


def test_mbpp_challenge_tests_on_request(data_folder: Path) -> None:
    assert len(next(mbpp(path=data_folder, challenge=True)).tests.asserts) == 4


def test_mbpp_code_has_plain_line_ends_and_tests_bring_their_own_imports(data_folder: Path) -> None:
    problem = next(mbpp(path=data_folder))
    assert "\r" in MBPP_ROW["code"]
    assert "\r" not in problem.meta["code"] + problem.prompt + "".join(problem.tests.asserts)
    ast.parse(problem.meta["code"])
    assert problem.tests.setup == "import sys"  # named by an assert, imported only by the reference program


def test_mbpp_sanitized_names_its_fields_differently(data_folder: Path) -> None:
    (problem,) = mbpp(sanitized=True, path=data_folder)
    assert problem.tests.setup == "import math"
    assert problem.tests.entry_point == "halve"
    assert SANITIZED_ROW["prompt"] in problem.prompt
    assert list(load("mbpp-sanitized", path=data_folder)) == [problem]


def test_mbpp_sanitized_is_read_as_published_in_one_array(tmp_path: Path) -> None:
    file = tmp_path / "sanitized-mbpp.json"
    file.write_text(json.dumps([SANITIZED_ROW], indent=1))
    assert [p.id for p in mbpp(sanitized=True, path=tmp_path)] == ["12"]
    assert [p.id for p in mbpp(sanitized=True, path=file)] == ["12"]


def test_mbpp_shows_the_classes_that_the_tests_make_objects_of(tmp_path: Path) -> None:
    row = MBPP_ROW | {
        "code": "class Node:\n  def __init__(self, v):\n    self.v = v\nclass Inner: pass\ndef depth(n): return 1",
        "test_setup_code": "root = Node(1)\r\nroot.left = Node(2)",
        "test_list": ["assert depth(root) == 2"],
    }
    problem = next(mbpp(path=write_rows(tmp_path / "mbpp.jsonl", [row])))
    assert "class Node:" in problem.prompt
    assert "self.v = v" in problem.prompt
    assert "Inner" not in problem.prompt
    assert problem.tests.setup == "root = Node(1)\nroot.left = Node(2)"


def test_humaneval(data_folder: Path) -> None:
    (problem,) = humaneval(path=data_folder)
    assert problem.id == "HumanEval/900"
    assert problem.prompt == problem.tests.prefix == HUMANEVAL_ROW["prompt"]
    assert problem.tests.entry_point == "double"
    assert HUMANEVAL_ROW["canonical_solution"] not in problem.prompt
    program: dict[str, Any] = {}
    exec(problem.tests.prefix + problem.meta["canonical_solution"], program)
    exec(problem.tests.setup, program)
    for each in problem.tests.asserts:
        exec(each, program)
    program["double"] = lambda x: 5
    with pytest.raises(AssertionError):
        exec(problem.tests.asserts[0], program)


def test_limit(data_folder: Path) -> None:
    assert len(list(load("gsm8k", path=data_folder, limit=1))) == 1
    assert list(load("gsm8k", path=data_folder, limit=0)) == []


@pytest.mark.parametrize("name", ["gsm8k", "math500", "mbpp", "humaneval"])
def test_what_is_nowhere_is_named_with_both_remedies(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    for folder in (None, str(tmp_path)):
        if folder:
            monkeypatch.setenv("ASSAY_DATA", folder)
        with pytest.raises(DatasetNotFoundError) as caught:
            load(name)
        said = str(caught.value)
        assert said.startswith(name)
        assert "ASSAY_DATA" in said
        assert "path=" in said
        assert "pip install datasets" in said
        assert f"ASSAY_DATA={folder}" in said or not folder


def test_a_hub_that_fails_is_the_same_error(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(sys.modules["datasets"], "load_dataset", offline)
    with pytest.raises(DatasetNotFoundError, match=r"ConnectionError: no route to the hub.*ASSAY_DATA"):
        load("gsm8k")


def test_a_path_with_nothing_there_does_not_fall_back_to_the_hub(tmp_path: Path, hub: list[Any]) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"holds none of gsm8k/test\.jsonl"):
        load("gsm8k", path=tmp_path)
    with pytest.raises(DatasetNotFoundError, match="does not exist"):
        load("gsm8k", path=tmp_path / "nowhere")
    assert hub == []


def test_wrong_names_and_splits_are_said_at_once(tmp_path: Path, data_folder: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"'gsm9k'.*gsm8k, math500, mbpp"):
        load("gsm9k")
    for name, split in (("gsm8k", "validation"), ("mbpp", "dev"), ("math500", "train"), ("humaneval", "train")):
        with pytest.raises(ValueError, match=f"split.*{split}"):
            load(name, split=split)
    train = next((data_folder / "gsm8k").glob("train*"))
    with pytest.raises(ValueError, match="is the train split"):
        gsm8k("test", path=train)
    with pytest.raises(ValueError, match="no splits"):
        load(train, split="train")


def test_any_jsonl(tmp_path: Path) -> None:
    rows = [
        {"id": 5, "question": "1 + 1?", "gold": 2, "topic": "sums"},
        {"problem": "Half?", "answer": ["1/2", "0.5"]},
        {"prompt": [{"role": "user", "content": "2 * 3?"}], "reward_model": {"ground_truth": "6"}},
        {"task_id": "x/1", "text": "Add.", "code": "def add(a): ...", "test_list": ["assert add(1)"]},
        HUMANEVAL_ROW,
    ]
    file = write_rows(tmp_path / "mine.jsonl.gz", rows)
    problems = list(load(file))
    assert [p.id for p in problems] == ["5", "mine.jsonl.gz-2", "mine.jsonl.gz-3", "x/1", "HumanEval/900"]
    assert [p.references for p in problems] == [("2",), ("1/2", "0.5"), ("6",), (), ()]
    assert [p.prompt for p in problems[:3]] == ["1 + 1?", "Half?", "2 * 3?"]
    assert problems[0].meta == {"topic": "sums"}
    assert [p.tests is None for p in problems] == [True, True, True, False, False]


def test_jsonl_fields_by_name(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "mine.jsonl", [{"key": "k", "ask": "?", "want": {"value": 3}, "answer": "no"}])
    fields = {"prompt_field": "ask", "reference_field": "want.value", "id_field": "key"}
    (problem,) = load(file, **fields)
    assert (problem.id, problem.prompt, problem.references) == ("k", "?", ("3",))


BAD_ROWS = [
    ("jsonl", '{"id": 1, "text": "x"}', "no reference found; fields are id, text; name it with reference_field="),
    ("jsonl", '{"answer": ""}', "'answer' is empty"),
    ("jsonl", '{"answer": {"a": 1}}', "expected a string, a number or a list"),
    ("jsonl", "oops", "not valid JSON"),
    ("jsonl", "[1]", "expected a JSON object"),
    ("gsm8k", '{"question": "?", "answer": "7"}', "no line '#### number'"),
    ("gsm8k", '{"question": "?"}', "no text in answer; fields are question"),
    ("math500", '{"problem": "?", "unique_id": "1"}', "no text in answer"),
    ("mbpp", json.dumps(MBPP_ROW | {"task_id": "eleven"}), "task_id is 'eleven'"),
    ("mbpp", json.dumps(MBPP_ROW | {"test_list": []}), "test_list is empty"),
    ("mbpp", json.dumps(MBPP_ROW | {"code": "def f(:"}), "not Python"),
    ("mbpp", json.dumps(MBPP_ROW | {"test_list": [1]}), "list of strings"),
    ("humaneval", '{"task_id": "1", "prompt": "x", "entry_point": "x"}', "no text in test"),
]


@pytest.mark.parametrize(("name", "line", "problem"), BAD_ROWS)
def test_a_bad_row_is_an_error_with_file_line_and_remedy(name: str, line: str, problem: str, tmp_path: Path) -> None:
    good = {"jsonl": {"answer": 1}, "gsm8k": GSM8K_ROW, "math500": MATH_ROW, "mbpp": MBPP_ROW}.get(name, HUMANEVAL_ROW)
    file = tmp_path / "rows.jsonl"
    file.write_text(f"{json.dumps(good)}\n\n{line}\n")
    problems = jsonl(file) if name == "jsonl" else load(name, path=file)
    next(problems)
    with pytest.raises(RowError) as caught:
        next(problems)
    assert str(caught.value).startswith(f"{file}, line 3: ")
    assert problem in str(caught.value)


def test_a_missing_file_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no file"):
        jsonl(tmp_path / "none.jsonl")


REAL = os.environ.get("ASSAY_DATA")


@pytest.mark.skipif(not REAL, reason="ASSAY_DATA is not set: the real data sets are not here")
@pytest.mark.parametrize(
    ("name", "split", "count"),
    [
        ("gsm8k", "train", 7473),
        ("gsm8k", "test", 1319),
        ("math500", "test", 500),
        ("mbpp", "all", 974),
        ("mbpp", "test", 500),
        ("mbpp", "train", 374),
        ("mbpp-sanitized", "all", 427),
        ("mbpp-sanitized", "test", 257),
        ("humaneval", "test", 164),
    ],
)
def test_the_real_data_sets_are_read_whole(name: str, split: str, count: int) -> None:
    problems = list(load(name, split=split, path=REAL))
    assert len(problems) == len({problem.id for problem in problems}) == count
    for problem in problems:
        assert problem.prompt.strip()
        assert (problem.tests is None) == bool(problem.references)
        if problem.tests is not None:
            assert problem.tests.entry_point  # each of these data sets tests a function with a name
