"""Requests to our other services, over a Unix socket."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from groundswell.backends import peers
from groundswell.backends.peers import Peer
from groundswell.core.errors import Unavailable


async def test_a_wait_given_up_as_its_answer_comes_is_no_error(tmp_path: Path) -> None:
    """The loop finds the answer and what cancels the wait for it in one turn."""
    loop, said = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: said.append(context))
    asked = asyncio.Queue[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.put_nowait(writer)

    path = str(tmp_path / "s")  # asyncio's own socket, so that the answer is written in one call
    server = await asyncio.start_unix_server(serve, path)
    peer = Peer("tools", f"unix:{path}")
    waiting = asyncio.create_task(peer.get("/ready"))
    writer = await asked.get()
    given_up, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop.add_reader(theirs, lambda: (loop.remove_reader(theirs), waiting.cancel()))
    given_up.send(b"now")
    os.write(writer.get_extra_info("socket").fileno(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert waiting.cancelled()
    assert said == []
    server.close()
    given_up.close()
    theirs.close()
    writer.close()


async def test_a_service_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await Peer("tools", f"unix:{tmp_path}/none").get("/ready")


async def test_where_all_connections_are_taken_a_request_is_refused_and_not_left_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "CONNECTIONS", 1)
    monkeypatch.setattr(peers, "POOL_SECONDS", 0.05)
    path = f"{tmp_path}/s"

    writers = list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")  # of a stream that goes on

    server = await asyncio.start_unix_server(serve, path)
    peer = Peer("router", f"unix:{path}")
    async with peer.relay("GET", "/v1/runs/run_1/events", {}, b""):
        with pytest.raises(Unavailable):
            async with asyncio.timeout(5):
                await peer.post("/v1/runs", {}, {})
    await peer.close()
    server.close()
    for writer in writers:
        writer.close()
