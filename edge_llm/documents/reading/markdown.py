"""Reads Markdown: headings, paragraphs, lists, tables and code, without their marks."""

import re

from edge_llm.documents.reading.blocks import Block, Document, Heading, Lines, Paragraph
from edge_llm.documents.reading.plain import title_of

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?=\s|$)")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})\s*")
_RULE = re.compile(r" {0,3}([-*_])(?:\s*\1){2,}\s*")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+")
_DELIMITER = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")
_FRONT = re.compile(r"---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE)
# Each quantifier has a limit: no text may take a time that grows with its square.
_INLINE = (
    (re.compile(r"!\[([^\]\n]{0,300})\]\([^)\n]{0,500}\)"), r"\1"),
    (re.compile(r"\[([^\]\n]{1,300})\](?:\([^)\n]{0,500}\)|\[[^\]\n]{0,99}\])"), r"\1"),
    (re.compile(r"<(https?://[^>\s]{1,500})>"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>\n]{0,200}>"), " "),
    (re.compile(r"(\*{1,3}|(?<!\w)_{1,3})(?=\S)([^*_\n]{1,500}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"~~([^~\n]{1,500})~~"), r"\1"),
    (re.compile(r"`{1,3}([^`\n]{1,500})`{1,3}"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~])"), r"\1"),
)


def read_markdown(text: str, path: str) -> Document:
    """Read Markdown; the title is that of its front matter, else its first heading of level 1."""
    title = ""
    if front := _FRONT.match(text):
        named = _FRONT_TITLE.search(front.group(1))
        title, text = named.group(1) if named else "", text[front.end() :]
    blocks = _Reader(_without_comments(text).split("\n")).read()
    outermost = (block.text for block in blocks if isinstance(block, Heading) and block.level == 1)
    return Document(title or next(outermost, "") or title_of(path), tuple(blocks))


def _without_comments(text: str) -> str:
    parts = []
    begin = 0
    while (comment := text.find("<!--", begin)) >= 0 and (end := text.find("-->", comment)) >= 0:
        parts.append(text[begin:comment])
        begin = end + 3
    return "".join([*parts, text[begin:]])


def plain(text: str) -> str:
    """The text of a line without the marks of emphasis, links and code."""
    for mark, replacement in _INLINE:
        text = mark.sub(replacement, text)
    return " ".join(text.split())


def cells(row: str) -> list[str]:
    """The cells of a table's row."""
    inner = row.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [plain(cell) for cell in re.split(r"(?<!\\)\|", inner)]


class _Reader:
    """Goes through the lines once."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._blocks: list[Block] = []
        self._open: list[str] = []
        self._items: list[str] = []

    def read(self) -> list[Block]:
        while self._at < len(self._lines):
            self._line(self._lines[self._at])
            self._at += 1
        self._end()
        return self._blocks

    def _line(self, line: str) -> None:
        if fence := _FENCE.match(line):
            self._code(fence.group(1))
        elif heading := _ATX.match(line):
            text = line[heading.end() :].strip()
            self._heading(len(heading.group(1)), re.sub(r"(?<!\S)#+$", "", text))
        elif self._open and (under := _SETEXT.fullmatch(line)):
            self._setext(1 if under.group(1)[0] == "=" else 2)
        elif not line.strip():
            self._end_paragraph()
        elif _RULE.fullmatch(line):
            self._end()
        elif self._is_table(line):
            self._table()
        elif item := _ITEM.match(line):
            self._item(item.group(), line)
        elif self._items and (line.startswith((" ", "\t")) or self._lines[self._at - 1].strip()):
            self._items[-1] += " " + plain(line)
        else:
            self._end_list()
            self._open.append(line.strip().removeprefix(">").strip())

    def _heading(self, level: int, text: str) -> None:
        self._end()
        if text := plain(text):
            self._blocks.append(Heading(level, text))

    def _setext(self, level: int) -> None:
        text, self._open = " ".join(self._open), []
        self._heading(level, text)

    def _item(self, mark: str, line: str) -> None:
        self._end_paragraph()
        number = mark.strip()
        self._items.append(f"{number if number[0].isdigit() else '-'} {plain(line[len(mark) :])}")

    def _code(self, fence: str) -> None:
        self._end()
        first = self._at + 1
        end = first
        while end < len(self._lines) and not self._lines[end].strip().startswith(fence):
            end += 1
        lines = tuple(line.rstrip() for line in self._lines[first:end] if line.strip())
        if lines:
            self._blocks.append(Lines(lines))
        self._at = end

    def _is_table(self, line: str) -> bool:
        following = self._lines[self._at + 1 : self._at + 2]
        return (
            "|" in line
            and bool(following)
            and "|" in following[0]
            and bool(_DELIMITER.fullmatch(following[0].strip()))
        )

    def _table(self) -> None:
        self._end()
        lead = " | ".join(cells(self._lines[self._at]))
        self._at += 2
        rows = []
        while self._at < len(self._lines) and "|" in self._lines[self._at]:
            rows.append(" | ".join(cells(self._lines[self._at])))
            self._at += 1
        self._at -= 1
        self._blocks.append(Lines(tuple(rows), lead))

    def _end_paragraph(self) -> None:
        if self._open:
            self._end_list()
            self._blocks.append(Paragraph(plain(" ".join(self._open))))
            self._open = []

    def _end_list(self) -> None:
        if self._items:
            self._blocks.append(Lines(tuple(self._items)))
            self._items = []

    def _end(self) -> None:
        self._end_paragraph()
        self._end_list()
