"""Cuts a document into passages, below one heading each, and numbers the chapters that they make."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_llm.documents.reading.blocks import Block, Document, Heading, Lines, Paragraph
from edge_llm.documents.reading.sentences import pieces, sentences
from edge_llm.documents.tokens import estimate_tokens

PASSAGE_TOKENS = 230
"""Most tokens of a passage: about 180 words of English, 230 characters of Chinese."""
CHAPTER_TOKENS = 400
"""Most tokens of a chapter."""
_LEAD_TOKENS = 50
"""A paragraph of at most this many tokens before a list belongs to each part of the list."""
_HEADING_CHARACTERS = 120
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Section:
    """A passage of a document that is not in the index yet."""

    heading: str
    page: int | None
    text: str
    chapter: int
    """Number of the block of neighbouring passages that it belongs to, from 0."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is never cut."""

    text: str
    page: int | None
    lead: str = ""
    joint: str = "\n"
    """What stands between it and the piece before it."""


def cut_into_passages(document: Document) -> list[Section]:
    """Cut ``document`` into passages and chapters; always the same for the same document."""
    found = [
        (clean(heading), page, clean(text))
        for heading, blocks in _below_headings(document)
        for page, text in _pack(list(_pieces(blocks)))
    ]
    return list(_number_chapters(found))


def clean(text: str) -> str:
    """Leave out control characters and halves of pairs, which damaged files have."""
    return _NOT_TEXT.sub("", text)


def _below_headings(document: Document) -> Iterator[tuple[str, list[Block]]]:
    """Yield each heading's path and what stands below it."""
    path: list[Heading] = []
    below: list[Block] = []
    for block in (*document.blocks, Heading(0, "")):
        if not isinstance(block, Heading):
            below.append(block)
            continue
        last = path[-1] if path else None
        if last and not below and block.level <= last.level and last.text != document.title:
            # Nothing stands below it: it is all the text that there is.
            below = [Paragraph(last.text, last.page)]
        if below:
            yield _words_of(path, document.title), below
            below = []
        path = [*(each for each in path if each.level < block.level), block]


def _words_of(path: list[Heading], title: str) -> str:
    return " > ".join(each.text[:_HEADING_CHARACTERS] for each in path if each.text != title)


def _pieces(blocks: list[Block]) -> Iterator[_Piece]:
    for before, block, after in zip([None, *blocks[:-1]], blocks, [*blocks[1:], None], strict=True):
        if isinstance(block, Paragraph):
            introduces = isinstance(after, Lines) and not after.lead
            rest = _before_lead(block.text) if introduces else block.text
            joint = "\n\n"
            for text in pieces(rest, PASSAGE_TOKENS // 2):
                yield _Piece(text, block.page, joint=joint)
                joint = " "
        elif isinstance(block, Lines):
            lead = block.lead
            if not lead and isinstance(before, Paragraph):
                lead = before.text[len(_before_lead(before.text)) :].strip()
            if estimate_tokens(lead) > PASSAGE_TOKENS // 2:  # a header row of very many words
                lead = next(pieces(lead, PASSAGE_TOKENS // 2))
            yield from _of_lines(block, lead)


def _of_lines(block: Lines, lead: str) -> Iterator[_Piece]:
    joint = "\n\n"
    for line in block.lines:
        for text in pieces(line, PASSAGE_TOKENS // 2) if estimate_tokens(line) > PASSAGE_TOKENS else (line,):
            yield _Piece(text, block.page, lead, joint)
            joint = "\n"


def _before_lead(text: str) -> str:
    """The part of a paragraph that is not repeated with each part of the list that follows it."""
    if estimate_tokens(text) <= _LEAD_TOKENS:
        return ""
    last = sentences(text)[-1]
    if last.endswith((":", "：")) and estimate_tokens(last) <= _LEAD_TOKENS:
        return text[: -len(last)]
    return text


def _pack(found: list[_Piece]) -> Iterator[tuple[int | None, str]]:
    """Join pieces to passages of about the same size."""
    leads = {piece.lead for piece in found}
    total = sum(map(estimate_tokens, leads)) + sum(estimate_tokens(piece.text) for piece in found)
    wanted = total / max(1, -(-total // PASSAGE_TOKENS))
    text, page, lead, size = "", None, "", 0
    for piece in found:
        tokens = estimate_tokens(piece.text)
        if text and (size >= wanted or size + tokens > PASSAGE_TOKENS):
            yield page, text
            text, lead, size = "", "", 0
        page = page if text else piece.page
        if piece.lead and piece.lead != lead:
            text += ("\n\n" if text else "") + piece.lead
            size += estimate_tokens(piece.lead)
            joint = "\n"
        else:
            joint = piece.joint if text else ""
        lead = piece.lead
        text += joint + piece.text
        size += tokens
    if text:
        yield page, text


def _number_chapters(found: Iterable[tuple[str, int | None, str]]) -> Iterator[Section]:
    """Join neighbouring passages while they fit, headings that belong together first."""
    chapter, size, top = -1, CHAPTER_TOKENS, ""
    for heading, page, text in found:
        tokens = estimate_tokens(heading) + estimate_tokens(text)
        first = heading.split(" > ", 1)[0]
        # Another top heading begins a chapter, but where the last one is small still.
        if size + tokens > CHAPTER_TOKENS or (first != top and size > CHAPTER_TOKENS // 2):
            chapter += 1
            size = 0
        size += tokens
        top = first
        yield Section(heading, page, text, chapter)
