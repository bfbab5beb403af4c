"""A real Home Assistant in a directory of Debian's, by its REST and websocket APIs."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from edge_llm.demo.processes import free_port
from tests.common import eventually

VERSION = "2026.11.0"
ROOT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / f"edge_llm/home-assistant-{VERSION}"
"""A Debian with Home Assistant in /ha; put there by scripts/test-hubs."""
INTEGRATION = Path(__file__).parents[1] / "custom_components"
FIXTURES = Path(__file__).parents[1] / "benchmarks/homeassistant/custom_components"
"""The house that benchmarks.homeassistant builds."""
_START_S = 300.0
_KEY = "2" * 64


@dataclass(frozen=True)
class User:
    """A user of Home Assistant, and what they may do."""

    id: str
    group: str


OWNER, GUEST = User("0" * 32, "system-admin"), User("1" * 32, "system-read-only")


class HomeAssistant:
    """A Home Assistant with an owner, an MQTT entry, and the integration as its user would copy it."""

    def __init__(self, name: str, broker_port: int, configuration: str, **credentials: str) -> None:
        self.port = free_port()
        self._inside = f"/config/{name}"
        self.directory = ROOT / self._inside[1:]
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(INTEGRATION, self.directory / "custom_components")
        (self.directory / "configuration.yaml").write_text(configuration)
        self._store(self.directory / ".storage", broker_port, credentials)
        self._process: subprocess.Popen[bytes] | None = None

    def _store(self, directory: Path, broker_port: int, credentials: dict[str, str]) -> None:
        directory.mkdir()
        for key, version, data in (
            ("auth", (1, 1), _auth()),
            ("onboarding", (4, 1), {"done": ["user", "core_config", "analytics", "integration"]}),
            ("http", (1, 1), {"server_host": ["127.0.0.1"], "server_port": self.port}),
            ("core.config_entries", (1, 5), {"entries": [_mqtt(broker_port, credentials)]}),
        ):
            document = {"version": version[0], "minor_version": version[1], "key": key, "data": data}
            (directory / key).write_text(json.dumps(document))

    @property
    def log(self) -> str:
        path = self.directory / "home-assistant.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it, and wait until it runs."""
        command = inside("/ha/bin/hass", "-c", self._inside)
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        }
        self._process = subprocess.Popen(
            [*command, "--log-file", f"{self._inside}/home-assistant.log"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        eventually(self._runs, _START_S)

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _runs(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log[-3000:]
        try:
            return bool(self.get("/api/config")["state"] == "RUNNING")
        except OSError:
            time.sleep(0.5)
            return False

    def get(self, path: str) -> Any:
        return self._request("GET", path)

    def post(self, path: str, **body: Any) -> Any:
        return self._request("POST", path, body)

    def say_as(self, user: User, text: str, agent: str) -> Any:
        """What an agent answers another user than the owner."""
        body = {"text": text, "agent_id": agent}
        return self._request("POST", "/api/conversation/process", body, user)

    def delete(self, path: str) -> Any:
        return self._request("DELETE", path)

    def _request(self, method: str, path: str, body: Any = None, user: User = OWNER) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {access_token(user)}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as response:  # noqa: S310 - http, of the line above
            return json.loads(response.read() or b"null")

    def ask(self, kind: str, until: Callable[[Any], bool] | None = None, **fields: Any) -> Any:
        """The result of a websocket command; with ``until``, its events, up to the one that it is true of."""
        with connect(f"ws://127.0.0.1:{self.port}/api/websocket", max_size=None) as socket:
            json.loads(socket.recv(30))
            socket.send(json.dumps({"type": "auth", "access_token": access_token()}))
            assert json.loads(socket.recv(30))["type"] == "auth_ok"
            socket.send(json.dumps({"id": 1, "type": kind, **fields}))
            answer = json.loads(socket.recv(60))
            assert answer["success"], answer
            events: list[Any] = []
            while until and not (events and until(events[-1])):
                event = json.loads(socket.recv(60))["event"]
                events.append(event | {"at": time.monotonic()})
            return events if until else answer["result"]

    def say(self, text: str, agent: str, **fields: Any) -> Any:
        """What an agent answers, by conversation/process."""
        return self.post("/api/conversation/process", text=text, agent_id=agent, **fields)

    def state(self, entity_id: str) -> str:
        return str(self.get(f"/api/states/{entity_id}")["state"])

    def entity(self, pattern: str) -> str | None:
        """The id of the entity that a pattern fits, as soon as there is one."""
        ids = (str(state["entity_id"]) for state in self.get("/api/states"))
        return next((each for each in ids if re.fullmatch(pattern, each)), None)


def inside(*command: str) -> list[str]:
    """A command that runs in ROOT; its mounts end with it."""
    mounts = 'mount --bind /dev "$0/dev" && mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'
    return ["unshare", "--mount", "sh", "-c", mounts, str(ROOT), *command]


def types() -> str:
    """What mypy says of the integrations, beside the Home Assistant that they are for."""
    directory = ROOT / "config/types"
    shutil.rmtree(directory, ignore_errors=True)
    for integrations in (INTEGRATION, FIXTURES):
        shutil.copytree(integrations, directory / "custom_components", dirs_exist_ok=True)
    mypy = (
        "cd /config/types && /ha/bin/mypy --strict custom_components/edge_llm custom_components/fixture_house"
    )
    return subprocess.run(inside("sh", "-c", mypy), capture_output=True, text=True, check=False).stdout


def speech(answer: Any) -> str:
    """What is spoken of an answer."""
    return str(answer["response"]["speech"]["plain"]["speech"])


def access_token(user: User = OWNER) -> str:
    """A user's long-lived token, as Home Assistant would have made it."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims = {"iss": user.id, "iat": 1_700_000_000, "exp": 4_000_000_000}
    parts = [encoded(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(_KEY.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, encoded(signature)])


def _auth() -> dict[str, Any]:
    users = [
        {
            "id": user.id,
            "group_ids": [user.group],
            "is_owner": user is OWNER,
            "is_active": True,
            "name": user.group,
            "system_generated": False,
            "local_only": False,
        }
        for user in (OWNER, GUEST)
    ]
    tokens = [
        {
            "id": user.id,
            "user_id": user.id,
            "client_id": None,
            "client_name": "tests",
            "client_icon": None,
            "token_type": "long_lived_access_token",
            "created_at": "2026-01-01T00:00:00+00:00",
            "access_token_expiration": 3e8,
            "token": user.id * 4,
            "jwt_key": _KEY,
            "last_used_at": None,
            "last_used_ip": None,
            "expire_at": None,
            "credential_id": None,
            "version": VERSION,
        }
        for user in (OWNER, GUEST)
    ]
    groups = [{"id": f"system-{each}", "name": each} for each in ("admin", "users", "read-only")]
    return {"users": users, "groups": groups, "credentials": [], "refresh_tokens": tokens}


def _mqtt(port: int, credentials: dict[str, str]) -> dict[str, Any]:
    now = "2026-01-01T00:00:00+00:00"
    data = {"broker": "127.0.0.1", "port": port, "discovery": True, "discovery_prefix": "homeassistant"}
    return {
        "entry_id": "01J00000000000000000000000",
        "domain": "mqtt",
        "title": "broker",
        "version": 2,
        "minor_version": 1,
        "data": data | credentials,
        "options": {},
        "source": "user",
        "unique_id": None,
        "created_at": now,
        "modified_at": now,
        "disabled_by": None,
        "discovery_keys": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "subentries": [],
    }
