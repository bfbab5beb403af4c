"""Runs Docker and Compose for the tests of images and of the compose file."""

import os
import subprocess
from functools import cache
from pathlib import Path

COMPOSE_FILE = Path(__file__).parents[1] / "config/docker/compose.yaml"


def run(*command: str, **environment: str) -> str:
    """What a command prints; what it said is shown where it fails."""
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def compose_command() -> tuple[str, ...]:
    """Compose, as the engine's plugin or as a command of its own."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ("docker", "compose") if plugin.returncode == 0 else ("docker-compose",)
