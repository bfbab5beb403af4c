"""Value and command templates: which are taken, and what they make of a message or a value."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import Signature, signature
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

from edge_llm.house.discovery.templates.expressions import EXPRESSIONS, Evaluation
from edge_llm.house.discovery.templates.functions import (
    FILTERS,
    FUNCTIONS,
    MAX_TEXT,
    METHODS,
    TESTS,
    UNDEFINED,
    CannotRender,
    checked,
)
from edge_llm.house.discovery.templates.payloads import read_json
from edge_llm.house.discovery.unreadable import Unreadable

MAX_TEMPLATE = 2000
"""Maximum length of a template in characters."""
_MAX_TOKENS, _MAX_NODES, _MAX_DEPTH = 250, 300, 25
_TOKEN = re.compile(r"\w+|[^\w\s]")
_OPENERS = "([{"
_KEPT = 512
"""Templates that are kept parsed: products use the same few in all their devices."""
_STATEMENTS = frozenset({nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Assign})
_PARTS = frozenset({nodes.Slice, nodes.Operand, nodes.Pair, nodes.Keyword})
_ALLOWED = _STATEMENTS | _PARTS | EXPRESSIONS
_OF_MAPPINGS = frozenset(dir(dict))
"""Attributes that Jinja would take for methods of a mapping, and not for its keys."""
_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - it parses only, and what comes out is no HTML


@dataclass(frozen=True)
class _Parsed:
    body: list[nodes.Node]
    names: frozenset[str]
    """Names that the template reads and does not set."""


class Template:
    """A template that has been checked; it keeps its text, and a parsed form while that is in use."""

    __slots__ = ("text",)

    def __init__(self, text: str, names: Collection[str] = ()) -> None:
        """Check a template, which may use ``value``, ``value_json`` and ``names``.

        Raises:
            Unreadable: it is not in the subset.
        """
        if len(text) > MAX_TEMPLATE or tokens_of(text) > _MAX_TOKENS:
            raise Unreadable(f"a template is longer than {MAX_TEMPLATE} characters or {_MAX_TOKENS} words")
        if not _parsed(text).names <= {"value", "value_json", *names}:
            raise Unreadable("a template uses a name other than value and value_json")
        self.text = text

    def of_message(self, payload: str, names: Mapping[str, Any] | None = None) -> str | None:
        """What a message says; None where the template has nothing to say of it."""
        if len(payload) > MAX_TEXT:
            return None
        return self._rendered({"value": payload, "value_json": _json(payload), **(names or {})})

    def of_value(self, value: Any, names: Mapping[str, Any] | None = None) -> str | None:
        """The payload for a value; None where the template has none for it."""
        return self._rendered({"value": value, **(names or {})})

    def _rendered(self, names: dict[str, Any]) -> str | None:
        try:
            text = Evaluation(names).render(_parsed(self.text).body).strip()
        except (CannotRender, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
            return None
        return text if len(text) <= MAX_TEXT else None


def tokens_of(text: str) -> int:
    """Number of words and signs of a template, which decides how long Jinja takes to parse it."""
    return len(_TOKEN.findall(text))


@lru_cache(maxsize=_KEPT)
def _parsed(text: str) -> _Parsed:
    if _nesting(text) > _MAX_DEPTH:
        raise Unreadable("a template is nested too deeply")
    try:
        tree = _ENVIRONMENT.parse(text.strip())
    except (TemplateSyntaxError, RecursionError, ValueError, OverflowError):
        raise Unreadable("a template is not valid Jinja") from None
    read, written = _checked_names(tree)
    return _Parsed(tree.body, frozenset(read - written))


def _nesting(text: str) -> int:
    deepest = depth = 0
    for character in text:
        depth += (character in _OPENERS) - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _checked_names(tree: nodes.Template) -> tuple[set[str], set[str]]:
    """The names that are read and written, once every node has been checked."""
    read: set[str] = set()
    written: set[str] = set()
    todo: list[tuple[nodes.Node, int]] = [(tree, 0)]
    for count, (node, depth) in enumerate(todo):
        if count >= _MAX_NODES or depth > _MAX_DEPTH:
            raise Unreadable("a template is too large")
        _check(node)
        if isinstance(node, nodes.Name):
            (written if node.ctx == "store" else read).add(node.name)
        children = list(node.iter_child_nodes())
        if isinstance(node, nodes.Call):
            # The function's own name is none that is read; of a method, only what it belongs to.
            children[:1] = [node.node.node] if isinstance(node.node, nodes.Getattr) else []
        todo += [(child, depth + 1) for child in children]
    return read, written


def _check(node: nodes.Node) -> None:
    if type(node) not in _ALLOWED:
        raise Unreadable("a template has a statement or an operator that is not evaluated")
    match node:
        case nodes.Const(value=value) if isinstance(value, int | float):
            _check_number(value)
        case nodes.Assign(target=target) if not isinstance(target, nodes.Name) or target.name in FUNCTIONS:
            raise Unreadable("a template sets something other than a name")
        case nodes.Getattr(attr=attr) if attr in _OF_MAPPINGS:
            raise Unreadable("a template uses a method of a mapping")
        case nodes.Filter():
            _check_call(FILTERS.get(node.name) if node.node else None, node, given=1)
        case nodes.Test() if node.name not in TESTS or node.args or node.kwargs:
            raise Unreadable("a template has a test that is not evaluated")
        case nodes.Call():
            _check_call(*_callee(node))


def _callee(node: nodes.Call) -> tuple[Callable[..., Any] | None, nodes.Call, int]:
    if isinstance(node.node, nodes.Name):
        return FUNCTIONS.get(node.node.name), node, 0
    if isinstance(node.node, nodes.Getattr):
        return METHODS.get(node.node.attr), node, 1
    return None, node, 0


def _check_call(function: Callable[..., Any] | None, node: nodes.Filter | nodes.Call, given: int) -> None:
    if function is None:
        raise Unreadable("a template calls something that is not evaluated")
    names = [str(pair.key) for pair in node.kwargs]
    if node.dyn_args or node.dyn_kwargs or len(set(names)) != len(names):
        raise Unreadable("a template passes arguments that are not evaluated")
    try:
        _signature(function).bind(*(None,) * given, *node.args, **dict.fromkeys(names))
    except TypeError:
        raise Unreadable("a template passes arguments that are not evaluated") from None


@lru_cache(maxsize=128)
def _signature(function: Callable[..., Any]) -> Signature:
    return signature(function)


def _check_number(value: float) -> None:
    try:
        checked(value)
    except CannotRender:
        raise Unreadable("a template has a number that is too large") from None


@lru_cache(maxsize=4)
def _json(payload: str) -> Any:
    """A message as JSON: a device's readings share it. Nobody changes what is kept."""
    try:
        return read_json(payload)
    except (ValueError, RecursionError):
        return UNDEFINED
