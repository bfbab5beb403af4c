from edge_llm.mqtt.outbox import Outbox


def test_who_waits_hears_of_it_whichever_thread_comes_first() -> None:
    outbox, has_subscribers = Outbox(), list[bool]()
    outbox.sent(1, has_subscribers.append)
    outbox.acknowledged(1, has_subscribers=False)
    outbox.acknowledged(2, has_subscribers=True)  # the broker was faster than the publisher
    outbox.sent(2, has_subscribers.append)
    assert has_subscribers == [False, True]
    assert len(outbox) == 0


def test_what_goes_at_qos_0_is_never_waited_for_and_leaves_nothing_behind() -> None:
    outbox, has_subscribers = Outbox(), list[bool]()
    outbox.sent(1, None)
    assert len(outbox) == 0
    outbox.acknowledged(1, has_subscribers=True)
    outbox.sent(1, has_subscribers.append)  # the packet id again
    assert (len(outbox), has_subscribers) == (1, [])


def test_a_packet_id_is_used_again_after_what_was_lost_at_qos_0() -> None:
    """Else the acknowledgement of a request's terminal frame would be taken for that of the lost one."""
    outbox, has_subscribers = Outbox(), list[bool]()
    outbox.sent(1, None)
    outbox.forget_qos0()  # the connection broke before it was sent
    outbox.sent(1, has_subscribers.append)
    outbox.acknowledged(1, has_subscribers=True)
    assert has_subscribers == [True]
