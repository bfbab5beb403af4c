"""Makes text speakable: no Markdown, sentence by sentence, while it is still being written."""

import re

_LEAST = 12
"""Minimum characters of a sentence: shorter pieces ("e.g.", "1.") go with what follows."""
_END = re.compile(r"""(?<=[.!?…])["')\]]*\s+|(?<=[\u3002\uff01\uff1f])|\n+""")
_STOPS = ".!?\u2026\u3002\uff01\uff1f"
_FENCE = "```"
_MARKUP: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),  # links and images: their words
    (re.compile(r"^\s*(?:#{1,6}|>|[-*+•])\s+"), ""),  # headings, quotations, lists
    (re.compile(r"^\s*(?:[-*_]\s*){3,}$|^[\s|:-]+$"), ""),  # rules, and those of tables
    (re.compile(r"\s*\|\s*"), ", "),
    (re.compile(r"<[a-zA-Z/][^<>]*>"), ""),
    (re.compile(r"[`~]+|\*+(?!\s)|(?<!\s)\*+|(?<!\w)_+|_+(?!\w)"), ""),
    (re.compile("[\u2190-\u21ff\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001faff]"), ""),  # arrows, emoji
    (re.compile(r"\s+"), " "),
)
_LONG_NUMBER = re.compile(r"\b\d+\.\d{4,}\b")
"""A third of 100 percent, for example."""


class Sentences:
    """Takes the pieces of a reply, and hands out each sentence when it is whole."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._text = ""
        self._in_code = False

    def add(self, piece: str) -> list[str]:
        """Take a piece; returns the sentences that are whole now."""
        self._text += piece
        whole = []
        begin = 0
        for end in _END.finditer(self._text):
            if end.end() == len(self._text) and "\n" not in end.group():
                break  # more white space, or a new line, may follow
            if end.start() - begin >= _LEAST or "\n" in end.group():
                whole.append(self._spoken(self._text[begin : end.start()]))
                begin = end.end()
        self._text = self._text[begin:]
        return [sentence for sentence in whole if sentence]

    def end(self, *, is_cut: bool = False) -> list[str]:
        """The rest; of a reply that ``is_cut`` only what is a whole sentence."""
        rest = self._spoken(self._text)
        self._text = ""
        return [rest] if rest and not (is_cut and rest[-1] not in _STOPS) else []

    def _spoken(self, text: str) -> str:
        """A sentence without markup; nothing of a block of code."""
        if text.lstrip().startswith(_FENCE):
            self._in_code = not self._in_code
            return ""
        if self._in_code:
            return ""
        return spoken(text)


def spoken(text: str) -> str:
    """A line of text without Markdown and pictures."""
    for pattern, words in _MARKUP:
        text = pattern.sub(words, text)
    text = _LONG_NUMBER.sub(lambda number: f"{float(number.group()):.1f}", text)
    return text.strip(" ,")
