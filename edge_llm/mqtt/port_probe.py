"""Finds out what listens on a port where the connection failed: TLS, plain MQTT, or an HTTP server."""

import socket
import ssl
from contextlib import suppress

from edge_llm.config import MqttSettings

_STEP_S = 1.5
"""Seconds for each of the three questions at most."""
_HTTP = b"GET / HTTP/1.0\r\n\r\n"
_CONNECT = b"\x10\x1b\x00\x04MQTT\x04\x02\x00\x05\x00\x0fedge_llm-what-s"
"""MQTT 3.1.1: a clean session without credentials; any broker answers with CONNACK, if only to refuse."""
_CONNACK = b"\x20"


def looks_like(settings: MqttSettings) -> str | None:
    """Say what the port speaks and what to set, if it is not what ``settings`` say; None if nobody knows.

    Takes some seconds at most; to be called after a connection has failed.
    """
    where = settings.host, settings.port
    if _answer(where, _HTTP).startswith(b"HTTP/") or (
        settings.tls and _answer(where, _HTTP, tls=True).startswith(b"HTTP/")
    ):
        return "an HTTP server answers: this is not an MQTT port; set mqtt.port (usually 1883, 8883 with TLS)"
    if settings.tls:
        if _answer(where, _CONNECT).startswith(_CONNACK):
            return "it speaks plain MQTT: set mqtt.tls: false, or mqtt.port to its TLS port (usually 8883)"
    elif _speaks_tls(where):
        return "it speaks TLS: set mqtt.tls: true, or mqtt.port to its plain port (usually 1883)"
    return None


def _answer(where: tuple[str, int], question: bytes, *, tls: bool = False) -> bytes:
    """The first bytes that come back; none where nothing does."""
    with (
        suppress(OSError, ValueError),
        socket.create_connection(where, timeout=_STEP_S) as plain,
        _unverified().wrap_socket(plain, server_hostname=where[0]) if tls else plain as channel,
    ):
        channel.sendall(question)
        return channel.recv(16)
    return b""


def _speaks_tls(where: tuple[str, int]) -> bool:
    try:
        with (
            socket.create_connection(where, timeout=_STEP_S) as plain,
            _unverified().wrap_socket(plain, server_hostname=where[0]),
        ):
            return True
    except ssl.SSLError as error:  # an alert is an answer in TLS; anything else is not
        return "ALERT" in (error.reason or "")
    except (OSError, ValueError):
        return False


def _unverified() -> ssl.SSLContext:
    """A context that takes any certificate: nothing secret is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
