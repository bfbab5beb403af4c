"""The catalogue: the last good house of each source, and what is wrong with the newest."""

import pytest

from edge_llm.contract.house import MAX_HOUSE_BYTES, House, parse_house
from edge_llm.house.sources.catalogue import FILE, MAX_SOURCES, Catalogue
from tests.unit.house.houses import DESK, devices, light, merged, of, payload


def test_one_source_is_the_house_as_it_stands() -> None:
    catalogue = Catalogue()
    assert (catalogue.house, catalogue.snapshot.sources, catalogue.problems) == (None, (), {})
    content = payload(
        light("desk", "Desk", area="study"),
        source="hub",
        language="de",
        areas=[{"id": "study", "name": "B\u00fcro"}],
    )
    assert catalogue.update("hub", content)
    assert of(catalogue) == parse_house(content).model_copy(update={"source": None})
    assert catalogue.snapshot.sources == ("hub",)


def test_only_what_makes_another_house_is_a_change() -> None:
    catalogue = merged(hub=DESK)
    before = catalogue.house
    assert not catalogue.update("hub", DESK)
    assert not catalogue.update("hub", DESK + b"\n")
    assert not catalogue.update("unknown", b"")
    assert catalogue.house is before
    assert catalogue.update("hub", payload(light("desk", "Desk", state="on")))


@pytest.mark.parametrize(
    ("bad", "code", "reason"),
    [
        (b'{"devices": [{"id": "desk"', "bad_request", "this is no JSON, at line 1 column 26"),
        (b"secret", "bad_request", "this is no JSON, at line 1 column 1"),
        (b"\xff\xfe", "bad_request", "not UTF-8"),
        (payload(light("desk", "secret", kind="Light")), "bad_request", "devices.0.kind"),
        (payload(light("desk", "secret"), light("desk", "secret")), "bad_request", "1 ids stand there more"),
        (payload(light("desk", "secret"), source="other"), "bad_request", "source: it is not that of"),
        (payload(v=2), "unsupported_version", "version 1, not 2"),
        (b" " * (MAX_HOUSE_BYTES + 1), "too_large", "a house may have 1048576 bytes, this has 1048577"),
    ],
)  # fmt: skip
def test_a_bad_house_is_refused_in_one_line_and_the_last_good_one_stays(
    bad: bytes, code: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = merged(hub=DESK)
    for _ in range(2):  # as at a new connection
        assert not catalogue.update("hub", bad)
    assert list(devices(catalogue)) == ["desk"]
    assert list(catalogue.problems) == ["hub"]
    assert reason in catalogue.problems["hub"]
    (record,) = caplog.records
    assert record.message.startswith(f"house.refused source=hub code={code} reason=")
    assert "secret" not in record.message
    assert not catalogue.update("hub", DESK)
    assert catalogue.problems == {}


def test_an_empty_payload_removes_a_source_with_its_problem() -> None:
    catalogue = merged(hub=DESK, other=payload(light("lamp", "Lamp")), bad=b"{")
    assert catalogue.update("hub", b"")
    assert not catalogue.update("bad", b"")
    assert (list(devices(catalogue)), catalogue.problems) == (["lamp"], {})
    assert catalogue.update("other", b"")
    assert catalogue.house is None


def test_a_removed_source_can_come_back() -> None:
    catalogue = merged(hub=DESK)
    catalogue.update("hub", b"")
    assert catalogue.update("hub", DESK)


def test_sources_rank_by_name_and_the_file_before_all() -> None:
    first = House.model_validate_json(payload(light("desk", "Desk", state="from the file")))
    catalogue = Catalogue(first)
    for source in ("b", ".a"):
        catalogue.update(
            source, payload(light("desk", "Desk", state=source), light(f"only {source}", source))
        )
    assert catalogue.snapshot.sources == (FILE, ".a", "b")
    assert list(devices(catalogue)) == ["desk", "only .a", "only b"]
    assert devices(catalogue)["desk"].state == "from the file"


def test_the_sources_are_bounded() -> None:
    catalogue = Catalogue()
    for number in range(MAX_SOURCES):
        assert catalogue.update(f"s{number}", payload(light(f"d{number}", f"Lamp {number}")))
    assert not catalogue.update("more", DESK)
    assert "more" not in catalogue.snapshot.sources
    catalogue.update("s0", b"")
    assert catalogue.update("more", DESK)
