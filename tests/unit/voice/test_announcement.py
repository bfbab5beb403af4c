"""What the network is told of the server."""

import asyncio
import logging
from typing import Any

import pytest

from edge_llm.voice import announcement
from edge_llm.voice.announcement import Announcement
from edge_llm.voice.server import _is_loopback


class Network:
    """In place of AsyncZeroconf: keeps what is registered."""

    def __init__(self) -> None:
        self.registered: list[Any] = []
        self.ended: list[str] = []

    async def async_register_service(self, info: Any, *, allow_name_change: bool) -> None:
        assert allow_name_change
        self.registered.append(info)

    async def async_unregister_all_services(self) -> None:
        self.ended.append("unregistered")

    async def async_close(self) -> None:
        self.ended.append("closed")


@pytest.mark.parametrize("host", ["198.51.100.7", "2001:db8::7"])
def test_it_is_found_by_name_address_and_port_until_it_ends(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network()
    monkeypatch.setattr(announcement, "AsyncZeroconf", lambda: network)

    async def scene() -> None:
        made = Announcement("kitchen.pc", host, 10500)
        await made.start()
        [info] = network.registered
        assert info.type == "_wyoming._tcp.local."
        assert info.name == "edge_llm-kitchen-pc._wyoming._tcp.local."
        assert (info.parsed_addresses(), info.port) == ([host], 10500)
        await made.stop()

    asyncio.run(scene())
    assert network.ended == ["unregistered", "closed"]


def test_at_all_addresses_it_is_the_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    monkeypatch.setattr(announcement, "AsyncZeroconf", lambda: network)
    monkeypatch.setattr(announcement, "_own_address", lambda: "198.51.100.9")
    asyncio.run(Announcement("n" * 64, "0.0.0.0", 1).start())  # noqa: S104 - nobody listens
    [info] = network.registered
    assert info.parsed_addresses() == ["198.51.100.9"]


def test_without_a_network_it_serves_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable() -> str:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(announcement, "_own_address", unreachable)
    caplog.set_level(logging.INFO)

    async def scene() -> None:
        made = Announcement("n", "0.0.0.0", 1)  # noqa: S104 - nobody listens
        await made.start()
        await made.stop()

    asyncio.run(scene())
    assert "voice.not_announced" in caplog.text


def test_loopback_is_told_apart() -> None:
    """Nobody else could reach it: it is not announced."""
    assert [_is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [_is_loopback(host) for host in ("0.0.0.0", "192.0.2.1", "::", "pc.lan")] == [False] * 4  # noqa: S104
