"""`edge-llm bench` as a user runs it, in its smallest setting; no figure's size is tested."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from edge_llm.bench.prompts import Prompts
from edge_llm.bundle import Bundle
from edge_llm.engine.tokenizer import ChatTokenizer

BUNDLE = Callable[[str], Bundle]
COMMAND = [sys.executable, "-m", "edge_llm.cli", "bench", "--quick"]


def run(*arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, "--json", *arguments], capture_output=True, text=True, check=True, timeout=300
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_measures_the_engine_and_the_service_and_draws_a_chart(bundle: BUNDLE, tmp_path: Path) -> None:
    """Each measure comes with its unit, its median and spread, and all values behind them."""
    result = run("--bundle", bundle("int8").path, "--chart", tmp_path / "chart.png")
    assert result["quantization"] == "int8"
    assert result["rounds"] == 1
    measures = {(its["name"], its["at"]): its for its in result["measures"]}
    assert list(measures) == [
        ("cold TTFT", 32),
        ("cold TTFT", 256),
        ("decode at context", 32),
        ("decode at context", 256),
        ("TTFT with a new prefix", 150),
        ("warm TTFT, the same prefix", 150),
        ("with drafts / without", None),
        ("concurrent streams, together", 1),
        ("concurrent streams, together", 2),
        ("time to ready", None),
        ("TTFT after a restart, from disk", 150),
        ("cold / from disk", 150),
        ("decode through the broker", None),
        ("decode of the engine alone", None),
        ("through the broker / alone", None),
        ("first token after a pause, extra", None),
        ("peak memory of the service", None),
        ("memory of the service, anonymous", None),
        ("memory of the service, mapped", None),
        ("memory of the service, shared", None),
        ("idle CPU of the service", None),
    ]
    assert measures.pop(("idle CPU of the service", None))["median"] >= 0
    assert measures.pop(("memory of the service, shared", None))["median"] >= 0
    assert measures.pop(("first token after a pause, extra", None))["values"]
    for its in measures.values():
        assert 0 < its["min"] <= its["median"] <= its["max"]
        assert its["median"] == pytest.approx(median(its["values"]), abs=0.001)
        assert its["unit"]
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_a_profile_accounts_for_the_whole_of_a_token(bundle: BUNDLE) -> None:
    """The items are disjoint: their sum is the time of a token."""
    profile = run("--bundle", bundle("int8").path, "--profile")["profile"]
    assert 0 < profile["outside_percent"]["median"] < 100
    items = profile["items_ms"]
    assert sorted(items) == ["decoder", "detokenizer", "sampler", "scheduler and emit", "session.run"]
    assert min(items.values()) > 0
    assert sum(items.values()) == pytest.approx(profile["token_ms"], rel=0.01)


def test_prompts_have_the_tokens_that_were_asked_for_and_begin_differently(bundle: BUNDLE) -> None:
    """Else a prefix cache would answer what is to be measured cold."""
    tokenizer = ChatTokenizer(bundle("int8"))
    prompts = Prompts(tokenizer)
    made = [prompts.of(tokens) for tokens in (64, 64, 256)]
    assert [len(prompt.ids) for prompt in made] == [64, 64, 256]
    assert len({prompt.ids[:40] for prompt in made}) == 3
    assert list(made[0].ids) == tokenizer.encode_chat(made[0].messages)
    first, again = prompts.with_prefix(100, 20)
    common = next(i for i, (one, other) in enumerate(zip(first.ids, again.ids, strict=True)) if one != other)
    assert 100 <= common < len(first.ids) - 20
