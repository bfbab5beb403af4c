"""Reads the calls out of a reply that keeps to the grammar of calls."""

import json
import secrets

from pydantic import ValidationError

from edge_llm.contract.tools import ToolCall
from edge_llm.engine.text.calls import CallForm


class CallReader:
    """Follows the text of a reply's calls; ``calls`` are those that are whole.

    ``repeats`` tells that the last one was made before, word for word: small models do not stop by
    themselves. It is not among the calls.
    """

    def __init__(self, form: CallForm) -> None:
        """Begin before the first call."""
        self._form = form
        self._text = ""
        self.calls: list[ToolCall] = []
        self.repeats = False

    def push(self, text: str) -> list[ToolCall]:
        """Take in more of the text; returns the calls that it completes."""
        self._text += text
        made: list[ToolCall] = []
        while "}" in text and (call := self._read()):
            if any((call.name, call.arguments) == (past.name, past.arguments) for past in self.calls):
                self.repeats = True
            else:
                self.calls.append(call)
                made.append(call)
        return made

    def _read(self) -> ToolCall | None:
        """Take the first object off the text that is whole and that a client can read."""
        begin = self._text.find("{")
        if begin < 0:
            return None
        try:
            found, end = json.JSONDecoder().raw_decode(self._text, begin)
        except ValueError:
            return None
        self._text = self._text[end:]
        name, arguments = found[self._form.name_key], found[self._form.arguments_key]
        try:
            return ToolCall(id=f"call_{secrets.token_hex(8)}", name=name, arguments=arguments)
        except ValidationError:  # an infinite number, for example, which is JSON for nobody
            return self._read()
