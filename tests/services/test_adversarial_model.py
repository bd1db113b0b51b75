"""A model that loops, lies, floods and breaks off, under small limits: every run ends typed, and none overspends."""

import asyncio
import functools
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx2
import pytest

from groundswell.core.settings import load
from groundswell.runtime import discovery, model_calls
from groundswell.runtime.breaker import Breaker
from groundswell.runtime.platform import Running
from groundswell.testing import Say, ScriptedModel
from services.serving import served
from write_path import trial

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
LIMITS = ("steps", "tool_calls", "tokens", "money", "bytes")
TYPED = {"succeeded", "exhausted", "failed"}
LOOK = ("trial_look", {"q": "second"})
JUNK = "\u0000\u202e\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def adversary(seed: int) -> Any:
    """What it does is drawn from a seed and the request alone."""

    def says(body: dict[str, Any]) -> Say | str:
        chance = random.Random(f"{seed} {json.dumps(body['messages'])}")
        some = chance.randrange(10**6)
        turns: list[Say | str] = [
            Say(calls=[LOOK]),  # again and again
            Say(calls=[("trial_look", {"q": f"{some}"})] * chance.randrange(1, 40)),
            Say(calls=[("trial_look", {"q": f"{n}"}) for n in range(chance.randrange(1, 130))]),
            Say(calls=[("wipe_disk", {"path": "/"}), LOOK]),
            Say(calls=[("trial_mark", {"text": "done without being asked"})]),
            Say(calls=[("trial_look", '{"q": "unended')]),
            Say(calls=[("trial_look", "[" * 5000), ("trial_look", "null"), ("", "{}")]),
            Say(calls=[("trial_look", {"q": ["no", {"text": some}], "else": 1})]),
            Say(calls=[("trial_look", {"q": "x" * 20_000, "wait": -1})]),
            Say(text="word " * 3000, reasoning="thus " * 3000),
            Say(text='It is so [E99 "nobody wrote this"] [E1 "line of never"].'),
            Say(text="There is a line of gold.\n" * 200),
            Say(text=f'{{"name": "trial_look", "arguments": {{"q": {some}'),
            Say(text=JUNK * 50, calls=[("trial_look", {"q": JUNK})]),
            Say(text='There is a line of first [E1 "line of first"].', usage=(10**9, 10**9)),
            Say(calls=[LOOK], usage=(0, 0)),
            Say(text="half a word", fault="cut"),
            Say(text="half a word", fault="garbage"),
            Say(text="more and more", fault="endless"),
            Say(fault="empty"),
            Say(text="you may not", status=chance.choice([400, 401, 404, 413, 422])),
            'There is a line of first [E1 "line of first"].',
        ]
        return chance.choice(turns[:10] * 2 + turns)  # mostly calls: words end a run

    return says


@pytest.fixture
def extension() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(discovery, "entry_points", lambda group: [EntryPoint("trial", "write_path.trial", group)])
    # a model that is left to rest can do no harm
    patch.setattr(model_calls, "Breaker", functools.partial(Breaker, failures=10**9))
    cached = (discovery.extensions, discovery.agents, discovery.tools, discovery.policies)
    for each in cached:
        each.cache_clear()
    yield
    patch.undo()
    for each in cached:
        each.cache_clear()


@asynccontextmanager
async def platform(folder: Path, model: ScriptedModel) -> AsyncIterator[Running]:
    trial.LOGS["folder"] = folder
    overrides = {
        "data": str(folder / "data"),
        "gateway.port": 0,
        "gateway.requests_per_minute": 10**6,
        "runs.at_once": 16,
        "models.planner.url": model.url,
        "models.planner.at_once": 16,
        "models.planner.price": {"input": 3.0, "output": 15.0},
        "embeddings.url": "none:",
    }
    async with served(load(folder / "config", overrides, {"HOME": str(folder)}), folder / "platform.log") as running:
        yield running


async def outcome(running: Running, number: int, seed: int, limited: bool = True) -> dict[str, Any]:
    """A run under limits drawn by chance, waited for; its row as it is in the end."""
    chance = random.Random(f"{seed} {number}")
    limits: dict[str, Any] = {"steps": chance.randrange(6, 13)}
    if limited:
        limits["tool_calls"] = chance.choice([1, 3, 20, 60])
        limits["tokens"] = chance.choice([100, 8000, 20_000, 100_000, 400_000])
        limits["money"] = chance.choice([0.01, 0.2, 2.0, 2.0])
        limits["bytes"] = chance.choice([300_000, 10**7, 10**7, 10**7, 10**7])
    body = {"input": f"What is there, for the {number}th time?", "agent": "talker", "limits": limits}
    assert running.instance is not None
    async with httpx2.AsyncClient(base_url=running.instance.url, timeout=60, trust_env=False) as http:
        run = (await http.post("/v1/runs", json=body)).raise_for_status().json()["id"]
    database = running.base.database("router")
    await database.open()
    try:
        while True:
            row = await database.row("SELECT * FROM runs WHERE id = %s", run)
            if row and row["ended"]:
                return row
            await asyncio.sleep(0.1)
    finally:
        await database.close()


async def settled(running: Running) -> list[dict[str, Any]]:
    """All runs, once the calls that were under way at their ends are settled too; or as they are after a while."""
    database = running.base.database("router")
    await database.open()
    try:
        for _ in range(100):
            rows = await database.rows("SELECT * FROM runs")
            if not any(row[f"reserved_{name}"] for row in rows for name in LIMITS[1:]):
                break
            await asyncio.sleep(0.1)
        return rows
    finally:
        await database.close()


def overspent(row: dict[str, Any]) -> list[str]:
    """The limits that a run went beyond."""
    return [name for name in LIMITS if row[name] > row["budget"][name] + (1e-9 if name == "money" else 0)]


async def attacked(folder: Path, count: int, seed: int) -> Counter[str]:
    """So many runs, some at once."""
    sys.stdout.write(f"seed {seed}\n")
    ends, faults = Counter[str](), Counter[str]()
    with ScriptedModel(adversary(seed), piece=400) as model:
        async with platform(folder, model) as running:
            slots = asyncio.Semaphore(12)

            async def one(number: int) -> None:
                async with slots:
                    row = await outcome(running, number, seed)
                ends[f"{row['status']}({row['reason']})"] += 1
                faults["untyped"] += row["status"] not in TYPED or (row["status"] != "succeeded" and not row["reason"])
                faults["crashed"] += row["reason"] in ("agent_crashed", "crashed")
                faults["leased again"] += row["epoch"] != 1

            await asyncio.gather(*(one(number) for number in range(count)))
            for row in await settled(running):
                faults.update(f"overspent {name}" for name in overspent(row))
                faults["reserved"] += any(row[f"reserved_{name}"] for name in LIMITS[1:])
            faults["effects"] += len(trial.lines("effects.log"))
            async with httpx2.AsyncClient(base_url=running.instance.url, trust_env=False) as http:  # type: ignore
                assert (await http.get("/ready")).status_code == 200
        log = (folder / "platform.log").read_text()
        faults["crashes in the log"] += log.count("request.crashed") + log.count("Traceback")
        sys.stdout.write(f"{count} runs, {len(model.requests)} turns: {dict(ends)}; wrong: {dict(+faults)}\n")
        assert len(model.requests) > count / 2
    assert dict(+faults) == {}, f"seed {seed}"
    return ends


@pytest.mark.long
async def test_two_hundred_runs_with_an_adversary_for_a_model_end_typed_within_their_budgets(
    extension: None, tmp_path: Path
) -> None:
    ends = await attacked(tmp_path, 200, random.randrange(2**32))
    assert len(ends) >= 3


@pytest.mark.long
async def test_a_thousand_runs_with_an_adversary_for_a_model(extension: None, tmp_path: Path) -> None:
    await attacked(tmp_path, 1000, random.randrange(2**32))


async def test_where_a_lying_count_is_believed_a_run_overspends(
    extension: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the guard the test above would fail."""
    monkeypatch.setattr(model_calls, "_believed", lambda serving, usage, reserve: serving.cost(usage))
    lie = Say(text='There is a line of first [E1 "line of first"].', usage=(10**9, 10**9))
    with ScriptedModel(lambda body: lie) as model:
        async with platform(tmp_path, model) as running:
            row = await outcome(running, 0, 0, limited=False)
    assert overspent(row) == ["tokens", "money"]
