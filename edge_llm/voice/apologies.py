"""What is said where the node says nothing: it is away, busy or late, or nothing was heard."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from edge_llm.errors import Code

Reason = Literal["away", "busy", "late", "long", "not_here", "silence", "failed"]
_OF_CODES: Mapping[Code, Reason] = {
    "unavailable": "away",
    "busy": "busy",
    "rate_limited": "busy",
    "timeout": "late",
    "expired": "late",
    "too_large": "long",
    "context_overflow": "long",
}
SENTENCES: Mapping[str, Mapping[Reason, str]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)


def apology(reason: Reason, *languages: str | None) -> str:
    """The sentence in the first of the languages (BCP 47 tags) that there are words for, else in English."""
    for language in languages:
        known = (language or "").replace("_", "-").split("-")[0].lower()
        if known in SENTENCES:
            return SENTENCES[known][reason]
    return SENTENCES["en"][reason]


def reason_of(code: Code) -> Reason:
    """The reason that an error of a request is told as."""
    return _OF_CODES.get(code, "failed")
