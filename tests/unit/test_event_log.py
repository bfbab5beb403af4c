"""What a line of the log is made of."""

import json
import logging

import pytest

from edge_llm.event_log import EventLog, JsonFormatter

log = EventLog("edge_llm.kitchen")


def test_an_event_reads_as_its_name_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    log.warning("lamp.broken", client="panel", count=2, reason="no such\nlamp", nothing="")
    assert caplog.messages == [r"lamp.broken client=panel count=2 reason='no such\nlamp' nothing=''"]


def test_as_json_it_is_one_line_with_the_fields_apart(caplog: pytest.LogCaptureFixture) -> None:
    try:
        float("50 %")
    except ValueError:
        log.exception("lamp.failed", client="panel", watts=4.5)
    line = JsonFormatter().format(caplog.records[0])
    assert len(line.splitlines()) == 1
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields.pop("traceback").splitlines()[-1] == "ValueError: could not convert string to float: '50 %'"
    assert fields == {"level": "error", "event": "lamp.failed", "client": "panel", "watts": 4.5}


def test_what_another_package_logs_is_an_event_too() -> None:
    record = logging.getLogger("other").makeRecord("other", logging.INFO, "", 0, "%s left", (3,), None)
    assert json.loads(JsonFormatter().format(record))["event"] == "3 left"
