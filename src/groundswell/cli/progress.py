"""What a run does, as one line that changes: only where somebody looks at a terminal."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from groundswell.cli.terminal import WIDEST, counting, printable, shortened

if TYPE_CHECKING:
    from groundswell.core.records import Event

BAR = 20


class Watch(Protocol):
    """Sees a run's events."""

    def __call__(self, event: "Event", /) -> None:
        """One more event."""
        ...


class Told:
    """A run so far, in a few words."""

    def __init__(self) -> None:
        self.agent, self.steps, self.calls, self.doing = "", 0, 0, "queued"

    def take(self, event: "Event") -> None:
        """Note what an event says."""
        body = event.body
        if body.kind == "route":
            self.agent, self.doing = body.route.agent, "starting"
        elif body.kind == "run":
            self.doing = body.reason or body.status
        elif body.kind == "step":
            self.steps, self.doing = max(self.steps, body.step), ", ".join(body.nodes)
        elif body.kind == "call.started":
            self.calls += 1
            self.doing = f"{body.tool} {' '.join(str(value) for value in body.arguments.values())}"
        elif body.kind == "call.progress":
            self.doing = f"{body.stage} {bar(body.done, body.total)}"
        elif body.kind == "denial":
            self.doing = f"denied: {body.message}"

    def __str__(self) -> str:
        counted = [counting(self.steps, "step"), counting(self.calls, "call")]
        return " · ".join([self.agent or "router", *counted, printable(self.doing)])


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
    told = Told()
    with console.status(Text("asking…"), spinner="dots") as status:

        def watch(event: "Event") -> None:
            told.take(event)
            status.update(Text(shortened(str(told), min(console.width, WIDEST) - 4), style="dim"))

        yield watch
