"""Jinja2's sandbox with what transformers 4.57 gives chat templates, and limits on repetition.

A template is code from whoever made the model: it reaches nothing of Python, and what it may repeat is
limited. It cannot be made to run for ever by accident; a sandbox in the process is no proof against malice.
"""

import json
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

_MAX_REPEATED = 1_000_000
"""Maximum length of what ``*`` makes of a text or a list, and maximum exponent of ``**``."""
_MAX_COUNTED = 1_000_000
"""Maximum sum of the numbers that all calls of ``range`` give in one rendering."""


class Environment(ImmutableSandboxedEnvironment):
    """Compiles templates; one rendering at a time."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        """Without templates."""
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.iterations = 0
        """Numbers that ``range`` has promised in this rendering."""
        self.filters["tojson"] = tojson
        self.globals.update(raise_exception=raise_exception, strftime_now=_strftime_now, range=self._range)
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


def tojson(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - templates may give it by place
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002 - by place, too
) -> str:
    """Write JSON as transformers does."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)  # noqa: DTZ005 - the date where the node stands


def raise_exception(message: str) -> NoReturn:
    """Refuse, with the template's own words."""
    raise TemplateError(message)
