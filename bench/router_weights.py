"""Train the router's classifier on the committed examples, and write its weights into the package.

    python bench/router_weights.py [--models DIR]

Needs the extra `minilm` and a built MiniLM. Topics marked `train` are learnt; topics marked `calibrate` set how much
words and vectors say and the threshold; topics marked `test` and `blind.toml` are never read here. The same examples
give the same file on the same machine; int8 vectors differ a little between processors.
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
from groundswell.services.router.classifier import NONE, loaded, packed, weight_of

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "tests" / "routing"
WEIGHTS = ROOT / "src" / "groundswell" / "services" / "router" / "weights.json"
LABELS = ("coding", "observability", "web", NONE)
STEPS, RATE = 400, 0.05
WORDS_DECAY, VECTORS_DECAY = 3e-4, 1e-3
VECTOR_SCALE = 4.0
SURE = 0.97
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
    factors = [round(0.1 * number, 1) for number in range(3, 16)]
    seconds = [0.0] if vector is None else [0.0, *factors]
    best: tuple[float, float, float, float] | None = None
    for first, second, none in itertools.product(factors, seconds, (-0.5, -0.25, 0.0, 0.25, 0.5)):
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
    """Macro-F1, with a word for what is out of scope: a wrong agent costs more than a question back."""
    beyond = LABELS.index(NONE)
    chosen = np.where(confidences.max(1) < threshold, beyond, confidences.argmax(1))
    right = wanted.argmax(1)
    scores: list[float] = []
    for label in range(len(LABELS)):
        hits = ((chosen == label) & (right == label)).sum()
        scores.append(2 * hits / max((chosen == label).sum() + (right == label).sum(), 1))
    recall = (chosen[right == beyond] == beyond).mean()
    return round(float(np.mean(scores) + 0.5 * recall), 6)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the router's classifier.")
    parser.add_argument("--models", type=Path, default=load().settings.data / "models")
    folder = parser.parse_args().models / MINILM_FOLDER
    learnt, held = examples("train"), examples("calibrate")
    both = learnt + held
    seen = matrix([each.text for each in both])
    wanted = np.array([[float(each.label == label) for label in LABELS] for each in both])
    embedded = np.array(asyncio.run(vectors([each.text for each in both], folder)))
    embedded = np.hstack([VECTOR_SCALE * embedded, np.ones((len(both), 1))])
    count = len(learnt)
    words = fitted(seen[:count], wanted[:count], WORDS_DECAY)
    meant = fitted(embedded[:count], wanted[:count], VECTORS_DECAY)
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
        "alone": dict.fromkeys(("words", "vector", "none", "threshold"), 0.0),
        "both": dict.fromkeys(("words", "vector", "none", "threshold"), 0.0),
        "sure": SURE,
    }
    rough = loaded(content)  # calibrated on what the router will see: rounded weights
    scores = np.array([rough.seen(each.text).scores for each in held])
    spread = np.array(vector_rows, float).reshape(-1, len(LABELS)) * vector_step
    held_vectors = np.hstack([embedded[count:, :-1] / VECTOR_SCALE, np.ones((len(held), 1))])
    content["alone"] = mixed(scores, None, wanted[count:])
    content["both"] = mixed(scores, held_vectors @ spread, wanted[count:])
    WEIGHTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{len(learnt)} learnt, {len(held)} held back, {WEIGHTS.stat().st_size / 1000:.0f} kB")
    print(f"words alone {content['alone']}")
    print(f"with MiniLM {content['both']}")


if __name__ == "__main__":
    main()
