"""What waits for the broker goes in order, is not lost, and is not sent for ever."""

from edge_llm.mqtt.sending.outbox import Outbox
from edge_llm.mqtt.sending.publication import Publication


def filled(*sizes: int) -> tuple[Outbox, list[Publication]]:
    outbox = Outbox()
    publications = [Publication("t", b"-" * size) for size in sizes]
    for publication in publications:
        outbox.put(publication)
    return outbox, publications


def send(outbox: Outbox, window: int = 20) -> list[Publication]:
    """Send what may be sent; the packet id is the size."""
    sent = []
    while publication := outbox.take(window):
        outbox.sent(len(publication.payload), publication)
        sent.append(publication)
    return sent


def test_no_more_is_sent_than_the_window_holds() -> None:
    outbox, publications = filled(1, 2, 3)
    assert send(outbox, 2) == publications[:2]
    assert outbox.acknowledged(2) is publications[1]
    assert send(outbox, 2) == publications[2:]
    assert len(outbox) == 2
    assert outbox.acknowledged(9) is None


def test_after_a_break_each_goes_alone_and_then_all_together_again() -> None:
    outbox, publications = filled(1, 2, 3)
    send(outbox, 2)
    assert outbox.broken([], 0, "5") == []
    for publication in publications[:2]:
        assert send(outbox) == [publication]
        outbox.acknowledged(len(publication.payload))
    assert send(outbox) == publications[2:]


def test_what_the_connection_breaks_at_twice_is_given_up_and_the_rest_is_sent() -> None:
    outbox, publications = filled(1, 2, 3)
    send(outbox)
    outbox.broken([], 0, "5")
    send(outbox)
    outbox.acknowledged(1)
    assert send(outbox) == [publications[1]]
    assert outbox.broken([], 0, "5") == [publications[1]]
    assert send(outbox) == [publications[2]]


def test_a_bad_network_costs_nothing_that_is_no_larger_than_what_was_taken_before() -> None:
    outbox, publications = filled(1)
    for _ in range(4):
        assert send(outbox) == publications
        assert outbox.broken([], 1000, "5") == []
    send(outbox)
    assert outbox.broken([], 1000, "5") == publications  # but not for ever: its topic may be the reason


def test_what_was_acknowledged_in_doubt_counts_too() -> None:
    outbox, publications = filled(1)
    send(outbox)
    outbox.acknowledged(1)
    assert outbox.broken(publications, 0, "5") == []
    send(outbox)
    outbox.acknowledged(1)
    assert outbox.broken(publications, 0, "5") == publications


def test_what_goes_at_qos_0_is_not_counted_and_is_lost_with_the_connection() -> None:
    outbox = Outbox()
    outbox.put(Publication("t", b"-", 0))
    assert (len(outbox), bool(outbox)) == (0, False)
    outbox.broken([], 0, "5")
    assert send(outbox) == []


def test_nothing_overtakes_what_the_broker_passes_on_in_a_second_step() -> None:
    """At QoS 2: a note behind it says that it was sent."""
    outbox = Outbox()
    first, note = Publication("t", b"-", 2, kept=False), Publication("note", b"--", kept=False)
    outbox.put(first)
    outbox.put(note)
    assert send(outbox) == [first]
    outbox.acknowledged(1)
    assert send(outbox) == [note]
