import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pebble.pool.process import PoolManager

from groundswell.runtime.cpu import CpuWorkers

# Its own file is gone when the children, which import it again, begin.
PROGRAM = """
import asyncio, pathlib, sys
from groundswell.core.errors import Unavailable
from groundswell.runtime.cpu import CpuWorkers
async def main():
    workers = CpuWorkers(1, start_seconds=2)
    try:
        await workers.run(len, "abc", seconds=5)
    except Unavailable as error:
        print(error.code)
    await workers.close()
if __name__ == "__main__":
    pathlib.Path(sys.argv[0]).unlink()
    asyncio.run(main())
"""


async def test_work_whose_processes_cannot_start_is_given_up(tmp_path: Path) -> None:
    program = tmp_path / "gone.py"
    program.write_text(PROGRAM)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, program], capture_output=True, text=True, timeout=50
    )
    assert done.stdout == "cpu_died\n", done.stderr[-1000:]


@pytest.mark.real
async def test_loop_goes_on_while_the_first_processes_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they wait for: here, for the loop itself."""
    loop, turned = asyncio.get_running_loop(), threading.Event()
    start = PoolManager.start

    def waits(manager: PoolManager) -> None:
        loop.call_soon_threadsafe(turned.set)
        assert turned.wait(20), "the loop stands still"
        start(manager)

    monkeypatch.setattr(PoolManager, "start", waits)
    workers = CpuWorkers(1)
    try:
        assert await asyncio.gather(*(workers.run(sum, [1, n], seconds=60) for n in range(2))) == [1, 2]
    finally:
        await workers.close()
