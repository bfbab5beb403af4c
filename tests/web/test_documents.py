"""Papers: a switch while a documents service is there, and the sources of an answer."""

from typing import Any

import pytest
from selenium.webdriver import Keys

from tests.web.browser import browser
from tests.web.page import Page
from tests.web.samples import call, done
from tests.web.stub import Stub
from tests.web.test_access import LOCALES, faults

ONLINE, OFFLINE = ({"state": state} for state in ("online", "offline"))
SOURCES: list[dict[str, Any]] = [
    {"document": "dish.pdf", "title": "Dishwasher", "heading": "Care > Filter", "page": 12},
    {"document": "dish.pdf", "title": "Dishwasher", "heading": "Care > Filter", "page": 12},
    {"document": "notes/<b>x</b>.md", "title": "", "heading": "", "page": None},
]
WORDS = LOCALES["en"]


@pytest.fixture
def stub() -> Any:
    with Stub() as stub:
        stub.first.append(("documents", ONLINE))
        yield stub


def answers(
    stub: Stub, text: str = "Rinse it.", sources: list[dict[str, Any]] | None = None, **more: Any
) -> None:
    stub.says(("done", done(text, custom={"sources": sources or []}, **more)))


def switch(page: Page, *, on: bool) -> None:
    page.the(".papers").click()
    page.until(lambda: page.the(".papers").get_attribute("aria-checked") == str(on).lower())


def test_the_switch_is_there_while_the_service_is_and_is_remembered(page: Page, stub: Stub) -> None:
    assert page.the(".papers").get_attribute("aria-checked") == "false"
    page.ask("One")
    switch(page, on=True)
    page.open()
    assert page.the(".papers").get_attribute("aria-checked") == "true"
    page.ask("Two")
    stub.tell("documents", OFFLINE)
    page.until(lambda: not page.all(".papers"))
    page.ask("Three")
    stub.tell("documents", ONLINE)
    page.the(".papers")
    page.ask("Four")
    asked = [(body["text"], body["documents"], body["act"]) for body in stub.asked()]
    assert asked == [
        ("One", False, "auto"),
        ("Two", True, "auto"),
        ("Three", False, "auto"),
        ("Four", True, "auto"),
    ]


def test_without_a_service_there_is_no_switch() -> None:
    with Stub() as stub, browser() as driver:
        page = Page(driver, stub)
        page.ask("Hello")
        assert page.all(".papers") == []
        assert stub.asked()[0]["documents"] is False


def test_sources_stand_under_the_answer_and_stay(page: Page, stub: Stub) -> None:
    switch(page, on=True)
    answers(stub, sources=SOURCES)
    page.ask("How is the filter cleaned?")
    shown = ["Dishwasher · Care > Filter · page 12\ndish.pdf", "notes/<b>x</b>.md"]
    assert page.texts(".sources li") == shown
    assert page.the(".sources").get_attribute("aria-label") == "From the papers"
    assert page.all(".no-sources") == []
    page.open()
    assert page.texts(".sources li") == shown


def test_an_answer_without_the_papers_says_so_and_a_command_does_not(page: Page, stub: Stub) -> None:
    switch(page, on=True)
    answers(stub, "Paris.", act={"outcome": "spoken"})
    page.ask("What is the capital of France?")
    assert page.texts(".no-sources") == [WORDS["papers.none"]]
    on = [call("HassTurnOn", "light.kitchen_light", name="Kitchen light")]
    answers(stub, "On.", calls=on)
    page.ask("Turn on the light")
    nothing = {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0}
    answers(stub, "That is not in the papers.", usage=nothing)
    assert "That is not in the papers." in page.ask("What is E15?")
    assert len(page.all(".no-sources")) == 1
    switch(page, on=False)
    answers(stub, "Paris.")
    page.ask("And without?")
    assert len(page.all(".no-sources")) == 1


def test_the_conversation_says_where_it_becomes_another_one(page: Page, stub: Stub) -> None:
    switch(page, on=True)
    assert page.text("p[role=status]") == ""
    page.ask("One")
    switch(page, on=False)
    assert page.text("p[role=status]") == WORDS["papers.without"]
    assert page.all(".switched") == []
    page.ask("Two")
    page.ask("Three")
    switch(page, on=True)
    page.ask("Four")
    assert page.texts(".switched") == [WORDS["papers.without"], WORDS["papers.with"]]
    assert len({body["session"] for body in stub.asked()}) == 1


def test_an_answer_goes_where_the_question_has_come_from(page: Page, stub: Stub) -> None:
    """Whoever has asked waits for the yes; the other conversation does not know of it."""
    answers(stub, "Sure?", act={"outcome": "confirm", "candidates": ["Front door lock"]})
    page.ask("Unlock the door")
    switch(page, on=True)
    answers(stub, "Unlocked.")
    page.the(".yes").click()
    page.until(lambda: "Unlocked." in page.text(".turn-reply:last-child"))
    page.ask("How is the filter cleaned?")
    assert [body["documents"] for body in stub.asked()] == [False, False, True]


def test_papers_that_have_gone_are_told_of(page: Page, stub: Stub) -> None:
    switch(page, on=True)
    answers(stub, "Which?", act={"outcome": "unclear", "candidates": ["Kitchen light", "Sofa lamp"]})
    page.ask("The light")
    stub.tell("documents", OFFLINE)
    page.until(lambda: not page.all(".papers"))
    error: dict[str, Any] = {"code": "unavailable", "message": "why", "retryable": True}
    stub.says(("error", error))
    assert WORDS["error.papers"] in page.ask("Sofa lamp", "failed")
    assert stub.asked()[-1]["documents"] is True


def test_by_the_keyboard(page: Page, stub: Stub) -> None:
    page.the(".papers")
    page.write("Hello")
    page.the("#message").send_keys(Keys.TAB, Keys.TAB)  # the room
    page.driver.switch_to.active_element.send_keys(Keys.SPACE)
    page.until(lambda: page.the(".papers").get_attribute("aria-checked") == "true")
    page.press(Keys.CONTROL, Keys.ENTER)
    page.until(stub.asked)
    assert stub.asked()[0]["documents"] is True


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "language"), [(390, "fr"), (1440, "en")])
def test_axe_finds_nothing(stub: Stub, width: int, language: str, dark: bool) -> None:  # noqa: FBT001 - a parameter
    with browser(width, 900, language, dark=dark) as driver:
        page = Page(driver, stub)
        assert page.the(".papers").text == LOCALES[language]["papers"]
        page.ask("Hello")
        switch(page, on=True)
        long = "A" * 200 + ".pdf"
        answers(
            stub, sources=[*SOURCES, SOURCES[0] | {"document": long, "title": long, "heading": "B" * 200}]
        )
        page.ask("How is the filter cleaned?")
        answers(stub, "Paris.")
        page.ask("What is the capital of France?")
        assert page.texts(".no-sources, .switched") == [
            LOCALES[language][f"papers.{key}"] for key in ("with", "none")
        ]
        assert faults(page) == []
        assert page.run("return document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
