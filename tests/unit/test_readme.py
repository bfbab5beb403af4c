"""What the README shows is what the contract says."""

import json
import re
from pathlib import Path

from edge_llm.contract import asyncapi
from edge_llm.contract.frames import FRAMES
from edge_llm.contract.requests import Request, parse

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def objects() -> list[str]:
    """Each JSON object in the README's json blocks, one that begins a line with {."""
    blocks = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    return [part for block in blocks for part in re.split(r"\n(?=\{)", block.strip())]


def test_the_examples_are_valid() -> None:
    request, *rest = objects()
    frames = [each for each in rest if '"type"' in each]
    parsed = parse("request", request.encode(), 16384)
    assert isinstance(parsed, Request)
    assert parsed.custom == {"room": "bath"}
    assert len(frames) == 3
    for frame in frames:
        assert json.loads(FRAMES.validate_json(frame).encode()) == json.loads(frame)


def test_the_topics_are_those_of_the_contract() -> None:
    assert asyncapi.table() in README
