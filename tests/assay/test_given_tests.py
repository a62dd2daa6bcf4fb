"""Which tests a row brings: the shapes of public data sets and trainers, each case counted once, nothing run here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import AssertTests, StdioTests
from assay.assert_tests import script_tests
from assay.given_tests import BadTests, find_tests, has_tests, read_tests

PAIRS = StdioTests([("1\n", "2\n"), ("3\n", "4\n")])


def same(code: str, other: str) -> bool:
    return code.split() == other.split()


# ---- programs that read and print


@pytest.mark.parametrize(
    "fields",
    [
        {"input_output": {"inputs": ["1\n", "3\n"], "outputs": ["2\n", "4\n"]}},
        {"input_output": '{"inputs": ["1\\n", "3\\n"], "outputs": ["2\\n", "4\\n"]}'},
        {"inputs": ["1\n", "3\n"], "outputs": ["2\n", "4\n"]},
        {"ground_truth": '{"inputs": ["1\\n", "3\\n"], "outputs": ["2\\n", "4\\n"]}'},
        {"reward_model": {"style": "rule", "ground_truth": '{"inputs": ["1\\n", "3\\n"], "outputs": ["2\\n", "4\\n"]}'}},
        {"public_tests": {"input": ["1\n", "3\n"], "output": ["2\n", "4\n"]}},
        {"tests": [{"input": "1\n", "output": "2\n"}, {"input": "3\n", "output": "4\n"}]},
        {"tests": '[{"input": "1\\n", "output": "2\\n", "type": "stdin_stdout"}, {"input": "3\\n", "output": "4\\n"}]'},
        {"test_cases": [{"input": "1\n", "expected_output": "2\n"}, {"stdin": "3\n", "stdout": "4\n"}]},
        {"verification_info": {"language": "python", "test_cases": [
            {"type": "stdin_stdout", "fn_name": None, "input": "1\n", "output": "2\n"},
            {"type": "stdin_stdout", "fn_name": None, "input": "3\n", "output": "4\n"}]}},
        {"tests": [["1\n", "2\n"], ["3\n", "4\n"]]},
        {"tests": PAIRS},
        {"info": '{"tests": [["1\\n", "2\\n"], ["3\\n", "4\\n"]]}'},
    ],
)  # fmt: skip
def test_pairs_of_input_and_output(fields: dict[str, Any]) -> None:
    assert find_tests({"id": 1, "prompt": "Add one.", **fields}) == PAIRS


def test_lists_of_lines_and_numbers_become_streams() -> None:
    tests = find_tests({"input_output": {"inputs": [["1", "2"], 3], "outputs": [["3"], [4, 5]]}})
    assert tests == StdioTests([("1\n2", "3"), ("3", "4\n5")])


class Array:
    """What a parquet file gives for a list."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def tolist(self) -> list[Any]:
        return self.items


def test_arrays_of_parquet_files() -> None:
    assert find_tests({"input_output": {"inputs": Array(["1\n", "3\n"]), "outputs": Array(["2\n", "4\n"])}}) == PAIRS
    assert find_tests({"test_list": Array(["assert f(1)"])}) == AssertTests(["assert f(1)"])


# ---- functions called with arguments


@pytest.mark.parametrize(
    "fields",
    [
        {"input_output": {"fn_name": "f", "inputs": [[[1, 2]], [[3]]], "outputs": [[1, 2], [3]]}},
        {"ground_truth": json.dumps({"fn_name": "f", "inputs": ["[1, 2]", "[3]"], "outputs": ["[1, 2]", "[3]"]})},
        {"tests": [{"type": "functional", "fn_name": "f", "input": "[1, 2]\n", "output": "[1, 2]"},
                   {"type": "functional", "input": "[3]\n", "output": "[3]"}]},
    ],
)  # fmt: skip
def test_calls_with_what_json_can_say(fields: dict[str, Any]) -> None:
    tests = find_tests(fields)
    assert isinstance(tests, AssertTests)
    assert tests.entry_point == "f"
    assert len(tests.asserts) == 2
    for returned, passes in ((list, True), (tuple, True), (lambda x: [*x, 0], False)):
        space: dict[str, Any] = {"f": lambda *a, made=returned: made(a[0] if isinstance(a[0], list) else a)}
        exec(tests.setup, space)
        for one in tests.asserts:
            try:
                exec(one, space)
            except AssertionError:
                assert not passes
            else:
                assert passes


# ---- asserts


def test_mbpp() -> None:
    row = {
        "task_id": 2,
        "text": "Find the shared elements.",
        "code": "import math\ndef helper(): pass\ndef f(a):\n    return math.pi",
        "test_list": ["assert math.isclose(f(1), 3.14)\r\n", "assert f(2)"],
        "test_setup_code": "",
    }
    assert find_tests(row) == AssertTests(["assert math.isclose(f(1), 3.14)\n", "assert f(2)"], "import math", "f")
    row |= {"test_setup_code": None, "test_imports": ["import math", "import re"], "code": "def f(a): return 1"}
    assert find_tests(row) == AssertTests(
        ["assert math.isclose(f(1), 3.14)\n", "assert f(2)"], "import math\nimport re", "f"
    )


@pytest.mark.parametrize("name", ["tests", "asserts", "ground_truth", "reference"])
@pytest.mark.parametrize(
    "value", [["assert f(1)", "assert f(2)"], "assert f(1)\nassert f(2)", '["assert f(1)", "assert f(2)"]']
)
def test_asserts_under_other_names(name: str, value: Any) -> None:
    tests = find_tests({name: value, "entry_point": "f"})
    assert tests == AssertTests(["assert f(1)", "assert f(2)"], entry_point="f")


CHECK = "def check(candidate):\n    assert candidate(1) == 2\n    # the second\n    assert candidate(2) == 3\n"


@pytest.mark.parametrize(
    ("end", "cases"),
    [
        ("", ["check(f)"]),
        ("\ncheck(f)\n", ["check(f)"]),
        ("\ncheck(f)", ["check(f)"]),
        ("\ndef test_check():\n    check(f)\n\ntest_check()\n", ["test_check()"]),
        ("\ndef test_check():\n    check(f)\n", ["check(f)"]),
        ("\ncheck(f)\nassert f(3) == 4  # more\n", ["check(f)", "assert f(3) == 4"]),
        ("\nif True:\n    check(f)\n", ["if True:\n    check(f)"]),
        ("\nfor _ in range(2): check(f)\n", ["for _ in range(2): check(f)"]),
        ("\nx = f(1)\nassert x == 2\ny = f(2)\nassert y == 3", ["x = f(1)\nassert x == 2", "y = f(2)\nassert y == 3"]),
        ("\ncheck(f); check(f)", ["check(f)", "check(f)"]),
        ("\nprint('done')", ["check(f)"]),
    ],
)
def test_a_script_is_cut_so_that_each_case_counts_once(end: str, cases: list[str]) -> None:
    tests = script_tests("\n\nMETADATA = {'author': 'x'}\n\n\n" + CHECK + end, "f")
    assert [case.split("#")[0].strip() for case in tests.asserts] == cases
    assert "check(f)" not in tests.setup.replace("    check(f)", "")
    assert "# the second" in tests.setup, "what is kept is kept as it is written"
    assert tests.entry_point == "f"


def test_a_script_run_as_its_parts_is_the_script() -> None:
    script = (
        "import math\nLIMIT = 2\n@staticmethod\ndef helper(x):\n    return x\n"
        + CHECK
        + "\ncheck(f)\nassert LIMIT == 2\n"
    )
    tests = script_tests(script, "f")
    calls: list[int] = []
    space: dict[str, Any] = {"f": lambda x: calls.append(x) or x + 1}
    exec(tests.setup, space)
    assert not calls
    for case in tests.asserts:
        exec(case, space)
    assert calls == [1, 2]


def test_functions_of_pytest_are_called() -> None:
    script = "from solution import f\nimport math\n\ndef test_one():\n    assert f(1)\n\ndef test_two():\n    assert f(math.pi)\n"
    tests = script_tests(script)
    assert [case.split("\n")[-1] for case in tests.asserts] == ["test_one()", "test_two()"]
    assert "solution" not in tests.setup + "".join(tests.asserts)
    assert tests.setup == "import math"


@pytest.mark.parametrize(
    ("script", "cases"),
    [
        ("import pytest\ndef test_a():\n    assert f(1) == 2", 1),
        ("import pytest\ndef test_a():\n    assert f(1) == 2\nif __name__ == '__main__':\n    pytest.main()", 1),
        ("import sys\nimport pytest\ndef test_a(): assert f(1) == 2\ndef test_b(): assert f(2) == 3\nsys.exit(pytest.main())", 2),
        ("import pytest\nassert f(1) == 2\nassert f(3) == 4", 2),
        ("def test_that(x, y=2): assert f(x) == y\ndef test_a(n=1): test_that(n)", 1),
        ("class TestNode: pass\ndef test_a(): assert f(1) == 2 and TestNode()", 1),
    ],
)  # fmt: skip
def test_functions_of_pytest_need_no_pytest(script: str, cases: int) -> None:
    tests = script_tests(script)
    assert len(tests.asserts) == cases
    assert "pytest" not in tests.setup + "".join(tests.asserts)
    for returned, passes in ((lambda x: x + 1, True), (lambda x: 0, False)):
        space: dict[str, Any] = {"f": returned}
        exec(tests.setup, space)
        for case in tests.asserts:
            try:
                exec(case, space)
            except AssertionError:
                assert not passes
            else:
                assert passes


def test_an_import_of_pytest_that_is_used_stays() -> None:
    tests = script_tests("import pytest\ndef test_a():\n    with pytest.raises(ValueError): f(1)")
    assert tests.setup == "import pytest"


def test_the_prompt_is_a_prefix_only_where_it_is_a_program() -> None:
    prompt = "import math\n\ndef f(x):\n    'Add.'\n"
    for text, prefix in [
        (prompt, prompt),
        (prompt.replace("\n", "\r\n"), prompt),
        ("Write a function f.", ""),
        ("Write this:\n```python\ndef f(x):\n```", ""),
        ("def g(x):\n    pass\n", ""),
        ("def f(x):", "def f(x):"),
    ]:
        tests = find_tests({"test": CHECK, "entry_point": "f"}, text)
        assert isinstance(tests, AssertTests)
        assert tests.prefix == prefix


# ---- what is no test, and what cannot be used


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"answer": "5"},
        {"ground_truth": "[1, 2]"},
        {"ground_truth": '{"a": 1}'},
        {"reference": "The input is: 5"},
        {"reward_model": {"style": "rule", "ground_truth": "42"}},
        {"test_list": None, "test": "", "tests": []},
        {"label": True, "info": {"x": 1}},
        {"inputs": [], "outputs": []},
    ],
)
def test_rows_without_tests(fields: dict[str, Any]) -> None:
    assert has_tests(fields) is None
    assert find_tests(fields) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tests": "assert f("}, "not Python"),
        ({"test_list": ["assert f("]}, "not Python"),
        ({"test": "def check(c):", "entry_point": "f"}, "not Python"),
        ({"test": "x = 1"}, "nothing that is run"),
        ({"test": "def check(c): assert c(1)"}, "nothing that is run"),
        (
            {
                "test": "import unittest\nclass TestF(unittest.TestCase):\n def test_a(self): self.assertTrue(f(1))\n"
                "if __name__ == '__main__': unittest.main()"
            },
            "class TestF are not read: write them as asserts",
        ),
        ({"test": "class TestF:\n def test_a(self): assert f(1)\ndef test_b(): assert f(2)"}, "class TestF"),
        ({"test": "def test_a(): assert f(1)\ndef test_b(x): assert f(x)"}, "test_b has parameters"),
        ({"test": "def test_a(*, x): assert f(x)"}, "test_a has parameters"),
        ({"test": "async def test_a(): assert f(1)"}, "test_a is async"),
        ({"test_list": [1, 2]}, "list of strings"),
        ({"tests": [1, 2]}, "neither asserts nor cases"),
        ({"tests": [{"in": 1, "out": 2}]}, "case 1 of the tests has the fields in, out"),
        ({"inputs": ["1"], "outputs": ["1", "2"]}, "1 inputs and 2 outputs"),
        ({"tests": [{"type": "functional", "input": "1", "output": "2"}]}, "fn_name"),
    ],
)
def test_unusable_tests_say_why(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadTests, match=words):
        find_tests(fields)


TEXTS = st.text(max_size=9) | st.sampled_from(["assert f(1)", "def check(c): 1", "{}", "[["])
KEYS = st.sampled_from(["inputs", "outputs", "input", "output", "tests", "test_list", "fn_name", "type"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(ANYTHING)
def test_any_value_is_tests_or_none_or_refused(value: Any) -> None:
    for read in (lambda: read_tests(value, "f", "def f(): 1"), lambda: find_tests({"tests": value, "info": value})):
        try:
            tests = read()
        except BadTests:
            continue
        assert tests is None or isinstance(tests, AssertTests | StdioTests)
