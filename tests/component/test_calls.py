"""Calls that become services, or fail in ways of their own."""

import asyncio
from typing import Any

import pytest
from homeassistant.components.conversation import ConversationInput
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.edge_llm.node.wire import Call
from custom_components.edge_llm.talk.calls import async_carry_out

from .conftest import Expose

INPUT = ConversationInput(
    text="Do it",
    context=Context(),
    conversation_id=None,
    device_id=None,
    satellite_id=None,
    language="en",
    agent_id="conversation.test",
)
THERMOSTAT = {"temperature": 20, "min_temp": 7, "max_temp": 22, "hvac_modes": ["heat", "off"]}


@pytest.mark.parametrize(
    ("entity_id", "attributes", "name", "arguments", "service", "data"),
    [
        ("light.a", {}, "HassLightSet", {"brightness_step": -20}, "turn_on", {"brightness_step_pct": -20}),
        (
            "climate.a",
            THERMOSTAT,
            "HassClimateSetTemperature",
            {"temperature": 21},
            "set_temperature",
            {"temperature": 21},
        ),
        (
            "climate.a",
            THERMOSTAT,
            "HassClimateSetTemperature",
            {"temperature_step": 1},
            "set_temperature",
            {"temperature": 21},
        ),
        (
            "water_heater.a",
            THERMOSTAT,
            "HassClimateSetTemperature",
            {"temperature_step": 5},
            "set_temperature",
            {"temperature": 22},
        ),
        (
            "climate.a",
            {"temperature": 20},
            "HassClimateSetTemperature",
            {"temperature_step": -5},
            "set_temperature",
            {"temperature": 15},
        ),
        ("climate.a", THERMOSTAT, "SetMode", {"mode": "heat"}, "set_hvac_mode", {"hvac_mode": "heat"}),
        ("climate.a", THERMOSTAT, "SetMode", {"mode": "eco"}, "set_preset_mode", {"preset_mode": "eco"}),
        ("fan.a", {}, "SetMode", {"mode": "eco"}, "set_preset_mode", {"preset_mode": "eco"}),
        (
            "water_heater.a",
            {},
            "SetMode",
            {"mode": "eco"},
            "set_operation_mode",
            {"operation_mode": "eco"},
        ),
        ("humidifier.a", {}, "SetMode", {"mode": "eco"}, "set_mode", {"mode": "eco"}),
        ("media_player.a", {}, "SetOption", {"option": "TV"}, "select_source", {"source": "TV"}),
        ("select.a", {}, "SetOption", {"option": "low"}, "select_option", {"option": "low"}),
        ("input_select.a", {}, "SetOption", {"option": "low"}, "select_option", {"option": "low"}),
    ],
)
async def test_what_no_intent_does_a_service_does(
    hass: HomeAssistant,
    expose: Expose,
    entity_id: str,
    attributes: dict[str, Any],
    name: str,
    arguments: dict[str, Any],
    service: str,
    data: dict[str, Any],
) -> None:
    expose(entity_id, "on", **attributes)
    calls = async_mock_service(hass, entity_id.partition(".")[0], service)
    result = await async_carry_out(hass, Call("c", name, arguments, (entity_id,)), INPUT)
    assert result.ok
    (called,) = calls
    assert called.data == {"entity_id": entity_id, **data}
    assert called.context is INPUT.context


@pytest.mark.parametrize(
    ("entity_id", "name", "arguments"),
    [
        ("climate.a", "HassClimateSetTemperature", {"temperature_step": 1}),
        ("switch.a", "SetMode", {"mode": "eco"}),
        ("switch.a", "NoSuchIntent", {}),
        ("switch.a", "HassLightSet", {"brightness": 10}),
    ],
)
async def test_what_cannot_be_done_fails(
    hass: HomeAssistant,
    expose: Expose,
    caplog: pytest.LogCaptureFixture,
    entity_id: str,
    name: str,
    arguments: dict[str, Any],
) -> None:
    expose(entity_id, "on", friendly_name="Secret name")
    result = await async_carry_out(hass, Call("c", name, arguments, (entity_id,)), INPUT)
    assert [target.id for target in result.failed] == [entity_id]
    assert f"{name} failed" in caplog.text
    assert "Secret name" not in caplog.text
    assert "Traceback" not in caplog.text


class Handler(intent.IntentHandler):
    """Ends as it is told."""

    intent_type = "TestIntent"

    def __init__(self, outcome: str | BaseException) -> None:
        self._outcome = outcome

    async def async_handle(self, intent_obj: intent.Intent) -> intent.IntentResponse:
        response = intent_obj.create_response()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        if self._outcome == "error":
            response.async_set_error(intent.IntentResponseErrorCode.FAILED_TO_HANDLE, "No.")
        if self._outcome == "partly":
            target = intent.IntentResponseTarget("A", intent.IntentResponseTargetType.ENTITY, "switch.a")
            response.async_set_results([], [target])
        return response


@pytest.mark.parametrize(
    ("outcome", "ok", "logged"),
    [
        ("fine", True, ""),
        ("error", False, "IntentHandleError"),
        ("partly", False, "IntentHandleError"),
        (HomeAssistantError("no"), False, "HomeAssistantError"),
        (RuntimeError("a bug"), False, "Traceback"),
    ],
)
async def test_a_call_ends_as_its_intent_does(
    hass: HomeAssistant,
    expose: Expose,
    caplog: pytest.LogCaptureFixture,
    outcome: str | BaseException,
    ok: bool,
    logged: str,
) -> None:
    expose("switch.a")
    intent.async_register(hass, Handler(outcome))
    call = Call("c", "TestIntent", {"name": "A", "area": "Hall"}, ("switch.a",))
    result = await async_carry_out(hass, call, INPUT)
    assert result.ok is ok
    assert logged in caplog.text


async def test_a_cancelled_call_is_no_failure(hass: HomeAssistant, expose: Expose) -> None:
    expose("select.a")

    async def cancelled(_: ServiceCall) -> None:
        raise asyncio.CancelledError

    hass.services.async_register("select", "select_option", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await async_carry_out(hass, Call("c", "SetOption", {"option": "low"}, ("select.a",)), INPUT)
