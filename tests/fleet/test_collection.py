"""The collection as it is handed out: it builds, and keeps to ansible-lint's production profile, offline."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.fleet.conftest import COLLECTION
from tests.fleet.hosts import Controller


def test_it_builds_and_keeps_to_the_production_profile(tmp_path: Path) -> None:
    controller = Controller(tmp_path, {}, COLLECTION)
    installed = tmp_path / "collections/ansible_collections/edge_llm/fleet"
    lint = [
        str(Path(sys.executable).with_name("ansible-lint")),
        "--offline",
        "--profile",
        "production",
        "--strict",
    ]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        lint,
        cwd=installed,
        env=controller.environment | {"PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profile:production" not in done.stdout
    print("---", done.stderr.strip().splitlines()[-1])


def test_the_acl_is_that_of_the_example() -> None:
    """Its patterns stand in both, because a collection carries its own files alone."""
    example = (COLLECTION.parent / "config/mosquitto/edge_llm.acl").read_text()
    template = (COLLECTION / "roles/broker/templates/edge_llm.acl.j2").read_text()
    patterns = [line for line in example.splitlines() if line.startswith("pattern")]
    assert patterns == [line for line in template.splitlines() if line.startswith("pattern")]
    house = re.compile(r"^topic \w+ edge_llm/house/.+$", re.MULTILINE)
    named = template.replace("{{ node }}", "kitchen-pc")
    assert sorted(house.findall(example)) == sorted(house.findall(named)) != []


def test_what_the_specifications_say_is_what_the_defaults_are() -> None:
    for role in (COLLECTION / "roles").iterdir():
        defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
        options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
        specified = options["argument_specs"]["main"]["options"]
        assert set(defaults) <= set(specified), role.name
        for name, option in specified.items():
            if "default" in option:
                assert str(option["default"]) == str(defaults[name]), name
