"""Looks for model engines on this machine: Ollama and llama.cpp at their usual ports. Nothing is used unasked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

PORTS = (11434, 8080, 8081, 8082, 8000, 1234)
SECONDS = 1.0


@dataclass(frozen=True)
class Engine:
    """An engine that answers."""

    url: str
    kind: str
    models: tuple[str, ...]


async def found(ports: Sequence[int] = PORTS, leave_out: Sequence[int] = ()) -> list[Engine]:
    """Engines on loopback that list their models; `leave_out` are ports of our own."""
    async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as client:
        asked = [port for port in ports if port not in leave_out]
        engines = await asyncio.gather(*(_at(client, port) for port in asked))
    return [engine for engine in engines if engine is not None]


async def _at(client: httpx2.AsyncClient, port: int) -> Engine | None:
    url = f"http://127.0.0.1:{port}/v1"
    try:
        answer = await client.get(f"{url}/models")
        body = answer.json() if answer.is_success else None
    except (httpx2.HTTPError, ValueError):
        return None
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        return None
    known = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
    if any(row.get("owned_by") == "groundswell" for row in known):
        return None  # ourselves
    owners = {str(row.get("owned_by", "")) for row in known}
    kind = "Ollama" if port == 11434 else "llama.cpp" if "llamacpp" in owners else "an OpenAI-compatible server"
    return Engine(url, kind, tuple(row["id"] for row in known))


def lines(engine: Engine) -> list[str]:
    """The settings that would use it."""
    chosen = engine.models[0] if engine.models else ""
    return ["[models.planner]", f'url = "{engine.url}"', f'model = "{chosen}"']
