"""Only devices that were accepted count, and only as long as their commands are the same."""

from pathlib import Path

import pytest

from edge_llm.contract.house import Device
from edge_llm.errors import ConfigError
from edge_llm.house.announced.accepted import accepted_of, read_accepted, write_accepted
from edge_llm.house.discovery.entity import Entity


def entity(name: str, fingerprint: str = "f", called: str = "Lamp") -> Entity:
    device = Device(id=name, name=called, kind="light", attributes={})
    return Entity(device, None, {}, frozenset(), (), fingerprint)


def entities(*those: Entity) -> dict[str, Entity]:
    return {each.device.id: each for each in those}


def test_without_a_file_none_is_accepted_or_all_are() -> None:
    announced = entities(entity("a"), entity("b"))
    assert accepted_of(announced, None) == {}
    assert accepted_of(announced, "all") == announced


def test_what_is_in_the_file_is_accepted_until_its_commands_change(tmp_path: Path) -> None:
    file = tmp_path / "state/accepted.json"
    announced = entities(entity("a"), entity("b"))
    assert accepted_of(announced, file) == {}
    write_accepted(file, announced)
    assert accepted_of(announced, file) == announced
    assert read_accepted(file) == {"a": "f", "b": "f"}
    later = entities(entity("a", called="Garage door"), entity("b", "other"), entity("c"))
    assert list(accepted_of(later, file)) == ["a"]
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("text", ["", "[]", '{"v": 2, "devices": {}}', '{"v": 1, "devices": {"a": 1}}'])
def test_a_file_that_is_none_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "accepted.json"
    file.write_text(text)
    with pytest.raises(
        ConfigError, match=r"^house\.accept: .*accepted\.json is none of these files; [^\n]*$"
    ):
        read_accepted(file)


def test_a_place_that_cannot_be_written_or_read_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^house\.accept: cannot write .*$"):
        write_accepted(tmp_path / "file/accepted.json", {})
    with pytest.raises(ConfigError, match=r"^house\.accept: cannot read .*$"):
        read_accepted(tmp_path)
