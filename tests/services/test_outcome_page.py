"""The page's box for an effect of which nobody knows whether it happened, in a real browser."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, expect

from e2e.test_page import CONTRAST
from groundswell.runtime.platform import Running
from services.test_approvals import asked, doubted, effects

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.mark.parametrize(
    ("choice", "made", "said", "scheme", "width"),
    [("It happened", 0, "ok", "light", 1280), ("It did not", 1, "sent", "dark", 390)],
)
async def test_page_says_what_to_look_at_and_takes_what_was_seen(
    browser: Browser,
    http: httpx2.AsyncClient,
    platform: Running,
    admin: Callable[..., Any],
    choice: str,
    made: int,
    said: str,
    scheme: Any,
    width: int,
) -> None:
    run, wrong = await doubted(http, admin), list[str]()
    call = await asked(http, run["id"])
    assert platform.instance is not None
    page = await browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    await page.goto(f"{platform.instance.url}/#{run['thread']}")
    box = page.get_by_role("group", name="trial_send waits for outcome")
    await expect(box).to_be_visible(timeout=60_000)
    await expect(box).to_contain_text("Nobody knows whether this happened.")
    await expect(box).to_contain_text(call["note"])
    await expect(box).not_to_contain_text("until")  # it waits for as long as it takes
    await expect(box.locator(".go")).to_have_count(0)  # neither answer is the likelier
    await expect(box.get_by_label("text", exact=True)).to_have_text("send this")
    assert await box.get_by_role("textbox").count() == 0  # there is nothing to give a reason for
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert await page.evaluate(CONTRAST) >= 4.5
    await box.get_by_role("button", name=choice).click()
    await expect(box).to_have_count(0, timeout=60_000)
    await expect(page.locator(".steps.busy")).to_have_count(0, timeout=60_000)
    await expect(page.locator(".answer")).to_contain_text(said)
    assert effects(call) == made
    assert wrong == []
    await page.close()
