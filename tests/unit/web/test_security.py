"""Who is let in, what is refused before anything reads it, and the headers of every response."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge_llm.config import WebSettings
from edge_llm.errors import ConfigError
from edge_llm.web.security import login as logins
from edge_llm.web.security.guard import MAX_BODY_BYTES
from edge_llm.web.security.login import COOKIE, Login
from tests.unit.web.parts import SAID, Node, Web, token_file

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of these tests alone
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
COSTLY = ["/v1/chat/completions", "/api/chat", "/chat"]


@pytest.fixture
def closed(tmp_path: Path) -> Web:
    return Web(Node(*[SAID] * 9), token_file=token_file(tmp_path, TOKEN))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models", "/api/tags", "/live", "/whoami"])
def test_a_page_that_rebinds_its_name_gets_nothing(path: str) -> None:
    answer = Web().get(path, base="http://evil.example:8088")
    assert answer.status_code == 403
    assert "web.hosts" in answer.text


@pytest.mark.parametrize("path", COSTLY)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_foreign_page_cannot_ask(path: str, origin: str) -> None:
    web = Web()
    assert web.post(path, HELLO, headers={"origin": origin}).status_code == 403
    assert web.node.asked == []


def test_a_foreign_page_learns_nothing_of_what_it_may(closed: Web) -> None:
    answer = closed.call("OPTIONS", "/v1/models", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/models", "/api/tags", "/live", "/nothing", "/docs", "/openapi.json"])
def test_without_the_token_everything_is_closed(closed: Web, path: str) -> None:
    assert closed.get(path).status_code == 401
    assert closed.get(path, headers=bearer("wrong")).status_code == 401
    assert closed.get(path, headers={"cookie": f"{COOKIE}=9999999999.{'0' * 64}"}).status_code == 401


@pytest.mark.parametrize("path", COSTLY)
def test_without_the_token_nothing_is_asked(closed: Web, path: str) -> None:
    answer = closed.post(path, HELLO)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert closed.node.asked == []


def test_the_token_is_the_api_key(closed: Web) -> None:
    assert closed.get("/v1/models", headers=bearer(TOKEN)).status_code == 200
    assert closed.post("/api/chat", HELLO, headers=bearer(TOKEN)).status_code == 200


def test_the_page_logs_in_by_a_cookie_and_out(closed: Web) -> None:
    assert closed.get("/whoami").json() == {"login_needed": True, "node": "n"}
    entered = closed.post("/login", {"token": TOKEN})
    assert entered.status_code == 204
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    shown = {"cookie": cookie.split(";")[0]}
    assert closed.get("/whoami", headers=shown).json()["login_needed"] is False
    assert closed.get("/v1/models", headers=shown).status_code == 200
    left = closed.post("/logout", headers=shown).headers["set-cookie"]
    assert "Max-Age=0" in left


def test_the_cookie_is_for_encrypted_connections_alone_where_there_is_one(closed: Web) -> None:
    assert "Secure" in closed.post("/login", {"token": TOKEN}, base="https://localhost").headers["set-cookie"]
    assert "Secure" not in closed.post("/login", {"token": TOKEN}).headers["set-cookie"]


def test_a_cookie_ends_by_its_time_and_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = Login(TOKEN).set_cookie(secure=False).split(";")[0]
    assert Login(TOKEN).allows(None, cookie)
    assert not Login(TOKEN + "2").allows(None, cookie)
    until = int(cookie.split("=")[1].split(".")[0])
    later = cookie.replace(str(until), str(until + 1))
    assert not Login(TOKEN).allows(None, later)
    monkeypatch.setattr(logins, "time", lambda: until)
    assert not Login(TOKEN).allows(None, cookie)


@pytest.mark.parametrize(
    "cookie", ["", "a=b", f"{COOKIE}=", f"{COOKIE}=.", f"{COOKIE}=x.y", "\x00", f"{COOKIE}=ä.ö"]
)
def test_no_other_cookie_lets_anybody_in(cookie: str) -> None:
    assert not Login(TOKEN).allows(None, cookie)


def test_tokens_cannot_be_tried_one_after_the_other(closed: Web) -> None:
    tried = [closed.post("/login", {"token": f"wrong-{number}"}) for number in range(9)]
    assert [answer.status_code for answer in tried] == [401] * 5 + [429] * 4
    assert int(tried[-1].headers["retry-after"]) > 0
    as_key = [closed.get("/v1/models", headers=bearer(f"wrong-{number}")).status_code for number in range(3)]
    assert as_key == [429] * 3


def test_the_rate_of_one_address_is_limited() -> None:
    web = Web(Node(*[SAID] * 5), requests_per_minute=6)
    answers = [web.post("/v1/chat/completions", HELLO) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert answers[-1].headers["x-should-retry"] == "true"
    assert web.get("/v1/models").status_code == 200  # costs nothing


@pytest.mark.parametrize("path", COSTLY)
def test_a_body_that_is_too_large_is_not_read(path: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(2 * MAX_BODY_BYTES // 4096):
            yield b" " * 4096

    web = Web()
    assert web.call("POST", path, content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    assert web.call("POST", path, content=endless()).status_code == 413
    assert web.call("POST", path, content=b"{}", headers={"content-length": "-1"}).status_code == 413


@pytest.mark.parametrize("path", ["/", "/v1/models", "/nothing", "/v1/nothing", "/whoami"])
def test_every_response_has_the_headers(path: str) -> None:
    headers = Web().get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'self'; ")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"


def test_documentation_that_would_load_from_elsewhere_is_off() -> None:
    web = Web()
    assert [web.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3


def test_what_fails_is_said_and_its_message_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    web, prompt = Web(), "turn on " * 3

    def fail() -> Any:
        raise ValueError(prompt)

    monkeypatch.setattr(web.feed, "known_info", fail)
    answer = web.post("/v1/chat/completions", HELLO)
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert answer.headers["x-should-retry"] == "false"
    assert prompt not in answer.text + caplog.text
    assert "web.failed" in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "kitchen-pc"])  # noqa: S104 - refused
def test_elsewhere_needs_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web\.token_file"):
        WebSettings(host=host).token()
    assert WebSettings(host=host, token_file=token_file(tmp_path, TOKEN)).token() == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_does_not(host: str) -> None:
    assert WebSettings(host=host).token() is None


@pytest.mark.parametrize("token", ["", "short", "with spaces in between", "mit-umlaut-äöüß-und-mehr"])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web\.token_file .*openssl rand"):
        WebSettings(token_file=token_file(tmp_path, token)).token()


def test_a_missing_token_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        WebSettings(token_file=tmp_path / "none").token()


def test_two_host_headers_are_none() -> None:
    web = Web()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/whoami",
        "headers": [(b"host", b"localhost"), (b"host", b"evil.example")],
        "client": ("127.0.0.1", 1),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(web.app(scope, receive, send))
    assert sent[0]["status"] == 403
