"""Announces the server by zeroconf, so that Home Assistant and others on the network find it."""

import re
import socket

from zeroconf import Error
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from edge_llm.event_log import EventLog

log = EventLog(__name__)

TYPE = "_wyoming._tcp.local."
_MOST_NAME = 63
_ELSEWHERE = ("192.0.2.1", 9)
"""An address of documentation: nothing is sent to it, the system says which way it would take."""


class Announcement:
    """The announcement of one server, from ``start`` to ``stop``."""

    def __init__(self, node: str, host: str, port: int) -> None:
        """Announce the server of ``node`` at an IPv4 address, or at all, and a port."""
        name = re.sub(r"[^A-Za-z0-9_-]", "-", f"edge_llm {node}")[:_MOST_NAME]
        self._name = f"{name}.{TYPE}"
        self._host = host
        self._port = port
        self._zeroconf: AsyncZeroconf | None = None

    async def start(self) -> None:
        """Announce it; a network that does not take it is no reason not to serve."""
        try:
            address = _own_address() if self._host in ("", "0.0.0.0", "::") else self._host  # noqa: S104 - compared
            info = AsyncServiceInfo(
                TYPE, self._name, addresses=[_packed(address)], port=self._port, server=_server_name()
            )
            self._zeroconf = AsyncZeroconf()
            await self._zeroconf.async_register_service(info, allow_name_change=True)
            log.info("voice.announced", name=info.name, address=address, port=self._port)
        except (OSError, Error) as error:
            log.warning("voice.not_announced", reason=str(error) or type(error).__name__)

    async def stop(self) -> None:
        """Take it back."""
        if self._zeroconf:
            await self._zeroconf.async_unregister_all_services()
            await self._zeroconf.async_close()


def _own_address() -> str:
    """The address by which this machine is reached from elsewhere.

    Raises:
        OSError: it has no network.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        return str(probe.getsockname()[0])


def _packed(address: str) -> bytes:
    family, *_ = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0]
    found = socket.getaddrinfo(address, None, family=family, type=socket.SOCK_STREAM)[0][4][0]
    return socket.inet_pton(family, str(found).split("%", maxsplit=1)[0])


def _server_name() -> str:
    return f"edge-llm-{socket.gethostname().split('.')[0]}.local."
