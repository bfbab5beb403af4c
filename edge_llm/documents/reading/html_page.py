"""Reads HTML: headings, paragraphs, lists and tables; scripts, styles and navigation are left out."""

from html.parser import HTMLParser

from edge_llm.documents.reading.blocks import Block, Document, Heading, Lines, Paragraph
from edge_llm.documents.reading.plain import title_of

_LEFT_OUT = {"script", "style", "nav", "template", "noscript", "svg", "footer", "form", "button", "select"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# fmt: off
_INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike",
    "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
}
# fmt: on
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MAX_CELLS = 50


def read_html(text: str, path: str) -> Document:
    """Read HTML; the title is the page's, else its first heading of level 1."""
    page = _Page()
    page.feed(text)
    page.close()
    blocks = page.end()
    outermost = (block.text for block in blocks if isinstance(block, Heading) and block.level == 1)
    return Document(page.title or next(outermost, "") or title_of(path), tuple(blocks))


class _Page(HTMLParser):
    """Goes through the tags once; what is not closed ends with what is around it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self._blocks: list[Block] = []
        self._words: list[str] = []
        self._skipped, self._skipped_depth = "", 0
        self._items: list[str] = []
        self._numbers: list[int | None] = []
        """The lists that are open, with the last number of those that have numbers."""
        self._rows: list[list[str]] | None = None
        self._has_header = False
        self._in_cell = False
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped:
            self._skipped_depth += tag == self._skipped
        elif tag in _LEFT_OUT or (tag not in _VOID and _is_hidden(dict(attrs))):
            self._skipped, self._skipped_depth = tag, 1
        elif tag == "br":
            self._words.append("\n" if self._pre else " ")
        elif tag not in _INLINE:
            self._begin(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._skipped_depth -= tag == self._skipped
            if not self._skipped_depth:
                self._skipped = ""
        elif tag == "title":
            self.title = self.title or self._taken()
            self._words = []
        elif tag in _HEADINGS:
            if text := self._taken():
                self._in_cell = False
                self._end_table()
                self._end_list()
                self._blocks.append(Heading(_HEADINGS[tag], text))
        elif tag not in _INLINE:
            self._finish(tag)

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._words.append(data)

    def end(self) -> list[Block]:
        """The blocks, once all was fed."""
        self._end_cell()
        self._flush()
        self._end_table()
        self._end_list()
        return self._blocks

    def _begin(self, tag: str) -> None:
        if tag == "dd":
            self._words.append(": ")
            return
        if tag in {"td", "th", "tr", "table"}:
            self._end_cell()
        self._flush()
        if tag in {"td", "th"} and self._rows:
            self._in_cell = True
            self._has_header |= tag == "th" and len(self._rows) == 1
        elif tag in {"ul", "ol", "dl"} and not self._in_cell:
            self._numbers.append(0 if tag == "ol" else None)
        elif tag == "table":
            self._end_table()
            self._rows, self._has_header = [], False
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag == "pre":
            self._pre += 1

    def _finish(self, tag: str) -> None:
        if tag in {"td", "th", "tr", "table"}:
            self._end_cell()
        if tag == "dt":
            pass  # its definition follows on the same line
        elif tag == "pre" and self._pre:
            self._pre -= 1
            lines = tuple(line.rstrip() for line in "".join(self._words).split("\n") if line.strip())
            self._words = []
            self._blocks += [Lines(lines)] if lines else []
        else:
            self._flush()
            if tag == "table":
                self._end_table()
            elif tag in {"ul", "ol", "dl"} and self._numbers and not self._in_cell:
                self._numbers.pop()
                if not self._numbers:
                    self._end_list()

    def _taken(self) -> str:
        """The text since the last block."""
        text = " ".join("".join(self._words).split())
        self._words = []
        return text

    def _flush(self) -> None:
        """End a paragraph or an item; in a cell all stands on one line."""
        if self._in_cell:
            self._words.append(" ")
            return
        text = self._taken()
        if not text:
            return
        if self._numbers:
            number = self._numbers[-1]
            if number is not None:
                number = self._numbers[-1] = number + 1
            self._items.append(f"{number}. {text}" if number else f"- {text}")
        else:
            self._blocks.append(Paragraph(text))

    def _end_list(self) -> None:
        if self._items:
            self._blocks.append(Lines(tuple(self._items)))
        self._items, self._numbers = [], []

    def _end_cell(self) -> None:
        if self._in_cell and self._rows and len(self._rows[-1]) < _MAX_CELLS:
            self._rows[-1].append(self._taken())
        self._in_cell = False

    def _end_table(self) -> None:
        rows = [" | ".join(row) for row in self._rows or () if any(row)]
        self._rows = None
        if len(rows) > 1 and self._has_header:
            self._blocks.append(Lines(tuple(rows[1:]), rows[0]))
        elif rows:
            self._blocks.append(Lines(tuple(rows)))


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
    )
