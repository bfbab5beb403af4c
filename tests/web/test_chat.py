"""A conversation: what is typed is sent, what is answered is shown, and both are there after a reload."""

from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any

from selenium.webdriver import Keys

from tests.web.page import Page
from tests.web.samples import done
from tests.web.stub import Stub, words

MARKDOWN = """# Saving

Some **bold** and `code`.

- one
- two

| a | b |
|---|---|
| 1 | 2 |

```python
def hello():
    return "you"  # 42
```

[more](https://example.org/)
"""


def test_several_turns_have_one_session_and_are_there_after_a_reload(page: Page, stub: Stub) -> None:
    assert "You said: Hello" in page.ask("Hello")
    assert "You said: And again" in page.ask("And again")
    page.open()
    assert page.texts(".turn-user") == ["Hello", "And again"]
    assert [text.split("\n")[0] for text in page.texts(".turn-reply")] == [
        "You said: Hello",
        "You said: And again",
    ]
    page.ask("A third")
    asked = stub.asked()
    assert [body["text"] for body in asked] == ["Hello", "And again", "A third"]
    assert len({body["session"] for body in asked}) == 1
    assert {body["act"] for body in asked} == {"auto"}


def test_without_a_house_nothing_is_to_be_acted_on(page: Page, stub: Stub) -> None:
    info = dict(stub.first[1][1])
    del info["house"]
    stub.first[1:3] = [("info", info)]
    page.open()
    page.until(lambda: page.text("h1") == "cupboard")
    page.ask("Hello")
    assert stub.asked()[0]["act"] is None
    assert "No house is known" in page.text(".house")


def test_the_room_goes_along_and_is_remembered(page: Page, stub: Stub) -> None:
    page.the(".area").send_keys("Hall")
    page.ask("Turn on the light")
    page.open()
    page.ask("Turn it off")
    assert [body["area"] for body in stub.asked()] == ["hall", "hall"]


def test_markdown_is_shown_with_highlighted_code(page: Page, stub: Stub) -> None:
    stub.says(("delta", {"text": MARKDOWN}), ("done", done(MARKDOWN)))
    page.ask("Say it")
    assert page.texts(".prose h1, .prose strong, .prose li") == ["Saving", "bold", "one", "two"]
    assert page.texts(".prose td") == ["1", "2"]
    assert page.texts(".prose pre .hljs-keyword") == ["def", "return"]
    assert page.texts(".prose pre .hljs-comment") == ["# 42"]
    link = page.the(".prose a")
    assert (link.get_attribute("href"), link.get_attribute("target")) == ("https://example.org/", "_blank")
    assert "noopener" in str(link.get_attribute("rel"))


def test_ctrl_enter_sends_and_enter_begins_a_line(page: Page, stub: Stub) -> None:
    page.press("one", Keys.ENTER, "two")
    assert stub.asked() == []
    page.press(Keys.CONTROL, Keys.ENTER)
    page.until(stub.asked)
    assert stub.asked()[0]["text"] == "one\ntwo"
    assert page.the("#message").get_attribute("value") == ""


def test_stop_keeps_what_has_come_and_the_server_hears_of_it(page: Page, stub: Stub) -> None:
    stub.reply = lambda body: words("word " * 2000, pause_s=0.02)
    page.send("Go on")
    page.until(lambda: "word word" in page.text(".turn-reply"))
    page.the(".stop").click()
    assert stub.left.wait(10)
    page.until(lambda: "Stopped." in page.text(".turn-reply"))
    assert "word word" in page.text(".turn-reply")
    assert "You said" not in page.text(".turn-reply")


def test_escape_stops_too(page: Page, stub: Stub) -> None:
    stub.reply = lambda body: words("word " * 2000, pause_s=0.02)
    page.send("Go on")
    page.until(lambda: "word" in page.text(".turn-reply"))
    page.press(Keys.ESCAPE)
    assert stub.left.wait(10)


def test_clear_forgets_here_and_on_the_node(page: Page, stub: Stub) -> None:
    page.ask("Hello")
    page.the(".clear").click()
    page.until(lambda: stub.asked("/forget"))
    assert page.all(".turn-user, .turn-reply") == []
    page.open()
    assert page.all(".turn-user, .turn-reply") == []
    page.ask("Anew")
    first, second = (body["session"] for body in stub.asked())
    assert stub.asked("/forget") == [{"session": first}]
    assert first != second


def _is_copied(page: Page, button: str) -> bool:
    return page.text(button) == "Copied"


def test_copy_puts_the_reply_and_code_on_the_clipboard(page: Page, stub: Stub) -> None:
    stub.says(("done", done(MARKDOWN)))
    page.ask("Say it")
    for button, text in (
        ("footer .copy", MARKDOWN),
        ("figure .copy", 'def hello():\n    return "you"  # 42'),
    ):
        page.the(button).click()
        page.until(partial(_is_copied, page, button))
        page.write("")
        page.press(Keys.CONTROL, "v")
        assert str(page.the("#message").get_attribute("value")).strip() == text.strip()


def test_what_waits_says_its_place(page: Page, stub: Stub) -> None:
    go = Event()

    def reply(body: dict[str, Any]) -> Iterator[Any]:
        yield "status", {"state": "queued", "position": 3}
        go.wait(10)
        yield "done", done("At last")

    stub.reply = reply
    page.send("Hello")
    page.until(lambda: "3 before this" in page.text(".turn-reply"))
    go.set()
    page.until(lambda: "At last" in page.text(".turn-reply"))


def test_a_failed_reply_says_why_and_is_asked_again(page: Page, stub: Stub) -> None:
    error: dict[str, Any] = {"code": "busy", "message": "queue is full", "retryable": True, "text": "Half a"}
    stub.says(("delta", {"text": "Half a"}), ("error", error))
    said = page.ask("Hello", "failed")
    assert "Half a" in said
    assert "The node is busy." in said
    stub.reply = lambda body: words("All of it")
    page.the(".retry").click()
    page.until(lambda: "All of it" in page.text(".turn-reply"))
    assert page.texts(".turn-user") == ["Hello"]


def test_a_reply_that_breaks_off_says_so(page: Page, stub: Stub) -> None:
    stub.says(("delta", {"text": "Half"}))
    assert "There is no connection" in page.ask("Hello", "failed")


def test_a_refusal_is_explained(page: Page, stub: Stub) -> None:
    stub.refusal = (429, {"error": {"message": "slow down"}})
    assert "Too many requests." in page.ask("Hello", "failed")
    assert [line for line in page.console() if "429" not in line] == []


def test_a_reply_says_what_it_took(page: Page, stub: Stub) -> None:
    said = page.ask("one two three")
    for figure in ("5 tokens", "97.4 tokens/s", "First token 42 ms", "5.2 J", "5 W"):
        assert figure in said
    stub.reply = lambda body: words("cut", finish_reason="length")
    assert "longer than allowed" in page.ask("more")
