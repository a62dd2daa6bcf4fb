r"""Which text of a response is its answer?

`extract` follows "Which answer" of docs/answers.md: the last complete box outside the thinking, code, quotations and
hidden text; in lenient mode also the other ways in which models announce an answer. Nothing is parsed here: an answer is
a piece of the response, and several pieces where the response offers several at once. Time is linear in the response.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from .thinking import split_thinking

__all__ = ["Extraction", "extract"]

MAX_BOXES = 40  # looked at, from the end
_END = 50_000  # characters at the end of a response in which an announced answer is looked for
MAX_BOX = 20_000  # characters searched for the end of a box


class Extraction(NamedTuple):
    """The answer of a response: one text, several offered at once, or none (and then why)."""

    answers: tuple[str, ...]
    how: str


class _Box(NamedTuple):
    start: int
    end: int
    content: str


_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BRACE = re.compile(r"[\\{}]")
_UNBRACED = re.compile(r"(\\[A-Za-z]+|[^\s{}$\\])")
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_QUOTED_LINE = re.compile(r"^[ \t]*>[^\n]*$", re.MULTILINE)
_TEX_COMMENT = re.compile(r"(?:^|(?<=[^\d\s\\][ \t]))[ \t]*%[^\n]*$", re.MULTILINE)
_TEX_HIDDEN = re.compile(
    r"\\iffalse\b.*?(?:\\fi\b|\Z)|\\begin\{(comment|verbatim|lstlisting)\}.*?(?:\\end\{\1\}|\Z)", re.DOTALL
)
_SENTENCE_END = re.compile(r"[.!?](?:[\s$)\]]|\\[)\]]|$)|\n")
_JOINED = re.compile(
    r"(?:[\s$,;&]|\\[()\[\],;]|\\q?quad\b|\\text\s*\{\s*(?:and|or)\s*\}|\band\b|\bor\b|\*\*)*", re.IGNORECASE
)
_ALTERNATIVE = re.compile(r"\b(?:and|or)\b|[,;&]", re.IGNORECASE)
_CORRECTION = re.compile(
    r"\b(?:wait|actually|no|correct(?:ion|ed)?|mistake|instead|sorry|rather|error|recheck|revis\w*|fix\w*|should be|redo"
    r"|oops|hmm|therefore|so|thus|hence|then)\b",
    re.IGNORECASE,
)
_NEGATED_BEFORE = re.compile(
    r"(?:\b(?:(?:wrong|incorrect|false|a\s+mistake)\s+(?:to\s+[a-z]+|that|answer(?:\s+is)?)|not|never|"
    r"neither|nor|cannot be|can't be|isn't|wasn't|aren't|instead of|rather than)|\\neq?|≠|!=)"
    r"\s*(?:equal\s+to|be|simply|just|the\s+answer)?[\s:$\\(\[{*]*$",
    re.IGNORECASE,
)
_NEGATED_AFTER = re.compile(
    r"^[\s$)\]}\\*]*(?:is|was|would\s+be|are|seems)\s+(?:not\b|wrong|incorrect|false|(?:a|the)\s+(?:wrong|incorrect|common\s+mistake)|a\s+mistake|never)",
    re.IGNORECASE,
)
_HIDDEN_BEFORE = re.compile(
    r"(?:\\[hv]?phantom|\\cancel|\\xcancel|\\bcancel|\\sout|\\st|\\(?:textcolor|color)\s*\{white\})\s*\{?[\s$\\(\[]*$|~~[\s$]*$|\\(?:(?:re)?newcommand|providecommand|def|let)\b[^\n]{0,40}\{\s*$"
)
_OPEN_QUOTE = re.compile(r'["“][^"“”\n]*[A-Za-z]{2}[^"“”\n]*$')
_TEMPLATE = re.compile(
    r"(?:\W|\\text|\\ldots|\\dots|\\cdots|\\square|\\Box|\\_|_)*"
    r"(?:(?:your|the|my|a|final|numeric(?:al)?|insert|put|enter|write|correct|exact|simplified)[\W_]*)*"
    r"(?:answers?|ans|result|solution|number|expression|final|value|letter|option|placeholder|fill in|todo|xxx+|n/?a|none"
    r"|unknown|undetermined|idk|i don'?t know)?[\W_]*"
    r"(?:goes\s+)?(?:here)?[\W_]*",
    re.IGNORECASE,
)
_NEVER_TEMPLATE = re.compile(r"[0-9]")
_WORDY_TRUTH = frozenset(("none", "number"))

_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_ANNOUNCED = re.compile(
    r"\b(?:final\s+answer|correct\s+answer|answer|result|correct\s+option|correct\s+choice)\b"
    r"(?:\s+(?:to\s+(?:the|this)\s+(?:question|problem)|for\s+[a-z]+|here))?[*_\s]*(?:(?:is|are|was|=|equals|:|would\s+be|must\s+be|comes\s+to)[*_\s]*)+",
    re.IGNORECASE,
)
_BOLD_BEFORE = re.compile(r"\*\*[^*\n]+\*\*(?:[\s,;/]|\bor\b|\band\b)*$")
_DENIED = re.compile(
    r"\b(?:(?:false|untrue|wrong|not\s+true|not\s+the\s+case|doubt|don't\s+think|unlikely|suppose|assume|say)"
    r"\s+(?:that|if|whether)?|if|whether|unless)\s*(?:the\s+)?(?:final\s+|correct\s+)?$",
    re.IGNORECASE,
)
_SECOND_THOUGHT = re.compile(
    r"(?:^|[.,;!?\s])\bor\s+(?:maybe|perhaps|possibly|(?:it\s+)?(?:could|might)\s+be)\b", re.IGNORECASE
)
_SUBJECT = re.compile(r"^(?:the|its|their)\s[^=]*?\s(?:is|are|equals)\s+(?=\S)", re.IGNORECASE)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_HEADING = re.compile(
    r"(?:^|\n)[ \t]{0,8}[#*]{0,8}[ \t]{0,8}(?:final[ \t]+)?answer[*: \t]{0,8}\n\s{0,20}([^\n]+)|答案(?:是|为|：|:)\s{0,8}([^\n]+)",
    re.IGNORECASE,
)
_CONCLUDING = re.compile(r"^(?:therefore|thus|so|hence)\b,?\s*", re.IGNORECASE)
_IS_THE_ANSWER = re.compile(r"(\S[^\n]{0,60}?)\s+is\s+the\s+(?:final\s+|correct\s+)?answer\b[.!]?$", re.IGNORECASE)
_LABEL = re.compile(
    r"^(?:(?:the|my|so|thus|hence|therefore)[\s,]+)*(?:final\s+|correct\s+)?(?:answer|result|solution)\s*(?:is|:|=)\s*",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:simply|just|exactly|therefore|thus|clearly|indeed|given\s+by|equal\s+to|option|choice|about|approximately|:|=)\s*",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"(?<!\d)\.(?=[\s$*]|$)|(?<=\d)\.(?=\s|\*|$)|[!?](?=\s|$)|\s*[,;]?\s+(?:because|since|as|which|so|when|where|after|if|by|that|whereas|while|but|per\s+the|we|this|in\s+total|in\s+all|altogether|total)\b|\s*[,;—]\s+(?=[a-z]{3,}\s+[a-z])|\s+\((?=[a-z]{3,}\s)"
)
_NEGATED_START = re.compile(r"^(?:not|never|n't|unknown|unclear|\\neq?)\b", re.IGNORECASE)


def extract(
    response: str,
    *,
    lenient: bool,
    open: str,
    close: str,
    prefilled: bool = False,
    answer_after: str | None = None,
    prompt: str = "",
) -> Extraction:
    """Return the answer of a response, or none with the reason."""
    _, visible = split_thinking(response, open, close, prefilled)
    if not visible.strip():
        return Extraction(
            (), "the response is empty" if not response.strip() else "nothing stands outside the thinking"
        )
    if answer_after is not None:
        return _after_mark(visible, answer_after)
    visible = _without_asides(visible)
    boxes = _boxes(visible)
    kept, why_not = _standing(visible, boxes, prompt)
    if kept:
        together = _final_group(visible, kept)
        distinct = tuple(dict.fromkeys(box.content.strip() for box in together))
        return Extraction(distinct, "the last box" if len(distinct) == 1 else f"{len(distinct)} boxes in one sentence")
    if lenient:
        return _announced(visible)
    return Extraction((), why_not or "no complete \\boxed{...} outside the thinking")


def _after_mark(visible: str, mark: str) -> Extraction:
    at = visible.rfind(mark)
    if at < 0:
        return Extraction((), f"the mark {mark!r} does not occur")
    rest = visible[at + len(mark) :].lstrip(" \t")
    answer = rest.partition("\n")[0].strip()
    if not answer:
        return Extraction((), f"nothing follows the last {mark!r}")
    return Extraction((answer,), f"what follows the last {mark!r}")


def _without_asides(text: str) -> str:
    """Blank out code blocks, comments and quoted lines: what stands there is not said by the response."""
    if "```" in text or "~~~" in text:
        fences = list(_FENCE.finditer(text))
        out = []
        end = 0
        at = 0
        while at < len(fences):
            opening = fences[at]
            out.append(text[end : opening.start()])
            closing = at + 1
            while closing < len(fences) and not fences[closing].group(1).startswith(opening.group(1)):
                closing += 1
            end = fences[closing].end() if closing < len(fences) else len(text)
            at = closing + 1
        out.append(text[end:])
        text = "\n".join(out)
    if "<!--" in text:
        text = _COMMENT.sub(" ", text)
    if ">" in text:
        text = _QUOTED_LINE.sub("", text)
    if "%" in text:
        text = _TEX_COMMENT.sub("", text)
    if "\\iffalse" in text or "\\begin{" in text:
        text = _TEX_HIDDEN.sub(" ", text)
    return text


def _boxes(text: str) -> list[_Box]:
    """Return the last complete boxes, outermost ones only, in order."""
    starts: list[int] = []
    at = len(text)
    while len(starts) < MAX_BOXES and (at := max(text.rfind("\\boxed", 0, at), text.rfind("\\fbox", 0, at))) >= 0:
        starts.append(at)
    boxes: list[_Box] = []
    end = -1
    for start in reversed(starts):
        if start < end:
            continue  # a box inside the one before
        command = _BOX.match(text, start)
        if command is None:
            continue
        box = _complete(text, start, command.end())
        if box is not None:
            boxes.append(box)
            end = box.end
    return boxes


def _complete(text: str, start: int, at: int) -> _Box | None:
    if at >= len(text):
        return None
    if text[at] != "{":
        single = _UNBRACED.match(text, at)
        if single is None:
            return None
        if text[at].isdigit():
            # \boxed 42 prints a box around the 4, and means 42.
            single = re.compile(r"\d[\d.,]*\d|\d").match(text, at)
            assert single is not None
        return _Box(start, single.end(), single.group())
    depth = 0
    limit = at + MAX_BOX
    position = at
    while (brace := _BRACE.search(text, position, limit)) is not None:
        sign = brace.group()
        position = brace.end()
        if sign == "\\":
            position += 1
        elif sign == "{":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return _Box(start, position, text[at + 1 : position - 1])
    return None


def _standing(text: str, boxes: list[_Box], prompt: str) -> tuple[list[_Box], str]:
    """Keep the boxes that the response stands by; the second value says why the last of the others was dropped."""
    kept = []
    why = ""
    for box in boxes:
        before = text[max(0, box.start - 60) : box.start]
        if _is_template(box.content):
            why = "the box is empty or holds only a template"
        elif _HIDDEN_BEFORE.search(before):
            why = "the box is hidden or struck out"
        elif _NEGATED_BEFORE.search(before) or _NEGATED_AFTER.match(text[box.end : box.end + 60]):
            why = "the response says that this is not the answer"
        elif box is boxes[-1] and _SECOND_THOUGHT.match(text[box.end : box.end + 60].lstrip(" $.),\\")):
            why = "the response offers another answer beside it"
        elif _is_quoted(text, box) or (prompt and _from_prompt(text, box, prompt)):
            why = "the box stands in a quotation of the prompt"
        else:
            kept.append(box)
    return kept, why


def _is_template(content: str) -> bool:
    bare = content.strip()
    if not bare:
        return True
    if len(re.sub(r"\\[A-Za-z]+|[^A-Za-z]", "", bare)) == 1:
        return False  # one letter: an option, a variable
    if len(bare) > 60 or _NEVER_TEMPLATE.search(bare):
        return False
    bare = re.sub(r"\\(?:text|mathrm|textbf|mathbf|boxed|fbox)\s*\{|[{}$]", "", bare).strip()
    if not bare or bare.strip("?._- ") == "":
        return True
    if not any(c.isalpha() for c in bare):
        return not any(c in "\\∅∞πℝ" or c.isnumeric() for c in bare)
    return bare.lower() not in _WORDY_TRUTH and _TEMPLATE.fullmatch(bare) is not None


def _is_quoted(text: str, box: _Box) -> bool:
    line_start = text.rfind("\n", 0, box.start) + 1
    before = text[max(line_start, box.start - 300) : box.start]
    if "“" not in before and '"' not in before:
        return False
    straight = before.count('"') % 2 == 1 or before.count("“") > before.count("”")
    return straight and _OPEN_QUOTE.search(before) is not None


def _from_prompt(text: str, box: _Box, prompt: str) -> bool:
    """Tell whether the box and the words before it are copied from the prompt."""
    if "boxed" not in prompt and "fbox" not in prompt:
        return False
    context = " ".join(text[max(0, box.start - 25) : box.end].split())
    return len(context) > (box.end - box.start) + 10 and context in " ".join(prompt.split())


def _final_group(text: str, boxes: list[_Box]) -> list[_Box]:
    """Return the boxes of the final sentence: the last one and those offered together with it."""
    group = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        gap = text[box.end : group[0].start]
        if _JOINED.fullmatch(gap):
            joined = "\n" not in gap or _ALTERNATIVE.search(gap) is not None
        else:
            joined = _SENTENCE_END.search(gap) is None and _CORRECTION.search(gap) is None and len(gap) < 400
        if not joined:
            break
        group.insert(0, box)
    return group


# ---- without a box


def _announced(text: str) -> Extraction:
    """Find an answer announced in another way; the plainest announcement first, the last of its kind."""
    tagged = _tagged(text)
    for content, how in ((_after_hashes(text), "what follows the last ####"), (tagged, "the last <answer> tag")):
        if content is not None:
            answer = _LABEL.sub("", content.strip()).strip()
            return (
                Extraction((answer,), how) if answer and not _is_template(answer) else Extraction((), how + " is empty")
            )
    found = _last(_ANNOUNCED, text)
    if found is not None:
        if _DENIED.search(text[max(0, found.start() - 60) : found.start()]):
            return Extraction((), "the response denies that this is the answer")
        if _SECOND_THOUGHT.search(text[found.end() :][:400]):
            return Extraction((), "the response offers another answer beside it")
        answer = _trimmed(text[found.end() :].partition("\n")[0])
        answer = _SUBJECT.sub("", answer)
        if not answer:  # "The answer is:" and then a line of its own
            answer = _trimmed(text[found.end() :].strip().partition("\n")[0])
        if _NEGATED_START.match(answer):
            return Extraction((), "the response says what the answer is not")
        if answer and not _is_template(answer):
            return Extraction((answer,), "what the response says the answer is")
        return Extraction((), "the announced answer is empty")
    found = _last(_HEADING, text)
    if found is not None and (answer := _trimmed(found.group(1) or found.group(2))) and not _is_template(answer):
        return Extraction((answer,), "the line under the heading")
    found = _last(_BOLD, text)
    if found is not None and _BOLD_BEFORE.search(text[max(0, found.start() - 210) : found.start()]):
        return Extraction((), "several texts in bold stand side by side")
    if found is not None and _NEGATED_BEFORE.search(text[max(0, found.start() - 60) : found.start()]):
        return Extraction((), "the response says what the answer is not")
    if found is not None:
        answer = _trimmed(_LABEL.sub("", found.group(1).strip()))
        if answer and not _is_template(answer):
            return Extraction((answer,), "the last text in bold")
    bare = _CONCLUDING.sub("", text.strip())
    if (said := _IS_THE_ANSWER.match(bare)) is not None:
        bare = said.group(1)
    if len(bare) <= 200 and "\n" not in bare and not _NEGATED_START.match(bare):
        if not _is_template(bare):
            return Extraction((bare,), "the whole response")
    return Extraction((), "no box and no announced answer")


def _after_hashes(text: str) -> str | None:
    found = _last(_HASHES, text)
    return None if found is None else str(found.group(1))


def _tagged(text: str) -> str | None:
    """Return what stands in the last complete <answer> tag."""
    lower = text[-_END:].lower()
    end = lower.rfind("</answer>")
    start = lower.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[-_END:][start + 8 : end] if start >= 0 and len(lower) == len(text[-_END:]) else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the last match, looking at the end of a long text only."""
    return next(iter(deque(pattern.finditer(text, max(0, len(text) - _END)), maxlen=1)), None)


def _trimmed(text: str) -> str:
    """Cut an announced answer at the end of what it says: `42, because ...` is 42."""
    text = text[:600].strip().strip("*_ ").strip()
    while (lead := _LEAD.match(text)) is not None and lead.end():
        text = text[lead.end() :].lstrip("*_ ")
    stop = _STOP.search(text)
    if stop is not None:
        text = text[: stop.start()]
    return text.strip().strip("*_ ").rstrip(".,;:").strip()
