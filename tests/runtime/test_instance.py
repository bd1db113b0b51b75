import asyncio
import functools
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from groundswell.core.errors import ConfigError, GroundswellError, Unavailable
from groundswell.runtime.datadir import DataDir
from groundswell.runtime.instance import Tenure, acquire, find, spawn, stop
from groundswell.runtime.tcp_ports import port_taken

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")

# A platform as far as others see it: it says who won, and serves until it is asked to end. What it prints is
# `won PID` or `found PID`; it publishes itself when a line comes in, or at once.
PLATFORM = """
import asyncio, os, signal, sys
from pathlib import Path
from groundswell.runtime.datadir import DataDir
from groundswell.runtime.instance import Tenure, acquire
async def main():
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with acquire(DataDir(Path(sys.argv[1])), 30) as outcome:
        if not isinstance(outcome, Tenure):
            print("found", outcome.pid, flush=True)
            return
        print("won", os.getpid(), flush=True)
        if "wait" in sys.argv:
            await asyncio.to_thread(sys.stdin.readline)
        outcome.publish("http://127.0.0.1:8080", "1.0", "local-key", "up", "platform.log")
        await ended.wait()
asyncio.run(main())
"""


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data").create()


@contextmanager
def platform(data: DataDir, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PLATFORM, str(data.root), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def published(data: DataDir) -> None:
    async with acquire(data) as outcome:
        assert not isinstance(outcome, Tenure)


# One platform.


async def test_platform_is_found_while_it_runs_and_not_afterwards(data: DataDir) -> None:
    assert find(data) is None
    async with acquire(data) as outcome:
        assert isinstance(outcome, Tenure)
        assert find(data) is None
        told = outcome.publish("http://127.0.0.1:8080", "1.0", "local-key", "ask", "platform.log")
        assert find(data) == told
        assert (told.pid, told.key.get_secret_value()) == (os.getpid(), "local-key")
        assert mode(data.platform) == 0o600
    assert find(data) is None
    assert not data.platform.exists()


async def test_key_is_not_shown_by_accident(data: DataDir) -> None:
    async with acquire(data) as outcome:
        assert isinstance(outcome, Tenure)
        assert "local-key" not in repr(outcome.publish("http://127.0.0.1:8080", "1.0", "local-key", "up"))


async def test_second_starter_gets_the_running_platform(data: DataDir) -> None:
    with platform(data) as first:
        won, pid = line(first)
        assert won == "won"
        async with acquire(data) as outcome:
            assert not isinstance(outcome, Tenure)
            assert (outcome.pid, outcome.url) == (int(pid), "http://127.0.0.1:8080")


def test_of_four_starters_at_once_one_wins_and_the_others_find_it(data: DataDir) -> None:
    with platform(data) as a, platform(data) as b, platform(data) as c, platform(data) as d:
        said = [line(process) for process in (a, b, c, d)]
    winners = [pid for word, pid in said if word == "won"]
    assert len(winners) == 1
    assert [pid for word, pid in said if word == "found"] == winners * 3


def test_loser_takes_over_when_the_winner_dies_before_it_is_found(data: DataDir) -> None:
    with platform(data, "wait") as first:
        assert line(first)[0] == "won"
        with platform(data) as second:
            kill(first)
            assert line(second) == ["won", str(second.pid)]


def test_loser_waits_for_a_winner_that_is_not_ready_yet(data: DataDir) -> None:
    with platform(data, "wait") as first:
        assert line(first)[0] == "won"
        with platform(data) as second:
            go_on(first)
            assert line(second) == ["found", str(first.pid)]


async def test_waiting_for_a_starter_that_never_gets_ready_is_bounded(data: DataDir) -> None:
    with platform(data, "wait") as first:
        line(first)
        with pytest.raises(Unavailable, match=rf"\(pid {first.pid}\)") as failure:
            async with acquire(data, seconds=0.1):
                pass
    assert failure.value.code == "platform_starting"


async def test_what_kill_9_leaves_is_taken_over(data: DataDir) -> None:
    with platform(data) as first:
        line(first)
        await published(data)
        kill(first)
    assert data.platform.exists()
    assert find(data) is None
    async with acquire(data) as outcome:
        assert isinstance(outcome, Tenure)


async def test_pid_that_is_another_process_by_now_is_not_the_platform(data: DataDir) -> None:
    async with acquire(data) as outcome:
        assert isinstance(outcome, Tenure)
        outcome.publish("http://127.0.0.1:8080", "1.0", "local-key", "up")
        text = json.loads(data.platform.read_text())
        data.platform.write_text(json.dumps({**text, "began": text["began"] - 1000}))
        assert find(data) is None


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}', "\0\0\0\0"])
async def test_broken_description_is_no_platform(data: DataDir, content: str) -> None:
    async with acquire(data):
        data.platform.write_text(content)
        assert find(data) is None


# Ending it.


async def test_stop_returns_when_the_platform_is_gone(data: DataDir) -> None:
    with platform(data) as running:
        line(running)
        await published(data)
        stopped = await stop(data)
        assert stopped is not None
        assert stopped.pid == running.pid
        assert find(data) is None
        assert running.wait(5) == 0
    assert await stop(data) is None


async def test_stop_says_what_hangs(data: DataDir) -> None:
    with platform(data) as running:
        line(running)
        await published(data)
        running.send_signal(signal.SIGSTOP)
        with pytest.raises(Unavailable, match=f"pid {running.pid}.* is stopped") as failure:
            await stop(data, seconds=0.2)
    assert failure.value.hint.startswith(f"End it with `kill -9 {running.pid}`")


# Starting it in the background.


async def test_spawned_platform_is_in_a_session_of_its_own_and_writes_its_log(data: DataDir) -> None:
    log = data.logs / "platform.log"
    instance = await spawn(data, [sys.executable, "-c", PLATFORM, str(data.root)], log)
    try:
        assert os.getsid(instance.pid) == instance.pid
        assert log.read_text() == f"won {instance.pid}\n"
        assert mode(log) == 0o600
    finally:
        await stop(data)
    assert not psutil.pid_exists(instance.pid)


async def test_two_who_spawn_at_once_get_the_same_platform(data: DataDir) -> None:
    command = [sys.executable, "-c", PLATFORM, str(data.root)]
    first, second = await asyncio.gather(*(spawn(data, command, data.logs / "platform.log") for _ in range(2)))
    assert first == second
    await stop(data)


async def test_platform_that_ends_as_it_starts_says_why(data: DataDir) -> None:
    program = "import sys; sys.exit('the port is taken')"
    log = data.logs / "platform.log"
    log.write_text("an older platform's words\n")
    with pytest.raises(Unavailable, match="exit status 1.*\n?the port is taken") as failure:
        await spawn(data, [sys.executable, "-c", program], log)
    assert failure.value.code == "platform_ended"
    assert "older" not in failure.value.message


async def test_platform_that_is_slow_to_start_is_given_up(data: DataDir) -> None:
    program = "import signal; print('loading', flush=True); signal.pause()"
    with pytest.raises(Unavailable) as failure:
        await spawn(data, [sys.executable, "-c", program], data.logs / "platform.log", seconds=1)
    assert failure.value.code == "platform_slow"


# The port.


def test_process_that_holds_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        error = port_taken(port)
        assert error is not None
        name = psutil.Process().name()
        assert error.message == f"Port {port} is held by {name} (pid {os.getpid()})."
        free = int(error.hint.rpartition(" ")[2])
        assert port_taken(free) is None
    assert port_taken(port) is None


@needs_root
def test_holder_that_this_user_may_not_see_is_said_to_be_so() -> None:
    program = "import sys; from groundswell.runtime.tcp_ports import port_taken; print(port_taken(int(sys.argv[1])))"
    with socket.create_server(("127.0.0.1", 0)) as held:
        said = as_nobody(program, str(held.getsockname()[1]))
    assert "held by a process that only root may see" in said


def test_address_that_is_not_here_is_said() -> None:
    error = port_taken(8080, "192.0.2.1")
    assert error is not None
    assert error.code == "bad_address"


# The data directory.


@functools.cache
def python_of_nobody() -> list[str]:
    """A command line that runs Python for an ordinary user; root's own Python may lie in a closed folder."""
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"PYTHONPATH={':'.join(sys.path)}"]
    for python in (sys.executable, "/usr/bin/python3"):
        probe = [*user, python, "-c", "import groundswell.runtime.instance, psycopg"]
        if shutil.which("setpriv") and subprocess.run(probe, capture_output=True, check=False, cwd="/").returncode == 0:
            return [*user, python, "-c"]
    pytest.skip("no Python here that an ordinary user can run")


def as_nobody(program: str, *arguments: str) -> str:
    command = [*python_of_nobody(), program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout + done.stderr


def refusal(root: Path) -> GroundswellError:
    with pytest.raises(GroundswellError) as failure:
        DataDir(root).create()
    assert failure.value.hint
    return failure.value


def test_data_directory_is_for_its_user_only(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "a" / "b").create()
    assert {path.name for path in data.root.iterdir()} == {
        "postgres",
        "vectors",
        "repos",
        "models",
        "sockets",
        "logs",
        "keys",
        "proofs",
    }
    assert {mode(path) for path in (data.root, *data.root.iterdir())} == {0o700}
    assert data.create() == data


def test_usage_counts_blocks_of_each_part(data: DataDir) -> None:
    (data.vectors / "deep").mkdir()
    (data.vectors / "deep/full").write_bytes(os.urandom(1 << 20))
    with (data.vectors / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    (data.vectors / "link").symlink_to("/usr")
    taken = {part.name: part.bytes for part in data.usage()}
    assert 1 << 20 <= taken["vectors"] < 2 << 20
    assert taken["models"] == 0


def test_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    assert refusal(tmp_path / "data").code == "data_not_a_folder"
    assert refusal(tmp_path / "data" / "below").code == "data_not_a_folder"


def test_path_too_long_for_sockets_is_said(tmp_path: Path) -> None:
    error = refusal(tmp_path / ("very-" * 20))
    assert error.code == "data_path_too_long"
    assert not list(tmp_path.iterdir())


def test_folder_that_others_may_write_is_closed_or_refused(tmp_path: Path) -> None:
    for name, entries in (("empty", []), ("ours", ["platform.lock"]), ("shared", ["photos"])):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
        for entry in entries:
            (tmp_path / name / entry).touch()
    assert mode(DataDir(tmp_path / "empty").create().root) == 0o700
    assert mode(DataDir(tmp_path / "ours").create().root) == 0o700
    assert refusal(tmp_path / "shared").code == "data_shared"
    assert mode(tmp_path / "shared") == 0o777


CREATE = """
import sys
from pathlib import Path
from groundswell.core.errors import ConfigError
from groundswell.runtime.datadir import DataDir
try:
    DataDir(Path(sys.argv[1])).create()
except ConfigError as error:
    print(error.code)
"""


def test_folder_that_may_not_be_written_is_said() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # every user gets there, also where root runs this
        Path(folder).chmod(0o555)
        if ROOT:
            os.chown(folder, 65534, 65534)
            assert as_nobody(CREATE, folder) == "data_read_only\n"
        else:
            assert refusal(Path(folder)).code == "data_read_only"


@needs_root
def test_folder_of_another_user_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert as_nobody(CREATE, "/var/lib") == "data_not_ours\n"
    assert as_nobody(CREATE, "/var/lib/new") == "data_read_only\n"


@needs_root
def test_root_begins_in_a_folder_mounted_for_it_but_does_not_go_on_in_a_users(tmp_path: Path) -> None:
    for name in ("mounted", "used"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 65534, 65534)
    assert DataDir(tmp_path / "mounted").create().create()
    (tmp_path / "used/postgres").mkdir()
    os.chown(tmp_path / "used/postgres", 65534, 65534)
    assert refusal(tmp_path / "used").code == "data_not_ours"


def test_read_only_file_system_is_said() -> None:
    assert isinstance(error := refusal(Path("/sys/new")), ConfigError)
    assert error.code == "data_read_only"
