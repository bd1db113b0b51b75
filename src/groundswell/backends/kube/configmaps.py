"""Reads and fills ConfigMaps that are there already; what a gate writes of a cluster, and nothing else is written."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.core.exceptions import ConfigError as KubeConfigError

from groundswell.backends.kube.live import TIMEOUT, config_of
from groundswell.backends.kube.shapes import mapping, text
from groundswell.core.errors import Denied, Unavailable

FOUND, MISSING = (200, 202), 404
MANAGER = "groundswell-gate"


class ConfigMaps:
    """The ConfigMaps of one namespace, as far as the caller's rights reach."""

    def __init__(self, source: str, namespace: str) -> None:
        self.source, self.namespace = source, namespace

    async def read(self, name: str) -> tuple[dict[str, str], dict[str, str]] | None:
        """Its data and annotations; None where there is none of that name. Raises Denied, Unavailable."""
        found = await self._ask("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")
        if found is None:
            return None
        annotations = mapping(mapping(found.get("metadata")).get("annotations"))
        return {key: text(value) for key, value in mapping(found.get("data")).items()}, {
            key: text(value) for key, value in annotations.items()
        }

    async def fill(self, name: str, data: Mapping[str, str]) -> bool:
        """Set these keys of one that is there; False where it is not. Raises Denied, Unavailable."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{name}"
        return await self._ask("PATCH", path, {"data": dict(data)}) is not None

    async def cluster(self) -> str:
        """What tells this cluster from every other. Raises Denied, Unavailable."""
        found = await self._ask("GET", "/api/v1/namespaces/kube-system")
        return text(mapping((found or {}).get("metadata")).get("uid"))

    async def forget_job(self, name: str) -> bool:
        """Delete a Job, so that whoever declares it makes it anew; False where there is none."""
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{name}"
        return await self._ask("DELETE", path, {"propagationPolicy": "Background"}) is not None

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            client = AsyncClient(config_of(self.source), ConnectionParams(timeout=TIMEOUT, trust_env=False))
            async with client:
                answer = await client.request(
                    method,
                    path,
                    content=json.dumps(body) if body is not None else None,
                    params={"fieldManager": MANAGER} if method == "PATCH" else {},
                    headers={"content-type": kind},
                )
        except (httpx2.HTTPError, KubeConfigError, OSError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise Unavailable("cluster_unreachable", f"the cluster cannot be reached: {reason}") from error
        if answer.status_code == MISSING:
            return None
        if answer.status_code not in FOUND:
            message = f"{method} {path}: the API answers {answer.status_code}"
            raise (Denied if answer.status_code in (401, 403) else Unavailable)("cluster_refused", message)
        return mapping(answer.json())
