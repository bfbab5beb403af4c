"""A message to the broker, and its size as a packet."""

from dataclasses import dataclass
from typing import Literal

from edge_llm.mqtt.message import OnSent
from edge_llm.mqtt.properties import PublishProperties, publish_properties

_HEADER_BYTES = 5
"""A packet's type and its length, at most."""


@dataclass(slots=True, eq=False)
class Publication:
    """A message that waits until the broker has it; ``breaks`` counts connections that broke during it.

    The fields from ``expiry_s`` to ``response_topic`` are MQTT 5's, and left out on 3.1.1. ``on_sent`` is
    None where nobody waits for what becomes of it. One that is not ``kept`` is sent once, exactly as it is,
    or lost with its connection.
    """

    topic: str
    payload: bytes
    qos: Literal[0, 1, 2] = 1
    retain: bool = False
    on_sent: OnSent | None = None
    expiry_s: int | None = None
    correlation: bytes | None = None
    response_topic: str | None = None
    kept: bool = True
    breaks: int = 0

    def properties(self, version: str) -> PublishProperties | None:
        """Its properties; none on 3.1.1."""
        if version != "5":
            return None
        content_type = "application/json" if self.payload.startswith(b"{") else None
        return publish_properties(content_type, self.expiry_s, self.correlation, self.response_topic)

    def packet_bytes(self, version: str) -> int:
        """Size of its PUBLISH packet: at most 3 bytes too high."""
        properties = self.properties(version)
        variable = 2 + len(self.topic.encode(errors="surrogatepass")) + 2
        return _HEADER_BYTES + variable + (properties.bytes if properties else 0) + len(self.payload)
