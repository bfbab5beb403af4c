"""A passage of a document, as it is found for a question."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """Some paragraphs below one heading of one document."""

    document: str
    """Path below the folder, with ``/``."""
    title: str
    """The document's title."""
    heading: str
    """Headings from the outermost on, joined by `` > ``; empty where there is none."""
    page: int | None
    """Page of a PDF on which the passage begins, from 1."""
    text: str
