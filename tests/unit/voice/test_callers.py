"""Callers that go away, that are too many, or up to no good."""

import asyncio
import json
import logging
from threading import Event

import pytest
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk
from wyoming.ping import Ping

from edge_llm.errors import RequestError
from edge_llm.voice import asking, connection, server
from tests.unit.client.scripted import delta, done
from tests.unit.voice.parts import CALL, Voice, acted, hear, say, until
from tests.unit.web.parts import Node


def test_a_caller_that_goes_away_cancels() -> None:
    end = Event()
    voice = Voice(Node([delta(1, "A word"), end, done("A word")]))

    async def scene() -> None:
        async with voice.caller() as caller:
            await caller.write_event(Transcript("Tell me").event())
            await until(lambda: voice.node.asked)
            assert voice.node.cancelled == []
        await until(lambda: voice.node.cancelled)
        assert voice.node.cancelled[0] == voice.node.request.id
        end.set()

    voice.run(scene)


def test_other_events_are_passed_over_and_pings_answered() -> None:
    voice = Voice(Node(acted("Done.")))

    async def scene() -> None:
        async with voice.caller() as caller:
            for _ in range(100):
                await caller.write_event(AudioChunk(16000, 2, 1, bytes(2000)).event())
            await caller.write_event(Ping("there?").event())
            assert (await hear(caller)).data == {"text": "there?"}
            [handled] = await say(caller, "On")
            assert handled.type == "handled"

    voice.run(scene)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"type": "transcript", "data": {"text": 5}}\n',
        b'{"type": "transcript", "data": {"text": "on", "context": []}}\n',
        b'{"type": "transcript", "data_length": 99999999999}\n',
    ],
)
def test_who_breaks_the_protocol_is_told_so_and_left(sent: bytes) -> None:
    voice = Voice(Node())

    async def scene() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", voice.port)
        writer.write(sent)
        heard = await reader.read()
        writer.close()
        return heard

    assert json.loads(voice.run(scene).splitlines()[0])["type"] == "error"
    assert voice.node.asked == []


def test_who_sends_too_much_ahead_is_left() -> None:
    end = Event()
    voice = Voice(Node([end, done("Done.")]))

    async def scene() -> None:
        async with voice.caller() as caller:
            for _ in range(12):
                await caller.write_event(Transcript("On").event())
            assert (await hear(caller)).type == "error"
            assert await caller.read_event() is None
        assert len(voice.node.asked) == len(voice.node.cancelled) <= 1
        end.set()

    voice.run(scene)


def test_connections_and_replies_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(asking, "MOST", 1)
    end = Event()
    voice = Voice(Node([end, done("Done.")], [done("Again.")]))

    async def scene() -> None:
        async with voice.caller() as first, voice.caller() as second:
            await first.write_event(Transcript("On").event())
            await until(lambda: voice.node.asked)
            [busy] = await say(second, "On", language="en")
            assert busy.data["text"] == "I am busy. Please say it again in a moment."
            async with voice.caller() as third:
                assert (await hear(third)).data["code"] == "busy"
            end.set()
            assert (await hear(first)).type == "handled"
        await until(lambda: not voice.server._callers and not voice.asker._in_progress)
        [handled] = await voice.ask("On")
        assert handled.type == "handled"

    voice.run(scene)


def test_who_says_nothing_for_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_S", 0.01)
    voice = Voice(Node())

    async def scene() -> None:
        async with voice.caller() as caller:
            assert await caller.read_event() is None

    voice.run(scene)


def test_a_server_that_ends_cancels(caplog: pytest.LogCaptureFixture) -> None:
    end = Event()
    voice = Voice(Node([end, done("Done.")]))

    async def scene() -> None:
        async with voice.caller() as caller:
            await caller.write_event(Transcript("On").event())
            await until(lambda: voice.node.asked)
            await voice.server.stop()
            assert voice.node.cancelled == [voice.node.request.id]
        end.set()

    voice.run(scene)
    assert caplog.text == ""


def test_nothing_that_was_said_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = "my hidden words"
    voice = Voice(
        Node([RequestError("busy", f"no room for {hidden}")], [done(hidden, CALL)], [ValueError(hidden)])  # type: ignore[list-item]
    )

    async def scene() -> None:
        for _ in range(3):
            await voice.ask(f"This is {hidden}", context={"area": hidden})
        reader, writer = await asyncio.open_connection("127.0.0.1", voice.port)
        writer.write(hidden.encode() + b"\n")
        await reader.read()
        writer.close()

    voice.run(scene)
    assert "voice.not_handled" in caplog.text
    assert "hidden" not in caplog.text


def test_a_reply_counts_until_its_thread_has_ended_also_if_the_caller_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else who comes and goes could have any number of threads."""
    monkeypatch.setattr(asking, "MOST", 1)
    end = Event()
    voice = Voice(Node([end, done("Done.")]))

    async def scene() -> None:
        async with voice.caller() as caller:
            await caller.write_event(Transcript("On").event())
            await until(lambda: voice.node.asked)
        await until(lambda: voice.node.cancelled)
        [busy] = await voice.ask("On", language="en")
        assert busy.data["text"].startswith("I am busy.")
        end.set()
        await until(lambda: not voice.asker._in_progress)

    voice.run(scene)
