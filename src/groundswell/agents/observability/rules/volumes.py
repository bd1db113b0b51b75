"""Volumes: claims that are not bound, and volumes that are not attached or mounted."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, Statement, event_of, field_of, quoted, statement
from groundswell.agents.observability.pods import counts, upstream_of
from groundswell.agents.observability.world import Happening, Ref, Thing, World, newest, ready, rows

_MOUNT = (
    (
        "volume.multi-attach",
        r"Multi-Attach error",
        "the volume is still attached to another node, and only one may have it",
    ),
    ("volume.read-only", r"[Rr]ead-only file ?system", "the file system is read-only"),
    ("volume.full", r"[Nn]o space left", "the disk is full"),
    ("volume.permission", r"permission denied|access denied", "access to the volume is denied"),
    (
        "volume.nfs",
        r"mount\.nfs|Connection timed out|No route to host|Connection refused|server .* not responding",
        "the storage server does not answer",
    ),
    (
        "volume.file-system",
        r"wrong fs type|bad superblock|fsck|corrupt",
        "its file system is damaged or of another type",
    ),
    (
        "volume.driver",
        r"driver name .* not found in the list of registered CSI drivers|CSI driver|no such plugin",
        "the CSI driver is not there on the node",
    ),
    (
        "volume.host-path",
        r"hostPath type check failed|is not a (?:directory|file)|not a directory",
        "the path on the node is not there, or of another kind",
    ),
    ("volume.sub-path", r"subPath|failed to prepare subPath", "the sub-path of the volume is not there"),
    ("volume.attach", r"AttachVolume|attach", "the volume is not attached to the node"),
)


def find(world: World) -> Iterator[Finding]:
    """Claims that are not bound although somebody waits, and mounts that fail."""
    for claim in world.all("PersistentVolumeClaim"):
        if claim.status.get("phase") in ("Pending", "Lost") and (found := _unbound(world, claim)) is not None:
            yield found
        yield from _resizing(world, claim)
    seen: set[Ref] = set()
    for pod in world.all("Pod"):
        about = world.owner(pod)
        if about in seen or not counts(world, pod) or ready(pod):
            continue
        events = [
            each
            for each in world.events.get(pod.ref, [])
            if each.reason in ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
            and not re.search(
                r"(?i)(?:configmap|secret) \"|object .* not registered|references non-existent", each.message
            )
        ]
        if events:
            seen.add(about)
            yield _mount(world, pod, about, events)
    for pod in world.all("Pod"):
        yield from _claim_missing(world, pod)


def _users(world: World, claim: Thing) -> list[Thing]:
    return [
        pod
        for pod in world.all("Pod")
        if pod.ref.namespace == claim.ref.namespace
        and any(each.get("claimName") == claim.ref.name for each in rows(pod.data, "volumes"))
    ]


def _unbound(world: World, claim: Thing) -> Finding | None:
    users = _users(world, claim)
    events = [each for each in world.events.get(claim.ref, []) if each.type == "Warning"]
    event = newest(events)
    name = claim.spec.get("storageClassName")
    known = world.get("StorageClass", "", str(name)) if name else None
    waits = newest([each for each in world.events.get(claim.ref, []) if each.reason == "WaitForFirstConsumer"])
    lazy = waits is not None or (known is not None and known.data.get("volumeBindingMode") == "WaitForFirstConsumer")
    if (lazy and not users and not events) or (not users and not events and world.age(claim.data.get("created")) < 300):
        return None
    said = event.message if event else ""
    modes = ", ".join(map(str, claim.spec.get("accessModes") or ()))
    words = [f"{claim.ref} waits for a volume"]
    cause = "volume.unbound"
    if name and (
        re.search(rf"storageclass\S* \"{re.escape(str(name))}\" not found", said)
        or world.lacks("StorageClass", "", str(name))
    ):
        cause = "volume.class"
        words = [
            f"{claim.ref} waits for a volume, because its storage class `{name}` does not exist",
            f"{claim.ref} waits for a storage class `{name}`",
        ]
    elif not name and re.search(r"no persistent volumes available .* and no storage class is set", said):
        cause = "volume.class"
        words = [
            f"{claim.ref} waits for a volume, and names no storage class",
            f"{claim.ref} is Pending",
        ]
    elif modes and re.search(r"(?i)access mode|volume capabilit|MULTI_NODE|READER_WRITER|ReadWriteMany", said):
        cause = "volume.access-mode"
        words = [
            f"{claim.ref} waits for a volume: it asks for {modes}, which its storage class `{name}` does not offer",
            f"{claim.ref} asks for {modes} of its storage class `{name}`, which refuses that",
            f"{claim.ref} asks for {modes}",
        ]
    elif re.search(r"ProvisioningFailed|failed to provision|rpc error", f"{event.reason if event else ''} {said}"):
        cause = "volume.provisioning"
        words = [
            f"{claim.ref} waits for its volume, which is not provisioned",
            f"{claim.ref} waits for its volume",
        ]
    elif claim.status.get("phase") == "Lost":
        cause = "volume.lost"
        words = [f"{claim.ref} is Lost: its volume is gone", f"{claim.ref} is Lost"]
    words.append(f"{claim.ref} is Pending")
    tail = f": {quoted(said)}" if said else "."
    cites = [field_of(claim, f"phase: {claim.status.get('phase')}"), event_of(event)]
    cites.append(field_of(claim, f"storageClassName: {name}") if name else None)
    cites.append(field_of(claim, *(f"- {each}" for each in claim.spec.get("accessModes") or ())) if modes else None)
    return Finding(
        rule="volumes",
        cause=cause,
        about=claim.ref,
        headline=statement([f"{each}{tail}" for each in words], *cites),
        details=list(_class(world, name)),
        depth=3,
        weight=0.85 if users else 0.5,
        touches={world.owner(pod) for pod in users},
        next=f"kubectl -n {claim.ref.namespace} describe pvc {claim.ref.name}",
    )


def _class(world: World, name: object) -> Iterator[Statement]:
    """Who makes volumes of the storage class."""
    known = world.get("StorageClass", "", str(name)) if name else None
    maker = known.data.get("provisioner") if known else None
    if maker:
        yield statement(
            f"Volumes of {known.ref if known else ''} are made by `{maker}`.", field_of(known, f"provisioner: {maker}")
        )
    if name and known is None and (others := [each.ref.name for each in world.all("StorageClass")][:4]):
        there = [field_of(each) for each in list(world.all("StorageClass"))[:4]]
        yield statement(f"The storage classes that are there: {', '.join(f'`{each}`' for each in others)}.", *there)


def _resizing(world: World, claim: Thing) -> Iterator[Finding]:
    event = newest(
        [
            e
            for e in world.events.get(claim.ref, [])
            if e.reason in ("VolumeResizeFailed", "ExternalExpanding")
            and e.type == "Warning"
            and world.age(e.last) < 3600
        ]
    )
    if event is not None and claim.status.get("phase") == "Bound":
        yield Finding(
            rule="volumes",
            cause="volume.resize",
            about=claim.ref,
            headline=statement(
                [f"{claim.ref} is not resized: {quoted(event.message)}", f"{claim.ref}: {quoted(event.message)}"],
                event_of(event),
            ),
            depth=3,
            weight=0.5,
            next=f"kubectl -n {claim.ref.namespace} describe pvc {claim.ref.name}",
        )


def _mount(world: World, pod: Thing, about: Ref, events: list[Happening]) -> Finding:
    telling = [
        each for each in events if not re.match(r"Unable to attach or mount volumes|timed out waiting", each.message)
    ]
    event = newest(telling or events)
    assert event is not None
    cause, why = next(
        ((cause, why) for cause, pattern, why in _MOUNT if re.search(pattern, event.message)), ("volume.mount", "")
    )
    head = f"{about} does not start, because a volume is not mounted"
    return Finding(
        rule="volumes",
        cause=cause,
        about=about,
        headline=statement(
            [
                *(
                    [
                        f"{head}: {why}: {quoted(event.message)}",
                        f"{about} waits for a volume, because {why}: {quoted(event.message)}",
                    ]
                    if why
                    else []
                ),
                f"{head}: {quoted(event.message)}",
                f"{about} waits for a volume: {quoted(event.message)}",
            ],
            event_of(event),
            field_of(pod),
        ),
        depth=3,
        weight=0.9,
        needs={ref for ref in upstream_of(pod) if ref.kind in ("PersistentVolumeClaim", "Node")},
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} describe pod {pod.ref.name}",
    )


def _claim_missing(world: World, pod: Thing) -> Iterator[Finding]:
    """A claim that the scheduler says is not there."""
    event = newest(
        [
            e
            for e in world.events.get(pod.ref, [])
            if re.search(r"persistentvolumeclaim \"[^\"]+\" not found", e.message)
        ]
    )
    if event is None or pod.data.get("node") or not counts(world, pod):
        return
    match = re.search(r"persistentvolumeclaim \"([^\"]+)\" not found", event.message)
    name = match.group(1) if match else ""
    about = world.owner(pod)
    yield Finding(
        rule="volumes",
        cause="volume.claim",
        about=about,
        headline=statement(
            [
                f"{about} is Pending, because its claim `{name}` is not found: {quoted(event.message)}",
                f"{about}: {quoted(event.message)}",
            ],
            event_of(event),
            field_of(pod, f"claimName: {name}"),
        ),
        depth=3,
        weight=0.95,
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} get pvc",
    )
