"""JSON schemas, made so that a reply that keeps to one ends, and is written as models write JSON."""

from typing import Any

from edge_llm.contract.tools import Schema

MAX_STRING = 4096
"""Maximum length in characters of a string whose schema sets none."""
COMPACT = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""White space as in ``json.dumps``, and in what models were trained on: none to choose, or to run on."""

_NAMED = "properties", "patternProperties", "$defs", "definitions", "dependentSchemas"
_LISTED = "anyOf", "oneOf", "allOf", "prefixItems"
_SINGLE = "items", "additionalProperties", "contains"
_COMBINED = "anyOf", "oneOf", "allOf", "$ref"
_LIMITED = "enum", "const", "pattern", "format", "maxLength"


def bounded(schema: Schema) -> dict[str, Any]:
    """Return a copy whose strings have a limit, and whose objects have no keys but those that they list.

    A schema that says something of either itself keeps to that.
    """
    return {**_bounded(schema, closed=True), "x-guidance": COMPACT}


def _bounded(schema: Any, *, closed: bool) -> Any:
    if not isinstance(schema, dict):
        return schema  # true or false
    combined = any(key in schema for key in _COMBINED)
    inner = closed and "properties" not in schema  # else its parts would forbid each other's keys
    result = dict(schema)
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            result[key] = {name: _bounded(part, closed=True) for name, part in value.items()}
        elif key in _LISTED and isinstance(value, list):
            result[key] = [_bounded(part, closed=inner and key != "allOf") for part in value]
        elif key in _SINGLE:
            result[key] = _bounded(value, closed=True)
    if _may_be(schema, "string") and not any(key in schema for key in _LIMITED):
        result["maxLength"] = max(MAX_STRING, _count(schema, "minLength"))
    if "properties" in schema and closed and not combined:
        result.setdefault("additionalProperties", False)
    return result


def ends(schema: Schema) -> bool:
    """Return whether some finite JSON keeps to ``schema``: a recursion may have no way out.

    The least fixed point of "everything that it requires ends", over the schema and all that it refers to.
    """
    finite: set[str] = set()
    while True:
        found = {ref for ref in _references(schema) - finite if _ends(_resolve(schema, ref), finite)}
        if not found:
            return _ends(schema, finite)
        finite |= found


def _ends(schema: Any, finite: set[str]) -> bool:
    if not isinstance(schema, dict):
        return True
    if "$ref" in schema and schema["$ref"] not in finite:
        return False
    for choices in map(_parts, (schema.get("anyOf"), schema.get("oneOf"))):
        if choices and not any(_ends(part, finite) for part in choices):
            return False
    needed = list(_parts(schema.get("allOf")))
    if _must_be(schema, "object") and isinstance(properties := schema.get("properties"), dict):
        needed += [properties[name] for name in _parts(schema.get("required")) if _is_key(name, properties)]
    if _must_be(schema, "array") and (count := _count(schema, "minItems")):
        first = _parts(schema.get("prefixItems"))[:count]
        needed += first if len(first) == count else [*first, schema.get("items")]
    return all(_ends(part, finite) for part in needed)


def _references(value: Any) -> set[str]:
    parts = list(value.values()) if isinstance(value, dict) else _parts(value)
    own = {value["$ref"]} if isinstance(value, dict) and isinstance(value.get("$ref"), str) else set()
    return own.union(*map(_references, parts))


def _resolve(root: Schema, ref: str) -> Any:
    """Follow a JSON pointer in the same document; what leads elsewhere is refused by the grammar library."""
    part: Any = root
    for step in ref.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        part = part.get(name) if isinstance(part, dict) else None
    return part


def _may_be(schema: Schema, kind: str) -> bool:
    """Return whether the schema names ``kind`` among its types."""
    types = schema.get("type")
    return types == kind or (isinstance(types, list) and kind in types)


def _must_be(schema: Schema, kind: str) -> bool:
    """Return whether the schema names no type but ``kind``; without any type it means all that it limits."""
    return schema.get("type", kind) in (kind, [kind])


def _is_key(name: Any, properties: dict[str, Any]) -> bool:
    return isinstance(name, str) and name in properties


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(schema: Schema, key: str) -> int:
    value = schema.get(key)
    return value if isinstance(value, int) else 0
