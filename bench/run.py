"""Run benchmarks one after another, each in a process of its own, and say which broke a promise.

    python bench/run.py [NAME…]

Without a name all that need nothing but this checkout; `callers` fetches language servers and packages, so it is named.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ALL = ("superstep", "checkpoints", "tokens", "vectors", "embeddings", "redaction", "router", "dump", "laptop")


def main() -> None:
    known = {file.stem for file in FOLDER.glob("*.py") if "__main__" in file.read_text()} - {"run"}
    names = sys.argv[1:] or ALL
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"there is no benchmark {unknown[0]!r}; there are {', '.join(sorted(known))}")
    failed: list[str] = []
    for name in names:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, FOLDER / f"{name}.py"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"not kept: {', '.join(failed)} (figures above and in bench/results)")


if __name__ == "__main__":
    main()
