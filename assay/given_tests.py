"""Which tests does a row bring? The fields and shapes in which data sets and trainers keep them.

    MBPP                    test_list, with test_setup_code or test_imports
    HumanEval, EvalPlus     test (which defines `check`, and may call it), entry_point, prompt
    asserts as text         tests, test, asserts: a list of statements, or a script
    APPS, TACO, verl        input_output or ground_truth: {"inputs": [...], "outputs": [...]}, with fn_name for functions
    open-r1, DeepCoder      verification_info, test_cases, tests: [{"input": ..., "output": ...}, ...]
    CodeContests            public_tests, private_tests: {"input": [...], "output": [...]}

Each value may also be the JSON text of itself. Nothing is run here: a script of tests is cut into its cases, so that
each counts once, and stays the text that it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .assert_tests import BadTests, list_tests, script_tests
from .records import AssertTests, StdioTests

__all__ = ["BadTests", "find_tests", "has_tests", "looks_like_tests", "read_tests"]

Tests = AssertTests | StdioTests

# Fields that hold tests and nothing else, in the order in which they are tried; all of them are taken as they are.
NAMES = (
    "test_list",
    "tests",
    "test_cases",
    "unit_tests",
    "asserts",
    "test",
    "input_output",
    "verification_info",
    "public_tests",
    "private_tests",
)
# Fields that hold tests or an answer: tests if it looks like them.
PERHAPS = ("ground_truth", "reward_model", "info", "reference", "answer", "label")


def has_tests(fields: Mapping[str, Any]) -> str | None:
    """Return the field of a row that holds tests, None if there is none; a look, not a proof."""
    for name in NAMES:
        if fields.get(name):
            return name
    if _plain(fields.get("inputs")) and _plain(fields.get("outputs")):
        return "inputs"
    return next((name for name in PERHAPS if looks_like_tests(fields.get(name))), None)


def find_tests(fields: Mapping[str, Any], prompt: str = "", name: str | None = None) -> Tests | None:
    """Return the tests of a row, None if it has none; raises BadTests for those that cannot be used.

    prompt  what the response answers; where it is the start of a program, a bare body continues it
    name    the field that holds them, instead of the usual ones
    """
    found = name if name is not None else has_tests(fields)
    if found is None:
        return None
    entry_point = _text(fields.get("entry_point")) or _text(fields.get("fn_name")) or None
    if entry_point and f"def {entry_point}" not in prompt:  # a prompt that was made a chat; the start is kept elsewhere
        starts = [_text(fields.get(field)) for field in ("starter_code", "prefix")]
        prompt = next((start for start in starts if f"def {entry_point}" in start), prompt)
    if name is None and found == "test_list":
        setup = _text(fields.get("test_setup_code")) or "\n".join(_texts(fields.get("test_imports"), "test_imports"))
        asserts = _texts(fields["test_list"], "test_list")
        return list_tests(asserts, setup, _text(fields.get("code")), entry_point, prompt)
    if name is None and found == "inputs":
        return read_tests({"inputs": fields["inputs"], "outputs": fields["outputs"]}, entry_point, prompt)
    return read_tests(_lookup(fields, found), entry_point, prompt)


def read_tests(value: Any, entry_point: str | None = None, prompt: str = "") -> Tests | None:
    """Return the tests in a value of whatever shape, None if it holds none; raises BadTests for unusable ones."""
    value = _plain(value)
    if isinstance(value, AssertTests | StdioTests):
        return value
    if isinstance(value, str):
        if value.lstrip()[:1] in ("{", "["):
            try:
                return read_tests(json.loads(value), entry_point, prompt)
            except (json.JSONDecodeError, RecursionError):
                pass
        return script_tests(value, entry_point, prompt) if value.strip() else None
    if isinstance(value, Mapping):
        return _from_mapping(value, entry_point, prompt)
    if isinstance(value, Sequence) and value:
        if all(isinstance(item, str) for item in value):
            return list_tests(list(value), "", "", entry_point, prompt)
        if all(isinstance(item, Mapping) for item in value):
            return _from_cases(value, entry_point)
        if all(len(_list(item)) == 2 for item in value):
            pairs = [_list(item) for item in value]
            return _stdio([given for given, _ in pairs], [wanted for _, wanted in pairs])
        raise BadTests("the tests are a list of neither asserts nor cases with input and output")
    return None


def _from_mapping(value: Mapping[str, Any], entry_point: str | None, prompt: str) -> Tests | None:
    entry_point = _text(value.get("fn_name")) or _text(value.get("entry_point")) or entry_point
    for given, wanted in (("inputs", "outputs"), ("input", "output")):
        if given in value and wanted in value:
            inputs, outputs = _list(value[given]), _list(value[wanted])
            if isinstance(value[given], str):
                inputs, outputs = [value[given]], [value[wanted]]
            if _text(value.get("fn_name")):
                return _calls(inputs, outputs, str(value["fn_name"]))
            return _stdio(inputs, outputs)
    for name in ("assert_case", *NAMES, "ground_truth"):
        if value.get(name) is not None:
            if name == "test_list":
                return find_tests(value, prompt)
            return read_tests(value[name], entry_point, prompt)
    return None


def _from_cases(cases: Sequence[Mapping[str, Any]], entry_point: str | None) -> Tests:
    inputs, outputs = [], []
    for number, case in enumerate(cases, 1):
        given = next((case[name] for name in ("input", "stdin") if name in case), None)
        wanted = next(
            (case[name] for name in ("output", "expected_output", "stdout", "expected") if name in case), None
        )
        if given is None or wanted is None:
            raise BadTests(f"case {number} of the tests has the fields {', '.join(case)}; expected input and output")
        inputs.append(given)
        outputs.append(wanted)
    kinds = {str(case.get("type") or case.get("testtype") or "") for case in cases}
    function = next((_text(case.get("fn_name")) for case in cases if case.get("fn_name")), "") or entry_point or ""
    if kinds & {"function_call", "functional"}:
        if not function:
            raise BadTests("the tests call a function that they do not name; expected fn_name")
        return _calls([_arguments(given) for given in inputs], [_json(wanted) for wanted in outputs], function)
    return _stdio(inputs, outputs)


def _arguments(given: Any) -> Any:
    """Return the arguments of a call: a list, its JSON, or one JSON value on each line."""
    if not isinstance(given, str):
        return given
    whole = _json(given)
    if isinstance(whole, list) and "\n" not in given.strip():
        return whole
    return [_json(line) for line in given.strip().split("\n")]


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


# ---- programs that read and print


def _stdio(inputs: list[Any], outputs: list[Any]) -> StdioTests:
    if len(inputs) != len(outputs):
        raise BadTests(f"the tests have {len(inputs)} inputs and {len(outputs)} outputs; they belong together in pairs")
    return StdioTests([(_stream(given), _stream(wanted)) for given, wanted in zip(inputs, outputs, strict=True)])


def _stream(value: Any) -> str:
    """Return a whole standard input or output: a text, or its lines."""
    value = _plain(value)
    if isinstance(value, list | tuple):
        return "\n".join(map(_stream, value))
    return value if isinstance(value, str) else str(value)


# ---- functions called with arguments

# JSON has no tuples, and some sets wrap what is expected in a list of one: either counts.
_EQUAL = """
def _as_json(value):
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return value


def _given(value, expected):
    value = _as_json(value)
    return value == expected or (isinstance(expected, list) and len(expected) == 1 and value == expected[0])
"""


def _calls(inputs: list[Any], outputs: list[Any], function: str) -> AssertTests:
    if len(inputs) != len(outputs):
        raise BadTests(f"the tests have {len(inputs)} inputs and {len(outputs)} outputs; they belong together in pairs")
    asserts = []
    for given, wanted in zip(inputs, outputs, strict=True):
        arguments = ", ".join(map(repr, _list(_plain(_arguments(given)))))
        asserts.append(f"assert _given({function}({arguments}), {_plain(_json(wanted))!r})")
    return AssertTests(asserts, _EQUAL, function)


# ---- values


def _lookup(fields: Mapping[str, Any], name: str) -> Any:
    if name in fields:
        return fields[name]
    value: Any = fields
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def looks_like_tests(value: Any) -> bool:
    """Whether a value that may be an answer, too, holds tests."""
    value = _plain(value)
    if isinstance(value, AssertTests | StdioTests):
        return True
    if isinstance(value, str):
        start = value.lstrip()[:7]
        return start == "assert " or (start[:1] in ("{", "[") and _IN_JSON.search(value) is not None)
    if isinstance(value, Mapping):
        return not {"inputs", "test_cases", "test_list", "ground_truth", "assert_case", "tests"}.isdisjoint(value) and (
            "ground_truth" not in value or looks_like_tests(value["ground_truth"])
        )
    if isinstance(value, list | tuple):
        return bool(value) and all(
            (isinstance(item, str) and item.lstrip().startswith("assert "))
            or (isinstance(item, Mapping) and "input" in item)
            for item in value
        )
    return False


_IN_JSON = re.compile(r'"(?:inputs?|test_cases|test_list|assert_case|tests)"\s*:|"assert ')


def _plain(value: Any) -> Any:
    """Return lists for numpy arrays, which parquet files give."""
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):
        value = value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _list(value: Any) -> list[Any]:
    value = _plain(value)
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _texts(value: Any, name: str) -> list[str]:
    items = _list(value)
    if not all(isinstance(item, str) for item in items):
        raise BadTests(f"{name} must be a list of strings")
    return items


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
