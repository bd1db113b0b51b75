"""What a model says becomes events while it speaks: a few a second, and without secrets."""

import asyncio
import contextlib
import itertools

from groundswell.backends.databases.calls import Journal, Place
from groundswell.backends.databases.connections import EpochOver
from groundswell.backends.models.chat_assembly import Delta
from groundswell.core.errors import Unavailable
from groundswell.core.redaction import Redactor

COALESCE_SECONDS = 0.05
COALESCE_CHARACTERS = 1000


class Teller:
    """Gathers what comes within 50 ms, or 1,000 characters, into one event. What may become a secret is held back."""

    def __init__(self, journal: Journal, place: Place, attempt: int) -> None:
        self.journal, self.place, self.attempt = journal, place, attempt
        self.text, self.reasoning = Redactor(), Redactor()
        self.waiting = ["", ""]
        self.numbers = itertools.count()
        self.full = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def take(self, delta: Delta) -> None:
        """A few more characters."""
        self.waiting[0] += self.text.push(delta.text)
        self.waiting[1] += self.reasoning.push(delta.reasoning)
        if len(self.waiting[0]) + len(self.waiting[1]) >= COALESCE_CHARACTERS:
            self.full.set()
        if any(self.waiting) and (self.task is None or self.task.done()):
            self.task = asyncio.create_task(self._later())

    async def close(self) -> None:
        """Tell what is left."""
        self.waiting[0] += self.text.flush()
        self.waiting[1] += self.reasoning.flush()
        self.full.set()
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)
        await self._store()

    async def _later(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.full.wait(), COALESCE_SECONDS)
        self.full.clear()
        await self._store()

    async def _store(self) -> None:
        text, reasoning = self.waiting
        self.waiting = ["", ""]
        if text or reasoning:
            # a run that went on elsewhere, or a database that is away for a moment: the reply itself is what counts
            with contextlib.suppress(EpochOver, Unavailable):
                await self.journal.tell(self.place, self.attempt, next(self.numbers), text, reasoning)
