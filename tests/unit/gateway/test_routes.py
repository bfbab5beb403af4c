"""Routes: which topics they match, and what they fill in."""

import pytest

from edge_llm.config import RouteSettings
from edge_llm.contract.names import id_of
from edge_llm.contract.requests import Request
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


@pytest.mark.parametrize(
    ("level", "session"),
    [("bath", "bath"), ("living room", "living-.20room"), ("Küche", "K-.C3-.BCche"), ("浴室" * 9, None)],
)
def test_any_level_names_a_session(level: str, session: str | None) -> None:
    found = Routes((route(session="{room}"),)).find(f"home/{level}/ask")
    assert found
    filled = found.complete(Request(text="hi"))
    assert filled.session == id_of(level)
    assert Request(text="hi", session=filled.session)
    assert session in (None, filled.session)
    assert found.answer == f"home/{level}/answer"
