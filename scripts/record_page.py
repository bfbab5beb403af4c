"""Takes a picture of what `edge-llm web --demo` shows after a few sentences, as docs/images/web.png."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from urllib.request import urlopen

from tests.common import eventually
from tests.web.browser import browser
from tests.web.page import Page

PICTURE = Path(__file__).parents[1] / "docs/images/web.png"
WIDTH, HEIGHT = 1360, 980
TELEMETRY_S = 45.0
"""Time for the lines of the node's figures to become some."""
QUESTIONS = (
    "What is the capital of Japan?",
    "How does a heat pump work?",
    "Why is the sky blue?",
)
SENTENCES = ("Turn on the kitchen light and close the blinds.", "Lock the front door")


@contextmanager
def _server() -> Iterator[str]:
    """Start `edge-llm web --demo`; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "edge_llm.cli", "web", "--demo", "--port", str(port))
    address = f"http://127.0.0.1:{port}/"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: process.poll() is not None or _is_online(address))
            yield address
        finally:
            process.terminate()


def _is_online(address: str) -> bool:
    try:
        with urlopen(f"{address}healthz", timeout=1):  # noqa: S310 - our own server, over HTTP
            return True
    except OSError:
        return False


def main() -> None:
    """Take the picture."""
    with _server() as address, browser(WIDTH, HEIGHT) as driver:
        page = Page(driver, address)
        page.until(lambda: page.all(".device"))
        for question in QUESTIONS:
            page.ask(question)
        sleep(TELEMETRY_S)
        for sentence in SENTENCES:
            page.ask(sentence)
        page.until(lambda: page.all(".yes"))
        page.until(lambda: not page.all(".changed"))
        driver.save_screenshot(str(PICTURE))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
