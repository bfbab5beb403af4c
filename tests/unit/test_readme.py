"""What the README shows is what the contract says."""

import json
import re
from pathlib import Path

from edge_llm.client import _FRAME
from edge_llm.mqtt.contract import Topics, parse_request

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def objects() -> list[str]:
    """Each JSON object in the README's json blocks, one that begins a line with {."""
    blocks = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    return [part for block in blocks for part in re.split(r"\n(?=\{)", block.strip())]


def test_the_examples_are_valid() -> None:
    request, *rest = objects()
    frames = [each for each in rest if '"type"' in each]
    assert parse_request(request.encode()).custom == {"room": "bath"}
    assert len(frames) == 3
    for frame in frames:
        assert json.loads(_FRAME.validate_json(frame).encode()) == json.loads(frame)


def test_the_topics_are_those_of_the_contract() -> None:
    topics = Topics("edge_llm", "N")
    named = [
        topics.request("C"),
        topics.cancel("C"),
        topics.prepare("C"),
        topics.session("C"),
        topics.stream("C"),
        topics.reply("C"),
        topics.state,
        topics.info,
    ]
    assert re.findall(r"^\| `(edge_llm/\S+)`", README, re.MULTILINE) == named
