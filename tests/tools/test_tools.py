"""Each tool passes a question on to its port, and says what it cannot do."""

import pytest

from groundswell.core.errors import ToolFailed
from groundswell.core.records import Coverage
from groundswell.core.tool import Tool
from groundswell.runtime.discovery import discover
from groundswell.testing import FakeContext
from groundswell.tools.result_read import Part, result_read

TOOLS = discover("groundswell.tools", Tool)


def test_the_tools_of_a_repository_only_read() -> None:
    names = ["symbol_find", "references_find", "module_outline", "file_read", "files_list", "repo_search"]
    names += ["code_search", "traceback_resolve", "repo_index", "modules_rank", "result_read"]
    assert {name: TOOLS[name].effect for name in names} == dict.fromkeys(names, "read")
    assert all(TOOLS[name].description for name in names)


@pytest.mark.parametrize("name", ["symbol_find", "references_find", "module_outline", "file_read", "code_search"])
async def test_without_a_repository_a_tool_says_so(name: str) -> None:
    first = next(iter(TOOLS[name].arguments.model_fields))
    with pytest.raises(ToolFailed, match="no repository"):
        await TOOLS[name].function(FakeContext(), **{first: "x"})


async def test_a_long_result_is_read_to_its_end_behind_its_handles() -> None:
    text = "".join(str(number % 10) for number in range(40_000))
    context = FakeContext(texts={"abc": text})
    handle, read = "abc:0", ""
    while handle:
        part: Part = await result_read.function(context, handle)
        read += part.text
        handle = part.handle
    assert read == text


async def test_an_offset_stands_above_the_place_a_handle_points_to() -> None:
    part: Part = await result_read.function(FakeContext(texts={"abc": "0123456789"}), "abc:5", 2, 3)
    assert (part.text, part.offset, part.characters, part.handle) == ("234", 2, 10, "abc:5")


async def test_what_is_no_handle_is_refused() -> None:
    with pytest.raises(ToolFailed, match="no handle"):
        await result_read.function(FakeContext(), "abc:five")


class CountingRepo:
    """A repository that knows only how much of itself is indexed."""

    async def coverage(self) -> Coverage:
        return Coverage(revision="abc", files=3, parsed=2, skipped={"binary": 1})


async def test_indexing_answers_with_what_is_covered() -> None:
    context = FakeContext(opened=CountingRepo())  # type: ignore[arg-type]  # the one method that is used
    coverage: Coverage = await TOOLS["repo_index"].function(context)
    assert coverage.skipped == {"binary": 1}
