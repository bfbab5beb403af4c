"""What the documentation shows is what the code says, and its links lead somewhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from edge_llm.cli.main import main
from edge_llm.config import HouseSettings, Settings
from edge_llm.contract.frames import FRAMES, AnyFrame
from edge_llm.contract.house import (
    MAX_ALIASES,
    MAX_AREAS,
    MAX_CHOICES,
    MAX_DEVICES,
    MAX_FLOORS,
    MAX_HOUSE_BYTES,
    MAX_ID,
    MAX_NAME,
    Area,
    Capabilities,
    Device,
    Floor,
    House,
    Range,
)
from edge_llm.contract.requests import Request, parse
from edge_llm.contract.tools import ToolCall
from edge_llm.house.prompt import MOST_LISTED
from edge_llm.house.sources.catalogue import MAX_SOURCES
from edge_llm.house.sources.file import read_house
from edge_llm.node.acts.acting import LEAST_PROBABILITY, Acting, Said
from edge_llm.node.acts.memory import ANSWER_WITHIN_S
from scripts import reference

ROOT = Path(__file__).parents[2]
DOCS = sorted(
    path for pattern in ("*.md", "docs/*.md", "config/*/*.md", "ansible/*.md") for path in ROOT.glob(pattern)
)
OURS = [path for path in DOCS if path.parent in (ROOT, ROOT / "docs")]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
each_page = pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(path: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(path.read_text(encoding="utf-8")) if name == language]


def objects(path: Path) -> Iterator[str]:
    """Each JSON object in the json blocks, one that begins a line with {."""
    for block in blocks(path, "json"):
        yield from re.split(r"\n(?=\{)", block.strip())


def frames(path: Path) -> list[AnyFrame]:
    """The frames among them, each as the contract would encode it."""
    found = []
    for text in objects(path):
        if "type" in json.loads(text):
            found.append(FRAMES.validate_json(text))
            assert json.loads(found[-1].encode()) == json.loads(text)
    return found


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of the headings."""
    prose = BLOCK.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", reference.files(), ids=lambda path: path.name)
def test_what_repeats_the_code_is_up_to_date(path: Path) -> None:
    """Else: .venv/bin/python -m scripts.reference."""
    assert path.read_text(encoding="utf-8") == reference.files()[path]


@each_page
def test_no_link_is_dead(path: Path) -> None:
    prose = BLOCK.sub("", path.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"({page.name})" not in index] == [
        "README.md"
    ]


def test_the_readme_shows_one_request_and_its_reply() -> None:
    request, *_ = objects(ROOT / "README.md")
    parsed = parse("request", request.encode(), 65536)
    assert isinstance(parsed, Request)
    assert parsed.custom == {"room": "bath"}
    assert [frame.type for frame in frames(ROOT / "README.md")] == ["status", "delta", "done"]


def test_the_contracts_page_shows_every_kind_of_request_and_frame() -> None:
    kinds = set()
    for text in objects(ROOT / "docs/mqtt.md"):
        shown = json.loads(text)
        if "type" not in shown:
            kind = (
                "session"
                if "op" in shown
                else "request"
                if {"text", "messages", "results"} & shown.keys()
                else "prefill"
            )
            parse(kind, text.encode(), 65536)
            kinds.add(kind)
    assert kinds == {"request", "prefill", "session"}
    shown_frames = {frame.type for frame in frames(ROOT / "docs/mqtt.md")}
    assert shown_frames == {"status", "delta", "call", "done", "error"}


@each_page
def test_settings_that_are_shown_can_be_loaded(path: Path) -> None:
    """In a hub's README the yaml blocks may be the hub's own."""
    for block in blocks(path, "yaml"):
        shown = yaml.safe_load(block)
        if isinstance(shown, dict) and "devices" in shown:
            continue  # a house
        if path in OURS or (isinstance(shown, dict) and shown.keys() <= Settings.model_fields.keys()):
            Settings(**shown)


def test_the_house_that_is_shown_has_every_field_and_can_be_read(tmp_path: Path) -> None:
    page = ROOT / "docs/house.md"
    (shown,) = [block for block in blocks(page, "yaml") if "devices:" in block]
    path = tmp_path / "house.yaml"
    path.write_text(shown, encoding="utf-8")
    house = read_house(path)
    assert house.devices[1].state == "on"
    models = House, Floor, Area, Device, Range, Capabilities
    fields = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert [field for field in fields if f"`{field}`" not in page.read_text(encoding="utf-8")] == []


def test_the_limits_that_are_shown_are_the_codes() -> None:
    page = (ROOT / "docs/house.md").read_text(encoding="utf-8")
    for name in ("mqtt", "security", "house"):
        text = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
        assert f"within {ANSWER_WITHIN_S:g} s" in text
    assert f"below {LEAST_PROBABILITY:g}" in page
    assert f"Above {MOST_LISTED} devices" in page
    for row in (
        f"| {MAX_HOUSE_BYTES:,} bytes;",
        f"| {MAX_DEVICES:,}, {MAX_AREAS}, {MAX_FLOORS} |",
        f"| {MAX_SOURCES} |",
        f"| {MAX_ID} and {MAX_NAME} characters;",
        f"| {MAX_ALIASES} |",
        f"| {MAX_CHOICES} each |",
    ):
        assert row in page


def test_what_a_sentence_is_shown_to_come_to_is_what_it_comes_to() -> None:
    """In the example house; else run the commands again."""
    (shown,) = blocks(ROOT / "README.md", "console")
    acting = Acting(HouseSettings())
    acting.use(read_house(ROOT / "config/house.example.yaml"))
    for line in shown.splitlines():
        if not (said := re.fullmatch(r"\$ edge-llm act \"(.+)\"|> (.+)", line)):
            continue
        request = Request(text=said[1] or said[2], act="auto", session="s")
        answer = acting.begin("c", request)
        assert isinstance(answer, Said)
        expected = [line, *map(printed, answer.calls), answer.text]
        assert "\n".join(expected) + "\n" in shown


def printed(call: ToolCall) -> str:
    """A call as `edge-llm act` prints it."""
    return " ".join((call.name, json.dumps(call.arguments), json.dumps(call.device_ids)))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_options_that_are_shown_exist(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in "\n".join(blocks(path, "sh")).splitlines():
        found = re.search(r"edge-llm ([a-z]+)([^#]*)", line)
        options = re.findall(r"(?<=\s)--[a-z-]+", found[2]) if found else []
        if found and options:
            with pytest.raises(SystemExit):
                main([found[1], "--help"])
            help_text = capsys.readouterr().out
            assert [option for option in options if option not in help_text] == [], line
