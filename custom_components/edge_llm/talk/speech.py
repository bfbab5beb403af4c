"""What is said in Home Assistant's own words: errors, and states that the node cannot tell."""

from collections.abc import Iterable

from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_translations, async_translate_state

from ..const import DOMAIN
from ..node.wire import Source

_CHINESE = "zh-Hans"


async def async_error(hass: HomeAssistant, language: str, reason: str) -> str:
    """The sentence for an error, in the language of who has asked."""
    translations = await async_get_translations(hass, _known(language), "exceptions", [DOMAIN])
    return translations[f"component.{DOMAIN}.exceptions.{reason}.message"]


async def async_papers(hass: HomeAssistant, language: str, sources: Iterable[Source]) -> tuple[str, str]:
    """A title, and a line for each of the papers that an answer was made from."""
    words = await async_get_translations(hass, _known(language), "common", [DOMAIN])
    lines = []
    for source in sources:
        page = words[f"component.{DOMAIN}.common.page"].format(page=source.page) if source.page else ""
        lines.append(", ".join(filter(None, (source.document, page, source.heading))))
    return words[f"component.{DOMAIN}.common.papers"], "\n".join(dict.fromkeys(lines))


def _known(language: str) -> str:
    """The language as Home Assistant names its translations; what it does not have becomes English there."""
    first = language.replace("_", "-").partition("-")[0].lower()
    return _CHINESE if first == "zh" else first


def states_in_words(hass: HomeAssistant, states: Iterable[State]) -> str:
    """Name and state of each entity, as Home Assistant shows them."""
    return " ".join(f"{state.name}: {_state(hass, state)}." for state in states)


def _state(hass: HomeAssistant, state: State) -> str:
    entry = er.async_get(hass).async_get(state.entity_id)
    said = async_translate_state(
        hass,
        state.state,
        state.domain,
        entry.platform if entry else None,
        entry.translation_key if entry else None,
        state.attributes.get("device_class"),
    )
    return f"{said} {state.attributes.get('unit_of_measurement', '')}".strip()
