"""Callers of the server: Wyoming's own client, and some that are up to no good."""

import asyncio
import json
import logging
from threading import Event

import pytest
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk
from wyoming.info import Describe, Info
from wyoming.ping import Ping

from edge_llm.client import Done, ToolCall
from edge_llm.contract.frames import Act, AnyFrame
from edge_llm.errors import Code, RequestError
from edge_llm.voice import asking, connection, server
from tests.unit.client.scripted import call, delta, done
from tests.unit.voice.parts import Voice, hear, say, until
from tests.unit.web.parts import Node

CALL = ToolCall(id="1", name="HassTurnOn", arguments={})


def acted(text: str, outcome: str = "done") -> list[AnyFrame]:
    act = Act.model_validate({"outcome": outcome})
    return [delta(1, text), done(text, act=act)]


def test_it_describes_itself_in_the_language_of_the_house() -> None:
    voice = Voice(Node())

    async def scene() -> Info:
        async with voice.caller() as caller:
            await caller.write_event(Describe().event())
            return Info.from_event(await hear(caller))

    [program] = voice.run(scene).handle
    assert (program.name, program.installed, program.supports_home_control) == ("edge_llm", True, True)
    [model] = program.models
    assert (model.name, model.languages) == ("Tiny 1B", ["de"])


def test_an_act_is_told() -> None:
    voice = Voice(Node(acted("Turned on Lamp.")), area="Kitchen")
    [handled] = voice.run(lambda: voice.ask(" Turn on the lamp. "))
    assert (handled.type, handled.data["text"]) == ("handled", "Turned on Lamp.")
    asked = voice.node.request
    assert (asked.text, asked.act, asked.context_area) == ("Turn on the lamp.", "auto", "Kitchen")
    assert asked.max_tokens == 50


@pytest.mark.parametrize("outcome", ["failed", "impossible", "unclear"])
def test_what_is_not_done_is_not_handled(outcome: str) -> None:
    voice = Voice(Node(acted("I cannot do that here.", outcome)))
    [event] = voice.run(lambda: voice.ask("Fly"))
    assert (event.type, event.data["text"]) == ("not-handled", "I cannot do that here.")


def test_calls_that_nobody_carries_out_are_not_claimed_to_be() -> None:
    said = "Turned on the first lamp. Turned on the second lamp."
    voice = Voice(Node([call(0, 0, CALL), delta(1, said), done(said, CALL)]))
    [event] = voice.run(lambda: voice.ask("Lamps on", language="en"))
    assert event.type == "not-handled"
    assert event.data["text"].startswith("I know what you mean, but")


def test_a_reply_of_several_sentences_is_streamed() -> None:
    end = Event()
    said = "**One** is the first. Two is it."
    voice = Voice(Node([delta(1, said[:25]), delta(2, said[25:29]), end, delta(3, said[29:]), done(said)]))

    async def scene() -> list[str]:
        async with voice.caller() as caller:
            await caller.write_event(Transcript("Count").event())
            heard = [await hear(caller), await hear(caller)]
            assert heard[1].data["text"] == "One is the first."  # while the rest is still written
            end.set()
            heard += [await hear(caller) for _ in range(3)]
        assert "".join(each.data["text"] for each in heard[1:3]) == heard[3].data["text"]
        assert heard[3].data["text"] == "One is the first. Two is it."
        return [each.type for each in heard]

    kinds = voice.run(scene)
    assert kinds == ["handled-start", "handled-chunk", "handled-chunk", "handled", "handled-stop"]


def test_a_reply_that_was_cut_ends_with_a_whole_sentence() -> None:
    said = "One is the first of all. Two is"
    cut = done(said).model_copy(update={"finish_reason": "length"})
    assert isinstance(cut, Done)
    voice = Voice(Node([delta(1, said), cut]))
    [handled] = voice.run(lambda: voice.ask("Count"))
    assert handled.data["text"] == "One is the first of all."


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("unavailable", "Ich erreiche den Rechner des Hauses nicht."),
        ("busy", "Ich bin beschäftigt."),
        ("timeout", "Das hat zu lange gedauert."),
        ("too_large", "Das war mir zu lang."),
        ("internal", "Da ist etwas schiefgegangen."),
    ],
)
def test_what_is_wrong_is_said_in_the_language_of_the_house(code: Code, said: str) -> None:
    voice = Voice(Node([RequestError(code, "words for a log")]))
    [event] = voice.run(lambda: voice.ask("Licht an"))
    assert event.type == "not-handled"
    assert event.data["text"].startswith(said)
    assert voice.node.retries == [False]


def test_an_error_in_the_middle_ends_the_stream() -> None:
    voice = Voice(
        Node([delta(1, "This is the first. A"), delta(2, "nd"), RequestError("unavailable", "gone")])
    )
    events = voice.run(lambda: voice.ask("Tell me", language="en-GB"))
    assert [each.type for each in events][-2:] == ["not-handled", "handled-stop"]
    assert events[2].data["text"] == " I cannot reach the house's computer."


def test_silence_is_nothing_to_ask() -> None:
    voice = Voice(Node())
    [event] = voice.run(lambda: voice.ask("  ", language="en"))
    assert (event.type, event.data["text"]) == ("not-handled", "I heard nothing.")


def test_a_node_without_a_house_is_talked_to() -> None:
    voice = Voice(Node([done("Hello.")]), house=None)
    [event] = voice.run(lambda: voice.ask("Hi", context={"area": "Kitchen"}))
    assert event.type == "handled"
    assert (voice.node.request.act, voice.node.request.context_area) == (None, None)


def test_a_connection_is_a_conversation_and_so_is_an_id_that_comes_along() -> None:
    """Home Assistant has a connection for each sentence, and an id for the conversation."""
    voice = Voice(Node(*[acted("Done.")] * 6))

    async def scene() -> list[str | None]:
        sessions = []
        async with voice.caller() as caller:
            for _ in range(2):
                [handled] = await say(caller, "On")
                sessions.append(voice.node.request.session)
        context = handled.data["context"]
        for given in (
            context,
            {"conversation_id": "01J\u2603", "area": "Attic"},
            {"conversation_id": 5},
            None,
        ):
            [handled] = await voice.ask("On", context=given)
            assert (given or {}).get("area") == voice.node.request.context_area
            sessions.append(voice.node.request.session)
        return sessions

    first, second, again, named, *others = voice.run(scene)
    assert first == second == again
    assert len({first, named, *others}) == 4


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
        await until(lambda: not voice.server._callers)
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


def test_a_server_that_ends_cancels() -> None:
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
