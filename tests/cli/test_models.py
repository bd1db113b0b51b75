"""`groundswell models scan`: what runs on this machine is told, and nothing of it is used."""

from pathlib import Path

import pytest

from groundswell.backends.models.local_engines import found, lines
from groundswell.core.errors import ConfigError
from groundswell.core.settings import described, load
from groundswell.testing import ScriptedModel


async def test_an_engine_that_lists_models_is_found_and_nothing_else_is() -> None:
    with ScriptedModel([]) as model:
        port = int(model.url.rpartition(":")[2].partition("/")[0])
        (engine,) = await found([port, 1])
        assert engine.models == ("scripted",)
        assert await found([port], leave_out=[port]) == []
        assert model.requests == []


async def test_the_lines_that_are_printed_are_settings_that_load(home: Path) -> None:
    with ScriptedModel([]) as model:
        port = int(model.url.rpartition(":")[2].partition("/")[0])
        (engine,) = await found([port])
    (home / "groundswell.toml").write_text("\n".join(lines(engine)))
    endpoint = load(home).settings.models["planner"]
    assert (endpoint.url, endpoint.model) == (model.url, "scripted")


def test_a_key_comes_from_a_file_and_is_never_shown(home: Path) -> None:
    (home / "key").write_text("k-secret-1\n")
    settings = (
        f'[models.code]\nurl = "http://127.0.0.1:1/v1"\nkey_file = "{home}/key"\nheaders = {{ X = "h-secret" }}\n'
    )
    (home / "groundswell.toml").write_text(settings)
    loaded = load(home)
    key = loaded.settings.models["code"].key
    assert key is not None
    assert key.get_secret_value() == "k-secret-1"
    assert "secret" not in str(described(loaded))


def test_a_role_that_does_not_exist_is_refused(home: Path) -> None:
    (home / "groundswell.toml").write_text('[models.writer]\nurl = "http://127.0.0.1:1/v1"\n')
    with pytest.raises(ConfigError, match="writer"):
        load(home)
