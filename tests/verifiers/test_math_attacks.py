r"""What may no text do to MathVerifier, whatever it says?

Raise; make our own machinery fail; be run as code, or as part of a pattern; earn from inside the thinking, from a box that
was cut off, or beside a second guess. The texts are arbitrary Unicode, a soup of what models write, and code. Deadlines and
memory are the subject of test_hostile.py, sameness of test_math_properties.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from assay.verifiers.slow_lane import SlowLane
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from assay import MathVerifier, Problem, Score, Status

steady = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="module")
def verifiers() -> Iterator[list[MathVerifier]]:
    """One of each kind; a short deadline, since nothing here needs to be decided."""
    made = [
        MathVerifier(deadline=0.3),
        MathVerifier(extract="lenient", form="evaluated", deadline=0.3),
        MathVerifier(extract="lenient", prefilled=True, deadline=0.3),
        MathVerifier(answer_after="A:", deadline=0.3),
    ]
    yield made
    for verifier in made:
        verifier.close()


SOUP = [
    *r"""0 1 2 7 12 0.5 3.14 1,000 -5 x y n i e A C (1,2) cm apples x=5 2+2=4 1/0 not \frac{1}{2} \boxed{5} 10^{10^{10}} 5!!!!
    + - * / ^ _ = < > | , ; : . ! ? ' " % $ & # ~ ( ) [ ] { } \ \\ ` @ (((( }}}} 9^{9^{9^9}}
    \frac \sqrt \pi \boxed \boxed{ \fbox{ \text{ \{ \} \left \right \left( \right) \left. \cdot \times \pm \infty \cup \in
    \le \ne \approx \sum \sum_{k=1}^{3} \prod \int \int_0^1 \lim_{x\to0} \binom \log_2 \sin \begin{pmatrix} \end{pmatrix}
    \begin{cases} \begin{align} \end{align} \overline{3} \circ ^\circ \% \$ \mathbb{R} \operatorname{ \mathrm{ \color{red}
    \phantom{ \quad \, \! \not \over \choose \pmod \bmod \equiv \to \dots <think> </think> <answer> </answer> ``` ** ####
    A: ~~~ <!-- -->""".split(),
    *"½ ² ₂ √ π − × ≤ ∞ ° ５ ٣ é 答案是 ﷺ \U0001f600".split(),
    *[
        "\n",
        "\t",
        " ",
        "%\n",
        "> ",
        " and ",
        " or ",
        "the answer is ",
        "\u200b",
        "\u202e",
        "\u2028",
        "\r",
        "\x00",
        "\x1b",
    ],
    *["\ud800", "\udfff", "\u0336" * 5, "9" * 50],
]
soup = st.lists(st.sampled_from(SOUP), max_size=14).map("".join)
anything = st.one_of(soup, soup, soup.map(lambda text: f"\\boxed{{{text}}}"), st.text(st.characters()))


def fault(score: Score) -> str:
    """Say what is wrong with a score as such; an empty string if nothing is."""
    if score.status in (Status.INFRA_ERROR, Status.CRASHED):
        return f"our own fault: {score.status}"
    if "cannot be compared: " in score.detail or "verifier failed" in score.detail:
        return "an exception of ours, caught at the last moment"
    if score.reward != {Status.CORRECT: 1.0, Status.BAD_REFERENCE: None}.get(score.status, 0.0):
        return "the reward does not fit the status"
    if score.answer is None and score.status not in (Status.NO_ANSWER, Status.BAD_REFERENCE):
        return "a verdict on an answer that is not there"
    if not score.detail or score.seconds < 0 or score.parts:
        return "detail, seconds or parts"
    return "" if json.loads(json.dumps(score.as_dict()))["status"] == score.status else "does not survive JSON"


@settings(steady, max_examples=120)
@given(anything, anything, st.one_of(st.just(""), soup))
def test_no_text_raises_or_breaks_anything(
    verifiers: list[MathVerifier], response: str, reference: str, prompt: str
) -> None:
    for verifier in verifiers:
        score = verifier.score(response, Problem("p", prompt, (reference,)) if prompt else reference)
        assert not fault(score), (fault(score), score)


@settings(steady, max_examples=200)
@given(soup, soup)
def test_no_answer_and_no_reference_breaks_anything(verifiers: list[MathVerifier], answer: str, reference: str) -> None:
    explanation = verifiers[0].explain(f"\\boxed{{{answer}}}", reference)
    assert not fault(explanation.score), explanation
    assert all(isinstance(part, str) for part in explanation[2:]), explanation


NOT_TEXT = [None, 5, 5.0, b"\\boxed{5}", ["\\boxed{5}"], object()]


@pytest.mark.parametrize("response", NOT_TEXT, ids=lambda value: type(value).__name__)
def test_a_response_that_is_no_text_is_no_answer(verifiers: list[MathVerifier], response: object) -> None:
    score = verifiers[0].score(response, "5")  # type: ignore[arg-type]
    assert score.status is Status.NO_ANSWER
    assert "not text" in score.detail


@pytest.mark.parametrize("reference", NOT_TEXT, ids=lambda value: type(value).__name__)
def test_a_reference_that_is_no_text_is_a_bad_one(verifiers: list[MathVerifier], reference: object) -> None:
    score = verifiers[0].score("\\boxed{5}", reference)  # type: ignore[arg-type]
    assert score.status is Status.BAD_REFERENCE


# ---- what must not earn

WORTH = "73951"  # nothing else in these texts is
untagged = soup.filter(lambda text: "think>" not in text)
SILENT = st.sampled_from(["", "That is all.", "I am done\n", " $x$ ", "So there we are, seven of them.", "\\boxed{}"])


@given(st.one_of(st.just(""), SILENT), untagged, untagged, st.booleans(), SILENT)
@steady
def test_a_box_inside_the_thinking_never_earns(
    verifiers: list[MathVerifier], before: str, inside: str, more: str, closed: bool, after: str
) -> None:
    thinking = f"<think>{inside} \\boxed{{{WORTH}}} {more}"
    response = before + thinking + (f"</think>{after}" if closed else "")
    for verifier in verifiers[:3]:
        assert verifier.score(response, WORTH).reward == 0.0, response
    # A template that ends with the opening tag: the response begins inside.
    prefilled = thinking.removeprefix("<think>") + (f"</think>{after}" if closed else "")
    assert verifiers[2].score(prefilled, WORTH).reward == 0.0, prefilled


@pytest.mark.parametrize(
    "whole",
    ["Adding up: \\[ \\boxed{\\frac{73951}{10}}", "so $\\boxed{73951}", "\\fbox{7395.1}", "\\boxed{{73951}, {7}}"],
)
def test_a_box_that_was_cut_off_never_earns(verifiers: list[MathVerifier], whole: str) -> None:
    ends = {whole.partition("{")[2][:-1], "73951", "7395.1", "7395", "7", "\\frac{73951}{10}"}
    assert any(verifiers[0].score(whole, end).reward == 1.0 for end in ends)
    for stop in range(len(whole)):
        for end in ends:
            assert verifiers[0].score(whole[:stop], end).reward == 0.0, (whole[:stop], end)


GAPS = st.sampled_from(
    ["", " ", " or ", " and ", ", ", "; ", "\n", "\n\n", ". Or ", ".\n\nActually, ", " Wait, it is ", " = ", "$ $", " / ",
     ", that is ", "\n\nSo the answer is ", " and/or perhaps ", "$ or $", ".\n\n**Answer:** "]
)  # fmt: skip
WRONG = st.sampled_from(
    ["1", "73952", "-73951", "0.73951", "73951x", "\\frac{73951}{2}", "(73951, 1)", "\\text{no idea}", "x", "C"]
)
TAIL = st.sampled_from(["", ".", "$", " and that is it.", "\n", " <|im_end|>", " apples"])


@given(GAPS, GAPS, WRONG, WRONG, TAIL, st.booleans())
@steady
def test_a_response_that_gives_another_box_after_the_right_one_never_earns(
    verifiers: list[MathVerifier], gap: str, other_gap: str, wrong: str, worse: str, tail: str, two: bool
) -> None:
    second = f"{other_gap}\\boxed{{{worse}}}" if two else ""
    response = f"It is \\boxed{{{WORTH}}}{gap}\\boxed{{{wrong}}}{second}{tail}"
    for verifier in verifiers[:2]:
        score = verifier.score(response, WORTH)
        assert score.reward == 0.0, (response, score)


@given(st.lists(st.sampled_from([WORTH, "1", "2", "x", "C", "\\pi"]), min_size=2, max_size=6, unique=True), GAPS)
@steady
def test_a_list_of_guesses_never_earns(verifiers: list[MathVerifier], guesses: list[str], gap: str) -> None:
    inside = gap.strip(" $=/\n") or ","
    assume("." not in inside and "*" not in inside)
    shapes = [
        f" \\text{{ {inside} }} ".join(guesses),
        ", ".join(guesses),
        " or ".join(guesses),
        "\\{" + ",".join(guesses) + "\\}",
    ]
    for shape in shapes:
        for verifier in verifiers[:2]:
            score = verifier.score(f"\\boxed{{{shape}}}", WORTH)
            assert score.reward == 0.0, (shape, score)


# ---- what must not run

CODE = [
    "__import__('os').system('touch {file}')",
    "open('{file}', 'w').close()",
    "exec(\"open('{file}', 'w').close()\")",
    "eval(\"open('{file}', 'w').close()\")",
    "(lambda: open('{file}', 'w').close())()",
    "[open('{file}', 'w').close() for _ in [1]]",
    "__builtins__.__import__('pathlib').Path('{file}').touch()",
    "().__class__.__base__.__subclasses__()[0].__init__.__globals__['open']('{file}', 'w')",
    "exit() or open('{file}', 'w').close()",
    "1; import os; os.system('touch {file}')",
    "{{0.__class__}} $(touch {file}) `touch {file}` | touch {file}",
    "\\write18{{touch {file}}} \\input{{|touch {file}}} \\immediate\\openout1={file}",
    "sympify(\"open('{file}', 'w').close()\") + Symbol('x').func",
    "cposix\nsystem\n(S'touch {file}'\ntR.",
    "!!python/object/apply:os.system ['touch {file}']",
]
WRAPS = [
    "{}", "\\text{{{}}}", "\\operatorname{{{}}}", "\\mathrm{{{}}}(1)", "x_{{{}}} + 1", "\\sum_{{i=1}}^{{3}} {}",
    "\\int_0^1 {} \\, dx",
    "\\frac{{{}}}{{2}}", "x = {}", "\\lim_{{x \\to 0}} \\operatorname{{{}}}", "f({})", "\\{{{}\\}}", "\\log_{{{}}} 2", "5^{{{}}}",
    "\\begin{{pmatrix}} {} \\end{{pmatrix}}", "\"{}\"", "'{}'", "5 + {}", "\\left( {} \\right)", "{}%", "\\sqrt[{}]{{2}}",
]  # fmt: skip


def canaries(file: Path) -> list[str]:
    """Return code that makes a file if anything runs it, as such and inside mathematics."""
    code = [text.format(file=file) for text in CODE]
    # Each piece of code in each of a third of the wraps; the bare text always.
    return [
        wrap.format(text) for i, text in enumerate(code) for j, wrap in enumerate(WRAPS) if j == 0 or (i + j) % 3 == 0
    ]


@pytest.mark.parametrize("code", [*CODE[:6], CODE[8]])
def test_a_canary_sings_when_it_is_run(code: str, tmp_path: Path) -> None:
    file = tmp_path / "canary"
    try:
        eval(code.format(file=file))
    except SystemExit:
        return  # exit() is noticed in another way
    assert file.exists()


def test_no_code_in_an_answer_or_a_reference_runs(verifiers: list[MathVerifier], tmp_path: Path) -> None:
    file = tmp_path / "canary"
    for text in canaries(file):
        for verifier in verifiers[:2]:
            score = verifier.score(f"\\boxed{{{text}}}", "\\frac{1}{3}")
            assert score.reward == 0.0, (text, score)
            assert verifier.score(text, "5").reward in (0.0, None)
            assert verifier.score("\\boxed{5}", text).reward in (0.0, None), text
    assert not file.exists()


def test_no_code_runs_in_the_slow_lane(tmp_path: Path) -> None:
    file = tmp_path / "canary"
    lane = SlowLane(workers=2)
    try:  # the lane is reached by what the fast one cannot read; here it gets everything
        for text in canaries(file):
            assert lane.compare("x + 1", text, 0.5).relation != "same"
            assert not file.exists(), text
        for text in canaries(file)[::7]:
            lane.compare(text, "5", 0.5)
    finally:
        lane.close()
    assert not file.exists()


AUDITED = r"""
import json, sys
from assay import MathVerifier, Problem
import mpmath

texts = json.load(sys.stdin)
verifiers = [MathVerifier(deadline=0.5), MathVerifier(extract="lenient", form="evaluated", deadline=0.5)]
for verifier in verifiers:
    verifier.score(r"\boxed{x}", r"\int_0^1 x\,dx")
found = []

def watch(event, arguments):
    if event == "compile" and arguments[0] is not None:
        found.append((event, str(arguments[1])))
    elif event == "exec" and not arguments[0].co_filename.endswith(".py") and "frozen" not in arguments[0].co_filename:
        found.append((event, arguments[0].co_filename))
    elif event in ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pickle.find_class", "marshal.loads"):
        found.append((event, str(arguments)))
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        found.append((event, str(arguments)))

sys.addaudithook(watch)
for text in texts:
    for verifier in verifiers:
        verifier.score("\\boxed{" + text + "}", Problem("p", "What is " + text, ("5",)))
        verifier.score("\\boxed{5}", text)
        verifier.score(text, "5")
print(json.dumps(found[:20]))
for verifier in verifiers:
    verifier.close()
"""


def test_no_text_is_compiled_or_starts_a_process(tmp_path: Path) -> None:
    """The interpreter itself reports what is compiled, executed, spawned and opened for writing meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", AUDITED],
        input=json.dumps(canaries(tmp_path / "canary")[::5]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@given(st.integers(2, 60), st.integers(2, 60), st.sampled_from(["+", "*", ".", "|"]))
@steady
def test_an_answer_is_no_pattern_for_the_prompt(verifiers: list[MathVerifier], a: int, b: int, sign: str) -> None:
    """The guard against echoes looks for the answer in the prompt: `2*21` as a pattern would be found in `21`."""
    value = {"+": a + b, "*": a * b, ".": 10, "|": 10}[sign]
    answer = f"{a}{sign}{b}" if sign in "+*" else f"10{sign}"
    prompt = f"The codes are {a}{b}, {a}{a}{b}, {str(a)[:-1]}{b}, {b}, {a}x{b} and {a} {b}: take 100."
    plain = verifiers[0].score(f"\\boxed{{{answer}}}", str(value))
    asked = verifiers[0].score(f"\\boxed{{{answer}}}", Problem("p", prompt, (str(value),)))
    assert asked[:2] == plain[:2], (answer, prompt, asked)


@pytest.mark.parametrize("mark", ["A.:", "(", "[a-z", "*", "\\", "A:$", "(?P<x>"])
def test_a_mark_is_no_pattern(mark: str) -> None:
    with MathVerifier(answer_after=mark) as verifier:
        assert verifier.score(f"AB: 4\n{mark} 5\n", "5").reward == 1.0
        assert verifier.score("AB: 5", "5").status is Status.NO_ANSWER


# ---- what must not stay


def children() -> set[str]:
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


@pytest.mark.skipif(not LINUX, reason="processes are counted in /proc")
def test_no_process_is_left_after_close() -> None:
    before = children()
    verifier = MathVerifier(deadline=0.3)
    for _ in range(2):  # a closed verifier that is used again starts again
        for text in ("\\int_0^1 x\\,dx", "\\int_0^1 x^{x^x}\\,dx", "\\lim_{x\\to0} 9^{9^{9^{1/x}}}"):
            verifier.score(f"\\boxed{{{text}}}", "\\frac12")
        assert children() > before
        verifier.close()
        assert children() == before
    verifier.close()
