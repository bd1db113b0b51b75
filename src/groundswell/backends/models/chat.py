"""`http:`, `https:` – turns of a model behind any server that speaks OpenAI's `/chat/completions`."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from groundswell.backends.models.chat_assembly import Assembly, Delta, NotAReply
from groundswell.core.errors import ConfigError, GroundswellError, Invalid, Unavailable
from groundswell.core.records import ChatMessage, ChatReply, ChatRequest

ATTEMPTS = 3  # before the first byte; after it a turn is not asked again
WAITS = (0.2, 1.0)  # seconds between them, where the server does not say
LONGEST_WAIT = 10.0
CONNECT_SECONDS = 5.0
EVENT_BYTES = 4 * 2**20
REPLY_CHARACTERS = 400_000  # more is no answer
TOKEN_CHARACTERS = 16  # hardly a token is longer: who sends more of these than were asked for does not count them
DEFAULT_WINDOW = 8192
_TOO_LONG = ("context_length_exceeded", "context length", "context size", "maximum context", "exceed_context")
_NO_TOOLS = ("tool choice", "tool_choice", "tool-call-parser", "does not support tools", "--jinja", "tools param")
_NO_FORM = ("response_format", "json_schema", "guided", "grammar")


@dataclass(frozen=True)
class Endpoint:
    """Where a model is, and how it is asked."""

    url: str
    model: str = ""
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    window: int = 0
    seconds: float = 300.0


class ChatModel:
    """One model. `name` and `window` are known after `ready`."""

    schemes = ("http", "https")

    def __init__(self, endpoint: Endpoint, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.endpoint, self.name, self.window = endpoint, endpoint.model, endpoint.window
        self._url = endpoint.url.rstrip("/")
        headers = dict(endpoint.headers)
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        try:
            self._client = httpx2.AsyncClient(
                headers=headers,
                params=dict(endpoint.query),
                timeout=httpx2.Timeout(endpoint.seconds, connect=CONNECT_SECONDS),
                transport=transport,
                trust_env=False,
            )
        except httpx2.InvalidURL as error:
            raise ConfigError("model_url", f"{self._url!r} is no address: {error}") from error

    async def ready(self) -> None:
        """Learn the model's name and window, where the settings do not say; raises Unavailable."""
        if self.name and self.window:
            return
        try:
            rows = _rows(await self._get(f"{self._url}/models"))
        except (Unavailable, ConfigError):
            if not self.name:
                raise
            rows = []  # some servers list nothing
        row = next((row for row in rows if row.get("id") == self.name), rows[0] if rows and not self.name else {})
        self.name = self.name or str(row.get("id", ""))
        if not self.name:
            raise Unavailable("model_unnamed", f"{self._url} lists no models", "name one: model = in its settings")
        self.window = self.window or _window(row) or await self._served_window() or DEFAULT_WINDOW

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta | ChatReply]:
        """What the model says as it says it, then the whole reply. Raises Unavailable, Invalid and ConfigError.

        `Invalid("context_too_long")` and `Invalid("tools_unsupported")` are for the caller to ask otherwise.
        """
        await self.ready()
        seconds = min(request.seconds or self.endpoint.seconds, self.endpoint.seconds)
        assembly = Assembly(request)
        longest = min(REPLY_CHARACTERS, 1000 + TOKEN_CHARACTERS * request.max_tokens)
        try:
            async with asyncio.timeout(seconds):
                async with self._opened(self._body(request)) as response:
                    async for chunk in _chunks(response):
                        if (delta := self._taken(assembly, chunk)) is not None:
                            yield delta
                        if assembly.size > longest:
                            raise self._cut("it would not stop", assembly)
        except TimeoutError as error:
            raise self._cut(f"it did not finish within {seconds:.0f} s", assembly, "model_deadline") from error
        except httpx2.SSEError as error:
            raise self._cut("what it sent is no stream of events", assembly, "model_garbage") from error
        except httpx2.TransportError as error:
            raise self._cut(f"the connection broke ({type(error).__name__})", assembly) from error
        if not assembly.complete:
            raise self._cut("it stopped in the middle", assembly)
        yield assembly.reply(self.name)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The whole reply."""
        async for said in self.stream(request):
            if isinstance(said, ChatReply):
                return said
        raise AssertionError("a stream ends with its reply")

    async def passed_through(self, body: dict[str, Any]) -> AsyncGenerator[str]:
        """The events of a chat completion as the engine sends them, for a request as a client wrote it.

        A request that does not stream gets one event: the whole reply.
        """
        await self.ready()
        try:
            async with asyncio.timeout(self.endpoint.seconds), self._opened({**body, "model": self.name}) as response:
                async for chunk in _chunks(response):
                    yield chunk
        except TimeoutError as error:
            message = f"the model did not finish within {self.endpoint.seconds:.0f} s"
            raise Unavailable("model_deadline", message) from error
        except (httpx2.SSEError, httpx2.TransportError) as error:
            message = f"the reply of {self.name} broke off ({type(error).__name__})"
            raise Unavailable("model_cut_off", message) from error

    async def close(self) -> None:
        """Give up connections."""
        await self._client.aclose()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [_written(message) for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.tools:
            body["tools"] = [{"type": "function", "function": tool.model_dump()} for tool in request.tools]
        if request.form is not None:
            form = {"name": "reply", "schema": request.form, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def _opened(self, body: dict[str, Any]) -> "_Opening":
        return _Opening(self, body)

    async def send(self, body: dict[str, Any]) -> httpx2.Response:
        """A response whose body has not come yet. What fails before the first byte is tried again."""
        for attempt in range(ATTEMPTS):
            last = attempt + 1 == ATTEMPTS
            try:
                request = self._client.build_request("POST", f"{self._url}/chat/completions", json=body)
                response = await self._client.send(request, stream=True)
            except httpx2.InvalidURL as error:
                raise ConfigError("model_url", f"{self._url!r} is no address: {error}") from error
            except httpx2.UnsupportedProtocol as error:
                raise ConfigError(
                    "model_url", f"{self._url!r} is no address: {error}", "http://… or https://…"
                ) from error
            except httpx2.TransportError as error:
                if last or isinstance(error, httpx2.ReadTimeout):
                    raise self._away(error) from error
                await asyncio.sleep(WAITS[attempt])
                continue
            if response.status_code < 400:
                return response
            try:
                said = (await response.aread())[:4000].decode("utf-8", "replace").strip()
            except httpx2.TransportError as error:
                said = f"({type(error).__name__})"
            finally:
                await response.aclose()
            if last or response.status_code not in (408, 409, 425, 429, 500, 502, 503, 504):
                raise self._refused(response.status_code, said)
            await asyncio.sleep(_wait(response, WAITS[attempt]))
        raise AssertionError

    def _refused(self, status: int, said: str) -> GroundswellError:
        what = f"the model at {self._url} answered {status}: {said[:300]}"
        lowered = said.lower()
        if status in (401, 403):
            return ConfigError("model_key", what, "set key or key_file in the model's settings")
        if status == 404:
            return ConfigError("model_unknown", what, "look at url and model in the model's settings")
        if status in (400, 413, 422, 500) and any(mark in lowered for mark in _TOO_LONG):
            return Invalid("context_too_long", what, "ask with less, or set its window")
        if status in (400, 422, 500, 501) and any(mark in lowered for mark in _NO_TOOLS):
            return Invalid("tools_unsupported", what, 'set tools = "text" in the model\'s settings')
        if status in (400, 422, 501) and any(mark in lowered for mark in _NO_FORM):
            return Invalid("form_unsupported", what, "this engine does not hold a reply to a JSON schema")
        if status < 500 and status not in (408, 409, 425, 429):
            return Invalid("model_rejected", what)
        return Unavailable("model_busy" if status == 429 else "model_failing", what, "ask again later")

    def _away(self, error: Exception) -> Unavailable:
        reason = str(error) or type(error).__name__
        message = f"the model at {self._url} does not answer: {reason}"
        return Unavailable("model_away", message, "look whether it runs: groundswell models test ROLE")

    def _cut(self, why: str, assembly: Assembly, code: str = "model_cut_off") -> Unavailable:
        """A reply that broke off; what there was of it has been paid for, and is told as its usage."""
        usage = assembly.reply(self.name).usage.model_dump()
        return Unavailable(code, f"the reply of {self.name or self._url} broke off: {why}", "", usage=usage)

    def _taken(self, assembly: Assembly, data: str) -> Delta | None:
        try:
            return assembly.take(data)
        except NotAReply as error:
            if error.is_refusal:
                raise self._refused(500, str(error)) from error
            raise self._cut(str(error), assembly, "model_garbage") from error

    async def _get(self, url: str) -> Any:
        try:
            response = await self._client.get(url, timeout=CONNECT_SECONDS)
            if response.is_error:
                raise self._refused(response.status_code, response.text)
            return response.json()
        except httpx2.InvalidURL as error:
            raise ConfigError("model_url", f"{url!r} is no address: {error}") from error
        except httpx2.TransportError as error:
            raise self._away(error) from error
        except ValueError as error:
            message = f"what {url} sent is no JSON"
            raise Unavailable("model_garbage", message, "is it an OpenAI-compatible endpoint?") from error

    async def _served_window(self) -> int:
        """What llama.cpp's server says of itself; 0 for other servers."""
        try:
            found = await self._get(f"{self._url.removesuffix('/v1')}/props")
        except GroundswellError:
            return 0
        settings = found.get("default_generation_settings") if isinstance(found, dict) else None
        return _whole(settings.get("n_ctx")) if isinstance(settings, dict) else 0


class _Opening:
    """A request under way; `stream_options` is left out where a server does not know it."""

    def __init__(self, model: ChatModel, body: dict[str, Any]) -> None:
        self.model, self.body = model, body
        self.response: httpx2.Response | None = None

    async def __aenter__(self) -> httpx2.Response:
        try:
            self.response = await self.model.send(self.body)
        except Invalid as error:
            if "stream_options" not in error.message:
                raise
            self.response = await self.model.send({k: v for k, v in self.body.items() if k != "stream_options"})
        return self.response

    async def __aexit__(self, *_: object) -> None:
        if self.response is not None:
            await self.response.aclose()


async def _chunks(response: httpx2.Response) -> AsyncIterator[str]:
    """The data of each event; a server that does not stream sends its reply whole."""
    if "application/json" in response.headers.get("content-type", ""):
        yield (await response.aread()).decode("utf-8", "replace")
        return
    async for event in httpx2.EventSource(response, EVENT_BYTES):
        if event.data:
            yield event.data


def _written(message: ChatMessage) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _valid(call.arguments)}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        written["tool_call_id"] = message.tool_call_id
    return written


def _valid(arguments: str) -> str:
    """Engines parse the arguments of earlier calls, and some fall over what is no object."""
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except (ValueError, RecursionError):  # a model may open brackets without end
        return "{}"


def _rows(body: Any) -> list[dict[str, Any]]:
    rows = body.get("data") if isinstance(body, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _window(row: Mapping[str, Any]) -> int:
    """vLLM, llama.cpp and others each have a name for it."""
    meta = row.get("meta")
    names: Mapping[str, Any] = meta if isinstance(meta, dict) else {}
    found = (_whole(row.get(name)) for name in ("max_model_len", "context_length", "context_window"))
    return next((size for size in found if size), 0) or _whole(names.get("n_ctx"))


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _wait(response: httpx2.Response, otherwise: float) -> float:
    value = response.headers.get("retry-after", "").strip()
    return min(float(value), LONGEST_WAIT) if value.isdigit() else otherwise
