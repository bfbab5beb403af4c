"""Reads zigbee2mqtt's lists of devices and groups into entities; knows nothing of MQTT clients."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, TypeVar

from pydantic import ValidationError

from edge_llm.contract.house import MAX_DEVICES, MAX_NAME, Capabilities, Device
from edge_llm.contract.reading import decode, explain
from edge_llm.errors import RequestError
from edge_llm.house.discovery.entity import AVAILABLE, Entity, Reading
from edge_llm.house.discovery.exposes.entries import DeviceEntry, Expose, GroupEntry, Member, united
from edge_llm.house.discovery.exposes.kinds import shape_of_group, shapes_of
from edge_llm.house.discovery.exposes.messages import is_online
from edge_llm.house.discovery.exposes.shape import Shape

MAX_PAYLOAD_BYTES = 2 * 2**20
"""Maximum size of a message; one of 300 devices has about 1 MB."""
MAX_PROBLEMS = 1000
_MAX_ENTRIES = MAX_DEVICES
_MAX_GROUPED = 200
"""Maximum number of members that are asked what a group can do."""
_GROUPED = "light", "switch", "cover", "lock"
"""What a group can be, the first that one of its members is."""
_RESERVED = {"set", "get"}
"""Levels of a topic that zigbee2mqtt reads as a command, and what follows as a property."""

Entry = TypeVar("Entry", DeviceEntry, GroupEntry)


class Zigbee2Mqtt:
    """The devices and groups of one zigbee2mqtt."""

    def __init__(self, base: str) -> None:
        """``base`` is zigbee2mqtt's own base topic, ``zigbee2mqtt`` if nobody has changed it."""
        self.entities: Mapping[str, Entity] = {}
        self.problems: Mapping[str, str] = {}
        """By topic, device or group: in one line, why it or a part of it cannot be read."""
        self.topics = (f"{base}/bridge/devices", f"{base}/bridge/groups")
        self._base = base
        self._lists: dict[str, list[Any]] = {}
        self._digests: dict[str, bytes] = {}
        self._refused: dict[str, str] = {}

    def update(self, topic: str, payload: bytes) -> bool:
        """Take a message on one of ``topics``; returns whether the entities are others now.

        What cannot be read is a problem, and the list before it stays. An empty payload removes the list.
        """
        digest = hashlib.sha256(payload).digest()
        if topic not in self.topics or self._digests.get(topic) == digest:
            return False
        self._digests[topic] = digest
        self._refused.pop(topic, None)
        try:
            self._lists[topic] = _list_of(payload)
        except ValueError as error:
            self._refused[topic] = str(error)
        before = self.entities
        self._build()
        return self.entities != before

    def _build(self) -> None:
        build = _Build(self._base, self._refused)
        devices, groups = self.topics
        for device in build.entries(devices, self._lists.get(devices, ()), DeviceEntry):
            if device.type != "Coordinator" and not device.disabled:
                build.add_device(device)
        for group in build.entries(groups, self._lists.get(groups, ()), GroupEntry):
            build.add_group(group)
        self.entities = build.entities(devices)
        self.problems = build.problems


class _Build:
    """The entities and problems of both lists, in progress."""

    def __init__(self, base: str, refused: Mapping[str, str]) -> None:
        self.problems = dict(refused)
        self._base = base
        self._acting: dict[str, Entity] = {}
        self._telling: dict[str, Entity] = {}
        self._is_full = False
        self._devices: dict[str, tuple[DeviceEntry, tuple[Expose, ...]]] = {}
        """By address, with what they bring into groups."""

    def entries(self, topic: str, values: Iterable[Any], entry: type[Entry]) -> Iterator[Entry]:
        """What a list holds, but for what cannot be read."""
        for number, value in enumerate(values):
            try:
                read = entry.model_validate(value)
            except ValidationError as error:
                self._problem(f"{topic}#{number}", explain(error, may_be_text=False))
                continue
            if reason := _bad_name(read.friendly_name):
                self._problem(f"{self._base}/{read.ident}", reason)
            else:
                yield read

    def add_device(self, device: DeviceEntry) -> None:
        """Add what a device is to the house."""
        key = f"{self._base}/{device.ident}"
        if device.ident in self._devices:
            self._problem(key, "another device has this address, too")
            return
        if device.definition is None:
            self._problem(key, "zigbee2mqtt does not know what it can do: it is new, or not supported")
        exposes = tuple(self._exposes(device, key))
        self._devices[device.ident] = device, tuple(each for each in exposes if each.type in _GROUPED)
        found: set[str] = set()
        for shape in shapes_of(exposes, f"{self._base}/{device.friendly_name}"):
            if shape.object_id in found:
                self._problem(key, f"it has the same {shape.kind} twice, and only the first is read")
                continue
            found.add(shape.object_id)
            if shape.problem:
                self._problem(key, shape.problem)
            self._add(device, shape)

    def add_group(self, group: GroupEntry) -> None:
        """Add a group, if one of its members is something that a group can be."""
        brought = (expose for member in group.members for expose in self._brought_by(member))
        members = list(islice(brought, _MAX_GROUPED))
        types = {expose.type for expose in members}
        kind = next((each for each in _GROUPED if each in types), None)
        if kind:
            whole = united(expose for expose in members if expose.type == kind)
            if shape := shape_of_group(whole, f"{self._base}/{group.friendly_name}"):
                self._add(group, shape)

    def entities(self, topic: str) -> dict[str, Entity]:
        """As many as a house can have, those that can be told something first."""
        if self._is_full or len(self._acting) + len(self._telling) > MAX_DEVICES:
            self._problem(topic, f"a house has at most {MAX_DEVICES} devices, and here are more")
        return dict(islice(chain(self._acting.items(), self._telling.items()), MAX_DEVICES))

    def _exposes(self, device: DeviceEntry, key: str) -> Iterator[Expose]:
        for number, value in enumerate(device.definition.exposes if device.definition else ()):
            try:
                yield Expose.model_validate(value)
            except ValidationError as error:
                self._problem(key, f"exposes.{number}.{explain(error, may_be_text=False)}")

    def _brought_by(self, member: Member) -> Iterator[Expose]:
        """What a device brings into a group by one of its endpoints."""
        if member.ieee_address not in self._devices:
            return
        device, exposes = self._devices[member.ieee_address]
        name = device.endpoint_name(str(member.endpoint))
        yield from (each for each in exposes if name is None or each.endpoint in (None, name))

    def _add(self, owner: DeviceEntry | GroupEntry, shape: Shape) -> None:
        """Add the entity of a shape; its ``unique_id`` is the one that Home Assistant is given."""
        entities = self._acting if shape.commands else self._telling
        if len(entities) >= MAX_DEVICES:
            self._is_full = True
            return
        entity_id = f"{self._base}/{owner.ident}/{shape.object_id}"
        try:
            device = Device.model_validate(
                {
                    "id": entity_id,
                    "name": f"{owner.friendly_name} {shape.label}".strip(),
                    "kind": shape.kind,
                    "class": shape.device_class,
                    "unique_id": f"{owner.ident}_{shape.object_id}_{self._base}",
                    "capabilities": Capabilities(**shape.capabilities),
                    "attributes": {"unit": shape.unit} if shape.unit else {},
                }
            )
        except ValidationError as error:
            self._problem(f"{self._base}/{owner.ident}", f"{shape.kind}: {explain(error, may_be_text=False)}")
            return
        # With its availability off, zigbee2mqtt says of a group whose members change that it is offline, and
        # never again that it is there.
        own = (f"{shape.topic}/availability",) if isinstance(owner, DeviceEntry) else ()
        online = (*own, f"{self._base}/bridge/state")
        entities.setdefault(entity_id, _entity(device, shape, online))

    def _problem(self, key: str, reason: str) -> None:
        """Keep the first reason of each, and not without end."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.setdefault(key, reason)


def _entity(device: Device, shape: Shape, online: Iterable[str]) -> Entity:
    """``online`` are the topics that say whether it is there."""
    commands = repr((shape.kind, sorted(shape.commands.items())))
    return Entity(
        device=device,
        area=None,
        commands=shape.commands,
        command_topics=frozenset({shape.command_topic} if shape.commands else ()),
        readings=(*shape.readings, *(Reading(topic, AVAILABLE, is_online) for topic in online)),
        fingerprint=hashlib.sha256(commands.encode()).hexdigest(),
    )


def _list_of(payload: bytes) -> list[Any]:
    """The list in a payload; an empty one is an empty list.

    Raises:
        ValueError: it is none, or is too large.
    """
    if not payload:
        return []
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a list may have {MAX_PAYLOAD_BYTES} bytes, this has {len(payload)}")
    try:
        values = json.loads(decode(payload))
    except RequestError as error:
        raise ValueError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ValueError("this is no JSON, or is nested too deep") from error
    if not isinstance(values, list):
        raise ValueError("this is no list")  # noqa: TRY004 - one kind of error for all that a payload can be
    if len(values) > _MAX_ENTRIES:
        raise ValueError(f"a list may have {_MAX_ENTRIES} entries, this has {len(values)}")
    return values


def _bad_name(name: str) -> str | None:
    """Why a friendly name cannot be part of a topic, or reaches what is no device's; None if it can."""
    levels = name.split("/")
    reasons = {
        "is empty": not name.strip(),
        f"has more than {MAX_NAME} characters": len(name) > MAX_NAME,
        "has + or #, which are wildcards of topics": "+" in name or "#" in name,
        "begins with $, as topics of the broker do": name.startswith("$"),
        "has control characters": any(unicodedata.category(each) in ("Cc", "Cs") for each in name),
        "begins or ends with /, or has two of them together": "" in levels,
        "begins with bridge, as zigbee2mqtt's own topics do": name.startswith("bridge"),
        "has set or get between /, as topics of commands do": bool(_RESERVED & {*levels}),
    }
    return next((f"its friendly name {reason}" for reason, is_so in reasons.items() if is_so), None)
