"""Collections are filled incrementally, searched under their tenant alone, and deleted for real."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backends.web.sites import HereWorkers, Site, site
from groundswell.backends.databases.collections import CollectionStore
from groundswell.backends.databases.connections import Database
from groundswell.backends.documents import supply
from groundswell.backends.documents.library import Desk, Library
from groundswell.backends.egress.routes import Egress
from groundswell.backends.egress.transport import client
from groundswell.backends.web.access import Sites, WebAccess
from groundswell.core.errors import Invalid, NotFound, ToolFailed, Unavailable
from groundswell.core.ports import Embedder
from groundswell.testing import ExactVectors, HashEmbedder

PAGES = {
    "tides.md": "# Tides\n\nHigh water is at noon.\n",
    "boats/sails.md": "# Sails\n\nA genoa is a large foresail.\n",
    "notes.txt": "NOTES\n=====\n\nThe winch needs grease.\n",
    "picture.png": "not text",
}


@dataclass
class Room:
    """A library with one folder and one site to fill from."""

    library: Library
    vectors: ExactVectors
    folder: Path
    site: Site

    def desk(self, source: str = "", *, tenant: str = "local", until: float = 600) -> Desk:
        http = client(Egress().granting({("127.0.0.1", self.site.port)}), agent="groundswell/test")
        access = WebAccess(http, lambda url: None, HereWorkers(), Sites())
        source = source or f"path:{self.folder}"
        return self.library.desk(tenant, source, access, lambda stage, done, total: None, time.monotonic() + until)

    def embedding(self, embedder: Embedder | None) -> None:
        self.library.embedder = embedder


@pytest.fixture
async def room(database_url: str, tmp_path: Path) -> AsyncIterator[Room]:
    database = Database(database_url, role="tools")
    await database.open()
    for path, text in PAGES.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    vectors = ExactVectors()
    library = Library(CollectionStore(database), vectors, HashEmbedder(), HereWorkers(), pause_seconds=0)
    async with site() as served:
        yield Room(library, vectors, tmp_path, served)
    await library.close()
    await database.close()


async def test_a_collection_whose_passages_were_dropped_is_filled_from_its_unchanged_pages(room: Room) -> None:
    """As one is left by a removal, or by a change of its embedding, that was killed between its two stores."""
    desk = room.desk()
    await desk.fill("docs")
    await room.vectors.drop("local", "docs-docs")
    filled = await desk.fill("docs")
    assert (filled.added, filled.unchanged) == (3, 0)
    (best, *_) = await desk.search("genoa foresail", collections=["docs"])
    assert "genoa" in best.excerpt.text


async def test_a_folder_is_found_again_with_file_and_lines(room: Room) -> None:
    filled = await room.desk().fill("notes")
    assert (filled.pages, filled.added, filled.skipped) == (3, 3, {".png files": 1})
    found = await room.desk("collection:notes").search("what is a genoa")
    assert found[0].excerpt.source == "doc:notes/boats/sails.md#L1-L3"
    assert found[0].page == "Sails"


async def test_only_what_changed_is_read_again_and_what_is_gone_is_gone(room: Room) -> None:
    await room.desk().fill("notes")
    (room.folder / "tides.md").write_text("# Tides\n\nHigh water is at six.\n")
    (room.folder / "notes.txt").unlink()
    (room.folder / "new.md").write_text("# New\n\nA buoy was moved.\n")
    filled = await room.desk().fill("notes")
    assert (filled.added, filled.changed, filled.removed, filled.unchanged) == (1, 1, 1, 1)
    texts = [hit.excerpt.text for hit in await room.desk("collection:notes").search("high water winch buoy", limit=50)]
    assert not any("noon" in text or "winch" in text for text in texts)
    again = await room.desk().fill("notes")
    assert (again.added, again.changed, again.removed, again.unchanged) == (0, 0, 0, 3)


async def test_another_tenant_finds_nothing_and_cannot_remove(room: Room) -> None:
    await room.desk().fill("notes")
    other = room.desk("collection:notes", tenant="other")
    assert await other.collections() == []
    for attempt in (other.search("genoa"), other.shelf("notes"), other.remove("notes")):
        with pytest.raises(NotFound):
            await attempt
    assert len((await room.desk().shelf("notes")).documents) == 3


async def test_a_removed_collection_leaves_nothing(room: Room) -> None:
    await room.desk().fill("notes")
    await room.library.settled()
    await room.desk().remove("notes")
    assert await room.vectors.collections("local") == []
    assert await room.library.store.kept("local", "notes") == {}
    with pytest.raises(NotFound):
        await room.desk("collection:notes").search("genoa")


async def test_every_passage_gets_its_vector_in_the_background(room: Room) -> None:
    await room.desk().fill("notes")
    await room.library.settled()
    points = [point async for point in room.vectors.scroll("local", "docs-notes")]
    assert points
    assert all(point.dense and point.payload["dense"] == "done" for point in points)


async def test_another_embedder_makes_the_collection_anew(room: Room) -> None:
    await room.desk().fill("notes")
    room.embedding(HashEmbedder(32))
    assert (await room.desk().fill("notes")).added == 3
    room.embedding(None)
    assert (await room.desk().fill("notes")).added == 3
    assert (await room.desk("collection:notes").search("genoa"))[0].page == "Sails"
    assert await room.desk().compare(["a"], ["b"]) == []


async def test_a_folder_larger_than_the_limit_says_so(room: Room) -> None:
    filled = await room.desk().fill("notes", pages=1)
    assert (filled.pages, filled.complete) == (1, False)


async def test_a_file_that_is_no_text_is_left_out_and_named(room: Room) -> None:
    (room.folder / "bad.md").write_bytes(b"\0\1\2")
    filled = await room.desk().fill("notes")
    assert filled.skipped["not text"] == 1
    assert "bad.md" in filled.examples[0]


async def test_a_link_out_of_the_folder_is_not_followed(room: Room, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.md").write_text("# Secret\n\nHidden words.\n")
    (room.folder / "link").symlink_to(outside)
    (room.folder / "one.md").symlink_to(outside / "secret.md")
    assert (await room.desk().fill("notes")).pages == 3


@pytest.mark.parametrize("name", ["", "Up", "../x", "a b", "-x", "x" * 64])
async def test_a_name_that_is_none_is_refused(room: Room, name: str) -> None:
    with pytest.raises(Invalid):
        await room.desk().fill(name)


async def test_a_run_that_names_nothing_to_fill_from_is_told_what_to_do(room: Room) -> None:
    with pytest.raises(ToolFailed) as caught:
        await room.desk("collection:notes").fill("notes")
    assert "collections add" in caught.value.hint
    with pytest.raises(NotFound, match="is no folder"):
        await room.desk(f"path:{room.folder}/nowhere").fill("notes")


async def test_a_source_that_names_no_collection_is_named_itself(room: Room) -> None:
    with pytest.raises(ToolFailed, match="'ftp:x' names no collection") as caught:
        await room.desk("ftp:x").search("what grows")
    assert "--source pages=collection:NAME" in caught.value.hint


def article(title: str, text: str, *links: str) -> str:
    anchors = "".join(f'<a href="{link}">on</a>' for link in links)
    return f"<html><title>{title}</title><body><article><h1>{title}</h1><p>{text}</p>{anchors}</article></body></html>"


async def test_a_site_is_crawled_below_the_address_and_no_further(room: Room) -> None:
    there = room.site
    there.page("/robots.txt", "User-agent: *\nDisallow: /docs/private\n", "text/plain")
    there.page(
        "/docs/", article("Start", "Begin here.", "a.html", "/blog/x", "https://other.example/", "private", "gone")
    )
    there.page("/docs/a.html", article("Knots", "A bowline makes a loop.", "/docs/", "#top"))
    there.page("/docs/private", article("No", "Nobody reads this."))
    there.page("/blog/x", article("Blog", "Elsewhere."))
    filled = await room.desk(f"{there.url}/docs/").fill("site")
    assert (filled.pages, filled.skipped) == (2, {"robots": 1, "no page": 1})
    assert not any("/blog" in head or "GET /docs/private" in head for head in there.asked)
    found = await room.desk("collection:site").search("bowline")
    assert found[0].excerpt.source == f"{there.url}/docs/a.html"


async def test_a_site_that_names_pages_without_end_is_left_at_a_limit_and_loses_none(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = room.site
    for number in range(4):
        there.page(f"/{number}.html", article(f"Page {number}", f"This is page {number} of them."))
    there.page("/", article("Start", "Begin here.", *(f"{number}.html" for number in range(4))))
    desk = room.desk(f"{there.url}/")
    assert (await desk.fill("site")).pages == 5
    monkeypatch.setattr(supply, "LINKS", 3)
    filled = await desk.fill("site")
    assert (filled.pages, filled.removed, filled.complete) == (5, 0, False)
    assert sum("GET /3.html" in head for head in there.asked) == 1


async def test_a_site_is_read_again_only_where_it_changed(room: Room) -> None:
    there = room.site
    there.page("/", article("Start", "Begin here.", "a.html"), "text/html", "200 OK", 'ETag: "1"')
    there.page("/a.html", article("Knots", "A bowline makes a loop."))
    await room.desk(f"{there.url}/").fill("site")
    there.page("/", "", "text/html", "304 Not Modified", 'ETag: "1"')
    there.page("/a.html", article("Knots", "A bowline holds."))
    filled = await room.desk(f"{there.url}/").fill("site")
    assert any('if-none-match: "1"' in head.lower() for head in there.asked)
    assert (filled.unchanged, filled.changed, filled.removed) == (1, 1, 0)


async def test_a_page_that_does_not_answer_stays_as_it_was(room: Room) -> None:
    there = room.site
    there.page("/", article("Start", "Begin here.", "a.html"))
    there.page("/a.html", article("Knots", "A bowline makes a loop."))
    await room.desk(f"{there.url}/").fill("site")
    there.page("/a.html", "busy", "text/html", "503 Busy")
    filled = await room.desk(f"{there.url}/").fill("site")
    assert (filled.pages, filled.removed, filled.skipped) == (2, 0, {"page away": 1})
    there.page("/", "busy", "text/html", "503 Busy")
    with pytest.raises(Unavailable):
        await room.desk(f"{there.url}/").fill("site")
    assert len((await room.desk().shelf("site")).documents) == 2
