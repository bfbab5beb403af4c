"""`edge-llm doctor` reports on the host that runs the tests."""

import json
import os
from pathlib import Path

import pytest

from edge_llm.cli.commands.doctor import report_sensors, sensor_lines
from edge_llm.cli.main import main
from edge_llm.config import TelemetrySettings
from tests.unit.host import machines

RULES = Path(__file__).parents[3] / "config/udev/70-edge-llm-rapl.rules"


def test_it_shows_the_plan_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for words in ("processor  ", "cores      ", "memory     ", "cgroup     ", "pinning    auto: CPUs "):
        assert words in out
    assert "           - this process may use" in out


def test_json_is_one_object_with_units(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {*report["cpu"]["logical_cpus"]} == os.sched_getaffinity(0)
    assert 1 <= report["cpu"]["physical_cores"] <= len(report["cpu"]["logical_cpus"])
    assert 0 < report["memory"]["available_bytes"] < report["memory"]["total_bytes"]
    assert report["pinning_plan"]["mode"] == "pinned"
    assert {*report["pinning_plan"]["cores"]} <= {*report["cpu"]["logical_cpus"]}


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("avx512_vnni", "through the bundle's prefill graph, by AVX512-VNNI"),
        ("avx2", "through the bundle's prefill graph, by AVX2"),
        ("sse2", "not through the prefill graph: the processor has none of the instructions"),
    ],
)
def test_it_says_how_prompts_are_read(
    flag: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_llm.cli.commands.doctor.read_flags", lambda: frozenset({flag}))
    assert main(["doctor"]) == 0
    assert f"prompts    {words}" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    graph = json.loads(capsys.readouterr().out.splitlines()[-1])["prefill_graph"]
    assert graph["used_if_in_bundle"] == words.startswith("through")
    assert (graph["reason"] is None) == graph["used_if_in_bundle"]


def test_it_knows_that_the_prefill_graph_is_not_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "edge_llm.yaml"
    config.write_text("engine: {prefill_graph: false}")
    assert main(["doctor", "--config", str(config)]) == 0
    assert "not through the prefill graph: engine.prefill_graph is false" in capsys.readouterr().out


def test_it_shows_where_power_is_read_and_why_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for words in ("sensors    ", "pressure   ", "power      "):
        assert words in out
    assert main(["doctor", "--json"]) == 0
    power = json.loads(capsys.readouterr().out.splitlines()[-1])["power"]
    for name, sensor in power["sensors"].items():
        assert sensor["available"] or f"no {name}: {sensor['reason']}" in out


def test_counters_for_root_alone_come_with_the_rule_that_opens_them() -> None:
    """The same rule as the file that is shipped."""
    with machines.counters_for_root_alone() as host:
        lines = [*sensor_lines(report_sensors(TelemetrySettings(), host.root))]
    rule = next(line.strip() for line in lines if "SUBSYSTEM" in line)
    assert rule in RULES.read_text().splitlines()


def test_it_plans_for_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "edge_llm.yaml"
    config.write_text("engine: {inference_cores: none}")
    assert main(["doctor", "--config", str(config)]) == 0
    assert "as many threads, bound to none" in capsys.readouterr().out
    config.write_text("engine: {inference_cores: 2-1}")
    assert main(["doctor", "--config", str(config)]) == 78
    assert capsys.readouterr().err.startswith("edge-llm: engine.inference_cores: '2-1' ends before it begins")
