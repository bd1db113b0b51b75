"""A model that says what a script tells it to: a real server on loopback that speaks OpenAI's protocol."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

from groundswell.core.records.models import CHARACTERS_PER_TOKEN

Fault = Literal["", "cut", "garbage", "hang", "endless", "empty"]


@dataclass(frozen=True)
class Say:
    """One turn. `calls` are (tool, arguments); arguments that are a text are sent as they are, JSON or not.

    Faults: `cut` breaks the connection in the middle, `garbage` sends no JSON, `hang` begins and says nothing more
    until the model is released, `endless` never stops, `empty` ends the stream without a word. A `status` refuses.
    """

    text: str = ""
    calls: Sequence[tuple[str, dict[str, Any] | str]] = ()
    reasoning: str = ""
    fault: Fault = ""
    status: int = 200
    counted: bool = True  # whether it tells its usage
    usage: tuple[int, int] | None = None  # what it says its usage is, of prompt and reply, where that is a lie


Turn = Say | str
Script = Sequence[Turn] | Callable[[dict[str, Any]], Turn]


class ScriptedModel:
    """Serves while it is entered; `url` is what `[models.ROLE] url` takes.

    The script is a list of turns, said one after another, or a function of the request's body. `requests` remembers
    what was asked, `dropped` how often a reader left in the middle.
    """

    def __init__(self, script: Script, *, model: str = "scripted", window: int = 32_768, piece: int = 12) -> None:
        self.script, self.model, self.window, self.piece = script, model, window, piece
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.dropped = 0
        self.released = threading.Event()  # lets turns go on that hang
        self.asked = threading.Condition()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        """Begin to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what hangs is let go."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def next(self, body: dict[str, Any], headers: dict[str, str]) -> Say:
        """What is said to a request."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self.headers.append(headers)
        with self.asked:
            self.asked.notify_all()
        if callable(self.script):
            turn: Turn = self.script(body)
        elif number < len(self.script):
            turn = self.script[number]
        else:
            turn = Say(status=500, text="the script is over")
        return Say(text=turn) if isinstance(turn, str) else turn

    def wait_for(self, count: int, seconds: float = 10.0) -> bool:
        """Until so many requests have come, or for so long."""
        with self.asked:
            return self.asked.wait_for(lambda: len(self.requests) >= count, seconds)

    def left(self) -> None:
        """A reader has gone."""
        with self._lock:
            self.dropped += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, scripted: ScriptedModel) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripted = scripted


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The list of models."""
        scripted: ScriptedModel = self.server.scripted
        if not self.path.split("?")[0].endswith("/models"):
            self._whole(404, {"error": {"message": "no such path"}})
            return
        row = {"id": scripted.model, "object": "model", "max_model_len": scripted.window}
        self._whole(200, {"object": "list", "data": [row]})

    def do_POST(self) -> None:
        """One turn."""
        scripted: ScriptedModel = self.server.scripted
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
        say = scripted.next(body, {name.lower(): value for name, value in self.headers.items()})
        try:
            if say.status != 200:
                self._whole(say.status, {"error": {"message": say.text or f"refused with {say.status}"}})
            elif body.get("stream"):
                self._stream(say, body)
            elif say.fault == "hang":
                scripted.released.wait(60)
            else:
                message = {"role": "assistant", "content": say.text, "tool_calls": _calls(say)}
                choice = {"index": 0, "message": message, "finish_reason": _finish(say)}
                self._whole(200, {"model": scripted.model, "choices": [choice], "usage": _usage(say, body)})
        except OSError:
            scripted.left()
            self.close_connection = True

    def _stream(self, say: Say, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if say.fault == "empty":
            return
        piece = self.server.scripted.piece
        self._delta({"role": "assistant", "content": ""})
        for start in range(0, len(say.reasoning), piece):
            self._delta({"reasoning": say.reasoning[start : start + piece]})
        shown = say.text[: len(say.text) // 2] if say.fault in ("cut", "hang") else say.text
        for start in range(0, len(shown), piece):
            self._delta({"content": shown[start : start + piece]})
        if self._failed(say.fault):
            return
        for index, call in enumerate(_calls(say)):
            head = {"index": index, "id": call["id"], "type": "function"}
            self._delta({"tool_calls": [{**head, "function": {"name": call["function"]["name"], "arguments": ""}}]})
            text = call["function"]["arguments"]
            for start in range(0, len(text), piece):
                part = {"index": index, "function": {"arguments": text[start : start + piece]}}
                self._delta({"tool_calls": [part]})
        self._delta({}, _finish(say))
        if say.counted and (body.get("stream_options") or {}).get("include_usage"):
            self._event(json.dumps({"choices": [], "usage": _usage(say, body)}))
        self._event("[DONE]")

    def _failed(self, fault: Fault) -> bool:
        """Whether the turn ends here, the way a fault ends it."""
        if fault == "garbage":
            self._event("<html>502 Bad Gateway</html>")
        elif fault == "hang":
            self.server.scripted.released.wait(60)
        while fault == "endless":
            self._delta({"content": "and so on " * 200})
        return bool(fault)

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "choices": [choice]}
        self._event(json.dumps({**chunk, "model": self.server.scripted.model}))

    def _event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def _whole(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _calls(say: Say) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{index}_{name}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(say.calls)
    ]


def _finish(say: Say) -> str:
    return "tool_calls" if say.calls else "stop"


def _usage(say: Say, body: dict[str, Any]) -> dict[str, int]:
    if say.usage:
        return {"prompt_tokens": say.usage[0], "completion_tokens": say.usage[1], "total_tokens": sum(say.usage)}
    asked = int(len(json.dumps(body.get("messages", []))) / CHARACTERS_PER_TOKEN)
    said = int(len(say.text + say.reasoning + json.dumps(_calls(say))) / CHARACTERS_PER_TOKEN)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
