"""Train the router's classifier on the committed examples, and write its weights into the package.

    python bench/router_weights.py [--models DIR]

Needs the extra `minilm` and a built MiniLM; takes minutes. Topics marked `train` and `calibrate` are learnt. How much
words and vectors say, and the threshold, are set on what five classifiers say of topics that each has not seen. Topics
marked `test` and `blind.toml` are never read here. The same examples give the same file on the same machine; int8
vectors differ a little between processors.
"""

import argparse
import asyncio
import hashlib
import itertools
import json
import tomllib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundswell.backends.models.embeddings import MINILM_FOLDER
from groundswell.backends.models.minilm import MiniLMEmbedder
from groundswell.core.settings import load
from groundswell.services.router import features
from groundswell.services.router.classifier import NONE, packed, weight_of

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "tests" / "routing"
WEIGHTS = ROOT / "src" / "groundswell" / "services" / "router" / "weights.json"
LABELS = ("coding", "observability", "web", NONE)
STEPS, RATE = 400, 0.05
WORDS_DECAY, VECTORS_DECAY = 3e-4, 1e-3
VECTOR_SCALE = 4.0
SURE = 0.97
FOLDS = 5
LEAST_RECALL = 0.93  # of what is out of scope, when the threshold is set
Floats = Any  # numpy's arrays


@dataclass(frozen=True)
class Example:
    """A text, and who should answer it."""

    text: str
    label: str
    topic: str
    split: str


def examples(*splits: str) -> list[Example]:
    """The examples of some parts, in the order of the files."""
    found: list[Example] = []
    for label in LABELS:
        for topic in tomllib.loads((EXAMPLES / f"{label}.toml").read_text(encoding="utf-8"))["topic"]:
            found += [Example(text, label, topic["name"], topic["split"]) for text in topic["texts"]]
    return [each for each in found if each.split in splits]


def blind() -> list[Example]:
    """The examples that were written last."""
    content = tomllib.loads((EXAMPLES / "blind.toml").read_text(encoding="utf-8"))
    return [Example(text, label, "blind", "blind") for label in LABELS for text in content[label]]


def digest() -> str:
    """What tells weights of other examples or other features from these."""
    parts = [(each.label, each.split, each.text) for each in examples("train", "calibrate")]
    signs = [(sign.name, sign.pattern.pattern) for sign in features.SIGNS]
    return hashlib.sha256(json.dumps([parts, signs, features.BUCKETS]).encode()).hexdigest()[:16]


async def vectors(texts: Sequence[str], folder: Path) -> list[list[float]]:
    """MiniLM's vectors of texts, each by itself as the router asks for it."""
    embedder = MiniLMEmbedder(folder)
    try:
        return [(await embedder.embed([features.read(text)], kind="query"))[0] for text in texts]
    finally:
        await embedder.close()


def matrix(texts: Sequence[str]) -> Floats:
    """Signs, words and a one for the bias."""
    found = np.zeros((len(texts), features.BUCKETS + len(features.SIGNS) + 1))
    for number, text in enumerate(map(features.read, texts)):
        places = sorted(features.buckets(text))
        found[number, places] = weight_of(len(places))
        found[number, [features.BUCKETS + sign for sign in features.signs(text)]] = 1.0
        found[number, -1] = 1.0
    return found


def fitted(given: Floats, wanted: Floats, decay: float) -> Floats:
    """Softmax regression by Adam over all examples at once; the bias, in the last column, does not decay."""
    used = np.flatnonzero(np.abs(given).sum(0))
    some = given[:, used]
    weights = np.zeros((len(used), wanted.shape[1]))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    decays = np.where(used == given.shape[1] - 1, 0.0, decay)[:, None]
    for step in range(1, STEPS + 1):
        slope = some.T @ (shares(some @ weights) - wanted) / len(some) + decays * weights
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope * slope
        weights -= RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    whole = np.zeros((given.shape[1], wanted.shape[1]))
    whole[used] = weights
    return whole


def shares(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def small(weights: Floats) -> tuple["array[int]", float]:
    """Weights as signed bytes, and what one step of them is worth."""
    step = float(f"{np.abs(weights).max() / 127:.6g}")
    return array("b", [int(value) for value in np.rint(weights / step).ravel()]), step


def mixed(words: Floats, vector: Floats | None, wanted: Floats) -> dict[str, float]:
    """How much each says, so that confidences are right; then the threshold that decides best."""
    factors = [round(0.1 * number, 1) for number in range(3, 21)]
    seconds = [0.0] if vector is None else [0.0, *factors]
    best: tuple[float, float, float, float] | None = None
    for first, second, none in itertools.product(factors, seconds, (-1.0, -0.5, 0.0, 0.5, 1.0)):
        scores = first * words + (second * vector if vector is not None else 0)
        scores = scores + none * (np.arange(len(LABELS)) == LABELS.index(NONE))
        loss = -np.log((shares(scores) * wanted).sum(1)).mean()
        if best is None or loss < best[0]:
            best = (loss, first, second, none)
    assert best is not None
    _, first, second, none = best
    scores = first * words + (second * vector if vector is not None else 0)
    confidences = shares(scores + none * (np.arange(len(LABELS)) == LABELS.index(NONE)))
    thresholds = [round(0.3 + 0.025 * number, 3) for number in range(19)]
    threshold = max(thresholds, key=lambda each: (quality(confidences, wanted, each), -abs(each - 0.5)))
    return {"words": first, "vector": second, "none": none, "threshold": threshold}


def quality(confidences: Floats, wanted: Floats, threshold: float) -> float:
    """Macro-F1, where enough of what is out of scope is seen to be so."""
    beyond = LABELS.index(NONE)
    chosen = np.where(confidences.max(1) < threshold, beyond, confidences.argmax(1))
    right = wanted.argmax(1)
    scores: list[float] = []
    for label in range(len(LABELS)):
        hits = ((chosen == label) & (right == label)).sum()
        scores.append(2 * hits / max((chosen == label).sum() + (right == label).sum(), 1))
    recall = (chosen[right == beyond] == beyond).mean()
    return round(float(np.mean(scores) + min(recall - LEAST_RECALL, 0.0)), 6)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the router's classifier.")
    parser.add_argument("--models", type=Path, default=load().settings.data / "models")
    folder = parser.parse_args().models / MINILM_FOLDER
    learnt = examples("train", "calibrate")
    seen = matrix([each.text for each in learnt])
    wanted = np.array([[float(each.label == label) for label in LABELS] for each in learnt])
    embedded = VECTOR_SCALE * np.array(asyncio.run(vectors([each.text for each in learnt], folder)))
    embedded = np.hstack([embedded, np.ones((len(learnt), 1))])
    topics = list(dict.fromkeys((each.label, each.topic) for each in learnt))
    fold = np.array([topics.index((each.label, each.topic)) % FOLDS for each in learnt])
    said, meaning = np.zeros_like(wanted), np.zeros_like(wanted)
    for number in range(FOLDS):
        own, others = fold == number, fold != number
        said[own] = seen[own] @ fitted(seen[others], wanted[others], WORDS_DECAY)
        meaning[own] = embedded[own] @ fitted(embedded[others], wanted[others], VECTORS_DECAY)
    words, meant = fitted(seen, wanted, WORDS_DECAY), fitted(embedded, wanted, VECTORS_DECAY)
    meant[:-1] *= VECTOR_SCALE  # so that the router need not
    rows, step = small(words[: features.BUCKETS])
    vector_rows, vector_step = small(meant)
    by_sign = words[features.BUCKETS : -1]
    content: dict[str, Any] = {
        "labels": LABELS,
        "examples": digest(),
        "words": packed(rows, step),
        "signs": {
            sign.name: [round(float(value), 3) for value in row]
            for sign, row in zip(features.SIGNS, by_sign, strict=True)
        },
        "bias": [round(float(value), 3) for value in words[-1]],
        "vectors": packed(vector_rows, vector_step),
        "alone": mixed(said, None, wanted),
        "both": mixed(said, meaning, wanted),
        "sure": SURE,
    }
    WEIGHTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{len(learnt)} learnt, {WEIGHTS.stat().st_size / 1000:.0f} kB")
    print(f"words alone {content['alone']}")
    print(f"with MiniLM {content['both']}")


if __name__ == "__main__":
    main()
