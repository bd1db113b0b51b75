"""A model that is in memory only while it is used."""

import asyncio
import gc
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Model = TypeVar("Model")

BATCH = 8  # a question waits for one batch at most


class Resident(Generic[Model]):
    """Loads a model on first use, runs it in a thread, one batch at a time, and lets it go after an idle time.

    One batch at a time, so that a query waits for a batch of a long job and not for all of it.
    """

    def __init__(self, load: Callable[[], Model], idle_seconds: float) -> None:
        self._load, self._idle = load, idle_seconds
        self._model: Model | None = None
        self._busy = asyncio.Lock()
        # one thread that gives way to all others: filling an index must not slow down answers
        self._thread = ThreadPoolExecutor(1, "embeddings", _give_way)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._model is not None

    async def embed(self, texts: Sequence[str], run: Callable[[Model, list[str]], Any]) -> list[list[float]]:
        """`run` over all texts, in batches of about the same length, in the order they came."""
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        result: list[list[float]] = [[]] * len(texts)
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            batch = [readable(texts[number]) for number in numbers]
            async with self._busy:
                vectors = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, run, batch)
                self._rest()
            for number, vector in zip(numbers, vectors, strict=True):
                result[number] = vector
        return result

    async def close(self) -> None:
        """Let the model go."""
        async with self._busy:
            if self._timer is not None:
                self._timer.cancel()
            self._release()
        self._thread.shutdown(wait=False)

    def _run(self, run: Callable[[Model, list[str]], Any], batch: list[str]) -> list[list[float]]:
        if self._model is None:
            self._model = self._load()
        return [unit(vector) for vector in run(self._model, batch)]

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle, self._tired)

    def _tired(self) -> None:
        if not self._busy.locked():
            self._release()

    def _release(self) -> None:
        self._timer = self._model = None
        gc.collect()


def _give_way() -> None:
    """Lower the priority of this thread, and so of those the model starts from it; Linux has one for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def readable(text: str) -> str:
    """A text a tokenizer takes: never empty, no lone surrogates."""
    return text.encode("utf-8", "replace").decode() or " "


def unit(vector: Sequence[float]) -> list[float]:
    """A vector at length one; one without a direction points along the first axis, so that it stays a vector."""
    values = [float(value) for value in vector]
    length = math.sqrt(math.fsum(value * value for value in values))
    if not length or not math.isfinite(length):
        return [1.0, *[0.0] * (len(values) - 1)]
    return [value / length for value in values]
