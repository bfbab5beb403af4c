"""The profile `voice` of the compose file, in a room without a sound card.

In place of the images of the speech programs are such as `images/Dockerfile` makes, in place of a microphone
is a program that plays files, and in place of a loudspeaker ALSA writes one.
"""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from edge_llm.cli.commands.demo import ACTING
from edge_llm.demo.processes import free_port
from tests.common import NODE
from tests.docker_commands import COMPOSE_FILE, compose_command, run

PROGRAMS = ("whisper", "piper", "openwakeword")
IMAGES = Path(__file__).parent / "images"
_NODE_IMAGE = "edge_llm:test-voice"
_MICROPHONE = Path(__file__).parent / "microphone.py"
_LOUDSPEAKER = 'pcm.!default { type file slave.pcm "null" file "/room/played.wav" format "wav" }\n'


class Containers:
    """What the compose file starts, with the demo's model, and a directory that the room has as /room."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.room = directory / "room"
        for path in (self.room, self.room / "said"):
            path.mkdir()
            path.chmod(0o777)  # the satellite's user is nobody
        microphone = self.room / "arecord"
        microphone.write_bytes(_MICROPHONE.read_bytes())
        microphone.chmod(0o755)
        (self.room / "asound.conf").write_text(_LOUDSPEAKER)
        override = directory / "override.yaml"
        override.write_text(yaml.safe_dump({"services": self._services()}))
        self._files = ("-f", str(COMPOSE_FILE), "-f", str(override))
        self._project = ("-p", f"edge_llm-voice-{os.getpid()}", "--profile", "voice")

    def _services(self) -> dict[str, Any]:
        acting = {f"EDGE_LLM_{name.upper()}": value for name, value in ACTING.items()}
        services: dict[str, Any] = {
            name: {
                "image": f"edge_llm-{name}:test",
                "build": {"context": str(IMAGES), "target": name, "network": "host"},
            }
            for name in PROGRAMS
        }
        services["node"] = {"image": _NODE_IMAGE, "build": {"network": "host"}, "environment": acting}
        services["voice"] = {"image": _NODE_IMAGE, "healthcheck": {"interval": "1s"}}
        services["satellite"] = {
            "build": {"network": "host"},
            "devices": ["/dev/null:/dev/snd"],  # in place of a sound card
            "volumes": [f"{self.room}:/room", f"{self.room}/asound.conf:/etc/asound.conf:ro"],
            "environment": {"PATH": "/room:/usr/local/bin:/usr/bin:/bin"},
        }
        return services

    def __call__(self, *arguments: str) -> str:
        """Run Compose."""
        where = {"MODEL": "demo", "NODE_ID": NODE, "MQTT_PORT": str(self.port), "AREA": "Hall"}
        programs = {"HEARS": "/model", "SPEAKS": "en_US-joe-medium", "WAKES": "hey_jarvis"}
        return run(*compose_command(), *self._files, *self._project, *arguments, **where, **programs)

    def inspect(self, service: str) -> Any:
        """What the engine says of a service's container."""
        return json.loads(run("docker", "inspect", self("ps", "--quiet", service).strip()))[0]

    def ask(self, said: str, answer: str, area: str) -> list[str]:
        """Have room.py take one command from a file in the room; what was heard, and what was said."""
        uris = ("--hear=tcp://whisper:10300", "--ask=tcp://voice:10500", "--speak=tcp://piper:10200")
        files = (f"--wav=/room/{said}", f"--out=/room/{answer}", f"--area={area}")
        return self("exec", "-T", "satellite", "python3", "/room.py", *uris, *files).splitlines()

    def hear(self, name: str) -> str:
        """What the recogniser makes of a file in the room."""
        code = (
            "import asyncio, pathlib, sys; sys.path.insert(0, '/'); import room;"
            f"audio = room.from_file(pathlib.Path('/room/{name}'));"
            "print(asyncio.run(room.hear('tcp://whisper:10300', audio, 'en')))"
        )
        return self("exec", "-T", "satellite", "python3", "-c", code).strip()
