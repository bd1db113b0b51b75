"""Signing keys are replaced while tokens of the old ones are about, and wherever that is cut off."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundswell.core.errors import ConfigError, Unauthenticated
from groundswell.runtime import keys
from groundswell.runtime.keys import Keys, RunToken

TOKEN = RunToken("run_1", 2, "coding", "ana", "acme")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the folder is a new one."""
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.0)


def refusal(held: Keys, text: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        held.read(RunToken, "router", text)
    return caught.value.code


def test_after_a_rotation_a_new_key_signs_and_tokens_of_the_old_one_are_good_until_they_end(tmp_path: Path) -> None:
    signing, reading = keys.load(tmp_path, create=True), keys.load(tmp_path, create=False)
    old = signing.sign("router", TOKEN, 300)
    assert keys.rotate(tmp_path) == sorted(keys.SIGNERS)
    new = signing.sign("router", TOKEN, 300)
    assert new.split(".")[0] != old.split(".")[0], "it names another key"
    for held in (reading, signing, keys.load(tmp_path, create=False)):  # the first has not looked since
        assert held.read(RunToken, "router", new) == TOKEN
        assert held.read(RunToken, "router", old) == TOKEN
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_an_old_key_cannot_sign_for_longer_than_any_token_lives(tmp_path: Path) -> None:
    keys.load(tmp_path, create=True)
    stolen = Keys(keys.load(tmp_path, create=False).private)  # what was read once, and is not read again
    keys.rotate(tmp_path)
    held = keys.load(tmp_path, create=False)
    assert held.read(RunToken, "router", stolen.sign("router", TOKEN, keys.OLD_SECONDS - 60)) == TOKEN
    assert refusal(held, stolen.sign("router", TOKEN, keys.OLD_SECONDS + 60)) == "key_dropped"


@pytest.mark.usefixtures("at_once")
def test_what_an_older_key_signed_is_good_after_many_rotations(tmp_path: Path) -> None:
    held = keys.load(tmp_path, create=True)
    signed = [held.sign("router", TOKEN, 300)]
    for _ in range(3):
        keys.rotate(tmp_path)
        signed.append(held.sign("router", TOKEN, 300))
        assert [held.read(RunToken, "router", each) for each in signed] == [TOKEN] * len(signed)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("how", [(False, True), (True,)])
def test_a_token_of_a_dropped_key_is_refused_by_a_name(tmp_path: Path, how: tuple[bool, ...]) -> None:
    held = keys.load(tmp_path, create=True)
    old = held.sign("router", TOKEN, 300)
    assert held.read(RunToken, "router", old) == TOKEN
    for drop in how:  # by a second rotation, or by the first
        keys.rotate(tmp_path, drop=drop)
    assert refusal(held, old) == "key_dropped"
    assert refusal(held, keys.generate().sign("router", TOKEN, 300)) == "key_dropped"


class Cut(Exception):
    pass


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("writes", range(9))
def test_a_rotation_that_is_cut_off_leaves_keys_that_verify_what_they_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    held = keys.load(tmp_path, create=True)
    old = held.sign("router", TOKEN, 300)
    write: Callable[[Path, bytes], None] = vars(keys)["_write"]
    done: list[Path] = []

    def cut(file: Path, content: bytes) -> None:
        if len(done) == writes:
            raise Cut
        write(file, content)
        done.append(file)

    with monkeypatch.context() as patched:  # the only way to stop between two of its writes
        patched.setattr(keys, "_write", cut)
        with pytest.raises(Cut):
            keys.rotate(tmp_path)
    for again in (False, True):
        if again:
            keys.rotate(tmp_path)
        for name in keys.SIGNERS:
            for reader in (held, keys.load(tmp_path, create=True)):
                text = keys.load(tmp_path, create=False).sign(name, TOKEN, 4000 if again else 300)
                assert reader.read(RunToken, name, text) == TOKEN
    if writes < 3:
        assert held.read(RunToken, "router", old) == TOKEN


@pytest.mark.usefixtures("at_once")
def test_a_folder_that_cannot_be_read_changes_nothing_for_whoever_has_read_it(tmp_path: Path) -> None:
    held = keys.load(tmp_path, create=True)
    text = held.sign("router", TOKEN, 300)
    (tmp_path / "agents.public.pem").write_text("nothing")
    assert held.read(RunToken, "router", text) == TOKEN
    with pytest.raises(ConfigError) as caught:
        keys.load(tmp_path, create=False)
    assert caught.value.code == "no_keys"
    values: dict[str, Any] = vars(held)
    assert set(values["public"]) == set(keys.SIGNERS)
