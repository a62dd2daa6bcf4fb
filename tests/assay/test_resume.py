"""A run that was cut off goes on: no row lost, none twice, nothing torn taken for whole, nothing foreign touched."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import zlib

import pytest
from click.testing import CliRunner

from assay.cli import verify
from assay.resume import settings_path

ROWS = [
    {"id": f"p{n}", "response": rf"thus \boxed{{{n % 3}}}", "answer": "1", "pad": "é" * (n % 7), "label": n % 3 == 1}
    for n in range(12)
]
LINES = [json.dumps(row) for row in ROWS]
LINES[3] = "not json"
LINES[5] = '{"id": "no reference", "response": "1"}'
LINES[7] = '{"id":"own score","score":{"a":1},"response":"\\\\boxed{1}","answer":1}'
INPUT = "\n".join(LINES) + "\n"


def run(*arguments, text=INPUT):
    return CliRunner().invoke(verify, ["-", "--task", "math", *map(str, arguments)], input=text)


def content(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def timeless(path):
    """The rows without the seconds that verdicts took."""
    rows = [json.loads(line) for line in content(path).splitlines()]
    for row in rows:
        if "score" in row:
            row["score"]["seconds"] = 0
    return rows


def members(data):
    """The byte offsets at which a gzip file's members end."""
    ends, at = [], 0
    while at < len(data):
        unpacker = zlib.decompressobj(31)
        unpacker.decompress(data[at:])
        at = len(data) - len(unpacker.unused_data)
        ends.append(at)
    return ends


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The output of a run that nothing interrupted, plain."""
    path = tmp_path_factory.mktemp("whole") / "out.jsonl"
    assert run("--output", path).exit_code == 3
    return path


def counts(stderr):
    """What the summary says apart from how long things took."""
    kept = ("correct", "incorrect", "error", "rows", "accuracy", "mean reward", "pass@k", "labels")
    return [line for line in stderr.splitlines() if line.strip().startswith(kept)]


def test_cut_at_any_byte_the_run_goes_on_to_the_same_end(whole, tmp_path):
    data = whole.read_bytes()
    wanted, summary = timeless(whole), counts(run("--output", whole, "--label-field", "label").stderr)
    output = tmp_path / "out.jsonl"
    record = settings_path(whole).read_text()
    cuts = sorted({*range(0, len(data), 37), *(at + d for at, b in enumerate(data) if b == 10 for d in (0, 1, 2))})
    for cut in cuts:
        output.write_bytes(data[:cut])
        settings_path(output).write_text(record)
        result = run("--output", output, "--label-field", "label")
        assert result.exit_code == 3, (cut, result.output)
        assert timeless(output) == wanted, cut
        assert output.read_bytes()[: data[:cut].rfind(b"\n") + 1] == data[: data[:cut].rfind(b"\n") + 1]
        assert counts(result.stderr) == summary, cut


def packed_in_members(lines, a_member):
    return b"".join(gzip.compress(b"".join(lines[at : at + a_member])) for at in range(0, len(lines), a_member))


def test_a_gzip_output_cut_at_any_byte_goes_on_from_its_last_whole_member(whole, tmp_path):
    data = packed_in_members(whole.read_bytes().splitlines(keepends=True), 4)
    wanted, output = timeless(whole), tmp_path / "out.jsonl.gz"
    record = settings_path(whole).read_text()
    ends = [0, *members(data)]
    assert len(ends) == 4
    for cut in sorted({*range(0, len(data), 29), *ends, *(end + 1 for end in ends[:-1])}):
        output.write_bytes(data[:cut])
        settings_path(output).write_text(record)
        result = run("--output", output)
        assert result.exit_code == 3, (cut, result.output)
        assert timeless(output) == wanted, cut
        kept = max(end for end in ends if end <= cut)
        assert output.read_bytes()[:kept] == data[:kept]


def test_a_finished_output_is_left_as_it_is(whole, tmp_path):
    before = whole.read_bytes()
    result = run("--output", whole)
    assert whole.read_bytes() == before
    assert "nothing was left to score; 12 rows were scored by an earlier run" in result.stderr


def test_more_rows_go_on_behind_a_limited_run(whole, tmp_path):
    output = tmp_path / "out.jsonl"
    for limit in (3, 4, 9, 12):
        assert run("--output", output, "--limit", limit).exit_code in (0, 3)
        assert timeless(output) == timeless(whole)[:limit]


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
@pytest.mark.parametrize(
    "foreign",
    [
        b"my diary\n",
        b"my diary",
        b'{"id": "p0", "answer": "2"}\n',
        LINES[0].encode() + b"\n",
        b"\n",
        b"{}\n{}",
        LINES[0][:-1].encode() + b', "score": {"reward": 1}}\n',
        LINES[0][:-1].encode() + b', "score": "high"}\n',
    ],
)
def test_a_file_that_is_not_this_output_is_refused_and_not_touched(tmp_path, name, foreign):
    output = tmp_path / name
    for data in {foreign, gzip.compress(foreign) if name.endswith(".gz") else foreign}:
        output.write_bytes(data)
        result = run("--output", output)
        assert result.exit_code == 2, result.output
        assert name in result.stderr
        assert "--overwrite starts over" in result.stderr
        assert output.read_bytes() == data


def test_an_output_of_another_input_is_refused_wherever_they_part(whole, tmp_path):
    data, output = whole.read_bytes(), tmp_path / "out.jsonl"
    for number in range(len(LINES)):
        changed = [*LINES]
        changed[number] = json.dumps({**ROWS[0], "id": "changed"})
        output.write_bytes(data)
        result = run("--output", output, text="\n".join(changed) + "\n")
        assert result.exit_code == 2
        assert f"at line {number + 1}" in result.stderr
        assert output.read_bytes() == data


def test_an_output_with_more_rows_than_the_input_is_refused(whole, tmp_path):
    output = tmp_path / "out.jsonl"
    output.write_bytes(whole.read_bytes())
    for arguments, text in ((["--limit", 5], INPUT), ([], "\n".join(LINES[:5]) + "\n"), ([], "")):
        result = run("--output", output, *arguments, text=text)
        assert result.exit_code == 2
        assert "more rows than" in result.stderr
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--extract", "lenient"], "extract was 'boxed', now 'lenient'"),
        (["--form", "evaluated"], "form was 'value', now 'evaluated'"),
        (["--format", "think"], "format was None, now 'think'"),
        (["--answer-after", "A:"], "answer_after was None, now 'A:'"),
        (["--deadline", "3"], "deadline was 1.0, now 3.0"),
        (["--reference-field", "answer"], "fields was {}"),
    ],
)
def test_rows_judged_by_two_sets_of_rules_are_not_mixed(whole, tmp_path, flags, said):
    output = tmp_path / "out.jsonl"
    run("--output", output, "--limit", 4)
    before = output.read_bytes()
    result = run("--output", output, *flags)
    assert result.exit_code == 2
    assert said in result.stderr
    assert output.read_bytes() == before
    assert run("--output", output, *flags, "--overwrite").exit_code == 3
    assert len(timeless(output)) == len(LINES)


def test_references_that_changed_are_another_set_of_rules(tmp_path):
    references, output = tmp_path / "refs.jsonl", tmp_path / "out.jsonl"
    references.write_text('{"id": "a", "answer": 1}')
    text = '{"id": "a", "response": "1"}\n'
    assert run("--output", output, "--references", references, text=text).exit_code == 0
    assert run("--output", output, "--references", references, text=text).exit_code == 0
    references.write_text('{"id": "a", "answer": 2}')
    result = run("--output", output, "--references", references, text=text)
    assert result.exit_code == 2
    assert "references was" in result.stderr


def test_without_the_record_the_run_goes_on_and_says_what_it_takes_for_granted(whole, tmp_path):
    output = tmp_path / "out.jsonl"
    output.write_bytes(whole.read_bytes()[:1000])
    result = run("--output", output)
    assert result.exit_code == 3
    assert "out.jsonl.settings.json is missing" in result.stderr
    assert timeless(output) == timeless(whole)


def test_an_output_that_is_read_too_is_refused(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(INPUT)
    for arguments in ([source, "--output", source], ["-", "--references", source, "--output", source]):
        result = CliRunner().invoke(verify, [str(argument) for argument in arguments], input=INPUT)
        assert result.exit_code == 2
        assert "name another file" in result.stderr
    assert source.read_text() == INPUT


def test_two_runs_into_one_file_are_refused(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    output = tmp_path / "out.jsonl"
    with open(output, "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run("--output", output)
    assert result.exit_code == 2
    assert "another run is writing to it" in result.stderr


# ---- real processes, killed

MANY = [{"id": n // 4, "response": rf"\boxed{{{n % 3}}}", "answer": 1, "pad": "x" * 900} for n in range(6000)]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in MANY))
    return path


def start(source, output):
    command = [sys.executable, "-m", "assay.cli", str(source), "--output", str(output), "--quiet", "--task", "math"]
    code = "from assay.cli import verify; verify()"
    return subprocess.Popen([sys.executable, "-c", code, *command[3:]], stderr=subprocess.PIPE)


def stop_when(process, output, size, number):
    """Send the signal once the output has grown beyond `size`; False if the run was done before."""
    while process.poll() is None:
        if output.exists() and output.stat().st_size > size:
            process.send_signal(number)
            process.wait()
            return process.returncode != 0
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_killed_at_random_moments_the_run_goes_on_to_the_same_end(many, tmp_path, name):
    output, dice, killed = tmp_path / name, random.Random(5), 0
    for share in (0.1, 0.4, 0.7):
        done = output.stat().st_size if output.exists() else 0
        size = 6000 * (1050 if name.endswith("l") else 40)
        with start(many, output) as process:
            killed += stop_when(process, output, max(done, int(size * share * dice.random())), signal.SIGKILL)
    assert killed
    with start(many, output) as process:
        assert process.wait() == 0
    rows = [json.loads(line) for line in content(output).splitlines()]
    assert [row.pop("score")["reward"] for row in rows] == [float(n % 3 == 1) for n in range(6000)]
    assert rows == MANY


@pytest.mark.slow
def test_interrupted_it_keeps_whole_rows_says_so_and_exits_130(many, tmp_path):
    output = tmp_path / "out.jsonl"
    with start(many, output) as process:
        if not stop_when(process, output, 0, signal.SIGINT):
            pytest.skip("the run was over before it could be interrupted")
        said = process.stderr.read().decode()
    assert process.returncode == 130
    assert "interrupted after" in said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert output.read_bytes().endswith(b"\n")
    with start(many, output) as process:
        assert process.wait() == 0
    assert len(content(output).splitlines()) == 6000


def test_a_device_as_output_is_written_to_and_never_resumed(many):
    with start(many, os.devnull) as process:
        assert process.wait() == 0
    assert not os.path.exists(os.devnull + ".settings.json")
