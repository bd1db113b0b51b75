"""The small real engine: protocol, streaming and degradation. A toy model says nothing about quality."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from playwright.async_api import Browser, expect

from groundswell.core.settings import load
from services.serving import served

pytest.importorskip("xllamacpp")
pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(__file__).with_name("engine.py"))
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, program, str(port), stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), httpx2.AsyncClient(timeout=5) as http:
            while process.returncode is None:
                try:
                    if (await http.get(f"{url}/health")).status_code == 200:
                        break
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)
        yield f"{url}/v1"
    finally:
        process.kill()
        await process.wait()


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory, engine: str) -> AsyncIterator[openai.AsyncOpenAI]:
    folder = tmp_path_factory.mktemp("platform")
    settings = {"data": str(folder / "data"), "gateway.port": 0, "embeddings.url": "none:"}
    settings |= {"models.planner.url": engine, "models.planner.seconds": 10.0, "router.fallback": "llm:planner"}
    loaded = load(folder, settings, {"HOME": str(folder)})
    async with served(loaded) as running:
        assert running.instance is not None
        url = f"{running.instance.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=running.base.local_key, max_retries=0) as made:
            yield made


async def test_a_real_engine_streams_through_is_cancelled_and_is_listed(client: openai.AsyncOpenAI) -> None:
    assert "llm:planner" in {model.id async for model in client.models.list()}
    messages: Any = [{"role": "user", "content": "What is the capital of France?"}]
    stream = await client.chat.completions.create(
        model="llm:planner", messages=messages, stream=True, max_tokens=24, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).strip()
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    left = await client.chat.completions.create(model="llm:planner", messages=messages, stream=True, max_tokens=2000)
    await anext(aiter(left))
    await left.close()


async def test_a_real_engine_is_probed_and_gets_the_loop_that_fits(client: openai.AsyncOpenAI) -> None:
    report = await client.post("/models/llm:planner/test", cast_to=object, body={})
    found = {each["name"]: each["status"] for each in report["findings"]}  # type: ignore[index]
    assert found["streaming"] == "yes"
    assert found["JSON schema"] == "yes"
    assert report["window"] == 4096  # type: ignore[index]
    assert report["loop"] == "text"  # type: ignore[index]


async def test_what_a_real_engine_says_by_itself_is_marked_on_the_page(
    client: openai.AsyncOpenAI, browser: Browser
) -> None:
    page = await browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="light")
    await page.goto(str(client.base_url).removesuffix("/v1/"))
    await page.fill("#text", "Tell me a joke about ships, in one sentence.")
    await page.press("#text", "Enter")
    await expect(page.locator(".steps.busy")).to_have_count(0, timeout=120_000)
    await expect(page.locator(".answer .unproved")).to_have_text(
        "Ungrounded: a model says this by itself, and nothing of it was checked"
    )
    assert (await page.locator(".said").inner_text()).strip()
    assert await page.locator(".cite").count() == 0
    await page.close()


@pytest.fixture
def repo(tmp_path: Path) -> str:
    (tmp_path / "a.py").write_text("def harbour_gate(ship):\n    return ship.draught < 9\n")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return f"path:{tmp_path}"


async def test_a_toy_model_never_makes_an_answer_of_its_own(client: openai.AsyncOpenAI, repo: str) -> None:
    said = await client.chat.completions.create(
        model="agent:coding",
        messages=[{"role": "user", "content": "where is `harbour_gate` defined?"}],
        extra_body={"groundswell": {"sources": {"repo": repo}}},
    )
    extension = (said.model_extra or {})["groundswell"]
    assert extension["status"] == "succeeded"
    assert "a.py" in (said.choices[0].message.content or "")
    assert all(claim["citations"] for claim in extension["claims"])
