"""Grammars of replies, in llguidance's Lark form: calls of tools as a model's template has them, or JSON.

https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

import json
from collections.abc import Mapping, Sequence

from edge_llm.contract.tools import Schema, Tool
from edge_llm.engine.constraint.schema import bounded
from edge_llm.engine.text.calls import CallForm


def json_grammar(schema: Schema) -> str:
    """The grammar of one JSON value that keeps to ``schema``."""
    return f"start: %json {json.dumps(bounded(schema))}"


def call_grammar(tools: Sequence[Tool], form: CallForm, markup: Mapping[str, int], *, several: bool) -> str:
    """The grammar of calls of ``tools``: one, or ``several`` where the template has a place for them.

    ``markup`` gives the ids of added tokens, such as ``<tool_call>``.
    """
    between = form.between if several else None
    opening, closing = _literal(form.opening, markup), _literal(form.closing, markup)
    rules = ["start: call" if between is None else f"start: call ({_literal(between, markup)} call)*"]
    bodies = " | ".join(f"call_{number}" for number in range(len(tools)))
    rules.append(f"call: {opening} ({bodies}) {closing}")
    for number, tool in enumerate(tools):
        begin = f'{{"{form.name_key}": "{tool.function.name}", "{form.arguments_key}": '
        rules.append(f'call_{number}: {json.dumps(begin)} arguments_{number} "}}"')
        schema = tool.function.parameters
        arguments = f"%json {json.dumps(bounded({'type': 'object', **schema}))}" if schema else '"{}"'
        rules.append(f"arguments_{number}: {arguments}")
    return "\n".join(rules)


def _literal(text: str, markup: Mapping[str, int]) -> str:
    """Lark's form of a text: quoted, with its added tokens as ids; empty for an empty one."""
    places = sorted((at, token) for token in markup if (at := text.find(token)) >= 0)
    if not places:
        return json.dumps(text, ensure_ascii=False) if text else ""
    at, token = places[0]
    before, after = text[:at], text[at + len(token) :]
    return " ".join(filter(None, (_literal(before, {}), f"<[{markup[token]}]>", _literal(after, markup))))
