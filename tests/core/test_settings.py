from pathlib import Path
from typing import Any

import pytest

from groundswell.core.errors import ConfigError
from groundswell.core.settings import described, load


def loaded(folder: Path, toml: str = "", policy: str = "", options: dict[str, Any] | None = None, **env: str) -> Any:
    (folder / "groundswell.toml").write_text(toml)
    (folder / "policy.toml").write_text(policy)
    return load(folder, options, {"HOME": str(folder), **env})


def test_later_layers_win_and_each_value_knows_where_it_came_from(tmp_path: Path):
    toml = "[gateway]\nport = 1\nhost = '::1'\n[runs]\nat_once = 3\n"
    got = loaded(
        tmp_path, toml, options={"gateway.port": 3}, GROUNDSWELL_GATEWAY__PORT="2", GROUNDSWELL_RUNS__AT_ONCE="5"
    )
    assert (got.settings.gateway.port, got.settings.gateway.host, got.settings.runs.at_once) == (3, "::1", 5)
    origins = {name: origin for name, _, origin in described(got)}
    assert origins["gateway.port"] == "option"
    assert origins["runs.at_once"] == "GROUNDSWELL_RUNS__AT_ONCE"
    assert origins["gateway.host"].endswith("groundswell.toml")
    assert origins["runs.lease_seconds"] == "default"


def test_the_data_directory_follows_the_xdg_rules(tmp_path: Path):
    assert loaded(tmp_path).settings.data == tmp_path / ".local/share/groundswell"
    assert loaded(tmp_path, XDG_DATA_HOME="/x").settings.data == Path("/x/groundswell")
    assert loaded(tmp_path, GROUNDSWELL_DATA="/y").settings.data == Path("/y")


def test_the_current_folder_configures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "groundswell.toml").write_text("[gateway]\nport = 1\n")
    monkeypatch.chdir(tmp_path)
    assert load(None, None, {"HOME": str(tmp_path / "home")}).settings.gateway.port == 8080


@pytest.mark.parametrize(
    ("toml", "env", "code", "words"),
    [
        ("[gateway]\nprot = 1", {}, "unknown_setting", "gateway.port"),
        ("[gatway]\nport = 1", {}, "unknown_setting", "gateway"),
        ("", {"GROUNDSWELL_GATEWAY__PROT": "1"}, "unknown_setting", "GROUNDSWELL_GATEWAY__PROT"),
        ("[gateway]\nport = 'x'", {}, "bad_setting", "gateway.port"),
        ("", {"GROUNDSWELL_GATEWAY__PORT": "x"}, "bad_setting", "GROUNDSWELL_GATEWAY__PORT"),
        ("[gateway\nport = 1", {}, "bad_toml", "groundswell.toml"),
        ("[database]\npassword_file = '/nowhere'", {}, "unreadable_secret", "/nowhere"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, toml: str, env: dict[str, str], code: str, words: str):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, toml, **env)
    assert caught.value.code == code
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.exit_code == 2


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2hunter2\n")
    got = loaded(tmp_path, f"[database]\npassword_file = '{secret}'", GROUNDSWELL_EMBEDDINGS__KEY="sk-verysecret")
    assert got.settings.database.password.get_secret_value() == "hunter2hunter2"
    shown = f"{described(got)} {got} {got.settings!r}"
    assert "hunter2" not in shown
    assert "verysecret" not in shown


def test_a_bad_secret_value_is_not_repeated(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "[embeddings]\nkey = ['sk-verysecret']")
    assert "verysecret" not in caught.value.message


@pytest.mark.parametrize(
    "toml",
    ["[models.planner]\nurl", "[embeddings]\nurl", "[telemetry]\notlp_url", "[sources]\nprometheus", "[sources]\nrepo"],
)
def test_an_address_that_is_shown_holds_no_password_and_is_not_repeated(tmp_path: Path, toml: str):
    with pytest.raises(ConfigError, match="leave it out") as caught:
        loaded(tmp_path, f"{toml} = 'https://ana:hunter22@h.example/v1'")
    assert "hunter22" not in caught.value.message


def test_what_must_stand_in_an_address_is_not_shown(tmp_path: Path):
    toml = """[database]\nurl = 'postgresql://ana:hunter22@db/x'
              [models.planner]\nurl = 'https://h.example/v1'\nquery = {code = 'hunter22'}"""
    got = loaded(tmp_path, toml)
    assert got.settings.database.url == "postgresql://ana:hunter22@db/x"
    assert "hunter22" not in f"{described(got)}"


def test_the_tree_cannot_be_changed(tmp_path: Path):
    with pytest.raises(ValueError, match="frozen"):
        loaded(tmp_path).settings.gateway.port = 1


def test_policies_are_read_and_checked_the_same_way(tmp_path: Path):
    got = loaded(tmp_path, policy="[tenants.a]\ntools = ['x']\nlimits = {steps = 3}\n")
    assert got.policy.tenants["a"].limits.steps == 3
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, policy="[tenant.a]\ntools = []\n")
    assert "tenants" in caught.value.hint
