"""The socket that `edge-llm web` listens on."""

import socket

from edge_llm.demo.processes import free_port
from edge_llm.web.server import listening


def test_a_word_does_not_wait_for_the_answer_to_the_one_before() -> None:
    """Nagle's algorithm would hold back the first word of a reply, which comes right after its header."""
    with (
        listening("127.0.0.1", free_port()) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
