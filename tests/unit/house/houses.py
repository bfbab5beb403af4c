"""Houses as sources publish them, and as they come together."""

import json
from typing import Any

from edge_llm.contract.house import Device, House
from edge_llm.house.sources.catalogue import Catalogue


def light(device_id: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"id": device_id, "name": name, "kind": "light", **fields}


def payload(*devices: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"devices": devices, **fields}).encode()


def of(catalogue: Catalogue) -> House:
    assert catalogue.house
    return catalogue.house


def devices(catalogue: Catalogue) -> dict[str, Device]:
    return {device.id: device for device in of(catalogue).devices}


def merged(**sources: bytes) -> Catalogue:
    catalogue = Catalogue()
    for source, content in sources.items():
        catalogue.update(source, content)
    return catalogue


DESK = payload(light("desk", "Desk"))
