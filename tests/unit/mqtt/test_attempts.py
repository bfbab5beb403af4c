"""Versions alternate, pauses grow, and only a refusal is final."""

from edge_llm.config import MqttSettings
from edge_llm.mqtt.attempts import Attempts


def test_a_round_tries_both_versions_and_the_next_begins_with_5_again() -> None:
    attempts = Attempts(MqttSettings())
    tried, pauses = [], []
    for _ in range(4):
        tried.append(attempts.version)
        pauses.append(attempts.unanswered())
    assert tried == ["5", "3.1.1", "5", "3.1.1"]
    assert pauses == [0, 1, 0, 2]


def test_after_a_connection_by_3_1_1_version_5_is_tried_again() -> None:
    attempts = Attempts(MqttSettings())
    attempts.unanswered()
    attempts.accepted()
    assert attempts.version == "3.1.1"
    assert attempts.ended() == 1
    assert attempts.version == "5"


def test_a_refused_version_is_not_tried_again() -> None:
    attempts = Attempts(MqttSettings())
    assert attempts.version_refused() == 0
    assert attempts.version == "3.1.1"
    attempts.ended()
    assert attempts.version == "3.1.1"
    assert attempts.version_refused() == 2


def test_a_slow_broker_is_given_more_time() -> None:
    attempts = Attempts(MqttSettings())
    waits = []
    for _ in range(10):
        waits.append(attempts.connack_s)
        attempts.unanswered(silent=True)
    assert waits == [3, 3, 6, 6, 12, 12, 24, 24, 30, 30]


def test_pauses_grow_to_half_a_minute_and_begin_anew() -> None:
    attempts = Attempts(MqttSettings(protocol="5"))
    assert [attempts.ended() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    attempts.accepted()
    assert attempts.ended() == 1
