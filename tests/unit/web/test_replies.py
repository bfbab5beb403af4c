"""Callers that go away, callers that are too many, and a server that ends."""

import asyncio
import json
from threading import Event
from typing import Any

import pytest

from edge_llm.errors import RequestError
from edge_llm.web import replies as module
from tests.unit.web.parts import SAID, Node, Web

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "text": "Hello"}
STREAMED = [("/v1/chat/completions", {"stream": True}), ("/api/chat", {}), ("/chat", {})]
WHOLE = [("/v1/chat/completions", {}), ("/api/chat", {"stream": False})]


class Caller:
    """Speaks ASGI, and hangs up when it is told to."""

    def __init__(self, web: Web, path: str, body: dict[str, Any]) -> None:
        self.text = ""
        self.heard = asyncio.Event()
        self._left = asyncio.Event()
        self._body: bytes | None = json.dumps(body).encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
        }
        self.task = asyncio.ensure_future(web.app(scope, self._receive, self._send))

    def hang_up(self) -> None:
        self._left.set()

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.text += message.get("body", b"").decode()
        if "Hel" in self.text:
            self.heard.set()


async def until(what: Any) -> None:
    while not what():  # noqa: ASYNC110 - a thread makes it true
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(("path", "fields"), STREAMED)
def test_who_goes_away_from_a_stream_cancels(path: str, fields: dict[str, Any]) -> None:
    end = Event()
    web = Web(Node([*SAID[:2], end, *SAID[2:]]))

    async def scene() -> None:
        caller = Caller(web, path, HELLO | fields)
        await caller.heard.wait()
        assert web.node.cancelled == []
        caller.hang_up()
        await caller.task
        assert web.node.cancelled == [web.node.request.id]
        end.set()

    web.run(scene())


@pytest.mark.parametrize(("path", "fields"), WHOLE)
def test_who_goes_away_from_a_reply_that_is_not_streamed_cancels(path: str, fields: dict[str, Any]) -> None:
    end = Event()
    web = Web(Node([*SAID[:2], end, *SAID[2:]]))

    async def scene() -> None:
        caller = Caller(web, path, HELLO | fields)
        await until(lambda: web.node.asked)
        caller.hang_up()
        await caller.task
        assert web.node.cancelled == [web.node.request.id]
        end.set()

    web.run(scene())


def test_who_goes_away_before_the_request_is_sent_cancels_when_it_is() -> None:
    sent = Event()
    web = Web(Node([sent, *SAID]))

    async def scene() -> None:
        caller = Caller(web, "/chat", HELLO)
        await until(lambda: web.node.asked)
        caller.hang_up()
        await caller.task
        sent.set()
        await until(lambda: len(web.node.cancelled) >= 2)
        assert set(web.node.cancelled) == {web.node.request.id}

    web.run(scene())


@pytest.mark.parametrize(("path", "fields"), STREAMED + WHOLE)
def test_a_reply_that_has_ended_is_not_cancelled(path: str, fields: dict[str, Any]) -> None:
    web = Web()
    assert web.post(path, HELLO | fields).status_code == 200
    assert web.node.cancelled == []


def test_too_many_are_told_so_and_nobody_gets_anothers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    end = Event()
    web = Web(Node([end, *SAID], [end, *SAID], SAID))

    async def scene() -> None:
        body = HELLO | {"stream": False}
        callers = [Caller(web, "/api/chat", body) for _ in range(3)]
        await callers[2].task
        assert json.loads(callers[2].text)["code"] == "busy"
        end.set()
        for caller in callers[:2]:
            await caller.task
            assert json.loads(caller.text)["message"]["content"] == "Hello"
        later = Caller(web, "/api/chat", body)
        await later.task
        assert json.loads(later.text)["done"]

    web.run(scene())


def test_a_server_that_ends_cancels_what_is_in_progress() -> None:
    end = Event()
    web = Web(Node([*SAID[:2], end, *SAID[2:]]))

    async def scene() -> None:
        caller = Caller(web, "/chat", HELLO)
        await caller.heard.wait()
        web.replies.close()
        assert web.node.cancelled == [web.node.request.id]
        end.set()
        await caller.task

    web.run(scene())


def test_a_failure_reaches_who_waits_and_its_message_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = "turn on " * 3

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError(prompt)

    web = Web()
    monkeypatch.setattr(web.node, "frames", fail)
    answer = web.post("/v1/chat/completions", HELLO)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert prompt not in answer.text + caplog.text
    assert "reply.failed" in caplog.text


def test_the_page_hears_every_frame_as_it_is_on_mqtt() -> None:
    web = Web()
    answer = web.post(
        "/chat", {"text": "Hello", "session": "s1", "act": "auto", "area": "kitchen", "max_tokens": 9}
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event.split("\n") for event in answer.text.strip().split("\n\n")]
    assert [name.removeprefix("event: ") for name, _ in events] == ["status", "delta", "delta", "done"]
    assert [data.removeprefix("data: ") for _, data in events] == [frame.encode().decode() for frame in SAID]
    request = web.node.request
    assert (request.text, request.session, request.act) == ("Hello", "s1", "auto")
    assert (request.context_area, request.max_tokens) == ("kitchen", 9)


def test_the_page_hears_errors_as_frames() -> None:
    web = Web(Node([SAID[0], RequestError("busy", "why", retry_after_ms=700)]))
    *_, last = web.post("/chat", {"text": "Hello"}).text.strip().split("\n\n")
    name, data = last.split("\n")
    error = json.loads(data.removeprefix("data: "))
    assert name == "event: error"
    assert (error["code"], error["retryable"], error["retry_after_ms"], error["seq"]) == (
        "busy",
        True,
        700,
        1,
    )


@pytest.mark.parametrize("body", [{}, {"text": 5}, {"text": "x", "act": "never"}])
def test_the_page_hears_of_a_bad_request_at_once(body: dict[str, Any]) -> None:
    answer = Web().post("/chat", body)
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (
        400,
        "bad_request",
        False,
    )
