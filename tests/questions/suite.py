"""Asks the web agent every question of the suite over real storage, and counts.

python tests/questions/suite.py [--held] [--embeddings minilm:FOLDER|wordllama:|none:]
"""

import asyncio
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import groundswell
from groundswell.agents.web.graph import agent
from groundswell.backends.databases.collections import CollectionStore
from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.embedded import ROLE, EmbeddedPostgres
from groundswell.backends.databases.migrations import migrate
from groundswell.backends.documents.library import Desk, Library
from groundswell.backends.egress.routes import Egress
from groundswell.backends.egress.transport import client
from groundswell.backends.models.minilm import MiniLMEmbedder
from groundswell.backends.models.wordllama import WordLlamaEmbedder
from groundswell.backends.vectors.embedded import EmbeddedVectors
from groundswell.backends.web.access import Sites, WebAccess
from groundswell.core.ports import Embedder
from groundswell.core.records import Answer, Passage
from groundswell.core.tool import Tool
from groundswell.runtime.discovery import discover
from groundswell.testing import DirectTools, FakeContext, run_context

HERE = Path(__file__).parent
FOLDERS = (HERE / "pages", Path(groundswell.__path__[0]) / "data" / "pages")
NAMES = ("town", "shipped")
SOURCE = "collection:" + ",".join(NAMES)
GRAPH = agent.graph.compile()
TOOLS = discover("groundswell.tools", Tool)


class HereWorkers:
    """Runs work in this process: the pages are ours."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        return function(*arguments)


@dataclass(frozen=True)
class Question:
    """One question of the suite."""

    ask: str
    any: list[str]
    file: str
    held: bool


@dataclass
class Score:
    """What a way of answering came to."""

    right: int = 0
    answerable: int = 0
    abstained: int = 0
    unanswerable: int = 0
    wrong: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return (
            f"right {self.right}/{self.answerable} ({self.right / self.answerable:.0%}), "
            f"abstained {self.abstained}/{self.unanswerable} ({self.abstained / self.unanswerable:.0%})"
        )


def questions() -> list[Question]:
    return [Question(**row) for row in tomllib.loads((HERE / "questions.toml").read_text())["question"]]


@asynccontextmanager
async def shelves(database: Database, folder: Path, embedder: Embedder | None) -> AsyncIterator[Desk]:
    """Both folders as collections of one tenant."""
    vectors = EmbeddedVectors(folder)
    library = Library(CollectionStore(database), vectors, embedder, HereWorkers())
    http = client(Egress())
    access = WebAccess(http, lambda url: None, HereWorkers(), Sites())

    def desk(source: str) -> Desk:
        return library.desk("local", source, access, lambda stage, done, total: None, time.monotonic() + 600)

    try:
        for name, pages in zip(NAMES, FOLDERS, strict=True):
            await desk(f"path:{pages}").fill(name)
        await library.settled()
        yield desk(SOURCE)
    finally:
        await http.aclose()
        await library.close()
        await vectors.close()


async def answered(desk: Desk, question: str, source: str = SOURCE) -> Answer:
    tools = DirectTools(TOOLS, FakeContext(library=desk))
    context = run_context(tools, question)
    context = type(context)(
        context.run.model_copy(update={"sources": {"pages": source}}), tools, tools.evidence, tools.note
    )
    state = await GRAPH.ainvoke({"question": question}, context=context)
    return Answer.model_validate(state["answer"])


def is_right(question: Question, answer: Answer) -> bool:
    """One claim says it and cites the page that does."""
    return any(
        any(_plain(text) in _plain(claim.text) for text in question.any)
        and any(question.file in citation.source for citation in claim.citations)
        for claim in answer.claims
    )


def _plain(text: str) -> str:
    return re.sub(r"[\s*_`]+", " ", text).strip().lower()


async def scored(desk: Desk, asked: list[Question]) -> tuple[Score, Score]:
    """The agent's score, and that of the floor: the first 300 characters of the best passage, whatever it says."""
    ours, floor = Score(), Score()
    for question in asked:
        answer = await answered(desk, question.ask)
        hits: list[Passage] = await desk.search(question.ask, limit=1)
        snippet = hits[0].excerpt.text[:300] if hits else ""
        if question.file:
            ours.answerable += 1
            floor.answerable += 1
            good = is_right(question, answer)
            ours.right += good
            there = hits and question.file in hits[0].excerpt.source
            floor.right += bool(there and any(_plain(text) in _plain(snippet) for text in question.any))
        else:
            ours.unanswerable += 1
            floor.unanswerable += 1
            good = not answer.text
            ours.abstained += good
            floor.abstained += not snippet
        if not good:
            wanted = question.any or "nothing"
            got = f"{answer.text[:220]!r} {answer.missing[:1]} dropped={answer.dropped}"
            ours.wrong.append(f"{question.ask}\n    wanted {wanted}: got {got}")
    return ours, floor


@asynccontextmanager
async def standing(embeddings: str) -> AsyncIterator[Desk]:
    """The shelves in a database of their own; `embeddings` is `minilm:FOLDER`, `wordllama:` or `none:`."""
    embedders: dict[str, Callable[[str], Embedder | None]] = {
        "minilm": lambda folder: MiniLMEmbedder(Path(folder)),
        "wordllama": lambda _: WordLlamaEmbedder(),
        "none": lambda _: None,
    }
    scheme, _, rest = embeddings.partition(":")
    with tempfile.TemporaryDirectory(prefix="gs-suite-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        url = (await server.start()).replace("{role}", ROLE)
        try:
            await migrate(url)
            database = Database(url)
            await database.open()
            async with shelves(database, Path(folder) / "vectors", embedders[scheme](rest)) as desk:
                yield desk
            await database.close()
        finally:
            await server.stop()


async def main(words: list[str]) -> None:
    named = words[words.index("--embeddings") + 1] if "--embeddings" in words else "wordllama:"
    async with standing(named) as desk:
        asked = [q for q in questions() if q.held == ("--held" in words) or "--all" in words]
        began = time.monotonic()
        ours, floor = await scored(desk, asked)
        took = (time.monotonic() - began) / len(asked)
        print(f"embeddings {named}, {len(asked)} questions, {took * 1000:.0f} ms each")  # noqa: T201
        print(f"web agent          {ours}")  # noqa: T201
        print(f"top search snippet {floor}")  # noqa: T201
        if "--quiet" not in words:
            print("\n".join(ours.wrong))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
