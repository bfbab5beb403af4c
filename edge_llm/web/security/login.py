"""Knows the token: compares it, and makes cookies for browsers that have shown it."""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from time import time

COOKIE = "edge_llm"
_COOKIE_S = 30 * 24 * 3600


class Login:
    """The one token; without one everybody is let in.

    A cookie is the time until which it is good, and an HMAC of that by the token: another token, and no
    cookie is good any longer.
    """

    def __init__(self, token: str | None) -> None:
        """Ask for ``token``."""
        self._token = token.encode() if token else None
        self._key = hashlib.sha256(b"edge_llm cookie " + (self._token or b"")).digest()

    @property
    def needed(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    def is_token(self, text: str) -> bool:
        """Compare in a time that tells nothing."""
        return self._token is not None and hmac.compare_digest(self._token, text.encode())

    def allows(self, authorization: str | None, cookie: str | None) -> bool:
        """Whether these two headers let a caller in."""
        if self._token is None:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        return cookie is not None and self._is_cookie(cookie)

    def set_cookie(self, *, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header that logs a browser in."""
        until = str(int(time()) + _COOKIE_S)
        return _cookie(f"{until}.{self._sign(until)}", _COOKIE_S, secure=secure)

    @staticmethod
    def clear_cookie(*, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header that logs a browser out."""
        return _cookie("", 0, secure=secure)

    def _is_cookie(self, header: str) -> bool:
        try:
            found = SimpleCookie(header).get(COOKIE)
        except CookieError:
            return False
        until, _, signature = (found.value if found else "").partition(".")
        if not hmac.compare_digest(self._sign(until).encode(), signature.encode()):
            return False
        return int(until) > time()

    def _sign(self, until: str) -> str:
        return hmac.new(self._key, until.encode(), hashlib.sha256).hexdigest()


def _cookie(value: str, seconds: int, *, secure: bool) -> str:
    only = "; Secure" if secure else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{only}"
