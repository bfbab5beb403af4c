"""Hosts with a real systemd, each a container that Ansible reaches by ssh."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.common import eventually

FAKES = Path(__file__).parent / "fakes"
IMAGE = "edge_llm-fleet-host"
BROKER, NODES = "broker", ("node-a", "node-b", "node-c")
# What systemd needs of a container.
_RUN = (
    *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN"),
    *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
    "--cgroupns=private",
    *("--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp"),
)
_ANSIBLE = (sys.executable, "-m", "ansible")
_CONFIG = """\
[defaults]
home = {directory}/ansible
collections_path = {directory}/collections
connection_plugins = {fakes}/connection
host_key_checking = false
nocolor = true
retry_files_enabled = true
retry_files_save_path = {directory}
[connection]
pipelining = true
[ssh_connection]
ssh_args = -o ControlMaster=auto -o ControlPersist=60s
[galaxy]
server_list =
"""


def docker(*arguments: str, stdin: str | None = None) -> str:
    """Run a docker command; returns what it printed."""
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Host:
    """A container, named in the network as in the inventory."""

    name: str
    container: str
    address: str

    def run(self, command: str, *, check: bool = True) -> str:
        """The output of a shell command on the host."""
        done = subprocess.run(
            ["docker", "exec", self.container, "sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def pid(self) -> str:
        """The main process of the service."""
        return self.run("systemctl show --property=MainPID --value edge_llm")

    def release(self) -> str:
        """What `current` points to."""
        return self.run("basename $(readlink /opt/edge_llm/current)")


def start(name: str, network: str, public_key: str) -> Host:
    """Start a host and wait until systemd has."""
    container = f"{network}-{name}"
    docker(
        "run",
        "-d",
        "--name",
        container,
        "--hostname",
        name,
        "--network",
        network,
        "--network-alias",
        name,
        *_RUN,
        IMAGE,
    )
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
    host = Host(name, container, address)
    eventually(lambda: host.run("systemctl is-system-running", check=False) == "running", 60)
    host.run(
        "mount --make-rshared /"
    )  # as on a machine: credentials come to a service by a mount that spreads
    host.run(f"mkdir -p -m 0700 /root/.ssh && echo '{public_key}' >/root/.ssh/authorized_keys")
    return host


class Controller:
    """A directory with an inventory, the collection installed beside it, and Ansible to play it."""

    def __init__(self, directory: Path, inventory: object, collection: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.inventory = directory / "hosts.json"
        self.inventory.write_text(json.dumps(inventory, indent=1))
        (directory / "ansible.cfg").write_text(_CONFIG.format(directory=directory, fakes=FAKES))
        self.environment = os.environ | {"ANSIBLE_CONFIG": str(directory / "ansible.cfg")}
        built = directory / "built"
        self._galaxy("build", str(collection), "--output-path", str(built))
        (archive,) = built.glob("edge_llm-fleet-*.tar.gz")
        self._galaxy("install", str(archive), "--offline", "-p", str(directory / "collections"))

    def _galaxy(self, verb: str, *arguments: str) -> None:
        command = [*_ANSIBLE, "galaxy", "collection", verb, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def begin(self, playbook: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a playbook: one of the collection by its name, another by its path."""
        name = playbook if playbook.endswith(".yml") else f"edge_llm.fleet.{playbook}"
        return subprocess.Popen(
            [*_ANSIBLE, "playbook", "-i", self.inventory, name, *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, playbook: str, *arguments: str, code: int = 0, **environment: str) -> "Played":
        """Run a playbook to its end, which must be this exit code."""
        running = self.begin(playbook, *arguments, **environment)
        output, _ = running.communicate(timeout=1200)
        assert running.returncode == code, output[-20000:]
        played = Played(output)
        print(f"--- {playbook} {' '.join(arguments)}\n{played.recap}")
        return played

    def password(self, user: str) -> str:
        """What was made for a user of the broker."""
        return (self.state / "passwords" / user).read_text().strip()


@dataclass(frozen=True)
class Played:
    """What a playbook printed."""

    output: str

    @property
    def recap(self) -> str:
        """The lines that count what became of each host."""
        return self.output.partition("PLAY RECAP")[2].partition("\n")[2].strip()

    def count(self, what: str) -> dict[str, int]:
        """Tasks that were ``changed``, ``failed`` and so on, of each host that was played."""
        lines = re.findall(rf"^(\S+)\s+:.*\b{what}=(\d+)", self.recap, re.MULTILINE)
        return {host: int(number) for host, number in lines}
