"""What is left of an answer when everything that carries no meaning is taken off?

`undress` turns the text of an answer, as models write it (LaTeX, Markdown, Unicode, plain), into one plain LaTeX
dialect that the reader understands: no math delimiters, no spacing or sizing commands, no colours or fonts, one
spelling for each symbol, digits joined that are one number. It does not decide anything: two answers that undress to the
same text are the same answer, and nothing more is promised. Time is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["join_groups", "undress"]

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙₓ", "0123456789+-()nx", strict=True))

# Symbols whose LaTeX spelling the reader knows. A command ends with a space so that it never runs into a letter.
_SYMBOLS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "﹣": "-", "－": "-",
    "×": "\\times ", "✕": "\\times ", "·": "\\cdot ", "⋅": "\\cdot ", "∙": "\\cdot ", "∗": "*", "÷": "\\div ",
    "⁄": "/", "∕": "/", "π": "\\pi ", "∞": "\\infty ", "±": "\\pm ", "∓": "\\mp ",
    "≤": "\\le ", "⩽": "\\le ", "≥": "\\ge ", "⩾": "\\ge ", "≠": "\\ne ", "≈": "\\approx ", "≡": "\\equiv ",
    "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "∖": "\\setminus ", "∅": "\\emptyset ", "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}", "ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}",
    "°": "^\\circ ", "º": "^\\circ ", "˚": "^\\circ ",
    "⟨": "\\langle ", "⟩": "\\rangle ", "〈": "\\langle ", "〉": "\\rangle ", "⌊": "\\lfloor ", "⌋": "\\rfloor ",
    "⌈": "\\lceil ", "⌉": "\\rceil ", "∣": "|", "√": "\\sqrt", "∛": "\\sqrt[3]", "∜": "\\sqrt[4]",
    "∑": "\\sum ", "∏": "\\prod ", "∫": "\\int ", "∠": "\\angle ", "△": "\\triangle ", "′": "'", "″": "''",
    "α": "\\alpha ", "β": "\\beta ", "γ": "\\gamma ", "δ": "\\delta ", "ε": "\\epsilon ", "θ": "\\theta ",
    "λ": "\\lambda ", "μ": "\\mu ", "ρ": "\\rho ", "σ": "\\sigma ", "τ": "\\tau ", "φ": "\\phi ", "ϕ": "\\phi ",
    "ω": "\\omega ", "ψ": "\\psi ", "Δ": "\\Delta ", "Ω": "\\Omega ", "…": "...", "⋯": "...",
    "“": '"', "”": '"', "‘": "'", "’": "'", "，": ",", "、": ",", "；": ";", "：": ":", "（": "(", "）": ")",
    "％": "%", "＄": "\\$", "﹩": "\\$", "∧": "\\land ", "∨": "\\lor ", "½": "\\frac{1}{2}", "→": "\\to ",
}  # fmt: skip

_INVISIBLE = frozenset(["Cf", "Cc", "Cs", "Co", "Cn", "Mn", "Me"])

# \sqrt2x is \sqrt{2}x in TeX; the sign √ before a number takes all of the number.
_RAISED_INDEX = re.compile(r"([²³⁴⁵⁶⁷⁸⁹])√")
_RADICAL = re.compile(r"(\\sqrt(?:\[\d\])?)\s*(\d+(?:\.\d+)?)")


def _from_unicode(text: str) -> str:
    """Spell in ASCII LaTeX what has such a spelling; drop what cannot be seen; leave other letters alone."""
    if len(text) < 4_000:  # a run of combining characters takes the square of its length
        text = unicodedata.normalize("NFC", text)
    text = _RAISED_INDEX.sub(lambda found: f"\\sqrt[{_SUPERSCRIPTS[found[1]]}]", text)
    out: list[str] = []
    radicals = "\\sqrt[" in text
    script = ""  # inside a run of superscripts ("^") or subscripts ("_")
    for ch in text:
        if ch in _SUPERSCRIPTS:
            out.append(_SUPERSCRIPTS[ch] if script == "^" else ("}" if script else "") + "^{" + _SUPERSCRIPTS[ch])
            script = "^"
            continue
        if ch in _SUBSCRIPTS:
            out.append(_SUBSCRIPTS[ch] if script == "_" else ("}" if script else "") + "_{" + _SUBSCRIPTS[ch])
            script = "_"
            continue
        if script:
            out.append("}")
            script = ""
        if ch < "\x7f":
            out.append(ch if ch >= " " or ch in "\n\t" else " " if ch in "\r\f\v" else "")
            continue
        known = _SYMBOLS.get(ch)
        if known is not None:
            radicals = radicals or ch == "√"
            out.append(known)
            continue
        digit = unicodedata.decimal(ch, None)
        if digit is not None:
            out.append(str(digit))
            continue
        category = unicodedata.category(ch)
        if "\u0334" <= ch <= "\u0338" or ch == "\u202e" or category == "Me":
            out.append("\\cancel ")  # struck out, or shown in another order than written
            continue
        if category in _INVISIBLE:
            continue
        if category[0] == "Z":
            out.append(" ")
            continue
        folded = unicodedata.normalize("NFKC", ch)
        if folded == ch:
            out.append(ch)
        elif unicodedata.numeric(ch, None) is not None and "⁄" in folded:
            over, under = folded.split("⁄")
            out.append(f"\\frac{{{over}}}{{{under or 1}}}")
        else:
            out.append("".join(_SYMBOLS.get(c, c) for c in folded))
    if script:
        out.append("}")
    spelled = "".join(out)
    return _RADICAL.sub(r"\1{\2}", spelled) if radicals else spelled


_RENAMED = {
    "nicefrac": "\\frac", "sfrac": "\\frac", "cr": "\\\\", "Bbb": "\\mathbb",
    "dfrac": "\\frac", "tfrac": "\\frac", "cfrac": "\\frac", "dbinom": "\\binom", "tbinom": "\\binom", "leq": "\\le ",
    "leqslant": "\\le ", "geq": "\\ge ", "geqslant": "\\ge ", "neq": "\\ne ", "lbrace": "\\{", "rbrace": "\\}",
    "lparen": "(", "rparen": ")", "lbrack": "[", "rbrack": "]", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|",
    "ldots": "...", "dots": "...", "cdots": "...", "dotsc": "...", "lt": "<", "gt": ">", "colon": ":",
    "varnothing": "\\emptyset ", "backslash": "\\setminus ", "smallsetminus": "\\setminus ", "degree": "^\\circ ",
    "textdegree": "^\\circ ",
    "textdollar": "\\$", "mathdollar": "\\$", "euro": "€", "pounds": "£", "yen": "¥", "R": "\\mathbb{R}", "Z": "\\mathbb{Z}",
    "ast": "*", "star": "*", "tfrac12": "\\frac12", "infin": "\\infty ", "reals": "\\mathbb{R}", "imath": "i", "bigcup": "\\cup ",
    "simeq": "\\approx ", "sim": "\\approx ", "cong": "\\approx ", "percent": "\\%", "slash": "/", "And": "\\land ",
    "varepsilon": "\\epsilon ", "varphi": "\\phi ", "vartheta": "\\theta ", "wedge": "\\land ", "vee": "\\lor ", "divide": "\\div ",
    "mod": "\\pmod ", "minus": "-", "ell": "l", "bar": "\\overline ", "plus": "+", "equals": "=", "i": "i", "e": "e",
    "lang": "\\langle ", "rang": "\\rangle ",
    "newline": " ", "lVert": "|", "rVert": "|", "nobreakspace": " ", "surd": "\\sqrt", "lor": "\\lor ",
}  # fmt: skip

# Commands that vanish: size, spacing, style. Those of the second set take a braced argument with them.
_VANISH = frozenset(
    "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle "
    "scriptstyle scriptscriptstyle limits nolimits quad qquad enspace thinspace negthinspace medspace "
    "thickspace hfill bf it rm sf tt em bfseries itshape large Large LARGE huge Huge small normalsize tiny "
    "centering noindent boldmath unboldmath relax "
    "therefore because checkmark blacksquare footnotesize scriptsize normalfont qedhere "
    "strut allowbreak nobreak ensuremath mathstrut".split()
)
_VANISH_WITH_ARGUMENT = frozenset(
    "color fcolorbox overset underset stackrel hspace vspace phantom hphantom vphantom label tag ref textcolor colorbox "
    "mspace kern href".split()
)
# Commands that only dress their argument, which stays: as mathematics, or as words.
_KEEP_ARGUMENT = frozenset(
    "bold mathbf boldsymbol overrightarrow bm mathit mathnormal displaylines boxed fbox underline underbrace overbrace mathcal "
    "mathscr mathfrak hat tilde vec mathring pmb mathsf mathtt emph ensuremath mathop mathbin mathrel mathord "
    "smash".split()
)
_WORDS = frozenset(
    "text textbf textit textrm textsf texttt textup textnormal textsc mbox hbox mathrm operatorname rm textmd "
    "textsl".split()
)

_COMMAND = re.compile(r"\\([A-Za-z]+)\*?[ \t]*|\\(.)|(~)", re.DOTALL)
_ARGUMENT = re.compile(r"\s*\{[^{}]*\}")
_MATH_FONT = re.compile(r"\\(?:mathbb|Bbb)\s*\{?\s*([RZNQC])\s*\}?")
_BRACED_SIGN = re.compile(r"\{\s*([.:,+=<>-])\s*\}")
_NEGATED_SIGN = re.compile(r"\\not\s*(?:=|\\equiv\b)")
_ROW_SPACING = re.compile(r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]")
_DOUBLED = re.compile(
    r"\\\\(?=(?:d?frac|sqrt|left|right|pi|text|cdot|times|pm|infty|cup|boxed|mathbf|mathrm|in|le|ge|theta)(?![A-Za-z]))"
)
_RUN_ON = re.compile(r"\\(q?quad)(?=[A-Za-z])")
_WORD_MOD = re.compile(r"\(\s*\\(?:text\s*\{\s*mod\s*\}|p?mod)\s*([^(){}]+)\)")
_LETTER_UNION = re.compile(r"(?<=[)\]])\s*U\s*(?=[(\[])")
_REMARK = re.compile(
    r"(?<=.)\\text\s*\{\s*\("
    r"(?![^)]*(?:\b(?:or|not|and|no)\b|wrong|incorrect|reject|extran|fail|exclu|invalid|impossible|false|discard))"
    r"[A-Za-z ]{3,40}\)\s*\}\s*$"
)
_LETTER_TIMES = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
_SPACES = re.compile(r"[ \t\r\n]+")
_HARD_GROUP = re.compile(
    r"(?<=\d)(?:\s*\{\s*,\s*\}(?:\s|\\[!,;: ])*|,?\\!\s*,?\\?!?\s*|\\[,;:]\s*|\{\\[,;:]\}|\{\s\})(?=\d{3}(?!\d))"
)
_SPACE_GROUP = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?![\d.,]|\s*/)")
_COMMA_GROUP = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?!\d|,\d)")
_DELIMITERS = re.compile(r"\\[()\[\]]|\$\$?")
_EMPHASIS = re.compile(r"^(\*{1,3}|_{1,3}|`{1,3}|\"|')(?=\S)(.*\S)\1$", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9 ,./()+=\[\]^:<>|-]*", re.ASCII)


def undress(text: str) -> str:
    """Return the answer in the reader's dialect; an empty string if nothing is left."""
    if not _PLAIN.fullmatch(text):
        text = _undress(text)
    elif "  " in text:
        text = _SPACES.sub(" ", text)
    if "Rs." in text:
        text = text.replace("Rs.", "Rs ")
    if "U" in text:
        text = _LETTER_UNION.sub(r"\\cup ", text)
    if "10" in text and ("x" in text or "X" in text):
        text = _LETTER_TIMES.sub(r"\\times ", text)
    text = text.strip()
    if text and text[-1] in ".,;: " and not text.endswith("..."):
        text = text.rstrip(".,;: ")
    if " " in text and _SPACE_GROUP.search(text):
        text = _SPACE_GROUP.sub(lambda found: found.group().replace(" ", ""), text)
    return text


def join_groups(text: str, *, unmistakable: bool = False) -> str:
    """Read commas between groups of three digits as part of one number, except inside brackets (a point, a set).

    unmistakable: only where a group starts with 0, as no member of a list would (`1,000`).
    """
    if "," not in text:
        return text
    out: list[str] = []
    depth = 0
    end = 0
    for found in _COMMA_GROUP.finditer(text):
        gap = text[end : found.start()]
        depth += sum(gap.count(b) for b in "([") + gap.count("\\{") - sum(gap.count(b) for b in ")]") - gap.count("\\}")
        out.append(gap)
        joins = depth <= 0 and (",0" in found.group() or not unmistakable)
        out.append(found.group().replace(",", "") if joins else found.group())
        end = found.end()
    out.append(text[end:])
    return "".join(out)


def _undress(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        text = _from_unicode(text)
    text = text.strip().rstrip(".,;:") if text.rstrip().endswith(("*.", "*,", "`.", '".')) else text.strip()
    for _ in range(3):
        emphasis = _EMPHASIS.match(text)
        if emphasis is None:
            break
        text = emphasis.group(2).strip()
    if "\\" in text or "{" in text or "~" in text:
        if text.endswith("\\") and not text.endswith("\\\\"):
            text += " "  # the space of a trailing "\ " was stripped
        if "\\\\" in text and "\\begin" not in text:
            text = _DOUBLED.sub(r"\\", text)  # escaped once too often, by JSON
        if "quad" in text:
            text = _RUN_ON.sub(" ", text)
        text = _HARD_GROUP.sub("", text)
        text = _BRACED_SIGN.sub(r"\1", text)
        if "\\not" in text:
            text = _NEGATED_SIGN.sub(r"\\ne ", text)
        if "\\\\" in text:
            text = _ROW_SPACING.sub(r"\\\\", text).rstrip()
            text = text[:-2] if text.endswith("\\\\") else text
        text = _MATH_FONT.sub(r"\\mathbb{\1}", text)
        text = _rename(text).replace("{}", "")
        if ")" in text and "\\text" in text:
            text = _REMARK.sub("", text)
        if "mod" in text:
            text = _WORD_MOD.sub(r"\\pmod{\1}", text)
        if "\\equiv " in text and "mod" not in text:
            text = text.replace("\\equiv ", "=")
    if "$" in text:
        text = text.replace("US\\$", "\\$").replace("US$", "$")
        text = _money_or_math(text)
    if "**" in text:
        text = text.strip("*") if text.startswith("**") else text
    return _SPACES.sub(" ", text)


def _rename(text: str) -> str:
    out: list[str] = []
    end = 0
    found = _COMMAND.search(text)
    while found is not None:
        out.append(text[end : found.start()])
        end = found.end()
        word, sign = found.group(1), found.group(2)
        if word is None:
            # \, \; \! and the tie ~ are spaces; \$ \% \{ \} \| and the row end \\ have meaning; \( \) \[ \] delimit.
            if sign is None or sign in " ,;:!/>\n\t":
                out.append(" " if sign != "!" else "")
            elif sign == "|":
                out.append("|")
            elif sign == "&" or sign == "#" or sign == "_":
                out.append(sign)
            elif sign not in "()[]":
                out.append("\\" + sign)
            else:
                out.append(" ")
        elif word in _VANISH:
            if end < len(text) and text[end] == "." and word in ("left", "right"):
                end += 1
        elif word in _VANISH_WITH_ARGUMENT:
            for _ in range(2 if word == "fcolorbox" else 1):
                argument = _ARGUMENT.match(text, end)
                if argument is not None and "?" in argument.group():
                    out.append("\\cancel ")  # equal, with a question mark over it
                end = end if argument is None else argument.end()
        elif word in _KEEP_ARGUMENT:
            pass
        elif word in _WORDS:
            out.append("\\text")
        elif word in _RENAMED:
            out.append(_RENAMED[word])
        elif word == "mathbb":
            out.append("\\mathbb")
        else:
            out.append("\\" + word + " ")
        found = _COMMAND.search(text, end)
    out.append(text[end:])
    return "".join(out)


def _money_or_math(text: str) -> str:
    """Drop `$` where it delimits mathematics; keep it, as `\\$`, where it is money."""
    signs = text.replace("\\$", "").count("$")
    if signs == 0:
        return text
    if signs % 2 == 0:
        return re.sub(r"(?<!\\)\$", " ", text).strip()
    return (
        re.sub(r"(?<!\\)\$(?=\s*[\d.])", r"\\$", text, count=1)
        if re.search(r"\$\s*[\d.]", text)
        else text.replace("$", "")
    )
