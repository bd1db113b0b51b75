"""Runs: what is asked, under which limits, and how it ended (architecture §3)."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from groundswell.core.records.base import Record
from groundswell.core.records.evidence import Claim, Ranked
from groundswell.core.records.retention import PrunedPart, Tombstone

Status = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled", "exhausted"]
ENDED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "exhausted"})
Mode = Literal["L0", "L1", "L2", "L3", "L4"]
SourceKind = Literal["repo", "pages", "kubernetes", "prometheus"]
LONGEST_INPUT = 200_000  # characters, all parts together
# how a `missing` begins that says by itself what it is
_LABELLED = re.compile(r"(?:searched|ungrounded|not [\w ]+|the model's word): |stopped at ")


class Part(Record):
    """One part of a message: `text` is what a person said, `attachment` what they gave with it (a log)."""

    kind: Literal["text", "attachment"] = "text"
    text: str

    @field_validator("text")
    @classmethod
    def _storable(cls, value: str) -> str:
        """What is piped in may be anything; PostgreSQL stores no zero byte."""
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")  # half characters are refused, by whoever reads them


class Message(Record):
    """What one side said."""

    role: Literal["user", "assistant"] = "user"
    parts: tuple[Part, ...]


class Limits(Record):
    """What a run may use at most; finite by default. `Budget` and `Spent` have the same fields."""

    steps: int = Field(default=40, ge=1)
    tool_calls: int = Field(default=200, ge=0)
    tokens: int = Field(default=400_000, ge=0)
    money: float = Field(default=2.0, ge=0)  # USD
    seconds: float = Field(default=600, gt=0)  # since a worker first took the run
    bytes: int = Field(default=64 * 2**20, ge=0)  # of evidence

    def narrowed(self, other: "Limits") -> "Limits":
        """The smaller of each."""
        names = Limits.model_fields
        return Limits(**{name: min(getattr(self, name), getattr(other, name)) for name in names})


class Spent(Record):
    """What a run has used."""

    steps: int = 0
    tool_calls: int = 0
    tokens: int = 0
    money: float = 0.0
    seconds: float = 0.0
    bytes: int = 0


class Narrowing(Record):
    """Limits a caller asks for; they only ever narrow the agent's."""

    steps: int | None = Field(default=None, ge=1)
    tool_calls: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    money: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, gt=0)
    bytes: int | None = Field(default=None, ge=0)


def _without_password(value: str) -> str:
    """A source is stored and shown: a password or token in its address would be, too."""
    if re.match(r"(?i)https?://[^/?#]*@|[a-z][a-z0-9+.-]*://[^/?#:@]*:[^/?#@]*@", value):
        raise ValueError("the address holds a user or a password; leave it out")
    return value


Source = Annotated[str, AfterValidator(_without_password)]


def _or_a_text(schema: dict[str, Any]) -> None:
    """The shorthand, in the schema."""
    messages = {name: schema.pop(name) for name in ("type", "items")} | {"minItems": 1}
    schema["anyOf"] = [{"type": "string", "maxLength": LONGEST_INPUT, "pattern": r"\S"}, messages]


class NewRun(Record):
    """A request for a run. A text is shorthand for one user message with one part."""

    input: tuple[Message, ...] = Field(
        examples=["Where is the retry policy defined?"],
        description="A text, or a list of messages with typed parts.",
        json_schema_extra=_or_a_text,
    )
    agent: str = Field(default="", max_length=64, description="Empty: the router chooses.")
    thread: str = Field(default="", max_length=64, description="Empty: a new thread.")
    sources: dict[SourceKind, Source] = Field(
        default={},
        examples=[{"repo": "https://example.org/team/app.git"}],
        description="What the run looks at.",
    )
    limits: Narrowing = Narrowing()
    on_busy: Literal["enqueue", "reject", "interrupt"] = Field(
        default="enqueue", description="What happens while the thread is busy with another run."
    )

    @field_validator("input", mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return [{"parts": [{"text": value}]}] if isinstance(value, str) else value

    @field_validator("input")
    @classmethod
    def _bounded(cls, value: tuple[Message, ...]) -> tuple[Message, ...]:
        size = sum(len(part.text) for message in value for part in message.parts)
        if size > LONGEST_INPUT:
            raise ValueError(f"the input has {size} characters; at most {LONGEST_INPUT} are accepted")
        if not any(part.text.strip() for message in value for part in message.parts):
            raise ValueError("the input is empty")
        return value


class Alternative(Record):
    """An agent that was not chosen."""

    agent: str
    confidence: float


class Route(Record):
    """Which agent, how sure, what else, and why. Without an agent the router abstains, and asks back."""

    agent: str
    confidence: float  # that this agent is right; without one, that none is
    alternatives: tuple[Alternative, ...] = ()
    reason: str = ""
    question: str = ""  # what is asked back


class Problem(Record):
    """Why a run failed."""

    code: str
    message: str
    hint: str = ""
    status: int = 0  # as HTTP would say it, where that is known


class Answer(Record):
    """What a run says. An empty text is an abstention: not found, or a question back."""

    text: str = ""
    claims: tuple[Claim, ...] = ()
    ranked: tuple[Ranked, ...] = ()
    needs_model: bool = False
    question: str = ""
    missing: tuple[str, ...] = ()
    dropped: int = 0  # claims that grounding refused

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, as sentences. What begins with a label of its own needs none."""
        return tuple(
            f"{text[0].upper()}{text[1:]}" if _LABELLED.match(text) else f"Missing: {text}" for text in self.missing
        )


class Run(Record):
    """One execution of one agent for one caller."""

    id: str
    tenant: str
    thread: str
    agent: str
    caller: str
    input: tuple[Message, ...]
    sources: dict[SourceKind, str] = {}
    status: Status
    reason: str = ""  # what stands in the status' brackets
    mode: Mode = "L3"
    budget: Limits = Limits()
    spent: Spent = Spent()
    route: Route | None = None
    answer: Answer | None = None
    error: Problem | None = None
    epoch: int = 0
    last_event: int = 0
    created: datetime
    ended: datetime | None = None
    pruned: dict[PrunedPart, Tombstone] = {}

    @property
    def question(self) -> str:
        """The text parts of the last user message."""
        said = [message for message in self.input if message.role == "user"]
        return "\n".join(part.text for part in said[-1].parts if part.kind == "text") if said else ""

    @property
    def attachments(self) -> tuple[str, ...]:
        """What the user gave with the question."""
        said = [message for message in self.input if message.role == "user"]
        return tuple(part.text for part in said[-1].parts if part.kind == "attachment") if said else ()


class Turn(Record):
    """An earlier run of the same thread, as a follow-up sees it."""

    run: str
    agent: str
    question: str
    answer: Answer


class Thread(Record):
    """A conversation: runs one after another."""

    id: str
    tenant: str
    title: str
    runs: int
    created: datetime
    updated: datetime
