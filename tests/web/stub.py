"""A stand-in for `edge-llm web`: serves the built page, and says what a test tells it to."""

import json
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Self

from tests.web.samples import HOUSE, INFO, done, telemetry

STATIC = Path(__file__).parents[2] / "edge_llm/web/static"
CSP = "default-src 'self'"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
Event = tuple[str, dict[str, Any]]
Reply = Iterable[Event | float]
"""Events of a reply; a number is a pause in seconds."""


def words(text: str, pause_s: float = 0.0, **fields: Any) -> Iterator[Event | float]:
    """A reply that comes word by word."""
    for word in text.split(" "):
        yield "delta", {"text": word + " "}
        yield pause_s
    yield "done", done(text, **fields)


class Stub:
    """A server on a free port of loopback; a context manager."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.reply: Callable[[dict[str, Any]], Reply] = lambda body: words(f"You said: {body['text']}")
        self.refusal: tuple[int, dict[str, Any]] | None = None
        """Status and body with which /chat refuses."""
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.left = threading.Event()
        """Set when a caller goes away before its reply has ended."""
        self.first: list[Event] = [
            ("state", {"state": "online"}),
            ("info", INFO),
            ("house", HOUSE),
            ("telemetry", telemetry()),
        ]
        """What /live begins with."""
        self._listeners: list[queue.SimpleQueue[Event | None]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._listeners:
            listener.put(None)
        self._server.shutdown()
        self._server.server_close()

    def tell(self, event: str, data: dict[str, Any]) -> None:
        """Send an event to every page that listens."""
        for listener in self._listeners:
            listener.put((event, data))

    def says(self, *events: Event) -> None:
        """Answer with these events from now on."""
        self.reply = lambda body: events

    def live(self) -> Iterator[Event]:
        """What a page that listens hears."""
        mine: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        yield from self.first
        self._listeners.append(mine)
        while (event := mine.get()) is not None:
            yield event

    def asked(self, path: str = "/chat") -> list[dict[str, Any]]:
        """The bodies that came to ``path``."""
        return [body for to, body in self.received if to == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, stub: Stub, *args: Any) -> None:
        self.stub = stub
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Keep quiet."""

    def _is_allowed(self) -> bool:
        return self.stub.token is None or f"token={self.stub.token}" in (self.headers["Cookie"] or "")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/whoami":
            self._json(200, {"login_needed": not self._is_allowed(), "node": INFO["node"]})
        elif path == "/live":
            self._events(self.stub.live()) if self._is_allowed() else self._json(401, {})
        else:
            self._file(STATIC / ("index.html" if path == "/" else path.lstrip("/")))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.stub.received.append((self.path, body))
        if self.path == "/login":
            good = body["token"] == self.stub.token
            self._empty(
                204 if good else 401, f"token={self.stub.token}; HttpOnly; SameSite=Strict" if good else ""
            )
        elif self.path == "/logout":
            self._empty(204, "token=; Max-Age=0")
        elif self.path == "/forget":
            self._empty(204)
        elif self.stub.refusal:
            self._json(*self.stub.refusal)
        else:
            self._events(self.stub.reply(body))

    def _file(self, path: Path) -> None:
        if not path.resolve().is_relative_to(STATIC) or not path.is_file():
            self._json(404, {})
            return
        self._send(200, TYPES[path.suffix] + "; charset=utf-8", path.read_bytes())

    def _json(self, status: int, value: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _empty(self, status: int, cookie: str = "") -> None:
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", CSP)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def _events(self, events: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for event in events:
                if isinstance(event, float):
                    self.wfile.write(b":\n\n")
                    self.wfile.flush()
                    sleep(event)
                else:
                    self.wfile.write(f"event: {event[0]}\ndata: {json.dumps(event[1])}\n\n".encode())
                    self.wfile.flush()
        except OSError:
            self.stub.left.set()
