"""Ends a reply's text at a stop string."""

from edge_llm.engine.text.thoughts import overlap


class StopFilter:
    """Holds text back while it may be the beginning of a stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        """Watch for any of ``stops``; the first to appear in the text counts."""
        self._stops = stops
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Text that is decided, and whether a stop string was met (it and all after it is dropped)."""
        if not self._stops:
            return text, False
        text = self._held + text
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)], True
        held = max(overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - held :]
        return text[: len(text) - held], False

    def finish(self) -> str:
        """Return what was held back: it turned out to be text."""
        held, self._held = self._held, ""
        return held
