"""Houses as sources publish them, and as they come together."""

import json
from typing import Any

from edge_llm.contract.house import Device, House
from edge_llm.house.compiled import CompiledHouse, Doubtful, Meaning, Settled
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


def house(*things: dict[str, Any], **fields: Any) -> House:
    """A house of ``things``, read as from the wire."""
    return House.model_validate_json(payload(*things, **fields))


def compiled(*things: dict[str, Any], **fields: Any) -> CompiledHouse:
    return CompiledHouse(house(*things, **fields))


_PLACES = "kitchen", "living", "hall"
_NAMES = {
    "en": "Kitchen,Living room,Hall,Ceiling lamp,Reading lamp,Tall lamp,Kitchen blind,Thermostat,"
    "Front door,Kitchen radio,Shopping list",
    "de": "Küche,Wohnzimmer,Flur,Deckenlampe,Leselampe,Stehlampe,Küchenrollo,Thermostat,"
    "Haustür,Küchenradio,Einkaufsliste",
    "es": "Cocina,Salón,Pasillo,Lámpara de techo,Lámpara de lectura,Lámpara de pie,Persiana de la cocina,"
    "Termostato,Puerta principal,Radio de la cocina,Lista de la compra",
    "fr": "Cuisine,Salon,Couloir,Plafonnier,Liseuse,Lampadaire,Store de la cuisine,Thermostat,"
    "Porte d'entrée,Radio de la cuisine,Liste de courses",
    "nl": "Keuken,Woonkamer,Gang,Plafondlamp,Leeslamp,Staande lamp,Keukenrolgordijn,Thermostaat,"
    "Voordeur,Keukenradio,Boodschappenlijst",
    "zh": "厨房,客厅,走廊,吸顶灯,阅读灯,落地灯,厨房百叶窗,恒温器,前门锁,厨房收音机,购物清单",
}
_DEGREES = {"min": 5, "max": 30, "step": 0.5, "unit": "°C"}
_DEVICES: tuple[dict[str, Any], ...] = (
    light("ceiling", "", area="kitchen"),
    light("reading", "", area="living", state="on"),
    light("tall", "", area="living"),
    {"id": "blind", "kind": "cover", "class": "blind", "area": "kitchen"},
    {"id": "heat", "kind": "climate", "area": "living", "capabilities": {"temperature": _DEGREES}},
    {"id": "door", "kind": "lock", "area": "hall", "state": "locked"},
    {"id": "radio", "kind": "media_player", "area": "kitchen"},
    {"id": "list", "kind": "todo"},
)


def home(language: str) -> CompiledHouse:
    """A small home with its names in a language; ids are those of English words."""
    names = _NAMES[language].split(",")
    areas = [{"id": place, "name": name} for place, name in zip(_PLACES, names[:3], strict=True)]
    devices = [device | {"name": name} for device, name in zip(_DEVICES, names[3:], strict=True)]
    return compiled(*devices, language=language, areas=areas)


def calls(meaning: Meaning) -> list[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """The calls of what is settled: names, slots, and ids of devices."""
    assert isinstance(meaning, Settled), meaning
    return [(call.name, call.arguments, call.device_ids) for act in meaning.acts for call in act.calls()]


def candidates(meaning: Meaning) -> tuple[str, ...]:
    """The ids of the devices that a sentence may mean, which needs a question back."""
    assert isinstance(meaning, Doubtful), meaning
    return tuple(each for target in meaning.candidates for each in target.ids)
