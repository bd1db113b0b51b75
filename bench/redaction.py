"""What redaction costs, over the floor of one `str.translate` pass, and what it harms in ordinary code and logs.

    python bench/redaction.py [--harm]

The harm is counted in 10 MB that are the same each time: Python's own library, the packages that `uv.lock` pins, and
logs made from a seed, without one secret in them. Every line that changed is printed, to be judged by a reader.
Asserted: at most 1 token in 100,000. With `--harm` nothing else is measured.

The figures go to `bench/results/redaction.json`.
"""

import base64
import json
import os
import platform
import random
import re
import statistics
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundswell.core.redaction import Redactor, redact

RESULTS = Path(__file__).parent / "results" / "redaction.json"
HARM = 1.0  # tokens in 100,000 that may be harmed, at most
PROSE = (
    "The pod was killed because its container went over the memory limit; the node had 3.2 GiB left. "
    "Look at the deployment's requests, then at the working set over the last hour.\n"
)
LOGS = (
    '2026-01-01T00:00:00.000Z INFO http request method=GET path="/v1/runs" status=200 seconds=0.012 client=10.1.2.3\n'
    "2026-01-01T00:00:01.000Z WARN pool slow query took 1.2s rows=120 connection=7 https://db.internal/stats\n"
)
LEAKY = (
    "connecting to postgresql://app:hunter2@db:5432/app\npassword = hunter2\n"
    "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.abcdefgh\nAKIAIOSFODNN7EXAMPLE\n"
)
HOSTILE = (
    "password", 'password = "', "token:", "token: a", "password=(", "password=%(", "eyJ", "eyJaaaaaaaa.", "://a:", "://",
    "\\", "-----BEGIN RSA PRIVATE KEY-----\n", "--a-", "curl ", "mysql ", "cookie: a=b; ", "aws ",
    "machine a login ", "<password>",
    "authorization: bearer ", "[secret:", "kind: Secret\ndata:\n  a: b\n", "apiVersion: v1\ndata:\n", "token = a\n",
    "name: password\n", "key ", "sk-", "a.", "password: " + " " * 3000, "{" * 50 + "password=", "a ", " ", "\n",
)  # fmt: skip


def sample(text: str, size: int = 4096) -> str:
    """The text repeated to a size."""
    return (text * (size // len(text) + 1))[:size]


def microseconds(act: Callable[[], object], rounds: int = 40) -> float:
    """The median CPU time of one call."""
    act()
    times: list[float] = []
    for _ in range(rounds):
        started = time.process_time_ns()
        for _ in range(5):
            act()
        times.append((time.process_time_ns() - started) / 5000)
    return statistics.median(times)


def in_chunks(text: str, length: int) -> str:
    """The text through a stream."""
    redactor = Redactor()
    chunks = [text[at : at + length] for at in range(0, len(text), length)]
    return "".join([redactor.push(chunk) for chunk in chunks]) + redactor.flush()


def ordinary() -> dict[str, dict[str, float]]:
    """Texts of 4 KiB as they come: µs, µs per KiB, and how many times the floor."""
    table = {code: code for code in range(128)}
    code = Path(json.__file__).with_name("decoder.py").read_text()
    parser = Path(re.__file__).with_name("_parser.py").read_text()
    texts = {
        "prose": sample(PROSE),
        "code": sample(code),
        "code with tokens": sample(parser[4000:]),
        "logs": sample(LOGS),
    }
    figures: dict[str, dict[str, float]] = {}
    for name, text in (*texts.items(), ("secrets in every line", sample(LEAKY))):
        floor = microseconds(lambda text=text: text.translate(table))
        cost = microseconds(lambda text=text: redact(text))
        stream = microseconds(lambda text=text: in_chunks(text, 20), rounds=10)
        figures[name] = {
            "us": round(cost, 1),
            "us_per_kib": round(cost / 4, 2),
            "floor_us": round(floor, 1),
            "times_floor": round(cost / floor, 1),
            "us_in_chunks_of_20": round(stream, 1),
        }
    return figures


def hostile() -> dict[str, dict[str, float]]:
    """Seconds for 1 MB of the worst texts known, and how many times the seconds of a quarter of it."""
    figures: dict[str, dict[str, float]] = {}
    for piece in HOSTILE:
        seconds: list[float] = []
        for size in (250_000, 1_000_000):
            text = sample(piece, size)
            started = time.process_time()
            redact(text)
            seconds.append(time.process_time() - started)
        figures[piece[:32]] = {"seconds": round(seconds[1], 3), "ratio": round(seconds[1] / max(seconds[0], 1e-4), 1)}
    return figures


def code(folder: Path, size: int) -> Iterator[tuple[str, str]]:
    """About so many bytes of a folder's Python files, spread over all of it."""
    files = sorted(path for path in folder.rglob("*.py") if "site-packages" not in path.relative_to(folder).parts)
    every = max(1, sum(path.stat().st_size for path in files) // size)
    for path in files[::every]:
        yield str(path.relative_to(folder)), path.read_bytes().decode(errors="replace")


def logs(size: int) -> Iterator[tuple[str, str]]:
    """Logs as services write them, with what looks like a secret and is none: ids, digests, counts of tokens, keys."""
    chance, lines, left = random.Random(7), list[str](), size
    hexes = "0123456789abcdef"
    while left > 0:
        number, digest = chance.randrange(10**6), "".join(chance.choices(hexes, k=64))
        uid, at = (
            str(uuid.UUID(digest[:32])),
            f"2026-03-{number % 28 + 1:02d}T{number % 24:02d}:17:{number % 60:02d}.{number:06d}Z",
        )
        line = chance.choice(
            (
                f'10.1.{number % 256}.7 - ada [{at}] "GET /v1/items/{number}?page=2&sort=name HTTP/1.1" 200 {number}',
                f"{at} INFO  [worker-{number % 9}] c.e.orders.Service - order {uid} settled in {number % 900} ms",
                f"I0301 {number} reconciler.go:17] pod shop/api-{digest[:10]}-{digest[11:16]} is ready uid={uid}",
                f'{{"level":"info","ts":"{at}","trace_id":"{digest[:32]}","span_id":"{digest[:16]}","tokens":{number}}}',
                f"Pulled image registry.example.org/shop/api@sha256:{digest} in {number % 50}.{number % 9}s",
                f"{at} LOG:  duration: {number % 90}.{number % 999} ms  SELECT key FROM parts WHERE key = $1",
                f"commit {digest[:40]} by Ada <ada@example.org>: the token bucket refills {number % 60} times a minute",
                f"WARN cache key=user:{number}:profile missed; 3 keys expired, next token at offset {number}",
                f"{at} DEBUG session for ada refreshed, password unchanged, token_type=bearer, expires_in={number}",
                f'level=error msg="secret shop/tls not found" namespace=shop secretName=tls attempt={number % 9}',
                f'Traceback: File "/srv/app/tokens.py", line {number % 900}, in token: ValueError: token is late',
                f'etag=W/"{digest[:24]}" md5={base64.b64encode(bytes.fromhex(digest[:32])).decode()} size={number}',
            )
        )
        lines.append(line)
        left -= len(line) + 1
    yield "logs", "\n".join(lines)


def harm(texts: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Redact texts that hold no secret, and print what changed."""
    tokens = harmed = size = 0
    for name, text in texts:
        size, tokens = size + len(text), tokens + len(re.findall(r"\w+", text))
        for number, (before, after) in enumerate(zip(text.split("\n"), redact(text).split("\n"), strict=True), 1):
            if before != after:
                harmed += after.count("[secret:")
                print(f"  {name}:{number}: {before.strip()[:160]}")
    return {"bytes": size, "tokens": tokens, "harmed": harmed, "per_100000": round(harmed / max(tokens, 1) * 1e5, 3)}


def harms() -> dict[str, dict[str, float]]:
    """By kind of text, and of all together."""
    paths = sysconfig.get_paths()
    kinds = {
        "standard library": code(Path(paths["stdlib"]), 4_000_000),
        "packages": code(Path(paths["purelib"]), 4_000_000),
        "logs": logs(3_000_000),
    }
    found = {name: harm(texts) for name, texts in kinds.items()}
    names = ("bytes", "tokens", "harmed")
    whole = {name: sum(each[name] for each in found.values()) for name in names}
    return {**found, "all": {**whole, "per_100000": round(whole["harmed"] / whole["tokens"] * 1e5, 3)}}


def main() -> None:
    """Measure, print, and keep the figures."""
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if "--harm" not in sys.argv:
        results |= {"4 KiB": ordinary(), "1 MB hostile": hostile()}
    results["harm"] = {"date": datetime.now(UTC).date().isoformat(), **harms()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results["harm"] if "--harm" in sys.argv else results, indent=2))
    sys.exit(results["harm"]["all"]["per_100000"] > HARM)


if __name__ == "__main__":
    main()
