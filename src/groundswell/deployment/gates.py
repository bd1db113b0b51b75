"""Gates in a cluster: a Job that proves a wave, one that holds it until those before are proven, and a CronJob.

A gate's Job is named by the digest of its wave's manifests: another revision of them is another Job, and a commit that
changes none of them closes nothing. Nothing waits for it in the sync, so a revert is taken up at once.
"""

import hashlib
import json
from collections.abc import Mapping

from groundswell.deployment import rights, secrets
from groundswell.deployment.objects import Container, Object, account, config, empty, from_secret, made, pod
from groundswell.deployment.profile import Profile
from groundswell.deployment.workloads import IMAGE, address, services
from groundswell.waves.boards import DIGEST, NAMESPACE, job_of, name_of
from groundswell.waves.w00_foundation import GATE_LABEL

NAME = "gate"
PROFILE = "gate-profile"
KEYS = "/run/secrets/groundswell/proofs"
PATIENCE = 300  # seconds that a wave has to come to stand, and to be proven
HELD = 120  # seconds that a wave waits for those before, until the newest commit is looked at again
CHECKS = 900  # seconds that all checks together may take
EVERY = "*/30 * * * *"  # half the life of the proofs that live shortest


def wanted(profile: Profile) -> bool:
    """Whether gates run in the cluster: where Argo CD applies the waves. `rollout` proves them itself."""
    return profile.part("argocd").how != "none"


def digest(objects: list[Object], profile: Profile, number: int) -> str:
    """Of all that a wave brings, and of how it is proven."""
    text = json.dumps([objects, _job(profile, number, ""), profile.image], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def ground(profile: Profile, text: str) -> list[Object]:
    """What gates stand on, with the first wave: who they are, what they may, what must be proven, and the CronJob."""
    group = "rbac.authorization.k8s.io"
    rules: list[Object] = [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [name_of(number) for number in range(11)],
            "verbs": ["get", "patch"],
        },
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["delete"]},
    ]
    who = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]
    reference = {"apiGroup": group, "kind": "Role", "name": NAME}
    return [
        account(NAME, NAMESPACE),
        *rights.granted(NAME, NAMESPACE),
        made("Role", f"{group}/v1", NAME, NAMESPACE, rules=rules),
        made("RoleBinding", f"{group}/v1", NAME, NAMESPACE, roleRef=reference, subjects=who),
        config(PROFILE, NAMESPACE, {"profile.toml": text}),
        _again(profile),
    ]


def rendered(profile: Profile, number: int, digests: Mapping[int, str]) -> list[Object]:
    """The gate of one wave: where its verdict lies, what holds it, and what proves it."""
    found = digests[number]
    notes = {"labels": {GATE_LABEL: str(number)}, "annotations": {DIGEST: found}}
    board = made("ConfigMap", "v1", name_of(number), NAMESPACE, metadata=notes)
    job = _job(profile, number, found)
    job["metadata"]["name"] = job_of(number, found)
    before = [_before(profile, number, digests)] if number else []
    return [board, *before, job]


def _job(profile: Profile, number: int, found: str) -> Object:
    words = ["open", "--wave", str(number), "--digest", found, "--seconds", str(PATIENCE)]
    return made("Job", "batch/v1", NAME, NAMESPACE, spec=_spec(profile, words, PATIENCE + CHECKS, platform=True))


def _before(profile: Profile, number: int, digests: Mapping[int, str]) -> Object:
    """It fails where those before are not proven in time: the sync is tried again, of the newest commit."""
    words = ["before", "--wave", str(number), "--seconds", str(HELD)]
    words += [word for each in range(number) for word in ("--proven", f"{each}={digests[each]}")]
    hook = {"argocd.argoproj.io/hook": "PreSync", "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation"}
    name = f"{name_of(number)}-before"
    spec = _spec(profile, words, HELD + 60, platform=False)
    return made("Job", "batch/v1", name, NAMESPACE, metadata={"annotations": hook}, spec=spec)


def _again(profile: Profile) -> Object:
    template = {"spec": _spec(profile, ["again"], 2 * CHECKS, platform=True)}
    spec = {
        "schedule": EVERY,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": template,
    }
    return made("CronJob", "batch/v1", "gate-again", NAMESPACE, spec=spec)


def _spec(profile: Profile, words: list[str], seconds: int, *, platform: bool) -> Object:
    """A closed gate is the Job's end; a pod that was moved away, or could not be placed, is tried again."""
    args = ["gate", *words, "--keys", KEYS]
    mounts = {"/tmp": "tmp", "/data": "data", KEYS: "keys:ro"}  # noqa: S108 - the pod's own
    env: dict[str, str | Object] = {"HOME": "/data", "GROUNDSWELL_DATA": "/data/groundswell"}
    volumes = [empty("tmp", "512Mi"), empty("data", "4Gi"), from_secret("keys", secrets.PROOFS)]
    if platform:
        where = f"/etc/groundswell-gate/{profile.name}"
        args += ["--profile", f"{where}/profile.toml"]
        mounts[where] = "profile:ro"
        volumes.append({"name": "profile", "configMap": {"name": PROFILE}})
        env["GROUNDSWELL_URL"] = address(services()["gateway"])
        env["GROUNDSWELL_KEY"] = {"secretKeyRef": {"name": secrets.GATEWAY_KEY, "key": "key"}}
    memory = ("384Mi", "1536Mi") if platform else ("96Mi", "256Mi")
    container = Container(
        name=NAME,
        image=IMAGE,
        args=args,
        cpu="100m" if platform else "20m",
        memory=memory[0],
        memory_limit=memory[1],
        env=env,
        mounts=mounts,
    )
    template = pod(NAME, [container], volumes, account=NAME, token=True, restartPolicy="Never")
    closed = {"containerName": NAME, "operator": "In", "values": [1]}
    return {
        "backoffLimit": 4,
        "activeDeadlineSeconds": seconds,
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": closed}]},
        "template": template,
    }
