"""Evaluates a template that has been checked, within a budget of steps and characters."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from edge_llm.house.discovery.templates.functions import (
    FILTERS,
    FUNCTIONS,
    MAX_TEXT,
    TESTS,
    UNDEFINED,
    CannotRender,
    Undefined,
    call_method,
    checked,
    number_of,
    text_of,
)

_BUDGET = 8 * MAX_TEXT
"""Number of steps, and of characters that are made, of one evaluation."""
_ARITHMETIC: Mapping[type[nodes.Node], Callable[[Any, Any], Any]] = {
    nodes.Add: operator.add,
    nodes.Sub: operator.sub,
    nodes.Mul: operator.mul,
    nodes.Div: operator.truediv,
    nodes.FloorDiv: operator.floordiv,
    nodes.Mod: operator.mod,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
_CONTAINERS = (list, tuple, dict)


class Evaluation:
    """One rendering: the names, and what is left of the budget."""

    def __init__(self, names: dict[str, Any]) -> None:
        """Begin with the values of the names that the template may use."""
        self._names = names
        self._left = _BUDGET

    def render(self, body: list[nodes.Node]) -> str:
        """The text of a template's nodes.

        Raises:
            CannotRender: it has none, or takes too much.
        """
        pieces: list[str] = []
        for node in body:
            self._spend(1)
            if isinstance(node, nodes.Output):
                pieces += map(self._piece, node.nodes)
            elif isinstance(node, nodes.If):
                pieces.append(self._branch(node))
            elif isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
                self._assign(node.target.name, node.node)
        return "".join(pieces)

    def _piece(self, node: nodes.Expr) -> str:
        if isinstance(node, nodes.TemplateData):
            return node.data
        text = text_of(self._value(node))
        self._spend(len(text))
        return text

    def _branch(self, node: nodes.If) -> str:
        if self._value(node.test):
            return self.render(node.body)
        for each in node.elif_:
            if self._value(each.test):
                return self.render(each.body)
        return self.render(node.else_)

    def _assign(self, name: str, node: nodes.Node) -> None:
        value = self._value(node)
        if isinstance(value, _CONTAINERS) and not isinstance(node, nodes.Literal):
            raise CannotRender  # what is set may be set again: it could double each time
        self._names[name] = value

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise CannotRender

    def _value(self, node: Any) -> Any:
        self._spend(1)
        return _WAYS[type(node)](self, node)

    def _made(self, value: Any) -> Any:
        """What a call has made, paid for."""
        if isinstance(value, str | list):
            self._spend(len(value))
        return value

    def const(self, node: nodes.Const) -> Any:
        return node.value

    def name(self, node: nodes.Name) -> Any:
        return self._names.get(node.name, UNDEFINED)

    def getattr(self, node: nodes.Getattr) -> Any:
        return _look_up(self._value(node.node), node.attr)

    def getitem(self, node: nodes.Getitem) -> Any:
        value = self._value(node.node)
        if not isinstance(node.arg, nodes.Slice):
            return _look_up(value, self._value(node.arg))
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        ends = [None if bound is None else self._value(bound) for bound in bounds]
        if not isinstance(value, str | list) or not all(end is None or isinstance(end, int) for end in ends):
            raise CannotRender
        return self._made(value[slice(*ends)])

    def filter(self, node: nodes.Filter) -> Any:
        return self._called(FILTERS[node.name], self._value(node.node), node=node)

    def test(self, node: nodes.Test) -> bool:
        return TESTS[node.name](self._value(node.node))

    def call(self, node: nodes.Call) -> Any:
        if isinstance(node.node, nodes.Name):
            return self._called(FUNCTIONS[node.node.name], node=node)
        assert isinstance(node.node, nodes.Getattr), "the check lets nothing else be called"
        return self._called(call_method, node.node.attr, self._value(node.node.node), node=node)

    def _called(self, function: Callable[..., Any], *first: Any, node: nodes.Filter | nodes.Call) -> Any:
        arguments = [self._value(each) for each in node.args]
        named = {str(pair.key): self._value(pair.value) for pair in node.kwargs}
        return self._made(function(*first, *arguments, **named))

    def cond(self, node: nodes.CondExpr) -> Any:
        if self._value(node.test):
            return self._value(node.expr1)
        return UNDEFINED if node.expr2 is None else self._value(node.expr2)

    def compare(self, node: nodes.Compare) -> bool:
        left = self._value(node.expr)
        for each in node.ops:
            right = self._value(each.expr)
            if not self._compared(each.op, left, right):
                return False
            left = right
        return True

    def _compared(self, op: str, left: Any, right: Any) -> bool:
        if isinstance(left, _CONTAINERS):
            raise CannotRender
        if op in ("in", "notin"):
            self._spend(len(right) if isinstance(right, (str, *_CONTAINERS)) else 0)
            return _contains(right, left) == (op == "in")
        if isinstance(right, _CONTAINERS):
            raise CannotRender
        return bool(_COMPARISONS[op](left, right))

    def both(self, node: nodes.And) -> Any:
        return self._value(node.left) and self._value(node.right)

    def either(self, node: nodes.Or) -> Any:
        return self._value(node.left) or self._value(node.right)

    def negate(self, node: nodes.Not) -> bool:
        return not self._value(node.node)

    def sign(self, node: nodes.UnaryExpr) -> float:
        number = number_of(self._value(node.node))
        return -number if isinstance(node, nodes.Neg) else number

    def arithmetic(self, node: nodes.BinExpr) -> Any:
        left, right = self._value(node.left), self._value(node.right)
        if isinstance(node, nodes.Add) and isinstance(left, str) and isinstance(right, str):
            return self._made(left + right)
        return checked(_ARITHMETIC[type(node)](number_of(left), number_of(right)))

    def concat(self, node: nodes.Concat) -> str:
        return "".join([self._made(text_of(self._value(each))) for each in node.nodes])

    def sequence(self, node: nodes.List | nodes.Tuple) -> list[Any]:
        return [self._item(each) for each in node.items]

    def mapping(self, node: nodes.Dict) -> dict[Any, Any]:
        pairs = [(self._item(pair.key), self._item(pair.value)) for pair in node.items]
        if any(isinstance(key, (*_CONTAINERS, Undefined)) for key, _ in pairs):
            raise CannotRender
        return dict(pairs)

    def _item(self, node: nodes.Expr) -> Any:
        """An item of a list or mapping that is written in the template: no part of a message goes into it."""
        value = self._value(node)
        if isinstance(value, _CONTAINERS) and not isinstance(node, nodes.Literal):
            raise CannotRender
        return self._made(value)


def _look_up(value: Any, key: Any) -> Any:
    if isinstance(value, dict) and not isinstance(key, (*_CONTAINERS, Undefined)):
        return value.get(key, UNDEFINED)
    if isinstance(value, list | str) and isinstance(key, int):
        return value[key] if -len(value) <= key < len(value) else UNDEFINED
    if isinstance(value, list | str) and isinstance(key, str):
        return UNDEFINED
    raise CannotRender


def _contains(container: Any, value: Any) -> bool:
    if isinstance(container, str):
        return isinstance(value, str) and value in container
    if isinstance(container, dict):
        return not isinstance(value, Undefined) and value in container
    if isinstance(container, list):
        return any(value == each for each in container if not isinstance(each, _CONTAINERS))
    if isinstance(container, Undefined):
        return False
    raise CannotRender


_WAYS: dict[type[nodes.Node], Callable[[Evaluation, Any], Any]] = {
    nodes.Const: Evaluation.const,
    nodes.Name: Evaluation.name,
    nodes.Getattr: Evaluation.getattr,
    nodes.Getitem: Evaluation.getitem,
    nodes.Filter: Evaluation.filter,
    nodes.Test: Evaluation.test,
    nodes.Call: Evaluation.call,
    nodes.CondExpr: Evaluation.cond,
    nodes.Compare: Evaluation.compare,
    nodes.And: Evaluation.both,
    nodes.Or: Evaluation.either,
    nodes.Not: Evaluation.negate,
    nodes.Neg: Evaluation.sign,
    nodes.Pos: Evaluation.sign,
    nodes.Concat: Evaluation.concat,
    nodes.List: Evaluation.sequence,
    nodes.Tuple: Evaluation.sequence,
    nodes.Dict: Evaluation.mapping,
}
_WAYS |= dict.fromkeys(_ARITHMETIC, Evaluation.arithmetic)
EXPRESSIONS = frozenset(_WAYS)
"""The expressions that can be evaluated."""
