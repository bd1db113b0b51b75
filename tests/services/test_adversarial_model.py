"""A model that loops, lies, floods and breaks off, under small limits: every run ends typed, and none overspends."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from groundswell.agents.loop.turn import LAST
from groundswell.backends.databases.connections import Database
from groundswell.core.settings import load
from groundswell.runtime import model_calls
from groundswell.runtime.platform import Running
from groundswell.testing import Say, ScriptedModel
from services import adversary
from services.serving import served
from write_path import trial

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    # a commit that is cut off by its run's end gives its connection up, of which psycopg's own generator complains
    pytest.mark.filterwarnings("ignore:Exception ignored in. <generator object BasePipeline"),
]
TYPED = {"succeeded", "exhausted", "failed"}
RESERVED = ("tool_calls", "tokens", "money", "bytes")
AT_ONCE = 12
# a call is begun within its run's seconds, by PostgreSQL's clock; and what a limit refuses is told by its name
LATE = """SELECT count(*) AS late FROM calls c JOIN runs r ON r.id = c.run
          WHERE c.begun > r.started + ((r.budget->>'seconds')::float8 + r.waited) * interval '1 second'"""


@pytest.fixture(autouse=True)
def extension() -> Iterator[None]:
    with adversary.installed():
        yield


@asynccontextmanager
async def platform(folder: Path, model: ScriptedModel) -> AsyncIterator[Running]:
    trial.LOGS["folder"] = folder
    overrides = {
        "data": str(folder / "data"),
        "gateway.port": 0,
        "gateway.requests_per_minute": 10**6,
        "runs.at_once": 16,
        "embeddings.url": "none:",
    }
    for role in ("planner", "code", "small"):
        overrides |= {f"models.{role}.url": model.url, f"models.{role}.at_once": 16}
        overrides[f"models.{role}.price"] = {"input": 3.0, "output": 15.0}
    async with served(load(folder / "config", overrides, {"HOME": str(folder)}), folder / "platform.log") as running:
        yield running


async def ended(database: Database, http: httpx2.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """A run, waited for; its row as it is in the end."""
    run = (await http.post("/v1/runs", json=body)).raise_for_status().json()["id"]
    while True:
        row = await database.row("SELECT * FROM runs WHERE id = %s", run)
        if row and row["ended"]:
            return row
        await asyncio.sleep(0.1)


async def settled(database: Database) -> list[dict[str, Any]]:
    """All runs, once the calls that were under way at their ends are settled too; or as they are after a while."""
    for _ in range(100):
        rows = await database.rows("SELECT * FROM runs")
        if not any(reserved(row) for row in rows):
            break
        await asyncio.sleep(0.1)
    return rows


def reserved(row: dict[str, Any]) -> bool:
    """Whether anything is still set aside for calls; sums of money that came and went leave a trace."""
    return any(abs(row[f"reserved_{name}"]) > 1e-9 for name in RESERVED)


def overspent(row: dict[str, Any]) -> list[str]:
    """The limits that a run went beyond; of its seconds, see LATE."""
    names = [name for name in adversary.LIMITS if name != "seconds"]
    return [name for name in names if row[name] > row["budget"][name] + (1e-9 if name == "money" else 0)]


@dataclass
class Attack:
    """What came of it."""

    seed: int
    runs: int = 0
    turns: int = 0
    depth: int = 0  # of the graphs below a run's own
    reached: int = 0  # runs whose model was asked
    ends: Counter[str] = field(default_factory=Counter[str])
    bites: Counter[str] = field(default_factory=Counter[str])  # which limit kept a run from going on
    wrong: Counter[str] = field(default_factory=Counter[str])

    def figures(self) -> dict[str, Any]:
        """All of it, in order."""
        counts = {name: dict(getattr(self, name).most_common()) for name in ("ends", "bites")}
        numbers = {name: getattr(self, name) for name in ("seed", "runs", "turns", "depth", "reached")}
        return {**numbers, **counts, "wrong": dict(+self.wrong)}

    def took(self, number: int, row: dict[str, Any], told: list[str]) -> None:
        """One run that has ended, and what its models were told."""
        self.runs += 1
        self.ends[f"{row['status']}({row['reason']})"] += 1
        self.wrong["untyped"] += row["status"] not in TYPED or (row["status"] != "succeeded" and not row["reason"])
        self.wrong["crashed"] += row["reason"] in ("agent_crashed", "crashed")
        self.wrong["leased again"] += row["epoch"] != 1
        said = f"{row['answer']} {told[-1:]}"
        self.reached += bool(told)
        # a loaded machine may use up a few seconds before the model is asked; no other limit may
        self.wrong["never asked"] += not told and adversary.tight(number) != "seconds"
        bitten = {name for name in adversary.LIMITS if f"{name.replace('_', ' ')}, and " in said}
        bitten |= {row["reason"]} if row["status"] == "exhausted" else set()
        if not bitten and told and LAST in told[-1]:  # the loop saw its limit coming, and asked for an answer in time
            early = len(told) < 3 and row["agent"] == "talker"  # twelve steps have room for three turns of it
            bitten = {f"{adversary.tight(number) if early else 'steps'}, foreseen"}
        self.bites.update(bitten)


async def attacked(folder: Path, count: int, seed: int, agent: str = "") -> Attack:
    """So many runs, some at once; of one agent, or of those that are drawn."""
    attack = Attack(seed)
    sys.stdout.write(f"seed {seed}\n")
    with ScriptedModel(adversary.adversary(seed), piece=4000) as model:
        async with platform(folder, model) as running:
            assert running.instance is not None
            database = running.base.database("router")
            await database.open()
            slots = asyncio.Semaphore(AT_ONCE)
            async with httpx2.AsyncClient(base_url=running.instance.url, timeout=60, trust_env=False) as http:

                async def one(number: int) -> None:
                    name = agent or adversary.agent(seed, number)
                    limits = adversary.limits(seed, number, name)
                    async with slots:
                        asked = {"input": adversary.question(number), "agent": name, "limits": limits}
                        row = await ended(database, http, asked)
                    attack.took(
                        number, row, [str(told) for told in model.requests if adversary.number_in(told) == number]
                    )

                await asyncio.gather(*(one(number) for number in range(count)))
                assert (await http.get("/ready")).status_code == 200
            for row in await settled(database):
                attack.wrong.update(f"overspent {name}" for name in overspent(row))
                attack.wrong["reserved"] += reserved(row)
            (late,) = await database.rows(LATE)
            attack.wrong["overspent seconds"] += late["late"]
            attack.wrong["effects"] += len(trial.lines("effects.log"))
            namespaces = await database.rows(
                "SELECT DISTINCT body->>'ns' AS ns FROM events WHERE kind = 'step.started'"
            )
            attack.depth = max(len(row["ns"].split("|")) if row["ns"] else 0 for row in namespaces)
            attack.turns = len(model.requests)
            await database.close()
        log = (folder / "platform.log").read_text()
        attack.wrong["crashes in the log"] += log.count("request.crashed") + log.count("Traceback")
    sys.stdout.write(f"{attack.figures()}\n")
    assert dict(+attack.wrong) == {}, f"seed {seed}"
    return attack


async def test_runs_with_an_adversary_for_a_model_end_typed_within_their_budgets(tmp_path: Path) -> None:
    attack = await attacked(tmp_path, 42, random.randrange(2**32))
    assert len(attack.bites) >= 4


async def test_agents_that_start_agents_without_end_share_one_budget(tmp_path: Path) -> None:
    attack = await attacked(tmp_path, 28, random.randrange(2**32), "delegator")
    assert attack.depth >= 2
    assert len(attack.bites) >= 3


@pytest.mark.long
async def test_two_hundred_runs_whose_agents_start_agents(tmp_path: Path) -> None:
    attack = await attacked(tmp_path, 210, random.randrange(2**32), "delegator")
    assert attack.depth == trial.DEEPEST - 1
    assert set(adversary.LIMITS) <= attack.bites.keys()


@pytest.mark.long
async def test_a_thousand_runs_with_an_adversary_for_a_model(tmp_path: Path) -> None:
    attack = await attacked(tmp_path, 1000, random.randrange(2**32))
    assert set(adversary.LIMITS) <= attack.bites.keys()
    assert min(attack.bites[name] for name in adversary.LIMITS) >= 20


async def test_where_a_lying_count_is_believed_a_run_overspends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the guard the test above would fail."""
    monkeypatch.setattr(model_calls, "_believed", lambda serving, usage, reserve: serving.cost(usage))
    lie = Say(text=adversary.END, usage=(10**9, 10**9))
    with ScriptedModel(lambda body: lie) as model:
        async with platform(tmp_path, model) as running:
            assert running.instance is not None
            database = running.base.database("router")
            await database.open()
            body = {"input": adversary.question(0), "agent": "talker", "limits": {"steps": 12}}
            async with httpx2.AsyncClient(base_url=running.instance.url, timeout=60, trust_env=False) as http:
                row = await ended(database, http, body)
            await database.close()
    assert overspent(row) == ["tokens", "money"]
