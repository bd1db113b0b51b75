"""Messages between the store and the process that holds its shards: a JSON head, and bytes for vectors."""

import array
import json
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Any

SIZES = struct.Struct("!II")


def pack(head: str, blob: bytes = b"") -> bytes:
    """One message."""
    text = head.encode()
    return SIZES.pack(len(text), len(blob)) + text + blob


def receive(connection: socket.socket) -> tuple[Any, bytes] | None:
    """The next message, or None where the other side has gone."""
    sizes = _exactly(connection, SIZES.size)
    if sizes is None:
        return None
    head, blob = SIZES.unpack(sizes)
    body = _exactly(connection, head + blob)
    return None if body is None else (json.loads(body[:head]), bytes(body[head:]))


def floats(vectors: Iterable[Sequence[float]]) -> bytes:
    """Vectors as 32-bit floats, one after another."""
    joined = array.array("f")
    for vector in vectors:
        joined.extend(vector)
    return joined.tobytes()


def vectors(blob: bytes, dimensions: int) -> list[list[float]]:
    """The other end of `floats`."""
    joined = array.array("f")
    joined.frombytes(blob)
    if not dimensions:
        return []
    values = joined.tolist()
    return [values[start : start + dimensions] for start in range(0, len(values), dimensions)]


def _exactly(connection: socket.socket, size: int) -> bytearray | None:
    body = bytearray(size)
    view, got = memoryview(body), 0
    while got < size:
        count = connection.recv_into(view[got:])
        if not count:
            return None
        got += count
    return body
