"""Scores a text for each agent this platform was trained on, and for none of them. No model is needed.

A linear classifier over signs, words and letter groups, with committed weights (`weights.json`, written by
`bench/router_weights.py` from the examples in `tests/routing`). Where MiniLM is installed and the words leave it open,
a second one over its vector has a say. Both are calibrated, so that a confidence of 0.9 is right nine times in ten.
"""

import base64
import functools
import json
import math
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from groundswell.services.router import features

NONE = "none"  # the label of what no agent does
VECTORS = "minilm-l6-v2-int8"  # the embedder whose vectors the second classifier was trained on
MOST_WORDS = 3  # that a reason names
READ_WORDS = 30  # that it looks at
SAID_WORDS = 4  # letters: shorter words say little to people
_EMPTY = "please could would should what which when where about have does with that this from"
EMPTY = frozenset(_EMPTY.split())  # words that say nothing by themselves
LEAST = 0.25  # of a word's or sign's weight, to be worth naming


@dataclass(frozen=True)
class Linear:
    """Weights in eighths of a byte: one row of as many as there are labels for each feature."""

    rows: "array[int]"
    step: float
    labels: int

    def totals(self, numbers: Iterable[int]) -> list[float]:
        """The sums of the weights of some features: whole numbers, so that their order makes no difference."""
        starts = [number * self.labels for number in numbers]
        return [self.step * sum([self.rows[start + label] for start in starts]) for label in range(self.labels)]

    def row(self, number: int) -> list[float]:
        """The weights of one feature."""
        start = number * self.labels
        return [self.step * weight for weight in self.rows[start : start + self.labels]]


@dataclass(frozen=True)
class Mixed:
    """How much the words and the vector say, and from which confidence on an agent is chosen."""

    words: float
    vector: float
    none: float  # added to the label `none`
    threshold: float


@dataclass(frozen=True)
class Seen:
    """What the words of a text say: a score a label, and the signs and words behind it."""

    scores: tuple[float, ...]
    signs: tuple[int, ...]
    words: tuple[str, ...]
    places: int


@dataclass(frozen=True)
class Classifier:
    """The trained weights, ready to be used."""

    labels: tuple[str, ...]
    examples: str  # digest of the examples it was trained on
    words: Linear
    signs: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    vectors: Linear
    alone: Mixed
    both: Mixed
    sure: float  # the confidence from which words need no vector

    def seen(self, text: str) -> Seen:
        """Read a text."""
        text = features.read(text)
        shown, places = features.signs(text), features.buckets(text)
        scores = list(self.bias)
        for number in shown:
            _add(scores, self.signs[number], 1.0)
        share = weight_of(len(places))
        for label, total in enumerate(self.words.totals(places)):
            scores[label] += share * total
        return Seen(tuple(scores), tuple(shown), tuple(features.words(text)), len(places))

    def confidences(
        self, seen: Seen, vector: Sequence[float] | None = None, lean: dict[str, float] | None = None
    ) -> dict[str, float]:
        """How likely each label is; together they are one. `lean` adds to the scores of labels."""
        mixed = self.alone if vector is None else self.both
        scores = [mixed.words * score for score in seen.scores]
        if vector is not None:
            _add(scores, self._of_vector(vector), mixed.vector)
        scores[self.labels.index(NONE)] += mixed.none
        for label, more in (lean or {}).items():
            if label in self.labels:
                scores[self.labels.index(label)] += more
        return dict(zip(self.labels, _shares(scores), strict=True))

    def threshold(self, vector: Sequence[float] | None) -> float:
        """The confidence from which an agent is chosen."""
        return (self.alone if vector is None else self.both).threshold

    def said(self, seen: Seen, label: str) -> list[str]:
        """Why a label, in plain words: what weighs most for it."""
        number = self.labels.index(label)
        told = [(_lead(self.signs[sign], number), features.SIGNS[sign].said) for sign in seen.signs]
        phrases = [phrase for weight, phrase in sorted(told, key=lambda each: -each[0]) if weight > LEAST]
        share = weight_of(seen.places)
        weighed: dict[str, float] = {}
        for word in list(dict.fromkeys(seen.words))[:READ_WORDS]:
            if len(word) >= SAID_WORDS and word.isalpha() and word not in EMPTY:
                places = [features.bucket(f"w{word}"), *(features.bucket(f"c{part}") for part in features.parts(word))]
                weighed[word] = share * _lead(self.words.totals(places), number)
        best = sorted(weighed, key=lambda word: -weighed[word])[:MOST_WORDS]
        named = [word for word in seen.words if word in best and weighed[word] > LEAST]
        mentions = [f"mentions {_listed(list(dict.fromkeys(named)))}"] if named else []
        kept = [phrase for phrase in dict.fromkeys(phrases) if not (mentions and phrase.startswith("mentions"))]
        return mentions + kept[:2]

    def _of_vector(self, vector: Sequence[float]) -> list[float]:
        scores = self.vectors.row(len(vector))  # the last row is the bias
        for number, value in enumerate(vector):
            _add(scores, self.vectors.row(number), value)
        return scores


@functools.cache
def trained() -> Classifier:
    """The committed weights; read when they are first needed."""
    return loaded(json.loads(files("groundswell.services.router").joinpath("weights.json").read_text("utf-8")))


def loaded(given: dict[str, Any]) -> Classifier:
    """A classifier from the content of `weights.json`."""
    count = len(given["labels"])
    signs = {name: tuple(row) for name, row in given["signs"].items()}
    return Classifier(
        labels=tuple(given["labels"]),
        examples=given["examples"],
        words=_linear(given["words"], count),
        signs=tuple(signs[sign.name] for sign in features.SIGNS),
        bias=tuple(given["bias"]),
        vectors=_linear(given["vectors"], count),
        alone=Mixed(**given["alone"]),
        both=Mixed(**given["both"]),
        sure=given["sure"],
    )


def packed(rows: "array[int]", step: float) -> dict[str, Any]:
    """Weights as `weights.json` has them."""
    return {"step": step, "rows": base64.urlsafe_b64encode(zlib.compress(rows.tobytes(), 9)).decode()}


def weight_of(places: int) -> float:
    """What each of so many words, pairs and letter groups weighs: a long text says no more than a short one."""
    return 4.0 / math.sqrt(max(places, 1))


def _linear(given: dict[str, Any], labels: int) -> Linear:
    rows = array("b", zlib.decompress(base64.urlsafe_b64decode(given["rows"])))
    return Linear(rows, given["step"], labels)


def _add(scores: list[float], row: Sequence[float], factor: float) -> None:
    for number, weight in enumerate(row):
        scores[number] += factor * weight


def _lead(row: Sequence[float], number: int) -> float:
    """By how much a row speaks for one label rather than for the others."""
    return row[number] - (sum(row) - row[number]) / (len(row) - 1)


def _shares(scores: Sequence[float]) -> list[float]:
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    return [power / sum(powers) for power in powers]


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
