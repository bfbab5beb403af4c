"""Routes: which topics they match, and what they fill in."""

import pytest

from edge_llm.config import RouteSettings
from edge_llm.contract.names import id_of
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


def acted(topic: str, **fields: object) -> Request:
    found = Routes((route(act=True, area="{room}"),)).find(topic)
    assert found
    return found.complete(Request.model_validate(fields))


def test_requests_of_a_route_that_acts_are_acts_in_its_area() -> None:
    plain = acted("home/living  room/ask", id="1", text="Lights on")
    assert (plain.act, plain.context_area, plain.system) == ("auto", "living room", None)
    said = acted("home/bath/ask", text="Lights on", act="required", context_area="Attic")
    assert (said.act, said.context_area) == ("required", "Attic")
    assert Request.model_validate(plain.model_dump(exclude_unset=True)) == plain


def test_a_request_may_say_that_it_is_no_act() -> None:
    request = acted("home/bath/ask", messages=({"role": "user", "content": "Hi"},), act=False)
    assert (request.act, request.context_area) == (None, None)


def test_without_act_a_route_makes_none() -> None:
    found = Routes((route(),)).find("home/bath/ask")
    assert found
    assert found.complete(Request(text="Lights on")).act is None


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": ({"role": "user", "content": "Lights on"},)},
        {"text": "Hi", "tools": ({"type": "function", "function": {"name": "lamp"}},)},
        {"text": "Hi", "response_format": {"type": "json_schema", "schema": {"type": "object"}}},
    ],
)
def test_what_is_no_sentence_to_a_house_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(
        RequestError, match=r"^home/{room}/ask: its requests are acts: give the sentence"
    ) as error:
        acted("home/bath/ask", **fields)
    assert error.value.code == "bad_request"


@pytest.mark.parametrize("level", ["x" * 101, "a\x07b", " "])
def test_a_level_that_can_be_no_area_is_refused(level: str) -> None:
    with pytest.raises(RequestError, match=r"^context_area: ") as error:
        acted(f"home/{level}/ask", text="Lights on")
    assert level.strip() == "" or level not in str(error.value)
