"""Writes a benchmark's figures with the machine and the versions they came from."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("langgraph", "langgraph-checkpoint-postgres", "psycopg", "qdrant-edge-py", "onnxruntime", "wordllama")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    cpus = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) // 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "cpu": cpus[0] if cpus else platform.processor(),
        "cores": len(cpus),
        "memory_gib": memory[0] if memory else None,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def write(name: str, figures: Any) -> Path:
    """Store a benchmark's figures."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    date = datetime.now(UTC).date().isoformat()
    content = {"date": date, "machine": machine(), "versions": versions, "figures": figures}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return file


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text().splitlines()
    except OSError:
        return []
