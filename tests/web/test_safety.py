"""Nothing that a model, a device or a person says becomes part of the page but as text."""

from typing import Any

import pytest

from tests.web.browser import browser
from tests.web.page import Page
from tests.web.samples import HOUSE, INFO, done
from tests.web.strings import XSS
from tests.web.stub import Stub, words

_FOUND = """
const bad = [];
if (window.__xss) bad.push("a script ran");
for (const element of document.querySelectorAll("*")) {
  const inside = element.closest(".prose, .turn-user, .act, .room, select.area");
  for (const {name, value} of element.attributes) {
    if (name.startsWith("on") || name === "srcdoc" || name === "style") bad.push(name);
    const safe = /^(https?:|mailto:|#|\\/assets\\/)/i;
    if (["href", "src"].includes(name) && !safe.test(value)) bad.push(`${name}=${value}`);
  }
  const forbidden = "script, style, img, iframe, object, embed, form, base, meta, link, video, audio, input";
  if (inside && element.matches(forbidden)) bad.push(element.tagName);
}
return bad;
"""


@pytest.mark.parametrize("streamed", [True, False])
def test_what_is_said_is_inert(page: Page, stub: Stub, streamed: bool) -> None:  # noqa: FBT001 - a parameter
    assert len(XSS) >= 40
    stub.reply = lambda body: words(body["text"]) if streamed else [("done", done(body["text"]))]
    for text in XSS:
        page.ask(text)
        assert page.run(_FOUND) == [], text
    for link in page.all(".prose a[href]"):
        assert str(link.get_attribute("href")).startswith("https://example.org/")
    page.open()  # from what the browser has kept
    assert page.run(_FOUND) == []


def test_what_a_node_and_its_devices_are_called_is_inert(page: Page, stub: Stub) -> None:
    for text in XSS:
        named = {
            "areas": [{"id": "a", "name": text}],
            "devices": [{**HOUSE["devices"][0], "area": "a", "id": "d"}],
        }
        named["devices"][0] |= {"name": text, "state": text, "kind": text, "attributes": {"unit": text}}
        act: dict[str, Any] = {"outcome": "sent", "candidates": [text]}
        act["carried_out"] = [
            {"id": "1", "name": text, "arguments": {"name": text, text: text}, "device_ids": ["d"]}
        ]
        stub.tell("house", named)
        stub.tell("info", {**INFO, "node": text, "model": text, "version": text})
        stub.tell("state", {"state": text})
        ends: list[tuple[str, dict[str, Any]]] = [
            ("done", done("x", act=act)),
            ("done", done("x", act={"outcome": "unclear", "candidates": [text]})),
            ("error", {"code": text, "message": text, "retryable": True}),
        ]
        for end in ends:
            stub.says(end)
            page.ask("x", "failed" if end[0] == "error" else "whole")
        assert page.run(_FOUND) == [], text


def test_no_reply_wears_the_page_s_own_classes(page: Page, stub: Stub) -> None:
    text = '```python class="fixed"\nx = 1\n```\n\n<p class="fixed inset-0">x</p>'
    stub.says(("done", done(text)))
    page.ask("x")
    assert page.all(".prose .fixed") == []
    assert '<p class="fixed inset-0">' in page.text(".prose")


def test_a_token_is_asked_for_and_kept_nowhere() -> None:
    with Stub(token="s3cret") as stub, browser() as driver:  # noqa: S106 - a token for the stub
        page = Page(driver, stub)
        field = page.the("input[type=password]")
        field.send_keys("wrong\n")
        page.until(lambda: "not the token" in page.text())
        field.send_keys("s3cret\n")
        page.until(lambda: page.text(".node-state") == "online")
        assert "You said: Hello" in page.ask("Hello")
        kept = page.run(
            "return JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie"
        )
        assert "s3cret" not in kept
        page.open()
        page.until(lambda: page.text(".node-state") == "online")
        page.the(".logout").click()
        page.the("input[type=password]")
        assert [line for line in page.console() if "401" not in line] == []


def test_a_policy_that_forbids_all_else_is_what_the_page_is_served_under(page: Page) -> None:
    page.run(
        "const script = document.createElement('script');"
        "script.textContent = 'window.__inline = 1'; document.body.append(script)"
    )
    assert page.run("return window.__inline") is None
    assert any("Content Security Policy" in line for line in page.console())
