"""A house that somebody has written into a file."""

from pathlib import Path

import pytest

from edge_llm.errors import ConfigError
from edge_llm.house.sources.file import read_house

YAML = """
language: no
areas: [{id: stue, name: Stue}]
devices:
  - {id: lamp, name: On, kind: light, area: stue, state: off, capabilities: {on_off: true}}
"""
JSON = """{"language": "no", "areas": [{"id": "stue", "name": "Stue"}], "devices": [
\t{"id": "lamp", "name": "On", "kind": "light", "area": "stue", "state": "off",
	"capabilities": {"on_off": true}}]}"""


@pytest.mark.parametrize(("name", "text"), [("h.yaml", YAML), ("h.json", JSON), ("h.json", "\ufeff" + JSON)])
def test_it_is_yaml_or_json_and_its_words_are_words(tmp_path: Path, name: str, text: str) -> None:
    """In YAML 1.1 a plain no, on or off is no text."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    house = read_house(path)
    (lamp,) = house.devices
    assert (house.language, lamp.name, lamp.state) == ("no", "On", "off")
    assert lamp.capabilities
    assert lamp.capabilities.on_off


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("h.yaml", "devices: [", "is not valid YAML: while parsing"),
        ("h.yaml", "a: !!binary eA==", "is not valid YAML: Object of type bytes"),
        ("h.json", "{", "is not valid JSON: Expecting property name"),
        ("h.yaml", "", "Input should be an object"),
        (
            "h.yaml",
            "devices: [{id: a, name: b, kind: light, area: x}]",
            "devices.0.area: no area has this id",
        ),
        ("h.yaml", "device: []", "device: Extra inputs are not permitted"),
    ],
)
def test_one_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"^house\.file: .*h\.\w+.*: ") as caught:
        read_house(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^house\.file: cannot read .*nowhere.yaml: No such file"):
        read_house(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: K\xfcche")
    with pytest.raises(ConfigError, match=r"latin.yaml is not valid YAML: 'utf-8' codec"):
        read_house(tmp_path / "latin.yaml")
