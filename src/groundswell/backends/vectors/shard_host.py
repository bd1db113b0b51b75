"""The process that holds a store's shards: `python -m groundswell.backends.vectors.shard_host FOLDER FD`.

It answers one message after another on the socket it inherited, and ends when the other side closes it: the kernel does
that for a platform that was killed. While it lives it holds the folder's lock.
"""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from groundswell.backends.vectors.shard import EngineFailed, Shard, config
from groundswell.backends.vectors.wire import floats, pack, receive, vectors

OPEN_AT_ONCE = 16  # shards; the one that was not used for longest is closed

Arguments = dict[str, Any]
Answer = tuple[str, bytes]


class Host:
    """The open shards, and what may be asked of them: every `do_` method is an operation."""

    def __init__(self) -> None:
        self._shards: dict[str, Shard] = {}

    def answer(self, operation: str, arguments: Arguments, blob: bytes) -> Answer:
        """Do one thing."""
        method: Callable[[Arguments, bytes], Answer] = getattr(self, f"do_{operation}")
        return method(arguments, blob)

    def close(self) -> None:
        """Close all shards."""
        while self._shards:
            self._shards.pop(next(iter(self._shards))).close()

    def do_create(self, arguments: Arguments, blob: bytes) -> Answer:
        """A new shard in a new folder."""
        path = arguments["path"]
        shape = config(arguments["dimensions"], arguments["sparse"], arguments["index_after"])
        Path(path).mkdir(parents=True)
        shard = self._keep(path, Shard.create(Path(path), shape))
        shard.index(arguments["fields"])
        return "null", b""

    def do_open(self, arguments: Arguments, blob: bytes) -> Answer:
        """Load a shard, to see whether it can be."""
        self._shard(arguments)
        return "null", b""

    def do_index(self, arguments: Arguments, blob: bytes) -> Answer:
        """Index filter fields."""
        self._shard(arguments).index(arguments["fields"])
        return "null", b""

    def do_upsert(self, arguments: Arguments, blob: bytes) -> Answer:
        """Store points."""
        shard, has = self._shard(arguments), arguments["has_dense"]
        given = iter(vectors(blob, arguments["dimensions"]))
        dense = [next(given) if there else None for there in has]
        shard.upsert(arguments["ids"], arguments["texts"], arguments["payloads"], dense)
        if arguments["flush"]:
            shard.flush()
        return "null", b""

    def do_search(self, arguments: Arguments, blob: bytes) -> Answer:
        """The best points."""
        dense = vectors(blob, len(blob) // 4)
        hits = self._shard(arguments).search(
            dense[0] if dense else [], arguments["text"], arguments["where"], arguments["limit"]
        )
        # the payloads are JSON already: put together as text, not parsed here
        return "[" + ",".join(f"[{json.dumps(id_)},{score!r},{payload}]" for id_, score, payload in hits) + "]", b""

    def do_delete(self, arguments: Arguments, blob: bytes) -> Answer:
        """Remove points; how many there were."""
        return str(self._shard(arguments).delete(arguments["ids"], arguments["where"])), b""

    def do_ids(self, arguments: Arguments, blob: bytes) -> Answer:
        """All ids, in order."""
        return json.dumps(self._shard(arguments).ids(arguments["where"])), b""

    def do_fetch(self, arguments: Arguments, blob: bytes) -> Answer:
        """Points with their vectors."""
        rows = self._shard(arguments).fetch(arguments["ids"])
        heads = [f"[{json.dumps(id_)},{payload},{json.dumps(dense is not None)}]" for id_, payload, dense in rows]
        return "[" + ",".join(heads) + "]", floats(dense for _, _, dense in rows if dense is not None)

    def do_count(self, arguments: Arguments, blob: bytes) -> Answer:
        """How many points there are."""
        return str(self._shard(arguments).count(arguments["where"])), b""

    def do_segments(self, arguments: Arguments, blob: bytes) -> Answer:
        """How many parts the engine keeps a shard in."""
        return str(self._shard(arguments).segments()), b""

    def do_watch(self, arguments: Arguments, blob: bytes) -> Answer:
        """Flush, and note what is written from now on."""
        self._shard(arguments).watch()
        return "null", b""

    def do_unwatch(self, arguments: Arguments, blob: bytes) -> Answer:
        """Stop noting."""
        self._shard(arguments).changed = None
        return "null", b""

    def do_carry(self, arguments: Arguments, blob: bytes) -> Answer:
        """Bring some of what was noted to another shard; how many remain."""
        target = self._shard({"path": arguments["target"]})
        left = self._shard(arguments).carry(target, arguments["at_most"])
        target.flush()
        return str(left), b""

    def do_flush(self, arguments: Arguments, blob: bytes) -> Answer:
        """Put everything on disk."""
        self._shard(arguments).flush()
        return "null", b""

    def do_close(self, arguments: Arguments, blob: bytes) -> Answer:
        """Close a shard, if it is open."""
        if shard := self._shards.pop(arguments["path"], None):
            shard.close()
        return "null", b""

    def _shard(self, arguments: Arguments) -> Shard:
        path = arguments["path"]
        if shard := self._shards.pop(path, None):
            self._shards[path] = shard  # the last is the one used last
            return shard
        return self._keep(path, Shard.load(Path(path)))

    def _keep(self, path: str, shard: Shard) -> Shard:
        idle = [path for path, shard in self._shards.items() if shard.changed is None]
        if len(self._shards) >= OPEN_AT_ONCE and idle:
            self._shards.pop(idle[0]).close()
        self._shards[path] = shard
        return shard


def serve(connection: socket.socket) -> None:
    """Answer until the other side has gone."""
    host = Host()
    while message := receive(connection):
        (operation, arguments), blob = message
        try:
            text, answer = host.answer(operation, arguments, blob)
            connection.sendall(pack('{"result":' + text + "}", answer))
        except (EngineFailed, OSError) as error:
            connection.sendall(pack(json.dumps({"failed": str(error)})))
    host.close()


def lock(folder: Path) -> IO[str] | None:
    """The folder's lock, or None where another process has it."""
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getppid()))
    file.flush()
    return file


def main() -> int:
    """Take the lock, say so, and serve."""
    folder, connection = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    try:
        held = lock(folder)
    except OSError as error:
        connection.sendall(pack(json.dumps({"unusable": str(error)})))
        return 1
    if held is None:
        owner = (folder / "lock").read_text()
        connection.sendall(pack(json.dumps({"locked": owner})))
        return 1
    connection.sendall(pack("{}"))
    serve(connection)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BrokenPipeError, ConnectionResetError):  # whoever it works for has gone
        sys.exit(0)
