"""A stub, a browser, and the page in it. scripts/test-web installs what they need."""

from collections.abc import Iterator

import pytest

from tests.web.browser import browser, is_here
from tests.web.page import Page
from tests.web.stub import STATIC, Stub


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    if not is_here() or not (STATIC / "index.html").is_file():
        pytest.fail("there is no Chromium, or the page is not built: run scripts/test-web")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.fixture
def page(stub: Stub) -> Iterator[Page]:
    """The page in a wide window; whatever a test does, the console stays empty."""
    with browser(1440, 900) as driver:
        page = Page(driver, stub)
        yield page
        assert page.console() == []
        assert {url for url in page.requests() if not url.startswith(stub.url)} == set()
