"""Adds a node: found by its retained info, or by hand where its base topic is another one."""

from typing import Any

import probatio as vol
from homeassistant.components import mqtt
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_LLM_HASS_API, CONF_NAME, CONF_PROMPT
from homeassistant.core import callback
from homeassistant.helpers import llm
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
    TextSelectorConfig,
)
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo

from .const import (
    CONF_BASE_TOPIC,
    CONF_DOCUMENTS,
    CONF_NODE,
    DEFAULT_BASE_TOPIC,
    DEFAULT_PROMPT,
    DOMAIN,
    SUBENTRY_AI_TASK,
    SUBENTRY_CONVERSATION,
)
from .node.client import async_find
from .node.wire import Topics, is_documents, is_node, read_info

_FIND_S = 5.0
_NODE_SCHEMA = vol.Schema(
    {vol.Required(CONF_BASE_TOPIC): TextSelector(), vol.Required(CONF_NODE): TextSelector()}
)
_PROMPT = TextSelector(TextSelectorConfig(multiline=True))


class EdgeLlmConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a node."""

    VERSION = 1

    def __init__(self) -> None:
        """Know no node yet."""
        self._topics = Topics(DEFAULT_BASE_TOPIC, "")

    @classmethod
    @callback
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """More agents of the same node, and tasks."""
        return {SUBENTRY_CONVERSATION: ConversationFlow, SUBENTRY_AI_TASK: TaskFlow}

    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """Take a node that the broker has told of."""
        info = read_info(discovery_info.payload)
        if info is None:  # it was taken away
            return self.async_abort(reason="invalid_discovery_info")
        base, node, _ = discovery_info.topic.rsplit("/", 2)
        self._topics = Topics(base, node)
        await self._async_set_node(by_hand=False)
        if reason := _why_not(info):
            return self.async_abort(reason=reason)
        self.context["title_placeholders"] = {"name": node}
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether it is wanted."""
        if user_input is not None:
            return self._create()
        self._set_confirm_only()
        return self.async_show_form(step_id="confirm", description_placeholders={"name": self._topics.node})

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Take a node by its name."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._topics = Topics(user_input[CONF_BASE_TOPIC].strip("/ "), user_input[CONF_NODE].strip())
            errors = await self._async_errors()
            if not errors:
                await self._async_set_node()
                return self._create()
        suggested = user_input or {CONF_BASE_TOPIC: DEFAULT_BASE_TOPIC}
        schema = self.add_suggested_values_to_schema(_NODE_SCHEMA, suggested)
        return self.async_show_form(step_id="user", data_schema=schema, errors=errors)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Follow another node, or the same one under another base topic, with the same agents."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            self._topics = Topics(user_input[CONF_BASE_TOPIC].strip("/ "), user_input[CONF_NODE].strip())
            errors = await self._async_errors()
            if not errors:
                if self._unique_id != entry.unique_id:
                    await self._async_set_node()
                return self.async_update_and_abort(  # the entry's listener reloads it
                    entry, unique_id=self._unique_id, title=self._title, data=self._data
                )
        schema = self.add_suggested_values_to_schema(_NODE_SCHEMA, user_input or entry.data)
        return self.async_show_form(step_id="reconfigure", data_schema=schema, errors=errors)

    @property
    def _unique_id(self) -> str:
        return f"{self._topics.base}/{self._topics.node}"

    @property
    def _title(self) -> str:
        return f"edge_llm {self._topics.node}"

    @property
    def _data(self) -> dict[str, Any]:
        return {CONF_BASE_TOPIC: self._topics.base, CONF_NODE: self._topics.node}

    async def _async_set_node(self, *, by_hand: bool = True) -> None:
        """Abort if it is there already; a node that was found may still be added by hand."""
        await self.async_set_unique_id(self._unique_id, raise_on_progress=not by_hand)
        self._abort_if_unique_id_configured()

    async def _async_errors(self) -> dict[str, str]:
        """Why the node cannot be taken, by the field that is wrong."""
        try:
            mqtt.valid_publish_topic(self._topics.base)
        except vol.Invalid:
            return {CONF_BASE_TOPIC: "invalid_base_topic"}
        if not is_node(self._topics.node):
            return {CONF_NODE: "invalid_node"}
        if not await mqtt.async_wait_for_mqtt_client(self.hass):
            return {"base": "mqtt_not_ready"}
        info = await async_find(self.hass, self._topics, _FIND_S)
        if info is None:
            return {"base": "not_found"}
        reason = _why_not(info)
        return {"base": reason} if reason else {}

    def _create(self) -> ConfigFlowResult:
        agent = ConfigSubentryData(
            data={CONF_PROMPT: DEFAULT_PROMPT},
            subentry_type=SUBENTRY_CONVERSATION,
            title=self._title,
            unique_id=None,
        )
        return self.async_create_entry(title=self._title, data=self._data, subentries=[agent])


def _why_not(info: dict[str, Any]) -> str | None:
    """Why it is no node that takes sentences to the house: ``engine.constraints`` is off, for example."""
    if is_documents(info):
        return "is_documents"
    return None if "act" in (info.get("features") or ()) else "cannot_act"


class ConversationFlow(ConfigSubentryFlow):
    """Adds an agent, or changes one."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Add an agent."""
        if user_input is not None:
            return self.async_create_entry(title=user_input.pop(CONF_NAME), data=user_input)
        suggested = {CONF_NAME: self._get_entry().title, CONF_PROMPT: DEFAULT_PROMPT}
        return self.async_show_form(step_id="user", data_schema=self._schema(suggested, named=True))

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Change what an agent is told."""
        subentry = self._get_reconfigure_subentry()
        if user_input is not None:
            return self.async_update_and_abort(self._get_entry(), subentry, data=user_input)
        schema = self._schema(subentry.data, named=False)
        return self.async_show_form(step_id="reconfigure", data_schema=schema)

    def _schema(self, suggested: Any, *, named: bool) -> vol.Schema:
        name = {vol.Required(CONF_NAME): TextSelector()} if named else {}
        apis = [SelectOptionDict(label=api.name, value=api.id) for api in llm.async_get_apis(self.hass)]
        chosen = SelectSelector(SelectSelectorConfig(options=apis, multiple=True))
        fields = {
            vol.Optional(CONF_PROMPT): _PROMPT,
            vol.Required(CONF_DOCUMENTS, default=False): BooleanSelector(),
            vol.Optional(CONF_LLM_HASS_API): chosen,
        }
        return self.add_suggested_values_to_schema(vol.Schema(name | fields), suggested)


class TaskFlow(ConfigSubentryFlow):
    """Adds an entity for the tasks of automations."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for its name."""
        if user_input is not None:
            return self.async_create_entry(title=user_input[CONF_NAME], data={})
        schema = vol.Schema({vol.Required(CONF_NAME): TextSelector()})
        suggested = {CONF_NAME: self._get_entry().title}
        return self.async_show_form(
            step_id="user", data_schema=self.add_suggested_values_to_schema(schema, suggested)
        )
