"""What a model says becomes events while it speaks: a few a second, and without secrets."""

import asyncio
import contextlib
import itertools

from groundswell.backends.databases.calls import Journal, Place
from groundswell.backends.databases.connections import EpochOver
from groundswell.backends.models.chat_assembly import Delta
from groundswell.core.errors import GroundswellError
from groundswell.core.redaction import Redactor

COALESCE_SECONDS = 0.05
COALESCE_CHARACTERS = 1000


class Teller:
    """Gathers what comes within 50 ms, or 1,000 characters, into one event. What may become a secret is held back.

    Secrets are looked for once an event, not with each piece of a word: looking costs most of what a token costs.
    """

    def __init__(self, journal: Journal, place: Place, attempt: int) -> None:
        self.journal, self.place, self.attempt = journal, place, attempt
        self.redactors = Redactor(), Redactor()  # of its text, and of its reasoning
        self.texts, self.reasonings = list[str](), list[str]()
        self.size = 0
        self.numbers = itertools.count()
        self.full = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def take(self, delta: Delta) -> None:
        """A few more characters."""
        self.texts.append(delta.text)
        self.reasonings.append(delta.reasoning)
        self.size += len(delta.text) + len(delta.reasoning)
        if self.size >= COALESCE_CHARACTERS:
            self.full.set()
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._later())

    async def close(self) -> None:
        """Tell what is left."""
        self.full.set()
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)
        await self._store(last=True)

    async def _later(self) -> None:
        while self.size:  # more may come while some is stored
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.full.wait(), COALESCE_SECONDS)
            self.full.clear()
            await self._store()

    async def _store(self, *, last: bool = False) -> None:
        said = "".join(self.texts), "".join(self.reasonings)
        self.texts, self.reasonings, self.size = [], [], 0
        text, reasoning = (
            redactor.push(new) + (redactor.flush() if last else "")
            for redactor, new in zip(self.redactors, said, strict=True)
        )
        if text or reasoning:
            # a run that went on elsewhere, or a database that is away for a moment: the reply itself is what counts
            with contextlib.suppress(EpochOver, GroundswellError):
                await self.journal.tell(self.place, self.attempt, next(self.numbers), text, reasoning)
