"""A language server spoken to over its standard streams."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

CAPABILITIES = {
    "textDocument": {
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
        "references": {},
        "definition": {},
    },
    "workspace": {"configuration": True, "workspaceFolders": True},
    "window": {"workDoneProgress": True},
}


class LanguageServer:
    """One server for one folder. Use it as an asynchronous context manager."""

    def __init__(
        self, command: Sequence[str], root: Path, environment: dict[str, str], options: dict[str, Any]
    ) -> None:
        self.command, self.root, self.environment, self.options = command, root, environment, options
        self.version = ""
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.last = 0

    async def __aenter__(self) -> "LanguageServer":
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=self.root,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # some servers are started by a script: all of it must end with us
        )
        self.reader = asyncio.create_task(self._read())
        answer = await self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": self.root.as_uri(),
                "workspaceFolders": [{"uri": self.root.as_uri(), "name": self.root.name}],
                "capabilities": CAPABILITIES,
                "initializationOptions": self.options,
            },
        )
        self.version = str((answer.get("serverInfo") or {}).get("version", ""))
        self._send({"method": "initialized", "params": {}})
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        self.reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.reader

    async def request(self, method: str, params: Any, *, seconds: float = 120) -> Any:
        """The result of one request; raises RuntimeError with the server's own message."""
        self.last += 1
        self.waiting[self.last] = asyncio.get_running_loop().create_future()
        self._send({"id": self.last, "method": method, "params": params})
        return await asyncio.wait_for(self.waiting[self.last], seconds)

    def open(self, path: Path, language: str) -> None:
        """Tell the server that a file is being looked at."""
        text = path.read_text(encoding="utf-8", errors="replace")
        document = {"uri": path.as_uri(), "languageId": language, "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    async def symbols(self, path: Path) -> list[dict[str, Any]]:
        """What a file defines, as a tree."""
        return await self.request("textDocument/documentSymbol", {"textDocument": {"uri": path.as_uri()}}) or []

    async def references(self, path: Path, position: dict[str, int]) -> list[tuple[str, int, int]]:
        """Where the thing at a position is used inside the folder: path, line from 1, column from 0."""
        found = await self.request(
            "textDocument/references",
            {
                "textDocument": {"uri": path.as_uri()},
                "position": position,
                "context": {"includeDeclaration": False},
            },
        )
        places = set[tuple[str, int, int]]()
        for location in found or []:
            file = Path(unquote(urlsplit(location["uri"]).path))
            if file.is_relative_to(self.root):
                start = location["range"]["start"]
                places.add((file.relative_to(self.root).as_posix(), start["line"] + 1, start["character"]))
        return sorted(places)

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def _read(self) -> None:
        assert self.process.stdout
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await self.process.stdout.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                self._take(json.loads(await self.process.stdout.readexactly(length)))
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(RuntimeError(f"{self.command[0]} ended"))

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message:
            if "id" in message:  # a question to us: empty settings, and yes to the rest
                items = (message.get("params") or {}).get("items") or []
                result = [{} for _ in items] if message["method"] == "workspace/configuration" else None
                self._send({"id": message["id"], "result": result})
            return
        future = self.waiting.pop(message.get("id", 0), None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(RuntimeError(str(message["error"].get("message"))))
        else:
            future.set_result(message.get("result"))
