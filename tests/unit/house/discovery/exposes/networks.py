"""Networks of zigbee2mqtt, made of real products: ``products.json`` has what each exposes."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge_llm.contract.house import Scalar
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import Entity
from edge_llm.house.discovery.zigbee2mqtt import Zigbee2Mqtt

PRODUCTS: Mapping[str, list[Any]] = json.loads(Path(__file__).with_name("products.json").read_text("utf-8"))
DEVICES, GROUPS = "zigbee2mqtt/bridge/devices", "zigbee2mqtt/bridge/groups"


def ieee(number: int) -> str:
    return f"0x{number:016x}"


def device(number: int, name: Any, exposes: Any, **fields: Any) -> dict[str, Any]:
    """An entry of ``bridge/devices``; ``exposes`` may be the name of a product."""
    exposes = PRODUCTS[exposes] if isinstance(exposes, str) else exposes
    entry = {
        "ieee_address": ieee(number),
        "type": "Router",
        "friendly_name": name,
        "disabled": False,
        "definition": {"model": "M", "vendor": "V", "exposes": exposes},
        "endpoints": {"1": {"name": None, "scenes": []}},
    }
    return entry | fields


def group(number: Any, name: str, *members: int | tuple[int, int], **fields: Any) -> dict[str, Any]:
    """An entry of ``bridge/groups``; a member is a device, or a device and the number of its endpoint."""
    pairs = (member if isinstance(member, tuple) else (member, 1) for member in members)
    entries = [{"ieee_address": ieee(number), "endpoint": endpoint} for number, endpoint in pairs]
    return {"id": number, "friendly_name": name, "members": entries} | fields


def payload(entries: Iterable[Any]) -> bytes:
    return json.dumps(list(entries)).encode()


def network(devices: Iterable[Any], groups: Iterable[Any] = ()) -> Zigbee2Mqtt:
    read = Zigbee2Mqtt("zigbee2mqtt")
    read.update(DEVICES, payload(devices))
    read.update(GROUPS, payload(groups))
    return read


def of_product(product: str, object_id: str, name: str = "kitchen/thing") -> Entity:
    """One entity of a product that is called ``kitchen/thing``."""
    return network([device(1, name, product)]).entities[f"zigbee2mqtt/{ieee(1)}/{object_id}"]


def sent(entity: Entity, action: str, value: Value = None) -> Any:
    """What an action sends; None for nothing."""
    messages = entity.commands[action](value)
    if not messages:
        return None
    (message,) = messages
    assert (message.qos, message.retain) == (0, False)
    assert {message.topic} == entity.command_topics
    return json.loads(message.payload)


def told(entity: Entity, message: str | Mapping[str, Any], topic: str | None = None) -> dict[str, Scalar]:
    """What a message on a topic, the device's own if none is named, tells of it."""
    text = message if isinstance(message, str) else json.dumps(message)
    own = entity.readings[0].topic if topic is None else topic
    values = {reading.of: reading.read(text) for reading in entity.readings if reading.topic == own}
    return {of: value for of, value in values.items() if value is not None}
