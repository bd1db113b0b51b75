"""Makes Secrets that are missing. It never reads one, and never changes one that is there."""

import base64
import json
from collections.abc import Mapping

import httpx2
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.core.exceptions import ConfigError as KubeConfigError

from groundswell.backends.kube.live import TIMEOUT, config_of
from groundswell.core.errors import Denied, Unavailable

_HINT = "who makes Secrets needs the right to create them in that namespace"


async def create(
    source: str, namespace: str, name: str, values: Mapping[str, bytes], *, kind: str = "Opaque", dry: bool = False
) -> bool:
    """Create a Secret, labelled as ours; False where there is one of that name. Raises Denied, Unavailable.

    `dry` only asks whether it would be made.
    """
    config = config_of(source)
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "groundswell"}},
        "type": kind,
        "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
    }
    try:
        client = AsyncClient(config, ConnectionParams(timeout=TIMEOUT, trust_env=False))
        async with client:
            answer = await client.post(
                f"/api/v1/namespaces/{namespace}/secrets",
                content=json.dumps(body),
                params={"dryRun": "All"} if dry else {},
                headers={"content-type": "application/json"},
            )
    except (httpx2.HTTPError, KubeConfigError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unavailable("cluster_unreachable", f"the cluster cannot be reached: {reason}", _HINT) from error
    if answer.status_code == 409:
        return False
    if answer.status_code == 201:
        return True
    message = f"the Secret {namespace}/{name} was not made: the API answers {answer.status_code}"
    raise (Denied if answer.status_code in (401, 403) else Unavailable)("secret_refused", message, _HINT)
