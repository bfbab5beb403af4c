"""Reads plain text: paragraphs between empty lines, and headings by plain signs."""

import re
from pathlib import PurePosixPath

from edge_llm.documents.reading.blocks import Block, Document, Heading, Lines, Paragraph
from edge_llm.documents.tokens import UNSPACED

_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+\S.{0,70}")
_CHAPTER = re.compile(
    r"(?:chapter|kapitel|chapitre|capítulo|hoofdstuk)\s+[\dIVXLC]+\b.{0,70}|第.{1,4}[章节].{0,30}",
    re.IGNORECASE,
)
_ENDS_SENTENCE = re.compile(r"[.!?:;,。！？：；，]$")
_ITEM = re.compile(r"\s*(?:[-*•–‣▪·+]|\d{1,3}[.)]|[a-z]\)|[（(]\d{1,2}[)）])\s+\S")
_PARTED = re.compile(r"[^\W\d_][-\u00ad\u2010]$")
_UNSPACED = re.compile(f"[{UNSPACED}\u3000-\u3002\uff00-\uffef]")
_LABEL = re.compile("[^,;.!?:，；。！？：]{1,14}")
"""A short line without a mark that ends or parts a sentence."""
_LABEL_LEVEL = 3
"""Level of a heading that only the paragraph below it has: never the title, and below every chapter."""
_UNDERLINE = re.compile(r"\s*([=\-~*_#])\1{2,}\s*")


def title_of(path: str) -> str:
    """A title for a document that has none: its file's name without the ending."""
    return " ".join(re.sub(r"[_]+", " ", PurePosixPath(path).stem).split())


def read_text(text: str, path: str) -> Document:
    """Read plain text."""
    groups = [group.split("\n") for group in re.split(r"\n\s*\n", text) if group.strip()]
    blocks: list[Block] = []
    for number, lines in enumerate(groups):
        more = number + 1 < len(groups)
        blocks += _read_group(lines, may_be_heading=more, may_be_title=more and not number)
    first = next(
        (each for each in blocks[:1] if isinstance(each, Heading) and each.level < _LABEL_LEVEL), None
    )
    return Document(first.text if first else title_of(path), tuple(blocks))


def _read_group(lines: list[str], *, may_be_heading: bool, may_be_title: bool) -> list[Block]:
    """Read lines between which no empty one stands."""
    blocks: list[Block] = []
    if len(lines) > 1 and lines[0].strip() and _UNDERLINE.fullmatch(lines[1]):
        level = 1 if lines[1].strip()[0] in "=*#" else 2
        blocks.append(Heading(level, " ".join(lines[0].split())))
        lines = lines[2:]
    elif len(lines) == 1 and may_be_heading and (level := heading_level(lines[0])):
        return [Heading(level, " ".join(lines[0].split()))]
    elif len(lines) == 1 and may_be_title and _is_unspaced_title(lines[0]):
        return [Heading(1, " ".join(lines[0].split()))]
    elif _begins_with_label(lines):
        blocks.append(Heading(_LABEL_LEVEL, " ".join(lines[0].split())))
        lines = lines[1:]
    lines = [line for line in lines if not _UNDERLINE.fullmatch(line)]
    return blocks + join_lines(lines)


def heading_level(line: str) -> int:
    """The level of a line that stands alone if it is a heading, else 0: numbered, or in capitals."""
    line = line.strip()
    if not line or _ENDS_SENTENCE.search(line):
        return 0
    if numbered := _NUMBERED.fullmatch(line):
        return 1 + numbered.group(1).count(".")
    if _CHAPTER.fullmatch(line):
        return 1
    capitals = sum(each.isupper() for each in line)  # not the characters of scripts without capitals
    return 2 if line.isupper() and capitals > 3 and len(line) <= 80 else 0


def _is_unspaced_title(line: str) -> bool:
    """Tell whether a text's first line, which stands alone, is a title in a script without capitals."""
    line = line.strip()
    return len(line) <= 40 and bool(_UNSPACED.search(line)) and not _ENDS_SENTENCE.search(line)


def _begins_with_label(lines: list[str]) -> bool:
    """Tell whether the first line is a heading of the others: short, and without a mark at its end."""
    if len(lines) < 2:
        return False
    first, second = (line.strip() for line in lines[:2])
    return bool(_UNSPACED.search(first) and _LABEL.fullmatch(first)) and len(second) >= 2 * len(first)


def is_item(line: str) -> bool:
    """Whether a line begins an item of a list."""
    return bool(_ITEM.match(line))


def join_words(text: str, line: str) -> str:
    """Join a line to the text before it, and mend a word that was parted at the line's end."""
    if _PARTED.search(text) and line[:1].islower():
        return text[:-1] + line
    if _UNSPACED.match(text[-1:]) and _UNSPACED.match(line):
        return text + line
    return f"{text} {line}"


def join_lines(lines: list[str], page: int | None = None) -> list[Block]:
    """Join the lines of a paragraph, and those of each item of a list that stands in it."""
    text = ""
    items: list[str] = []
    for line in lines:
        words = " ".join(line.split())
        if not words:
            continue
        if is_item(line):
            items.append(words)
        elif items:
            items[-1] = join_words(items[-1], words)
        else:
            text = join_words(text, words) if text else words
    blocks: list[Block] = [Paragraph(text, page)] if text else []
    return [*blocks, Lines(tuple(items), page=page)] if items else blocks
