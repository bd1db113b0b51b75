"""What a coding agent wants to change waits for a person: it is done as it was shown, or not, and that is said."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from e2e.program import Home
from e2e.test_page import CONTRAST
from e2e.waiting import FILE, NEW, OLD, begun, branches, ended, git, permit, script, shown
from groundswell.testing import ScriptedModel

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.xdist_group("waiting")]


@pytest.fixture(scope="module")
def platform(homes: Callable[..., Home]) -> Iterator[Home]:
    with ScriptedModel(script) as model:
        home = homes(GROUNDSWELL_EMBEDDINGS__URL="none:", GROUNDSWELL_MODELS__CODE__URL=model.url)
        permit(home)
        home.well("up", "-d", "--no-question", seconds=240)
        yield home
        home.run("stop")


def test_approved_change_is_the_one_that_was_shown_and_the_answer_cites_its_commit(platform: Home) -> None:
    base, run = git(platform, "rev-parse", "HEAD"), begun(platform, "agreed")
    assert "agreed" not in branches(platform)
    (call,) = platform.told("approvals", run)["approvals"]
    decided = platform.told("approve", run, call["digest"][:12])
    assert (decided["state"], decided["digest"]) == ("approved", call["digest"])
    found = ended(platform, run)
    commit = git(platform, "rev-parse", "agreed")
    assert git(platform, "rev-parse", "agreed^") == base
    assert git(platform, "diff", "--name-only", "agreed^", "agreed") == FILE
    before = git(platform, "show", f"HEAD:{FILE}")
    assert git(platform, "show", f"agreed:{FILE}") == before.replace(OLD, NEW)
    assert git(platform, "status", "--porcelain") == ""
    (claim,) = [each for each in found["answer"]["claims"] if commit in each["text"]]
    assert [(each["source"], each["quote"]) for each in claim["citations"]] == [
        (f"git:agreed@{commit}", f"commit {commit}")
    ]
    assert not [each for each in found["answer"]["missing"] if "patch_branch" in each]
    with platform.http() as http:
        cited = http.get(f"/v1/evidence/{claim['citations'][0]['evidence']}", params={"run": run}).json()
    assert cited["text"] == f"branch agreed\ncommit {commit}\nparent {base}\nchanged {FILE}"


def test_denied_change_is_not_made_and_the_answer_says_so_whatever_the_model_says(platform: Home) -> None:
    run, before = begun(platform, "refused"), git(platform, "for-each-ref")
    objects = git(platform, "count-objects")
    done = platform.well("deny", run, "--reason", "not before the release")
    assert "denied" in done.stdout
    found = ended(platform, run)
    (said,) = [each for each in found["answer"]["missing"] if "patch_branch" in each]
    assert said == "patch_branch was not done: local did not approve patch_branch (not before the release)"
    assert "refused" not in found["answer"]["text"].partition("Missing")[0]
    assert git(platform, "for-each-ref") == before
    assert git(platform, "count-objects") == objects


def test_terminal_shows_all_that_is_asked_and_refuses_what_is_not(platform: Home) -> None:
    run = begun(platform, "looked-at")
    text = platform.well("approvals").stdout
    assert run in text
    assert f"+{NEW}" in text
    assert f"-{OLD}" in text
    (call,) = platform.told("approvals", run)["approvals"]
    assert f"groundswell approve {run} {call['digest'][:16]}" in text
    asked = {
        ("approve", "run_none"): (3, "no_run"),
        ("approve", run, "f" * 12 if call["digest"][0] != "f" else "0" * 12): (3, "no_call"),
        ("settle", run): (2, "bad_options"),
        ("settle", run, "--happened"): (1, "other_question"),
        ("approvals", "run_none"): (3, "no_run"),
        ("approvals", "no run"): (3, "no_run"),
    }
    for words, (code, name) in asked.items():
        refused = platform.run(*words, "--json")
        assert refused.returncode == code, (words, refused.stdout, refused.stderr)
        assert json.loads(refused.stdout)["error"]["code"] == name, words
    assert platform.told("deny", run)["state"] == "denied"
    ended(platform, run)
    again = platform.run("approve", run, call["digest"][:16], "--json")
    assert (again.returncode, json.loads(again.stdout)["error"]["code"]) == (1, "run_ended")
    assert platform.run("approve", run, "--json").returncode == 3  # nothing waits any more
    (call,) = platform.told("approvals", run)["approvals"]
    assert (call["state"], call["waits_for"], call["decided_by"]) == ("denied", "", "local")
    assert platform.told("approvals") == {"approvals": []}
    assert "looked-at" not in branches(platform)


async def looked_at(browser: Browser, platform: Home, run: str, wrong: list[str], **options: Any) -> Page:
    """The page, open at a run's thread."""
    context = await browser.new_context(**options)
    page = await context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    await page.goto(f"{platform.instance['url']}/#{shown(platform, run)['thread']}")
    return page


@pytest.mark.parametrize(
    ("choice", "how", "scheme", "width"),
    [("Approve", "mouse", "light", 1280), ("Deny", "keyboard", "dark", 390)],
)
async def test_page_shows_what_is_asked_and_takes_the_answer(
    browser: Browser, platform: Home, choice: str, how: str, scheme: str, width: int
) -> None:
    branch, wrong = f"page-{how}", list[str]()
    run = begun(platform, branch)
    size = {"width": width, "height": 800}
    page = await looked_at(browser, platform, run, wrong, color_scheme=scheme, viewport=size)
    box = page.get_by_role("group", name="patch_branch waits for approval")
    await expect(box).to_be_visible(timeout=30_000)
    await expect(box.locator(".add")).to_have_text([f"+{NEW}"])
    await expect(box.locator(".del")).to_have_text([f"-{OLD}"])
    await expect(box.get_by_label("branch", exact=True)).to_have_text(branch)
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert await page.evaluate(CONTRAST) >= 4.5
    if how == "mouse":
        await box.get_by_role("button", name=choice).click()
    else:
        await box.get_by_label("Reason, if denied").fill("seen on the page")
        await box.get_by_role("button", name="Approve").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
    await expect(box).to_have_count(0)
    await expect(page.locator(".steps.busy")).to_have_count(0, timeout=60_000)
    await expect(page.locator(".steps summary")).to_be_focused()
    assert (branch in branches(platform)) == (choice == "Approve")
    said = git(platform, "rev-parse", branch) if choice == "Approve" else "seen on the page"
    await expect(page.locator(".answer")).to_contain_text(said)
    assert wrong == []
