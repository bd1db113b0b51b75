"""`groundswell collections`: documents that questions can be asked about."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from groundswell.cli import exits
from groundswell.cli.groups import Group
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.program import program
from groundswell.cli.results import show as show_result
from groundswell.cli.terminal import aside, counting, printable, say, size, span, table
from groundswell.cli.tools import called
from groundswell.core.errors import ConfigError

AGENT = "web"
MOST_LISTED = 200
group = typer.Typer(
    cls=Group, help="Add, list, show, refresh and remove collections of documents.", invoke_without_command=True
)
NameArgument = Annotated[str, typer.Argument(help="The collection's name: a-z, 0-9, `.`, `_` and `-`.")]
PagesOption = Annotated[int, typer.Option("--pages", min=1, help="Read at most so many.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="collections")


@group.callback()
def default(context: typer.Context) -> None:
    """Add, list, show, refresh and remove collections of documents; by itself it lists them."""
    if context.invoked_subcommand is None:
        list_(context)


@group.command()
def add(
    context: typer.Context,
    name: NameArgument,
    source: Annotated[str, typer.Argument(metavar="DIR|URL", help="A folder of documents, or a site to crawl.")],
    pages: PagesOption = 500,
    as_json: JsonOption = False,
) -> None:
    """Fill a collection from a folder of HTML, Markdown and text, or from a site below an address.

    A site is read politely: its robots.txt is kept to, one page at a time, and no link leads elsewhere.
    """
    _fill(context, name, address(source), pages, as_json)


@group.command()
def refresh(context: typer.Context, name: NameArgument, pages: PagesOption = 500, as_json: JsonOption = False) -> None:
    """Read again what has changed since, from where the collection was filled."""
    shelf = _result(context, "collection_show", {"name": name}, {}, as_json)
    _fill(context, name, shelf["value"]["collection"]["source"], pages, as_json)


@group.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the collections."""
    found = _result(context, "collections_list", {}, {}, as_json)["value"] or []
    if as_json:
        say(json.dumps({"collections": found}, ensure_ascii=False, indent=2))
    elif not found:
        aside(f"no collections yet: {program()} collections add NAME DIR|URL")
    else:
        rows = [
            (each["name"], f"{each['pages']:,}", size(each["bytes"]), each["updated"][:10], each["source"])
            for each in found
        ]
        table(rows, ("name", "pages", "size", "filled", "from"))


@group.command()
def show(context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show the pages of a collection."""
    value = _result(context, "collection_show", {"name": name}, {}, as_json)["value"]
    if as_json:
        say(json.dumps(value, ensure_ascii=False, indent=2))
        return
    documents = value["documents"]
    say(f"{name}: {counting(len(documents), 'page')} from {printable(value['collection']['source'])}", "bold")
    rows = [(each["path"], size(each["bytes"]), each["title"]) for each in documents[:MOST_LISTED]]
    table(rows, ("page", "size", "title"))
    if len(documents) > MOST_LISTED:
        aside(f"and {len(documents) - MOST_LISTED:,} more: --json prints all", "dim")


@group.command()
def remove(context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Delete a collection, its passages and its vectors. What answers have quoted stays their evidence."""
    value = _result(context, "collection_remove", {"name": name}, {}, as_json)["value"]
    if as_json:
        say(json.dumps(value, ensure_ascii=False, indent=2))
    else:
        say(f"{name} is deleted: {counting(value['pages'], 'page')}")


def address(text: str) -> str:
    """A folder as `path:/…`, a URL as it is. Raises ConfigError for what is neither."""
    if text.startswith(("http://", "https://")):
        return text
    folder = Path(text.removeprefix("path:")).expanduser()
    if not folder.is_dir():
        raise ConfigError("no_such_folder", f"{folder} is no folder", "name a folder, or an address with https://")
    return f"path:{folder.resolve()}"


def filled(value: dict[str, Any]) -> list[str]:
    """What filling came to, in a few lines."""
    changes = [f"{value[name]:,} {name}" for name in ("added", "changed", "removed", "unchanged") if value[name]]
    lines = [
        f"{value['name']}: {counting(value['pages'], 'page')}, {counting(value['passages'], 'passage')}"
        f" ({', '.join(changes) or 'nothing there'}) in {span(value['seconds'])}"
    ]
    if value["skipped"]:
        lines.append("left out: " + ", ".join(f"{count:,} {reason}" for reason, count in value["skipped"].items()))
        lines.extend(f"  {example}" for example in value["examples"])
    if not value["complete"]:
        lines.append(f"not complete: {program()} collections refresh {value['name']} --pages N reads on")
    return lines


def _fill(context: typer.Context, name: str, source: str, pages: int, as_json: bool) -> None:
    arguments = {"name": name, "pages": pages}
    value = _result(context, "collection_fill", arguments, {"pages": source}, as_json)["value"]
    if as_json:
        say(json.dumps(value, ensure_ascii=False, indent=2))
        return
    for line in filled(value):
        say(printable(line))
    aside(f'ask it: {program()} ask --agent web --source pages=collection:{name} "…"', "dim")


def _result(
    context: typer.Context, tool: str, arguments: dict[str, Any], sources: dict[str, str], as_json: bool
) -> dict[str, Any]:
    """A call's result; one that is not good ends the command."""
    invocation = here(context, as_json=as_json)
    _, result = asyncio.run(called(invocation, tool, arguments, AGENT, sources, quiet=as_json))
    if result["status"] not in ("ok", "no_data") or (result["status"] == "no_data" and result.get("message")):
        if as_json:
            say(json.dumps(result, ensure_ascii=False, indent=2))
        else:
            show_result({**result, "status": "error" if result["status"] == "no_data" else result["status"]})
        raise typer.Exit(exits.of_result(result))
    return result
