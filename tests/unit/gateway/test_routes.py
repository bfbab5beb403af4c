"""Routes: which topics they match, and what they fill in."""

import pytest

from edge_llm.config import RouteSettings
from edge_llm.contract.requests import Request
from edge_llm.errors import RequestError
from edge_llm.gateway.routes import Routes


def route(**fields: object) -> RouteSettings:
    return RouteSettings.model_validate(
        {"topic": "home/{room}/ask", "answer": "home/{room}/answer", **fields}
    )


def test_a_placeholder_is_one_level_and_the_rest_is_literal() -> None:
    routes = Routes((route(topic="a.b/{room}/ask"),))
    assert routes.filters == ("a.b/+/ask",)
    found = routes.find("a.b/bath/ask")
    assert found
    assert (found.values, found.answer) == ({"room": "bath"}, "home/bath/answer")
    for topic in ("axb/bath/ask", "a.b/bath/x/ask", "a.b//ask", "a.b/bath/ask/more"):
        assert routes.find(topic) is None


def test_the_first_route_that_matches_counts() -> None:
    routes = Routes(
        (route(client="one"), route(topic="home/bath/ask", client="two", answer="home/bath/answer"))
    )
    found = routes.find("home/bath/ask")
    assert found
    assert found.route.client == "one"


def test_what_the_request_says_itself_counts() -> None:
    found = Routes((route(system="In the {room}.", session="{room}", max_tokens=7),)).find("home/bath/ask")
    assert found
    filled = found.complete(Request(text="hi", max_tokens=3))
    assert (filled.system, filled.session, filled.max_tokens) == ("In the bath.", "bath", 3)


def test_a_level_that_cannot_name_a_session_is_refused() -> None:
    found = Routes((route(session="{room}"),)).find("home/living room/ask")
    assert found
    with pytest.raises(RequestError) as refused:
        found.complete(Request(text="hi"))
    assert refused.value.code == "bad_request"
