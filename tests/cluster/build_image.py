"""Build the image without a daemon: what `make images` wrote to a folder, given to a program that reads no Dockerfile.

python tests/cluster/build_image.py PROGRAM OUT.tar [image/]
"""

import json
import subprocess
import sys
from pathlib import Path


def words(program: str, out: Path, folder: Path) -> list[str]:
    """The command line."""
    described = json.loads((folder / "image.json").read_text())
    packages = [word for name in described["packages"] for word in ("--apt", name)]
    contents = ["--requirements", described["requirements"], "--wheel", described["wheel"], *packages]
    account = ["--user", str(described["user"]), "--entrypoint", " ".join(described["entrypoint"])]
    return [program, "image", str(out), "--name", described["name"], *contents, *account]


if __name__ == "__main__":
    program, out, *folder = sys.argv[1:]
    context = Path(*(folder or ["image"]))
    Path(out).absolute().parent.mkdir(parents=True, exist_ok=True)
    line = words(str(Path(program).absolute()), Path(out).absolute(), context)
    sys.exit(subprocess.run(line, cwd=context, check=False).returncode)
