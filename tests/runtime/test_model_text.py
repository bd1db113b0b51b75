"""What a model says is shown while it speaks."""

import asyncio
from typing import Any, cast

from groundswell.backends.models.chat_assembly import Delta
from groundswell.runtime.model_text import Teller


class Journal:
    """One that takes its time."""

    def __init__(self) -> None:
        self.told, self.stored = asyncio.Queue[str](), asyncio.Semaphore(0)

    async def tell(self, place: Any, attempt: int, count: int, text: str, reasoning: str) -> None:
        self.told.put_nowait(text)
        await self.stored.acquire()


async def test_what_is_said_while_some_is_stored_is_shown_though_the_model_then_falls_silent() -> None:
    journal: Any = Journal()
    teller = Teller(cast("Any", journal), cast("Any", None), 1)
    teller.take(Delta("First this. ", ""))
    said = [await journal.told.get()]
    teller.take(Delta("Then that. ", ""))
    journal.stored.release()
    async with asyncio.timeout(5):
        said.append(await journal.told.get())
    journal.stored.release()
    assert said == ["First this. ", "Then that. "]
    await teller.close()
