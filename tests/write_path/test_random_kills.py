"""Kill -9 at random under load, SIGTERM to each process in turn, new signing keys: nothing is lost, and none fails."""

import importlib
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from groundswell.core.records import NewRun
from groundswell.runtime import keys
from groundswell.runtime.keys import CallerToken
from write_path.test_every_process import configured, finished, material
from write_path.test_faults import faults
from write_path.whole import KINDS, Asker, Whole, checked, made, quiet

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(600)]
AT_ONCE = 6  # runs under way while processes are killed
BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def platform(tmp_path: Path, database_url: str) -> Iterator[Whole]:
    configured(tmp_path)
    # a lease that this load alone does not end: then runs would be taken over for no kill's sake
    started = Whole(tmp_path, database_url, workers=("worker1", "worker2"), lease=2.0)
    yield started
    started.close()


class Load:
    """Runs of the trial's agent, and runs of real ones that are asked for and followed through the gateway."""

    def __init__(self, platform: Whole, requests: list[NewRun]) -> None:
        self.platform, self.requests = platform, requests
        self.expected = [finished(platform, request)[1] for request in requests]  # undisturbed
        self.runs: list[str] = []
        self.askers: list[Asker] = []

    def keep(self) -> None:
        """As much of it as there should be."""
        if missing := AT_ONCE - len(self.platform.unfinished(self.runs)):
            self.runs += self.platform.submit(missing, seconds=3600)  # so that none ends for a slow machine
        if not any(asker.is_alive() for asker in self.askers):
            self.ask()

    def ask(self) -> None:
        self.askers.append(Asker(self.platform.url_of_gateway, self.requests))
        self.askers[-1].start()

    def ends_well(self) -> None:
        """Every accepted run succeeds, with the right answer, each effect once, and events that were told once."""
        self.platform.see_to(
            lambda: not self.platform.unfinished(self.runs) and not any(asker.is_alive() for asker in self.askers), 240
        )
        assert faults(self.platform, self.runs) == {}
        checked(self.platform, self.askers, len(self.requests))
        for asker in self.askers:
            for number, run in asker.accepted.items():
                assert made(self.platform, run) == self.expected[number]

    @property
    def accepted(self) -> int:
        return len(self.runs) + sum(len(asker.accepted) for asker in self.askers)


def under_kills(platform: Whole, requests: list[NewRun], count: int) -> dict[str, Any]:
    """So many kills, each of a process chosen by chance, at a moment chosen by chance, under load."""
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance, killed, began = random.Random(seed), Counter[str](), time.monotonic()
    load = Load(platform, requests)
    while killed.total() < count:
        load.keep()
        name = chance.choice(list(platform.alive))
        pause = time.monotonic() + chance.uniform(0.0, 0.6)
        while time.monotonic() < pause:
            platform.supervise()
            signal.sigtimedwait([], 0.02)
        if platform.alive[name].is_alive():
            platform.signal(name, signal.SIGKILL)
            killed[name.rstrip("12")] += 1
    load.ends_well()
    assert set(killed) == set(KINDS)
    taken_over = platform.rows("SELECT count(*) AS n FROM runs WHERE epoch > 1")[0]["n"]
    assert taken_over
    figures = {"seed": seed, "kills": killed.total(), "killed": dict(killed), "runs": load.accepted, "lost": 0}
    return figures | {"taken_over": taken_over, "seconds": round(time.monotonic() - began)}


def test_fifty_random_kills_under_load_lose_nothing(platform: Whole, tmp_path: Path) -> None:
    asked = material(tmp_path)
    sys.stdout.write(f"{under_kills(platform, [asked['coding'], asked['observability']], 50)}\n")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_hundred_random_kills_under_load_lose_nothing(
    platform: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures are written beside those of the benches, with their date."""
    asked = material(tmp_path)
    figures = under_kills(platform, [asked["coding"], asked["observability"]], 500)
    monkeypatch.syspath_prepend(str(BENCH))
    importlib.import_module("report").write("kills", figures)


def test_no_run_fails_while_each_process_in_turn_is_asked_to_stop(platform: Whole, tmp_path: Path) -> None:
    load = Load(platform, [material(tmp_path)["coding"]])
    for name in ("worker1", "tools", "router", "models", "gateway", "worker2"):
        load.keep()
        load.ask()
        platform.until(lambda: any(row["epoch"] for row in platform.unfinished(load.runs)))
        platform.until(lambda: platform.works("worker1") and platform.works("worker2"))
        asked_to = platform.alive[name]
        platform.signal(name, signal.SIGTERM)
        assert quiet(asked_to) == 0, name
        platform.supervise()
    load.ends_well()


def test_no_run_fails_while_signing_keys_are_replaced(platform: Whole, tmp_path: Path) -> None:
    load = Load(platform, [material(tmp_path)["coding"]])
    folder = tmp_path / "keys"
    for _ in range(3):
        load.keep()
        load.ask()
        platform.until(lambda: any(row["epoch"] for row in platform.unfinished(load.runs)))
        before = (folder / "router.private.pem").read_bytes()
        keys.rotate(folder)
        assert (folder / "router.private.pem").read_bytes() != before
    load.ends_well()
    leaked = keys.load(folder, create=False)
    leaked.folder = None  # whoever has it does not see it replaced
    keys.rotate(folder, drop=True)
    load.ask()
    load.ends_well()
    token = CallerToken("local", "local", ("runs",), local=True)
    transport = httpx2.HTTPTransport(uds=str(tmp_path / "sockets" / "router.sock"))
    with httpx2.Client(transport=transport, base_url="http://router", timeout=30) as router:
        for held, status in ((leaked, 401), (keys.load(folder, create=False), 200)):
            reply = router.get("/v1/runs", headers={"Authorization": f"Bearer {held.sign('gateway', token, 60)}"})
            assert reply.status_code == status, reply.text
            assert status == 200 or reply.json()["code"] == "key_dropped"
