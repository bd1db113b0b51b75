"""What a repository is, what it is made of, and where it begins to run."""

import asyncio
from typing import Any, TypedDict

from groundswell.agents.coding.locating import Located, records
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet, code, counted, sentence
from groundswell.core.context import Tools
from groundswell.core.records import Coverage, FileSlice, Hit, Outline

_ENTRIES = (
    r"^if __name__ == ['\"]__main__['\"]|^func main\(\)|^(?:pub )?(?:async )?fn main\(|public static void main\("
    r"|^\[project\.scripts\]|^\[tool\.poetry\.scripts\]|^\s*\"bin\"\s*:|^\s*\"main\"\s*:|^\[\[bin\]\]|^int main\("
    r"|console_scripts"
)


class Surveyed(TypedDict, total=False):
    """The README's beginning, the modules that are imported most, the lines that programs begin at; as JSON."""

    readme: dict[str, Any] | None
    modules: list[dict[str, Any]]
    entries: list[dict[str, Any]]


async def read(asked: Asked, located: Located, tools: Tools) -> Surveyed:
    """Look at the README, at the most imported modules and for entry points."""
    readmes, modules, entries = await asyncio.gather(
        tools.result("files_list", glob="[Rr][Ee][Aa][Dd][Mm][Ee]*", limit=5),
        tools.result("modules_rank", limit=10),
        tools.result("repo_search", pattern=_ENTRIES, limit=40),
    )
    readme = None
    if readmes.status == "ok" and readmes.value:
        result = await tools.result(
            "file_read", path=min(readmes.value, key=lambda each: (each.count("/"), each)), start=1, end=60
        )
        readme = result.value if result.status == "ok" else None
    return Surveyed(
        readme=readme,
        modules=[each.model_dump(mode="json") for each in records(modules, Outline)],
        entries=[each.model_dump(mode="json") for each in records(entries, Hit)],
    )


def answer(asked: Asked, located: Located, surveyed: Surveyed, sheet: Sheet, coverage: Coverage) -> None:
    """Say what it is, in its README's words; then how big; then its main modules and entry points."""
    if readme := surveyed.get("readme"):
        _say_readme(FileSlice.model_validate(readme), sheet)
    languages = sorted(coverage.languages.items(), key=lambda row: -row[1])
    made_of = ", ".join(f"{name} {count}" for name, count in languages[:5])
    size = f"{counted(coverage.files, 'file')} ({made_of})" if made_of else counted(coverage.files, "file")
    modules = [Outline.model_validate(row) for row in surveyed.get("modules", [])]
    sheet.block(f"{size}. The modules that most others import:", bullets=True)
    for outline in modules[:8]:
        _say_module(outline, sheet)
    entries = [Hit.model_validate(row) for row in surveyed.get("entries", [])]
    entries.sort(key=lambda hit: (_is_side(hit.path), hit.path.count("/"), hit.path))
    sheet.block("Where programs begin:", bullets=True)
    for hit in [each for each in entries if not _is_side(each.path)][:6] or entries[:3]:
        sheet.say(f"{hit.path}:{hit.start}: {code(hit.excerpt.text)}", sheet.cite(hit.excerpt))


def _is_side(path: str) -> bool:
    return any(
        part in ("test", "tests", "docs", "doc", "examples", "example", "node_modules") for part in path.split("/")
    )


def _say_readme(readme: FileSlice, sheet: Sheet) -> None:
    """The first paragraph that is a sentence, not a heading, a badge or markup."""
    sheet.block()
    for paragraph in readme.excerpt.text.split("\n\n"):
        text = " ".join(paragraph.lstrip("> ").split())
        is_markup = text.startswith(("#", "[", "!", "<", "=", "-", "..", "|", "```", "*", ":")) or "](http" in text[:40]
        if not is_markup and len(text.split()) >= 5:
            said = sentence(text, 240)
            sheet.say(f"{readme.path} says: “{_plain(said)}”", sheet.cite(readme.excerpt, said))
            return


def _plain(text: str) -> str:
    return text.replace("“", "").replace("”", "")


def _say_module(outline: Outline, sheet: Sheet) -> None:
    symbols = sorted(
        outline.symbols,
        key=lambda each: (each.kind != "class", each.kind in ("variable", "constant"), each.name[:1] == "_"),
    )
    named = symbols[0] if symbols else None
    doc = outline.doc.text if outline.doc is not None else ""
    said = sentence(doc.strip().strip("\"'/*# \n"), 110).strip("\"'") if doc else ""
    if said and (cited := sheet.cite(outline.doc, said)) and cited.source.startswith(f"repo:{outline.path}#"):
        sheet.say(f"{outline.path}: “{_plain(said)}”", cited)
    elif named is not None:
        sheet.say(f"{outline.path} defines `{named.name}`.", sheet.cite(named.excerpt))
