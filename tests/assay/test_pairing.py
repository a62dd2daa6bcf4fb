"""What a row's response and reference are, and what is said when they are not found."""

import json

import pytest
from assay.datasets.fields import USUAL, FieldError, find_field
from hypothesis import given
from hypothesis import strategies as st

from assay.pairing import Fields, Pairing, References, WrongUse

VALUES = st.none() | st.text(max_size=8) | st.integers() | st.floats() | st.booleans() | st.lists(st.text(max_size=3))
VALUES |= st.sampled_from(
    ["sum #### 18", "a \\boxed{3}", {"ground_truth": "5"}, [{"role": "assistant", "content": "x"}]]
)
SINGULAR = set(USUAL["response"]) - {"responses", "completions", "outputs", "resps", "choices"}
ROWS = st.dictionaries(st.sampled_from([*{name for names in USUAL.values() for name in names}, "reward_model"]), VALUES)


@given(ROWS)
def test_a_row_is_read_as_find_field_reads_it(row):
    """`Pairing` reads plain rows faster than find_field, and never otherwise, but for lists under a singular name."""

    def expected():
        response = find_field(row, "response")
        if response is None:
            raise FieldError
        if isinstance(row[response.name], list) and response.name in SINGULAR and type(row[response.name][0]) is str:
            raise FieldError
        id = find_field(row, "id")
        reference = find_field(row, "reference")
        if reference is None:
            raise FieldError
        try:
            prompt = find_field(row, "prompt")
        except FieldError:
            prompt = None
        return response.value, id.value if id else "", prompt.value if prompt else "", reference.value

    try:
        want = expected()
    except FieldError:
        with pytest.raises(FieldError):
            Pairing().pair(row)
        return
    response, problem = Pairing().pair(row)
    assert (response, problem.id, problem.prompt, problem.references) == want


@pytest.mark.parametrize("name", ["response", "output", "generation"])
@pytest.mark.parametrize("value", [["5"], [["5"]], [5]])
def test_a_list_that_is_no_chat_is_no_response_unless_a_name_says_so(name, value):
    with pytest.raises(FieldError) as told:
        Pairing().pair({name: value, "reference": "5"})
    assert f"the response field {name!r} holds a list of 1 that is no chat; expected a string or chat" in str(
        told.value
    )
    assert Pairing(Fields(response=name)).pair({name: value, "reference": "5"})[0] == "5"
    for several in ("responses", "resps"):
        assert Pairing().pair({several: value, "reference": "5"})[0] == "5"
    for chat in ([{"role": "assistant", "content": "5"}], [{"text": "5"}]):
        assert Pairing().pair({name: chat, "reference": "5"})[0] == "5"


def test_what_is_missing_is_named_with_the_fields_and_the_flag():
    with pytest.raises(FieldError, match=r"no reference found; fields are id, output; name it with --reference-field"):
        Pairing().pair({"id": 1, "output": "5"})
    with pytest.raises(FieldError, match=r"no response found; fields are text; name it with --response-field"):
        Pairing().pair({"text": "5"})


def test_named_fields_win_over_usual_ones():
    fields = Fields(response="mine", reference="gold.value", id="key", prompt="ask")
    row = {
        "response": "a",
        "mine": "b",
        "answer": "c",
        "gold": {"value": 7},
        "id": 1,
        "key": 2,
        "prompt": "p",
        "ask": "q",
    }
    response, problem = Pairing(fields).pair(row)
    assert (response, problem.id, problem.prompt, problem.references) == ("b", "2", "q", ("7",))


def test_rows_that_need_tests_say_so():
    for row in ({"response": "def f", "test_list": ["assert f"]}, {"response": "x", "test": "t", "entry_point": "f"}):
        with pytest.raises(FieldError, match="mbpp, humaneval, stdio run them"):
            Pairing().pair(row)


@pytest.mark.parametrize(
    ("reference", "found"),
    [("work\nA: 18", "18"), ("A: 1\nA: 18", "18"), ("18", "18"), ("so 3\n#### 18", "18"), ("A:", "")],
)
def test_a_worked_reference_is_cut_at_the_mark_and_a_bare_one_left(reference, found):
    _, problem = Pairing(answer_after="A:").pair({"response": "r", "reference": reference})
    assert problem.references == (found,)


@pytest.mark.parametrize(
    ("value", "label"),
    [(True, True), (False, False), ("True", True), ("false", False), (1, True), (0, False), (1.0, True), (None, None)],
)
def test_labels_are_read_in_the_ways_they_are_written(value, label):
    assert Pairing(Fields(label="label")).label({"label": value}) is label


def test_labels_are_not_read_unless_named_and_must_be_true_or_false():
    assert Pairing().label({"label": True}) is None
    with pytest.raises(FieldError, match="'label' holds 'maybe'; expected true or false"):
        Pairing(Fields(label="label")).label({"label": "maybe"})


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_references_are_found_by_id_and_bring_their_prompt(tmp_path):
    file = write_lines(
        tmp_path / "refs.jsonl", [{"task_id": 1, "answer": "5", "question": "2+3?"}, {"id": "b", "gold": 6}]
    )
    pairing = Pairing(references=References.load(file, Fields()))
    assert pairing.pair({"id": "1", "response": "r", "answer": "other"})[1].references == ("5",)
    assert pairing.pair({"id": 1, "response": "r"})[1].prompt == "2+3?"
    assert pairing.pair({"id": "b", "response": "r", "prompt": "own"})[1].prompt == "own"
    with pytest.raises(FieldError, match="no reference for id 'c' among the 2 of"):
        pairing.pair({"id": "c", "response": "r"})
    with pytest.raises(FieldError, match="--id-field"):
        pairing.pair({"response": "r"})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"answer": 1}], "line 1: no id found; fields are answer; name it with --id-field"),
        ([{"id": 1, "answer": 1}, {"id": 2}], "line 2: no reference found"),
        ([{"id": 1, "answer": 1}, {"id": "1", "answer": 2}], "two rows have the id '1' and different answers"),
    ],
)
def test_references_that_cannot_be_used_are_wrong_use(tmp_path, rows, message):
    with pytest.raises(WrongUse, match=message):
        References.load(write_lines(tmp_path / "refs.jsonl", rows), Fields())


def test_a_broken_line_among_references_is_wrong_use_not_a_missing_reference(tmp_path):
    (tmp_path / "refs.jsonl").write_text('{"id": 1, "answer": 1}\n{"id": 2, "ans')
    with pytest.raises(WrongUse, match="line 2"):
        References.load(str(tmp_path / "refs.jsonl"), Fields())


def test_references_that_are_neither_file_nor_data_set_are_wrong_use():
    with pytest.raises(WrongUse, match=r"'nowhere\.jsonl'"):
        References.load("nowhere.jsonl", Fields())
