"""The suite of questions: right with the quote that bears it, nothing where the pages do not say."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from groundswell.backends.databases.connections import Database
from groundswell.backends.documents.library import Desk
from groundswell.backends.models.wordllama import WordLlamaEmbedder
from questions.suite import FOLDERS, answered, questions, scored, shelves

ASKED = questions()
pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    database = Database(database_url, role="tools")
    await database.open()
    embedder = WordLlamaEmbedder()
    async with shelves(database, tmp_path / "vectors", embedder) as there:
        yield there
    await embedder.close()
    await database.close()


def test_the_suite_is_what_it_says() -> None:
    files = {file.name for folder in FOLDERS for file in folder.iterdir()}
    assert len(files) >= 25
    assert {question.file for question in ASKED if question.file} <= files
    assert sum(not question.file for question in ASKED) >= 20
    assert len({question.ask for question in ASKED}) == len(ASKED) >= 60


async def test_nine_of_ten_are_right_and_nine_of_ten_unanswerable_get_nothing(desk: Desk) -> None:
    ours, floor = await scored(desk, ASKED)
    assert ours.right / ours.answerable >= 0.90, "\n".join(ours.wrong)
    assert ours.abstained / ours.unanswerable >= 0.90, "\n".join(ours.wrong)
    assert ours.right > floor.right


async def test_every_quote_stands_in_the_file_it_names(desk: Desk) -> None:
    files = {file.name: file.read_text() for folder in FOLDERS for file in folder.iterdir()}
    for question in ASKED[::12]:
        answer = await answered(desk, question.ask)
        for citation in (citation for claim in answer.claims for citation in claim.citations):
            name = re.sub(r"#.*", "", citation.source).rpartition("/")[2]
            if not name.endswith(".html"):  # of HTML the text is quoted, without its tags
                assert " ".join(citation.quote.split()) in " ".join(files[name].split())
