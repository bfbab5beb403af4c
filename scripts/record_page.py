"""Takes a picture of the page in a Chromium, with the samples of its tests, as docs/images/web.png."""

from pathlib import Path
from typing import Any

from tests.web.browser import browser
from tests.web.page import Page
from tests.web.samples import call, done, house, telemetry
from tests.web.stub import Stub

PICTURE = Path(__file__).parents[1] / "docs/images/web.png"
WIDTH, HEIGHT = 1280, 860
TIP = """Three that cost nothing:

1. **Heat less at night**: one degree is about 6 %.
2. Air the rooms briefly, with the heating off.
3. Switch off what stands by."""
CALLS = (
    call("HassTurnOn", "light.kitchen_light", name="Kitchen light"),
    call("HassTurnOff", "cover.blinds", name="Blinds"),
)
NOTHING_DECODED = {"prompt_tokens": 0, "completion_tokens": 0}


def _act(text: str, outcome: str, **act: Any) -> tuple[str, dict[str, Any]]:
    return "done", done(text, act={"outcome": outcome, **act}, usage=NOTHING_DECODED)


def main() -> None:
    """Take the picture."""
    with Stub() as stub, browser(WIDTH, HEIGHT) as driver:
        page = Page(driver, stub)
        for speed, ttft in ((92.1, 51), (101.3, 38), (97.4, 42)):
            timing = {"queue": 0, "prefill": 30, "ttft": ttft, "total": 700}
            stub.says(("done", done(TIP, tokens_per_second=speed, timing_ms=timing)))
            page.ask("Name three simple ways to save energy at home.")
        for seq in range(1, 40):
            stub.tell("telemetry", telemetry(seq))
        stub.says(_act("Turned on Kitchen light. Closed Blinds.", "done", carried_out=CALLS))
        page.ask("Turn on the kitchen light and close the blinds.")
        stub.tell("house", house(kitchen_light="on", blinds="closed"))
        stub.says(
            _act(
                "Please confirm: unlock, Front door lock. Yes or no?",
                "confirm",
                candidates=["Front door lock"],
            )
        )
        page.ask("Unlock the front door")
        page.until(lambda: page.text("[data-device='cover.blinds'] .state") == "closed")
        page.until(lambda: not page.all(".changed"))
        driver.save_screenshot(str(PICTURE))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
