"""Whom `edge-llm web` asks: the node, or the documents service, which asks the node with passages."""

from edge_llm.client import Client, RequestError
from edge_llm.web.live.node_feed import NodeFeed

_FORGET_S = 10.0


class Clients:
    """The two connections to ask by; for any thread."""

    def __init__(self, node: Client, documents: Client, feed: NodeFeed) -> None:
        """Ask ``documents`` only while ``feed`` says that the service is there."""
        self._node = node
        self._documents = documents
        self._feed = feed

    def of(self, *, documents: bool) -> Client:
        """Return the one for a request.

        Raises:
            RequestError: unavailable: no documents service is online.
        """
        if not documents:
            return self._node
        if not self._feed.has_documents:
            raise RequestError(
                "unavailable", "no documents service is online: is `edge-llm documents` running?"
            )
        return self._documents

    def forget(self, session: str) -> None:
        """Delete a conversation; the documents service has one of its own under the same name.

        Raises:
            RequestError: one of the two cannot be reached, or refuses.
        """
        self._node.command("delete", session, timeout_s=_FORGET_S)
        if self._feed.has_documents:
            self._documents.command("delete", session, timeout_s=_FORGET_S)
