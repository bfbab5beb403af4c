"""The page by keyboard and screen reader, on a phone, in the dark, and in its languages."""

import json
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Keys

from edge_llm.house.language.words import words_of
from tests.web.browser import browser
from tests.web.page import Page
from tests.web.samples import call, done, telemetry
from tests.web.stub import Stub

SOURCES = Path(__file__).parents[2] / "edge_llm/web/page"
LOCALES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in (SOURCES / "src/locales").glob("*.json")
}
AXE = SOURCES / "node_modules/axe-core/axe.min.js"
TEXT = (
    '# One\n\nSome `code`, [a link](https://example.org/).\n\n```json\n{"a": [1, true, "b"]}\n```\n\n> quoted'
)


def faults(page: Page) -> list[str]:
    """What axe finds that is more than minor."""
    page.run(AXE.read_text("utf-8"))
    found: list[dict[str, Any]] = page.driver.execute_async_script(
        "const end = arguments[0]; axe.run().then(({violations}) => end(violations))"
    )
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html']}"
        for one in found
        if one["impact"] != "minor"
    ]


def fill(page: Page, stub: Stub) -> None:
    """Have one of everything on the page."""
    calls = [call("HassTurnOn", "light.kitchen_light", name="Kitchen light")]
    ends = [
        done(TEXT),
        done("On.", act={"outcome": "sent", "candidates": ["Kitchen light"], "carried_out": calls}),
        done("", calls=calls),
        done("Which?", act={"outcome": "unclear", "candidates": ["Kitchen light", "Sofa lamp"]}),
        done("Sure?", act={"outcome": "confirm", "candidates": ["Front door lock"]}),
    ]
    for end in ends:
        stub.says(("done", end))
        page.ask("Hello")
    for seq in range(1, 4):
        stub.tell("telemetry", telemetry(seq))
    page.until(lambda: page.run("return document.querySelectorAll('[data-tile=load] .spark').length"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_axe_finds_nothing(stub: Stub, width: int, dark: bool) -> None:  # noqa: FBT001 - a parameter
    with browser(width, 900, dark=dark) as driver:
        page = Page(driver, stub)
        assert faults(page) == []
        fill(page, stub)
        for view in ("chat", "house", "node"):
            if (tab := page.all(f"[data-view={view}]")) and tab[0].is_displayed():
                tab[0].click()
            assert faults(page) == [], view
        assert page.run("return document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        error: dict[str, Any] = {"code": "busy", "retryable": True}
        stub.says(("error", error))
        if (tab := page.all("[data-view=chat]")) and tab[0].is_displayed():
            tab[0].click()
        page.ask("Hello", "failed")
        assert faults(page) == []


def test_axe_finds_nothing_where_one_signs_in() -> None:
    with Stub(token="t") as stub, browser() as driver:  # noqa: S106 - a token for the stub
        page = Page(driver, stub)
        page.the("input[type=password]")
        assert faults(page) == []


def test_the_keyboard_reaches_what_the_mouse_does(page: Page, stub: Stub) -> None:
    stub.says(("done", done("Sure?", act={"outcome": "confirm", "candidates": ["Blinds"]})))
    page.ask("Close the blinds")
    seen = set()
    for _ in range(30):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        seen.add(
            page.run("return document.activeElement.className.split(' ')[0] || document.activeElement.id")
        )
    assert {"yes", "no", "copy", "area", "clear"} <= seen
    page.write("Again")
    page.the("#message").send_keys(Keys.TAB, Keys.TAB, Keys.TAB, Keys.ENTER)  # the room, clear, send
    page.until(lambda: len(stub.asked()) == 2)


def test_a_screen_reader_hears_a_reply_once_when_it_is_whole(page: Page, stub: Stub) -> None:
    page.ask("Hello")
    page.until(
        lambda: page.run("return document.querySelector('p[role=status]').innerText") == "You said: Hello"
    )
    assert page.the(".turn-reply").get_attribute("aria-busy") == "false"
    assert page.all(".prose [aria-live]") == []


def test_a_phone_shows_one_thing_at_a_time(stub: Stub) -> None:
    with browser(390, 800) as driver:
        page = Page(driver, stub)
        for view, selector in (("house", ".house"), ("node", ".node"), ("chat", "#message")):
            page.the(f"[data-view={view}]").click()
            shown = [each for each in (".house", ".node", "#message") if page.all(each)[0].is_displayed()]
            assert shown == [selector]
            assert page.run("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [320, 390, 820, 1440])
def test_nothing_that_is_said_makes_the_page_wider(stub: Stub, width: int) -> None:
    wide = (
        "```python\n" + "x = 1; " * 80 + "\n```",
        "a" * 500,
        "| a |" + " b |" * 60 + "\n|" + "-|" * 61,
        "$" * 300,
    )
    with browser(width, 800) as driver:
        page = Page(driver, stub)
        for text in wide:
            stub.says(("done", done(text)))
            page.ask("w" * 300)
        assert page.run("return document.documentElement.scrollWidth") <= width
        assert page.run("return document.querySelector('#message').getBoundingClientRect().right") <= width


def test_light_and_dark_follow_the_system(stub: Stub) -> None:
    grounds = set()
    for dark in (False, True):
        with browser(dark=dark) as driver:
            page = Page(driver, stub)
            grounds.add(page.run("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(246, 247, 246)", "rgb(19, 24, 23)"}


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("de-AT,de,en", "de"),
        ("es", "es"),
        ("fr-CA,fr", "fr"),
        ("nl", "nl"),
        ("zh-CN,zh", "zh"),
        ("fi,en", "en"),
        ("fi", "en"),
    ],
)
def test_the_page_speaks_the_browser_s_language(stub: Stub, wanted: str, language: str) -> None:
    with browser(language=wanted) as driver:
        page = Page(driver, stub)
        assert page.run("return document.documentElement.lang") == language
        assert page.text(".send") == LOCALES[language]["send"]
        page.until(lambda: page.text(".node-state") == LOCALES[language]["node.online"])
        assert LOCALES[language]["state.locked"] in page.text(".house")
        assert page.console() == []


def test_each_language_has_all_words() -> None:
    assert LOCALES.keys() == {"en", "de", "es", "fr", "nl", "zh"}
    for words in LOCALES.values():
        assert words.keys() == LOCALES["en"].keys()
        for key, text in LOCALES["en"].items():
            assert [part for part in ("{name}", "{count}", "{value}") if part in text] == [
                part for part in ("{name}", "{count}", "{value}") if part in words[key]
            ]


def test_a_house_understands_the_yes_and_no_of_the_page() -> None:
    for language, words in LOCALES.items():
        known = words_of(language)
        assert words["yes"].lower() in known.yes
        assert words["no"].lower() in known.no
