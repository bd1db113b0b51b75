"""Images that are not pulled: wrong name or tag, no right, no way to the registry, another architecture."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, quoted, statement
from groundswell.agents.observability.pods import Ended, waiting
from groundswell.agents.observability.world import Ref, World

_REASONS = (
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
)
_WHY = (
    ("image.throttled", r"toomanyrequests|rate limit|429", "the registry limits how often it may be pulled"),
    (
        "image.architecture",
        r"no match(?:ing manifest)? for platform|no matching manifest|exec format|architecture",
        "it was built for another platform",
    ),
    ("image.certificate", r"x509|certificate|tls:", "the registry's TLS certificate is refused"),
    (
        "image.dns",
        r"no such host|lookup |name resolution|server misbehaving",
        "the registry's host name does not resolve (DNS)",
    ),
    (
        "image.network",
        r"i/o timeout|timed? ?out|connection refused|deadline exceeded|no route|unreachable|EOF|connection reset",
        "the registry is not reached",
    ),
    (
        "image.name",
        r"invalid reference format|InvalidImageName|couldn't parse image|must be lowercase",
        "that is no valid image name",
    ),
    (
        "image.never",
        r"ErrImageNeverPull|not present with pull policy of Never",
        "its pull policy is `Never`, and the node does not have it",
    ),
    (
        "image.tag",
        r"manifest unknown|not found: manifest|manifest for .* not found"
        r"|tag .* (?:not found|does not exist)|: not found$|not found",
        "the registry has no such tag or image",
    ),
    (
        "image.auth",
        r"unauthorized|authentication required|denied|forbidden|no basic auth|401|403|credentials",
        "the registry asks for other credentials (authorization)",
    ),
    ("image.disk", r"no space left", "the node's disk is full"),
)

_LONGEST = 160


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload and image."""
    seen: set[tuple[Ref, str]] = set()
    for found in waiting(world, *_REASONS):
        image = str(found.container.get("image", ""))
        if (found.about, image) not in seen:
            seen.add((found.about, image))
            yield _pull(world, found, image)


def _pull(world: World, found: Ended, image: str) -> Finding:
    pod = found.pod
    events = [
        each
        for each in world.events.get(pod.ref, [])
        if each.reason in ("Failed", "ErrImageNeverPull", "InspectFailed")
        and (image in each.message or found.name == each.container)
    ]
    telling = [each for each in events if not re.fullmatch(r"Error: \w+", each.message)]
    message = str(found.container.get("message", ""))
    texts = [*(each.message for each in telling), message, str(found.container.get("reason", ""))]
    cause, why = next(
        ((cause, why) for cause, pattern, why in _WHY for text in texts if re.search(pattern, text)),
        ("image.pull", "it could not be pulled"),
    )
    if cause == "image.tag" and any(re.search(r"authorization failed|unauthorized|denied", text) for text in texts):
        cause, why = "image.auth", "the registry asks for other credentials (authorization)"
    event = max(telling, key=lambda each: len(each.message), default=None)
    said = event.message if event else message
    tail = f": {quoted(_core(said))}" if said else "."
    reason = str(found.container.get("reason"))
    head = f"{found.about} does not start: the image `{image}` of its container `{found.name}` is not pulled"
    plain = f"{found.about} waits for the image `{image}` of its container `{found.name}` ({reason})"
    cites = [field_of(pod, f"image: {image}"), field_of(pod, f"reason: {reason}"), event_of(event)]
    secrets = pod.data.get("imagePullSecrets") or []
    finding = Finding(
        rule="images",
        cause=cause,
        about=found.about,
        headline=statement([f"{head}, because {why}{tail}", f"{plain}: {why}{tail}", f"{plain}{tail}"], *cites),
        depth=3,
        weight=0.95,
        needs={Ref("Secret", pod.ref.namespace, str(name)) for name in secrets},
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} describe pod {pod.ref.name}",
    )
    if cause == "image.auth":
        for each in world.events.get(pod.ref, []):
            if each.reason == "FailedToRetrieveImagePullSecret":
                finding.details.append(statement(quoted(each.message), event_of(each)))
    return finding


def _core(message: str) -> str:
    """The end of a pull error: what the registry said."""
    parts = re.split(r"(?<=\"): |desc = ", message)
    core = parts[-1] if len(parts[-1]) > 20 else message
    while len(core) > _LONGEST and ": " in core:
        core = core.partition(": ")[2]
    return core
