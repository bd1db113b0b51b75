"""What a traceback means: where it broke in this repository, on which way it came there, and what that line does."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, TypedDict

from groundswell.agents.coding.definitions import signature
from groundswell.agents.coding.locating import Located, dumped, records
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet, code, counted
from groundswell.core.context import Tools
from groundswell.core.records import Frame, Hit, Symbol

_SHOWN = 8  # frames
_ERROR = (
    re.compile(
        r"^(?:Uncaught )?(?P<type>[A-Za-z_][\w.$]*(?:Error|Exception|Warning|Exit|Interrupt|Failure|Timeout|Panic))"
        r"(?:: (?P<text>.*))?$",
        re.MULTILINE,
    ),
    re.compile(r"^Caused by: (?P<type>[\w.$]+)(?:: (?P<text>.*))?$", re.MULTILINE),
    re.compile(r"^Exception in thread \S+ (?P<type>[\w.$]+)(?:: (?P<text>.*))?$", re.MULTILINE),
    re.compile(r"^(?P<type>panic): (?P<text>.*)$", re.MULTILINE),
    re.compile(r"thread '.*?' (?:\(\d+\) )?(?P<type>panicked) at (?:'(?P<text>[^']*)'|[^\n]*\n(?P<next>.*))"),
    re.compile(r"^(?P<type>fatal error): (?P<text>.*)$", re.MULTILINE),
    re.compile(r"^(?P<type>[A-Za-z_][\w.]*): (?P<text>\S.*)$", re.MULTILINE),
)
_HEADS = re.compile(r"Traceback|Exception in thread|Caused by|goroutine|created by|File|at\b|note|During|The above")


class Broken(TypedDict, total=False):
    """What is known of the frames in this repository; as JSON."""

    functions: dict[str, dict[str, Any]]  # heads, by `path:function`
    raised: list[dict[str, Any]]  # lines that may write the message
    definitions: list[dict[str, Any]]  # of the exception
    guesses: list[dict[str, Any]]  # where no frame is here: functions that are called and filed as in the frames


class Error(TypedDict):
    """What an error says of itself."""

    kind: str
    text: str


def error_of(trace: str) -> Error:
    """The exception that ended it, and its message."""
    for pattern in _ERROR:
        is_open = pattern in (_ERROR[0], _ERROR[-1])  # these would also take a heading for an error
        found = [each for each in pattern.finditer(trace) if not (is_open and _HEADS.match(each.group().strip()))]
        if found:
            match = found[0] if pattern in _ERROR[3:6] else found[-1]
            if trace.lstrip().startswith(match.group().strip()) and len(found) > 1 and "\n    at " in trace:
                match = found[0]
            groups = match.groupdict()
            return Error(kind=groups["type"], text=(groups.get("text") or groups.get("next") or "").strip())
    return Error(kind="", text="")


async def read(asked: Asked, located: Located, tools: Tools) -> Broken:
    """Look up the functions that the frames stand in, and who writes the message."""
    frames = _own(located)
    error = error_of(asked["trace"])
    functions, raised, exceptions = await asyncio.gather(
        _functions(tools, frames[-_SHOWN:]),
        _raised(tools, error["text"]),
        tools.result("symbol_find", name=error["kind"].rpartition(".")[2] or "-", limit=2),
    )
    guesses = [] if frames else await _guesses(located, tools)
    return Broken(
        guesses=guesses,
        functions=functions,
        raised=raised,
        definitions=dumped(records(exceptions, Symbol)),
    )


def _own(located: Located) -> list[Frame]:
    frames = [Frame.model_validate(row) for row in located.get("frames", [])]
    return [frame for frame in frames if frame.path and frame.excerpt]


def shown(trace: str, frame: Frame) -> str:
    """The code that the traceback itself shows for a frame, as Python's do; "" where it shows none."""
    file = re.escape(frame.file.rpartition("/")[2])
    place = rf'File "[^"\n]*{file}", line {frame.line}\b[^\n]*\n(?!\s*File )[ \t]+(\S[^\n]*)'
    match = re.search(place, trace)
    return match.group(1).strip() if match else ""


def _is_moved(trace: str, frame: Frame, quote: str) -> bool:
    """Whether the line here is not the one that ran."""
    ran = shown(trace, frame)
    return bool(ran) and "".join(ran.split()) not in "".join(quote.split())


async def _functions(tools: Tools, frames: Sequence[Frame]) -> dict[str, dict[str, Any]]:
    wanted = {f"{frame.path}:{_function(frame)}": frame for frame in frames if _function(frame)}
    rows = await asyncio.gather(
        *(tools.result("symbol_find", name=_function(frame), path=frame.path) for frame in wanted.values())
    )
    found: dict[str, dict[str, Any]] = {}
    for (name, frame), row in zip(wanted.items(), rows, strict=True):
        around = [each for each in records(row, Symbol) if each.line <= frame.line <= each.end_line]
        if around:
            found[name] = dumped(around)[0]
    return found


def _function(frame: Frame) -> str:
    """The bare name of a frame's function."""
    name = re.sub(r"\(.*?\)|\{.*?\}|<locals>|\[.*?\]", "", frame.function)
    parts = [part for part in re.split(r"\.|::|/|\$", name) if re.fullmatch(r"[A-Za-z_]\w*", part)]
    return parts[-1] if parts else ""


async def _guesses(located: Located, tools: Tools) -> list[dict[str, Any]]:
    """What ran may be a build or another version of what is here: it still has the functions of that name."""
    outside = [Frame.model_validate(row) for row in located.get("frames", [])][-6:]
    wanted = [frame for frame in reversed(outside) if _function(frame)]
    rows = await asyncio.gather(*(tools.result("symbol_find", name=_function(frame), limit=8) for frame in wanted))
    found = [
        next(
            (each for each in records(row, Symbol) if _stem(each.path) == _stem(frame.file) and not each.test),
            None,
        )
        for frame, row in zip(wanted, rows, strict=True)
    ]
    return dumped(list({(each.path, each.line): each for each in found if each is not None}.values()))


def _stem(path: str) -> str:
    """A file's name without its ending: a build may change that."""
    return re.split(r"[/\\]", path)[-1].partition(".")[0]


async def _raised(tools: Tools, text: str) -> list[dict[str, Any]]:
    """Lines that have the constant part of a message."""
    pieces = re.split(r"['\"`][^'\"`]*['\"`]|\d+(?:\.\d+)*|[A-Za-z_]\w*\.\w[\w.]*|[:=]\s", text)
    longest = max((piece.strip(" .,:;()[]{}") for piece in pieces), key=len, default="")
    if len(longest) < 10 or " " not in longest:
        return []
    hits = records(await tools.result("repo_search", pattern=re.escape(longest).replace("\\ ", " "), limit=12), Hit)
    return dumped([hit for hit in hits if not re.search(r"\.(?:md|rst|txt|lock)$|(?:^|/)tests?/", hit.path)][:3])


def answer(asked: Asked, located: Located, broken: Broken, sheet: Sheet) -> None:
    """The innermost frame here, the way to it, who writes the message, and a cause where the line shows one."""
    error = error_of(asked["trace"])
    frames = _own(located)
    everything = located.get("frames", [])
    what = f"{error['kind']}: {error['text']}".strip(": ") or "The traceback"
    if not frames:
        sheet.missing.append(
            f"none of the {counted(len(everything), 'frame')} of the traceback is in this repository"
            if everything
            else "no frame could be read from the text: paste the traceback with its file names and lines"
        )
        _say_guesses(broken, what, sheet)
        _say_origin(broken, sheet)
        return
    inner = frames[-1]
    sheet.block(f"{what[:300]}\n\nIt broke here:")
    _say_frame(inner, broken, sheet, asked["trace"], first=True)
    _say_cause(error, inner, asked["trace"], sheet)
    outside = len(everything) - 1 - max(i for i, row in enumerate(everything) if row["path"])
    if outside > 0:
        last = Frame.model_validate(everything[-1])
        sheet.missing.append(
            f"the error came out of {counted(outside, 'frame')} below that line, outside this repository "
            f"(innermost: {last.file}:{last.line})"
        )
    if len(frames) > 1:
        sheet.block("It came there from, innermost first:", bullets=True)
        seen = {(inner.path, inner.line)}
        for frame in reversed(frames[:-1]):
            if (frame.path, frame.line) not in seen and len(seen) < _SHOWN:
                seen.add((frame.path, frame.line))
                _say_frame(frame, broken, sheet, asked["trace"])
    _say_origin(broken, sheet)
    if asked["needs_model"]:
        sheet.needs_model = True


def _say_frame(frame: Frame, broken: Broken, sheet: Sheet, trace: str, *, first: bool = False) -> None:
    row = broken.get("functions", {}).get(f"{frame.path}:{_function(frame)}")
    function = Symbol.model_validate(row) if row else None
    line = sheet.cite(frame.excerpt, line=frame.line)
    if line is None or frame.excerpt is None:
        sheet.missing.append(f"{frame.path}:{frame.line} is not the line of the traceback any more")
        return
    if _is_moved(trace, frame, line.quote):
        sheet.missing.append(
            f"line {frame.line} of {frame.path} is another one here than in the traceback: it ran another version"
        )
        if not (line := sheet.cite(frame.excerpt, shown(trace, frame))):
            return
    text = code(line.quote, 140)
    if function is not None:
        head = sheet.cite(function.excerpt)
        at = line.source.rpartition("#L")[2].partition("-")[0]
        where = f"`{function.name}`, {frame.path}:{at}"
        sheet.say(f"In {where}: {text}" if first else f"{where}: {text}", line, head)
    else:
        sheet.say(f"{frame.path}:{frame.line}: {text}", line)


def _say_guesses(broken: Broken, what: str, sheet: Sheet) -> None:
    symbols = [Symbol.model_validate(row) for row in broken.get("guesses", [])]
    sheet.block(f"{what[:300]}\n\nFunctions here that are named as in its frames, innermost first:", bullets=True)
    for symbol in symbols:
        cited = sheet.cite(symbol.excerpt)
        sheet.say(f"`{symbol.name}` in {symbol.path}:{symbol.line}: {signature(symbol)}", cited, confidence=0.6)
    if symbols:
        sheet.missing.append("what ran was a build or another version: its lines are not those of this repository")


def _say_origin(broken: Broken, sheet: Sheet) -> None:
    """Who writes the message, and where the exception is defined."""
    hits = [Hit.model_validate(row) for row in broken.get("raised", [])]
    symbols = [Symbol.model_validate(row) for row in broken.get("definitions", [])]
    if hits:
        sheet.block("The message is written here:", bullets=True)
        for hit in hits:
            sheet.say(f"{hit.path}:{hit.start}: {code(hit.excerpt.text)}", sheet.cite(hit.excerpt))
    if symbols and symbols[0].kind == "class":
        best = symbols[0]
        sheet.block()
        sheet.say(f"`{best.name}` is defined in {best.path}:{best.line}.", sheet.cite(best.excerpt))


_VALUE = r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\[[^\[\]]*\]|\([^()]*\))*?"


def _say_cause(error: Error, frame: Frame, trace: str, sheet: Sheet) -> None:
    """A likely cause, where the kind of error and the line together show one; always an inference."""
    cited = sheet.cite(frame.excerpt, line=frame.line)
    if cited is None or _is_moved(trace, frame, cited.quote):
        return
    if text := cause(error, cited.quote):
        sheet.block("Likely cause:")
        sheet.say(f"{text} in line {frame.line}.", cited, inferred=True, confidence=0.6)


def cause(error: Error, line: str) -> str:
    """What a line does that this error can come from; "" where that does not show."""
    kind, text = error["kind"].rpartition(".")[2], error["text"]
    attribute = re.search(
        r"'NoneType' object has no attribute '(\w+)'|properties of (?:undefined|null) \((?:reading|setting) '(\w+)'\)",
        text,
    )
    if attribute:
        name = attribute.group(1) or attribute.group(2)
        holder = re.search(rf"({_VALUE})\??\.{re.escape(name)}\b", line)
        return f"`{holder.group(1)}` holds no object when `.{name}` is read" if holder else ""
    if kind in ("KeyError", "IndexError") and (key := re.search(rf"({_VALUE})\[([^\[\]]+)\]", line)):
        return f"`{key.group(1)}` holds nothing under `{key.group(2)}`"
    if "index out of range" in text and (key := re.search(rf"({_VALUE})\[([^\[\]]+)\]", line)):
        return f"`{key.group(2)}` is beyond the end of `{key.group(1)}`"
    if kind == "ZeroDivisionError" and (part := re.search(rf"(?://?|%)\s*({_VALUE})", line)):
        return f"`{part.group(1)}` is zero"
    if "nil pointer" in text and (part := re.search(rf"({_VALUE})\.\w+", line)):
        return f"`{part.group(1)}` is a nil pointer"
    if "NoneType" in text and "operand" in text:
        sides = re.search(rf"({_VALUE})\s*(?:[-+*/%]|//|\*\*)\s*({_VALUE})", line)
        return f"one of `{sides.group(1)}` and `{sides.group(2)}` has no value" if sides else ""
    if "not callable" in text and (part := re.search(rf"({_VALUE})\(", line)):
        return f"`{part.group(1)}` holds something else than a function"
    if re.match(r"\s*(?:raise|throw|panic\()", line):
        return f"{code(line.strip())} is reached: its own check refused what it was given"
    return ""
