"""What redaction costs, over the floor of one `str.translate` pass, and what it harms in real code.

    python bench/redaction.py --harm FOLDER…

The figures go to `bench/results/redaction.json`. With `--harm` it also redacts the Python files and logs there and
prints every line that changed, to be judged by a reader.
"""

import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from groundswell.core.redaction import Redactor, redact

RESULTS = Path(__file__).parent / "results" / "redaction.json"
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


def harm(folder: Path) -> dict[str, float]:
    """Redact the Python files and logs of a folder and print what changed."""
    tokens = harmed = size = 0
    for path in sorted(path for kind in ("*.py", "*.log") for path in folder.rglob(kind)):
        if "site-packages" in path.relative_to(folder).parts:
            continue
        text = path.read_bytes().decode(errors="replace")
        size, tokens = size + len(text), tokens + len(re.findall(r"\w+", text))
        for number, (before, after) in enumerate(zip(text.split("\n"), redact(text).split("\n"), strict=True), 1):
            if before != after:
                harmed += after.count("[secret:")
                print(f"  {path.relative_to(folder)}:{number}: {before.strip()[:120]}")
    return {"bytes": size, "tokens": tokens, "harmed": harmed, "per_100000": round(harmed / max(tokens, 1) * 1e5, 3)}


def main() -> None:
    """Measure, print, and keep the figures."""
    results: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "4 KiB": ordinary(),
        "1 MB hostile": hostile(),
    }
    if "--harm" in sys.argv:
        folders = sys.argv[sys.argv.index("--harm") + 1 :]
        results["harm"] = {Path(folder).name: harm(Path(folder)) for folder in folders}
    elif RESULTS.exists():
        results["harm"] = json.loads(RESULTS.read_text()).get("harm", {})
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
