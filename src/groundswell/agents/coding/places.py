"""Where something is raised, returned or created: the lines that do it."""

import re
from typing import Any, TypedDict

from groundswell.agents.coding.definitions import key, named
from groundswell.agents.coding.locating import Located, dumped, records, standing
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet, code, counted
from groundswell.core.context import Tools
from groundswell.core.records import Hit

_FOUND = 200
_SHOWN = 16
_DONE = {"raise": "raised", "return": "returned", "create": "created"}
_HEAD = re.compile(r"\s*(?:export\s+|async\s+|pub\s+|abstract\s+)*(?:def|class|function|func|fn|struct|interface)\b")
_COMMENT = re.compile(r"\s*(?:#|//|\*|/\*|<!--|\.\. )")
_PROSE = re.compile(r"\.(?:md|mdx|rst|txt|adoc|lock|json)$")


class Happening(TypedDict, total=False):
    """Lines where it happens; as JSON."""

    hits: list[dict[str, Any]]


async def read(asked: Asked, located: Located, tools: Tools) -> Happening:
    """Search the text: no reference says what is done with a name."""
    if not asked["names"]:
        return Happening(hits=[])
    word = re.escape(re.split(r"\.|::|#|->", asked["names"][0])[-1])
    hits = records(await tools.result("repo_search", pattern=_pattern(asked["member"], word), limit=_FOUND), Hit)
    kept = [hit for hit in hits if _is_code(hit, asked["member"])]
    kept.sort(key=lambda hit: (standing(hit.path), hit.path, hit.start))
    return Happening(hits=dumped(kept))


def _pattern(happening: str, word: str) -> str:
    if happening == "raise":
        return rf"\b(?:raise|throw|panic|reject|abort)\b.*\b{word}\b"
    if happening == "return":
        return rf"\breturn\b.*\b{word}\b|=>\s*{word}\b"
    return rf"\b{word}(?:<[^<>()]*>)?\s*[({{]|\bnew\s+(?:\w+\.)*{word}\b"


def _is_code(hit: Hit, happening: str) -> bool:
    text = hit.excerpt.text
    is_head = happening == "create" and _HEAD.match(text) is not None
    return not (is_head or _COMMENT.match(text) or _PROSE.search(hit.path))


def answer(asked: Asked, located: Located, read_: Happening, sheet: Sheet) -> None:
    """Where it is defined, then the lines, source before tests and examples."""
    name, done = asked["names"][0], _DONE[asked["member"]]
    found = named(located)
    if found and key(best := found[0][1][0]) not in sheet.told:
        sheet.told.add(key(best))
        sheet.block()
        sheet.say(f"`{best.name}` is defined in {best.path}:{best.line}.", sheet.cite(best.excerpt))
    hits = [Hit.model_validate(row) for row in read_.get("hits", [])]
    if not hits:
        sheet.missing.append(f"no line where {name} is {done}")
        return
    own = [hit for hit in hits if not standing(hit.path)]
    _say(f"`{name}` is {done} in {counted(len(own), 'line')}:", own, _SHOWN, sheet)
    aside = [hit for hit in hits if standing(hit.path)]
    _say(f"In tests, examples and documents ({counted(len(aside), 'line')}):", aside, 6, sheet)


def _say(title: str, hits: list[Hit], most: int, sheet: Sheet) -> None:
    sheet.block(title, bullets=True)
    for hit in hits[:most]:
        sheet.say(f"{hit.path}:{hit.start}: {code(hit.excerpt.text)}", sheet.cite(hit.excerpt))
    if len(hits) > most:
        sheet.missing.append(f"{counted(len(hits) - most, 'more line')} like these")
