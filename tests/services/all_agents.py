"""A platform on which every agent has run, with a model and without, over material that is full of secrets."""

import json
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2

from groundswell.core.settings import load
from groundswell.runtime.platform import Running
from groundswell.testing import Say, ScriptedModel
from services.serving import served
from services.test_api import events, finished
from services.test_collections import called

# none of these may be found anywhere but where it was put
CANARIES = {
    "question": "sk-proj-QuestionCanary0123456789",
    "attachment": "AKIAATTACHCANARY0001",
    "file": "ghp_FileCanaryFileCanaryFileCanary01234",
    "page": "glpat-PageCanaryPageCanary",
    "log": "hunter2LogCanary",
    "model": "sk-ant-api03-ModelCanaryModelCanary",
    "reasoning": "xoxb-1234567890-ReasonCanaryReason",
    "error": "sk-proj-ErrorCanaryErrorCanary0123",
    "arguments": "ghp_ArgumentCanaryArgumentCanary01234567",
}
EMAIL, CARD = "ada.canary@example.org", "4111 1111 1111 1111"


@dataclass
class Sink:
    """An OTLP endpoint that keeps what it gets."""

    url: str
    bodies: list[bytes] = field(default_factory=list[bytes])


@cache
def otlp() -> Sink:
    """Listen on loopback, until this process ends: so do the exporters, which are the process's."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink = Sink(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return sink


class Mouth:
    """Calls a tool, then answers; where the question says so, it fails."""

    def __call__(self, body: dict[str, Any]) -> Say:
        asked = json.dumps(body["messages"])
        if "fail now" in asked:
            return Say(status=400, text=f"bad request: api_key={CANARIES['error']}")
        if body.get("tools") and not any(m["role"] == "tool" for m in body["messages"]):
            names = {tool["function"]["name"] for tool in body["tools"]}
            arguments = {"pattern": f"retrying|{CANARIES['arguments']}"}
            if "repo_search" in names:
                return Say(calls=[("repo_search", arguments)], reasoning=f"the key is {CANARIES['reasoning']}")
        return Say(text=f"The key is {CANARIES['model']}, and {CARD} of {EMAIL} paid. NOT FOUND otherwise.")


@dataclass
class AllAgents:
    """What there is."""

    running: Running
    http: httpx2.AsyncClient
    log: Path | None
    runs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])


def _material(folder: Path) -> dict[str, str]:
    data = resources.files("groundswell") / "data"
    for name, into in (("sample", "repo"), ("incident", "dump"), ("pages", "pages")):
        with resources.as_file(data / name) as path:
            shutil.copytree(path, folder / into, ignore=shutil.ignore_patterns("__pycache__", ".ruff_cache"))
    (folder / "repo/harbour/secrets.py").write_text(
        f'"""Retrying needs a token."""\n\nTOKEN = "{CANARIES["file"]}"\n\n\ndef retrying_token():\n    return TOKEN\n'
    )
    page = folder / "pages/harbour-rules.md"
    page.write_text(page.read_text() + f"\n\nThe harbour master's token is {CANARIES['page']} in the office.\n")
    for log in (folder / "dump").rglob("*logs.txt"):
        line = f"2026-05-04T06:31:00Z FATAL could not log in: password={CANARIES['log']} for {EMAIL}\n"
        log.write_text(log.read_text().replace("==== END", f"{line}==== END"))
    git = ["git", "-C", str(folder / "repo"), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], check=True, timeout=20)
    return {name: str(folder / name) for name in ("repo", "dump", "pages")}


@asynccontextmanager
async def all_agents(folder: Path, sink: Sink | None = None) -> AsyncIterator[AllAgents]:
    """Start it, and ask."""
    places = _material(folder)
    with ScriptedModel(Mouth(), piece=7) as model:
        overrides = {
            "data": str(folder / "data"),
            "gateway.port": 0,
            "gateway.requests_per_minute": 100_000,
            "models.planner.url": model.url,
            "models.code.url": model.url,
            "embeddings.url": "none:",
            "telemetry.otlp_url": sink.url if sink else "",
        }
        log = folder / "platform.log" if sink else None
        async with served(load(folder, overrides, {"HOME": str(folder)}), log) as running:
            assert running.instance is not None
            async with httpx2.AsyncClient(base_url=running.instance.url, timeout=180) as http:
                there = AllAgents(running, http, log)
                await _ask(there, places)
                yield there


async def _ask(there: AllAgents, places: dict[str, str]) -> None:
    http, runs = there.http, there.runs
    repo, dump = {"repo": f"path:{places['repo']}"}, {"kubernetes": f"dump:{places['dump']}"}
    _, filled = await called(http, "collection_fill", {"name": "harbour"}, f"path:{places['pages']}")
    assert filled["status"] == "ok"
    pages = {"pages": "collection:harbour"}
    said = f"(my key is {CANARIES['question']}, mail {EMAIL}, card {CARD})"
    parts = [
        {"kind": "text", "text": f"Where is retrying defined? {said}"},
        {"kind": "attachment", "text": f"aws_access_key_id={CANARIES['attachment']}\nOSError: gone"},
    ]
    asked: dict[str, dict[str, Any]] = {
        "coding": {"input": [{"parts": parts}], "agent": "coding", "sources": repo},
        "coding secrets": {"input": "What does retrying_token return?", "agent": "coding", "sources": repo},
        "coding fails": {"input": "Why does retrying fail now?", "agent": "coding", "sources": repo},
        "web": {"input": f"Who is the harbour master? {said}", "agent": "web", "sources": pages},
        "web secrets": {"input": "What is the harbour master's token?", "agent": "web", "sources": pages},
        "observability": {"input": f"Why does mooring crash? {said}", "agent": "observability", "sources": dump},
        "nowhere": {"input": "Where is x defined?", "agent": "coding", "sources": {"repo": "path:/nowhere/at/all"}},
        "few steps": {
            "input": "Where is retrying defined?",
            "agent": "coding",
            "sources": repo,
            "limits": {"steps": 1},
        },
        "few calls": {"input": "Who calls retrying?", "agent": "coding", "sources": repo, "limits": {"tool_calls": 1}},
    }
    for name, body in asked.items():
        runs[name] = await finished(http, body)
    follow_up = {"input": "And who calls it?", "agent": "coding", "sources": repo, "thread": runs["coding"]["thread"]}
    runs["follow-up"] = await finished(http, follow_up)
    body = {"agent": "coding", "sources": repo, "arguments": {"pattern": f"TOKEN|{CANARIES['arguments']}"}}
    made = (await http.post("/v1/tools/repo_search/calls", json=body)).json()
    await events(http, made["id"])
    runs["one call"] = (await http.get(f"/v1/runs/{made['id']}")).json()
    arguments = {"namespace": "harbour", "pod": "mooring-58b7d6c9f-c2n8r"}
    body = {"agent": "observability", "sources": dump, "arguments": arguments}
    made = (await http.post("/v1/tools/pod_logs/calls", json=body)).json()
    await events(http, made["id"])
    runs["logs"] = (await http.get(f"/v1/runs/{made['id']}")).json()
    made = (await http.post("/v1/runs", json=asked["coding"])).json()
    await http.post(f"/v1/runs/{made['id']}/cancel")
    await events(http, made["id"])
    runs["cancelled"] = (await http.get(f"/v1/runs/{made['id']}")).json()
