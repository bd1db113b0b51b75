"""What nodes state, as sentences; a name that is not known here is shown with its values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from groundswell.cli.terminal import counting

Data = Mapping[str, Any]


def _brief(data: Data) -> str:
    parts, why = data["parts"], data.get("why")
    return f"researches {counting(len(parts), 'part')}" + (f": {why}" if why else "")


def _researched(data: Data) -> str:
    fell = f"; {data['fell']}" if data.get("fell") else ""
    return f"done: {counting(data['claims'], 'finding')}{fell}"


def _suspected(data: Data) -> str:
    refuted_by = data.get("refuted_by")
    return f"suspects: {data['cause']}" + (f"; it would be refuted by: {refuted_by}" if refuted_by else "")


def _understood(data: Data) -> str:
    about = [data.get("kind", ""), *data.get("names", ()), *data.get("paths", ())]
    return f"reads it as: {', '.join(filter(None, about)) or 'a question'}"


SENTENCES: dict[str, Callable[[Data], str]] = {
    "brief": _brief,
    "research": lambda data: f"{data['part']}/{data['of']} {data['question']}",
    "researched": _researched,
    "plan": lambda data: "plans: " + "; ".join(data["steps"]),
    "hypothesis": _suspected,
    "compacted": lambda data: (
        f"shortens the conversation from {data['messages_before']} to {data['messages']} messages"
    ),
    "stuck": lambda data: f"is stuck: {data['why']}",
    "model lost": lambda data: f"the model of role {data['role']} is left: {data['why']}",
    "loop": lambda data: f"asks the model of role {data['role']}",
    "grounding": lambda data: f"{data['kept']} sentences stand, {len(data['dropped'])} are left out",
    "understood": _understood,
    "models": lambda data: "",
}


def called(tool: str, arguments: Data) -> str:
    """A call in one line: its words, without its numbers."""
    words = [_words(value) for value in arguments.values() if not isinstance(value, int | float)]
    return " ".join([tool, *words])


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        values: Sequence[Any] = value
        more = f" and {len(values) - 3} more" if len(values) > 3 else ""
        return ", ".join(map(_words, values[:3])) + more
    return str(value)


def sentence(name: str, data: Data) -> str:
    """A note as a sentence. It came from an agent: one that lacks a value is shown as it is."""
    if name in SENTENCES:
        try:
            return SENTENCES[name](data)
        except (KeyError, TypeError):
            pass
    return f"{name} {' '.join(str(value) for value in data.values())}".strip()
