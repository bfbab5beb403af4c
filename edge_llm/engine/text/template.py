"""Renders chat templates as Hugging Face's transformers 4.57 does, and makes up for what they do not know."""

from collections.abc import Mapping, Sequence

from jinja2 import TemplateError, TemplateSyntaxError

from edge_llm.engine.text.calls import HERMES, Described, Message, find_call_form, in_words
from edge_llm.engine.text.sandbox import Environment, raise_exception

Names = Mapping[str, str | Sequence[str]]

_MAX_WRITTEN = 4_000_000
"""Maximum number of characters that a template writes beside its messages."""
_PROBE = "qxzw"
"""Text that does not occur in templates."""
_OPEN, _CLOSE = "<think>", "</think>"


class ChatTemplate:
    """One model's template, with the names of its special tokens."""

    def __init__(self, source: str, names: Names) -> None:
        """Compile ``source``; ``names`` are ``bos_token`` and the others that transformers passes.

        Raises:
            TemplateError: jinja2 refuses it.
        """
        self._environment = Environment()
        self._names = dict(names)
        try:
            self._template = self._environment.from_string(source)
        except TemplateSyntaxError as error:
            raise TemplateError(f"line {error.lineno}: {error.message}") from error
        except RecursionError as error:
            raise TemplateError("it is nested too deep") from error
        self._knows_thoughts = _CLOSE in source
        self._takes_system = self._writes_system()
        found = find_call_form(self._render, self.end_of_turn())
        self._knows_tools = found is not None
        self.call_form = found or HERMES
        """How an assistant's turn shows calls."""

    def render(
        self,
        messages: Sequence[Message],
        *,
        open_reply: bool = True,
        thinking: bool = False,
        tools: Sequence[Described] = (),
    ) -> str:
        """Write the conversation, with the opening of the assistant's next turn.

        Where the template knows no tools they stand in the system text; where it has no place for a system
        turn its text stands before the next user turn's.

        Raises:
            TemplateError: the template refuses these messages, or fails.
        """
        told = list(messages)
        if not self._knows_tools:
            told, tools = in_words(told, tools), ()
        if not self._takes_system:
            told = _without_system(told)
        return self._render(told, open_reply=open_reply, thinking=thinking, tools=tools)

    def thoughts(self, *, thinking: bool) -> bool | None:
        """Whether a reply begins within a thought; None if the template knows no thoughts at all."""
        if not self._knows_thoughts:
            return None
        try:
            text = self.render([{"role": "user", "content": _PROBE}], thinking=thinking)
        except TemplateError:
            return False
        return text.rfind(_OPEN) > text.rfind(_CLOSE)

    def end_of_turn(self) -> str:
        """Return what the template writes after an assistant's turn; empty if it refuses the question."""
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
        try:
            _, said, after = self._render(turns, open_reply=False).rpartition(_PROBE)
        except TemplateError:
            return ""
        return after if said else ""

    def _writes_system(self) -> bool:
        turns = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "?"}]
        try:
            return _PROBE in self._render(turns, open_reply=True)
        except TemplateError:
            return False

    def _render(
        self,
        messages: list[Message],
        *,
        open_reply: bool,
        thinking: bool = False,
        tools: Sequence[Described] = (),
    ) -> str:
        limit = _MAX_WRITTEN + sum(len(message["content"]) for message in messages)
        self._environment.iterations = 0
        pieces: list[str] = []
        try:
            for piece in self._template.generate(
                messages=messages,
                tools=list(tools) or None,
                documents=None,
                add_generation_prompt=open_reply,
                enable_thinking=thinking,
                **self._names,
            ):
                pieces.append(piece)
                limit -= len(piece)
                if limit < 0:
                    raise_exception(f"it writes more than {_MAX_WRITTEN} characters")
        except TemplateError:
            raise
        except Exception as error:  # whatever an expression of the template may raise
            raise TemplateError(f"{type(error).__name__}: {error}") from error
        return "".join(pieces)


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """Put the text of each system turn before that of the next user turn."""
    told: list[Message] = []
    held: list[str] = []
    for message in messages:
        if message["role"] == "system":
            held.append(message["content"])
        elif held and message["role"] == "user":
            told.append({"role": "user", "content": "\n\n".join([*held, message["content"]])})
            held.clear()
        else:
            told.append(message)
    if held:
        told.append({"role": "user", "content": "\n\n".join(held)})
    return told
