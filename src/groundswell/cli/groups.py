"""Groups of commands whose help and completion come at once."""

from typing import Any

from typer.core import TyperGroup

HELP = ("-h", "--help")


def asks_help_of_command(words: list[str]) -> bool:
    """Whether a line such as `ask --help` asks for the help of a command, and nothing else."""
    options = words[: words.index("--")] if "--" in words else words
    return bool(words) and not words[0].startswith("-") and any(word in HELP for word in options)


class Group(TyperGroup):
    """A group that does not read its own options where only a command's help, or a completion, is asked for.

    Reading an option imports pydantic, which takes longer than all else.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words that are left for a command."""
        completes_command = ctx.resilient_parsing and not any(word.startswith("-") for word in args)
        if not (asks_help_of_command(args) or completes_command):
            return super().parse_args(ctx, args)
        params, self.params, self.add_help_option = self.params, [], False
        try:
            return super().parse_args(ctx, args)
        finally:
            self.params, self.add_help_option = params, True
