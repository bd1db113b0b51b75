"""Gates of `groundswell rollout`: each wave is verified before the next one begins."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from groundswell.cli.invocation import Invocation
from groundswell.cli.terminal import aside, say, styled
from groundswell.core.errors import Unavailable

if TYPE_CHECKING:
    from groundswell.client import Client
    from groundswell.core.check import Check, Place
    from groundswell.core.records import Profile, Proof
    from groundswell.deployment.kubectl import Kubectl

# run where the tools are: makes the sample repository there, and says where it and the packaged material lie
SAMPLES = """
import json
from groundswell.cli.first_answer import INCIDENT, PAGES, sample
from groundswell.core.settings import load
from groundswell.runtime.datadir import DataDir
repo = sample(DataDir(load(None).settings.data).create())
print(json.dumps({"repo": f"path:{repo}", "kubernetes": f"dump:{INCIDENT}", **PAGES}))
"""
STORE = ("ai-vector", "statefulset", "postgres")
FORWARDED_SECONDS = 20


class Gates:
    """Verifies a cluster wave by wave. Raises Unavailable for one that is not proven: the next stays closed."""

    def __init__(self, invocation: Invocation, kubectl: "Kubectl", profile: "Profile", *, drills: bool) -> None:
        self.invocation, self.kubectl, self.drills = invocation, kubectl, drills
        self.profile = profile
        self.proofs: dict[str, Proof] = {}

    async def prove(self, wave: int) -> None:
        """Run what can be run now, and go on only where every line that is due passes."""
        from groundswell.deployment.layout import WAVES
        from groundswell.waves.gating import ASKABLE, due, tried
        from groundswell.waves.plan import plan
        from groundswell.waves.verifying import verified

        ledger = plan()
        checks = tried(ledger, wave)
        async with self._asked(inside=wave >= ASKABLE) as (client, place):
            self.proofs |= await verified(client, place, checks, drills=self.drills, tell=_told)
        found = due(ledger, self.profile, wave, self.proofs, checks)
        say(f"wave {wave}: {len(found.passed)} lines are proven")
        for reason, lines in found.unproven.items():
            say(f"  not proven: {', '.join(lines)}: {reason}", "dim")
        if not found.open:
            why = "; ".join(f"{line.line}: {line.status}, {line.reason}" for line in found.closing[:4])
            next_ = f", so wave {wave + 1} stays closed" if wave < max(WAVES) else ""
            message = f"wave {wave} is not proven{next_}. {why}"
            raise Unavailable("gate_closed", message, "mend it, and roll out again: what stands is left as it is")

    @contextlib.asynccontextmanager
    async def _asked(self, *, inside: bool) -> "AsyncGenerator[tuple[Client, Place]]":
        """Whom to ask: the platform in the cluster, or, before it stands, one that runs here and reads the cluster."""
        from groundswell.client import Client
        from groundswell.core.check import Place

        if not inside:
            parts = {**self.profile.parts, "kubernetes": f"existing({self.kubectl.source()})"}
            async with self.invocation.platform(start=True) as client:
                yield client, Place(self.profile.model_copy(update={"parts": parts}))
            return
        material = await asyncio.to_thread(samples, self.kubectl)
        drills = {"stores": lambda: asyncio.to_thread(restarted, self.kubectl)}
        async with forwarded(self.kubectl) as url, Client(url, await asyncio.to_thread(key, self.kubectl)) as client:
            yield client, Place(self.profile, material, drills)


def _told(check: "Check", proof: "Proof | None") -> None:
    if proof is not None and proof.status in ("fail", "unknown"):
        aside(f"{styled(proof.status, 'bad')} {check.name}: {proof.message}")


def samples(kubectl: "Kubectl") -> dict[str, str]:
    """What agents are tried on, as every pod of the tools has it."""
    found: dict[str, str] = {}
    words = ("-n", "ai-tools", "get", "pods", "-l", "app.kubernetes.io/name=tools")
    for each in kubectl.json(*words, "--field-selector=status.phase=Running")["items"]:
        said = kubectl("-n", "ai-tools", "exec", each["metadata"]["name"], "--", "python", "-c", SAMPLES)
        found = json.loads(said.splitlines()[-1])
    return found


def key(kubectl: "Kubectl") -> str:
    """The key that bootstrap made."""
    secret = kubectl.json("-n", "ai-router", "get", "secret", "groundswell-key")
    return base64.b64decode(secret["data"]["key"]).decode()


def restarted(kubectl: "Kubectl") -> str:
    """Delete the database's pod, and wait until there is another."""
    namespace, kind, name = STORE
    kubectl("-n", namespace, "delete", "pod", f"{name}-0", "--wait", seconds=150)
    kubectl("-n", namespace, "rollout", "status", f"{kind}/{name}", "--timeout=120s", seconds=150)
    return f"the pod {namespace}/{name}-0 was deleted"


@contextlib.asynccontextmanager
async def forwarded(
    kubectl: "Kubectl", namespace: str = "ai-router", target: str = "service/gateway"
) -> AsyncGenerator[str]:
    """The gateway of the cluster under an address of this machine, as long as it is needed."""
    words = [*kubectl.line(), "-n", namespace, "port-forward", target, ":8080"]
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(FORWARDED_SECONDS):
                first = (await process.stdout.readline()).decode()
        except TimeoutError:
            first = ""
        if "->" not in first:
            raise Unavailable("no_way_in", f"kubectl port-forward to {namespace}/{target} does not come up")
        yield f"http://{first.split()[2]}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
