"""Changes to a repository: the edits that are asked for, the diff they make, and the branch it is committed on."""

from pydantic import Field

from groundswell.core.records.base import Record
from groundswell.core.records.evidence import Excerpt


class Edit(Record):
    """One change to one file: a text in place of another, its whole contents, a new name or mode, or its end."""

    path: str = Field(min_length=1, max_length=1000)
    old: str | None = Field(default=None, description="A text that stands in the file once; `new` takes its place.")
    new: str | None = None
    contents: str | None = Field(default=None, description="All of the file, also of a new one.")
    rename: str = Field(default="", max_length=1000, description="Its new path.")
    executable: bool | None = None
    delete: bool = False


class Diff(Record):
    """A unified diff against a commit. Applied to it, it gives the files that were asked for, byte for byte."""

    base: str  # the commit
    patch: str
    files: tuple[str, ...]


class Branch(Record):
    """A patch, committed on a branch of its own."""

    source: str
    branch: str
    commit: str
    base: str
    files: tuple[str, ...]
    excerpt: Excerpt  # what an answer cites; the message is not in it, since it may be a model's words
