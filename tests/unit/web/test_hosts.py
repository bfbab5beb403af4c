"""Names that may stand in Host and Origin; DNS rebinding above all."""

import socket

import pytest

from edge_llm.web.security.hosts import Hosts, is_same_origin


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8088",
        "LOCALHOST",
        "127.0.0.1:8088",
        "192.168.1.7",
        "[::1]:8088",
        "chat.lan",
        "chat.lan.:80",
    ],
)
def test_addresses_and_configured_names_are_allowed(host: str) -> None:
    assert Hosts(["chat.lan"]).allows(host)


def test_the_machines_own_name_is_allowed() -> None:
    assert Hosts().allows(f"{socket.gethostname()}:8088")
    assert Hosts().allows(f"{socket.gethostname()}.local")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8088",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost/evil.example",
        "chat.lan.evil.example",
        "localhost:port",
        "[::1",
        ":8088",
    ],
)
def test_a_name_that_somebody_has_bound_to_this_address_is_not(host: str) -> None:
    assert not Hosts(["chat.lan"]).allows(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8088", "localhost:8088"),
        ("http://LOCALHOST:8088", "localhost:8088"),
        ("https://chat.lan", "chat.lan"),
        ("http://chat.lan", "chat.lan:80"),
        ("https://chat.lan", "chat.lan:443"),
        ("http://[::1]:8088", "[::1]:8088"),
    ],
)
def test_the_page_itself_may_ask(origin: str, host: str) -> None:
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost",
        "http://localhost:1",
        "file://localhost:8088",
        "localhost:8088",
    ],
)
def test_another_page_may_not(origin: str) -> None:
    assert not is_same_origin(origin, "localhost:8088")
