"""What a reader finds in a file: headings, paragraphs, and lines that belong together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the outermost."""

    level: int
    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text without line ends."""

    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """A list, a table or code: it is cut between its lines alone."""

    lines: tuple[str, ...]
    lead: str = ""
    """Line that each part begins with: a table's header row."""
    page: int | None = None


Block = Heading | Paragraph | Lines


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file, in its order."""

    title: str
    blocks: tuple[Block, ...]


class UnreadableError(Exception):
    """A file whose text cannot be read; the message says why, without quoting it."""
