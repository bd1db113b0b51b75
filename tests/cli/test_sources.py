"""What a question looks at, and what is piped to it."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from groundswell.cli.sources import piped, sources, work_tree
from groundswell.core.errors import ConfigError


@pytest.fixture
def tree(home: Path) -> Path:
    (home / "tree" / ".git").mkdir(parents=True)
    (home / "tree" / "deep" / "er").mkdir(parents=True)
    return home / "tree"


def test_without_options_it_is_the_work_tree_of_the_current_folder(tree: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tree / "deep" / "er")
    assert sources("", []) == {"repo": f"path:{tree}"}


def test_a_folder_in_a_work_tree_stands_for_the_whole_of_it(tree: Path) -> None:
    assert sources(str(tree / "deep"), []) == {"repo": f"path:{tree}"}
    assert sources("", [f"repo={tree / 'deep'}"]) == {"repo": f"path:{tree}"}
    assert sources("", [f"repo=path:{tree / 'deep'}"]) == {"repo": f"path:{tree}"}


def test_outside_of_a_work_tree_there_is_none(home: Path) -> None:
    assert work_tree(Path.cwd()) is None
    assert sources("", []) == {}


@pytest.mark.parametrize("url", ["https://example.org/a/b", "http://x/y", "git@example.org:a/b.git", "ssh://git@x/y"])
def test_an_address_is_left_to_the_platform(url: str) -> None:
    assert sources(url, []) == {"repo": url}


def test_other_sources_stand_beside_a_named_repository_and_alone_without_one(tree: Path) -> None:
    (dump := tree / "a=b").mkdir()
    named = ["prometheus=http://p:9090", f"kubernetes=dump:{dump}"]
    others = {"prometheus": "http://p:9090", "kubernetes": f"dump:{dump}"}
    assert sources(str(tree), named) == {"repo": f"path:{tree}", **others}
    assert sources("", named) == others


@pytest.mark.parametrize("named", ["repo", "repo=", "=x", "disk=/", ""])
def test_what_names_no_source_is_refused_with_the_kinds_there_are(named: str) -> None:
    with pytest.raises(ConfigError, match="names no source") as caught:
        sources("", [named])
    assert "kubernetes" in caught.value.hint


def test_a_folder_that_is_not_there_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        sources(str(home / "nowhere"), [])


def given(monkeypatch: pytest.MonkeyPatch, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file.open("rb")))  # the process's own input is the test runner's


def test_piped_text_is_read_whole_whatever_its_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, tmp_path / "log", b"gr\xc3\xbcn \xff\n")
    assert piped(1000) == "grün \N{REPLACEMENT CHARACTER}\n"
    sys.stdin.close()


def test_of_too_much_the_end_is_kept_in_whole_lines_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, tmp_path / "log", b"".join(b"line %06d\n" % number for number in range(100_000)))
    kept = piped(1000)
    sys.stdin.close()
    assert kept.splitlines()[-1] == "line 099999"
    assert all(len(line) == 11 for line in kept.splitlines())
    assert 900 < len(kept) <= 1000
    assert "of 1.2 MB on standard input the last" in capsys.readouterr().err


def test_a_device_that_is_no_pipe_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as null:  # noqa: PTH123 - a device, not a file
        monkeypatch.setattr(sys, "stdin", null)
        assert piped(1000) == ""
