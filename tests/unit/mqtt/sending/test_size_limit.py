"""A limit is what the broker says, or what more than one message has shown."""

from edge_llm.mqtt.sending.size_limit import SizeLimit


def test_what_the_broker_announces_holds() -> None:
    limit = SizeLimit()
    assert not limit.forbids(10**9)
    limit.announced = 1000
    assert (limit.forbids(1000), limit.forbids(1001)) == (False, True)


def test_one_message_that_was_given_up_is_no_limit_and_two_are() -> None:
    limit = SizeLimit()
    limit.gave_up(17000)
    limit.gave_up(1200)
    assert limit.bytes == 16150  # two were larger than this
    limit.gave_up(1220)
    assert limit.bytes == 1159


def test_what_was_taken_says_more() -> None:
    limit = SizeLimit()
    limit.took(500)
    limit.gave_up(510)
    limit.took(510)
    limit.gave_up(520)
    assert limit.bytes is None
    limit.gave_up(520)
    assert limit.bytes is None  # the margin reaches below what was taken
    limit.dropped(521)
    assert limit.bytes == 520


def test_what_was_found_out_is_forgotten_and_what_is_announced_is_not() -> None:
    limit = SizeLimit()
    limit.announced = 1000
    limit.dropped(600)
    assert limit.bytes == 599
    limit.forget()
    assert limit.bytes == 1000
