"""`edge-llm house`: shows the house that a node acts in, and accepts devices that announce themselves."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from edge_llm.client.house import FoundHouse, find_house
from edge_llm.config import HouseSettings, load_settings
from edge_llm.contract.house import Device
from edge_llm.contract.topics import Topics
from edge_llm.errors import ConfigError
from edge_llm.house.actions import capabilities_of
from edge_llm.house.announced.accepted import read_accepted, write_accepted
from edge_llm.house.discovery.entity import Entity
from edge_llm.house.language.words import words_of
from edge_llm.house.targets import find_targets

_MOST_SHOWN = 20
_EXAMPLES = """\
examples:
  edge-llm house                       what there is, room by room, and who moves it
  edge-llm house accept                take all devices that announce themselves now, and forget the others
  edge-llm house --json | jq .unread   what cannot be read, and why

A device whose command topic or payload changes has to be accepted again; its name may change.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``house``, and examples to its help."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "action",
        nargs="?",
        choices=("show", "accept"),
        default="show",
        help="accept: write what there is into the file of house.accept (default: show it)",
    )


def run(options: argparse.Namespace) -> int:
    """Show the house, or accept its devices."""
    settings = load_settings(options.config)
    own = settings.house
    topics = Topics(settings.mqtt.base_topic, settings.node.id, settings.mqtt.pool)
    progress = _progress if sys.stderr.isatty() else lambda _number: None
    found = find_house(settings, topics, progress)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if options.action == "accept":
        report = _accept(own, found)
        lines = _accepted_lines(report)
    else:
        report = _report(own, found)
        lines = _lines(report)
    print(json.dumps(report, ensure_ascii=False) if options.json else "\n".join(lines))
    return 0


def _progress(number: int) -> None:
    print(f"\rreading what the broker has kept: {number} messages", end="", file=sys.stderr, flush=True)


def _accept(settings: HouseSettings, found: FoundHouse) -> dict[str, Any]:
    accept = settings.accept
    if accept is None or accept == "all":
        why = "all devices are accepted" if accept else "there is no file to write them into"
        raise ConfigError(f"house.accept: {why}; set it to a path, such as /var/lib/edge_llm/accepted.json")
    before = read_accepted(accept)
    write_accepted(accept, found.entities)
    now = found.entities
    return {
        "file": str(accept),
        "accepted": len(now),
        "new": sorted(each.device.name for name, each in now.items() if name not in before),
        "changed": sorted(
            each.device.name
            for name, each in now.items()
            if before.get(name, each.fingerprint) != each.fingerprint
        ),
        "gone": len(before.keys() - now.keys()),
    }


def _accepted_lines(report: dict[str, Any]) -> Iterator[str]:
    yield f"{report['accepted']} devices accepted in {report['file']}; a running node takes them in seconds"
    for key in ("new", "changed"):
        if names := report[key]:
            more = len(names) - _MOST_SHOWN
            yield f"  {key}: {', '.join(names[:_MOST_SHOWN])}{f' and {more} more' if more > 0 else ''}"
    if report["gone"]:
        yield f"  no longer there: {report['gone']}"


def _report(settings: HouseSettings, found: FoundHouse) -> dict[str, Any]:
    house, snapshot = found.house, found.snapshot
    targets = find_targets(house, words_of(house.language))
    areas = {area.id: area.name for area in house.areas}
    waiting = {name: each for name, each in found.entities.items() if name not in found.accepted}
    return {
        "sources": list(snapshot.sources),
        "problems": dict(snapshot.problems),
        "language": house.language,
        "devices": [
            {
                "id": device.id,
                "name": device.name,
                "area": areas.get(device.area or ""),
                "kind": device.kind,
                "class": device.device_class,
                "can": _abilities(device),
                "moved_by_node": _is_moved(device, settings, found),
            }
            for device in house.devices
        ],
        "targets": {"devices": len(targets.devices), "groups": len(targets.groups)},
        "not_accepted": [_waiting(name, each) for name, each in waiting.items()],
        "unread": dict(found.unread),
        "left_out": dict(found.left_out),
    }


def _abilities(device: Device) -> list[str]:
    capabilities = capabilities_of(device)
    return [name for name in type(capabilities).model_fields if getattr(capabilities, name)]


def _is_moved(device: Device, settings: HouseSettings, found: FoundHouse) -> bool:
    """Whether the node moves a device: it is accepted, and its kind is in ``house.act``."""
    announced = device.id in found.accepted or any(
        each.device.unique_id == device.unique_id and each.device.kind == device.kind
        for each in found.accepted.values()
        if device.unique_id
    )
    return announced and device.kind in settings.act


def _waiting(name: str, entity: Entity) -> dict[str, Any]:
    return {"id": name, "name": entity.device.name, "kind": entity.device.kind}


def _lines(report: dict[str, Any]) -> Iterator[str]:
    sources = ", ".join(report["sources"]) or "nobody: see docs/house.md"
    targets = report["targets"]
    yield f"described by {sources}; {targets['devices']} devices, {targets['groups']} groups of them"
    by_area: dict[str, list[dict[str, Any]]] = {}
    for device in report["devices"]:
        by_area.setdefault(device["area"] or "(no room)", []).append(device)
    for area, devices in sorted(by_area.items()):
        yield area
        for device in devices:
            kind = f"{device['kind']}:{device['class']}" if device["class"] else device["kind"]
            moved = "  [the node moves it]" if device["moved_by_node"] else ""
            yield f"  {device['name']:<28} {kind:<22} {' '.join(device['can']) or 'a state'}{moved}"
    for source, problem in report["problems"].items():
        yield f"problem of {source}: {problem}"
    if waiting := report["not_accepted"]:
        yield f"{len(waiting)} announced and not accepted (edge-llm house accept takes them):"
        yield from (f"  {each['name']:<28} {each['kind']}" for each in waiting[:_MOST_SHOWN])
    if left_out := report["left_out"]:
        yield f"left out: {', '.join(f'{number} {why}' for why, number in left_out.items())}"
    if unread := report["unread"]:
        yield f"{len(unread)} announcements cannot be read:"
        yield from (f"  {topic}: {why}" for topic, why in list(unread.items())[:_MOST_SHOWN])
