"""One bad line never stops, or hides from, the rest, whatever is wrong with it and however the file is packed."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from assay.datasets import jsonl
from assay.datasets.jsonl import RowError, read_lines, read_rows
from hypothesis import given
from hypothesis import strategies as st


def rows_of(data: bytes) -> list[tuple[int, dict[str, Any] | RowError]]:
    return list(read_rows(io.BytesIO(data)))


def good_rows(data: bytes) -> list[dict[str, Any]]:
    return [row for _, row in rows_of(data) if not isinstance(row, RowError)]


BAD_LINES = {
    b'{"a": 1': "not valid JSON",
    b"nonsense": "not valid JSON",
    b'{"a": 1} {"b": 2}': "not valid JSON",
    b"[1, 2]": "an array",
    b'"text"': "a string",
    b"3": "a number",
    b"true": "true or false",
    b"null": "null",
    b'{"a": "\xff"}': "not UTF-8",
    b"\x00\x00": "not valid JSON",
    b"[" * 200_000: "nested too deeply",
    b'[{"a": 1},': "one JSON array",
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items(), ids=list(range(len(BAD_LINES))))
def test_a_bad_line_is_reported_and_its_neighbours_are_read(line: bytes, reason: str) -> None:
    before, bad, after = rows_of(b'{"n": 1}\n' + line + b'\n{"n": 3}\n')
    assert (before, after) == ((1, {"n": 1}), (3, {"n": 3}))
    assert bad[0] == 2
    assert isinstance(bad[1], RowError)
    assert bad[1].line == 2
    assert reason in bad[1].problem
    assert str(bad[1]).startswith("line 2: ")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_blank_lines_count_but_are_no_rows(pack: Any) -> None:
    data = pack(b'\xef\xbb\xbf{"a": 1}\r\n\r\n \t\n{"b": 2}')
    assert rows_of(data) == [(1, {"a": 1}), (4, {"b": 2})]


def test_odd_values_are_values() -> None:
    (row,) = good_rows(b'{"nan": NaN, "half": "\\ud800", "raw": "\xed\xa0\x80", "big": ' + b"7" * 9000 + b"}")
    assert math.isnan(row["nan"])
    assert row["half"] == row["raw"] == "\ud800"
    assert row["big"] == "7" * 9000  # more digits than int() takes: the digits are kept


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=12))
def test_no_bytes_stop_the_reader_and_every_line_is_answered_for(lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in [b"{}", *lines, b"{}"])
    seen = [number for number, _ in rows_of(data)]
    wanted = [number for number, line in enumerate([b"{}", *lines, b"{}"], 1) if line.strip()]
    assert seen == wanted


@given(st.binary(max_size=200))
def test_no_bytes_at_all_stop_the_reader(data: bytes) -> None:
    rows_of(data)
    rows_of(b"\x1f\x8b" + data)


class DripFed(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def read1(self, _: int) -> bytes:
        chunk, self.data = self.data[: self.size], self.data[self.size :]
        return chunk


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_rows_do_not_depend_on_how_the_bytes_arrive(size: int, pack: Any) -> None:
    data = pack(b'{"a": "\xe2\x82\xac"}\nbad\n' * 30 + b'{"last": true}')
    whole = [(number, repr(row)) for number, row in rows_of(data)]
    assert [(number, repr(row)) for number, row in read_rows(DripFed(data, size))] == whole
    assert len(whole) == 61


def test_a_row_is_given_out_before_the_pipe_has_more() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as pipe:
        pipe.write(b'{"a": 1}\n{"b"')
        assert next(rows := read_rows(stream)) == (1, {"a": 1})  # would wait for ever if chunks had to be full
        pipe.write(b": 2}")
        pipe.close()
        assert list(rows) == [(2, {"b": 2})]


def test_text_streams_are_read_too() -> None:
    assert list(read_rows(io.StringIO('{"a": "\ud800"}\n'))) == [(1, {"a": "\ud800"})]
    assert list(read_rows(io.TextIOWrapper(io.BytesIO(b'\xff\n{"a": 1}\n'))))[1] == (2, {"a": 1})


PACKED = gzip.compress(b"".join(b'{"n": %d, "x": "%s"}\n' % (n, os.urandom(30).hex().encode()) for n in range(500)))


@pytest.mark.parametrize("cut", [len(PACKED) // 2, len(PACKED) - 9, len(PACKED) - 1], ids=["half", "9", "1"])
def test_a_cut_off_gzip_gives_its_rows_and_then_says_so(cut: int) -> None:
    *rows, (_, last) = rows_of(PACKED[:cut])
    numbers = [row["n"] for _, row in rows if not isinstance(row, RowError)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 200
    assert isinstance(last, RowError)
    assert "ends in the middle" in last.problem


def test_a_corrupt_gzip_says_so() -> None:
    for broken in (PACKED[:3000] + b"\x00" * 50 + PACKED[3050:], PACKED[:-8] + b"12345678", PACKED + b"tail"):
        assert any(isinstance(row, RowError) and "corrupt" in row.problem for _, row in rows_of(broken))


def test_members_and_padding_are_one_file() -> None:
    data = gzip.compress(b'{"a": 1}\n{"b"') + gzip.compress(b": 2}\n") + b"\0" * 600
    assert good_rows(data) == [{"a": 1}, {"b": 2}]
    assert len(rows_of(data)) == 2


def test_a_line_too_long_to_hold_is_skipped_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 1 << 20)
    long = gzip.compress(b'{"a": 1}\n"' + b"x" * (64 << 20) + b'"\n{"b": 2}\n')
    tracemalloc.start()
    try:
        first, skipped, last = rows_of(long)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (first, last) == ((1, {"a": 1}), (3, {"b": 2}))
    assert isinstance(skipped[1], RowError)
    assert "longer than" in skipped[1].problem
    assert peak < 16 << 20


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak_of(count: int) -> int:
        file = tmp_path / f"{count}.jsonl.gz"
        with gzip.open(file, "wb", compresslevel=1) as stream:
            for number in range(count):
                stream.write(b'{"n": %d, "text": "%s"}\n' % (number, b"y" * 500))
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_rows(file)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_of(40_000) < peak_of(5_000) + (1 << 20)


def test_the_error_names_the_file_and_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a": 1}\noops\n')
    (_, _), (_, error) = read_rows(file)
    assert str(error).startswith(f"{file}, line 2: ")
    with pytest.raises(FileNotFoundError):
        list(read_rows(tmp_path / "none.jsonl"))


def test_a_stream_that_was_given_is_left_open() -> None:
    stream = io.BytesIO(b'{"a": 1}\n')
    list(read_rows(stream))
    assert not stream.closed


def test_read_lines_gives_the_bytes_of_the_line() -> None:
    lines = [b'{"a":1.10}', b"oops", b' {"b": 2}\r']
    given_out = list(read_lines(io.BytesIO(b"\n".join(lines))))
    assert [text for _, text, _ in given_out] == lines
    assert [number for number, _, _ in given_out] == [1, 2, 3]
    assert all(json.loads(text) == row for _, text, row in (given_out[0], given_out[2]))
    assert all(before[0] < after[0] for before, after in pairwise(given_out))
