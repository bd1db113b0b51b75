"""A cluster whose Argo CD applies what is pushed: the repository, what each gate says, and what is broken on purpose.

An edit by hand gives a wave another digest, as `groundswell render` does for what it renders: see `stamp`.
"""

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.live import DEPLOY, Live
from cluster.places import Local
from e2e.program import IDENTITY
from groundswell.core.errors import GroundswellError
from groundswell.deployment import layout
from groundswell.deployment.objects import Object
from groundswell.waves.boards import DIGEST, NAMESPACE, name_of

ARGO = "argocd"
PROFILE = (  # what differs where Argo CD applies the waves
    (r'^argocd = "none".*$', f'argocd = "existing({ARGO})"'),
    (r"^\[deployment\]$", '[deployment]\nrepository = "{url}"'),
    (r'^"w0\.(argo|applications).*\n', ""),
)


Edit = Callable[[Object], Object | None]  # changes an object; what it returns is added


@dataclass(frozen=True)
class State:
    """What lies in a wave's ConfigMap."""

    applied: str  # the digest of what is applied
    proven: str  # of what the verdict is about
    open: bool
    reason: str
    below: str


@dataclass
class Governed:
    """The cluster, and the repository that its Argo CD reads."""

    live: Live
    place: Local
    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def begin(self, url: str) -> None:
        """Make the repository from this tree, and push it."""
        shutil.copytree(DEPLOY, self.folder / "deploy")
        profile = self.overlays / "profile.toml"
        text = profile.read_text()
        for pattern, instead in PROFILE:
            text, count = re.subn(pattern, instead.replace("{url}", url), text, flags=re.MULTILINE)
            assert count, pattern
        profile.write_text(text)
        self.live.home.well("render", "--into", str(self.folder / "deploy"))
        self.git("init", "-q", "-b", "main", ".")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")
        self.place.push(self.folder)

    @property
    def overlays(self) -> Path:
        return self.folder / "deploy" / "clusters" / self.live.profile

    def git(self, *words: str) -> None:
        subprocess.run(["git", *IDENTITY, *words], cwd=self.folder, check=True, capture_output=True, timeout=60)

    def push(self, message: str) -> None:
        self.git("commit", "-qam", message)
        self.place.push(self.folder)

    def revert(self) -> None:
        self.git("revert", "--no-edit", "HEAD")
        self.place.push(self.folder)

    def digest(self, wave: int) -> str:
        """Of a wave as it is in the repository."""
        found = re.search(rf"{DIGEST}: (\S+)", (self.overlays / layout.WAVES[wave] / "gate.yaml").read_text())
        assert found
        return found[1].strip("'\"")

    def stamp(self, wave: int) -> str:
        """Give a wave that was edited another digest, wherever that stands."""
        folders = (self.folder / "deploy/waves" / layout.WAVES[wave], self.overlays / layout.WAVES[wave])
        text = "".join(file.read_text() for folder in folders for file in sorted(folder.glob("*.yaml")))
        new = hashlib.sha256(f"{text}{time.time()}".encode()).hexdigest()
        old, new = self.digest(wave), f"b{new[:15]}"  # never a number, for whoever reads YAML
        for file in self.overlays.glob("*/gate.yaml"):
            file.write_text(file.read_text().replace(old, new).replace(old[:10], new[:10]))
        return new

    def state(self, wave: int) -> State:
        """What its gate says. What cannot be read now is asked again by who waits."""
        try:
            found = self.live.kubectl.json("-n", NAMESPACE, "get", "configmap", name_of(wave))
        except GroundswellError:
            return State("", "", False, "", "")
        data: dict[str, str] = found.get("data") or {}
        record = json.loads(data["record"])["record"] if data.get("record") else {}
        return State(
            found["metadata"].get("annotations", {}).get(DIGEST, ""),
            record.get("subject", {}).get("settings", ""),
            bool(record.get("open")),
            record.get("reason", ""),
            data.get("below", ""),
        )

    def opens(self, *waves: int) -> bool:
        """Whether these are proven as the repository has them, and stand on nothing that failed."""
        states = {wave: self.state(wave) for wave in waves}
        return all(each.open and not each.below and each.proven == self.digest(wave) for wave, each in states.items())

    def held(self, wave: int) -> str:
        """What the pod says that holds a wave."""
        try:
            return self.live.kubectl("-n", NAMESPACE, "logs", f"job/{name_of(wave)}-before", "--tail=2").strip()
        except GroundswellError:
            return ""

    def health(self) -> dict[int, str]:
        """Wave → the health of its Application."""
        found = self.live.items("applications", "-n", ARGO, "-l", "groundswell/wave")
        return {
            int(each["metadata"]["labels"]["groundswell/wave"]): each.get("status", {})
            .get("health", {})
            .get("status", "")
            for each in found
        }

    def again(self) -> None:
        """Prove again now, as the CronJob does every half hour."""
        name = f"again-{int(time.time())}"
        words = ("-n", NAMESPACE)
        self.live.kubectl(*words, "create", "job", name, "--from=cronjob/gate-again")
        self.live.kubectl(*words, "wait", "--for=condition=complete", f"job/{name}", "--timeout=600s", seconds=620)


def waited(true: Callable[[], Any], what: str, seconds: float) -> float:
    """Wait for a condition; how long it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, f"within {seconds:.0f} s it did not come true that {what}"
        time.sleep(2)
    return time.monotonic() - began


@dataclass(frozen=True)
class Break:
    """Something wrong that is pushed: what it is, whose gate tells it, and in which words."""

    name: str
    wave: int
    file: str  # below deploy/; {profile} is the cluster's overlay
    edit: Edit
    told: str
    also: tuple[int, ...] = ()  # other waves whose manifests the edit changes
    more: tuple[tuple[str, Edit], ...] = ()


def edited(file: Path, edit: Edit) -> None:
    """Change the objects of a file; one that changes nothing is a mistake of the test."""
    objects: list[Object] = list(yaml.safe_load_all(file.read_text()))
    before = yaml.safe_dump_all(objects)
    objects += [added for each in objects if (added := edit(each)) is not None]
    after = yaml.safe_dump_all(objects)
    assert after != before, f"{file.name} is as it was"
    file.write_text(after)


def _containers(each: Object) -> Sequence[Object]:
    return each["spec"]["template"]["spec"]["containers"] if each["kind"] == "Deployment" else ()


def _annotated(each: Object) -> None:
    """Another template: its pods are made anew."""
    if each["kind"] == "Deployment":
        each["spec"]["template"]["metadata"].setdefault("annotations", {})["again"] = "1"


def _no_dns(each: Object) -> None:
    if each["kind"] == "NetworkPolicy" and each["metadata"]["namespace"] == "ai-tools":
        for rule in each["spec"].get("egress", ()):
            for port in rule.get("ports", ()):
                port["port"] = 54 if port["port"] == 53 else port["port"]


def _a_node(each: Object) -> None:
    if each["kind"] == "Deployment":
        each["spec"]["template"]["spec"]["nodeName"] = "worker-7"


def _no_limit(each: Object) -> None:
    for container in _containers(each):
        del container["resources"]["limits"]


def _no_such_command(each: Object) -> None:
    for container in _containers(each):
        container["args"] = ["swerve" if word == "serve" else word for word in container["args"]]


def _no_such_class(each: Object) -> Object:
    """Another claim, of a class that the cluster does not have."""
    spec = {**each["spec"], "storageClassName": "fast-ssd"}
    return {**each, "metadata": {**each["metadata"], "name": "tools-fast"}, "spec": spec}


def _no_such_database(each: Object) -> None:
    if each["kind"] == "ConfigMap" and each["metadata"]["namespace"] == "ai-router":
        text = each["data"]["groundswell.toml"]
        each["data"]["groundswell.toml"] = text.replace("@postgres.ai-vector", "@postgre.ai-vector")


def _small_quota(each: Object) -> None:
    if each["kind"] == "ResourceQuota" and each["metadata"]["namespace"] == "ai-router":
        each["spec"]["hard"]["limits.memory"] = "1Gi"


def _too_wide(each: Object) -> None:
    if each["kind"] == "ClusterRole":
        each["rules"][0]["verbs"] = ["*"]


ROUTER, OVERLAY = "waves/03-runtime/router.yaml", "clusters/{profile}"
BREAKS = (
    Break("a policy that blocks DNS", 0, "waves/00-foundation/isolation.yaml", _no_dns, r"DNS is blocked in ai-tools"),
    Break("a node name", 3, ROUTER, _a_node, r"nodeName names a node"),
    Break("a missing limit", 3, ROUTER, _no_limit, r"a container has no memory limit"),
    Break(
        "a wrong storage class",
        4,
        "components/embedded-vectors/volume.yaml",
        _no_such_class,
        r"tools-fast has no volume: there is no storage class 'fast-ssd'",
    ),
    Break(
        "an unreachable database",
        3,
        f"{OVERLAY}/03-runtime/settings.yaml",
        _no_such_database,
        r"PostgreSQL at postgre\.ai-vector\.svc:5432 does not answer",
        more=((ROUTER, _annotated),),
    ),
    Break("an image that crashes", 3, ROUTER, _no_such_command, r"No such command 'swerve'"),
    Break(
        "a quota too small",
        3,
        "waves/00-foundation/namespaces.yaml",
        _small_quota,
        r"exceeded quota: bounds",
        also=(0,),
        more=((ROUTER, _annotated),),
    ),
    Break("RBAC that is too wide", 4, "waves/04-tools/rights.yaml", _too_wide, r"ai-tools:tools: it has \* for verbs"),
)
