"""Words as sparse vectors: BM25's document side. The engine adds the IDF when it searches.

Term ids are those of the `Qdrant/bm25` model, so vectors made here mean the same on a Qdrant server.
"""

from functools import cache

from qdrant_edge import Bm25, Bm25Config, SparseVector


@cache
def _model() -> Bm25:
    return Bm25(Bm25Config(language="english"))


def document(text: str) -> SparseVector:
    """Term weights of a text that is stored; no indices where it has only stop words."""
    return _model().embed_document(text)


def query(text: str) -> SparseVector:
    """Term weights of a text that is asked for: each of its words once."""
    return _model().embed_query(text)
