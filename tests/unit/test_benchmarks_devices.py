"""The measurement with devices: what is said is about devices that are there, and what the report counts."""

import pytest

from benchmarks.devices.__main__ import main
from benchmarks.devices.house import KINDS, ROOMS, THINGS, make_house
from benchmarks.devices.measure import Idle, Said
from benchmarks.devices.report import Report
from benchmarks.devices.sentences import MODEL, PARTS, SINGLE, Sentence, make_sentences
from tests.unit.test_benchmarks import SETTING


@pytest.mark.parametrize("number", [len(THINGS), 60, len(ROOMS) * len(THINGS)])
def test_what_is_said_can_be_done(number: int) -> None:
    house = make_house(number)
    devices = {device.name: device.device for device in house}
    assert len(devices) == number
    assert {*KINDS} <= {device.kind for device in devices.values()}
    sentences = make_sentences(house, 60)
    assert len(sentences) == len({sentence.text for sentence in sentences})
    for sentence in sentences:
        for name, meant in sentence.meant.items():
            before = devices[name].shown()
            assert meant.items() - before.items()
            assert meant.keys() <= before.keys()


def test_of_sixty_devices_there_are_sixty_sentences_of_all_parts() -> None:
    sentences = make_sentences(make_house(60), 60)
    assert len(sentences) == 60
    assert {sentence.part for sentence in sentences} == {*PARTS}


def said(part: str, command_ms: float | None, *, right: bool = True) -> Said:
    return Said(Sentence(part, "Turn it on", {}), right, command_ms, 100, part == MODEL, "No.")


def test_the_report_counts_what_was_right_and_takes_times_of_commands_that_came() -> None:
    those = [said(SINGLE, 10), said(SINGLE, 20), said(MODEL, None, right=False)]
    report = Report(SETTING, 60, those, Idle(0.25, 0.75, 30), 500.0)
    its = report.to_json()
    assert its["sentences"]["all"] == {
        "n": 3,
        "right": 2,
        "command_ms": {"p50": 15, "p95": 20},
        "done_ms": {"p50": 100, "p95": 100},
    }
    assert its["sentences"]["by the model"]["command_ms"] is None
    assert its["misses"] == [{"text": "Turn it on", "answer": "No."}]
    assert "0.25 % of a core with silent devices, 0.75 %" in "\n".join(report.lines())


def test_a_house_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--devices", "5"])
