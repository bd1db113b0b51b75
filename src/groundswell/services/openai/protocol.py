"""OpenAI's chat completions: what a client sends, and what it is sent."""

import json
import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from groundswell.core.errors import GroundswellError, Invalid
from groundswell.core.records import Message, NewRun, Part, SourceKind

AGENT, ROLE = "agent:", "llm:"
DONE = b"data: [DONE]\n\n"
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


class Extension(BaseModel):
    """What a request says that OpenAI has no field for."""

    model_config = ConfigDict(extra="forbid")

    sources: dict[SourceKind, str] = {}
    thread: str = Field(default="", max_length=64)


class StreamOptions(BaseModel):
    """Which parts of a stream a client wants."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool = False


class ChatCompletion(BaseModel):
    """A request. Fields that only a model knows are passed to one, and mean nothing to an agent."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=200)
    messages: list[dict[str, Any]] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    groundswell: Extension = Extension()

    @property
    def counts(self) -> bool:
        """Whether the stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def as_run(self) -> NewRun:
        """The run that answers: the last user message is the question, earlier ones are what was said before."""
        said = [(str(message.get("role", "")), _text(message.get("content"))) for message in self.messages]
        last = max((index for index, (role, text) in enumerate(said) if role == "user" and text.strip()), default=-1)
        if last < 0:
            raise Invalid("no_question", "there is no message of a user with text in it")
        given = [Part(kind="attachment", text=text) for role, text in said if role in ("system", "developer") and text]
        before = [
            Message.model_validate({"role": role, "parts": [{"text": text}]})
            for role, text in said[:last]
            if role in ("user", "assistant") and text.strip()
        ]
        if self.groundswell.thread:
            before = []  # the thread knows
        question = Message(parts=(Part(text=said[last][1]), *given))
        agent = self.model.removeprefix(AGENT)
        return NewRun(
            input=(*before, question),
            agent="" if agent == "auto" else agent,
            thread=self.groundswell.thread,
            sources=self.groundswell.sources,
        )


def refused(error: GroundswellError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """An error as OpenAI's clients read it: status, body, headers."""
    status = 500 if error.status not in (*_TYPES, 503, 409) else error.status
    message = f"{error.message}. {error.hint}".removesuffix(". ") if error.hint else error.message
    body = {"message": message, "type": _TYPES.get(status, "server_error"), "param": None, "code": error.code}
    headers = {"Retry-After": str(error.details.get("retry_after", 1))} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return status, {"error": body}, headers


def event(body: Any) -> bytes:
    """One event of a stream."""
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


class Writer:
    """Writes the reply to one request."""

    def __init__(self, model: str, identity: str = "") -> None:
        self.model, self.created, self.identity = model, int(time.time()), identity

    def chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        """A piece of a streamed reply."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**self._head("chat.completion.chunk"), "choices": [choice], **more})

    def usage(self, usage: dict[str, int]) -> bytes:
        """The last piece, for who wants it."""
        return event({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})

    def whole(self, text: str, finish: str, usage: dict[str, int], **more: Any) -> dict[str, Any]:
        """A reply in one piece."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage, **more}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.identity}", "object": kind, "created": self.created, "model": self.model}


def _text(content: Any) -> str:
    """The text of a message, whichever way it is written; what is no text is refused."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise Invalid("bad_content", "a message's content is a text or a list of parts")
    parts: list[str] = []
    for part in content:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise Invalid("bad_content", "agents read text alone: no images, no audio")
        parts.append(part["text"])
    return "\n".join(parts)
