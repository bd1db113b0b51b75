"""Texts' vectors, where the embedder is the one that the classifier was trained with."""

import logging
from collections import OrderedDict
from collections.abc import Sequence

from groundswell.core.errors import Unavailable
from groundswell.core.ports import Embedder
from groundswell.services.router import features
from groundswell.services.router.classifier import VECTORS

KEPT = 256  # texts: agents' intents are asked for again and again
log = logging.getLogger(__name__)


class Meanings:
    """Asks the shared embedder, and does without it where it is broken.

    One that is slow is waited for: if load decided who answers, the same question would get different answers. It runs
    in this process, one small batch at a time, so that nothing but a broken machine keeps it from answering.
    """

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder if embedder is not None and embedder.name == VECTORS else None
        self._kept: OrderedDict[str, Sequence[float]] = OrderedDict()

    @property
    def there(self) -> bool:
        """Whether there are vectors at all."""
        return self._embedder is not None

    async def of(self, text: str) -> Sequence[float] | None:
        """The vector of what is read of a text; None where the model cannot be run."""
        text = features.read(text)
        if self._embedder is None or text in self._kept:
            return self._kept.get(text)
        try:
            (vector,) = await self._embedder.embed([text], kind="query")
        except Unavailable as error:
            log.warning("the words alone decide who answers: %s", error.message)
            return None
        self._kept[text] = vector
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return vector
