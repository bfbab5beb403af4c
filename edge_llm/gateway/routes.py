"""Maps a hub's own topics to requests, and to topics for their answers."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edge_llm.config import PLACEHOLDER, RouteSettings
from edge_llm.contract.house import Name
from edge_llm.contract.names import id_of
from edge_llm.contract.reading import explain
from edge_llm.contract.requests import Request
from edge_llm.errors import RequestError

_NAME: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True)
class RoutedTopic:
    """A topic that a route matches, with the values of its placeholders."""

    route: RouteSettings
    values: dict[str, str]

    @property
    def answer(self) -> str:
        """Topic of the answer."""
        return self._filled(self.route.answer)

    def complete(self, request: Request) -> Request:
        """Fill in what the route says and the request does not.

        Raises:
            RequestError: bad_request; the route's requests are acts, and this is no sentence to a house.
        """
        route, given = self.route, request.model_fields_set
        ours = {
            "system": route.system and self._filled(route.system),
            "session": route.session and id_of(self._filled(route.session)),
            "max_tokens": route.max_tokens,
        }
        if route.act and ("act" not in given or request.act):
            ours |= self._act(request)
        return request.model_copy(
            update={name: value for name, value in ours.items() if value and name not in given}
        )

    def _act(self, request: Request) -> dict[str, Any]:
        """What makes a request an act."""
        if request.text is None or request.tools or request.response_format:
            text = "its requests are acts: give the sentence as text, without tools and response_format"
            raise RequestError("bad_request", f"{self.route.topic}: {text}")
        area = self.route.area and self._filled(self.route.area)
        try:
            return {"act": "auto", "context_area": area and _NAME.validate_python(area)}
        except ValidationError as error:
            raise RequestError("bad_request", f"context_area: {explain(error)}") from error

    def _filled(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda match: self.values[match[1]], text)


class Routes:
    """All configured routes."""

    def __init__(self, settings: tuple[RouteSettings, ...]) -> None:
        """Compile the patterns of ``settings``."""
        self._patterns = [
            (re.compile(PLACEHOLDER.sub(r"(?P<\1>[^/]+)", _escaped(route.topic))), route)
            for route in settings
        ]
        self.filters = tuple(PLACEHOLDER.sub("+", route.topic) for route in settings)

    def find(self, topic: str) -> RoutedTopic | None:
        """Find the first route that matches."""
        for pattern, route in self._patterns:
            if match := pattern.fullmatch(topic):
                return RoutedTopic(route, match.groupdict())
        return None


def filters_of(routes: tuple[RouteSettings, ...]) -> tuple[str, ...]:
    """The filters of all topics that routes ask and answer on."""
    return tuple(
        "/".join("+" if PLACEHOLDER.search(level) else level for level in topic.split("/"))
        for route in routes
        for topic in (route.topic, route.answer)
    )


def _escaped(topic: str) -> str:
    """Turn a topic into a regular expression, its placeholders left as they are."""
    return "/".join(level if PLACEHOLDER.fullmatch(level) else re.escape(level) for level in topic.split("/"))
