"""`edge-llm check`: what it finds in order, and what it warns of."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from tests.processes import Broker, clean_environment

ELSEWHERE = f"{os.uname().nodename}.invalid"
"""Any name that is not one of loopback."""


def check(config: Path, code: int, *flags: str) -> dict[tuple[str, str], str]:
    """The findings of `check --json`, by level and part."""
    command = [sys.executable, "-m", "edge_llm.cli", "check", "--json", "--config", str(config), *flags]
    environment = clean_environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["ok"] is (code == 0)
    return {(finding["level"], finding["part"]): finding["text"] for finding in report["findings"]}


@pytest.fixture
def write(tmp_path: Path, broker: Broker, int8: Bundle) -> Callable[[str, str], Path]:
    def write(mqtt: str, engine: str = "") -> Path:
        path = tmp_path / "edge_llm.yaml"
        engine = engine or f"{{bundle: {int8.path}}}"
        path.write_text(f"mqtt: {{{mqtt or f'host: 127.0.0.1, port: {broker.port}'}}}\nengine: {engine}\n")
        path.chmod(0o644)
        return path

    return write


def test_all_is_well(write: Callable[..., Path]) -> None:
    found = check(write(""), 0)
    assert {level for level, _ in found} == {"ok"}
    assert "int8" in found["ok", "bundle"]
    assert "MQTT 5" in found["ok", "broker"]


def test_strangers_plain_text_and_open_secrets_are_warned_of(
    write: Callable[..., Path], broker: Broker, tmp_path: Path
) -> None:
    found = check(write(f"host: {ELSEWHERE}, port: {broker.port}"), 0, "--no-broker")
    assert {part for level, part in found if level == "warning"} == {"encryption", "identity"}
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "secret").chmod(0o644)
    secret = f"host: 127.0.0.1, port: {broker.port}, username: me, password_file: {tmp_path}/secret"
    assert "chmod o=" in check(write(secret), 0)["warning", "secrets"]
    inline = f"host: 127.0.0.1, port: {broker.port}, username: me, password: hunter2"
    found = check(write(inline), 0)
    assert "hunter2" not in json.dumps(list(found.values()))
    assert "edge_llm.yaml" in found["warning", "secrets"]


@pytest.mark.long
def test_strangers_and_plain_text_are_warned_of_where_the_broker_cannot_be_found_too(
    write: Callable[..., Path],
) -> None:
    found = check(write(f"host: {ELSEWHERE}"), 1)
    assert {part for level, part in found if level == "warning"} == {"encryption", "identity"}


@pytest.mark.long
def test_what_fails_is_named(write: Callable[..., Path]) -> None:
    found = check(write("host: 127.0.0.1, port: 1", "{bundle: /nowhere, inference_cores: '500'}"), 1)
    assert {part for level, part in found if level == "failed"} == {"bundle", "broker", "cores"}
    assert "edge-llm prepare" in found["failed", "bundle"]


def test_a_configuration_is_checked_where_there_is_no_broker_yet(write: Callable[..., Path]) -> None:
    found = check(write("host: 127.0.0.1, port: 1"), 0, "--no-broker")
    assert {part for _, part in found} == {"configuration", "bundle", "cores"}


@pytest.mark.parametrize(
    "mqtt", ["cert_file: a.pem", "tls: true, cert_file: a.pem", "ca_file: a.pem", "password: x"]
)
def test_half_a_configuration_is_refused(write: Callable[..., Path], mqtt: str) -> None:
    command = [sys.executable, "-m", "edge_llm.cli", "check", "--config", str(write(mqtt))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
