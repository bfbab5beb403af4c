"""Puts a device together, part by part: what commands publish, and what messages on its topics say."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast

from edge_llm.contract.house import MAX_CHOICES, MAX_NAME, Scalar
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import Command, Publish, Reading
from edge_llm.house.discovery.options import Options, is_unicode
from edge_llm.house.discovery.templates.template import Template
from edge_llm.house.discovery.topics import Reserved
from edge_llm.house.discovery.unreadable import BadTopic, Unreadable

NOTHING_SAID = "None"
"""What a template writes of a state that the device does not know (``none`` in Jinja)."""
_MAX_STATE = 255
_BINARY = ("b'", 'b"')
"""Home Assistant publishes the bytes of a payload that a template writes so."""
Names = Mapping[str, Any]
Read = Callable[[str], Scalar]


@dataclass(frozen=True, slots=True)
class Sender:
    """Makes the message that an option's topic and template are for."""

    topic: str
    template: Template | None
    qos: Literal[0, 1, 2]
    retain: bool

    def __call__(self, value: Any, names: Names | None = None) -> tuple[Publish, ...]:
        """The message of a value; none where the template has none for it."""
        text = str(value) if self.template is None else self.template.of_value(value, names)
        if text is None or not is_unicode(text) or (self.template and text.startswith(_BINARY)):
            return ()
        return (Publish(self.topic, text, self.qos, self.retain),)


class Parts:
    """The parts of one device, and the reasons of those that cannot be read."""

    def __init__(self, options: Options, reserved: Reserved) -> None:
        """Begin with none; ``reserved`` are the topics that no device may name."""
        self.options = options
        self.commands: dict[str, Command] = {}
        self.readings: list[Reading] = []
        self.problems: list[str] = []
        self.command_topics: set[str] = set()
        self._reserved = reserved

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is unreadable in here costs the device this part alone; a bad topic costs all of it."""
        try:
            yield
        except BadTopic:
            raise
        except Unreadable as error:
            self.problems.append(f"{name}: {error}")

    def sender(self, topic: str, template: str | None = None, names: Collection[str] = ()) -> Sender | None:
        """What publishes to the topic of an option; None where the option is not there.

        Raises:
            Unreadable: the topic or its template cannot be used.
        """
        if topic not in self.options:
            return None
        qos = self.options.number("qos", 0)
        if qos not in (0, 1, 2):
            raise Unreadable("qos: it is none of 0, 1 and 2")
        whose = self.options.used[topic] = self._reserved.for_commands(self.options.raw(topic), topic)
        found = self.template(template, names) if template else None
        self.command_topics.add(whose)
        return Sender(
            whose,
            found,
            cast("Literal[0, 1, 2]", int(qos)),
            self.options.flag("retain", default=False),
        )

    def needed(self, topic: str, template: str | None = None, names: Collection[str] = ()) -> Sender:
        """As ``sender``, of a topic that has to be there.

        Raises:
            Unreadable: it is not there, or cannot be used.
        """
        found = self.sender(topic, template, names)
        if found is None:
            raise Unreadable(f"{topic}: it is missing")
        return found

    def template(self, name: str, names: Collection[str] = ()) -> Template | None:
        """The template of an option for commands; None where the option is not there.

        Raises:
            Unreadable: it is not in the subset that is evaluated.
        """
        text = self.options.text(name)
        return template_of(text, name, names)

    def reads(
        self, of: str, topic: str, template: str | tuple[str, ...], read: Read, names: Names | None = None
    ) -> None:
        """Add what messages on an option's topic say; nothing where the option is not there.

        Of several names of a template, the first that is there counts. ``read`` gets what the template
        writes, and is not called where that is nothing.
        """
        if topic in self.options:
            with self.part(of):
                found = self.value_template(template, names or {})
                self.add_reading(of, self.options, topic, reader(found, read, names))

    def add_reading(self, of: str, options: Options, topic: str, read: Read) -> None:
        """Add what messages on the topic of an option say.

        Raises:
            Unreadable: the topic cannot be subscribed to.
        """
        self.readings.append(Reading(self._reserved.for_states(options.raw(topic), topic), of, read))

    def value_template(self, name: str | tuple[str, ...], names: Collection[str] = ()) -> Template | None:
        """The template of an option for messages; None where the option is not there.

        Raises:
            Unreadable: it is not in the subset that is evaluated.
        """
        there = (each for each in ((name,) if isinstance(name, str) else name) if each in self.options)
        first = next(there, None)
        return template_of(self.options.raw(first), first, names) if first else None

    def switches(self, on: str, off: str, sender: Sender) -> None:
        """Add the commands ``on`` and ``off`` that send fixed texts."""
        self.commands["on"] = sends(sender, on)
        self.commands["off"] = sends(sender, off)


def template_of(text: Any, option: str, names: Collection[str] = ()) -> Template | None:
    """The template that an option is; None where it is not there.

    Raises:
        Unreadable: it is not in the subset that is evaluated.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise Unreadable(f"{option}: it is no text")
    try:
        return Template(text, names)
    except Unreadable as error:
        raise Unreadable(f"{option}: {error}") from None


def reader(template: Template | None, read: Read, names: Names | None = None) -> Read:
    """What reads a message: through a template, if there is one; it raises nothing."""

    def of_message(payload: str) -> Scalar:
        text = payload if template is None else template.of_message(payload, names)
        if not text or text == NOTHING_SAID:
            return None
        try:
            return read(text)
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            return None

    return of_message


def sends(sender: Sender, payload: Any) -> Command:
    """A command that takes no value."""
    return lambda _: sender(payload)


def sends_word(sender: Sender, words: Mapping[str, str]) -> Command:
    """A command that sends the word of the device that a name stands for; none for another name."""

    def command(value: Value) -> tuple[Publish, ...]:
        return sender(words[value]) if isinstance(value, str) and value in words else ()

    return command


def is_number(value: Value) -> TypeGuard[float]:
    """Whether a value is a number that a device can be set to."""
    return isinstance(value, int | float) and math.isfinite(value)


def sends_number(sender: Sender, convert: Callable[[float], Any]) -> Command:
    """A command that sends a number as the device has it; none for what is no number."""

    def command(value: Value) -> tuple[Publish, ...]:
        return sender(convert(value)) if is_number(value) else ()

    return command


def mapped(words: Mapping[str, Scalar]) -> Read:
    """Reads a text that is one of ``words``."""
    return words.get


def number(text: str) -> float | None:
    """A finite number."""
    value = float(text)
    return value if abs(value) < float("inf") else None


def percent_of(scale: float) -> Read:
    """Reads a number from 0 to ``scale`` as percent."""

    def read(text: str) -> float | None:
        value = number(text)
        return None if value is None else max(0, min(100, round(value / scale * 100)))

    return read


def state(text: str) -> str:
    """A state as it is, cut to what a house takes."""
    return text[:_MAX_STATE]


def by_name(words: Collection[str], option: str) -> dict[str, str]:
    """The words of a device by the names that they are said with: one line, and not too long.

    Raises:
        Unreadable: there are more than a house takes.
    """
    named: dict[str, str] = {}
    for word in words:
        name = " ".join("".join(c if c.isprintable() else " " for c in word).split())
        if name and len(name) <= MAX_NAME:
            named.setdefault(name, word)
    if len(named) > MAX_CHOICES:
        raise Unreadable(f"{option}: it has more than {MAX_CHOICES} entries")
    return named
