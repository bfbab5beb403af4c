"""Tells under which names this server may be reached, and from which pages.

A page elsewhere whose name an attacker has bound to this machine's address (DNS rebinding) sends that name as
``Host``. Addresses cannot be bound, so they are allowed.
"""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


class Hosts:
    """The names that are allowed."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Allow ``names``, addresses, ``localhost`` and this machine's own name."""
        own = socket.gethostname()
        self._names = {name.lower().rstrip(".") for name in (*names, "localhost", own, f"{own}.local")}

    def allows(self, host: str) -> bool:
        """Whether a ``Host`` header, with or without a port, names this server."""
        name = _split(f"http://{host}")
        if name is None or name[0] is None or "@" in host or "/" in host:
            return False
        try:
            ip_address(name[0])
        except ValueError:
            return name[0].rstrip(".") in self._names
        return True


def is_same_origin(origin: str, host: str) -> bool:
    """Whether the page at ``origin`` was loaded from ``host``, the ``Host`` header; schemes may differ."""
    scheme = urlsplit(origin).scheme if "://" in origin else ""
    if scheme not in _PORTS:
        return False
    ours, theirs = _split(f"{scheme}://{host}"), _split(origin)
    if ours is None or theirs is None or theirs[0] is None:
        return False
    default = _PORTS[scheme]
    return (ours[0], ours[1] or default) == (theirs[0], theirs[1] or default)


def _split(url: str) -> tuple[str | None, int | None] | None:
    """Name in lower case and port of a URL; None if it is none."""
    try:
        parts = urlsplit(url)
        found = parts.hostname, parts.port
    except ValueError:
        return None
    return found
