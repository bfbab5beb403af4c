"""The documents service, as an agent asks it: what acts goes through it to the node, once."""

from asyncio import TimerHandle

from homeassistant.core import HomeAssistant, callback

from .client import TTL_S, Node
from .wire import DOCUMENTS, Delta, Frame, Topics, is_documents


class Documents(Node):
    """Asks the documents service beside a node.

    A service that goes away is waited for: it may have asked the node already, and the same sentence, sent to
    the node, would be carried out twice. The broker keeps the request, and a service that is back asks the
    node under the same id.
    """

    def __init__(self, hass: HomeAssistant, base: str) -> None:
        """Know nothing yet; see ``async_start``."""
        super().__init__(hass, Topics(base, DOCUMENTS))
        self._giving_up: TimerHandle | None = None
        self._interrupted: set[str] = set()
        """Requests whose replies begin again when the service is back."""

    def is_reachable(self) -> bool:
        """Whether a request would get there."""
        return super().is_reachable() and is_documents(self.info)

    @callback
    def async_stop(self) -> None:
        """Unsubscribe, and end requests in progress."""
        super().async_stop()
        self._end_timer()
        super()._give_up()

    @callback
    def _set_online(self, online: bool) -> None:
        self._end_timer()
        super()._set_online(online)

    @callback
    def _give_up(self) -> None:
        """Wait for the service a while first."""
        self._interrupted = set(self._waiting)
        self._giving_up = self._hass.loop.call_later(TTL_S, super()._give_up)

    @callback
    def _take(self, request_id: str, frame: Frame) -> None:
        # What has been said is not said again: the end has all of the text.
        if not (isinstance(frame, Delta) and request_id in self._interrupted):
            super()._take(request_id, frame)

    @callback
    def _end_timer(self) -> None:
        if self._giving_up:
            self._giving_up.cancel()
            self._giving_up = None
