"""Collections on the command line: what is named, and what filling came to."""

from pathlib import Path

import pytest

from groundswell.cli.citations import place
from groundswell.cli.collections import address, filled
from groundswell.core.errors import ConfigError
from groundswell.core.records import Filled


def test_a_folder_is_named_by_its_whole_path_and_an_address_as_it_is(tmp_path: Path) -> None:
    assert address(str(tmp_path)) == f"path:{tmp_path.resolve()}"
    assert address("https://docs.example/guide/") == "https://docs.example/guide/"
    with pytest.raises(ConfigError, match="no folder"):
        address(str(tmp_path / "nowhere"))


def test_what_was_left_out_and_what_is_missing_is_said() -> None:
    value = Filled(
        name="docs",
        source="path:/docs",
        pages=2,
        passages=9,
        added=2,
        skipped={".png files": 3},
        examples=("bad.md is binary",),
        complete=False,
    ).model_dump(mode="json")
    lines = filled(value)
    assert lines[0].startswith("docs: 2 pages, 9 passages (2 added)")
    assert lines[1:3] == ["left out: 3 .png files", "  bad.md is binary"]
    assert "refresh docs" in lines[3]


def test_a_place_in_a_document_reads_as_file_and_lines() -> None:
    assert place("doc:docs/guide/a.md#L3-L9") == "docs/guide/a.md:3-9"
