"""Wave 0: the cluster's ground. Argo CD is in sync, GPUs are labelled, namespaces are apart, and DNS still answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from groundswell.client import Client
from groundswell.core.check import Place, check, judged, measure, seen
from groundswell.core.records import Excerpt, Proof
from groundswell.waves.acting import NAMESPACES, WAVE_LABEL, objects, ours, value
from groundswell.waves.plan import plan

Manifest = Mapping[str, Any]
GPU_LABELS = ("nvidia.com/gpu.product", "nvidia.com/gpu.memory", "nvidia.com/gpu.count")
FAKE = "groundswell.dev/simulated"  # a label of nodes whose GPUs are not there
DNS = 53


@check(proves=("w0.applications-sync", "w0.argo-healthy"), needs=("kubernetes", "argocd"), hours=1)
async def applications_are_synced_and_healthy(platform: Client, place: Place) -> Proof:
    """Every Application of ours is Synced and Healthy, its operation is over, and it reports no error."""
    found = [each for each in await objects(platform, place, "applications") if _is_ours(each)]
    due = [each for each in found if place.wave is None or _wave(each) <= place.wave]
    closed = await _closed(platform, place) if place.wave is not None else set[int]()
    wrong = [seen(f"k8s:Application/{each['name']}", said) for each in due if (said := _trouble(each, place, closed))]
    return judged(
        f"{len(due) - len(wrong)} of {len(due)} Applications are synced and healthy"
        + "".join(f"; {each.source.rpartition('/')[2]}: {each.text}" for each in wrong[:3]),
        measure("applications", len(due), 1, relation=">="),
        measure("not synced and healthy", len(wrong), 0, unit="applications"),
        seen=wrong,
    )


def _is_ours(each: Manifest) -> bool:
    return _labels(each).get("app.kubernetes.io/part-of") == "groundswell"


def _wave(each: Manifest) -> int:
    """An operator's is there before the first wave."""
    number = str(_labels(each).get(WAVE_LABEL, ""))
    return int(number) if number.isdecimal() else -1


async def _closed(platform: Client, place: Place) -> set[int]:
    """The waves whose gates are not open now: that alone keeps their Applications from being healthy."""
    found = await objects(platform, place, "configmaps", "ai-observability")
    return {int(number) for each in found if (number := _labels(each).get(GATE_LABEL)) and not _open(each)}


def _open(gate: Manifest) -> bool:
    data: Manifest = gate.get("data", {})
    return data.get("verdict") == "open" and not data.get("below")


GATE_LABEL = "groundswell/gate"


def _trouble(application: Manifest, place: Place, closed: set[int]) -> str:
    """What is wrong with it. A wave whose gate is asked, or is closed, cannot be healthy: its gate is a part of it."""
    status: Manifest = application.get("status", {})
    sync, health = status.get("sync", {}).get("status"), status.get("health", {}).get("status")
    operation = status.get("operationState", {}).get("phase", "Succeeded")
    errors = [each for each in status.get("conditions", []) if str(each.get("type", "")).endswith("Error")]
    wave = _wave(application)
    excused = place.wave is not None and wave >= 0 and (wave == place.wave or wave in closed)
    if place.wave is not None and _held(application):
        return ""  # a new revision waits for its turn; what runs is the one before
    if sync == "Synced" and (health == "Healthy" or excused) and operation == "Succeeded" and not errors:
        return ""
    said = [f"sync {sync or 'unknown'}", f"health {health or 'unknown'}", f"operation {operation}"]
    return ", ".join([*said, *(str(each.get("message", each["type"])) for each in errors)])


def _held(application: Manifest) -> bool:
    result = application.get("status", {}).get("operationState", {}).get("syncResult", {})
    before = f"gate-{_wave(application):02}-before"
    held = [each for each in result.get("resources", []) if each.get("name") == before]
    return any(each.get("hookPhase") in ("Running", "Failed") for each in held)


@check(proves="w0.argo-projects", needs=("kubernetes", "argocd"))
async def projects_bound_what_waves_may_do(platform: Client, place: Place) -> Proof:
    """Every Application of ours is in a project of ours, and none of those allows any repository, place or kind."""
    projects = {str(each["name"]): each for each in await objects(platform, place, "appprojects") if _is_ours(each)}
    applications = [each for each in await objects(platform, place, "applications") if _is_ours(each)]
    stray = [each for each in applications if each.get("spec", {}).get("project") not in projects]
    loose = [seen(f"k8s:AppProject/{name}", said) for name, each in projects.items() if (said := _stars(each))]
    return judged(
        f"{len(projects)} projects hold {len(applications) - len(stray)} of {len(applications)} Applications",
        measure("projects", len(projects), 1, relation=">="),
        measure("applications", len(applications), 1, relation=">="),
        measure("applications outside of them", len(stray), 0),
        measure("projects with a *", len(loose), 0),
        seen=[*loose, *(seen(f"k8s:Application/{e['name']}", f"project {e['spec'].get('project')}") for e in stray)],
    )


def _stars(project: Manifest) -> str:
    spec: Manifest = project.get("spec", {})
    parts = ("sourceRepos", "destinations", "clusterResourceWhitelist", "namespaceResourceWhitelist")
    return ", ".join(part for part in parts if not spec.get(part) or "'*'" in str(spec[part]))


@check(proves=("w0.namespaces", *(f"w0.{name}" for name in NAMESPACES)), needs=("kubernetes",))
async def namespaces_are_there(platform: Client, place: Place) -> Proof:
    """The six namespaces of the roadmap exist, are active, and name a pod-security level."""
    there = {str(each["name"]): each for each in await objects(platform, place, "namespaces")}
    missing = [name for name in NAMESPACES if name not in there]
    loose = [name for name in NAMESPACES if name in there and not _secured(there[name])]
    return judged(
        "all six are there" if not missing else f"missing: {', '.join(missing)}",
        measure("namespaces", len(NAMESPACES) - len(missing), len(NAMESPACES)),
        measure("without a pod-security level", len(loose), 0, unit="namespaces"),
        seen=[seen(f"k8s:Namespace/{name}", "no label pod-security.kubernetes.io/enforce") for name in loose],
    )


def _secured(namespace: Manifest) -> bool:
    return namespace.get("labels", {}).get("pod-security.kubernetes.io/enforce") in ("baseline", "restricted")


@check(proves=("w0.gpu-operator", "w0.gpu-labels", "w0.gpu-discovery"), needs=("kubernetes", "gpu-operator"))
async def gpu_nodes_are_labelled(platform: Client, place: Place) -> Proof:
    """GPU feature discovery has labelled every node that has a GPU: product, memory and count."""
    nodes = [each for each in await objects(platform, place, "nodes") if _labels(each).get("nvidia.com/gpu.present")]
    bare = [each for each in nodes if any(label not in _labels(each) for label in GPU_LABELS)]
    told = [seen(f"k8s:Node/{each['name']}", _told(_labels(each))) for each in nodes]
    return judged(
        f"{len(nodes)} GPU nodes: " + ", ".join(sorted({str(_labels(n).get(GPU_LABELS[0], "?")) for n in nodes})),
        measure("GPU nodes", len(nodes), 1, relation=">="),
        measure("without labels of discovery", len(bare), 0, unit="nodes"),
        seen=told,
        simulated=any(FAKE in _labels(each) for each in nodes),
    )


def _labels(item: Manifest) -> dict[str, Any]:
    return dict(item.get("labels", {}))


def _told(labels: Manifest) -> str:
    return ", ".join(f"{name.removeprefix('nvidia.com/')}={labels.get(name, 'missing')}" for name in GPU_LABELS)


@check(proves="w0.storage-classes", needs=("kubernetes",))
async def storage_classes_are_there(platform: Client, place: Place) -> Proof:
    """One storage class is the default, and no claim of ours is still waiting for a volume."""
    classes = await objects(platform, place, "storageclasses")
    defaults = [each for each in classes if "true" in str(each.get("annotations", {}).get(DEFAULT_CLASS)).lower()]
    names = {str(each["name"]) for each in classes}
    claims = [each for each in await ours(platform, place, "pvc") if each.get("status", {}).get("phase") != "Bound"]
    waiting = [
        seen(f"k8s:{each['namespace']}/PersistentVolumeClaim/{each['name']}", _waits(each, names)) for each in claims
    ]
    return judged(
        f"{len(classes)} classes, the default is {', '.join(str(each['name']) for each in defaults) or 'none'}"
        + "".join(f"; {each.source.removeprefix('k8s:')} {each.text}" for each in waiting[:3]),
        measure("default classes", len(defaults), 1),
        measure("claims without a volume", len(waiting), 0, unit="claims"),
        seen=waiting,
    )


def _waits(claim: Manifest, classes: set[str]) -> str:
    wanted = claim.get("spec", {}).get("storageClassName")
    if wanted and wanted not in classes:
        return f"has no volume: there is no storage class {wanted!r}"
    return "has no volume yet"


DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@check(proves="w0.no-node-names", needs=("kubernetes",))
async def no_workload_names_a_node(platform: Client, place: Place) -> Proof:
    """No workload of ours asks for a node by its name, by hostname selector or by affinity to one."""
    tied: list[Excerpt] = []
    count = 0
    for kind in ("deployments", "statefulsets", "daemonsets", "cronjobs", "jobs"):
        for each in await ours(platform, place, kind):
            count += 1
            pod: Manifest = each.get("spec", {}).get("pod", {})
            tied += [seen(f"k8s:{each['namespace']}/{each['kind']}/{each['name']}", said) for said in _ties(pod)]
    return judged(
        f"{count} workloads, {len(tied)} of them tied to a node",
        measure("workloads", count, 1, relation=">="),
        measure("tied to a node", len(tied), 0, unit="workloads"),
        seen=tied,
    )


def _ties(pod: Manifest) -> Iterable[str]:
    if pod.get("node"):
        yield f"nodeName: {pod['node']}"
    if HOSTNAME in pod.get("nodeSelector", {}):
        yield f"nodeSelector {HOSTNAME}: {pod['nodeSelector'][HOSTNAME]}"
    if HOSTNAME in str(pod.get("affinity", {}).get("nodeAffinity", "")):
        yield f"node affinity to {HOSTNAME}"


HOSTNAME = "kubernetes.io/hostname"


@check(proves=("w0.isolation", "w0.network-policies"), needs=("kubernetes",))
async def namespaces_deny_by_default(platform: Client, place: Place) -> Proof:
    """In each namespace a policy selects every pod, for both directions, and allows nothing by itself."""
    policies = await ours(platform, place, "networkpolicies")
    open_ = [name for name in NAMESPACES if not all(_denied(policies, name, way) for way in ("Ingress", "Egress"))]
    return judged(
        "each denies by default" if not open_ else f"open by default: {', '.join(open_)}",
        measure("namespaces that deny by default", len(NAMESPACES) - len(open_), len(NAMESPACES)),
        seen=[seen(f"k8s:Namespace/{name}", "no policy denies both directions to every pod") for name in open_],
    )


def _denied(policies: Sequence[Manifest], namespace: str, way: str) -> bool:
    """Kubernetes allows what no policy selects; one that selects every pod and has no rule denies all."""
    return any(each["namespace"] == namespace and _selects_all(each) and way in _ways(each) for each in policies)


def _selects_all(policy: Manifest) -> bool:
    return not policy.get("spec", {}).get("podSelector")


def _ways(policy: Manifest) -> list[str]:
    spec: Manifest = policy.get("spec", {})
    return list(spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])])


@check(proves="w0.dns", needs=("kubernetes",))
async def no_policy_blocks_dns(platform: Client, place: Place) -> Proof:
    """Where leaving is denied, port 53 over UDP and TCP to the cluster's DNS is allowed, for every pod."""
    policies = await ours(platform, place, "networkpolicies")
    blocked = [name for name in NAMESPACES if _denied(policies, name, "Egress") and not _resolves(policies, name)]
    return judged(
        "names can be resolved in each" if not blocked else f"DNS is blocked in {', '.join(blocked)}",
        measure("policies", len(policies), 1, relation=">="),
        measure("namespaces where DNS is blocked", len(blocked), 0),
        seen=[seen(f"k8s:Namespace/{name}", "no egress rule allows port 53 over UDP and TCP") for name in blocked],
    )


def _resolves(policies: Sequence[Manifest], namespace: str) -> bool:
    allowed: set[str] = set()
    for policy in policies:
        if policy["namespace"] != namespace or not _selects_all(policy):
            continue
        for rule in policy.get("spec", {}).get("egress", []):
            if any(_is_dns(peer) for peer in rule.get("to") or [{}]):
                allowed |= _protocols(rule.get("ports"))
    return allowed >= {"UDP", "TCP"}


def _is_dns(peer: Manifest) -> bool:
    """Whether a peer can be the cluster's DNS: anybody, an address, or pods of kube-system or called DNS."""
    names = str(peer.get("namespaceSelector", "")) + str(peer.get("podSelector", ""))
    return not peer or "ipBlock" in peer or "kube-system" in names or "dns" in names


def _protocols(ports: Sequence[Manifest] | None) -> set[str]:
    if not ports:
        return {"UDP", "TCP"}
    return {str(each.get("protocol", "TCP")) for each in ports if each.get("port", DNS) in (DNS, str(DNS))}


@check(proves="w0.repository-layout", needs=("git",))
async def repository_is_laid_out_as_specified(platform: Client, place: Place) -> Proof:
    """The Git repository has a folder a wave, a bootstrap, and overlays for clusters."""
    source = {"repo": place.profile.where("git")}
    listed = await value(platform, "files_list", {"glob": "deploy/**", "limit": 5000}, agent="coding", sources=source)
    files = [str(each) for each in listed]
    wanted = ["deploy/bootstrap/", "deploy/clusters/", "deploy/components/"]
    wanted += [f"deploy/waves/{wave.number:02}-{wave.name}/" for wave in plan().waves if wave.number <= PLACED]
    missing = [folder for folder in wanted if not any(file.startswith(folder) for file in files)]
    return judged(
        "every folder is there" if not missing else f"missing: {', '.join(missing)}",
        measure("folders", len(wanted) - len(missing), len(wanted)),
        seen=[seen("repo:deploy", "\n".join(files[:40]))],
    )


PLACED = 5  # waves that have manifests of their own
