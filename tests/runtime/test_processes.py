"""Processes that are kept: killed ones are replaced, none outlives its parent, and the current folder is no source."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="there each process starts anew")
PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from groundswell.runtime import processes

def work(name, folder):
    asyncio.run(waiting(name, folder))

async def waiting(name, folder):
    stop = asyncio.Event()
    processes.on_parents_end(stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    Path(folder, f".{name}").write_text(str(os.getpid()))
    Path(folder, f".{name}").replace(Path(folder, name))
    await stop.wait()
    Path(folder, f"{name}.ended").touch()

async def main(folder):
    async def died(name):
        Path(folder, f"{name}.died").touch()
    async with processes.kept("kept", work, folder, count=2, died=died):
        await asyncio.to_thread(sys.stdin.read)

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a program runs, with a module that ends whoever takes it for the library's."""
    for name in ("selectors", "socket", "groundswell"):
        (tmp_path / f"{name}.py").write_text("import os, sys\nopen('imported', 'w')\nos._exit(1)\n")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def program(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    words = [sys.executable, str(folder / "program" / "program.py"), str(folder)]
    with subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


def until(true: Callable[[], object]) -> None:
    for _ in range(5000):
        if true():
            return
        signal.sigtimedwait([], 0.01)
    raise AssertionError("it does not come true")


def pid(folder: Path, number: int) -> int:
    file = folder / f"kept-{number}"
    until(file.exists)
    return int(file.read_text())


def later_than(folder: Path, number: int) -> list[int]:
    """The numbers of those that have begun since."""
    found = [int(file.name.removeprefix("kept-")) for file in folder.glob("kept-*") if not file.suffix]
    return [each for each in sorted(found) if each > number]


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_a_killed_process_is_replaced_and_all_end_with_their_parent(
    folder: Path, program: "subprocess.Popen[bytes]"
) -> None:
    first, second = pid(folder, 1), pid(folder, 2)
    server = psutil.Process(first).ppid()
    assert server != program.pid
    assert psutil.Process(second).ppid() == server
    os.kill(first, signal.SIGKILL)
    third = pid(folder, 3)
    assert (folder / "kept-1.died").exists()
    # its children cannot be waited for any more: others take their place, and one that asked it last is not the next
    os.kill(server, signal.SIGKILL)
    until(lambda: len(later_than(folder, 3)) == 2)
    later = [pid(folder, number) for number in later_than(folder, 3)]
    assert psutil.Process(later[0]).ppid() != server
    program.kill()
    until(lambda: all(gone(one) for one in (second, third, *later)))
    assert not (folder / "imported").exists()


def test_processes_that_are_kept_are_asked_to_end(folder: Path, program: "subprocess.Popen[bytes]") -> None:
    both = [pid(folder, 1), pid(folder, 2)]
    assert program.stdin
    program.stdin.close()
    assert program.wait(30) == 0
    assert all(gone(one) for one in both)
    assert {file.name for file in folder.glob("*.ended")} == {"kept-1.ended", "kept-2.ended"}
    assert not list(folder.glob("*.died"))
