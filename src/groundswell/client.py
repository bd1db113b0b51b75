"""The platform's Python client: what the CLI, the Checks and users' programs talk through.

    async with Client("http://127.0.0.1:8080", key) as platform:
        run = await platform.start(NewRun.model_validate({"input": "Where is the retry policy?", "agent": "coding"}))
        async for event in platform.follow(run.id):
            print(event.kind)
        print(outcome(await platform.show(run.id)))

What the platform refuses is raised as the error it is (`groundswell.core.errors`).
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Self

import httpx2

from groundswell.core.errors import GroundswellError, Unavailable, from_problem
from groundswell.core.records import (
    ENDED,
    Choice,
    Decision,
    Event,
    Evidence,
    NewRun,
    PendingCall,
    Prune,
    Pruning,
    Route,
    Run,
    Thread,
)

SECONDS = 60.0
QUIET_SECONDS = 45.0  # a stream says something every 15 s; one that is silent for longer is dead
TEST_SECONDS = 300.0
EVENT_BYTES = 32 * 2**20
WAITS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # between attempts to take a stream up again; then the last one


class Client:
    """One platform, by its address; `key` is the local key or one of `groundswell keys create`."""

    def __init__(
        self, url: str, key: str = "", *, patience: float = 30.0, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """`patience` is for how many seconds a stream that broke is taken up again. Raises Unavailable."""
        self.url, self.patience = url.rstrip("/"), patience
        try:
            self._http = httpx2.AsyncClient(
                base_url=self.url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx2.Timeout(SECONDS, connect=5.0),
                transport=transport,
                trust_env=False,
            )
        except httpx2.InvalidURL as error:
            raise _no_address(self.url) from error

    async def __aenter__(self) -> Self:
        """Use it in `async with`, so that its connections are given up."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the connections up."""
        await self._http.aclose()

    # Runs.

    async def start(self, request: NewRun, *, idempotency_key: str = "") -> Run:
        """Start a run; it is durable when this returns. The same key gives the first run again."""
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        body = request.model_dump(mode="json")
        return Run.model_validate(await self._json("POST", "/v1/runs", json=body, headers=headers))

    async def stream(self, request: NewRun, *, idempotency_key: str = "") -> AsyncGenerator[Event]:
        """Start a run and tell its events as they happen; leaving does not end the run."""
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        body = request.model_dump(mode="json")
        run, last = "", 0
        with contextlib.suppress(_Broken):
            async for event in self._events("POST", "/v1/runs", headers, json=body):
                run, last = event.run, event.number
                yield event
                if event.kind == "answer":
                    return
        run = run or (await self.start(request, idempotency_key=headers["Idempotency-Key"])).id
        async for event in self.follow(run, last):
            yield event

    async def follow(self, run: str, after: int = 0) -> AsyncGenerator[Event]:
        """Every event of a run after a number, once and in order, until it has ended; a broken stream is taken up."""
        failures, since = 0, asyncio.get_running_loop().time()
        while True:
            error: GroundswellError | None = None
            try:
                async for event in self._events("GET", f"/v1/runs/{run}/events", {"Last-Event-ID": str(after)}):
                    if event.number <= after:
                        continue
                    after, failures, since = event.number, 0, asyncio.get_running_loop().time()
                    yield event
                    if event.kind == "answer":
                        return
                if (await self.show(run)).status in ENDED:  # all of it was told before
                    return
            except _Broken as broken:
                error = broken.error
            except Unavailable as away:
                error = away
            if asyncio.get_running_loop().time() - since > self.patience:
                raise error or Unavailable("stream_lost", f"the events of {run} do not come", "groundswell status")
            await asyncio.sleep(WAITS[min(failures, len(WAITS) - 1)])
            failures += 1

    async def show(self, run: str) -> Run:
        """A run as it stands; with its answer, once it has one."""
        return Run.model_validate(await self._json("GET", f"/v1/runs/{run}"))

    async def runs(
        self, *, limit: int = 50, cursor: str = "", thread: str = "", status: str = ""
    ) -> tuple[list[Run], str]:
        """Runs, newest first, and the cursor of the page that follows (empty: none does)."""
        asked = {"limit": str(limit), "cursor": cursor, "thread": thread, "status": status}
        page = await self._json("GET", "/v1/runs", params=asked)
        return [Run.model_validate(run) for run in page["runs"]], page["next"]

    async def cancel(self, run: str) -> Run:
        """Ask a run to stop; its last event says when it did. Raises Conflict where it has ended."""
        return Run.model_validate(await self._json("POST", f"/v1/runs/{run}/cancel"))

    async def delete(self, run: str) -> Pruning:
        """Delete an ended run with all that is its own. Raises Conflict where it is under way or waits."""
        return Pruning.model_validate(await self._json("DELETE", f"/v1/runs/{run}"))

    async def export(self, run: str) -> bytes:
        """A run that has ended as one file, which `groundswell runs replay` reads."""
        return (await self._answered("GET", f"/v1/runs/{run}/export")).content

    async def prune(self, request: Prune) -> Pruning:
        """Prune what is due; asked again until nothing more is."""
        total = Pruning()
        while True:
            done = Pruning.model_validate(
                await self._json("POST", "/v1/prune", json=request.model_dump(mode="json", exclude_defaults=True))
            )
            total = total.plus(done)
            if not done.more:
                return total

    async def calls(self, run: str) -> list[dict[str, Any]]:
        """The calls of a run with their results, in the order in which they were begun."""
        return await self._json("GET", f"/v1/runs/{run}/calls")

    async def approvals(self, run: str = "") -> list[PendingCall]:
        """What waits for a person in this tenant; of one run also what is decided."""
        path = f"/v1/runs/{run}/approvals" if run else "/v1/approvals"
        return [PendingCall.model_validate(call) for call in await self._json("GET", path)]

    async def decide(self, pending: PendingCall, choice: Choice, *, reason: str = "") -> PendingCall:
        """Approve or deny a call, or say whether an effect happened; the run goes on where it was.

        It holds for the arguments that were shown, and for no others. Raises Conflict and Denied.
        """
        decision = Decision(call=pending.call, digest=pending.digest, choice=choice, reason=reason)
        body = decision.model_dump(mode="json")
        return PendingCall.model_validate(await self._json("POST", f"/v1/runs/{pending.run}/approvals", json=body))

    async def evidence(self, digest: str, *, run: str = "", source: str = "") -> Evidence:
        """The stored bytes behind a citation; 8 characters of the digest are enough."""
        body = await self._json("GET", f"/v1/evidence/{digest}", params={"run": run, "source": source})
        return Evidence.model_validate(body)

    async def threads(self, *, limit: int = 50) -> list[Thread]:
        """Conversations, latest first."""
        found = await self._json("GET", "/v1/threads", params={"limit": str(limit)})
        return [Thread.model_validate(thread) for thread in found]

    async def thread(self, thread: str) -> Thread:
        """One conversation."""
        return Thread.model_validate(await self._json("GET", f"/v1/threads/{thread}"))

    async def route(self, request: NewRun) -> Route:
        """Which agent would answer, without a run."""
        return Route.model_validate(await self._json("POST", "/v1/route", json=request.model_dump(mode="json")))

    # The catalogue.

    async def agents(self) -> list[dict[str, Any]]:
        """The agents, as this caller may use them."""
        return await self._json("GET", "/v1/agents")

    async def agent(self, name: str) -> dict[str, Any]:
        """What one agent may do for this caller."""
        return await self._json("GET", f"/v1/agents/{name}")

    async def tools(self) -> list[dict[str, Any]]:
        """The tools, and which agents may use them for this caller."""
        return await self._json("GET", "/v1/tools")

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        agent: str,
        sources: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> Run:
        """Start a run of one tool call, under an agent's policies; `calls` has its result once the run has ended."""
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        body = {"agent": agent, "arguments": dict(arguments), "sources": dict(sources or {})}
        return Run.model_validate(await self._json("POST", f"/v1/tools/{name}/calls", json=body, headers=headers))

    async def models(self) -> list[dict[str, Any]]:
        """The agents and the roles that have a model, as OpenAI's clients see them."""
        return (await self._json("GET", "/v1/models"))["data"]

    async def test_model(self, role: str) -> dict[str, Any]:
        """What the model of a role can do, and which loop will be used with it."""
        timeout = httpx2.Timeout(TEST_SECONDS, connect=5.0)
        return await self._json("POST", f"/v1/models/llm:{role}/test", timeout=timeout)

    # The platform.

    async def keys(self, *, tenant: str = "") -> list[dict[str, Any]]:
        """The API keys of this caller's tenant, without themselves; for the scope `admin` also another's."""
        return await self._json("GET", "/v1/keys", params={"tenant": tenant})

    async def create_key(
        self, name: str, *, caller: str = "", scopes: Sequence[str] = ("runs",), tenant: str = ""
    ) -> dict[str, Any]:
        """A new API key: `key` is its text, which is shown this once, `record` the rest."""
        body = {"name": name, "caller": caller, "scopes": list(scopes), "tenant": tenant}
        return await self._json("POST", "/v1/keys", json=body)

    async def revoke_key(self, key: str, *, tenant: str = "") -> dict[str, Any]:
        """Take an API key back, at once."""
        return await self._json("DELETE", f"/v1/keys/{key}", params={"tenant": tenant})

    async def tenants(self) -> list[dict[str, Any]]:
        """The tenants there are, for the scope `admin`."""
        return await self._json("GET", "/v1/tenants")

    async def platform(self) -> dict[str, Any]:
        """The platform's version, and how each service stands."""
        return await self._json("GET", "/v1/platform")

    async def health(self) -> dict[str, Any]:
        """Whether the gateway answers."""
        return await self._json("GET", "/health")

    async def ready(self) -> dict[str, Any]:
        """What the platform works with; raises Unavailable where a service is not ready."""
        return await self._json("GET", "/ready")

    async def page(self, path: str) -> str:
        """What the platform shows people at a path, as text."""
        return (await self._answered("GET", path)).text

    async def completion(
        self, model: str, messages: Sequence[Mapping[str, str]], *, max_tokens: int = 64
    ) -> AsyncGenerator[dict[str, Any]]:
        """The chunks of a chat completion, as OpenAI's clients see them; the last one has the usage."""
        body = {"model": model, "messages": [dict(message) for message in messages], "max_tokens": max_tokens}
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        timeout = httpx2.Timeout(TEST_SECONDS, connect=5.0)
        try:
            async with self._http.stream("POST", "/v1/chat/completions", json=body, timeout=timeout) as response:
                if response.is_error:
                    await response.aread()
                    raise _refused(response)
                async for message in httpx2.EventSource(response, EVENT_BYTES):
                    if message.data == "[DONE]":
                        return
                    yield json.loads(message.data)
        except httpx2.TransportError as error:
            raise self._away(error) from error

    async def _answered(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """A response that is no error."""
        try:
            response = await self._http.request(method, path, **given)
        except httpx2.TransportError as error:
            raise self._away(error) from error
        if response.is_error:
            raise _refused(response)
        return response

    async def _json(self, method: str, path: str, **given: Any) -> Any:
        response = await self._answered(method, path, **given)
        try:
            return response.json()
        except ValueError as error:
            raise _no_platform(self.url) from error

    async def _events(self, method: str, path: str, headers: Mapping[str, str], **given: Any) -> AsyncIterator[Event]:
        """The events of one stream; raises `_Broken` where it breaks after it began."""
        began = False
        try:
            asking = {"Accept": "text/event-stream", **headers}
            timeout = httpx2.Timeout(SECONDS, connect=5.0, read=QUIET_SECONDS)
            async with self._http.stream(method, path, headers=asking, timeout=timeout, **given) as response:
                if response.is_error:
                    await response.aread()
                    raise _refused(response)
                began = True
                async for message in httpx2.EventSource(response, EVENT_BYTES):
                    yield Event.model_validate_json(message.data)
        except httpx2.SSEError as error:
            raise _no_platform(self.url) from error
        except httpx2.TransportError as error:
            away = self._away(error)
            raise (_Broken(away) if began else away) from error

    def _away(self, error: Exception) -> Unavailable:
        if isinstance(error, httpx2.UnsupportedProtocol):
            return _no_address(self.url)
        message = f"no platform answers at {self.url} ({type(error).__name__})"
        return Unavailable("platform_away", message, "start one: groundswell up")


class _Broken(Exception):
    """A stream ended before its run did."""

    def __init__(self, error: Unavailable) -> None:
        super().__init__(str(error))
        self.error = error


def outcome(run: Run) -> dict[str, Any]:
    """What a run came to, as the one object that `--json` prints."""
    answer = run.answer.model_dump(mode="json") if run.answer else {}
    spent = run.spent.model_dump(mode="json")
    return {
        "run": run.id,
        "agent": run.agent,
        "status": run.status,
        "mode": run.mode,
        "answer": answer.get("text", ""),
        "claims": answer.get("claims", []),
        "ranked": answer.get("ranked", []),
        "route": run.route.model_dump(mode="json") if run.route else None,
        "spent": {name: spent[name] for name in ("steps", "tool_calls", "tokens", "seconds")},
        "reason": run.reason,
        "needs_model": answer.get("needs_model", False),
        "question": answer.get("question", ""),
        "missing": answer.get("missing", []),
        "error": run.error.model_dump(mode="json", exclude={"status"}) if run.error else None,
    }


def failure(error: GroundswellError, agent: str = "") -> dict[str, Any]:
    """The same object where there is no run to tell of."""
    return {
        "run": "",
        "agent": agent,
        "status": "failed",
        "mode": "",
        "answer": "",
        "claims": [],
        "ranked": [],
        "route": None,
        "spent": {"steps": 0, "tool_calls": 0, "tokens": 0, "seconds": 0.0},
        "reason": error.code,
        "needs_model": False,
        "question": "",
        "missing": [],
        "error": {"code": error.code, "message": error.message, "hint": error.hint},
    }


def _refused(response: httpx2.Response) -> GroundswellError:
    try:
        body = response.json()
    except ValueError:
        body = None
    known: dict[str, Any] = (
        body if isinstance(body, dict) else {"detail": response.text[:300] or response.reason_phrase}
    )
    if isinstance(said := known.get("error"), dict):  # as OpenAI's clients read it
        known = {"code": said.get("code") or f"http_{response.status_code}", "detail": said.get("message", "")}
    return from_problem(known, response.status_code)


def _no_address(url: str) -> Unavailable:
    return Unavailable("bad_address", f"{url!r} is no address of a platform", "write it as http://127.0.0.1:8080")


def _no_platform(url: str) -> Unavailable:
    return Unavailable("no_platform", f"what answers at {url} is not Groundswell", "another --url, or --port for `up`")
