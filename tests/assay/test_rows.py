"""A row comes out as it went in, with its verdict added: whatever the row holds, however it is written."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.records import Score, Status
from assay.rows import EMPTY, ERROR, SCORE, added_error, added_score, room_for

TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too
KEYS = TEXTS | st.sampled_from(["score", "score_before", "score_before_2", "line", "error", "line_before"])
LEAVES = st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2), max_leaves=5
)
MEMBERS = st.lists(st.tuples(KEYS, VALUES), max_size=4)
SPACES = st.sampled_from(["", " ", "  ", "\t"])
SAID = st.sampled_from(["", "4", "é½", "\ud800", '"\\', "\u2028\n\0"])
SCORES = st.tuples(st.none() | st.floats(0, 1), st.sampled_from(Status), st.none() | SAID, SAID, st.floats(0, 100)).map(
    lambda fields: Score(*fields)
)


@st.composite
def written_rows(draw):
    """The text of an object with duplicate keys and free spaces, and its members."""
    members = draw(MEMBERS)
    space = draw(SPACES)
    ascii_only = draw(st.booleans())
    pairs = [
        f"{json.dumps(key, ensure_ascii=ascii_only)}{space}:{space}{json.dumps(value, ensure_ascii=ascii_only)}"
        for key, value in members
    ]
    text = space + "{" + space + f"{space},{space}".join(pairs) + space + "}" + space
    return text.encode("utf-8", "surrogatepass"), members


def members_of(line):
    return json.loads(line.decode("utf-8", "surrogatepass"), object_pairs_hook=list)


@settings(max_examples=50)
@given(written_rows(), SCORES)
def test_a_scored_row_has_all_its_members_in_order_and_then_the_score(written, score):
    text, members = written
    row = json.loads(text.decode("utf-8", "surrogatepass"))

    line = added_score(room_for(text, row, SCORE), score)

    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    got = members_of(line)
    assert got[-1] == ("score", json.loads(json.dumps(score.as_dict()), object_pairs_hook=list))
    assert [repr(value) for _, value in got[:-1]] == [repr(value) for _, value in members_of(text)]
    for (key, _), (before, _) in zip(got, members, strict=False):
        assert key == before or (before == "score" and key.startswith("score_before"))
    counts = Counter(key for key, _ in got)
    assert counts["score"] == 1
    if all(count == 1 for count in Counter(key for key, _ in members).values()):
        assert max(counts.values()) == 1  # no name of the row's own is taken for what moved away


@settings(max_examples=50)
@given(written_rows(), SCORES)
def test_a_row_without_a_field_of_that_name_comes_back_byte_for_byte(written, score):
    text, _ = written
    row = json.loads(text.decode("utf-8", "surrogatepass"))
    if not {"score", "line", "error"} & row.keys():
        kept = text.strip()[:-1].rstrip()
        assert added_score(room_for(text, row, SCORE), score).startswith(kept)
        assert added_error(room_for(text, row, ERROR), 7, "no").startswith(kept)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1.10, "b": 1e400, "c": -0.0, "d": 12345678901234567890123456789012345678901234567890}',
        b'{"a": "\\u00e9\\/\\ud800", "a": [1 ,2], "": {}}',
        '{"é": "\u2028ü"}'.encode(),
        b'{"n": ' + b"9" * 10_000 + b"}",
        b"{}",
        b"{ }",
    ],
)
def test_numbers_escapes_and_duplicates_are_not_rewritten(text):
    row = {"any": 0}
    assert added_score(room_for(text, row, SCORE), Score(1.0, Status.CORRECT)).startswith(text[:-1].rstrip())


def test_a_long_integer_beside_a_score_of_its_own_is_kept():
    digits = b"9" * 10_000
    text = b'{"n": ' + digits + b', "score": ' + digits + b"}"
    assert room_for(text, {"n": 0, "score": 0}, SCORE) == b'{"n": ' + digits + b', "score_before": ' + digits


def test_fields_of_the_names_that_are_added_are_moved_not_lost():
    text = b'{"score": 1, "score_before": 2, "line": 3, "error": "e"}'
    row = json.loads(text)
    assert json.loads(added_score(room_for(text, row, SCORE), Score(1.0, Status.CORRECT)))["score_before_2"] == 1
    assert json.loads(added_error(room_for(text, row, ERROR), 9, "why")) == {
        "score": 1, "score_before": 2, "line_before": 3, "error_before": "e", "line": 9, "error": "why",
    }  # fmt: skip


def test_an_unreadable_line_comes_back_as_its_number_and_the_reason():
    assert added_error(EMPTY, 17, 'not "JSON"') == b'{"line": 17, "error": "not \\"JSON\\""}\n'


@settings(max_examples=50)
@given(
    SCORES, st.sampled_from([{}, {"math": Score(1.0, Status.CORRECT, "é"), "format": Score(None, Status.INFRA_ERROR)}])
)
def test_the_score_is_written_as_its_dict(score, parts):
    whole = score._replace(parts=parts)
    assert added_score(EMPTY, whole) == b'{"score": %b}\n' % json.dumps(whole.as_dict()).encode()
