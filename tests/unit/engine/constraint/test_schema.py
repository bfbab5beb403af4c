"""What is done to a client's schema before a grammar is made of it."""

from typing import Any

import pytest

from edge_llm.engine.constraint.schema import COMPACT, MAX_STRING, bounded, ends

TEXT: dict[str, Any] = {"type": "string"}
LIMITED: dict[str, Any] = {"type": "string", "maxLength": MAX_STRING}
ITSELF: dict[str, Any] = {"$ref": "#"}


def without_layout(schema: dict[str, Any]) -> dict[str, Any]:
    assert schema["x-guidance"] == COMPACT
    return {key: value for key, value in schema.items() if key != "x-guidance"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (TEXT, LIMITED),
        ({"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 9}),
        ({"type": "string", "minLength": 5000}, {"type": "string", "minLength": 5000, "maxLength": 5000}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"], "maxLength": MAX_STRING}),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"type": "array", "items": TEXT}, {"type": "array", "items": LIMITED}),
        ({"anyOf": [TEXT, {"type": "null"}]}, {"anyOf": [LIMITED, {"type": "null"}]}),
        ({"const": {"type": "string"}}, {"const": {"type": "string"}}),
    ],
)
def test_strings_have_a_limit_unless_the_schema_sets_one(schema: dict[str, Any], expected: object) -> None:
    assert without_layout(bounded(schema)) == expected


def test_objects_have_the_keys_that_they_list_and_no_others() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {}}}},
    }
    closed = bounded(schema)
    assert closed["additionalProperties"] is False
    assert closed["properties"]["a"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"properties": {"a": {}}, "additionalProperties": True},
        {"properties": {"a": {}}, "allOf": [{"required": ["b"]}]},
    ],
)
def test_objects_stay_open_that_say_so_or_that_others_add_to(schema: dict[str, Any]) -> None:
    assert bounded(schema).get("additionalProperties") is not False


def test_parts_that_all_apply_to_one_object_do_not_forbid_each_others_keys() -> None:
    schema: dict[str, Any] = {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}
    assert all("additionalProperties" not in part for part in bounded(schema)["allOf"])


def test_the_clients_schema_stays_as_it_is() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "x-guidance": 1}
    bounded(schema)
    assert schema == {"type": "object", "properties": {"a": {"type": "string"}}, "x-guidance": 1}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": ITSELF}},
        {"type": ["object", "null"], "properties": {"a": ITSELF}, "required": ["a"]},
        {"anyOf": [{"type": "null"}, {"properties": {"a": ITSELF}, "required": ["a"]}]},
        {"type": "array", "items": ITSELF},
        {"type": "array", "prefixItems": [{}], "items": ITSELF, "minItems": 1},
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {}}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}},
    ],
)
def test_a_recursion_that_may_end_is_one(schema: dict[str, Any]) -> None:
    assert ends(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": ITSELF}, "required": ["a"]},
        {"properties": {"a": ITSELF}, "required": ["a", "b"]},
        {"anyOf": [{"properties": {"a": ITSELF}, "required": ["a"]}]},
        {"type": "array", "items": ITSELF, "minItems": 1},
        {"type": "array", "prefixItems": [{}], "items": ITSELF, "minItems": 2},
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/a"}}},
    ],
)
def test_a_recursion_without_end_is_found(schema: dict[str, Any]) -> None:
    assert not ends(schema)
