"""A tool's result for people: its value on standard output, what went wrong on standard error."""

import json
from typing import Any

from groundswell.cli.program import program
from groundswell.cli.terminal import aside, printable, say


def show(result: dict[str, Any]) -> None:
    """Print a result."""
    if result["status"] not in ("ok", "no_data"):
        aside(f"{result['status']}: {printable(result.get('message') or '')}".rstrip(": "), "bad")
        if result.get("hint"):
            aside(f"hint: {printable(result['hint'])}")
        return
    value = result.get("value")
    if value is not None:
        say(printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)))
    if result.get("handle"):
        aside(f"cut: {program()} tools call result_read handle={result['handle']} reads on", "dim")
