"""The report on waves in a real browser: light, dark and narrow; readable, whole, and alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser

from groundswell.core.check import judged, measure, seen, skipped, unknown
from groundswell.core.records import Proof, Subject
from groundswell.waves.plan import plan, profile
from groundswell.waves.proofs import Entry
from groundswell.waves.report import Report, page
from groundswell.waves.standing import standings

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = "<img src=http://elsewhere.example/x onerror=\"document.title='owned'\">" + "long" * 80
SCREENS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 780}},
    "narrow dark": {"color_scheme": "dark", "viewport": {"width": 360, "height": 780}},
}
# every text against what lies behind it, by WCAG 2's formula
FAINT = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number)
  const light = (text) => {
    const [r, g, b] = numbers(text).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if (numbers(colour)[3] !== 0) return colour
    }
    return 'rgb(255, 255, 255)'
  }
  const found = {}
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) found[`${element.tagName} ${element.className}`] = ratio
  }
  return found
}"""


def written(folder: Path) -> Path:
    """A report with every state that a line, a gate and a history can have."""
    proofs: dict[str, Proof] = {}
    for number, name in enumerate(sorted({name for line in plan().lines for name in line.checks})):
        made = [
            judged("it was measured", measure("count", 3, 1, relation=">="), seen=[seen("k8s:a/Pod/b", "it runs")]),
            judged(HOSTILE, measure(HOSTILE, 1, 3, relation=">=", unit="pods"), seen=[seen(HOSTILE, HOSTILE)]),
            unknown("nothing answered"),
            skipped("this place has none"),
            judged("on a stand-in", measure("count", 1, 1), simulated=True),
        ][number % 7 if number % 7 < 5 else 0]
        dates = {"check": name, "started": NOW, "ended": NOW, "expires": NOW + timedelta(hours=24)}
        proofs[name] = made.model_copy(update=dates)
    told = {wave.number: ("Synced", "Healthy") for wave in plan().waves}
    rows = standings(plan(), profile(), proofs, told)
    history = [
        Entry(at=NOW - timedelta(hours=hours), wave=wave, open=hours % 3 != 0, passed=4, owed=5, version="0.1.0")
        for wave in range(6)
        for hours in range(60, 0, -1)
    ]
    subject = Subject(version="0.1.0", settings="5e1f", place="c0de")
    file = folder / "report.html"
    file.write_text(page(Report(plan(), profile(), rows, proofs, history, subject, NOW)))
    return file


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_report_is_readable_and_loads_nothing(browser: Browser, tmp_path: Path, screen: str) -> None:
    file = written(tmp_path)
    asked, wrong = list[str](), list[str]()
    context = await browser.new_context(**SCREENS[screen])
    shown = await context.new_page()
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    await shown.goto(file.as_uri())
    assert await shown.title() == f"Waves of {profile().name}"
    assert await shown.locator("section[id^=wave-]").count() == 11
    assert await shown.locator(".lines > li").count() == len(plan().lines)
    assert await shown.locator(".history tr").count() == 11
    for details in await shown.locator("details").all():
        await details.evaluate("each => each.open = true")
    overflow = await shown.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0, "nothing is wider than the screen"
    assert await shown.evaluate(FAINT) == {}
    ground = await shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, ground[4:-1].split(","))) < 60) == ("dark" in screen)
    await shown.locator(".rail a").nth(1).click()
    assert shown.url.endswith("#wave-1")
    await shown.screenshot(path=tmp_path / "wave.png")
    await shown.screenshot(path=tmp_path / "whole.png", full_page=True)
    assert asked == [file.as_uri()]
    assert wrong == []
    await context.close()
