"""What the tests of the agent in Home Assistant look at, and how they set it up."""

import json
import os
from typing import Any

import pytest

from tests.common import TOPICS
from tests.conversation import Hub
from tests.homeassistant_process import ROOT, HomeAssistant

NEEDS_HOME_ASSISTANT = pytest.mark.skipif(
    not (ROOT / ".installed").exists() or os.geteuid() != 0,
    reason="scripts/test-hubs installs Home Assistant, as root",
)
HOUSE = "edge_llm/house/homeassistant"


def found(home_assistant: HomeAssistant) -> Any:
    """The flow that discovery has started."""
    flows = home_assistant.ask("config_entries/flow/progress")
    return next((flow for flow in flows if flow["handler"] == "edge_llm"), None)


def expose(home_assistant: HomeAssistant, *entities: str, exposed: bool = True) -> None:
    home_assistant.ask(
        "homeassistant/expose_entity",
        assistants=["conversation"],
        entity_ids=list(entities),
        should_expose=exposed,
    )


def described(hub: Hub) -> dict[str, Any]:
    """The devices of the house that is published now, by their ids."""
    house = json.loads((hub.on(HOUSE) or [b""])[-1] or b"{}")
    return {device["id"]: device for device in house.get("devices", ())}


def ready_devices(hub: Hub) -> int:
    """The number of devices that the node acts on."""
    house = json.loads(hub.on(TOPICS.info)[-1]).get("house") or {}
    return int(house.get("devices", 0)) if house.get("ready") else 0


def entry(home_assistant: HomeAssistant) -> str:
    entries = home_assistant.get("/api/config/config_entries/entry")
    return str(next(each["entry_id"] for each in entries if each["domain"] == "edge_llm"))


def pipeline(
    home_assistant: HomeAssistant,
    agent: str,
    text: str,
    device_id: str | None = None,
    *,
    prefer_local: bool = False,
) -> dict[str, Any]:
    """The fields of a run of an Assist pipeline whose agent this is."""
    none = ("stt_engine", "stt_language", "tts_engine", "tts_language", "tts_voice", "wake_word_entity")
    fields: dict[str, Any] = dict.fromkeys((*none, "wake_word_id"))
    fields |= {"name": "Edge", "language": "en", "conversation_language": "en", "conversation_engine": agent}
    fields["prefer_local_intents"] = prefer_local
    made = home_assistant.ask("assist_pipeline/pipeline/create", **fields)
    stages = {"start_stage": "intent", "end_stage": "intent"}
    return {"input": {"text": text}, "pipeline": made["id"], "device_id": device_id, **stages}


def streamed(
    home_assistant: HomeAssistant, agent: str, text: str, device_id: str | None = None
) -> list[dict[str, Any]]:
    """The pieces that a pipeline streams of an answer."""
    run = pipeline(home_assistant, agent, text, device_id)
    events = home_assistant.ask("assist_pipeline/run", until=lambda event: event["type"] == "run-end", **run)
    return [each["data"]["chat_log_delta"] for each in events if each["type"] == "intent-progress"]


def last_frame(hub: Hub) -> Any:
    return json.loads(hub.on(TOPICS.stream("homeassistant"))[-1])
