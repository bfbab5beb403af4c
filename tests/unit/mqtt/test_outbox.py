from edge_llm.mqtt.outbox import Outbox


def test_who_waits_hears_of_it_whichever_thread_comes_first() -> None:
    outbox, heard = Outbox(), list[bool]()
    outbox.sent(1, heard.append)
    outbox.acknowledged(1, heard=False)
    outbox.acknowledged(2, heard=True)  # the broker was faster than the publisher
    outbox.sent(2, heard.append)
    assert heard == [False, True]
    assert len(outbox) == 0


def test_what_goes_at_qos_0_is_never_waited_for_and_leaves_nothing_behind() -> None:
    outbox, heard = Outbox(), list[bool]()
    outbox.sent(1, None)
    assert len(outbox) == 0
    outbox.acknowledged(1, heard=True)
    outbox.sent(1, heard.append)  # the packet id again
    assert (len(outbox), heard) == (1, [])


def test_a_packet_id_is_used_again_after_what_was_lost_at_qos_0() -> None:
    """Else the acknowledgement of a request's terminal frame would be taken for that of the lost one."""
    outbox, heard = Outbox(), list[bool]()
    outbox.sent(1, None)
    outbox.forget_unpromised()  # the connection broke before it was sent
    outbox.sent(1, heard.append)
    outbox.acknowledged(1, heard=True)
    assert heard == [True]
