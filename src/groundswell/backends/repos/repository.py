"""One repository, opened and indexed: the port `Repo`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from groundswell.backends.repos import globs, matching, outlines, symbols, tracebacks
from groundswell.backends.repos.embedding import Progress
from groundswell.backends.repos.facts import MODULE
from groundswell.backends.repos.indexer import BEYOND, TOO_SLOW, Indexed, batches
from groundswell.backends.repos.reading import decoded, is_binary, split_lines
from groundswell.backends.repos.references import Found
from groundswell.backends.repos.references import find as find_references
from groundswell.backends.repos.searching import Searcher
from groundswell.backends.repos.trees import Tree, checked_path
from groundswell.core.errors import Invalid, NotFound, ToolFailed, Unavailable
from groundswell.core.ports import Workers
from groundswell.core.records.code import Coverage, FileSlice, Frame, Hit, Outline, Reference, Symbol
from groundswell.core.records.evidence import Excerpt

READ_LINES = 400
_FILE_BYTES = 4 << 20
_LINE = 1000  # characters of a line that are shown
_GREP_SECONDS = 20.0
_GREP_FILES, _GREP_BYTES = 400, 16 << 20  # that one process has in its memory
_INCOMPLETE = (BEYOND, TOO_SLOW)

T = TypeVar("T")


class IndexedRepo:
    """A repository as it was when it was opened. Implements `core.ports.Repo`."""

    def __init__(
        self,
        tree: Tree,
        indexed: Indexed,
        *,
        workers: Workers,
        searcher: Searcher | None,
        embedded: Progress,
        seconds: float,
    ) -> None:
        self.name = tree.name
        self.revision = indexed.listing.revision
        self._tree, self._indexed, self._index = tree, indexed, indexed.index
        self._workers, self._searcher, self._embedded = workers, searcher, embedded
        self._seconds = seconds
        self._entries = {entry.path: entry for entry in indexed.listing.entries}

    # -- definitions and uses

    async def definitions(self, name: str, *, kind: str = "", path: str = "", limit: int = 20) -> list[Symbol]:
        """Definitions of a name, plain or qualified, best first."""

        def find() -> list[Symbol]:
            sites = symbols.find(self._index, name, kind=kind, path=path)[: max(0, limit)]
            lines = _Lines(self)
            return [symbols.record(self._index, site, lines.of(site.path)) for site in sites]

        return await self._thinking(find)

    async def references(
        self, symbol: str, *, path: str = "", kinds: Sequence[str] = (), limit: int = 200
    ) -> list[Reference]:
        """Who uses the definitions a name means, surest first; `path` says which definition is meant."""

        def find() -> list[Reference]:
            sites = symbols.meant(self._index, symbol, path=path)
            found = find_references(self._index, sites) if sites else []
            wanted = [one for one in found if not kinds or one.kind in kinds]
            lines = _Lines(self)
            return [self._reference(one, lines.of(one.path)) for one in wanted[: max(0, limit)]]

        return await self._thinking(find)

    def _reference(self, found: Found, lines: Sequence[str]) -> Reference:
        module = self._index.module_name(found.path)
        caller = self._index.qualified(found.path, found.scope) if found.scope != MODULE else module
        return Reference(
            target=self._index.qualified(found.target.path, found.target.number),
            kind=found.kind,  # type: ignore[arg-type]  # extractors know no other kinds
            path=found.path,
            line=found.line,
            caller=caller,
            confidence=found.confidence,
            reason=found.reason,
            test=self._index.is_test(found.path),
            excerpt=symbols.excerpt(found.path, lines, found.line, found.line),
        )

    async def outline(self, path: str) -> Outline:
        """What a file, package or module defines, imports, and who imports it."""
        if "/" in path or path.startswith("."):
            checked_path(path.strip("/") or ".")

        def find() -> Outline:
            file = outlines.locate(self._index, path)
            if not file:
                raise NotFound("no_such_module", f"{path!r} is no file or module here", "List the files with a glob.")
            lines = _Lines(self)
            own = lines.of(file)
            document, start, end = outlines.documentation(self._index, file)
            doc = None
            if document:
                end = outlines.first_lines(lines.of(document), start, end)
                doc = symbols.excerpt(document, lines.of(document), start, end)
            return Outline(
                path=file,
                language=self._index.view(file).facts.language,
                lines=len(own),
                doc=doc,
                symbols=tuple(
                    symbols.record(self._index, site, own) for site in outlines.top_symbols(self._index, file)
                ),
                imports=outlines.imports(self._index, file),
                imported_by=outlines.imported_by(self._index, file),
            )

        return await self._thinking(find)

    # -- text

    async def read(self, path: str, start: int = 1, end: int | None = None) -> FileSlice:
        """Lines of a file; at most 400 at once."""
        checked_path(path)
        lines = await asyncio.to_thread(self.lines, path)
        start = max(1, start)
        if lines and start > len(lines):
            raise NotFound("no_such_line", f"{path!r} has {len(lines)} lines", "Read from an earlier line.")
        last = min(len(lines), start + READ_LINES - 1, end if end is not None else len(lines))
        if last < start and lines:
            raise Invalid("bad_range", f"line {end} is before line {start}", "Give the first line first.")
        language = self._index.view(path).facts.language if self._index.has(path) else ""
        excerpt = symbols.excerpt(path, lines, start, max(start, last))
        return FileSlice(
            path=path, start=start, end=max(start, last), lines=len(lines), language=language, excerpt=excerpt
        )

    async def grep(self, pattern: str, *, glob: str = "**/*", limit: int = 50) -> list[Hit]:
        """Lines that match an RE2 pattern."""
        matching.check(pattern)
        fits = globs.matcher(glob)
        entries = [self._entries[path] for path in self._index.paths if fits(path)]
        found: list[matching.Line] = []
        deadline = time.monotonic() + _GREP_SECONDS
        for batch in batches(entries, _GREP_FILES, _GREP_BYTES):
            seconds = deadline - time.monotonic()
            if len(found) >= limit or seconds <= 0:
                break
            wanted = limit - len(found)
            found += await self._workers.run(
                matching.grep_batch, self._tree.reader, batch, pattern, wanted, _FILE_BYTES, seconds=seconds
            )
        return [await self._thinking(lambda line=line: self._line_hit(line)) for line in found[: max(0, limit)]]

    def _line_hit(self, line: matching.Line) -> Hit:
        text = line.text[:_LINE]
        excerpt = Excerpt(source=f"repo:{line.path}#L{line.number}", text=text, truncated=len(text) < len(line.text))
        return Hit(
            path=line.path,
            start=line.number,
            end=line.number,
            symbol=self._symbol_at(line.path, line.number),
            excerpt=excerpt,
        )

    def _symbol_at(self, path: str, line: int) -> str:
        """The qualified name of the innermost function or class around a line."""
        around = [
            (definition.end_line - definition.line, number)
            for number, definition in enumerate(self._index.view(path).definitions)
            if definition.line <= line <= definition.end_line and definition.kind not in ("variable", "constant")
        ]
        return self._index.qualified(path, min(around)[1]) if around else ""

    async def search(self, query: str, *, glob: str = "**/*", limit: int = 10) -> list[Hit]:
        """Passages about something."""
        if self._searcher is None:
            raise Unavailable("no_vectors", "no vector store is configured", "Set vectors.url.")
        fits = None if glob in globs.EVERYTHING else globs.matcher(glob)
        found = await self._searcher.search(
            self._index, query, fits=fits, limit=limit, use_dense=self._embedded.done > 0
        )

        def hits() -> list[Hit]:
            lines = _Lines(self)
            rows: list[Hit] = []
            for one in found:
                path, start, end = str(one.payload["path"]), int(one.payload["start"]), int(one.payload["end"])
                text = lines.of(path)
                if start <= len(text):
                    module = self._index.module_name(path)
                    inner = str(one.payload.get("symbol", ""))
                    rows.append(
                        Hit(
                            path=path,
                            start=start,
                            end=min(end, len(text)),
                            score=one.score,
                            symbol=f"{module}.{inner}" if inner and module else inner,
                            excerpt=symbols.excerpt(path, text, start, end),
                        )
                    )
            return rows

        return await self._thinking(hits)

    async def frames(self, traceback: str) -> list[Frame]:
        """The frames of a traceback, innermost last, mapped to files here."""

        def find() -> list[Frame]:
            lines = _Lines(self)
            found: list[Frame] = []
            for raw in tracebacks.parse(traceback):
                path = tracebacks.located(self._index, raw)
                excerpt = None
                if path:
                    text = lines.of(path)
                    first, last = max(1, raw.line - 2), min(len(text), raw.line + 2)
                    excerpt = symbols.excerpt(path, text, first, last)
                found.append(Frame(file=raw.file, line=raw.line, function=raw.function, path=path, excerpt=excerpt))
            return found

        return await self._thinking(find)

    # -- files

    async def files(self, *, glob: str = "**/*", limit: int = 200) -> list[str]:
        """Paths that match."""
        fits = globs.matcher(glob)
        return sorted(path for path in self._entries if fits(path))[: max(0, limit)]

    async def coverage(self) -> Coverage:
        """What the index covers now."""
        index = self._index
        languages = {name: count for name, count in sorted(index.counted.items()) if name}
        return Coverage(
            revision=self.revision,
            files=len(self._entries),
            parsed=len(index.paths),
            languages=languages,
            skipped=dict(self._indexed.skipped) | ({"syntax not understood": index.rough} if index.rough else {}),
            embedded=self._embedded.done,
            to_embed=self._embedded.to_do,
            seconds=round(self._seconds, 3),
            complete=not any(reason in self._indexed.skipped for reason in _INCOMPLETE),
            stale=self._tree.stale,
        )

    def lines(self, path: str) -> list[str]:
        """A file's lines now; blocks. Raises NotFound, or ToolFailed("binary_file")."""
        entry = self._entries.get(path)
        if entry is None:
            checked_path(path)
            data = self._unlisted(path)
        else:
            data = self._tree.read(entry, _FILE_BYTES)
        if is_binary(data):
            raise ToolFailed("binary_file", f"{path!r} is not text", "Read another file.")
        return split_lines(decoded(data)) if data else []

    async def unchanged_lines(self, path: str) -> list[str] | None:
        """A file's lines where there are as many as the index knows, else None."""
        try:
            lines = await asyncio.to_thread(self.lines, path)
        except (NotFound, ToolFailed):
            return None
        known = self._index.has(path) and abs(self._index.lines[self._index.number(path)] - len(lines)) <= 1
        return lines if known else None

    def _unlisted(self, path: str) -> bytes:
        """A file that is not part of the repository is not read, whatever it is; a link is told apart."""
        self._tree.refuse_links(path)
        raise NotFound("no_such_file", f"{path!r} is no file of the repository", "List the files with a glob.")

    async def _thinking(self, work: Callable[[], T]) -> T:
        """Work on the index, in a thread of its own: it would hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(_THINKERS, self._locked, work)

    def _locked(self, work: Callable[[], T]) -> T:
        with self._index.lock:
            return work()


_THINKERS = ThreadPoolExecutor(4, "repository")


class _Lines:
    """Lines of files, each read once for one answer; a file that went away has none."""

    def __init__(self, repo: IndexedRepo) -> None:
        self._repo = repo
        self._known: dict[str, list[str]] = {}

    def of(self, path: str) -> list[str]:
        if path not in self._known:
            try:
                self._known[path] = self._repo.lines(path)
            except (NotFound, ToolFailed):
                self._known[path] = []
        return self._known[path]
