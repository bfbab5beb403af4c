"""What listens on a wrong port is named, and what to set."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from edge_llm.config import MqttSettings
from edge_llm.errors import ConfigError
from edge_llm.mqtt import port_probe
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.port_probe import looks_like
from edge_llm.mqtt.subscriptions import Subscription
from edge_llm.mqtt.tls import tls_context
from tests.unit.mqtt.fake_broker import Channel, FakeBroker


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_probe, "_STEP_S", 0.5)


@contextmanager
def http_server(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # no traceback for a probe that hangs up
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def tls_listener(context: ssl.SSLContext) -> Iterator[int]:
    """Shakes hands, and closes at what is no MQTT."""
    server = socket.create_server(("127.0.0.1", 0))
    stopping: list[bool] = []

    def run() -> None:
        while not stopping:
            plain, _ = server.accept()
            plain.settimeout(2)
            with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as channel:
                channel.recv(100)

    thread = Thread(target=run)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stopping.append(True)
        socket.create_connection(server.getsockname()).close()
        thread.join()
        server.close()


@pytest.fixture(scope="module")
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


def settings(port: int, *, tls: bool = False, **fields: object) -> MqttSettings:
    return MqttSettings.model_validate({"host": "127.0.0.1", "port": port, "tls": tls, **fields})


def test_a_tls_listener_spoken_to_in_plain(server_context: ssl.SSLContext) -> None:
    with tls_listener(server_context) as port:
        assert "it speaks TLS: set mqtt.tls: true" in str(looks_like(settings(port)))


def test_a_plain_broker_spoken_to_by_tls() -> None:
    broker = FakeBroker(Channel.serve)
    try:
        assert "it speaks plain MQTT: set mqtt.tls: false" in str(looks_like(settings(broker.port, tls=True)))
        assert looks_like(settings(broker.port)) is None
    finally:
        broker.close()


@pytest.mark.parametrize("tls", [False, True])
def test_an_http_server(tls: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with http_server() as port:
        assert "this is not an MQTT port" in str(looks_like(settings(port, tls=tls)))


def test_an_https_server(server_context: ssl.SSLContext) -> None:
    with http_server(server_context) as port:
        assert "this is not an MQTT port" in str(looks_like(settings(port, tls=True)))


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert looks_like(settings(port)) is looks_like(settings(port, tls=True)) is None


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_says_so(
    server_context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    monkeypatch.setattr("edge_llm.mqtt.attempts._MIN_PAUSE_S", 0.05)
    broker = FakeBroker(Channel.serve)
    with tls_listener(server_context) as tls_port:
        mqtt = settings(broker.port if tls else tls_port, tls=tls)
        connection = Connection(mqtt, "node", {"x": Subscription(lambda _message: None)})
        connection.start()
        try:
            for _ in range(400):
                if "set mqtt.tls" in str(connection.failure):
                    break
                connection.wait_ready(0.02)
            expected = "speaks plain MQTT: set mqtt.tls: false" if tls else "speaks TLS: set mqtt.tls: true"
            assert expected in str(connection.failure)
        finally:
            connection.stop()
    broker.close()


def test_an_encrypted_key_is_refused_and_nobody_is_asked_at_the_terminal(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    secret = BestAvailableEncryption(b"secret")
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, secret)
    )
    files = {"cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    with pytest.raises(ConfigError, match=r"mqtt\.key_file .*key\.pem is encrypted"):
        tls_context(settings(1, tls=True, **files))
