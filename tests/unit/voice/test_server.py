"""What the server answers to Wyoming's own client."""

from threading import Event

import pytest
from wyoming.asr import Transcript
from wyoming.info import Describe, Info

from edge_llm.client import Done
from edge_llm.errors import Code, RequestError
from tests.unit.client.scripted import call, delta, done
from tests.unit.voice.parts import CALL, Voice, acted, hear, say
from tests.unit.web.parts import Node


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
