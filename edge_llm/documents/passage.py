"""A passage of a document, and what is found for a question."""

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


@dataclass(frozen=True, slots=True)
class Found:
    """The passages or lines found for a question; empty where none is near it."""

    passages: tuple[Passage, ...] = ()
    """What goes before the question, in its order. Or what is quoted: at most three lines of one document,
    each as its passage with that line as its text."""
    best: tuple[Passage, ...] = ()
    """The passages that fit, best first."""
    is_certain: bool = True
    """Whether it fits; else it is what comes nearest."""
