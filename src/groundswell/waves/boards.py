"""Where a cluster's verdicts lie: a signed one in each wave's ConfigMap, and beside it what Argo CD is shown of it.

The signed record is the proof, which only gates can make: a wave may begin where the records of all before it count.
The plain keys `verdict`, `reason`, `until` and `below` are for people and for Argo CD's health; they open nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from groundswell.backends.kube.configmaps import ConfigMaps
from groundswell.core.errors import ConfigError
from groundswell.core.records import Verdict
from groundswell.waves.proofs import Signer

DIGEST = "groundswell/digest"  # an annotation: of the manifests of the wave that are applied
NAMESPACE = "ai-observability"
PRIVATE = "proofs.private.pem"


def name_of(wave: int) -> str:
    """The ConfigMap of a wave."""
    return f"gate-{wave:02}"


def job_of(wave: int, digest: str) -> str:
    """The Job that opens a wave's gate: another revision of the wave is another Job."""
    return f"gate-{wave:02}-{digest[:10]}"


def signer_of(folder: Path) -> Signer:
    """The key that only gates read. Raises ConfigError where it is not there."""
    try:
        return Signer(OKPKey.import_key((folder / PRIVATE).read_bytes()))
    except (OSError, ValueError, JoseError) as error:
        hint = "groundswell bootstrap makes it: the Secret groundswell-proofs in ai-observability"
        raise ConfigError("no_keys", f"the key that signs verdicts cannot be read: {error}", hint) from error


@dataclass(frozen=True)
class Held:
    """What lies in a wave's ConfigMap."""

    wave: int
    digest: str  # of what is applied; empty where the wave was not reached
    verdict: Verdict | None  # as it was signed; None where it is not
    why: str  # why it does not count; empty where the wave's gate is open
    shown: Mapping[str, str]

    @property
    def changing(self) -> bool:
        """Whether the verdict is that of another revision than is applied: the gate is still trying that."""
        return self.verdict is not None and self.verdict.subject.settings != self.digest


@dataclass(frozen=True)
class Board:
    """The verdicts of one cluster."""

    maps: ConfigMaps
    signer: Signer
    place: str  # the cluster's id

    async def held(self, wave: int, digest: str = "", now: datetime | None = None) -> Held:
        """A wave's verdict, and why it does not count for a digest; by default that of what is applied."""
        found = await self.maps.read(name_of(wave))
        if found is None:
            return Held(wave, "", None, f"wave {wave} has not begun", {})
        data, annotations = found
        applied = annotations.get(DIGEST, "")
        if not data.get("record"):
            return Held(wave, applied, None, f"wave {wave} is not proven yet", data)
        verdict, why = self.signer.read(data["record"], Verdict)
        if why:
            verdict = None
        why = why or self._apart(verdict, wave, digest or applied, now or datetime.now(UTC))
        return Held(wave, applied, verdict, f"wave {wave}: {why}" if why else "", data)

    def _apart(self, verdict: Verdict | None, wave: int, digest: str, now: datetime) -> str:
        if verdict is None or verdict.wave != wave:
            return "its proof is that of another wave"
        if verdict.subject.place != self.place:
            return "it was proven on another cluster"
        if verdict.subject.settings != digest:
            return "what is to stand there now is not proven yet"
        if not verdict.open:
            return verdict.reason
        return f"its proof expired on {verdict.expires:%Y-%m-%d at %H:%M} UTC" if verdict.expires <= now else ""

    async def post(self, verdict: Verdict) -> bool:
        """Sign a verdict and lay it down; False where there is nowhere to."""
        shown = {
            "record": self.signer.sign(verdict),
            "verdict": "open" if verdict.open else "closed",
            "reason": verdict.reason,
            "until": str(int(verdict.expires.timestamp())),
            "at": f"{verdict.at:%Y-%m-%dT%H:%M:%SZ}",
            "unproven": "\n".join(f"{', '.join(lines)}: {why}" for why, lines in verdict.unproven.items()),
        }
        return await self.maps.fill(name_of(verdict.wave), shown)

    async def project(self, waves: Sequence[int]) -> None:
        """Show each wave what it stands on: the first one below it that failed, or was tampered with, or expired."""
        below = ""
        for wave in waves:
            found = await self.held(wave)
            if found.digest and found.shown.get("below", "") != below:
                await self.maps.fill(name_of(wave), {"below": below})
            if not below and found.why and found.shown.get("record") and not found.changing:
                below = f"it stands on wave {wave}, which is closed. {found.why}"
