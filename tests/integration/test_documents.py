"""`edge-llm documents` with the real broker, the demo model, a house, and papers that would command it."""

from pathlib import Path
from typing import Any

import pytest

from edge_llm.client import Client, Delta, Done, RequestError, Status
from tests import documents_home
from tests.common import NODE, eventually
from tests.conversation import Conversation, Hub
from tests.documents_home import E15, E22, ENDLESS, PAPERS, Home, moved, sources

folder, home, client = documents_home.folder, documents_home.home, documents_home.client


def test_an_answer_streams_and_names_its_sources(home: Home, client: Client) -> None:
    frames = list(client.stream(E15, max_tokens=24, custom={"room": "kitchen"}))
    *before, done = frames
    assert isinstance(done, Done)
    assert "".join(frame.text for frame in before if isinstance(frame, Delta)) == done.text
    assert {frame.node for frame in frames} == {"documents"}
    assert isinstance(frames[0], Status)
    assert (done.custom["room"], sources(done)) == ("kitchen", ["dishwasher.md", "dishwasher.md"])
    assert [each["heading"] for each in done.custom["sources"]] == ["Error codes > E15", "Error codes > E22"]
    assert done.usage.prompt_tokens > 100


def test_a_second_question_to_a_chapter_finds_it_in_the_prefix_cache(home: Home, client: Client) -> None:
    client.ask(E15, max_tokens=4)
    again = client.ask(E22, max_tokens=4)
    assert [each["heading"] for each in again.custom["sources"]] == ["Error codes > E22", "Error codes > E15"]
    assert again.usage.cached_tokens > 0.8 * again.usage.prompt_tokens


def test_what_is_not_in_the_papers_is_said_so_and_no_model_is_asked(hub: Hub, client: Client) -> None:
    done = client.ask("How tall is the Eiffel Tower?")
    assert (done.text, done.custom, done.model) == ("That is not in the papers.", {"sources": []}, "")
    hub.settle()
    assert not [topic for topic, _ in hub.messages if topic.startswith(f"edge_llm/{NODE}/request/")]


@pytest.mark.parametrize(
    "question",
    [
        "What does the warranty card of the toaster say?",
        pytest.param("What do the instructions of the warranty card say to do?", marks=pytest.mark.long),
        pytest.param("Read me the warranty card of the toaster", marks=pytest.mark.long),
    ],
)
def test_a_document_never_acts(home: Home, client: Client, question: str) -> None:
    before = moved(home), home.house.states()
    done = client.ask(question, act="auto", max_tokens=16, session="evil")
    assert (done.calls, done.act and done.act.outcome) == (None, "spoken")
    assert sources(done) == ["toaster.txt"]
    yes = client.ask("yes", act="auto", max_tokens=8, session="evil")
    assert yes.calls is None
    assert (moved(home), home.house.states()) == before


def test_a_command_acts_once_and_is_answered_as_the_node_answers(home: Home, hub: Hub) -> None:
    talk = Conversation(hub, "speaker", PAPERS)
    before = moved(home)
    said: dict[str, Any] = {
        "id": "on",
        "text": "Turn on the bedroom lamp and the kitchen light",
        "act": "auto",
    }
    *_, done = talk.ask(**said)
    assert (done["act"]["outcome"], done["custom"]) == ("done", {"sources": []})
    assert moved(home) == before + 2
    talk.send(**said)
    *_, replayed = eventually(lambda: len(found := talk.replies("on")) == 2 and found)
    assert (replayed["replayed"], replayed["text"]) == (True, done["text"])
    assert moved(home) == before + 2


def test_what_is_asked_about_first_is_done_after_a_yes_of_the_same_client(home: Home, client: Client) -> None:
    lock = client.ask("Lock the front door", act="auto", session="door")
    assert lock.act
    assert lock.act.outcome == "confirm"
    with Client(home.mqtt, "documents", "stranger") as stranger:
        assert stranger.ask("yes", act="auto", session="door", max_tokens=4).calls is None
    assert home.house.state("Front door lock")["state"] == "unlocked"
    done = client.ask("yes", act="auto", session="door")
    assert done.act
    assert (done.act.outcome, done.custom) == ("done", {"sources": []})
    assert home.house.state("Front door lock")["state"] == "locked"


def test_an_act_is_done_once_though_the_service_is_killed_before_it_is_told(home: Home, hub: Hub) -> None:
    """A silent light is waited for: meanwhile the service is killed, and gets the request again."""
    talk = Conversation(hub, "speaker", PAPERS)
    home.house.set_silent("Kitchen light")
    before = moved(home)
    talk.send(id="once", text="Turn off the kitchen light", act="auto")
    eventually(lambda: moved(home) == before + 1)
    home.documents.kill()
    home.documents.restart()
    *_, done = talk.ended("once")
    home.house.set_silent("Kitchen light", silent=False)
    assert (done["type"], done["act"]["outcome"]) == ("done", "sent")
    hub.settle()
    assert (moved(home), len(talk.replies("once"))) == (before + 1, 1)


def test_a_cancel_reaches_the_node(home: Home, client: Client) -> None:
    frames = client.stream(E15, max_tokens=4000, id="long", schema=ENDLESS)
    while not isinstance(next(frames), Delta):
        pass
    client.cancel("long")
    *_, done = frames
    assert isinstance(done, Done)
    assert done.finish_reason == "cancelled"
    assert 0 < done.usage.completion_tokens < 1000


def test_a_conversation_remembers_answers_and_each_client_has_its_own(home: Home, client: Client) -> None:
    talk = client.session("talk")
    first = talk.ask(E15, max_tokens=8)
    second = talk.ask(E22, max_tokens=8)
    assert second.usage.prompt_tokens > first.usage.prompt_tokens
    messages = talk.messages()
    assert [turn.content for turn in messages] == [E15, first.text, E22, second.text]
    with Client(home.mqtt, "documents", "stranger") as stranger:
        assert stranger.session("talk").messages() == ()
    with pytest.raises(RequestError, match="cannot be listed"):
        client.sessions()
    talk.forget()
    assert talk.messages() == ()


def test_by_default_the_papers_are_quoted_and_no_model_is_asked(home: Home, hub: Hub) -> None:
    with Client(home.mqtt, "quoting", "reader") as client:
        *_, delta, done = client.stream(E15)
        assert isinstance(delta, Delta)
        assert isinstance(done, Done)
        assert delta.text == done.text
        assert done.text.startswith("Dishwasher:")
        assert "The water inlet is blocked, or the tap is closed." in done.text
        assert done.custom["sources"][0]["heading"] == "Error codes > E15"
        assert client.ask("How tall is the Eiffel Tower?").text == "That is not in the papers."
    hub.settle()
    assert not [topic for topic, _ in hub.messages if topic.startswith(f"edge_llm/{NODE}/request/")]


def test_what_is_said_to_the_house_acts_or_is_quoted_and_remembered(home: Home) -> None:
    """One reply without the model, whatever it was: the node decides, and remembers what was said."""
    before = moved(home)
    with Client(home.mqtt, "quoting", "speaker") as client:
        talk = client.session("hall")
        command = talk.ask("Turn on the kitchen light and the bedroom lamp", act="auto")
        assert (command.act and command.act.outcome, sources(command)) == ("done", [])
        said = talk.ask(E15, act="auto")
        assert (said.act and said.act.outcome, sources(said)) == (
            "spoken",
            ["dishwasher.md"] * len(sources(said)),
        )
        assert "The water inlet is blocked" in said.text
        assert said.usage.prompt_tokens == 0
        warranty = talk.ask("What does the warranty card of the toaster say?", act="auto")
        assert (sources(warranty), warranty.calls) == (["toaster.txt"], None)
        assert [turn.content for turn in talk.messages()][2:4] == [E15, said.text]
    assert moved(home) == before + 2


def test_it_takes_little_memory(home: Home) -> None:
    rollup = Path(f"/proc/{home.documents.process.pid}/smaps_rollup").read_text()
    (pss_kb,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
    assert pss_kb < 60_000


def test_words_reach_no_log(home: Home) -> None:
    log = home.documents.log_text()
    for word in ("E15", "Eiffel", "bedroom", "inlet", "warranty"):
        assert word not in log
