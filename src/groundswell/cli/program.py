"""How this program is called from the shell that called it, so that every command printed runs as printed."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "groundswell"


def program() -> str:
    """`groundswell` where the shell finds it, `.venv/bin/groundswell` below the current folder, else the whole path."""
    called = Path(sys.argv[0])
    script = called.absolute() if called.name == NAME else Path(sys.executable).absolute().with_name(NAME)
    if not script.is_file():
        return NAME
    if script.is_relative_to(Path.cwd()):
        return shlex.quote(str(script.relative_to(Path.cwd())))
    found = shutil.which(NAME)
    return NAME if found and Path(found).absolute() == script else shlex.quote(str(script))
