"""`groundswell doctor --egress URL` says what would happen with an address, and why."""

import json
from pathlib import Path

import pytest

from groundswell.cli.way_out import explained, show
from groundswell.core.errors import ConfigError
from groundswell.core.settings import load


def settings(folder: Path, text: str = "", **environment: str):
    (folder / "groundswell.toml").write_text(text)
    return load(folder, {}, {"HOME": str(folder), **environment})


@pytest.mark.parametrize(
    ("url", "code", "word"),
    [
        ("http://127.0.0.1:9090/x", "private_address", "this machine"),
        ("http://169.254.169.254/latest", "private_address", "metadata"),
        ("http://[64:ff9b::7f00:1]/", "private_address", "this machine"),
        ("http://8.8.8.8:25/", "port_refused", "another protocol"),
        ("http://0x7f.1/", "bad_url", "one host"),
        ("ftp://8.8.8.8/", "bad_url", "http"),
        ("https://ana:hunter2@8.8.8.8/", "bad_url", "user name"),
    ],
)
async def test_a_refusal_is_explained(
    tmp_path: Path, url: str, code: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = await explained(settings(tmp_path), url)
    assert (told["allowed"], told["code"]) == (False, code)
    assert word in told["reason"]
    assert told["hint"]
    show(told)
    shown = capsys.readouterr().out + json.dumps(told)
    assert "would be refused" in shown
    assert "hunter2" not in shown


async def test_what_is_allowed_says_by_which_way(tmp_path: Path) -> None:
    told = await explained(settings(tmp_path), "https://8.8.8.8/x#y")
    assert (told["allowed"], told["route"], told["port"]) == (True, "pinned", 443)
    assert told["addresses"] == [{"address": "8.8.8.8", "public": True, "why": "on the internet"}]
    told = await explained(settings(tmp_path, '[egress]\ntrusted = ["10.0.0.7:8443"]\n'), "https://10.0.0.7:8443/")
    assert (told["allowed"], told["route"]) == (True, "granted")
    assert not (await explained(settings(tmp_path, '[egress]\ntrusted = ["10.0.0.7:8443"]\n'), "https://10.0.0.7/"))[
        "allowed"
    ]


async def test_a_proxy_is_named_and_its_credentials_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_text("ana:pr0xy-word\n")
    text = f'[egress]\nproxy = "http://proxy:3128"\nproxy_credentials_file = "{tmp_path}/secret"\n'
    told = await explained(settings(tmp_path, text), "https://pages.example.com/")
    assert (told["allowed"], told["route"], told["proxy"]) == (True, "proxy", "http://proxy:3128")
    show(told)
    assert "take the place of address pinning" in capsys.readouterr().out
    assert "pr0xy" not in json.dumps(told)


@pytest.mark.parametrize(
    "text",
    [
        '[egress]\nproxy_credentials = "ana:pr0xy-word"\n',
        '[egress]\nproxy = "http://ana:pr0xy-word@proxy:3128"\n',
        '[egress]\ntrusted = ["pr0xy.example.com"]\n',
        '[egress.credentials."a/pr0xy-word"]\ntoken = "x"\n',
        '[egress.credentials."a.example.com"]\ntoken = ["pr0xy-word"]\n',
    ],
)
def test_secrets_in_the_wrong_place_are_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(tmp_path, text)
    assert "pr0xy-word" not in str(refused.value.problem()).replace("a/pr0xy-word", "")
