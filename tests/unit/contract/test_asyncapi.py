"""The AsyncAPI document that is shipped."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

import edge_llm
from edge_llm.contract import asyncapi
from edge_llm.contract.requests import parse
from edge_llm.errors import RequestError

SHIPPED = Path(edge_llm.__file__).parent / "contract" / "asyncapi.yaml"


def test_it_is_what_the_code_says() -> None:
    """If this fails: `edge-llm schema > edge_llm/contract/asyncapi.yaml`."""
    assert SHIPPED.read_text(encoding="utf-8") == asyncapi.as_yaml()
    command = [sys.executable, "-m", "edge_llm.cli", "schema"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert yaml.safe_load(printed) == asyncapi.document()


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi.document()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                target = document
                for key in value["$ref"].removeprefix("#/").split("/"):
                    target = target[key]
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("payload", "fits"),
    [
        ('{"text": "Hi", "custom": {"a": [1]}}', True),
        ('{"text": "Hi", "id": "../lock"}', False),
        ('{"text": "Hi", "session": "a/b"}', False),
        ('{"text": "Hi", "session": "+"}', False),
        ('{"text": "Hi", "node": "lock"}', False),
        ('{"text": "Hi", "max_tokens": "9"}', False),
        ('{"messages": [{"role": "function", "content": "x"}]}', False),
        ('{"messages": [{"role": "tool", "tool_call_id": "1", "content": "x"}]}', True),
        ('{"messages": [{"role": "user", "content": "x", "calls": []}]}', False),
        ('{"text": "Hi", "tools": [{"type": "function", "function": {"name": "a b"}}]}', False),
        ('{"text": "Hi", "tools": [{"type": "function", "function": {"name": "a"}}]}', True),
        ('{"text": "Hi", "response_format": {"type": "json_schema", "schema": {"type": "object"}}}', True),
        ('{"text": "Hi", "response_format": {"type": "json_schema"}}', False),
    ],
)
def test_schema_and_parser_agree(payload: str, *, fits: bool) -> None:
    request = {"$ref": "#/components/schemas/Request", **asyncapi.document()}
    assert jsonschema.Draft202012Validator(request).is_valid(yaml.safe_load(payload)) is fits
    if fits:
        parse("request", payload.encode(), 1000)
    else:
        with pytest.raises(RequestError):
            parse("request", payload.encode(), 1000)


def test_what_a_node_sends_of_turns_and_calls_is_described_field_by_field() -> None:
    schemas = asyncapi.document()["components"]["schemas"]
    assert {"role", "content", "tool_calls", "tool_call_id", "name"} == set(schemas["Turn"]["properties"])
    stream = asyncapi.document()["channels"]["stream"]["messages"]
    assert set(stream) == {"Status", "Delta", "Call", "Done", "Error", "Sessions"}
