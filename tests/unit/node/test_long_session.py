"""A long conversation stays fast: 200 turns through responder, session store, scheduler and prefix cache."""

from collections.abc import Sequence as Turns
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import cast

import pytest

from edge_llm.bundle import Manifest
from edge_llm.config import HouseSettings, SamplingSettings, SessionsSettings
from edge_llm.contract.frames import Done, Usage
from edge_llm.contract.requests import parse
from edge_llm.contract.turns import Turn
from edge_llm.engine.engine import Engine
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.host.power.source import Unavailable
from edge_llm.mqtt.message import Message
from edge_llm.node.acts.acting import Acting
from edge_llm.node.responder import Responder
from edge_llm.node.sessions import SessionStore
from edge_llm.telemetry.energy import EnergyMeter
from edge_llm.telemetry.reply_stats import ReplyStats
from tests.unit.engine.fakes import END, FakeDecoder, FakeTokenizer, finish

CONTEXT = 400
REPLY = "fine, it is on"


class SteppedEngine:
    """The scheduler with a fake model that always says REPLY, stepped by the test."""

    def __init__(self) -> None:
        self.decoder = FakeDecoder(capacity=CONTEXT)
        self.decoder.choose = self._next
        prefixes = PrefixCache(self.decoder.cache, 10**6)
        tokenizer = cast(ChatTokenizer, FakeTokenizer())
        self.scheduler = Scheduler(self.decoder, tokenizer, (END,), 4, prefixes)

    def _next(self, ids: list[int]) -> int:
        said = len(ids) - 1 - max(at for at, token in enumerate(ids) if token == 3)
        return ord(REPLY[said]) if said < len(REPLY) else END

    def submit(self, sequence: Sequence) -> None:
        self.latest = sequence
        self.scheduler.submit(sequence)

    def release(self, sequence: Sequence, history: Turns[Turn]) -> None:
        self.scheduler.release(sequence, history)

    def progress(self, _sequence: Sequence) -> tuple[int, float | None]:
        return 0, None

    def finish(self) -> None:
        finish(self.scheduler)


class Node:
    """One process of a node."""

    def __init__(self, settings: SessionsSettings) -> None:
        self.engine = SteppedEngine()
        self.sessions = SessionStore(settings)
        stats = ReplyStats(EnergyMeter(Unavailable("a test has none")))
        engine = cast(Engine, self.engine)
        manifest = cast(Manifest, SimpleNamespace(name="tiny", sampling=None))
        self.responder = Responder(
            engine, manifest, SamplingSettings(max_tokens=60), self.sessions, stats, Acting(HouseSettings())
        )
        self.in_flight = InFlight()

    def ask(self, number: int) -> Usage:
        """One turn, as the gateway takes it."""
        body = f'{{"id": "r{number}", "text": "question {number}?", "session": "s", "system": "short rules"}}'
        asked = Asked("request", "c", parse("request", body.encode(), 999), Message("t", b"", qos1=True))
        reply = Reply("n", asked, self.in_flight.changed)
        self.responder.submit(reply)
        self.responder.prepare(reply)
        self.engine.finish()
        done = reply.drain(flowing=True)[-1]
        assert isinstance(done, Done), done
        assert done.text == REPLY
        self.responder.complete(reply, done)
        return done.usage


def test_200_turns_are_warm_but_for_the_few_that_drop_a_block(tmp_path: Path) -> None:
    settings = SessionsSettings(file=tmp_path / "s.db")
    node, usages = Node(settings), []
    for number in range(200):
        if number == 120:  # a restart amid it
            node.sessions.close()
            node = Node(settings)
        usages.append(node.ask(number))
    computed = [usage.prompt_tokens - usage.cached_tokens for usage in usages]
    dropped = [usage.dropped_messages for usage in usages]
    cuts = [turn for turn in range(1, 200) if dropped[turn] > dropped[turn - 1]]
    first = cuts[0]
    assert 5 < first < 20
    assert len(cuts) < 190 / 4
    assert dropped == sorted(dropped)
    # A turn computes its own question and an opening, but where a block went or a restart was.
    cold = {*cuts, 0, 120}
    assert max(each for turn, each in enumerate(computed) if turn not in cold) < 25
    assert median(computed[first:]) <= 2 * median(computed[:first])
    # Half of the room goes at a time, and is there again for the turns after.
    assert all(CONTEXT / 3 < usages[turn].prompt_tokens < 0.6 * CONTEXT for turn in cuts)


def test_the_count_of_dropped_turns_is_what_the_prompt_lacks(tmp_path: Path) -> None:
    node = Node(SessionsSettings(file=tmp_path / "s.db"))
    for number in range(60):
        usage = node.ask(number)
        prompt = "".join(map(chr, node.engine.latest.ids))
        shown = sum(f"question {each}?" in prompt for each in range(number))
        assert usage.dropped_messages == 2 * (number - shown)
    assert len(node.sessions.load("c", "s")) == 120


@pytest.mark.parametrize("killed_at", range(8, 16))
def test_a_reply_that_is_made_again_after_a_kill_has_the_same_prompt(tmp_path: Path, killed_at: int) -> None:
    settings = SessionsSettings(file=tmp_path / "s.db")
    node = Node(settings)
    for number in range(killed_at + 1):
        first = node.ask(number)
    again = Node(settings).ask(killed_at)
    assert (again.prompt_tokens, again.dropped_messages) == (first.prompt_tokens, first.dropped_messages)
