"""The part that answers requests, as the gateway sees it."""

from typing import Protocol

from edge_llm.contract.frames import Terminal
from edge_llm.gateway.reply import Reply


class Responder(Protocol):
    """Answers requests; it ends each reply that it was given, sooner or later."""

    def submit(self, reply: Reply) -> None:
        """Accept ``reply.asked`` without blocking; on the network thread.

        Raises:
            RequestError: it cannot be accepted; the reply is not ended.
        """
        ...

    def cancel(self, reply: Reply) -> None:
        """End a reply soon; without effect on one that is over. On the network thread."""
        ...

    def prepare(self, reply: Reply) -> None:
        """Read from files what a submitted request needs; on the publisher's thread."""
        ...

    def complete(self, reply: Reply, terminal: Terminal) -> Terminal:
        """Write down a reply that has ended, and complete its frame; on the publisher's thread."""
        ...
