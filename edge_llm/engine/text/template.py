"""Renders chat templates as Hugging Face's transformers 4.57 does, in jinja2's sandbox and within bounds.

A template is code from whoever made the model: it reaches nothing of Python, and what it may repeat is
limited. It cannot be made to run for ever by accident; a sandbox in the process is no proof against malice.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

Names = Mapping[str, str | Sequence[str]]
Message = dict[str, str]

_MAX_REPEATED = 1_000_000
"""Maximum length of what ``*`` makes of a text or a list, and maximum exponent of ``**``."""
_MAX_COUNTED = 1_000_000
"""Maximum sum of the numbers that all calls of ``range`` give in one rendering."""
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
        self._environment = _Environment()
        self._names = dict(names)
        try:
            self._template = self._environment.from_string(source)
        except TemplateSyntaxError as error:
            raise TemplateError(f"line {error.lineno}: {error.message}") from error
        except RecursionError as error:
            raise TemplateError("it is nested too deep") from error
        self._knows_thoughts = _CLOSE in source
        self._takes_system = self._writes_system()

    def render(self, messages: Sequence[Message], *, open_reply: bool = True, thinking: bool = False) -> str:
        """Write the conversation, with the opening of the assistant's next turn.

        ``messages`` have ``role`` and ``content``. Where the template has no place for a system turn its text
        stands before the next user turn's.

        Raises:
            TemplateError: the template refuses these messages, or fails.
        """
        told = list(messages) if self._takes_system else _without_system(messages)
        return self._render(told, open_reply=open_reply, thinking=thinking)

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
            _, said, after = self.render(turns, open_reply=False).rpartition(_PROBE)
        except TemplateError:
            return ""
        return after if said else ""

    def _writes_system(self) -> bool:
        turns = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "?"}]
        try:
            return _PROBE in self._render(turns, open_reply=True, thinking=False)
        except TemplateError:
            return False

    def _render(self, messages: list[Message], *, open_reply: bool, thinking: bool) -> str:
        limit = _MAX_WRITTEN + sum(len(message["content"]) for message in messages)
        self._environment.iterations = 0
        pieces: list[str] = []
        try:
            for piece in self._template.generate(
                messages=messages,
                tools=None,
                documents=None,
                add_generation_prompt=open_reply,
                enable_thinking=thinking,
                **self._names,
            ):
                pieces.append(piece)
                limit -= len(piece)
                if limit < 0:
                    _raise_exception(f"it writes more than {_MAX_WRITTEN} characters")
        except TemplateError:
            raise
        except Exception as error:  # whatever an expression of the template may raise
            raise TemplateError(f"{type(error).__name__}: {error}") from error
        return "".join(pieces)


class _Environment(ImmutableSandboxedEnvironment):
    """Sandbox with the additions that transformers gives chat templates, and limits on repetition."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.iterations = 0
        """Numbers that ``range`` has promised in this rendering."""
        self.filters["tojson"] = _tojson
        self.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now, range=self._range)
        del self.globals["lipsum"]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse results that would fill the memory."""
        if operator == "**":
            too_large = abs(right) > _MAX_REPEATED or abs(left) > _MAX_REPEATED
        else:
            sized, count = (left, right) if hasattr(left, "__len__") else (right, left)
            too_large = hasattr(sized, "__len__") and len(sized) * count > _MAX_REPEATED
        if too_large:
            raise TemplateError(f"the result of {operator} is too large")
        return super().call_binop(context, operator, left, right)

    def _range(self, *arguments: int) -> range:
        """The sandbox's ``range``, with a limit on the sum of all ranges of one rendering."""
        numbers = safe_range(*arguments)
        self.iterations += len(numbers)
        if self.iterations > _MAX_COUNTED:
            raise TemplateError(f"its loops count further than {_MAX_COUNTED}")
        return numbers


class _Generation(Extension):
    """The tag ``{% generation %}``, which marks the model's text for training; it has no effect here."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 has it

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_said"), [], [], body).set_lineno(line)

    def _said(self, caller: Macro) -> str:
        return caller()


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


def _tojson(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - templates may give it by place
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002 - by place, too
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)  # noqa: DTZ005 - the date where the node stands


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)
