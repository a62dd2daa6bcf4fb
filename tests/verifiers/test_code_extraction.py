"""Which code is taken out of a response: however it is dressed, whatever stands around it, and at what price."""

from __future__ import annotations

import ast
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from assay.verifiers.code_extraction import LONGEST_RESPONSE, Wanted, find_code
from assay.verifiers.code_fences import fenced_blocks
from assay.verifiers.code_parsing import LONGEST_PARSED, Parser
from hypothesis import given, settings
from hypothesis import strategies as st

F = Wanted("f")
PROGRAM = "import math\n\n\ndef helper(x):\n    return x + 1\n\n\ndef f(x):\n    return helper(x)\n"
OTHER = "def f(x):\n    return -1\n"


def run(code: str | None, call: str = "f(2)") -> Any:
    """Run a program of this page, and call what it defines."""
    assert code is not None
    space: dict[str, Any] = {"__name__": "solution"}
    exec(compile(code, "solution", "exec"), space)
    return eval(call, space)


def taken(response: str, wanted: Wanted = F, **settings: Any) -> str | None:
    return find_code(response, wanted, **settings).code


# ---- fences

FENCES = {
    "plain": "```\n{}```",
    "python": "```python\n{}```",
    "py": "```py\n{}```",
    "python3": "```python3\n{}```",
    "Python": "```Python\n{}```",
    "attributes": '```python title="solution.py" {{1,3}}\n{}```',
    "braces": "```{{.python .numberLines}}\n{}```",
    "no line end before": "Sure:```\n```python\n{}```",
    "tildes": "~~~\n{}~~~",
    "tildes with a tag": "~~~ python\n{}~~~",
    "four": "````python\n{}````",
    "in Markdown": "````markdown\nAn example:\n```python\n{}```\n````",
    "in Markdown as short": "```markdown\n```python\n{}```\n```",
    "another tag": "```text\n{}```",
    "blanks behind": "```python   \n{}```   ",
    "closed by more": "```python\n{}`````",
    "never closed": "```python\n{}",
    "closed on the last line": "```python\n{}\b```",
    "opened by the prompt": "{}```\nThat is all.",
    "opened by the prompt, more fences": "{}```\nIt prints:\n```text\n3\n```\nDone.",
    "forgotten end": "```python\n{}\n```python\nprint(f(2))\n```",
    "no fence": "{}",
    "bold heading": "**Solution**\n\n```python\n{}```\n\n**Why**\n\nIt's simple.",
    "test after it": "```python\n{}```\nUse it:\n```python\nprint(f(2))\nassert f(2) == 3\n```",
    "output after it": "```python\n{}```\nOutput:\n```\n3\n```",
    "draft before it": "```python\n" + OTHER + "```\nBetter:\n```python\n{}```",
    "a fence in a quotation": "> ```python\n> x = 1\n> ```\n\n```python\n{}```",
}


@pytest.mark.parametrize("name", FENCES)
def test_the_program_is_found_in_its_fences(name: str) -> None:
    response = FENCES[name].format(PROGRAM).replace("\n\b", "")
    code = taken(response)
    assert run(code) == 3, code


@pytest.mark.parametrize("name", FENCES)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems(name: str, end: str) -> None:
    response = FENCES[name].format(PROGRAM).replace("\n\b", "").replace("\n", end)
    assert run(taken(response)) == 3


@pytest.mark.parametrize("indent", ["  ", "   ", "    ", "\t"])
@pytest.mark.parametrize("marker", ["", "- ", "1. ", "* ", "> ", "10) "])
def test_fences_in_lists_and_quotations(marker: str, indent: str) -> None:
    inside = "> " if ">" in marker else " " * len(marker) + indent
    lines = ["```python", *PROGRAM.split("\n"), "```"]
    quoted = [("> " if ">" in marker else indent) + marker * (">" not in marker) + lines[0]]
    quoted += [inside + line for line in lines[1:]]
    assert run(taken("Steps:\n\n" + "\n".join(quoted) + "\n\nDone.")) == 3


def test_tabs_and_a_byte_order_mark() -> None:
    assert run(taken("\ufeff```python\n\ufeffdef f(x):\n\tif x:\n\t\treturn x + 1\n```")) == 3


def test_a_fence_in_a_docstring_is_the_codes_own() -> None:
    code = 'def f(x):\n    """Add one.\n\n    ```\n    f(1)\n    ```\n    """\n    return x + 1\n'
    assert run(taken(f"```python\n{code}```")) == 3


def test_inline_code_is_no_fence() -> None:
    assert run(taken(f"Call ```f(2)``` or `f`.\n\n```python\n{PROGRAM}```\n and ```x``` too.")) == 3


def test_the_last_block_that_defines_it_wins() -> None:
    assert run(taken(f"```python\n{PROGRAM}```\n```python\n{OTHER}```")) == -1
    assert run(taken(f"```python\n{PROGRAM}```\n```python\ndef g(): pass\n```")) == 3


def test_a_block_that_parses_is_preferred_to_a_later_one_that_does_not() -> None:
    assert run(taken(f"```python\n{PROGRAM}```\n```python\ndef f(x) -> 1\n```")) == 3


def test_a_block_that_only_imports_it_does_not_hide_the_one_that_defines_it() -> None:
    tests = "```python\nfrom solution import f\n\nassert f(2) == 3\n```"
    assert run(taken(f"```python\n{PROGRAM}```\nTests:\n{tests}")) == 3
    assert taken(tests) is not None


def test_a_program_that_does_not_parse_is_still_the_programs_fault() -> None:
    assert taken("Look:\n```python\ndef f(x) return 1\n```") == "def f(x) return 1\n"
    assert taken("Look:\n\ndef f(x) return 1\nwhile") == "def f(x) return 1\nwhile"
    assert taken("```python\nprint 1\n```", Wanted()) == "print 1\n"


def test_a_generation_that_was_cut_off_behind_the_function() -> None:
    assert run(taken(f"```python\n{PROGRAM}\nprint(f(2), f(")) == 3
    assert taken("```python\ndef f(x):\n    return (x +") is not None, "cut within it: judged as it is"


def test_blocks_joined() -> None:
    parts = PROGRAM.split("\n\n\n")
    response = "\n".join(f"Part:\n```python\n{part}\n```" for part in parts) + "\n```\n3\n```\n```json\n{}\n```"
    assert run(taken(response, blocks="all")) == 3
    with pytest.raises(NameError):
        run(taken(response))
    assert run(taken(PROGRAM, blocks="all")) == 3


@pytest.mark.parametrize(
    "code",
    [
        "async def f(x): return x",
        "f = lambda x: x + 1",
        "if True:\n    def f(x): return 1\nelse:\n    f = None",
        "try:\n    from a import f\nexcept ImportError:\n    def f(x): return 1",
        "class f: pass",
        "from functools import reduce as f",
        "f: object = print",
        "g, f = 1, 2",
        "with open(0) as x:\n    f = x",
    ],
)
def test_every_way_to_define_it(code: str) -> None:
    assert taken(f"```python\n{code}\n```") == f"{code}\n"
    assert taken(code) == code


@pytest.mark.parametrize("code", ["f(1)", "x = f", "def g():\n    def f(): pass", "f: int", "del f", "obj.f = 1"])
def test_what_does_not_define_it(code: str) -> None:
    assert taken(f"```python\n{code}\n```") is None


def test_a_method_of_a_class_is_called_on_a_fresh_object() -> None:
    code = taken(
        "```python\nclass Node:\n    pass\n\n\nclass Solution:\n    def __init__(self):\n        self.seen = []\n\n"
        "    def f(self, x):\n        self.seen.append(x)\n        return len(self.seen)\n```"
    )
    assert run(code, "[f(1), f(x=2), f(3)]") == [1, 1, 1]
    both = "class A:\n    def f(self): return 1\n\nclass Solution:\n    def f(self): return 2\n"
    assert run(taken(both), "f()") == 2
    assert taken("class A:\n    def f(self): return 1\n\nclass B:\n    def f(self): return 2\n") is None
    own = "class Solution:\n    def f(self): return 1\n\ndef f(): return 2\n"
    assert run(taken(own), "f()") == 2


# ---- no fences

PROSE = [
    "Here's what I'd do, it isn't hard:\n\n{}\n\nThat's it. Don't forget: x can't be None.",
    "{}\n\nExplanation: the function returns x + 1 (it's simple).",
    "Answer = think.\n{}",
    "First I import things (math).\n{}\n# usage:\nprint(f(2))\nso it prints 3!",
    "# Solution\n{}",
    "The idea (see below:\n\n{}\n) works.",
    "1. Think\n2. Write\n\n{}\n\n3. Done",
]


@pytest.mark.parametrize("around", PROSE)
def test_code_amid_prose(around: str) -> None:
    code = taken(around.format(PROGRAM))
    assert run(code) == 3, code


def test_code_indented_as_a_markdown_block() -> None:
    indented = "".join(f"    {line}\n" if line else "\n" for line in PROGRAM.split("\n"))
    code = taken(f"It's this:\n\n{indented}\nDone.")
    assert run(code) == 3, code


def test_a_class_amid_prose() -> None:
    code = taken(
        "It's this:\n\nclass Solution:\n    def g(self):\n        return 2\n\n    def f(self, x):\n        return 3\n\nBye!"
    )
    assert run(code) == 3, code


@pytest.mark.parametrize(
    "response", ["", " \n", "I don't know.", "f", "The function f(x) = x + 1", "```python\n```", "``` ```"]
)
def test_no_code(response: str) -> None:
    found = find_code(response, F)
    assert found.code is None
    assert "code" in found.how


# ---- the prompt that a body continues

PREFIX = """from typing import List

LIMIT = 10


def poly(x):
    'Square.'
    return x * x


def f(xs: List[int]) -> int:
    'Sum of squares.'
"""
HUMAN = Wanted("f", prefix=PREFIX)
CALL = "f([1, 2])"

BODIES = {
    "as it should be": "    return sum(poly(x) for x in xs)\n",
    "blank lines before": "\n\n    return sum(poly(x) for x in xs)",
    "at the margin": "total = 0\nfor x in xs:\n    total += poly(x)\nreturn total",
    "first line at the margin": "total = 0\n    for x in xs:\n        total += poly(x)\n    return total",
    "two spaces": "  total = 0\n  for x in xs:\n    total += poly(x)\n  return total",
    "eight spaces": "        total = 0\n        for x in xs:\n            total += poly(x)\n        return total",
    "a tab": "\ttotal = 0\n\tfor x in xs:\n\t\ttotal += poly(x)\n\treturn total",
    "fenced": "```python\n    return sum(poly(x) for x in xs)\n```",
    "fenced at the margin": "Body:\n```python\ntotal = 0\nfor x in xs:\n    total += poly(x)\nreturn total\n```\nUse: `f([1])`",
    "fence opened by the prompt": "    return sum(poly(x) for x in xs)\n```\nDone.",
    "an example after it": "```\n    return sum(poly(x) for x in xs)\n```\n```python\nprint(f([1, 2]))\n```",
    "another function after it": "    return sum(map(square, xs))\n\n\ndef square(x):\n    return x * x\n",
    "prose after it": "    return sum(poly(x) for x in xs)\n\nThis doesn't need a loop, it's a sum.",
    "a test after it, cut off": "    return sum(poly(x) for x in xs)\n\n\nprint(f([1, 2",
    "the signature again": "def f(xs: List[int]) -> int:\n    return sum(poly(x) for x in xs)\n",
    "the signature again, fenced": "```python\ndef f(xs: List[int]):\n    return min(LIMIT, sum(poly(x) for x in xs))\n```",
    "all of it": PREFIX + "    return sum(poly(x) for x in xs)\n",
    "all of it, fenced": "```python\n" + PREFIX + "    return sum(poly(x) for x in xs)\n```",
    "its own helper": "def poly(x):\n    return x * x\n\n\ndef f(xs: List[int]):\n    return sum(map(poly, xs))",
    "from the future": '"""Mine."""\nfrom __future__ import annotations\n\ndef f(xs: List[int]):\n    return sum(map(poly, xs))',
    "a class": "class Solution:\n    def f(self, xs: List[int]) -> int:\n        return sum(map(poly, xs))",
    "a variable of that name": "    f = 0\n    for x in xs:\n        f += poly(x)\n    return f",
    "a variable of that name, fenced": "```python\n    f = sum(poly(x) for x in xs)\n    return f\n```",
    "a variable of that name, at the margin": "f = 0\nfor x in xs:\n    f += poly(x)\nif f:\n    return f\nreturn 0",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_continues_the_prompt(name: str) -> None:
    code = taken(BODIES[name], HUMAN)
    assert run(code, CALL) == 5, code


def test_what_the_program_brings_itself_is_not_added_again() -> None:
    own = "from typing import List\nLIMIT = 3\ndef poly(x):\n    return 1\ndef f(xs: List[int]):\n    return sum(map(poly, xs))\n"
    assert taken(own, HUMAN) == own


@pytest.mark.parametrize(
    "response", ["Sorry", "I can't do this.", "\n", "```\n[1, 2]\n```", "None", '"""Only a text."""']
)
def test_prose_is_no_body(response: str) -> None:
    assert taken(response, HUMAN) is None


@pytest.mark.parametrize(
    "prefix",
    [
        "Write a function f.",
        "def f(",
        "def f(x):\n",
        "def f(x): return 1",
        "async def f(x):\n    pass",
        "def g():\n  1",
        "\0",
        "class A:\n    def f(self):\n",
    ],
)
def test_prompts_of_any_kind(prefix: str) -> None:
    wanted = Wanted("f", prefix=prefix)
    assert run(taken("def f(x):\n    return 3", wanted)) == 3
    assert taken("Sorry", wanted) is None
    if prefix == "def f(x):\n":
        assert run(taken("    return 3", wanted)) == 3


# ---- no entry point: programs

READS = Wanted(reads_input=True)


@pytest.mark.parametrize(
    ("response", "wanted", "code"),
    [
        ("```python\nn = int(input())\nprint(n)\n```\nPrints:\n```\n5\n```", READS, "n = int(input())\nprint(n)\n"),
        ("```python\nprint(input())\n```\nRun:\n```bash\npython3 a.py\n```", READS, "print(input())\n"),
        ("```python\nprint(input())\n```\nExample:\n```python\nsolve(3)\n```", READS, "print(input())\n"),
        ("```python\nprint(1)\n```\nBetter:\n```python\nprint(2)\n```", Wanted(), "print(2)\n"),
        ("```python\nprint(1)\n```\n```\n7\n```", Wanted(), "print(1)\n"),
        ("```\nimport sys\nprint(sys.stdin.read())\n```", READS, "import sys\nprint(sys.stdin.read())\n"),
        ("import sys\nprint(sys.stdin.read())", READS, "import sys\nprint(sys.stdin.read())"),
        ("It's easy:\n\nn = int(input())\nprint(n)\n\nThat's it.", READS, "n = int(input())\nprint(n)"),
        ("```python\ndef a(): return 1\n```\n```python\nx = 1\n```", Wanted(hints=("a", "b")), "def a(): return 1\n"),
        ("```\n5\n```", READS, None),
        ("I don't know.", READS, None),
    ],
)  # fmt: skip
def test_a_program_without_entry_point(response: str, wanted: Wanted, code: str | None) -> None:
    assert taken(response, wanted) == code


# ---- hostile

N = 40_000
BOMBS = {
    "fences": "```python\ndef f(x): pass\n" * (N // 25),
    "fence lines": "```\n" * (N // 4),
    "long fence": "`" * N,
    "growing fences": "\n".join("`" * n for n in range(3, 400)),
    "quotes": "> " * N + "```",
    "list markers": "- " * N + "\n```python\nf\n```",
    "numbers": "1. " * N,
    "blanks": " " * N + "```\n" + " " * N,
    "tabs": ("\t" * 300 + "def f(x):\n") * 300,
    "parens": "f = " + "(" * N,
    "minus": "f = " + "-" * N + "1",
    "sum": "f = 1" + "+1" * N,
    "attributes": "f = a" + ".a" * N,
    "calls": "f = a" + "()" * N,
    "elifs": "if a:\n  f = 1\n" + "elif a:\n  f = 1\n" * (N // 17),
    "nested": "".join(" " * n + "if f:\n" for n in range(400)),
    "classes": "".join(" " * n + "class A:\n" for n in reversed(range(400))) + " " * 400 + "def f(): pass",
    "definitions": "def f(\n" * (N // 7),
    "definitions in prose": "It's\ndef f(x): return 1\n" * (N // 24),
    "fstring": "f = f'" + "{a}" * N + "'",
    "fstring lines": "f = f'''" + "{a}\n" * N + "'''",
    "digits": "f = " + "1" * N,
    "null": "def f(x): return 1\0",
    "surrogates": "def f(x): return '\ud800'",
    "escapes": "f = '" + r"\w" * N + "'",
    "quotation marks": "f = " + "'''\n" * N,
    "annotations": "f" + ": a " * N + "\nf = " + " " * N,
    "loop lines": "for " + "in " * N + ":" + " " * N,
    "assignments": "f = " + "a = " * (N // 4) + "1",
    "backslashes": "\\\n" * N + "f = 1",
    "byte order marks": "\ufeff" * N + "f = 1",
    "decorators": "@f\n" * (N // 3) + "def f(): pass",
    "too long": "x" * (LONGEST_RESPONSE + 1),
}


@pytest.mark.parametrize("wanted", [F, HUMAN, READS, Wanted(hints=("f", "g"))], ids=["f", "prompt", "stdio", "hints"])
@pytest.mark.parametrize("name", BOMBS)
def test_hostile_responses_are_read_in_bounded_work(name: str, wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser is what costs; all that it gets for one response is counted."""
    parsed = 0
    original = ast.parse

    def counted(code: str, *args: Any, **settings: Any) -> ast.Module:
        nonlocal parsed
        parsed += len(code)
        module: ast.Module = original(code, *args, **settings)
        return module

    monkeypatch.setattr(ast, "parse", counted)
    for response in (BOMBS[name], f"```python\n{BOMBS[name]}\n```"):
        parsed = 0
        find_code(response, wanted)
        find_code(response, wanted, "all")
        assert parsed <= 2 * LONGEST_PARSED


def test_a_parser_spends_what_it_has() -> None:
    parser = Parser(10)
    assert parser.parse("x = 1") is not None
    assert parser.parse("x = 1") is None


def test_the_longest_responses_are_not_read() -> None:
    found = find_code(PROGRAM + "#" * LONGEST_RESPONSE, F)
    assert found.code is None
    assert "characters long" in found.how


def test_warnings_of_the_parser_stay_in_it() -> None:
    """Under `-W error` a warning would become a syntax error and change the verdict."""
    code = 'def f(x):\n    return len("\\w") if 1if x else 2 else 3\n'
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert taken(f"```python\n{code}```") == code
    assert caught == []


def test_threads_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: taken('```python\ndef f(x):\n    return "\\w"\n```'), range(400)))
    assert list(warnings.filters) == before


PIECES = st.sampled_from(
    ["```", "````", "~~~", "python", "\n", "\n\n", "    ", "\t", " ", "def f(x):", "return 1", "class A:", "f = 1", "it's",
     "- ", "> ", "1. ", '"""', "'", "(", ")", "\\", "\0", "\ud800", "\ufeff", "\r", "import a", "elif", ":", "#", "x", "<think>"]
)  # fmt: skip


@settings(max_examples=300)
@given(
    st.lists(PIECES, max_size=40).map("".join),
    st.sampled_from([F, HUMAN, READS, Wanted()]),
    st.sampled_from(["last", "all"]),
)
def test_nothing_raises(response: str, wanted: Wanted, blocks: Any) -> None:
    found = find_code(response, wanted, blocks)
    assert found.how
    assert found.code is None or found.code.strip()


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_blocks_lie_in_the_text_in_order_and_apart(text: str) -> None:
    at = 0
    for block in fenced_blocks(text):
        assert at <= block.start <= block.end <= len(text)
        at = block.end
