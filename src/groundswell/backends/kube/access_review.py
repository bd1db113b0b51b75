"""Asks the cluster whether a caller may read something, before the platform reads it on its own account."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import httpx2
from lightkube.core.exceptions import ConfigError as KubeConfigError

from groundswell.backends.kube.kinds import Kind
from groundswell.core.errors import Denied

SECONDS = 60.0  # for which an answer counts
KEPT = 20_000
PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_HINT = "the cluster's roles say what this caller may read: kubectl auth can-i --as USER"


@dataclass(frozen=True)
class Subject:
    """A caller as the cluster knows them."""

    user: str
    groups: tuple[str, ...] = ()


@dataclass
class Answers:
    """What clusters said of late; shared by all calls of a process, and by subject, so that no one has another's."""

    known: "OrderedDict[tuple[Any, ...], tuple[float, bool]]" = field(
        default_factory=lambda: OrderedDict[tuple[Any, ...], tuple[float, bool]]()
    )

    def find(self, key: tuple[Any, ...]) -> bool | None:
        """An answer that still counts."""
        until, allowed = self.known.get(key, (0.0, False))
        return allowed if until > time.monotonic() else None

    def keep(self, key: tuple[Any, ...], *, allowed: bool) -> None:
        """Remember one for a while."""
        self.known[key] = (time.monotonic() + SECONDS, allowed)
        self.known.move_to_end(key)
        while len(self.known) > KEPT:
            self.known.popitem(last=False)


@dataclass(frozen=True)
class Reviews:
    """Reviews of one caller's access in one cluster. What cannot be asked is denied."""

    subject: Subject
    cluster: str  # which one, as its source names it
    answers: Answers

    async def check(
        self, client: httpx2.AsyncClient, verb: str, kind: Kind, namespace: str, name: str, subresource: str
    ) -> None:
        """Raise Denied unless the caller may."""
        key = (self.cluster, self.subject, verb, kind.path, kind.plural, namespace, name, subresource)
        allowed = self.answers.find(key)
        if allowed is None:
            allowed = await self._asked(client, _attributes(verb, kind, namespace, name, subresource))
            self.answers.keep(key, allowed=allowed)
        if not allowed:
            what = f"{kind.plural}/{subresource}" if subresource else kind.plural
            where = f" in namespace {namespace!r}" if namespace else ""
            message = f"the cluster does not let {self.subject.user} {verb} {what}{where}"
            raise Denied("review_denied", message, _HINT)

    async def _asked(self, client: httpx2.AsyncClient, attributes: dict[str, str]) -> bool:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": self.subject.user,
                "groups": list(self.subject.groups),
                "resourceAttributes": attributes,
            },
        }
        try:
            answer = await client.post(PATH, json=body)
            status: Any = answer.json().get("status") if answer.status_code in (200, 201) else None
        except (httpx2.HTTPError, httpx2.InvalidURL, KubeConfigError, OSError, ValueError, AttributeError) as error:
            raise _unasked(type(error).__name__) from error
        if not isinstance(status, dict):
            raise _unasked(f"HTTP {answer.status_code}")
        return status.get("allowed") is True and status.get("denied") is not True


def _unasked(why: str) -> Denied:
    hint = "let the platform's account create subjectaccessreviews.authorization.k8s.io"
    return Denied("review_unasked", f"the cluster could not be asked what this caller may read ({why})", hint)


def _attributes(verb: str, kind: Kind, namespace: str, name: str, subresource: str) -> dict[str, str]:
    group, _, version = kind.path.removeprefix("apis/").removeprefix("api/").rpartition("/")
    told = {
        "verb": verb,
        "group": group,
        "version": version,
        "resource": kind.plural,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }
    return {key: value for key, value in told.items() if value}
