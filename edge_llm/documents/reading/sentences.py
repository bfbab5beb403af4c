"""Cuts running text at the ends of its sentences."""

import re
from collections.abc import Iterator

from edge_llm.documents.tokens import estimate_tokens

_END = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=[\"'“‘«„(\[¿¡]*[^\Wa-z_])"  # a capital or a digit follows
    r"|(?<=[。！？；])[”’」』）]*"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|z\.\s?B|d\.\s?h|bzw|ca|vgl|usw|Nr|No|Abb|Fig|Dr|Mr|Mrs|St|Art|Kap|max|min|"
    r"approx|e\.g|i\.e|vs|inkl|ggf|evtl|env|p\.\s?ex|p\.\s?ej|bijv|núm|Sr|Sra)\.$"
)
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.$")


def sentences(text: str) -> list[str]:
    """Cut ``text`` into its sentences; together they are the text, but for the space between them."""
    found: list[str] = []
    begin = 0
    for match in _END.finditer(text):
        end = match.start() if match.group().isspace() else match.start() + len(match.group().rstrip())
        before = text[max(begin, end - 12) : end]
        if end <= begin or _ABBREVIATION.search(before) or _ORDINAL.search(before):
            continue
        found.append(text[begin:end])
        begin = match.end()
    rest = text[begin:].strip()
    return [*found, rest] if rest else found


def pieces(text: str, most_tokens: int) -> Iterator[str]:
    """Cut ``text`` at sentences; one that has more than ``most_tokens`` itself is cut at words."""
    for sentence in sentences(text):
        if estimate_tokens(sentence) <= most_tokens:
            yield sentence
        else:
            yield from _cut(sentence, most_tokens)


def _cut(text: str, most_tokens: int) -> Iterator[str]:
    while estimate_tokens(text) > most_tokens:
        # As many characters as certainly fit; four times as many where they are letters.
        end = min(len(text), most_tokens * 4)
        while estimate_tokens(text[:end]) > most_tokens:
            end = max(1, end * 3 // 4)
        space = max(text.rfind(mark, 0, end) for mark in " ,;，、；")
        end = space + 1 if space > end // 2 else end
        yield text[:end].strip()
        text = text[end:]
    if text.strip():
        yield text.strip()
