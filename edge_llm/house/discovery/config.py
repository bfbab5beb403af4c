"""Reads an announcement: a topic and a payload of MQTT discovery become the components that they announce.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery describes both of its forms.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_llm.contract.house import MAX_ID, MAX_NAME
from edge_llm.contract.reading import refuse_deeper
from edge_llm.house.discovery import abbreviations
from edge_llm.house.discovery.options import text_of
from edge_llm.house.discovery.templates.payloads import read_json
from edge_llm.house.discovery.templates.template import tokens_of
from edge_llm.house.discovery.unreadable import Unreadable

MAX_PAYLOAD_BYTES = 65_536
"""Maximum size of an announcement."""
_MAX_COMPONENTS = 200
_MAX_KEY = 100
_MAX_DEPTH = 8
_MAX_TEMPLATES, _MAX_TEMPLATE_WORDS = 16_000, 1500
"""Maximum length of all templates of an announcement, in characters and in words and signs."""
_MAX_AVAILABILITY = 20
_MAX_BASE = 1000
_DEVICE = "device"
_PLACE = re.compile(
    r"(?P<kind>\w{1,64})/(?:(?P<node>[a-zA-Z0-9_-]+)/)?(?P<object>[a-zA-Z0-9_-]+)/config", re.ASCII
)
_SHARED = (
    "availability",
    "availability_mode",
    "availability_template",
    "availability_topic",
    "command_topic",
    "encoding",
    "payload_available",
    "payload_not_available",
    "state_topic",
    "qos",
)
"""Options of an announcement of several components that each of them takes over."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a component, or a device with several, is announced: its topic without prefix and ``config``."""

    path: str
    kind: str
    name: str
    """Its last level, for what has no name of its own."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component that is announced, with its options by their long names."""

    id: str
    kind: str
    name: str
    area: str | None
    options: Mapping[str, Any]


def place_of(topic: str, prefix: str) -> Place | None:
    """The place that a topic is of; None if it is no topic of an announcement, or is too long for an id."""
    if not topic.startswith(f"{prefix}/"):
        return None
    found = _PLACE.fullmatch(topic, len(prefix) + 1)
    path = topic[len(prefix) + 1 :].removesuffix("/config")
    if found is None or len(path) > MAX_ID:
        return None
    return Place(path, found["kind"], found["object"])


def read_components(place: Place, payload: bytes) -> tuple[Component, ...]:
    """The components that a payload announces; none where it is empty, which removes them.

    Raises:
        Unreadable: it is no announcement.
    """
    if not payload:
        return ()
    values = _long_names(_read_object(payload), abbreviations.OPTIONS)
    if values.get("migrate_discovery") is True:
        return ()
    components = (
        tuple(_components(place, values))
        if place.kind == _DEVICE
        else (_component(place.path, place.kind, place.name, values),)
    )
    _refuse_long_templates(components)
    return components


def clean_name(value: Any, option: str) -> str | None:
    """A name that can be said: one line, without control characters, and no longer than a house takes."""
    text = text_of(value, option)
    if text is None:
        return None
    printable = "".join(character if character.isprintable() else " " for character in text[: 2 * MAX_NAME])
    return " ".join(printable.split())[:MAX_NAME].strip() or None


def _refuse_long_templates(components: tuple[Component, ...]) -> None:
    """Refuse what would take long to parse, all of it together."""
    options = (option for component in components for option in component.options.items())
    texts = [text for name, text in options if name.endswith("template") and isinstance(text, str)]
    if sum(map(len, texts)) > _MAX_TEMPLATES or sum(map(tokens_of, texts)) > _MAX_TEMPLATE_WORDS:
        raise Unreadable(
            f"its templates have more than {_MAX_TEMPLATES} characters or {_MAX_TEMPLATE_WORDS} words"
        )


def _read_object(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(f"the payload has more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        values = read_json(payload.decode())
        refuse_deeper(values, _MAX_DEPTH)
    except (ValueError, RecursionError):
        raise Unreadable("the payload is no JSON, or is nested too deeply") from None
    if not isinstance(values, dict):
        raise Unreadable("the payload is no JSON object")
    return values


def _long_names(values: dict[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    return {table.get(name, name): value for name, value in values.items()}


def _components(place: Place, values: dict[str, Any]) -> Iterator[Component]:
    shared = {name: values[name] for name in _SHARED if name in values}
    device = values.get("device")
    if not isinstance(device, dict):
        raise Unreadable("device: it is missing")
    groups = [(None, values.get("components", {}))]
    for each in _list(values.get("child_devices")):
        child = _long_names(_object(each, "child_devices"), abbreviations.OPTIONS)
        groups.append((child.get("name"), child.get("components", {})))
    total = 0
    for child_name, group in groups:
        for key, each in _object(group, "components").items():
            total += 1
            own = _long_names(_object(each, "components"), abbreviations.OPTIONS)
            kind = own.pop("platform", None)
            if not isinstance(kind, str) or total > _MAX_COMPONENTS:
                raise Unreadable(f"components: one has no platform, or there are more than {_MAX_COMPONENTS}")
            if not own:
                continue  # it is taken away
            if not key.isprintable() or "/" in key or not 0 < len(key) <= _MAX_KEY:
                raise Unreadable("components: a key is empty, too long or no plain text")
            whose = device if child_name is None else device | {"child_device": {"name": child_name}}
            yield _component(f"{place.path}/{key}", kind, key, shared | own | {"device": whose})


def _component(identity: str, kind: str, key: str, values: dict[str, Any]) -> Component:
    if len(identity) > MAX_ID:
        raise Unreadable(f"the id that its topic gives it is longer than {MAX_ID} characters")
    about = _about(values.get("device"))
    return Component(
        identity,
        kind,
        _name(values, about, key),
        clean_name(about.get("suggested_area"), "suggested_area"),
        _with_base(_with_availability(values)),
    )


def _about(device: Any) -> dict[str, Any]:
    """What a name is made of, and the room."""
    if not isinstance(device, dict):
        return {}
    names = ("name", "suggested_area", "sa", "child_device", "cdev")
    return _long_names({name: device[name] for name in names if name in device}, abbreviations.DEVICE)


def _name(values: dict[str, Any], about: dict[str, Any], key: str) -> str:
    """The device's name and the component's, as Home Assistant joins them."""
    child = about.get("child_device")
    named = child if isinstance(child, dict) and child.get("name") is not None else about
    device = clean_name(named.get("name"), "name")
    own = clean_name(values.get("name"), "name")
    if own is None and "name" not in values and isinstance(values.get("device_class"), str):
        own = clean_name(values["device_class"].replace("_", " ").capitalize(), "device_class")
    fallback = clean_name(key.replace("_", " ").replace("-", " "), "key") or key
    joined = " ".join(part for part in (device, own) if part) or fallback
    return joined[:MAX_NAME].strip()


def _with_availability(values: dict[str, Any]) -> dict[str, Any]:
    """The options with the long names of ``availability``, which is a list from here on."""
    if "availability" not in values:
        return values
    each = _list(values["availability"])
    if len(each) > _MAX_AVAILABILITY:
        raise Unreadable(f"availability: it has more than {_MAX_AVAILABILITY} entries")
    return values | {
        "availability": [_long_names(_object(one, "availability"), abbreviations.OPTIONS) for one in each]
    }


def _with_base(values: dict[str, Any]) -> dict[str, Any]:
    """The options with ``~`` at either end of a topic replaced by what it stands for."""
    base = values.get("~")
    if base is None:
        return values
    if not isinstance(base, str) or len(base) > _MAX_BASE:
        raise Unreadable(f"~: it is no text, or longer than {_MAX_BASE} characters")
    replaced = {
        name: _based(value, base) if name.endswith("topic") else value for name, value in values.items()
    }
    if "availability" in replaced:
        replaced["availability"] = [
            one | {"topic": _based(one.get("topic"), base)} for one in replaced["availability"]
        ]
    return replaced


def _based(value: Any, base: str) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith("~"):
        value = base + value[1:]
    return value[:-1] + base if value.endswith("~") else value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _object(value: Any, option: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{option}: it is no JSON object")
    return value
