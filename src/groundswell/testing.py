"""Stand-ins for the outside: exact, small and shipped, so that plugin authors test with them too."""

import asyncio
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from langgraph.runtime import Runtime
from pydantic import TypeAdapter

from groundswell.backends.databases.evidence import Piece
from groundswell.backends.models.chat import ChatModel, Endpoint
from groundswell.backends.vectors import bm25
from groundswell.core.context import Models, RunContext
from groundswell.core.errors import Conflict, GroundswellError, Invalid, NotFound, ToolFailed
from groundswell.core.ports import (
    Cluster,
    CollectionInfo,
    Documents,
    Filter,
    Found,
    MetricsStore,
    Point,
    Repo,
    Vectors,
    Web,
    Workers,
)
from groundswell.core.records import (
    ChatReply,
    ChatRequest,
    Evidence,
    Message,
    ModelView,
    Part,
    Role,
    Run,
    SourceKind,
    ToolResult,
    ToolSpec,
    Turn,
)
from groundswell.core.tool import Tool
from groundswell.runtime.results import failure_of, result_of, value_in
from groundswell.scripted_model import Say as Say
from groundswell.scripted_model import ScriptedModel as ScriptedModel

T = TypeVar("T")

RRF_K, RRF_DEPTH = 60, 100


class HashEmbedder:
    """Vectors from words alone: texts that share words are near. No model, same vectors everywhere."""

    def __init__(self, dimensions: int = 64) -> None:
        self.name = f"hash-{dimensions}"
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> list[list[float]]:
        """One vector of unit length a text, in order."""
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in re.findall(r"\w+", text.lower()) or [""]:
            digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            place = int.from_bytes(digest[:6], "big") % self.dimensions
            vector[place] += 1.0 if digest[7] % 2 else -1.0
        if not any(vector):  # two words undid each other
            vector[0] = 1.0
        return _unit(vector)


class _Exact:
    """A collection of `ExactVectors`."""

    def __init__(self, info: CollectionInfo) -> None:
        self.info = info
        self.points: dict[str, Point] = {}
        self.words: dict[str, dict[int, float]] = {}

    def store(self, point: Point) -> None:
        words = bm25.document(point.text)
        self.points[point.id] = point.model_copy(update={"dense": tuple(_unit(point.dense)), "text": ""})
        self.words[point.id] = dict(zip(words.indices, words.values, strict=True))

    def remove(self, id_: str) -> None:
        self.points.pop(id_, None)
        self.words.pop(id_, None)

    def matching(self, where: Filter | None) -> list[str]:
        return [id_ for id_, point in sorted(self.points.items()) if _matches(point.payload, where)]

    def cosine(self, dense: Sequence[float], where: Filter | None) -> list[tuple[str, float]]:
        asked = _unit(dense)
        scores = [
            (id_, math.fsum(a * b for a, b in zip(asked, self.points[id_].dense, strict=True)))
            for id_ in self.matching(where)
            if self.points[id_].dense
        ]
        return sorted(scores, key=lambda hit: -hit[1])

    def bm25(self, text: str, where: Filter | None) -> list[tuple[str, float]]:
        asked = bm25.query(text).indices
        stored = [words for words in self.words.values() if words]
        seen = Counter(word for words in stored for word in words)
        weight = {word: math.log((len(stored) - seen[word] + 0.5) / (seen[word] + 0.5) + 1) for word in asked}
        scores = [
            (id_, sum(weight[word] * self.words[id_].get(word, 0.0) for word in asked)) for id_ in self.matching(where)
        ]
        return sorted((hit for hit in scores if hit[1] > 0), key=lambda hit: -hit[1])


class ExactVectors:
    """The vectors port in memory, by comparing everything with everything: what real stores are measured against."""

    scheme = "exact"

    def __init__(self) -> None:
        self._collections: dict[tuple[str, str], _Exact] = {}

    async def ensure(self, tenant: str, collection: CollectionInfo, *, keywords: Sequence[str] = ()) -> None:
        """Make a collection, or check the one that is there."""
        if not tenant or not collection.name:
            raise Invalid("bad_name", "a tenant and a collection have names")
        if collection.dimensions < 0 or not (collection.dimensions or collection.sparse):
            raise Invalid("bad_collection", "a collection needs dense vectors, a text index, or both")
        there = self._collections.setdefault((tenant, collection.name), _Exact(collection))
        if there.info != collection:
            raise Conflict("embedding_changed", f"{collection.name!r} is {there.info}")

    async def drop(self, tenant: str, collection: str) -> None:
        """Remove a collection."""
        self._collections.pop((tenant, collection), None)

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """A tenant's collections."""
        return [there.info for (owner, _), there in sorted(self._collections.items()) if owner == tenant]

    async def upsert(self, tenant: str, collection: str, points: Sequence[Point]) -> None:
        """Store points."""
        there = self._collection(tenant, collection)
        for point in points:
            if point.dense:
                _check_dense(there.info, point.dense)
            if point.text and not there.info.sparse:
                raise Invalid("no_text_index", f"{collection!r} has no text index")
            try:
                json.dumps(point.payload, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise Invalid("bad_payload", str(error)) from error
        for point in points:
            there.store(point)

    async def search(
        self,
        tenant: str,
        collection: str,
        *,
        dense: Sequence[float] = (),
        text: str = "",
        where: Filter | None = None,
        limit: int = 10,
    ) -> list[Found]:
        """Nearest by cosine, by BM25, or by both."""
        there = self._collection(tenant, collection)
        if limit < 0:
            raise Invalid("bad_limit", "a search gives no fewer than 0 results")
        if dense:
            _check_dense(there.info, dense)
        if text and not there.info.sparse:
            raise Invalid("no_text_index", f"{collection!r} has no text index")
        lists = [there.cosine(dense, where)] if dense else []
        lists += [there.bm25(text, where)] if text else []
        hits = _fused(lists, limit) if len(lists) == 2 else [hit for hits in lists for hit in hits]
        return [Found(id=id_, score=score, payload=there.points[id_].payload) for id_, score in hits[:limit]]

    async def delete(
        self, tenant: str, collection: str, *, ids: Sequence[str] = (), where: Filter | None = None
    ) -> None:
        """Remove points by id or by filter."""
        there = self._collection(tenant, collection)
        for id_ in {*ids, *(there.matching(where) if where is not None else ())}:
            there.remove(id_)

    async def scroll(
        self, tenant: str, collection: str, *, where: Filter | None = None, batch: int = 1000
    ) -> AsyncIterator[Point]:
        """All points, in the order of their ids."""
        there = self._collection(tenant, collection)
        for id_ in there.matching(where):
            yield there.points[id_]

    async def count(self, tenant: str, collection: str, *, where: Filter | None = None) -> int:
        """How many points there are."""
        return len(self._collection(tenant, collection).matching(where))

    async def snapshot(self, tenant: str, collection: str, file: Path) -> None:
        """Write all of a collection into one file."""
        there = self._collection(tenant, collection)
        points = [point.model_dump() for point in there.points.values()]
        words = {id_: list(words.items()) for id_, words in there.words.items()}
        stored = json.dumps({"info": there.info.model_dump(), "points": points, "words": words})
        await asyncio.to_thread(file.write_text, stored)

    async def restore(self, tenant: str, collection: str, file: Path) -> None:
        """Make a collection what a snapshot says."""
        try:
            stored = json.loads(await asyncio.to_thread(file.read_bytes))
            info = CollectionInfo.model_validate(stored["info"])
            there = _Exact(info.model_copy(update={"name": collection}))
            there.points = {point["id"]: Point(**point) for point in stored["points"]}
            there.words = {id_: dict(pairs) for id_, pairs in stored["words"].items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Invalid("bad_snapshot", f"{file} is not a snapshot: {error}") from error
        self._collections[tenant, collection] = there

    async def about(self) -> str:
        """What stores them."""
        return "in memory, exact"

    async def close(self) -> None:
        """Nothing to give up."""

    def _collection(self, tenant: str, collection: str) -> _Exact:
        there = self._collections.get((tenant, collection))
        if there is None:
            raise NotFound("no_collection", f"there is no collection {collection!r}")
        return there


def _fused(lists: Iterable[Sequence[tuple[str, float]]], limit: int) -> list[tuple[str, float]]:
    total: dict[str, float] = {}
    for hits in lists:
        rounded = [(id_, round(score, 6)) for id_, score in hits[: max(RRF_DEPTH, 4 * limit)]]
        positive = [(id_, score) for id_, score in rounded if score > 0]
        for id_, score in positive:
            rank = 1 + sum(other > score for _, other in positive)
            total[id_] = total.get(id_, 0.0) + 1 / (RRF_K + rank)
    return sorted(total.items(), key=lambda hit: -hit[1])


def _matches(payload: dict[str, Any], where: Filter | None) -> bool:
    for key, asked in (where or {}).items():
        wanted = [asked] if isinstance(asked, str | int) else list(asked)
        there: Any = payload.get(key)
        values: list[Any] = list(there) if isinstance(there, list | tuple) else [there]
        if not any(type(value) is type(one) and value == one for value in values for one in wanted):
            return False
    return True


def _check_dense(info: CollectionInfo, dense: Sequence[float]) -> None:
    if len(dense) != info.dimensions:
        raise Invalid("wrong_dimensions", f"{info.name!r} holds {info.dimensions} dimensions, not {len(dense)}")
    if not all(map(math.isfinite, dense)):
        raise Invalid("bad_vector", "a vector holds a number that is not finite")


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in vector))
    return [value / length for value in vector] if length else list(vector)


class FakeTools:
    """The tools of a node: each answers with a value, or with what a function makes of the call's arguments.

    A value is what the tool would return; a ToolResult is passed on as it is, an error is what the call comes to. What
    excerpts it has become evidence, as in the platform; `calls` remembers what was asked.
    """

    def __init__(self, **replies: Any) -> None:
        self.replies = replies
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.stored: dict[str, Evidence] = {}
        self.notes: list[tuple[str, dict[str, Any]]] = []

    async def call(self, name: str, /, *, returns: type[T], **arguments: Any) -> T:
        """A tool's value; what is not `ok` raises."""
        result = await self.result(name, **arguments)
        return value_in(result, name, returns)

    async def result(self, name: str, /, **arguments: Any) -> ToolResult:
        """A tool's result, whatever its status."""
        self.calls.append((name, arguments))
        try:
            value = await self.reply(name, arguments)
        except GroundswellError as error:
            return failure_of(error)
        return value if isinstance(value, ToolResult) else self._kept(value)

    async def reply(self, name: str, arguments: dict[str, Any]) -> Any:
        """What a tool returns; a tool that is not there is denied, as by policy."""
        if name not in self.replies:
            return ToolResult(status="denied", code="tool_not_allowed", message=f"{name} was not granted")
        reply = self.replies[name]
        return reply(**arguments) if callable(reply) else reply

    async def evidence(self, digest: str) -> Evidence | None:
        """What the calls have brought."""
        return self.stored.get(digest)

    def note(self, name: str, **data: Any) -> None:
        """Remember what a node states."""
        self.notes.append((name, data))

    def _kept(self, value: Any) -> ToolResult:
        dumped = TypeAdapter(Any).dump_python(value, mode="json")
        result, pieces = result_of(dumped, 10**9, "")
        reply = Piece(text=json.dumps(result.value, ensure_ascii=False), source="tool:reply")
        result = result.model_copy(update={"digest": reply.digest})
        for piece in [*pieces, reply]:
            self.stored.setdefault(
                piece.digest,
                Evidence(
                    digest=piece.digest,
                    source=piece.source,
                    text=piece.text,
                    truncated=piece.truncated,
                    retrieved=datetime.now(UTC),
                ),
            )
        return result


@dataclass(frozen=True)
class FakeContext:
    """A tool's context with what a test gives it; what it does not give is not there."""

    opened: Repo | None = None
    store: Vectors | None = None
    pages: Web | None = None
    library: Documents | None = None
    workers: Workers | None = None
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    kubernetes: Cluster | None = None
    prometheus: MetricsStore | None = None
    tenant: str = "local"
    key: str = "test"
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None
    seconds: float = 60.0

    @property
    def cpu(self) -> Workers:
        """Processes for CPU-bound work."""
        assert self.workers is not None
        return self.workers

    @property
    def vectors(self) -> Vectors:
        """The vector store."""
        assert self.store is not None
        return self.store

    @property
    def web(self) -> Web:
        """The web."""
        assert self.pages is not None
        return self.pages

    @property
    def documents(self) -> Documents:
        """Collections of documents."""
        assert self.library is not None
        return self.library

    async def repo(self) -> Repo:
        """The repository."""
        if self.opened is None:
            raise ToolFailed("no_source", "this run looks at no repository")
        return self.opened

    async def cluster(self) -> Cluster:
        """The cluster."""
        if self.kubernetes is None:
            raise ToolFailed("no_source", "this run looks at no Kubernetes cluster")
        return self.kubernetes

    async def metrics(self) -> MetricsStore:
        """The Prometheus."""
        if self.prometheus is None:
            raise ToolFailed("no_source", "this run looks at no Prometheus")
        return self.prometheus

    async def stored(self, digest: str) -> str:
        """A stored text."""
        if digest not in self.texts:
            raise NotFound("no_evidence", f"nothing is stored under {digest[:12]}")
        return self.texts[digest]

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self.seconds


class DirectTools(FakeTools):
    """Real tools, called at once: no journal, no policy, no deadline. Their arguments are validated."""

    def __init__(self, tools: Mapping[str, Tool], context: FakeContext) -> None:
        super().__init__()
        self.tools, self.context = tools, context

    async def reply(self, name: str, arguments: dict[str, Any]) -> Any:
        """What the tool returns."""
        tool = self.tools[name]
        given = tool.arguments.model_validate(arguments)
        values = {field: getattr(given, field) for field in type(given).model_fields}
        return tool.returns.dump_python(await tool.function(self.context, **values), mode="json")


class DirectModels:
    """Models asked at once, by their addresses: no journal, no budget, no breaker."""

    def __init__(self, urls: Mapping[Role, str], *, window: int = 0, seconds: float = 60.0) -> None:
        self.models: dict[Role, ChatModel] = {
            role: ChatModel(Endpoint(url, window=window)) for role, url in urls.items()
        }
        self.seconds = seconds

    async def views(self) -> list[ModelView]:
        """The roles that have a model; one that does not answer is resting."""
        found: list[ModelView] = []
        for role, model in self.models.items():
            try:
                await model.ready()
            except GroundswellError:
                found.append(ModelView(role=role, resting=True))
            else:
                found.append(ModelView(role=role, model=model.name, window=model.window))
        return found

    async def chat(self, role: Role, request: ChatRequest) -> ChatReply:
        """One turn."""
        return await self.models[role].complete(request)

    def seconds_left(self) -> float:
        """Always the same."""
        return self.seconds

    async def close(self) -> None:
        """Give up connections."""
        for model in self.models.values():
            await model.close()


def run_context(
    tools: FakeTools,
    question: str = "",
    attachments: Sequence[str] = (),
    history: Sequence[Turn] = (),
    *,
    models: Models | None = None,
    offered: Sequence[ToolSpec] = (),
    sources: Mapping[SourceKind, str] | None = None,
) -> RunContext:
    """What a node reaches, for a run that asks a question."""
    parts = (Part(text=question), *(Part(kind="attachment", text=text) for text in attachments))
    run = Run(
        id="run-1",
        tenant="local",
        thread="thread-1",
        agent="test",
        caller="local",
        input=(Message(parts=parts),),
        sources=dict(sources or {}),
        status="running",
        created=datetime.now(UTC),
    )
    return RunContext(run, tools, tools.evidence, tools.note, history, models, offered)


def runtime_of(context: RunContext) -> Runtime[RunContext]:
    """What a node gets as its second argument."""
    return Runtime(context=context)
