"""Version 1 of the MQTT contract: every topic."""

import re
from dataclasses import dataclass
from functools import cached_property

from edge_llm.config import ID_PATTERN

_CLIENT = re.compile(ID_PATTERN)
_UNPUBLISHABLE = re.compile(r"[+#\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no topic may have (MQTT 1.5.4, 4.7.1), and controls, which a broker may refuse."""
_MAX_TOPIC_BYTES = 65535
ONLINE, OFFLINE = b"online", b"offline"
"""Payloads of ``state``."""


@dataclass(frozen=True)
class Topics:
    """The topics of one node: ``{base}/{node}/…``, and of the pool that it may be in."""

    base: str
    node: str
    pool: str | None = None

    def _of(self, *parts: str) -> str:
        return "/".join((self.base, self.node, *parts))

    def request(self, client: str) -> str:
        """In, QoS 1: a request, as JSON or as the plain text of a prompt."""
        return self._of("request", client)

    def cancel(self, client: str) -> str:
        """In, QoS 1: the id of a request to end, or ``*`` for all of this client's."""
        return self._of("cancel", client)

    def prefill(self, client: str) -> str:
        """In, QoS 1: messages to compute ahead of the question that will follow them."""
        return self._of("prefill", client)

    def session(self, client: str) -> str:
        """In, QoS 1: look at, or forget, what the node remembers of this client."""
        return self._of("session", client)

    def pool_request(self, client: str) -> str:
        """In, QoS 1: a request to whichever node of the pool is next; its frames name the node."""
        return f"{self.base}/pool/{self.pool}/request/{client}"

    def stream(self, client: str) -> str:
        """Out, QoS 1: every frame of every reply to ``client``."""
        return self._of("stream", client)

    def reply(self, client: str) -> str:
        """Out, QoS 1: the terminal frames alone."""
        return self._of("reply", client)

    @property
    def state(self) -> str:
        """Out, QoS 1, retained, last will: ``online`` or ``offline``."""
        return self._of("state")

    @property
    def info(self) -> str:
        """Out, QoS 1, retained: what this node is and can do."""
        return self._of("info")

    @property
    def telemetry(self) -> str:
        """Out, QoS 0: the machine's load and power, and what the replies took."""
        return self._of("telemetry")

    @property
    def echo(self) -> str:
        """Out and in, MQTT 3.1.1: the node sends to itself here, and sees whether the broker drops it."""
        return self._of("echo")

    @property
    def acted(self) -> str:
        """Out and in, QoS 1: the node notes to itself here which act it has published the messages of."""
        return self._of("acted")

    @property
    def client_id(self) -> str:
        """The MQTT client id of the node: under it the broker keeps what comes while the node is away."""
        return f"{self.base}-node-{self.node}".replace("/", ".")

    @property
    def inbound(self) -> tuple[str, ...]:
        """The filters that a node subscribes to, the pool's aside."""
        return self.request("+"), self.cancel("+"), self.prefill("+"), self.session("+")

    @property
    def shared(self) -> str | None:
        """The shared subscription of the pool: the broker gives each request to one of its nodes."""
        return self.pool and f"$share/{self.base.replace('/', '.')}.{self.pool}/{self.pool_request('+')}"

    @property
    def house(self) -> str:
        """In, QoS 1, retained: the filter of the houses of all sources, which every node reads."""
        return f"{self.base}/house/+"

    def house_source(self, topic: str) -> str | None:
        """The source of a topic that ``house`` matches; None if it is another topic, or no legal id."""
        way, _, source = topic.rpartition("/")
        return source if way == self.house.removesuffix("/+") and is_client_id(source) else None

    def parse(self, topic: str) -> tuple[str, str] | None:
        """Kind (``request``, ``cancel``, …) and client of an inbound topic of this node or its pool.

        None where it is not one: a broker goes on sending what an earlier configuration subscribed to.
        """
        found = self.parse_any(topic)
        return found if found and is_client_id(found[1]) else None

    def parse_any(self, topic: str) -> tuple[str, str] | None:
        """Kind and client of an inbound topic, as ``parse``; the client may be any text."""
        way, _, client = topic.rpartition("/")
        kind = self._kinds.get(way)
        return (kind, client) if kind else None

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """Kind of each inbound topic, by the levels before the client."""
        kinds = {each.removesuffix("/+"): each.split("/")[-2] for each in self.inbound}
        return kinds | ({self.pool_request("+").removesuffix("/+"): "request"} if self.pool else {})


def is_client_id(name: str) -> bool:
    """Whether a level of a topic can name a client."""
    return _CLIENT.fullmatch(name) is not None


def is_publishable(topic: str) -> bool:
    """Whether a topic that a message came with can be published to."""
    return not _UNPUBLISHABLE.search(topic) and len(topic.encode()) <= _MAX_TOPIC_BYTES
