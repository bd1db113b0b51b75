"""The models as the nodes of a run reach them."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from groundswell.backends.peers import Peer
from groundswell.core.context import Note
from groundswell.core.errors import Invalid, Unavailable
from groundswell.core.records import ChatReply, ChatRequest, ModelView, Role, ToolResult
from groundswell.runtime.model_calls import KIND

VIEWS = "models"  # the note
# what a request is refused for by a model that answers: the node may ask otherwise
OTHERWISE = frozenset({"context_too_long", "tools_unsupported", "form_unsupported", "model_rejected"})
Ask = Callable[[str, dict[str, object], dict[str, object]], Awaitable[ToolResult]]


class Token(Protocol):
    """A run's token."""

    async def post(self, peer: Peer, path: str, body: Any) -> Any:
        """What a service answers to it."""
        ...


@dataclass
class RunModels:
    """One run's way to the models service."""

    peer: Peer
    ask: Ask  # (kind, arguments, outline): one journalled call
    token: Token
    note: Note
    ends: float  # of the run's budget, by the monotonic clock

    async def views(self) -> Sequence[ModelView]:
        """The roles that have a model. They are noted: what a run does depends on them."""
        try:
            found = await self.token.post(self.peer, "/internal/models", {})
        except Unavailable:
            return ()
        if found:
            self.note(VIEWS, roles=found)
        return [ModelView.model_validate(view) for view in found]

    async def chat(self, role: Role, request: ChatRequest) -> ChatReply:
        """One turn; what is not `ok` raises."""
        result = await self.ask(f"{KIND}{role}", request.model_dump(mode="json"), request.outline())
        return reply_in(result)

    def seconds_left(self) -> float:
        """Of the run's budget."""
        return max(0.0, self.ends - time.monotonic())


def reply_in(result: ToolResult) -> ChatReply:
    """A model's reply; what is not `ok` raises."""
    if result.status == "ok":
        return ChatReply.model_validate(result.value)
    kind = Invalid if result.code in OTHERWISE else Unavailable
    raise kind(result.code, result.message, result.hint)
