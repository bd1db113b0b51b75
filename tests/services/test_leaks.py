"""Secrets in questions, files, pages, logs and models reach no sink; e-mail and cards reach no telemetry."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from opentelemetry import metrics, trace

from groundswell.backends.databases.embedded import ROLE
from groundswell.runtime import telemetry
from services.all_agents import CANARIES, CARD, EMAIL, AllAgents, all_agents, otlp
from services.test_api import events

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AllAgents]:
    async with all_agents(tmp_path_factory.mktemp("leaks"), otlp()) as found:
        yield found


def leaks(text: str) -> set[str]:
    return {name for name, canary in CANARIES.items() if canary in text}


async def test_the_canaries_were_where_they_might_have_leaked_from(there: AllAgents):
    """What stands around them was read: else the other tests would show nothing."""
    text = str(await tables(there))
    for around in ("my key is", "aws_access_key_id=", "TOKEN = ", "token is", "could not log in", "The key is"):
        assert around in text, around
    assert text.count("[secret:") > 10
    assert {run["agent"] for run in there.runs.values()} == {"coding", "web", "observability"}
    assert " model:" in text


async def tables(there: AllAgents) -> dict[str, list[str]]:
    """Every row of every table, as text; what is packed in bytes is read as text, too."""
    url = there.running.base.database_url.replace("{role}", ROLE)
    found: dict[str, list[str]] = {}
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        sql = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('groundswell', 'langgraph')"
        for schema, table in await (await db.execute(sql)).fetchall():
            rows = await (await db.execute(f'SELECT * FROM {schema}."{table}"')).fetchall()
            found[table] = [
                " ".join(c.decode(errors="replace") if isinstance(c, bytes) else str(c) for c in row) for row in rows
            ]
    return found


async def test_no_secret_is_in_any_table(there: AllAgents):
    for table, rows in (await tables(there)).items():
        for row in rows:
            assert not leaks(row), (table, row[:300])


async def test_no_secret_is_told_by_the_api_the_page_or_an_export(there: AllAgents):
    for run in there.runs.values():
        for path in ("", "/events", "/calls", "/export"):
            told = await there.http.get(f"/v1/runs/{run['id']}{path}")
            assert told.status_code == 200
            assert not leaks(told.text), path
        await events(there.http, run["id"])
    for path in ("/", "/v1/runs", "/v1/threads", "/openapi.json", "/v1/platform"):
        assert not leaks((await there.http.get(path)).text), path
    refused = await there.http.post("/v1/runs", json={"input": "x", "agent": CANARIES["question"]})
    assert refused.status_code == 404


async def test_neither_secrets_nor_personal_data_are_in_telemetry(there: AllAgents):
    for text in (f"{CANARIES['log']} of", f"mail {EMAIL}, card {CARD}"):
        telemetry.log.warning("test.line", text=f"password={text}", **{EMAIL: CARD})
        logging.getLogger("library").warning("password=%s", text)
        telemetry.count("test.counter", who=EMAIL, card=CARD)
        telemetry.measured("test.seconds", 1.0, who=EMAIL)
        with pytest.raises(ValueError, match="password"), telemetry.span(f"to {EMAIL}", "test", {"card": CARD}):
            raise ValueError(f"password={text}")
    tracer, meter = trace.get_tracer_provider(), metrics.get_meter_provider()
    await asyncio.to_thread(tracer.force_flush)  # type: ignore[attr-defined]
    await asyncio.to_thread(meter.force_flush)  # type: ignore[attr-defined]
    assert there.log is not None
    log = await asyncio.to_thread(Path.read_text, there.log)
    sent = b"".join(otlp().bodies).decode(errors="replace")
    for sink in (log, sent):
        assert not leaks(sink)
        assert EMAIL not in sink
        assert CARD not in sink
        assert "[email]" in sink
        assert "[card]" in sink
    assert "invoke_agent coding" in sent
    assert "test.counter" in sent
    answered = str([run["answer"] for run in there.runs.values()]) + str(await tables(there))
    assert EMAIL in answered  # it is the user's own


async def test_what_a_model_streams_is_redacted_across_its_pieces(there: AllAgents):
    told = await events(there.http, there.runs["coding secrets"]["id"])
    texts = [event["body"] for event in told if event["body"]["kind"] == "text"]
    assert texts
    said = "".join(body["text"] + body["reasoning"] for body in texts)
    assert not leaks(said)
    assert "[secret:" in said
