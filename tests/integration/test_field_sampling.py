"""Small models loop: on the demo model, what a penalty does, how a loop ends, and whose defaults count."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import MANIFEST, Bundle, Sampling, open_bundle
from edge_llm.convert.prepare import Quantization
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.types import GREEDY
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.integration.test_engine import Conversation, request
from tests.processes import Broker, Service

LOOPS = "Tell me a poem."
"""The demo model's greedy reply is soon a loop: the same lines again and again."""
PENALIZED = replace(GREEDY, repetition_penalty=1.05, frequency_penalty=0.1, presence_penalty=0.1)


def test_a_loop_ends_and_says_so_and_a_penalty_ends_it_sooner(
    bundle: Callable[[Quantization], Bundle],
) -> None:
    engine = Conversation(bundle("int8"), context_tokens=2048)
    try:
        loop = engine.ask(request(LOOPS, max_tokens=1800))[0]
        cut = engine.ask(request(LOOPS, max_tokens=300))[0]
        better = engine.ask(request(LOOPS, max_tokens=300, sampling=replace(GREEDY, repetition_penalty=1.1)))[
            0
        ]
    finally:
        engine.close()
    assert loop.finish_reason == "length"
    assert 1536 <= loop.usage.loop_tokens < loop.usage.completion_tokens < 1800
    assert cut.finish_reason == "length"
    assert 200 < cut.usage.loop_tokens < 300
    assert better.usage.loop_tokens == 0


def test_drafts_change_no_token_of_a_penalized_reply(
    bundle: Callable[[Quantization], Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32: with quantized weights a pass over several tokens rounds otherwise than one over one."""
    engine = Conversation(bundle("fp32"))
    text = "Repeat exactly: alpha beta gamma delta alpha beta gamma delta alpha beta gamma delta"
    try:
        free = engine.ask(request(text, max_tokens=60))[0]
        drafted = engine.ask(request(text, max_tokens=60, sampling=PENALIZED))[0]
        monkeypatch.setattr(Drafter, "draft", lambda *_: [])
        plain = engine.ask(request(text, max_tokens=60, sampling=PENALIZED))[0]
    finally:
        engine.close()
    assert drafted.usage.accepted_tokens > 0
    assert drafted.token_ids == plain.token_ids != free.token_ids


def test_a_bundle_recommends_and_the_request_has_the_last_word(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    made = bundle("int8")
    path = tmp_path / "bundle"
    path.mkdir()
    for file in filter(Path.is_file, made.path.iterdir()):
        (path / file.name).symlink_to(file)
    recommending = made.manifest.model_copy(
        update={"sampling": Sampling(temperature=1.0, top_k=40, repetition_penalty=1.1)}
    )
    (path / MANIFEST).unlink()
    (path / MANIFEST).write_text(recommending.model_dump_json())
    service = Service(broker.port, open_bundle(path), tmp_path / "log")
    hub = Hub(broker.port, TOPICS.reply("panel"))
    service.wait_serving()

    def text(number: int, **fields: Any) -> str:
        payload = {"id": f"q{number}", "text": LOOPS, "max_tokens": 40, "stream": False, **fields}
        hub.publish(TOPICS.request("panel"), json.dumps(payload))
        done = json.loads(eventually(lambda: hub.on(TOPICS.reply("panel"))[number:])[0])
        assert done["type"] == "done", done
        return str(done["text"])

    sampled = {text(number) for number in range(3)}
    greedy = {text(number, temperature=0, max_tokens=150) for number in range(3, 5)}
    looping = text(5, temperature=0, repetition_penalty=1, max_tokens=150)
    hub.close()
    service.stop()
    assert len(sampled) > 1
    assert len(greedy) == 1
    lines = [len(said.splitlines()) - len(set(said.splitlines())) for said in (looping, greedy.pop())]
    assert lines[0] > 2 * lines[1]  # lines said before
