"""Keeps proofs: a signed file a wave in the data directory, and a history of what each verification came to.

A proof counts for one version, its settings and one place, until it expires. What was changed after it was signed, what
is about something else and what is too old is `unknown`, with a sentence that says so.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from groundswell.core.errors import ConfigError
from groundswell.core.records import Proof, Record, Subject, WaveProofs
from groundswell.runtime import keys

ALGORITHM = "Ed25519"
KEY = "proofs"
HISTORY_KEPT = 2000  # entries that are read
T = TypeVar("T", bound=Record)


class Entry(Record):
    """What one verification of one wave came to."""

    at: datetime
    wave: int
    open: bool
    passed: int
    owed: int
    reason: str = ""
    version: str


@dataclass(frozen=True)
class Signer:
    """Signs what was proven, and tells whether that was changed since."""

    key: OKPKey

    def sign(self, record: Record) -> str:
        """A signed record, as text."""
        body = record.model_dump(mode="json")
        payload = json.dumps({"sha256": _digest(body)})
        signature = jws.serialize_compact({"alg": ALGORITHM}, payload, self.key, algorithms=[ALGORITHM])
        return json.dumps({"record": body, "signature": signature}, ensure_ascii=False, indent=1)

    def read(self, text: str, kind: type[T]) -> tuple[T | None, str]:
        """The record, and why it does not count; without a reason it is as it was signed."""
        try:
            held: dict[str, Any] = json.loads(text)
            record = kind.model_validate(held["record"])
        except (ValueError, KeyError, TypeError, ValidationError):
            return None, "it cannot be read"
        try:
            signed = jws.deserialize_compact(str(held.get("signature", "")), self.key, algorithms=[ALGORITHM])
            stated = json.loads(signed.payload)["sha256"]
        except (JoseError, ValueError, KeyError, TypeError):
            return record, "its signature is not this platform's"
        return record, "" if stated == _digest(held["record"]) else "it was changed after it was signed"


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def signer(folder: Path) -> Signer:
    """The key of a data directory that signs proofs; made when it is first needed."""
    secret = folder / f"{KEY}.private.pem"
    try:
        if not secret.exists():
            keys.create_pair(secret, folder / f"{KEY}.public.pem")
        return Signer(OKPKey.import_key(secret.read_bytes()))
    except (OSError, ValueError, JoseError) as error:
        raise ConfigError("no_keys", f"the key of proofs in {folder} cannot be read: {error}") from error


@dataclass(frozen=True)
class Shelf:
    """The proofs of one data directory."""

    folder: Path
    signer: Signer

    def kept(self, subject: Subject | None, now: datetime | None = None) -> dict[str, Proof]:
        """Every proof that was stored, by its check; what does not count any more is unknown."""
        return self.looked(subject, now)[0]

    def looked(self, subject: Subject | None, now: datetime | None = None) -> tuple[dict[str, Proof], list[str]]:
        """The same, and the files that are no proofs any more."""
        now = now or datetime.now(UTC)
        found: dict[str, Proof] = {}
        unreadable: list[str] = []
        for file in sorted(self.folder.glob("wave-*.json")):
            record, why = None, ""
            with contextlib.suppress(OSError):
                record, why = self.signer.read(file.read_text(encoding="utf-8", errors="replace"), WaveProofs)
            if record is None:
                unreadable.append(file.name)
                continue
            for proof in record.proofs:
                found[proof.check] = counting(proof, why or _apart(record, subject), now)
        return found, unreadable

    def keep(self, record: WaveProofs) -> None:
        """Store a wave's proofs: all of them, or what was there before."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.folder / f"wave-{record.wave:02}.json"
        part = file.with_name(f".{file.name}.{os.getpid()}")
        with part.open("w", encoding="utf-8") as stream:
            stream.write(self.signer.sign(record))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)

    def remember(self, entries: Sequence[Entry]) -> None:
        """Add to the history."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = "".join(f"{entry.model_dump_json()}\n" for entry in entries)
        with (self.folder / "history.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())

    def history(self) -> list[Entry]:
        """What was remembered, oldest first; a line that was cut off is left out."""
        return list(self._entries())[-HISTORY_KEPT:]

    def _entries(self) -> Iterator[Entry]:
        file = self.folder / "history.jsonl"
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
        for line in lines:
            with contextlib.suppress(ValidationError):
                yield Entry.model_validate_json(line)


def joined(kept: Mapping[str, Proof], made: Mapping[str, Proof]) -> dict[str, Proof]:
    """New proofs over kept ones; what was only skipped now does not undo a proof that still counts."""
    left = {name: proof for name, proof in made.items() if not (proof.status == "skip" and _passes(kept.get(name)))}
    return {**kept, **left}


def _passes(proof: Proof | None) -> bool:
    return proof is not None and proof.judged() == "pass"


def _apart(record: WaveProofs, subject: Subject | None) -> str:
    """In what the platform is not the one it was proven on."""
    if subject is None or record.subject == subject:
        return ""
    if record.subject.version != subject.version:
        return f"it was proven for version {record.subject.version}, and this is {subject.version}"
    if record.subject.settings != subject.settings:
        return "it was proven under other settings"
    return "it was proven in another place"


def counting(proof: Proof, why: str, now: datetime) -> Proof:
    """A proof as it counts now: `why` is what speaks against all of its record."""
    if not why and proof.expires is not None and proof.expires <= now:
        why = f"it expired on {proof.expires:%Y-%m-%d at %H:%M} UTC"
    if not why:
        return proof
    said = f"a proof was stored, but {why}: verify again"
    return proof.model_copy(update={"status": "unknown", "message": said, "measures": ()})
