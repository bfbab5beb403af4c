"""The simulator of states: what calls do to a home of home-assistant-datasets, and how that is judged."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.commands.assist import Task, capabilities, read_tasks
from benchmarks.commands.contender import Answer
from benchmarks.commands.judge import judge_task
from edge_llm.contract.house import Capabilities, Range
from edge_llm.contract.tools import ToolCall
from edge_llm.errors import EdgeLlmError

DIMMABLE = {"supported_color_modes": ["brightness"], "color_mode": "brightness", "brightness": 100}
SHUTTER = ["cover.CoverEntityFeature.OPEN", "cover.CoverEntityFeature.SET_POSITION"]
FIXTURES = {
    "areas": [{"id": "den", "name": "Den", "floor": "upper_floor"}],
    "devices": [{"id": "speaker", "name": "Speaker", "area": "den"}],
    "entities": [
        {"id": "light.dim", "name": "Dim", "area": "den", "attributes": DIMMABLE},
        {
            "id": "light.rgb",
            "name": "Rainbow",
            "attributes": {"supported_color_modes": ["light.ColorMode.RGB"], "color_mode": "rgb"},
        },
        {"id": "switch.plug", "name": "Plug", "state": False},
        {
            "id": "cover.hatch",
            "name": "Hatch",
            "state": "closed",
            "attributes": {"supported_features": SHUTTER},
        },
        {
            "id": "cover.fixed",
            "name": "Fixed",
            "state": "closed",
            "attributes": {"supported_features": SHUTTER[:1]},
        },
        {"id": "lock.door", "name": "Door", "state": "locked"},
        {"id": "fan.fan", "name": "Fan", "state": "off"},
        {"id": "vacuum.robot", "name": "Robot", "state": "docked"},
        {"id": "media_player.box", "name": "Box", "state": "playing", "attributes": {"volume_level": 0.9}},
        {"id": "todo.list", "name": "List", "attributes": {"todo_items": ["milk"]}},
        {
            "id": "climate.heat",
            "name": "Heat",
            "attributes": {"hvac_mode": "heat", "hvac_modes": ["off", "heat"], "target_temperature": 20},
        },
        {"id": "sensor.battery", "name": "Battery", "state": "90"},
    ],
}


def task(directory: Path, **test: Any) -> Task:
    (directory / "_fixtures.yaml").write_text(yaml.safe_dump(FIXTURES), encoding="utf-8")
    tests = {"category": "any", "tests": [{"sentences": ["Do it"], **test}]}
    (directory / "any.yaml").write_text(yaml.safe_dump(tests), encoding="utf-8")
    (found,) = read_tasks(directory)
    return found


def answer(*calls: tuple[str, str, dict[str, Any]], outcome: str | None = None) -> Answer:
    made = tuple(
        ToolCall(id="c", name=name, arguments=arguments, device_ids=(device,))
        for name, device, arguments in calls
    )
    return Answer(made, outcome, True, 1.0, 1, 0, 1, 0)  # noqa: FBT003 - valid


@pytest.mark.parametrize(
    ("intent", "arguments", "device", "expected"),
    [
        (
            "HassTurnOff",
            {},
            "light.dim",
            {"state": "off", "attributes": {"brightness": None, "color_mode": None}},
        ),
        ("HassLightSet", {"brightness": 50}, "light.dim", {"state": "on", "attributes": {"brightness": 128}}),
        (
            "HassLightSet",
            {"brightness": 0},
            "light.dim",
            {"state": "off", "attributes": {"brightness": None, "color_mode": None}},
        ),
        (
            "HassLightSet",
            {"color": "red"},
            "light.rgb",
            {"state": "on", "attributes": {"rgb_color": [255, 0, 0], "color_mode": "rgb"}},
        ),
        ("HassTurnOn", {}, "switch.plug", {"state": "on"}),
        ("HassTurnOn", {}, "cover.hatch", {"state": "open", "attributes": {"current_position": 100}}),
        (
            "HassSetPosition",
            {"position": 40},
            "cover.hatch",
            {"state": "open", "attributes": {"current_position": 40}},
        ),
        ("HassTurnOff", {}, "lock.door", {"state": "unlocked"}),
        ("HassTurnOn", {}, "fan.fan", {"state": "on", "attributes": {"percentage": 100}}),
        ("HassFanSetSpeed", {"percentage": 30}, "fan.fan", {"state": "on", "attributes": {"percentage": 30}}),
        ("HassVacuumStart", {}, "vacuum.robot", {"state": "cleaning"}),
        ("HassVacuumReturnToBase", {}, "vacuum.robot", {"state": "returning"}),
        ("HassMediaPause", {}, "media_player.box", {"state": "paused"}),
        ("HassMediaNext", {}, "media_player.box", {"attributes": {"media_track": 1}}),
        ("HassMediaPrevious", {}, "media_player.box", {"attributes": {"media_track": 19}}),
        ("HassSetVolume", {"volume_level": 50}, "media_player.box", {"attributes": {"volume_level": 0.5}}),
        (
            "HassSetVolumeRelative",
            {"volume_step": "down"},
            "media_player.box",
            {"attributes": {"volume_level": 0.8}},
        ),
        ("HassMediaPlayerMute", {}, "media_player.box", {"attributes": {"is_volume_muted": True}}),
        ("HassListAddItem", {"item": "eggs"}, "todo.list", {"state": "2"}),
        (
            "HassClimateSetTemperature",
            {"temperature": 21.5},
            "climate.heat",
            {"attributes": {"temperature": 21.5}},
        ),
        ("HassTurnOff", {}, "climate.heat", {"state": "off"}),
    ],
)
def test_a_call_changes_a_state_and_nothing_else(
    tmp_path: Path, intent: str, arguments: dict[str, Any], device: str, expected: dict[str, Any]
) -> None:
    test = task(tmp_path, expect_changes={device: expected})
    assert judge_task(test, answer((intent, device, arguments))).verdict == "right"
    assert judge_task(test, answer()).verdict == "none"
    twice = answer(
        (intent, device, arguments), ("HassTurnOff", "lock.door", {}), ("HassTurnOn", "switch.plug", {})
    )
    assert judge_task(test, twice).miss == "too much"


def test_a_light_keeps_the_brightness_that_it_was_set_up_with(tmp_path: Path) -> None:
    """A test that expects brightness 0 of "turn on" is met by that alone, as in the original."""
    on = {"state": "on", "attributes": {"brightness": 0, "color_mode": "brightness"}}
    setup = {"light.dim": {"state": "off", "attributes": {"brightness": 0}}}
    test = task(tmp_path, setup=setup, expect_changes={"light.dim": on})
    assert judge_task(test, answer(("HassTurnOn", "light.dim", {}))).verdict == "right"
    assert judge_task(test, answer(("HassLightSet", "light.dim", {"brightness": 9}))).miss == "wrong value"


@pytest.mark.parametrize(
    ("calls", "miss"),
    [
        ([("HassTurnOn", "switch.plug", {})], "wrong device"),
        ([("HassSetPosition", "cover.hatch", {"position": 0})], "wrong action"),
        ([("HassSetPosition", "cover.hatch", {"position": "half"})], "wrong action"),
        ([("HassTurnOn", "vacuum.robot", {})], "wrong action"),
        ([("HassSetPosition", "cover.fixed", {"position": 40})], "wrong action"),
        ([("HassSetPosition", "cover.hatch", {"position": 40})], "wrong value"),
    ],
)
def test_misses_are_named_by_what_changed(tmp_path: Path, calls: list[Any], miss: str) -> None:
    opened = {"state": "open", "attributes": {"current_position": 100}}
    test = task(tmp_path, expect_changes={"cover.hatch": opened})
    assert judge_task(test, answer(*calls)).miss == miss


def test_ignored_attributes_may_be_anything(tmp_path: Path) -> None:
    changes = {"cover.hatch": {"state": "open"}}
    test = task(tmp_path, expect_changes=changes, ignore_changes={"cover.hatch": ["current_position"]})
    assert judge_task(test, answer(("HassSetPosition", "cover.hatch", {"position": 7}))).verdict == "right"


def test_a_question_expects_no_call_but_a_question(tmp_path: Path) -> None:
    test = task(tmp_path, context_device="speaker")
    assert test.context_area == "den"
    assert judge_task(test, answer(("query", "lock.door", {}))).verdict == "right"
    assert judge_task(test, answer(outcome="spoken")).verdict == "right"
    assert judge_task(test, answer(("HassTurnOn", "lock.door", {}))).verdict == "wrong act"


def test_a_home_is_a_house_with_what_its_devices_can(tmp_path: Path) -> None:
    found = task(tmp_path).home.house
    devices = {device.id: device for device in found.devices}
    assert found.floors[0].name == "upper floor"
    assert devices["light.dim"].capabilities == Capabilities(on_off=True, brightness=Range())
    assert devices["cover.hatch"].capabilities == Capabilities(open_close=True, position=Range())
    assert devices["sensor.battery"].capabilities == Capabilities()
    assert devices["switch.plug"].state == "off"
    rainbow = devices["light.rgb"].capabilities
    assert rainbow
    assert "red" in (rainbow.color or ())
    assert capabilities("vacuum", {}) is None


def test_a_file_of_another_form_is_one_line_of_error(tmp_path: Path) -> None:
    task(tmp_path)
    (tmp_path / "any.yaml").write_text("tests: [1]", encoding="utf-8")
    with pytest.raises(EdgeLlmError, match=r"any\.yaml is not of home-assistant-datasets' form"):
        read_tasks(tmp_path)
