"""A client of nodes over MQTT: ask, stream, cancel, and conversations that a node remembers.

from edge_llm.client import Client, MqttSettings

with Client(MqttSettings(host="broker"), "kitchen-pc") as client:
    print(client.ask("Why is the sky blue?").text)
"""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from edge_llm.client.exchange import ONLINE_S, Exchange
from edge_llm.config import MqttSettings
from edge_llm.contract.frames import Call, Delta, Done, Sessions, Status
from edge_llm.contract.reading import explain
from edge_llm.contract.requests import EVERYTHING, Prefill, Request, SessionCommand
from edge_llm.contract.topics import Topics, is_client_id
from edge_llm.contract.turns import Turn
from edge_llm.errors import ConfigError, RequestError

Asked = TypeVar("Asked", bound=BaseModel)

TIMEOUT_S = 120.0
MARGIN_S = 5.0
"""Seconds after which a node should have said itself that a reply takes too long."""


class Client:
    """One asker's connection to one node, or to a pool of nodes; a context manager, for any thread.

    A request is sent again under the same id when the broker or the node was away, and when it was refused
    for a reason that may pass. The node knows the id, so the request is answered once, or ends in an error.
    """

    def __init__(
        self,
        settings: MqttSettings,
        node: str | None = None,
        name: str | None = None,
        *,
        pool: str | None = None,
    ) -> None:
        """Ask ``node``, or any free node of ``pool``, as ``name``.

        ``name`` is the client id in the topics. With an ACL at the broker it must be the user name, so that
        is the default; without a user name an id is made up.

        Raises:
            ConfigError: ``name`` cannot be a client id, or a file of the settings cannot be used.
        """
        if (node is None) == (pool is None):
            raise ValueError("give a node, or a pool")
        self.name = name or settings.username or f"ask-{uuid4().hex[:8]}"
        if not is_client_id(self.name):
            allowed = "1 to 64 of the characters A-Z a-z 0-9 _ . -"
            raise ConfigError(f"{self.name!r} cannot be a client id ({allowed}): give another name")
        self._pool = pool
        self._topics = Topics(settings.base_topic, node or "+", pool)
        self._homes: dict[str, str] = {}
        whom = f"node {node}" if node else f"a node of pool {pool}"
        self._exchange = Exchange(settings, self._topics, self.name, whom)

    def __enter__(self) -> Self:
        """Start to connect."""
        self._exchange.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._exchange.stop()

    def wait_online(self, timeout_s: float = ONLINE_S) -> None:
        """Wait until the node's retained state, or that of one of the pool's nodes, says ``online``.

        Raises:
            RequestError: the broker cannot be reached, or no such state came, each within ``timeout_s``.
        """
        self._exchange.wait_online(timeout_s)

    def ask(self, text: str | None = None, *, timeout_s: float = TIMEOUT_S, **fields: Any) -> Done:
        """Ask, and wait for the whole reply; ``fields`` are those of a request (docs/mqtt.md).

        ``messages`` and ``tools`` are any sequences, of typed objects or of dicts. ``schema`` is short for a
        ``response_format``: the reply's text is JSON that keeps to it. Calls of tools are in ``Done.calls``,
        and so are those of an act (``act="auto"``), or ``Done.act`` says why there are none.

        Raises:
            RequestError: the broker or the node cannot be reached, the request was refused or failed, or
                ``timeout_s`` have passed.
        """
        for frame in self.stream(text, timeout_s=timeout_s, **{"stream": False, **fields}):
            if isinstance(frame, Done):
                return frame
        raise AssertionError("a stream ends in done, or raises")

    def stream(
        self,
        text: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retry: bool = True,
        begin_by: float | None = None,
        **fields: Any,
    ) -> Iterator[Status | Delta | Call | Done]:
        """Ask, and yield the frames of the reply as they come, Done last.

        Without ``retry`` a refusal for a reason that may pass (``busy``, ``rate_limited``, ``unavailable``)
        is raised at once. On MQTT 5 the request is not begun after ``begin_by`` (time.monotonic). The deltas
        together are the text of Done, and the calls its calls, unless the reply had to be generated again and
        became another one.

        Raises:
            RequestError: see ``ask``.
        """
        request = _made(Request, text=text, **_with_schema(fields))
        said = heard = ""
        called = 0
        last_seq = -1
        frames = self._exchange.frames(
            request,
            lambda: self._request_topic(request.session),
            timeout_s,
            retry=retry,
            begin_by=begin_by,
        )
        for frame in frames:
            if frame.seq == 0:  # the reply started again
                heard, last_seq = "", -1
            if isinstance(frame, Done):
                if request.session:
                    self._homes[request.session] = frame.node
                if request.stream:
                    yield from _missing(frame, said, called)
                yield frame
            elif isinstance(frame, Status):
                yield frame
            elif isinstance(frame, Delta) and frame.seq > last_seq:
                heard += frame.text
                if heard.startswith(said) and len(heard) > len(said):
                    yield frame.model_copy(update={"text": heard[len(said) :]})
                    said = heard
            elif isinstance(frame, Call) and frame.index == called:
                called += 1
                yield frame
            last_seq = max(last_seq, frame.seq)

    def cancel(self, request_id: str = EVERYTHING) -> None:
        """End a request of this client, or all of them; their replies end in done, ``cancelled``."""
        self._exchange.cancel(request_id)

    def prefill(self, system: str | None = None, *, timeout_s: float = TIMEOUT_S, **fields: Any) -> Done:
        """Have a node compute ahead the beginning of later requests; returns when it is done.

        Raises:
            RequestError: see ``ask``.
            ValueError: this client asks a pool.
        """
        prefill = _made(Prefill, system=system, **fields)
        topic = self._one_node().prefill(self.name)
        for frame in self._exchange.frames(prefill, lambda: topic, timeout_s):
            if isinstance(frame, Done):
                return frame
        raise AssertionError("frames end in a terminal one, or raise")

    def session(self, name: str) -> "Session":
        """Return the conversation that the node remembers under ``name``, new or begun."""
        return Session(self, name)

    def sessions(self) -> tuple[str, ...]:
        """List the names of this client's conversations on the node.

        Raises:
            RequestError: see ``ask``.
            ValueError: this client asks a pool.
        """
        return self.command("list").sessions

    def command(self, op: str, session: str | None = None, *, timeout_s: float = TIMEOUT_S) -> Sessions:
        """Do a session command; ``op`` is list, get, reset or delete.

        Raises:
            RequestError: see ``ask``.
            ValueError: this client asks a pool, and the session is on none of its nodes yet.
        """
        command = _made(SessionCommand, op=op, session=session)
        home = self._homes.get(session or "")
        topic = (self._exchange.topics_of(home) if home else self._one_node()).session(self.name)
        for frame in self._exchange.frames(command, lambda: topic, timeout_s):
            if isinstance(frame, Sessions):
                return frame
        raise AssertionError("frames end in a terminal one, or raise")

    def _request_topic(self, session: str | None) -> str:
        """Return the pool's topic, or that of the node that holds the session."""
        home = self._homes.get(session or "")
        if self._pool and not self._exchange.is_online(home):
            return self._topics.pool_request(self.name)
        return (self._exchange.topics_of(home) if home and self._pool else self._topics).request(self.name)

    def _one_node(self) -> Topics:
        if self._pool:
            raise ValueError("only one node can do this, and this client asks a pool")
        return self._topics


class Session:
    """A conversation: a node remembers its turns and uses them for the next reply."""

    def __init__(self, client: Client, name: str) -> None:
        """Use the conversation ``name`` of ``client``: see ``Client.session``."""
        self.name = name
        self._client = client

    def ask(self, text: str | None = None, *, timeout_s: float = TIMEOUT_S, **fields: Any) -> Done:
        """Ask within the conversation: see ``Client.ask``."""
        return self._client.ask(text, timeout_s=timeout_s, session=self.name, **fields)

    def stream(
        self, text: str | None = None, *, timeout_s: float = TIMEOUT_S, **fields: Any
    ) -> Iterator[Status | Delta | Call | Done]:
        """Stream a reply within the conversation: see ``Client.stream``."""
        return self._client.stream(text, timeout_s=timeout_s, session=self.name, **fields)

    def messages(self) -> tuple[Turn, ...]:
        """Return the messages so far; of a long conversation the last ones (docs/mqtt.md, sessions).

        Raises:
            RequestError: see ``Client.ask``.
        """
        return self._client.command("get", self.name).messages or ()

    def forget(self) -> None:
        """Start the conversation anew.

        Raises:
            RequestError: see ``Client.ask``.
        """
        self._client.command("delete", self.name)


def _with_schema(fields: dict[str, Any]) -> dict[str, Any]:
    """Write ``schema`` as the ``response_format`` that it is short for."""
    schema = fields.pop("schema", None)
    return (
        fields if schema is None else {"response_format": {"type": "json_schema", "schema": schema}, **fields}
    )


def _made(model: type[Asked], **fields: Any) -> Asked:
    """Make a request, as the node will read it.

    Raises:
        RequestError: bad_request: the node would refuse it.
    """
    lists = {name: list(value) for name, value in fields.items() if _is_list(value)}
    given = {name: value for name, value in (fields | lists).items() if value is not None}
    try:
        return model.model_validate_json(to_json(given, inf_nan_mode="constants"))
    except ValidationError as error:
        raise RequestError("bad_request", explain(error)) from error
    except ValueError as error:
        raise RequestError("bad_request", "a field has a value that JSON has not") from error


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _missing(done: Done, said: str, called: int) -> Iterator[Delta | Call]:
    """Yield the rest of a reply of which the text ``said`` and the first ``called`` calls were heard."""
    if done.text.startswith(said) and len(done.text) > len(said):
        yield Delta(**_header(done), text=done.text[len(said) :])
    for index, call in enumerate(done.calls or ()):
        if index >= called:
            yield Call(**_header(done), index=index, call=call)


def _header(frame: Done) -> dict[str, Any]:
    return {name: getattr(frame, name) for name in ("id", "node", "seq", "session", "custom")}
