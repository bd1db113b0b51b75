"""Remove secrets from a stream: what is decided is passed on, the shortest undecided end is held back.

A line is decided when its end is known. Before that, everything up to the first thing that may still become a secret is
passed on. A line longer than `LIMIT` is decided in windows that overlap by `OVERLAP` on both sides, so that what a rule
reads around a secret is there wherever the window falls; a secret longer than a window is dropped as it comes.
Where the windows fall depends on the line alone, never on how it was cut into chunks.
"""

import copy
import re
from collections.abc import Iterable, Iterator

from groundswell.core.redaction import assignments, blocks, hints
from groundswell.core.redaction.patterns import LINE_RULES, WORD_RULES
from groundswell.core.redaction.spans import Span, blanked, mask, merged, placeholder

LIMIT = 4096
OVERLAP = 1024

_STARTS = tuple(dict.fromkeys([hint for rule in LINE_RULES for hint in rule.hints] + ["machine", "default"]))
_PENDING = re.compile(  # what may make anything after it in the line a secret
    rf"""{assignments.KEYWORD}\d{{0,2}}[\\"'`\])]{{0,8}}[ \t]{{0,16}}(?:[:=>,?]|\Z)
    | --?(?:[a-z]+-)*{assignments.KEYWORD} | [\\"']data | :(?:543\d|6432|\*): | {"|".join(map(re.escape, _STARTS))}""",
    re.VERBOSE | re.IGNORECASE,
)
_STOP = re.compile(r"[\s\"'<>`]")


def _spans(line: str, settings: bool) -> Iterator[Span]:
    """What the rules for one line find, in the order of their rank."""
    lowered = line.lower()
    for rules, searched in ((WORD_RULES, line), (LINE_RULES, lowered)):
        for rule in rules:
            for hint in rule.hints:
                if hint in searched:
                    yield from rule.spans(line)
                    break
    if hints.any_of(hints.names(lowered)):
        yield from assignments.spans(line, settings)


class Redactor:
    """Removes secrets from text that comes in chunks; the outputs joined are what `redact` makes of the whole."""

    def __init__(self) -> None:
        self.kinds: list[str] = []  # of the secrets removed so far, in order
        self._blocks = blocks.Blocks()
        self._line = ""  # the current line as far as it came, from the start of its window
        self._done = 0  # how much of it was passed on
        self._sent = ""  # what that became
        self._context = 0  # how much of it an earlier window decided
        self._windowed = False
        self._close: re.Pattern[str] | None = None  # ends the long secret that is being dropped

    def push(self, chunk: str) -> str:
        """Take a chunk and give what is decided."""
        return self.take(chunk) + self._pass_on()

    def take(self, chunk: str) -> str:
        """Take a chunk and give the lines that ended in it."""
        body, newline, rest = chunk.rpartition("\n")
        out: list[str] = []
        if newline:
            if self._line or self._close:
                first, _, body = (body + "\n").partition("\n")
                out += (self._grow(first), self._end_line("\n"))
            else:
                body += "\n"
            out.append(self._whole_lines(body))
        if rest:
            out.append(self._grow(rest))
        return "".join(out)

    def flush(self) -> str:
        """Give what was held back: the text ends here."""
        out = self._end_line("")
        self._blocks = blocks.Blocks()
        return out

    def _whole_lines(self, text: str) -> str:
        """Lines with their ends; those without a hint are copied in one piece."""
        out: list[str] = []
        position = 0
        for start in _lines_with_hints(text):
            if start < position:
                continue
            while position < start and not self._blocks.quiet:
                position = self._next_line(text, position, out)
            if position < start:
                out.append(text[position:start])
            position = self._next_line(text, max(start, position), out)
        while position < len(text) and not self._blocks.quiet:
            position = self._next_line(text, position, out)
        out.append(text[position:])
        return "".join(out)

    def _next_line(self, text: str, start: int, out: list[str]) -> int:
        end = text.index("\n", start)
        out += (self._grow(text[start:end]), self._end_line("\n"))
        return end + 1

    def _grow(self, text: str) -> str:
        """Add to the current line, deciding windows of it where it is too long."""
        out: list[str] = []
        for start in range(0, len(text), LIMIT):
            self._line += text[start : start + LIMIT]
            while len(self._line) > LIMIT or self._close:
                if self._close and not self._drop(self._close):
                    break
                if len(self._line) > LIMIT:
                    out.append(self._window())
        return "".join(out)

    def _drop(self, close: re.Pattern[str]) -> bool:
        """Drop what belongs to a secret longer than a window; whether its end was found."""
        end = close.search(self._line)
        if end is None:
            self._line = ""
            return False
        self._close, self._line = None, "\0" + self._line[end.start() :]  # what follows stands after a secret
        self._done = self._context = 1
        return True

    def _window(self) -> str:
        around = None if self._windowed else self._blocks
        self._windowed, self._sent = True, ""
        cut = LIMIT - OVERLAP
        spans = [span for span in self._find(self._line[:LIMIT], around) if span.start < cut]
        if spans and spans[-1].end > cut:
            cut = spans[-1].end
        out = self._render(spans, cut)
        if cut == LIMIT:
            close = spans[-1].close
            self._close = re.compile(f"{re.escape(close)}|[{assignments.BREAKS}]") if close else _STOP
            self._line, self._done, self._context = self._line[LIMIT:], 0, 0
            return out
        keep = max(cut - OVERLAP, 0)
        self._line = self._line[keep:]
        self._done, self._context = max(self._done, cut) - keep, cut - keep
        return out

    def _end_line(self, newline: str) -> str:
        self._close = None
        before = copy.copy(self._blocks)
        spans = self._find(self._line, None if self._windowed else self._blocks)
        if self._windowed:
            spans = merged((*spans, *self._blocks.begin(mask(self._line))))
        out = self._render(spans, len(self._line))
        if spans and not self._windowed:
            out = self._settle(out, before)
        self._line, self._sent, self._done, self._context, self._windowed = "", "", 0, 0, False
        return out + newline

    def _settle(self, out: str, before: blocks.Blocks) -> str:
        """Look at the redacted line again, as whoever redacts it a second time would."""
        for _ in range(4):
            self._line, self._done = self._sent + out, len(self._sent)
            spans = self._find(self._line, copy.copy(before))
            if not spans:
                break
            out = self._render(spans, len(self._line))
        return out

    def _pass_on(self) -> str:
        """Pass on what of an unfinished line no later character can change."""
        line = self._line
        if self._blocks.holding or _after_space(line, self._done, len(line)) == self._done:
            return ""
        pending = _PENDING.search(line, max(self._done - 32, 0))
        cut = _after_space(line, self._done, pending.start() if pending else len(line))
        if cut == self._done:
            return ""
        out = self._render(self._find(line[:cut]), cut)
        self._sent += "" if self._windowed else out
        return out

    def _find(self, line: str, around: blocks.Blocks | None = None) -> list[Span]:
        """The secrets in a line or a part of one; `around` when it is whole and what came before counts."""
        masked = mask(line)
        spans = self._secrets(masked, around.spans(masked) if around else ())
        found = spans
        while found and self._windowed:  # what stands next to a secret may be one only when that is gone
            masked = blanked(masked, found)
            found = self._secrets(masked)
            spans += found
        return [span for span in merged(spans) if span.start >= self._context]

    def _secrets(self, masked: str, spans: Iterable[Span] = ()) -> list[Span]:
        everything = (*spans, *_spans(masked, self._blocks.settings))
        return [span for span in everything if masked[span.start : span.end].strip("\0")]

    def _render(self, spans: list[Span], cut: int) -> str:
        """The line from where it was passed on up to the cut, with placeholders."""
        out: list[str] = []
        for span in spans:
            if span.start < self._done or span.end > cut:
                continue
            out += (self._line[self._done : span.start], placeholder(span.kind))
            self.kinds.append(span.kind)
            self._done = span.end
        out.append(self._line[self._done : cut])
        self._done = max(self._done, cut)
        return "".join(out)


def _after_space(line: str, start: int, end: int) -> int:
    """Where the last word begins between two places, or the first of them: no word is decided before it ended."""
    return max(start, *(line.rfind(space, start, end) + 1 for space in " \t\r"))


def _lines_with_hints(text: str) -> list[int]:
    """Where the lines begin that some rule must read."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a character whose lower case is longer: read every line
        return [0, *(match.end() for match in re.finditer("\n", text))][:-1]
    hits = (*hints.words(text), *hints.names(lowered), *hints.lines(lowered))
    found = {text.rfind("\n", 0, at) + 1 for at in hits}
    at = 0 if text.startswith("[") else text.find("\n[") + 1 or -1
    while at >= 0:
        found.add(at)
        at = text.find("\n[", at) + 1 or -1
    return sorted(found)
