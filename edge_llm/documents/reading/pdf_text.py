"""Makes headings and paragraphs of the lines of a PDF's pages."""

import re
from collections import Counter
from dataclasses import dataclass

from edge_llm.documents.reading.blocks import Block, Heading, Lines, Paragraph
from edge_llm.documents.reading.plain import is_item, join_words

_LARGER = 1.15
"""A line is a heading if its letters are larger than those of most text by this factor."""
_MAX_HEADING = 100
_EDGE_LINES = 2
"""Lines at the top and the bottom of a page that may be running headers and footers."""
_LEAST_PAGES = 3
_CONTENTS = re.compile(r"(?:\s?[.·…_]){4,}\s*[\divxlc]{0,5}$")
_DIGITS = re.compile(r"\d+")
_ENDS = re.compile(r"[.!?:…。！？：][\"'”’»)\]」』）]*$")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page."""

    text: str
    size: float
    """Height of its largest letters, in points."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry of the outline."""

    level: int
    title: str
    page: int
    """From 0."""


def blocks_of(pages: list[list[Line]], outline: list[Mark]) -> list[Block]:
    """Make blocks of the pages' lines, with headings by the outline, else by the size of letters."""
    pages = _without_running(pages)
    body = _body_size(pages)
    levels = _levels(pages, body)
    blocks: list[Block] = []
    for number, lines in enumerate(pages):
        page = _Page(number + 1, lines)
        marks = [mark for mark in outline if mark.page == number]
        if outline:
            page.read_with_marks(marks)
        else:
            page.read_with_sizes(levels)
        blocks += page.blocks
    return blocks


def _without_running(pages: list[list[Line]]) -> list[list[Line]]:
    """Leave out headers and footers that stand on half of the pages, tables of contents and page numbers."""
    counts = Counter(
        key
        for lines in pages
        for key in {_key(line) for line in (*lines[:_EDGE_LINES], *lines[-_EDGE_LINES:])}
    )
    running = {key for key, count in counts.items() if count >= max(_LEAST_PAGES, len(pages) / 2)}
    kept: list[list[Line]] = []
    for lines in pages:
        last = len(lines) - _EDGE_LINES
        kept.append(
            [
                line
                for place, line in enumerate(lines)
                if not (_key(line) in running | {"#"} and (place < _EDGE_LINES or place >= last))
                and not _CONTENTS.search(line.text)
            ]
        )
    return kept


def _key(line: Line) -> str:
    return _DIGITS.sub("#", line.text).strip(" -–|")


def _body_size(pages: list[list[Line]]) -> float:
    """The size that most letters have."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _levels(pages: list[list[Line]], body: float) -> dict[float, int]:
    """Levels of headings by the size of their letters, the largest first."""
    sizes = {line.size for lines in pages for line in lines if line.size > body * _LARGER}
    return {size: min(6, level) for level, size in enumerate(sorted(sizes, reverse=True), start=1)}


class _Page:
    """Makes blocks of one page."""

    def __init__(self, number: int, lines: list[Line]) -> None:
        self.blocks: list[Block] = []
        self._number = number
        self._lines = lines
        widths = sorted(len(line.text) for line in lines)
        self._width = widths[len(widths) * 9 // 10] if widths else 0
        self._text = self._last = ""
        self._items: list[str] = []

    def read_with_marks(self, marks: list[Mark]) -> None:
        """Read the lines; a heading of the outline stands where its line does, else at the top."""
        lines = [_plain(line.text) for line in self._lines]
        places: dict[int, Mark] = {}
        for mark in marks:
            wanted = _plain(mark.title)
            # The line may have its number before it.
            fits = (at for at, text in enumerate(lines) if at not in places and _is_heading(text, wanted))
            place = next(fits, None)
            if place is None:
                self._head(mark.level, mark.title)
            else:
                places[place] = mark
        for at, line in enumerate(self._lines):
            if at in places:
                self._head(places[at].level, places[at].title)
            else:
                self._line(line.text)
        self._end()

    def read_with_sizes(self, levels: dict[float, int]) -> None:
        """Read the lines; those with large letters are headings."""
        before = 0.0
        for line in self._lines:
            level = levels.get(line.size)
            if level is None or len(line.text) > _MAX_HEADING or not any(map(str.isalpha, line.text)):
                self._line(line.text)
                before = 0.0
                continue
            last = self.blocks[-1] if self.blocks else None
            if before == line.size and isinstance(last, Heading) and len(last.text) < _MAX_HEADING:
                self.blocks[-1] = Heading(level, join_words(last.text, line.text), self._number)
            else:
                self._head(level, line.text)
            before = line.size
        self._end()

    def _head(self, level: int, text: str) -> None:
        self._end()
        self.blocks.append(Heading(level, text, self._number))

    def _line(self, text: str) -> None:
        if is_item(text):
            self._end_paragraph()
            self._items.append(text)
        elif self._items and not self._is_whole(self._last):
            self._items[-1] = join_words(self._items[-1], text)
        else:
            self._end_items()
            self._text = join_words(self._text, text) if self._text else text
            if self._is_whole(text):
                self._end_paragraph()
        self._last = text

    def _is_whole(self, line: str) -> bool:
        """Whether a paragraph or an item ends with this line: its sentence does, and there was more room."""
        return bool(_ENDS.search(line)) and len(line) < self._width * 0.85

    def _end_paragraph(self) -> None:
        if self._text:
            self._end_items()
            self.blocks.append(Paragraph(self._text, self._number))
        self._text = ""

    def _end_items(self) -> None:
        if self._items:
            self.blocks.append(Lines(tuple(self._items), page=self._number))
        self._items = []

    def _end(self) -> None:
        self._end_paragraph()
        self._end_items()


def _is_heading(text: str, wanted: str) -> bool:
    return text.endswith(wanted) and len(text) <= len(wanted) + 12


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()
