"""Prompts are files beside this one; each begins with its version."""

import functools
import re
from importlib import resources

_VERSION = re.compile(r"version: (\d+)\n\n")


@functools.cache
def prompt(name: str) -> tuple[int, str]:
    """A prompt's version and its text."""
    text = resources.files("groundswell.agents").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    match = _VERSION.match(text)
    assert match is not None, f"prompt {name} does not begin with its version"
    return int(match.group(1)), text[match.end() :].strip()
