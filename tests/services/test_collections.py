"""A collection is filled, asked and removed through the platform's own door, within its tenant."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

import groundswell
from services.test_api import events, finished

SHIPPED = Path(groundswell.__path__[0]) / "data" / "pages"


async def called(
    http: httpx2.AsyncClient, tool: str, arguments: dict[str, Any], pages: str = "", **headers: str
) -> Any:
    """The end of a run of one call, and the call's result."""
    body = {"agent": "web", "arguments": arguments, "sources": {"pages": pages} if pages else {}}
    run = (await http.post(f"/v1/tools/{tool}/calls", json=body, headers=headers)).json()
    told = await events(http, run["id"], **headers)
    calls = (await http.get(f"/v1/runs/{run['id']}/calls", headers=headers)).json()
    return told[-1]["body"], calls[0]["result"] if calls else None


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_from_a_folder_to_an_answer_and_away_again(http: httpx2.AsyncClient, foreign: dict[str, str]) -> None:
    _, filled = await called(http, "collection_fill", {"name": "harbour"}, f"path:{SHIPPED}")
    assert filled["value"]["pages"] == 6
    question = {"input": "Who is the harbour master?", "agent": "web", "sources": {"pages": "collection:harbour"}}
    run = await finished(http, question)
    (claim, *_) = run["answer"]["claims"]
    assert claim["text"].startswith("The harbour master is Ines Falk")
    assert claim["citations"][0]["source"].startswith("doc:harbour/harbour-arrival.md#L")
    evidence = (await http.get(f"/v1/evidence/{claim['citations'][0]['evidence']}")).json()
    assert claim["citations"][0]["quote"] in evidence["text"]
    refused, _ = await called(http, "collection_remove", {"name": "harbour"}, **foreign)
    assert refused["status"] == "failed"
    _, removed = await called(http, "collection_remove", {"name": "harbour"})
    assert removed["status"] == "ok"
    gone = await finished(http, question)
    assert gone["status"] != "succeeded" or not gone["answer"]["text"]


@pytest.mark.real
async def test_another_tenant_may_not_fill_from_a_folder(http: httpx2.AsyncClient, foreign: dict[str, str]) -> None:
    refused, _ = await called(http, "collection_fill", {"name": "mine"}, f"path:{SHIPPED}", **foreign)
    assert (refused["status"], refused["reason"]) == ("failed", "denied")
