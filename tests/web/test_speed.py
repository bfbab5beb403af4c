"""The page is small, shows a reply evenly as it comes, and is soon ready; times are printed, not asserted.

Run it on a quiet machine: the aim is updates at most 150 ms apart (p95), and ready within 1,000 ms.
"""

import gzip
from itertools import pairwise
from statistics import median, quantiles

import pytest

from tests.web.page import Page
from tests.web.stub import STATIC, Stub, words

_WATCH = """
window.__at = [];
new MutationObserver(() => {
  const turn = document.querySelector('.turn-reply');
  const text = turn?.querySelector('.prose')?.textContent ?? '';
  if (turn?.dataset.state !== 'streaming' || text === window.__text) return;
  window.__text = text;
  window.__at.push(performance.now());
}).observe(document.body, {childList: true, subtree: true, characterData: true});
"""
JAVASCRIPT_KB = 160


@pytest.mark.parametrize("pause_s", [0.007, 0.05, 0.2, 0.3])
def test_a_reply_comes_evenly(page: Page, stub: Stub, pause_s: float) -> None:
    """At 140, 20, 5 and 3 words a second."""
    text = "Several words that come one after the other, with `code` and **more**. " * max(
        1, int(0.5 / pause_s)
    )
    stub.reply = lambda body: words(text[:6000].strip(), pause_s)
    page.run(_WATCH)
    page.send("Go on")
    page.until(lambda: page.all(".turn-reply[data-state=whole]"))
    at = page.run("return window.__at")
    apart = [after - before for before, after in pairwise(at)]
    p95 = quantiles(apart, n=20)[-1]
    print(f"{1 / pause_s:.0f} words/s: {len(at)} updates, apart p50 {median(apart):.0f} ms, p95 {p95:.0f} ms")
    assert len(at) > 10  # while it comes, not at its end


def test_it_is_soon_ready(page: Page) -> None:
    times = []
    for _ in range(5):
        page.open()
        times.append(page.run("return window.__ready"))
    print(f"ready: {', '.join(f'{time:.0f}' for time in times)} ms")


def test_a_long_conversation_is_soon_ready_too(page: Page, stub: Stub) -> None:
    stub.reply = lambda body: words("A **long** reply with `code`.\n\n```python\nx = 1\n```\n\n" * 20)
    for _ in range(30):
        page.ask("Hello")
    page.open()
    time = page.run("return window.__ready")
    print(f"ready with 60 messages: {time:.0f} ms")


def test_it_is_small() -> None:
    scripts = sum(len(gzip.compress(path.read_bytes())) for path in (STATIC / "assets").glob("*.js"))
    print(f"JavaScript: {scripts / 1000:.0f} kB gzip")
    assert scripts <= JAVASCRIPT_KB * 1000
