"""Whatever a model says at random, a reply that ends keeps to its schema."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge_llm.engine.types import SamplingParams, TokenEvent
from tests.small_tokenizers import byte_fallback
from tests.unit.engine.constraint.replies import SPECIAL, Replies, tool

SCHEMAS = 200
HOT = SamplingParams(temperature=1.5, top_k=0, top_p=1, seed=1)
WORDS = [
    "a",
    "ab",
    "abc",
    "light",
    "light 2",
    "Küche",
    "客厅",
    'say "hi"',
    "back\\slash",
    "two\nlines",
    "",
    "🙂",
]


def schema(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """Any schema: enums, bounds, arrays, objects within objects, keys that may be left out."""
    kinds = ["enum", "const", "integer", "number", "string", "boolean", "null"]
    kind = rng.choice([*kinds, "array", "object", "object", "any"] if depth < 3 else kinds)
    low, few = rng.randint(-50, 50), rng.randint(0, 2)
    names = rng.sample(WORDS, rng.randint(1, 4))
    inner = {name: schema(rng, depth + 1) for name in names} if kind in ("array", "object", "any") else {}
    limits: list[dict[str, Any]] = [
        {},
        {"maxLength": 9},
        {"minLength": 2, "maxLength": 4},
        {"pattern": "^[a-c]{1,5}$"},
    ]
    made: dict[str, dict[str, Any]] = {
        "enum": {"enum": [*names, 1, None, {"a": [1]}]},
        "const": {"const": rng.choice([*WORDS, 1.5, []])},
        "integer": {"type": "integer", "minimum": low, "maximum": low + 10**few},
        "number": {"type": "number", "minimum": low, "maximum": low + 0.75 + few},
        "string": {"type": "string", **rng.choice(limits)},
        "array": {"type": "array", "items": inner.get(names[0]), "minItems": few, "maxItems": few + 2},
        "any": {"anyOf": list(inner.values())},
        "object": {
            "type": "object",
            "properties": inner,
            "required": rng.sample(names, rng.randint(0, len(names))),
        },
    }
    return made.get(kind, {"type": kind})


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Replies:
    weights = np.random.default_rng(7).normal(size=(512, 512)).astype(np.float32)
    directory: Path = tmp_path_factory.mktemp("random")
    made = Replies(directory, lambda ids: weights[ids[-1], : made.tokenizer.vocab_size])
    return made


def test_replies_that_end_keep_to_their_schema_and_stream_as_they_are(replies: Replies) -> None:
    ended = 0
    for number in range(SCHEMAS):
        wanted = schema(random.Random(number))
        events = replies.submit(response_schema=wanted, sampling=HOT, max_tokens=3000)
        replies.finish()
        completion = events.completion
        assert "".join(e.text for e in events.seen if isinstance(e, TokenEvent)) == completion.text
        if completion.finish_reason == "stop":
            ended += 1
            jsonschema.validate(json.loads(completion.text), wanted)
        else:
            assert completion.usage.completion_tokens == 3000
    assert ended >= 0.9 * SCHEMAS


def test_calls_keep_to_the_schema_of_their_tool(replies: Replies) -> None:
    for number in range(SCHEMAS // 4):
        rng = random.Random(number)
        names = ["light", "light.on", "light_off", "l"]
        wanted = {
            name: {"type": "object", "properties": {"a": schema(rng, 1), "b": schema(rng, 2)}}
            for name in names
        }
        tools = tuple(tool(name, parameters) for name, parameters in wanted.items())
        events = replies.submit(tools=tools, tool_choice="required", sampling=HOT, max_tokens=1500)
        replies.finish()
        completion = events.completion
        assert completion.text == ""
        assert completion.finish_reason in ("tool_calls", "length")
        for call in completion.calls:
            jsonschema.validate(call.arguments, wanted[call.name])


@pytest.mark.parametrize("spaces", ["legacy", "first", "none"])
def test_tokenizers_of_sentencepieces_kind_write_what_is_forced_without_spaces_of_their_own(
    tmp_path: Path, spaces: str
) -> None:
    tokenizer = byte_fallback(*SPECIAL, spaces=spaces)
    weights = np.random.default_rng(7).normal(size=(512, tokenizer.get_vocab_size())).astype(np.float32)
    replies = Replies(tmp_path, lambda ids: weights[ids[-1]], tokenizer=tokenizer)
    forced = {"type": "object", "properties": {"a b": {"enum": ["ab c", "c ab"]}}, "required": ["a b"]}
    for seed in range(10):
        hot = replace(HOT, seed=seed)
        events = replies.submit(response_schema=forced, sampling=hot)
        replies.finish()
        jsonschema.validate(json.loads(events.completion.text), forced)
        events = replies.submit(tools=(tool("on", forced),), tool_choice="required", sampling=hot)
        replies.finish()
        assert events.completion.calls
