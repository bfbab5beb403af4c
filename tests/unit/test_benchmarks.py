"""The comparison with other engines: its rounds and its table, with engines of known speed."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.contenders import Contender, LlamaBench
from benchmarks.paired_runs import Plan, run_paired
from benchmarks.report import Report
from benchmarks.result import DECODE, PREFILL, Result
from edge_llm.bench.prompts import Prompt
from edge_llm.convert.progress import Progress
from edge_llm.errors import SourceError

SETTING = {
    "model": "tiny",
    "quantization": "int8",
    "threads": 2,
    "rounds": 5,
    "onnxruntime": "1",
    "cpu": "a CPU",
    "load_average": 0.1,
}
LLAMA_BENCH = f"""#!{sys.executable}
import json, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert (given["-t"], given["-rtr"], given["-o"]) == ("2", "1", "json"), given
tokens, decoded = given["-gp"].split(",")
assert tokens == given["-p"] and given["-n"] == "0"
if given["-m"].endswith("broken.gguf"):
    sys.exit("cannot load it")
rows = [(int(tokens), 0, 480.5), (int(tokens), int(decoded), 44.25)]
print(json.dumps([{{"n_prompt": p, "n_gen": n, "avg_ts": rate}} for p, n, rate in rows]))
"""


class Fake:
    """An engine of a fixed speed, which may fail at its start or at some length of prompt."""

    version = "fake 1"

    def __init__(
        self, name: str, rates: tuple[float, float], log: list[tuple[str, int]], fails_at: int | None = None
    ) -> None:
        self.name = name
        self._rates = rates
        self._log = log
        self._fails_at = fails_at

    @contextmanager
    def running(self, threads: int, context_tokens: int) -> Iterator[Contender]:
        assert (threads, context_tokens) == (2, 4096 + 64 + 1)
        if self._fails_at == 0:
            raise SourceError("it is not installed")
        yield self

    def ask(self, prompt: Prompt, decode_tokens: int) -> tuple[float, float]:
        assert decode_tokens == 64
        if len(prompt.ids) == self._fails_at:
            raise SourceError("out of memory")
        self._log.append((self.name, len(prompt.ids)))
        return self._rates

    def peak_rss_mb(self) -> float | None:
        return 100.0


def compare(log: list[tuple[str, int]], **fails_at: int) -> list[Result]:
    rates = {"ours": (400.0, 40.0), "fast": (1000.0, 50.0), "slow": (100.0, 20.0)}
    fakes = [Fake(name, its, log, fails_at.get(name)) for name, its in rates.items()]
    plan = Plan(5, (256, 4096))
    return run_paired(fakes, lambda tokens: Prompt((), tuple(range(tokens))), 2, plan, Progress(quiet=True))


def test_each_round_begins_with_another_engine_and_long_prompts_come_in_every_second() -> None:
    """A warm-up of all lengths; then five rounds, three of them with the long prompt."""
    log: list[tuple[str, int]] = []
    results = compare(log)
    turns = [log[start : start + 3] for start in range(0, len(log), 3)]
    assert [its[0][1] for its in turns] == [256, 4096, 256, 4096, 256, 256, 4096, 256, 256, 4096]
    assert all(
        len({name for name, _ in its}) == 3 and len({tokens for _, tokens in its}) == 1 for its in turns
    )
    short = [its[0][0] for its in turns if its[0][1] == 256]
    assert short == ["ours", "fast", "slow", "ours", "fast", "slow"]
    for result in results:
        assert {measure: len(its) for measure, its in result.values.items()} == {
            (PREFILL, 256): 5,
            (DECODE, 256): 5,
            (PREFILL, 4096): 3,
            (DECODE, 4096): 3,
        }


def test_the_table_has_each_engines_speed_and_ours_divided_by_it() -> None:
    """The line of an engine at a length: prefill and decoding beside it, with the ratios."""
    report = Report(SETTING, compare([]))
    lines = [" ".join(line.split()) for line in report.lines()]
    assert "fast (fake 1, peak 100 MB)" in lines
    fast = lines.index("fast (fake 1, peak 100 MB)")
    assert lines[fast + 1] == (
        "256 prefill 1000.0 [1000.0 - 1000.0] x 0.40 [0.40 - 0.40]"
        " decode 50.0 [50.0 - 50.0] x 0.80 [0.80 - 0.80]"
    )
    assert lines[fast + 2].startswith("4096 prefill")
    ours = lines.index("ours (fake 1, peak 100 MB)")
    assert lines[ours + 1] == "256 prefill 400.0 [400.0 - 400.0] decode 40.0 [40.0 - 40.0]"
    slow = report.to_json()["peers"][2]
    assert slow[PREFILL]["4096"]["ours_to_this"]["values"] == [4.0, 4.0, 4.0]
    assert slow["unit"] == "tokens/s"


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that is slow for one round is slow for both."""
    ours = Result("ours", values={(DECODE, 256): (10.0, 40.0)})
    theirs = Result("theirs", values={(DECODE, 256): (5.0, 20.0)})
    assert theirs.to_json(ours)[DECODE]["256"]["ours_to_this"]["values"] == [2.0, 2.0]


@pytest.mark.parametrize(("fails_at", "reason"), [(0, "it is not installed"), (4096, "out of memory")])
def test_an_engine_that_fails_is_missing_and_the_others_go_on(fails_at: int, reason: str) -> None:
    """An hour's comparison must not end because one engine cannot hold 8,000 tokens."""
    ours, fast, slow = compare([], fast=fails_at)
    assert (fast.name, fast.missing) == ("fast", reason)
    assert f"fast: missing ({reason})" in Report(SETTING, [ours, fast, slow]).lines()
    assert len(ours.values[PREFILL, 4096]) == len(slow.values[PREFILL, 4096]) == 3


def test_without_the_first_engine_there_is_no_comparison() -> None:
    """Every ratio refers to it."""
    with pytest.raises(SourceError, match="out of memory"):
        compare([], ours=4096)


def test_lengths_that_the_context_does_not_hold_are_left_out() -> None:
    """The reply needs room, too."""
    assert Plan(1).fitting(8192).prompt_tokens == (256, 1024, 4096, 8000)
    assert Plan(1).fitting(4096).prompt_tokens == (256, 1024)


def test_llama_bench_is_run_for_the_prompts_length_and_for_decoding_behind_it(tmp_path: Path) -> None:
    """ik_llama.cpp comes as a program of its own, which prints JSON."""
    program = tmp_path / "llama-bench"
    program.write_text(LLAMA_BENCH, encoding="utf-8")
    program.chmod(0o755)
    prompt = Prompt((), tuple(range(1024)))
    models: Mapping[str, Path] = {name: tmp_path / f"{name}.gguf" for name in ("good", "broken")}
    with LlamaBench("ik", program, lambda: models["good"]).running(2, 2048) as running:
        assert running.ask(prompt, 64) == (480.5, 44.25)
        assert running.peak_rss_mb() is None
    broken = LlamaBench("ik", program, lambda: models["broken"])
    with broken.running(2, 2048) as running, pytest.raises(SourceError, match="cannot load it"):
        running.ask(prompt, 64)
