"""A broker of a few lines, that does to each connection what a test says; it shares no code with paho."""

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

Serve = Callable[["Channel"], None]
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 14


class Channel:
    """One connection; packets as their kind, their flags and their body."""

    def __init__(self, connection: socket.socket, stopping: Event, versions: list[int]) -> None:
        self._connection = connection
        self._versions = versions
        self.stopping = stopping
        self.version = 0

    def read(self) -> tuple[int, int, bytes]:
        first = self._exactly(1)[0]
        length = shift = 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                break
        kind, body = first >> 4, self._exactly(length)
        if kind == CONNECT:
            if body[:6] != b"\x00\x04MQTT":
                raise EOFError  # no MQTT: a broker closes the connection
            self.version = body[6]
            self._versions.append(self.version)
        return kind, first & 15, body

    def send(self, kind: int, body: bytes, flags: int = 0) -> None:
        length = bytearray()
        rest = len(body)
        while True:
            rest, digit = divmod(rest, 128)
            length.append(digit | (128 if rest else 0))
            if not rest:
                break
        self._connection.sendall(bytes([kind << 4 | flags]) + length + body)

    def accept(self, properties: bytes = b"") -> None:
        """Read CONNECT, and accept; ``properties`` are MQTT 5's."""
        if self.read()[0] != CONNECT:
            raise EOFError
        five = bytes([len(properties)]) + properties if self.version == 5 else b""
        self.send(CONNACK, b"\x00\x00" + five)

    def acknowledge(self, kind: int, flags: int, body: bytes) -> None:
        """Answer SUBSCRIBE, and PUBLISH at QoS 1."""
        five = self.version == 5
        if kind == SUBSCRIBE:
            count = body[2 + five :].count(b"\x01") or 1
            self.send(SUBACK, body[:2] + (b"\x00" if five else b"") + b"\x01" * count)
        elif kind == PUBLISH and flags & 6:
            start = 2 + int.from_bytes(body[:2])
            self.send(PUBACK, body[start : start + 2])

    def serve(self) -> None:
        """Accept, and acknowledge everything until the other side goes."""
        self.accept()
        while True:
            self.acknowledge(*self.read())

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


class FakeBroker:
    """Serves the n-th connection by the n-th of ``serves``, and all further ones by the last."""

    def __init__(self, *serves: Serve) -> None:
        self._serves = serves
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._stopping = Event()
        self.versions: list[int] = []
        self._threads: list[Thread] = []
        self._thread = Thread(target=self._run, name="fake broker")
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            if self._stopping.is_set():
                connection.close()
                return
            serve = self._serves[min(number, len(self._serves) - 1)]
            number += 1
            thread = Thread(target=self._serve, args=(connection, serve), name="fake connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, serve: Serve) -> None:
        connection.settimeout(20)
        with connection, suppress(EOFError, OSError):
            serve(Channel(connection, self._stopping, self.versions))

    def close(self) -> None:
        self._stopping.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            pass
        self._server.close()
        self._thread.join()
        for thread in self._threads:
            thread.join()
