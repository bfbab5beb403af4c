"""Carries out a node's calls in Home Assistant, as the user who has asked."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import probatio as vol
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.components.conversation import ConversationInput
from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Context, HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError, Unauthorized
from homeassistant.helpers import intent

from ..const import ASSISTANT, DOMAIN
from ..node.wire import Call

_LOGGER = logging.getLogger(__name__)
_WHERE = {"name", "area", "floor", "domain", "device_class"}
"""Slots that say which entities: the call's ids say that better."""

ServiceCall = tuple[str, str, dict[str, Any]]
"""Domain, service, and data."""


@dataclass(frozen=True, slots=True)
class Result:
    """What has become of a call, entity by entity."""

    done: list[intent.IntentResponseTarget] = field(default_factory=list)
    failed: list[intent.IntentResponseTarget] = field(default_factory=list)
    asked: list[State] = field(default_factory=list)
    """States that it has asked for."""

    @property
    def ok(self) -> bool:
        """Whether all of it was carried out."""
        return not self.failed

    def as_tool_result(self) -> dict[str, Any]:
        """As it stands in the chat log."""
        if self.asked:
            return {"success": True, "states": {state.entity_id: state.state for state in self.asked}}
        return {
            "success": self.ok,
            "entities": [target.id for target in self.done],
            "failed": [target.id for target in self.failed],
        }


async def async_carry_out(hass: HomeAssistant, call: Call, user_input: ConversationInput) -> Result:
    """Carry out a call for each of its entities; what fails, or is not exposed any more, is in the result."""
    result = Result()
    is_question = call.name == intent.INTENT_GET_STATE
    states = [(each, _exposed(hass, each)) for each in call.entity_ids]
    outcomes = await asyncio.gather(
        *(_async_do(hass, call, state, user_input) for _, state in states if state and not is_question),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
            raise outcome  # it was cancelled
    ends = iter(outcomes)
    for entity_id, state in states:
        name = state.name if state else entity_id
        target = intent.IntentResponseTarget(name, intent.IntentResponseTargetType.ENTITY, entity_id)
        if state is None:
            result.failed.append(target)
        elif is_question:
            result.asked.append(state)
        elif isinstance(error := next(ends), Exception):
            _log(call, error)
            result.failed.append(target)
        else:
            result.done.append(target)
    if not call.entity_ids:
        result.failed.append(
            intent.IntentResponseTarget(call.name, intent.IntentResponseTargetType.CUSTOM, None)
        )
    return result


def _exposed(hass: HomeAssistant, entity_id: str) -> State | None:
    state = hass.states.get(entity_id)
    return state if state and async_should_expose(hass, ASSISTANT, entity_id) else None


def _log(call: Call, error: Exception) -> None:
    expected = isinstance(error, HomeAssistantError | vol.Invalid)
    _LOGGER.warning("%s failed: %s", call.name, type(error).__name__, exc_info=None if expected else error)


async def _async_do(hass: HomeAssistant, call: Call, state: State, user_input: ConversationInput) -> None:
    await _async_check_user(hass, state.entity_id, user_input.context)
    if service := service_call(call, state):
        domain, name, data = service
        data = {ATTR_ENTITY_ID: state.entity_id, **data}
        await hass.services.async_call(domain, name, data, blocking=True, context=user_input.context)
        return
    values = {slot: value for slot, value in call.arguments.items() if slot not in _WHERE}
    # An entity's id is a name that only it has.
    slots = {slot: {"value": value} for slot, value in (values | {"name": state.entity_id}).items()}
    response = await intent.async_handle(
        hass,
        DOMAIN,
        call.name,
        slots,
        user_input.text,
        user_input.context,
        user_input.language,
        ASSISTANT,
        user_input.device_id,
        user_input.satellite_id,
        user_input.agent_id,
    )
    if response.response_type is intent.IntentResponseType.ERROR or response.failed_results:
        raise intent.IntentHandleError(f"{call.name} was not carried out")


async def _async_check_user(hass: HomeAssistant, entity_id: str, context: Context) -> None:
    """Refuse what the user may not control: some intents, those of lists for one, do not look."""
    user = await hass.auth.async_get_user(context.user_id) if context.user_id else None
    if user and not user.permissions.check_entity(entity_id, POLICY_CONTROL):
        raise Unauthorized(context, entity_id=entity_id, permission=POLICY_CONTROL)


def service_call(call: Call, state: State) -> ServiceCall | None:
    """The service that does what no intent does; None where an intent does it.

    Raises:
        HomeAssistantError: this entity has nothing that does it.
    """
    arguments, domain = call.arguments, state.domain
    match call.name:
        case "HassLightSet" if "brightness_step" in arguments:
            return "light", "turn_on", {"brightness_step_pct": arguments["brightness_step"]}
        case "HassClimateSetTemperature":  # which is for climate alone, and takes no step
            return domain, "set_temperature", {"temperature": _temperature(arguments, state)}
        case "SetMode":
            return _mode(str(arguments["mode"]), state)
        case "SetOption" if domain == "media_player":
            return domain, "select_source", {"source": arguments["option"]}
        case "SetOption":
            return domain, "select_option", {"option": arguments["option"]}
    return None


def _temperature(arguments: dict[str, Any], state: State) -> float:
    if "temperature" in arguments:
        return float(arguments["temperature"])
    target = state.attributes.get("temperature")
    if not isinstance(target, int | float):
        raise HomeAssistantError(f"{state.entity_id} has no temperature to change")
    wanted = target + float(arguments["temperature_step"])
    least, most = state.attributes.get("min_temp", wanted), state.attributes.get("max_temp", wanted)
    return float(min(most, max(least, wanted)))


def _mode(mode: str, state: State) -> ServiceCall:
    match state.domain:
        case "climate" if mode in (state.attributes.get("hvac_modes") or ()):
            return "climate", "set_hvac_mode", {"hvac_mode": mode}
        case "climate" | "fan" as domain:
            return domain, "set_preset_mode", {"preset_mode": mode}
        case "water_heater":
            return "water_heater", "set_operation_mode", {"operation_mode": mode}
        case "humidifier":
            return "humidifier", "set_mode", {"mode": mode}
    raise HomeAssistantError(f"{state.entity_id} has no mode to set")
