"""The profile `voice` of the compose file: its programs exist, and nobody else reaches them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_llm.cli.main import main
from tests import voice

COMPOSE = voice.EXAMPLE.parents[1] / "docker/compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return {name: each for name, each in compose["services"].items() if "voice" in each.get("profiles", ())}


def test_its_parts(services: dict[str, Any]) -> None:
    assert services.keys() == {"voice", "whisper", "piper", "openwakeword", "satellite"}
    assert not any("ports" in service or "network_mode" in service for service in services.values())


def test_the_room_knows_its_options_and_asks_the_others(services: dict[str, Any]) -> None:
    options = voice.room().parser().parse_args(services["satellite"]["command"])
    assert {
        uri.removeprefix("tcp://").split(":")[0]
        for uri in (options.hear, options.ask, options.speak, options.wake)
    } == {"whisper", "voice", "piper", "openwakeword"}
    assert options.wake_word == "${WAKES:-okay_nabu}"  # from version 2 on openWakeWord itself is not told
    assert (COMPOSE.parent / services["satellite"]["build"] / "Dockerfile").resolve().is_file()
    assert Path(voice.EXAMPLE).name in (voice.EXAMPLE.parent / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_has_the_command(services: dict[str, Any]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*services["voice"]["command"], "--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize("name", ["whisper", "piper", "satellite"])
def test_nothing_of_speech_is_kept(name: str, services: dict[str, Any]) -> None:
    assert services[name]["logging"] == {"driver": "none"}
