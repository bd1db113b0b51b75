"""Verdicts in a cluster: only a signed one, of this revision and this cluster, that has not expired, opens anything."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from groundswell.backends.kube.configmaps import ConfigMaps
from groundswell.core.records import Measure, Proof, Subject, Verdict
from groundswell.waves.boards import DIGEST, Board, name_of
from groundswell.waves.opening import await_before, still_counting
from groundswell.waves.proofs import signer

NOW = datetime.now(UTC)
DIGESTS = {0: "aaaa", 1: "bbbb", 2: "cccc"}


class Held(ConfigMaps):
    """ConfigMaps in memory: what the API server would keep."""

    def __init__(self) -> None:
        super().__init__("in-cluster:", "ai-observability")
        self.there: dict[str, tuple[dict[str, str], dict[str, str]]] = {}

    async def read(self, name: str) -> tuple[dict[str, str], dict[str, str]] | None:
        return self.there.get(name)

    async def fill(self, name: str, data: Mapping[str, str]) -> bool:
        if name in self.there:
            self.there[name][0].update(data)
        return name in self.there

    async def forget_job(self, name: str) -> bool:
        return False


@pytest.fixture
def maps() -> Held:
    made = Held()
    made.there = {name_of(wave): ({}, {DIGEST: digest}) for wave, digest in DIGESTS.items()}
    return made


@pytest.fixture
def board(maps: Held, tmp_path: Path) -> Board:
    return Board(maps, signer(tmp_path), "this-cluster")


def verdict(wave: int, **changes: object) -> Verdict:
    subject = Subject(version="1", settings=DIGESTS[wave], place="this-cluster")
    expires = NOW + timedelta(hours=1)
    made = Verdict(wave=wave, subject=subject, open=True, at=NOW, expires=expires)
    return made.model_copy(update=changes)


async def why(board: Board, wave: int = 0) -> str:
    return (await board.held(wave, DIGESTS[wave])).why


async def test_what_is_proven_opens_and_nothing_else_does(board: Board) -> None:
    assert "not proven yet" in await why(board)
    await board.post(verdict(0))
    assert await why(board) == ""
    assert "not proven yet" in (await board.held(0, "newer")).why, "a new revision of the wave"
    await board.post(verdict(0, expires=NOW - timedelta(seconds=1)))
    assert "expired" in await why(board)
    await board.post(verdict(0, open=False, reason="DNS is blocked in ai-tools"))
    assert await why(board) == "wave 0: DNS is blocked in ai-tools"
    await board.post(verdict(0, subject=Subject(version="1", settings="aaaa", place="elsewhere")))
    assert "another cluster" in await why(board)


async def test_no_hand_and_no_self_heal_opens_a_gate(board: Board, maps: Held, tmp_path: Path) -> None:
    await board.post(verdict(0, open=False, reason="no"))
    data, _ = maps.there["gate-00"]
    data["verdict"], data["reason"] = "open", ""
    assert await why(board) == "wave 0: no", "the plain words open nothing"
    held = json.loads(data["record"])
    held["record"]["open"] = True
    data["record"] = json.dumps(held)
    assert "changed after it was signed" in await why(board)
    other = Board(maps, signer(tmp_path / "other"), board.place)
    await other.post(verdict(0))
    assert "not this platform's" in await why(board)
    await board.post(verdict(1))
    await maps.fill("gate-00", {"record": maps.there["gate-01"][0]["record"]})
    assert "another wave" in await why(board)
    data.clear()  # what Git says of it, and so what a self-heal restores
    assert "not proven yet" in await why(board)


async def test_what_stands_on_a_failed_wave_is_shown_so_and_no_more_once_it_is_mended(board: Board, maps: Held) -> None:
    def below(wave: int) -> str:
        return maps.there[name_of(wave)][0].get("below", "")

    for wave in DIGESTS:
        await board.post(verdict(wave))
    await board.project(list(DIGESTS))
    assert [below(wave) for wave in DIGESTS] == ["", "", ""]
    await board.post(verdict(1, open=False, reason="PostgreSQL is away"))
    await board.project(list(DIGESTS))
    assert (below(0), below(1)) == ("", "")
    assert "wave 1" in below(2)
    assert "PostgreSQL is away" in below(2)
    maps.there["gate-01"][1][DIGEST] = "newer"  # a revision that its gate tries now
    await board.project(list(DIGESTS))
    assert below(2) == ""
    maps.there["gate-01"][1][DIGEST] = DIGESTS[1]
    await board.post(verdict(1))
    await board.project(list(DIGESTS))
    assert below(2) == ""


async def test_a_wave_waits_for_all_before_it_and_gives_way_to_a_newer_revision(board: Board, maps: Held) -> None:
    await board.post(verdict(1))
    said: list[str] = []
    assert "wave 0" in await await_before(board, {0: "aaaa", 1: "bbbb"}, 0, said.append)
    await board.post(verdict(0))
    assert await await_before(board, {0: "aaaa", 1: "bbbb"}, 0, said.append) == ""

    def changed(text: str) -> None:
        maps.there["gate-01"][1][DIGEST] = "newest"

    assert "newer revision" in await await_before(board, {0: "aaaa", 1: "newer"}, 60, changed)


def test_a_proof_is_made_again_at_half_its_life() -> None:
    good = (Measure(name="found", value=1, threshold=1),)
    expires = NOW + timedelta(hours=2)
    proof = Proof(check="one", status="pass", message="", measures=good, ended=NOW, expires=expires)
    made = verdict(0, proofs=(proof,))
    assert set(still_counting(made, NOW + timedelta(minutes=59))) == {"one"}
    assert still_counting(made, NOW + timedelta(minutes=61)) == {}
