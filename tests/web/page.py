"""The page in a browser, as a test uses it."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from selenium.webdriver import Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.common import eventually
from tests.web.stub import Stub

_OBSERVE = """
new MutationObserver(() => {
  const state = document.querySelector('.node-state');
  const login = document.querySelector('input[type=password]');
  const there = login || (document.querySelector('#message') && state);
  if (there) window.__ready ??= performance.now();
}).observe(document, {childList: true, subtree: true});
"""


class Page:
    """The page, open in a browser."""

    def __init__(self, driver: Chrome, server: Stub | str) -> None:
        """Open what a stub serves, or the page at an address."""
        self.driver = driver
        self._url = server if isinstance(server, str) else server.url
        driver.get("about:blank")
        driver.get_log("performance")  # of the browser's own first page
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _OBSERVE})
        self.open()

    def open(self) -> None:
        """Load the page, and wait until it is there."""
        self.driver.get(self._url)
        self.until(lambda: self.run("return !!window.__ready"))

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script, and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds."""
        assert eventually(lambda: bool(holds()), 20), self.text()

    def all(self, selector: str) -> list[WebElement]:
        """All elements that match."""
        found: list[WebElement] = self.driver.find_elements("css selector", selector)
        return found

    def the(self, selector: str) -> WebElement:
        """The one element that matches, as soon as there is one."""
        self.until(lambda: len(self.all(selector)) == 1)
        return self.all(selector)[0]

    def text(self, selector: str = "body") -> str:
        """What stands in the first element that matches; nothing without one."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def texts(self, selector: str) -> list[str]:
        """What stands in all that match."""
        script = "return [...document.querySelectorAll(arguments[0])].map(each => each.innerText)"
        return list(self.run(script, selector))

    def write(self, text: str) -> None:
        """Put text into the field, as if pasted: keys would take long, and the driver knows no emoji."""
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
        self.run(script, self.the("#message"), text)

    def press(self, *keys: str) -> None:
        """Press keys in the field."""
        self.the("#message").send_keys(*keys)

    def send(self, text: str) -> None:
        """Send a sentence by Ctrl+Enter."""
        self.write(text)
        self.press(Keys.CONTROL, Keys.ENTER)

    def ask(self, text: str, state: str = "whole") -> str:
        """Send a sentence, wait for its reply, and return what stands in it."""
        before = len(self.all(".turn-reply"))
        self.send(text)
        script = "return [...document.querySelectorAll('.turn-reply')].map(each => each.dataset.state)"
        self.until(lambda: self.run(script)[before:] == [state])
        return self.texts(".turn-reply")[-1]

    def console(self) -> list[str]:
        """What the browser has complained about since it was asked last."""
        return [f"{entry['level']} {entry['message']}" for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that the page has asked for since this was called last."""
        entries: Iterable[dict[str, Any]] = (
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        )
        return [
            entry["params"]["request"]["url"]
            for entry in entries
            if entry["method"] == "Network.requestWillBeSent"
        ]
