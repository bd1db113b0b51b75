"""What a run does, as lines that change: only where somebody looks at a terminal."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from groundswell.cli.sentences import called, sentence
from groundswell.cli.terminal import WIDEST, counting, printable, shortened

if TYPE_CHECKING:
    from groundswell.core.records import Event
    from groundswell.core.records.events import Noted

BAR = 20
PLANNED = 8  # steps of a plan that are shown


class Watch(Protocol):
    """Sees a run's events."""

    def __call__(self, event: "Event", /) -> None:
        """One more event."""
        ...


class Told:
    """A run so far, in a few words: what it does, and below that its plan, or what each researcher does."""

    def __init__(self) -> None:
        self.agent, self.steps, self.calls, self.doing = "", 0, 0, "queued"
        self.said = ""  # what the step under way has stated: it stands until the next one is over
        self.plan: list[str] = []
        self.parts: dict[str, tuple[int, str]] = {}  # a researcher's graph → its number, what it is about
        self.does: dict[str, str] = {}  # and what it does

    def take(self, event: "Event") -> None:
        """Note what an event says."""
        body = event.body
        if body.kind == "route":
            self.agent, self.doing = body.route.agent, "starting"
        elif body.kind == "run":
            self.doing = body.reason or body.status
        elif body.kind == "step":
            self.steps += 1
            if body.ns not in self.parts:
                self.doing, self.said = self.said or ", ".join(body.nodes), ""
        elif body.kind == "note":
            self._note(body)
        elif body.kind == "call.started":
            is_turn = body.tool.startswith("model:")
            self.calls += not is_turn
            self._do("thinks" if is_turn else called(body.tool, body.arguments), body.ns)
        elif body.kind == "call.progress":
            self.doing = f"{body.stage} {bar(body.done, body.total)}"
        elif body.kind == "denial":
            self.doing = f"denied: {body.message}"

    def _do(self, doing: str, ns: str) -> None:
        if ns in self.parts:
            self.does[ns] = doing
        else:
            self.doing = doing

    def _note(self, body: "Noted") -> None:
        if body.name == "research" and body.ns:
            self.parts[body.ns] = body.data.get("part", 0), sentence(body.name, body.data)
            self.does[body.ns] = "begins"
        elif body.name == "plan" and not body.ns:
            self.plan = [str(step) for step in body.data.get("steps", [])]
        elif said := sentence(body.name, body.data):
            self._do(said, body.ns)
            self.said = "" if body.ns in self.parts else said

    def __str__(self) -> str:
        counted = [counting(self.steps, "step"), counting(self.calls, "call")]
        return " · ".join([self.agent or "router", *counted, printable(self.doing)])

    def below(self, columns: int) -> list[str]:
        """The lines below: a researcher each, or the plan."""
        lines: list[str] = []
        for ns, (_, about) in sorted(self.parts.items(), key=lambda part: part[1][0]):
            room = columns - 4
            does = shortened(printable(self.does[ns]), room // 2)
            lines.append(f"{shortened(printable(about), room - len(does) - 3)} · {does}")
        if not lines:
            lines = [f"{n}. {shortened(printable(step), columns - 6)}" for n, step in enumerate(self.plan, 1)]
        return lines[:PLANNED]


def bar(done: int, total: int) -> str:
    """How far something is: `━━━━━───── 120/240`."""
    if total <= 0:
        return f"{done:,}"
    full = BAR * min(done, total) // total
    return f"{'━' * full}{'─' * (BAR - full)} {done:,}/{total:,}"


@contextmanager
def progress(*, quiet: bool = False) -> Generator[Watch]:
    """Shows events on a terminal's standard error while they come, and leaves nothing behind."""
    if quiet or not sys.stderr.isatty():
        yield lambda event: None
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    columns = min(console.width, WIDEST)
    told = Told()
    with console.status(Text("asking…"), spinner="dots") as status:

        def watch(event: "Event") -> None:
            told.take(event)
            lines = [shortened(str(told), columns - 4), *(f"  {line}" for line in told.below(columns - 2))]
            status.update(Text("\n".join(lines), style="dim"))

        yield watch
