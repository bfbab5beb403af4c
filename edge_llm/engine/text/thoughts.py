"""Leaves a model's thoughts out of its reply: the text between ``<think>`` and ``</think>``."""

_OPEN, _CLOSE = "<think>", "</think>"


class ThoughtFilter:
    """Follows a reply's text; ``met`` tells whether there was a thought in it."""

    def __init__(self, *, within: bool) -> None:
        """Begin ``within`` a thought, if the template has opened it, or before one."""
        self._within = within
        self._held = ""
        self._trim = within
        self.met = within

    def push(self, text: str) -> str:
        """Return what is said for certain; white space after a thought belongs to that."""
        text = self._held + text
        said: list[str] = []
        while True:
            mark = _CLOSE if self._within else _OPEN
            before, found, after = text.partition(mark)
            if not found:
                break
            self._say(before, said)
            self._within, self.met, self._trim = not self._within, True, True
            text = after
        held = overlap(text, mark)
        self._held = text[len(text) - held :]
        self._say(text[: len(text) - held], said)
        return "".join(said)

    def finish(self) -> str:
        """Return what was held back, if it was no beginning of a thought."""
        said: list[str] = []
        self._say(self._held, said)
        self._held = ""
        return "".join(said)

    def _say(self, text: str, said: list[str]) -> None:
        if self._within:
            return
        if self._trim:
            text = text.lstrip()
        if text:
            self._trim = False
            said.append(text)


def overlap(text: str, mark: str) -> int:
    """Length of the longest end of ``text`` that begins ``mark``."""
    return next((n for n in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:n])), 0)
