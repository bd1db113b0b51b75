"""The page at `/` in a real browser: asking, reading evidence, stopping, coming back; and what it must not do."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from e2e.program import Home

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.xdist_group("page")]
QUESTION = "Where is Measurement defined?"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"


@pytest.fixture(scope="module")
def platform(homes: Callable[..., Home]) -> Iterator[Home]:
    home = homes()
    home.well("up", "-d", "--no-question", seconds=240)
    yield home
    home.run("stop")


@pytest.fixture
async def open_page(browser: Browser, platform: Home) -> AsyncIterator[Callable[..., Any]]:
    """Opens the page; none may ask anybody but this platform, nor do what its own policy refuses."""
    url, wrong, contexts = platform.instance["url"], list[str](), list[Any]()

    async def open_(**options: Any) -> Page:
        contexts.append(await browser.new_context(**options))
        page = await contexts[-1].new_page()
        page.on("request", lambda r: None if r.url.startswith((url, "data:")) else wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        await page.goto(url)
        await expect(page.locator(".empty")).to_be_visible()
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert not wrong


async def ask(page: Page, home: Home, question: str) -> None:
    await page.locator(".with summary").click()
    await page.fill("#source-repo", f"path:{home.repo}")
    await page.locator(".with summary").click()
    await page.select_option("#agent", "coding")
    await page.fill("#text", question)
    await page.press("#text", "Enter")


async def test_answer_opens_its_evidence_at_the_quote_and_comes_back_after_a_reload(
    open_page: Callable[..., Any], platform: Home
) -> None:
    page = await open_page()
    await ask(page, platform, QUESTION)
    cited = page.locator(".said .cite").first
    await expect(cited).to_be_visible(timeout=60_000)
    await cited.click()
    await expect(page.locator("#bytes mark").first).to_contain_text("class Measurement")
    await expect(page.locator("#place")).to_contain_text("harbour/gauges.py:")
    await page.keyboard.press("Escape")
    await expect(page.locator("aside")).to_be_hidden()
    await expect(cited).to_be_focused()
    await page.reload()
    await expect(page.locator(".said .cite").first).to_be_visible()
    await page.locator(".steps summary").click()
    await expect(page.locator(".steps li", has_text="router: coding")).to_be_visible()
    await page.fill("#text", "Who uses it?")
    await page.press("#text", "Enter")
    await expect(page.locator(".answer")).to_have_count(2, timeout=60_000)
    await expect(page.locator("#past button")).to_have_count(1)


async def test_what_was_asked_is_shown_as_text_and_never_becomes_html(
    open_page: Callable[..., Any], platform: Home
) -> None:
    page = await open_page()
    await ask(page, platform, HOSTILE)
    await expect(page.locator(".steps.busy")).to_have_count(0, timeout=60_000)
    await expect(page.locator(".asked")).to_have_text(HOSTILE)
    assert await page.locator("main img, main b, nav img").count() == 0
    assert await page.title() == "Groundswell"


async def test_only_the_script_whose_hash_the_policy_names_may_run(browser: Browser, platform: Home) -> None:
    page = await browser.new_page()
    answer = await page.goto(platform.instance["url"])
    assert answer
    policy = answer.headers["content-security-policy"]
    assert re.search(r"script-src 'sha256-[\w+/=]+';", policy)
    assert "unsafe" not in policy
    ran = await page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return error.name } }"
    )
    assert ran == "TypeError"  # trusted types: no text can become HTML here
    await page.close()


async def test_refusal_says_what_to_do(open_page: Callable[..., Any], platform: Home) -> None:
    page = await open_page()
    await page.locator(".with summary").click()
    await page.fill("#source-repo", "path:/nowhere/at/all")
    await page.select_option("#agent", "coding")
    await page.fill("#text", QUESTION)
    await page.press("#text", "Enter")
    await expect(page.locator(".answer .bad")).to_be_visible(timeout=60_000)
    await expect(page.locator(".answer .note").first).not_to_be_empty()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)])
async def test_page_fits_and_is_legible(open_page: Callable[..., Any], platform: Home, scheme: str, width: int) -> None:
    page = await open_page(color_scheme=scheme, viewport={"width": width, "height": 780})
    await ask(page, platform, QUESTION)
    await expect(page.locator(".said .cite").first).to_be_visible(timeout=60_000)
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    await expect(page.locator(".asked")).to_be_in_viewport()  # an answer is read from its beginning
    assert await page.evaluate(CUT) == []
    contrast = await page.evaluate(CONTRAST)
    assert contrast >= 4.5, contrast  # WCAG 2.2, AA
    if width < 600:
        await page.locator("#menu").click()
        await expect(page.locator("nav")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("nav")).to_be_hidden()


async def test_an_answer_of_many_lines_is_a_list_and_names_each_file_once(
    open_page: Callable[..., Any], platform: Home
) -> None:
    page = await open_page(viewport={"width": 360, "height": 740})
    await ask(page, platform, "What does harbour/gauges.py do?")
    await expect(page.locator(".said .cite").first).to_be_visible(timeout=60_000)
    assert await page.locator(".said ul > li").count() >= 4
    assert "\n- " not in await page.locator(".said").inner_text()
    files = await page.locator(".places .file").all_inner_texts()
    assert len(files) == len(set(files)) > 1
    numbers = await page.locator(".places .cite").all_inner_texts()
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    await page.locator(".places .cite").last.click()
    await expect(page.locator("#bytes mark").first).to_be_visible()


async def test_a_question_back_offers_the_agents_that_look_things_up(
    open_page: Callable[..., Any], platform: Home
) -> None:
    page = await open_page()
    await page.fill("#text", "fix everything please")
    await page.press("#text", "Enter")
    offered = page.locator(".choices button")
    await expect(offered.first).to_be_visible(timeout=60_000)
    assert await offered.all_inner_texts() == ["ask coding", "ask observability", "ask web"]
    assert await page.locator(".answer li").count() == 3


# What of the page's texts reaches beyond the window, without being made to scroll.
CUT = """() => [...document.querySelectorAll("header *, main *")]
  .filter(e => e.checkVisibility() && e.childElementCount === 0 && e.textContent.trim() && !e.closest("details"))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)
  .map(e => e.outerHTML.slice(0, 120))"""
# The least contrast of any text on the page to what it stands on (WCAG 2.2 relative luminance).
CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1)
    return canvas.getImageData(0, 0, 1, 1).data
  }
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const ground = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c } return [255, 255, 255] }
  const ratios = [...document.querySelectorAll("h1,h2,p,a,button,summary,li,span,code,label,.said,.unproved")]
    .filter(e => e.checkVisibility() && e.textContent.trim() && !e.matches(".n"))
    .map(e => { const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05) })
  return Math.min(...ratios)
}"""  # noqa: E501
