"""The measurement of commands: what is asked, what the report counts, and that no data is copied."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.commands import __main__ as command
from benchmarks.commands.contender import Answer
from benchmarks.commands.data import half_of, read_sentences
from benchmarks.commands.leak import PACKAGE, ROOT, hashed, leaks, own_sentences, read_hashes, strings_of
from benchmarks.commands.measure import COMPOUND, UNCLEAR, ask_all, read_cases, write_misses
from benchmarks.commands.peers.llama import Llama
from benchmarks.commands.peers.tools import Api, parse_calls
from benchmarks.commands.report import Report, wilson
from benchmarks.commands.resolve import Home, resolve
from benchmarks.commands.sentences import house
from edge_llm.contract.house import House
from edge_llm.convert.progress import Progress
from edge_llm.errors import EdgeLlmError
from tests.unit.commands.test_judge import FOUND, HOME, answer, call
from tests.unit.test_benchmarks import SETTING


def test_our_own_sentences_are_for_our_own_house() -> None:
    """Each act of a compound sentence is possible there; each language has ten sentences and more."""
    lines = read_sentences(house.COMPOUND)
    homes = {language: Home(house.read_house(language)) for language in house.LANGUAGES}
    assert len(homes["de"].house.devices) >= 60
    assert (len(homes["de"].house.floors), len(homes["de"].house.areas)) == (3, 9)
    for line in lines:
        found = resolve(homes[line.language], line.calls)
        assert 2 <= len(line.calls) <= 3
        assert all(found.values()), line.id
    unclear = house.read_unclear()
    assert {said.expect for said in unclear} == {"ask", "refuse", "speak"}
    for texts in ([(x.language, x.text) for x in lines], [(x.language, x.text) for x in unclear]):
        assert len(set(texts)) == len(texts) >= 40
        assert min(Counter(language for language, _ in texts)[language] for language in house.LANGUAGES) >= 10


class Fake:
    """Turns the first lamp on, whatever is said; it fails where it is asked about a joke."""

    name = "fake"
    examples = frozenset({"turn on the bedside lamp"})

    def __init__(self) -> None:
        self.houses: list[House] = []

    def prepare(self, house: House) -> None:
        self.houses.append(house)

    def act(self, text: str, context_area: str | None) -> Answer:
        if "joke" in text:
            raise EdgeLlmError("it did not end")
        return answer(call("HassTurnOn", "light.counter"))

    def close(self) -> None:
        pass


def data(directory: Path) -> Path:
    """DATA with one language: a line that is scored, one without a target, and one of another intent."""
    (directory / "house-fr.json").write_text(json.dumps(FOUND), encoding="utf-8")
    lines = [
        {"intent": "HassTurnOn", "slots": {"name": "Lampe"}, "text": "Lampe."},
        {"intent": "HassTurnOn", "slots": {"name": "Grenier"}, "text": "Grenier."},
        {"intent": "HassStartTimer", "slots": {}, "text": "Minuteur."},
    ]
    (directory / "dev-fr.jsonl").write_text(
        "\n".join(json.dumps({"id": str(n), "language": "fr", **line}) for n, line in enumerate(lines)),
        encoding="utf-8",
    )
    return directory


def test_the_half_that_is_there_is_read_and_what_cannot_be_scored_is_counted(tmp_path: Path) -> None:
    found = read_cases(data(tmp_path), None, ["fr"], ["intents"], None)
    assert [case.text for case in found.cases] == ["Lampe."]
    assert found.left_out == {("fr", "nothing in the house is meant"): 1, ("fr", "no core intent"): 1}
    assert half_of(tmp_path, "test", "fr") is None
    with pytest.raises(EdgeLlmError, match="has no sentences"):
        read_cases(tmp_path, "test", ["fr"], ["intents"], None)


def test_a_limit_takes_the_same_sentences_every_time(tmp_path: Path) -> None:
    first, second = (read_cases(tmp_path, None, ["en", "de"], [COMPOUND], 3).cases for _ in range(2))
    assert [case.id for case in first] == [case.id for case in second]
    assert Counter(case.language for case in first) == {"en": 3, "de": 3}


def test_the_report_counts_and_only_the_file_has_the_sentences(tmp_path: Path) -> None:
    asked = read_cases(tmp_path, None, ["en"], [COMPOUND, UNCLEAR], None)
    fake, misses = Fake(), tmp_path / "misses.jsonl"
    results = ask_all(fake, asked.cases, Progress(quiet=True).stage("fake", 1, "sentences"))
    assert fake.houses == [house.read_house("en")]
    write_misses(misses, fake.name, results)
    report = Report(SETTING, {fake.name: results}, asked.left_out, {"llama": "not installed"})
    (its,) = report.to_json()["contenders"]
    unclear, n = its["unclear"]["all"], len(its["unclear"]) and its["unclear"]["en"]["n"]
    assert (unclear["n"], unclear["right"], unclear["seen"]) == (n, 0, 1)
    assert unclear["misses"] == {"extra call": n - 1, "none": 1}
    assert unclear["failures"] == {"it did not end": 1}
    assert unclear["exist_percent"] == its["compound"]["all"]["valid_percent"] == 100.0
    assert (unclear["forced_percent"], unclear["total_ms"]["p95"]) == (75.0, 200)
    text = "\n".join(report.lines())
    assert "llama: missing (not installed)" in text
    assert "ask: 0 of" in text
    written = [json.loads(line) for line in misses.read_text(encoding="utf-8").splitlines()]
    assert len(written) == len(asked.cases)
    assert not any(line["text"] in text for line in written)


@pytest.mark.parametrize(
    ("right", "n", "interval"), [(8, 10, (49.0, 94.3)), (0, 4, (0.0, 49.0)), (50, 50, (92.9, 100.0))]
)
def test_intervals_are_wilsons(right: int, n: int, interval: tuple[float, float]) -> None:
    assert wilson(right, n) == interval


TOOL = {"type": "function", "function": {"name": "intent__HassTurnOn", "parameters": {"required": ["name"]}}}
PROMPT = (
    "Devices in this smart home:\n- names: AC\n  domain: switch\n\n"
    "When a user asks to turn on all devices of a specific type, ask.\nEnd."
)


LIBRARY = """
class Llama:
    def __init__(self, path, **options):
        assert options["chat_format"] == "chatml-function-calling"

    def create_chat_completion(self, messages, tools, **options):
        text = messages[-1]["content"]
        if text == "fail":
            raise IndexError("quoted text")
        called = {"name": tools[0]["function"]["name"], "arguments": '{"name": "%s"}' % text}
        message = {"content": None, "tool_calls": [{"function": called}]}
        return {"choices": [{"message": message}], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
"""


def test_home_assistants_prompt_gets_our_devices_and_the_room() -> None:
    api = Api(PROMPT, [TOOL])
    told = api.system(HOME.house, None)
    assert "- names: Veilleuse\n  domain: light\n  areas: Chambre\n" in told
    assert "AC" not in told
    here = api.system(HOME.house, "salon")
    assert "You are in area Salon and all generic commands" in here
    assert "ask." not in here


@pytest.mark.parametrize(
    ("text", "is_valid", "outcome", "calls"),
    [
        ('<tool_call>{"name": "intent__HassTurnOn", "arguments": {"name": "x"}}</tool_call>', True, None, 1),
        ('<tool_call>{"name": "intent__HassTurnOn", "arguments": {}}</tool_call>', False, None, 0),
        ('<tool_call>{"name": "invented", "arguments": {}}', False, None, 0),
        ("<tool_call>turn on", False, None, 0),
        ('{"name": "intent__HassTurnOn"}', False, None, 0),
        ("Which lamp?", True, "unclear", 0),
        ("Hello.", True, "spoken", 0),
    ],
)
def test_free_text_is_words_or_whole_calls(
    text: str, *, is_valid: bool, outcome: str | None, calls: int
) -> None:
    figures = {"prompt_tokens": 1, "cached_tokens": 0, "completion_tokens": 1, "forced_tokens": 0}
    got = Api(PROMPT, [TOOL]).answer(text, parse_calls(text), total_ms=1.0, **figures)
    made = [its.name for its in got.calls]
    assert (got.valid, got.outcome, made) == (is_valid, outcome, ["HassTurnOn"] * calls)


def test_llama_cpp_is_asked_in_its_own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here with a library that says what it was asked for."""
    (tmp_path / "llama_cpp_python-1.dist-info").mkdir()
    (tmp_path / "llama_cpp_python-1.dist-info" / "METADATA").write_text(
        "Name: llama-cpp-python\nVersion: 1\n"
    )
    (tmp_path / "llama_cpp.py").write_text(LIBRARY, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(ROOT)
    llama = Llama(tmp_path / "model.gguf", sys.executable, 1, Api(PROMPT, [TOOL]))
    try:
        llama.prepare(HOME.house)
        lamp = llama.act("Lampe", None)
        assert [(its.name, its.arguments) for its in lamp.calls] == [("HassTurnOn", {"name": "Lampe"})]
        assert (lamp.valid, lamp.prompt_tokens, lamp.completion_tokens) == (True, 7, 3)
        with pytest.raises(EdgeLlmError, match="IndexError in llama-cpp-python"):
            llama.act("fail", None)
    finally:
        llama.close()


def test_the_command_asks_the_contenders_that_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "open_bundle", lambda _path: None)
    monkeypatch.setattr(command, "read_setting", lambda *_: SETTING)
    monkeypatch.setattr(command, "_STARTS", {**command._STARTS, "ours": lambda *_: Fake()})
    options = ["--part", "compound", "--limit", "2", "--lang", "en,fr", "--contender", "ours,llama", "--json"]
    assert command.main([str(tmp_path), "bundle", *options, "--misses", str(tmp_path / "missed")]) == 0
    its = json.loads(capsys.readouterr().out)
    assert [contender["name"] for contender in its["contenders"]] == ["ours"]
    assert its["contenders"][0]["compound"]["fr"]["n"] == 2
    assert its["missing"] == {"llama": "name the model with --gguf"}
    assert len((tmp_path / "missed").read_text(encoding="utf-8").splitlines()) == 4
    with pytest.raises(SystemExit, match="2"):
        command.main([str(tmp_path), "--contender", "nobody"])


def test_no_sentence_of_the_data_stands_in_the_package() -> None:
    """Nor among our own sentences: both are written from language alone."""
    assert len(read_hashes()) > 3000
    assert leaks([*strings_of(PACKAGE), *own_sentences()], read_hashes()) == []


def test_a_sentence_that_was_copied_is_found(tmp_path: Path) -> None:
    known = frozenset(map(hashed, ["Turn on the lamp!", "打开客厅灯", "on"]))
    (tmp_path / "en.toml").write_text('on = ["on", "turn  ON the lamp"]', encoding="utf-8")
    (tmp_path / "zh.toml").write_text('[words]\non = "打开客厅灯。"', encoding="utf-8")
    (tmp_path / "shown.py").write_text('SHOWN = """One.\nTurn on the lamp.\n"""\n', encoding="utf-8")
    assert {place.partition(":")[0] for place in leaks(strings_of(tmp_path), known)} == {
        "en.toml",
        "shown.py",
        "zh.toml",
    }
